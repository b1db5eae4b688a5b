//! The handles that flows and faces work with.

use std::sync::Arc;

use crate::base::time::Clock;
use crate::config::Config;
use crate::db::Db;

/// Everything that outlives a request. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct App {
    /// The effective settings.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
}
