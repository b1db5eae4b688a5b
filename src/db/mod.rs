//! The database room: units of work on SQLite or PostgreSQL, in one SQL text.
//!
//! The only room that names a driver. A unit of work is an async closure; on SQLite its future
//! never waits, so the writer thread polls it to completion, and on PostgreSQL it is polled on the
//! thread that owns the connection. So a unit may hold anything and need not be `Send` itself.

pub mod copy;
mod event_log;
mod memory;
pub mod migrate;
mod postgres;
mod query;
mod sqlite;
pub mod transfer;
mod tx;
mod unit;
mod value;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub use event_log::NewEvent;
pub use query::{Query, Update};
pub use tx::Tx;
pub use value::{Cell, FromCell, Param, Row};

use crate::base::time::Clock;
use crate::base::{Caller, Error, Result};
use crate::telemetry::spans::Side;
use crate::telemetry::{Kind, metrics, request};
use tx::Common;

/// Where the data lives.
#[derive(Clone)]
pub enum Location {
    /// A file of the embedded engine. It is created if its folder exists.
    Sqlite(PathBuf),
    /// A URL as libpq reads it: `postgres://user:password@host:5432/database?sslmode=require`.
    ///
    /// Add `prepared_statements=off` behind a pooler that hands out connections per transaction
    /// and does not follow prepared statements (PgBouncer does if `max_prepared_statements` > 0).
    Postgres(String),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(url) => f.debug_tuple("Postgres").field(&postgres::shown(url)).finish(),
        }
    }
}

impl std::fmt::Display for Location {
    /// Where it is, without user, password and parameters.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(url) => f.write_str(&postgres::shown(url)),
        }
    }
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No database, or one without tables.
    Nothing,
    /// An installation.
    Installation,
    /// A file with the tables of something else. PostgreSQL is not asked: what else is in a database
    /// there is its owner's business.
    Foreign,
}

/// The right to be the one service on a database of the embedded engine, as long as it is kept.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// The database. A clone is another handle to the same one.
#[derive(Clone, Debug)]
pub struct Db {
    engine: Arc<Engine>,
    common: Common,
}

#[derive(Debug)]
enum Engine {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Db {
    /// Claims the database for this service, before it is opened. PostgreSQL has as many as come: `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if another service has it, [`Error::Unavailable`] if its folder is not there.
    pub fn claim(location: &Location) -> Result<Option<Claim>> {
        match location {
            Location::Sqlite(path) => Ok(Some(Claim { _lock: sqlite::claim(path)? })),
            Location::Postgres(_) => Ok(None),
        }
    }

    /// Opens the database and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// As [`Db::connect`]; [`Error::Internal`] if a migration fails or the schema is newer than this
    /// program.
    pub async fn open(location: &Location, clock: Clock) -> Result<Self> {
        let db = Self::connect(location, clock).await?;
        migrate::run(&db).await?;
        Ok(db)
    }

    /// Opens the database with the schema that it has, or none.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it is the file of something else or on a network file system,
    /// [`Error::Unavailable`] if it does not open or does not answer.
    pub async fn connect(location: &Location, clock: Clock) -> Result<Self> {
        if let Location::Sqlite(path) = location
            && sqlite::presence(path)? == Presence::Foreign
        {
            let message =
                format!("{location} is a database of something else. Nothing was changed.");
            return Err(Error::invalid("foreign_database", "database", message));
        }
        let common = Common::new(clock);
        let engine = match location {
            Location::Sqlite(path) => Engine::Sqlite(sqlite::Sqlite::open(path, common.clone())?),
            Location::Postgres(url) => {
                let opened = postgres::Postgres::open(url, common.clone()).await;
                Engine::Postgres(opened.map_err(|error| error.at(postgres::shown(url)))?)
            }
        };
        Ok(Self { engine: Arc::new(engine), common })
    }

    /// What is there: nothing is made by the question.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the database does not answer.
    pub async fn presence(location: &Location, clock: Clock) -> Result<Presence> {
        match location {
            Location::Sqlite(path) => sqlite::presence(path),
            Location::Postgres(_) => {
                let db = Self::connect(location, clock).await?;
                Ok(match db.has_table(migrate::TABLE).await? {
                    true => Presence::Installation,
                    false => Presence::Nothing,
                })
            }
        }
    }

