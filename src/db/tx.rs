//! One unit of work as an operation sees it: statements, the caller, one moment, new ids.

use super::sqlite::Connection as SqliteConnection;
use super::value::{Param, Row};
use crate::base::id::{EnvironmentId, Id};
use crate::base::time::Timestamp;
use crate::base::{Caller, Error, Result};

/// A unit of work in progress.
pub struct Tx {
    connection: Connection,
    caller: Caller,
    now: Timestamp,
}

/// The connection on which the unit runs.
pub(super) enum Connection {
    Sqlite(Box<SqliteConnection>),
}

impl Tx {
    pub(super) fn new(connection: Connection, caller: Caller, now: Timestamp) -> Self {
        Self { connection, caller, now }
    }

    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The environment that every query of tenant data is limited to.
    pub fn environment_id(&self) -> EnvironmentId {
        self.caller.environment_id.clone()
    }

    /// Goes on in the environment that a lookup has found: for the few units that begin with a
    /// client id or the hash of a key and so cannot know it before.
    pub fn enter(&mut self, environment_id: &EnvironmentId) {
        self.caller.environment_id = environment_id.clone();
    }

    /// The moment of this unit: the same however often it is asked for.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A new id. Ids of later units sort behind it, to the millisecond.
    pub fn new_id<T: Id>(&self) -> T {
        let ms = u64::try_from(self.now.as_ms()).unwrap_or_default();
        let random = u128::from_be_bytes(crate::base::secret::random_bytes::<16>());
        T::from_ulid(ulid::Ulid::from_parts(ms, random))
    }

    /// The rows of a query.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the database does not answer, else [`Error::Internal`].
    pub async fn fetch_all(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.fetch(sql, params, usize::MAX),
        }
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch_all`].
    pub async fn fetch_optional(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>> {
        match &mut self.connection {
            Connection::Sqlite(sqlite) => Ok(sqlite.fetch(sql, params, 1)?.pop()),
        }
    }

    /// The first row of a query that always has one.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch_all`], and [`Error::Internal`] if there is none.
    pub async fn fetch_one(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Row> {
        self.fetch_optional(sql, params)
            .await?
            .ok_or_else(|| Error::internal("a query that always has a row had none"))
    }

    /// Runs a statement; returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch_all`].
    pub async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute(sql, params),
        }
    }

    /// Runs several statements without parameters, as they stand in a migration.
    pub(super) async fn execute_batch(&mut self, sql: &str) -> Result<()> {
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute_batch(sql),
        }
    }
}
