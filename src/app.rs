//! The handles that flows and faces work with.

use std::sync::Arc;

use crate::base::time::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::model::connection::Connection;
use crate::seal::Sealer;
use crate::upstream::Upstream;

/// Everything that outlives a request. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct App {
    /// The effective settings.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: Clock,
    /// Encryption at rest.
    pub sealer: Arc<Sealer>,
    /// The protocols spoken to identity providers.
    pub upstream: Upstream,
    /// How many logins may begin on one connection.
    pub authorize_rate: Arc<crate::base::rate::Limiter>,
}

impl App {
    /// A URL of ours; `path` begins with a slash. Only the configured base URL counts: what a
    /// request says of its host is never used.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.base_url.as_str().trim_end_matches('/'))
    }

    /// The redirect URI of a connection at its identity provider.
    pub fn callback_uri(&self, connection: &Connection) -> String {
        self.url(&connection.callback_path())
    }
}