    /// Whether there is a table of this name.
    async fn has_table(&self, name: &'static str) -> Result<bool> {
        let sql = match &*self.engine {
            Engine::Sqlite(_) => "SELECT count(*) FROM sqlite_master WHERE name = $1",
            Engine::Postgres(_) => {
                "SELECT count(*) FROM information_schema.tables
                 WHERE table_name = CAST($1 AS TEXT) AND table_schema = current_schema()"
            }
        };
        let count = async move |tx: &mut Tx| tx.fetch_one(sql, &[name.into()]).await?.next();
        Ok(self.read::<i64, _>(&Caller::anonymous(), count).await? > 0)
    }

    /// Runs a unit of work that only reads. Every statement sees committed data.
    ///
    /// # Errors
    ///
    /// What the unit returns; [`Error::Unavailable`] if the database does not answer.
    pub async fn read<T, F>(&self, caller: &Caller, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let _watch = Watch::begin(Kind::Read);
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(caller, unit).await,
            Engine::Postgres(postgres) => postgres.read(caller, unit).await,
        };
        result.inspect_err(count)
    }

    /// As [`Db::read`], for a unit that finds a few rows by their keys and does nothing else: on SQLite
    /// it runs on the thread of its caller, who would wait longer for another one. Whatever looks
    /// through rows would make every request of that thread wait. A later statement may see what was
    /// committed after an earlier one.
    ///
    /// # Errors
    ///
    /// As [`Db::read`].
    pub async fn read_briefly<T, F>(&self, caller: &Caller, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let _watch = Watch::begin(Kind::Read);
        let result = match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.read_briefly(caller, unit),
            Engine::Postgres(postgres) => postgres.read(caller, unit).await,
        };
        result.inspect_err(count)
    }

    /// Runs a unit that reads the configuration over what is in memory, without the database. `None`:
    /// something that it asks for is not there, or it fails.
    ///
    /// What it sees was so a moment ago, here, and at the most seconds ago on another node. So this is
    /// for what a later unit judges again: with [`Tx::recall`], that costs nothing there.
    pub fn glance<T>(
        &self,
        caller: &Caller,
        unit: impl AsyncFnOnce(&mut Tx) -> Result<T>,
    ) -> Option<T> {
        let mut tx = Tx::glancing(caller.clone(), &self.common)?;
        unit::complete(unit(&mut tx)).ok()
    }

    /// Runs a unit of work: `Ok` commits it, durably, before this returns; `Err` undoes it.
    ///
    /// The unit may be run again from its beginning if the database asks for it, so it must not
    /// change anything outside of the transaction.
    ///
    /// # Errors
    ///
    /// What the unit returns; [`Error::Unavailable`] if it could not be committed.
    pub async fn write<T, F>(&self, caller: &Caller, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let _watch = Watch::begin(Kind::Write);
        let (work, answer) = unit::new(caller, unit, Kind::Write);
        match &*self.engine {
            Engine::Sqlite(sqlite) => sqlite.submit(work)?,
            Engine::Postgres(postgres) => postgres.submit(work),
        }
        let answer = answer.await;
        answer
            .unwrap_or_else(|_| Err(Error::unavailable("the database is shutting down")))
            .inspect_err(count)
    }
}

/// Measures a unit of work until it is dropped.
struct Watch(Kind, Instant);

impl Watch {
    fn begin(kind: Kind) -> Self {
        metrics().unit_began(kind);
        Self(kind, Instant::now())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        metrics().unit_ended(self.0, self.1.elapsed());
        let name = match self.0 {
            Kind::Read => "database read",
            Kind::Write => "database write",
        };
        request::did(name, Side::Internal, self.1, None);
    }
}

/// Counts errors that are not the caller's.
fn count(error: &Error) {
    match error {
        Error::Unavailable(_) => metrics().unit_failed("unavailable"),
        Error::Internal(_) => metrics().unit_failed("internal"),
        _ => {}
    }
}
