//! Backups of the embedded database. PostgreSQL has tools of its own for that.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::{make_directory, require_installation, sealer};
use crate::base::time::{Clock, Timestamp};
use crate::base::{Error, Result};
use crate::config::{Config, Database};
use crate::db::copy::{self, Incoming};
use crate::model::installation;

/// A backup that was made.
#[derive(Debug, Serialize)]
pub struct Backup {
    /// Where it is.
    pub file: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// When it was begun.
    pub taken_at: Timestamp,
}

/// A backup that was put back.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// The database that it is now.
    pub database: PathBuf,
    /// The key that its secrets are sealed with; it is here.
    pub key_id: Option<String>,
    /// Where the database is that was there before.
    pub before: Option<PathBuf>,
}

/// Writes a whole, checked copy of the database to a new file, while the service may run.
///
/// # Errors
///
/// [`Error::Invalid`] for PostgreSQL, and as [`copy::take`].
pub async fn back_up(config: &Config, to: &Path, clock: &Clock) -> Result<Backup> {
    let taken_at = clock.now();
    let from = database(config)?;
    require_installation(config, clock).await?;
    copy::take(from, to)?;
    let bytes = std::fs::metadata(to).map(|file| file.len()).map_err(Error::unavailable)?;
    Ok(Backup { file: to.to_owned(), bytes, taken_at })
}

/// Puts a backup in the place of the database, which nobody may be using. The keys have to be here
/// already: without them nothing is restored. It gets the schema of this program, and what was under way
/// when it was made is ended.
///
/// # Errors
///
/// [`Error::Invalid`] for PostgreSQL, or if the file is no backup; [`Error::Internal`], naming the
/// key, if that is missing; [`Error::Conflict`] if there is a database that is in use or is not to be
/// replaced.
pub fn restore(config: &Config, from: &Path, replace: bool, clock: Clock) -> Result<Restored> {
    let place = database(config)?;
    copy::require_backup(from)?;
    make_directory(&config.data)?;
    let incoming = Incoming::read(from, place, clock)?;
    let key_id = incoming.run(async |tx| installation::key_id(tx).await)?;
    if let Some(key_id) = &key_id {
        let sealer = sealer(config, Some(key_id))?;
        incoming.run(async |tx| installation::check_keys(tx, &sealer).await)?;
    }
    incoming.migrate()?;
    incoming.run(async |tx| installation::end_what_was_under_way(tx).await)?;
    let before = incoming.install(replace)?;
    Ok(Restored { database: place.to_owned(), key_id, before })
}

fn database(config: &Config) -> Result<&Path> {
    match &config.database {
        Database::Sqlite(path) => Ok(path),
        Database::Postgres(_) => Err(Error::invalid(
            "not_embedded",
            "database",
            "The database is PostgreSQL: back it up and restore it with pg_dump and pg_restore, or \
             with what your provider offers.",
        )),
    }
}
