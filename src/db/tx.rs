//! One unit of work as an operation sees it: statements, the caller, one moment, new ids.

use super::postgres::Statements as PostgresStatements;
use super::sqlite::Connection as SqliteConnection;
use super::value::{Param, Row};
use crate::base::id::{EnvironmentId, Id};
use crate::base::time::{Clock, Timestamp};
use crate::base::{Caller, Error, Result};

/// A unit of work in progress.
pub struct Tx {
    connection: Connection,
    caller: Caller,
    now: Timestamp,
    clock: Clock,
    failed: bool,
}

/// The connection on which the unit runs.
pub(super) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PostgresStatements>),
}

impl Tx {
    pub(super) fn new(connection: Connection, caller: Caller, clock: &Clock) -> Self {
        Self { connection, caller, now: clock.now(), clock: clock.clone(), failed: false }
    }

    pub(super) fn into_sqlite(self) -> Option<Box<SqliteConnection>> {
        if let Connection::Sqlite(sqlite) = self.connection { Some(sqlite) } else { None }
    }

    pub(super) fn into_postgres(self) -> Option<Box<PostgresStatements>> {
        if let Connection::Postgres(postgres) = self.connection { Some(postgres) } else { None }
    }

    /// Whether it is PostgreSQL that runs it.
    pub(super) fn is_on_postgres(&self) -> bool {
        matches!(self.connection, Connection::Postgres(_))
    }

    /// Whether a statement has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// After a statement that failed there is no other: PostgreSQL would refuse it, and SQLite is
    /// held to the same so that a unit behaves alike on both.
    fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::internal("a unit went on after one of its statements had failed"));
        }
        Ok(())
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

    /// A new id. It sorts behind all that this node made before, as long as its clock goes forward.
    pub fn new_id<T: Id>(&self) -> T {
        T::from_ulid(self.clock.ulid(self.now))
    }

    /// The rows of a query.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the database does not answer, else [`Error::Internal`].
    pub async fn fetch_all(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        self.fetch(sql, params, usize::MAX).await
    }

    async fn fetch(&mut self, sql: &str, params: &[Param<'_>], limit: usize) -> Result<Vec<Row>> {
        self.check()?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.fetch(sql, params, limit),
            Connection::Postgres(postgres) => postgres.fetch(sql, params, limit).await,
        }
        .inspect_err(|_| self.failed = true)
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch_all`].
    pub async fn fetch_optional(&mut self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>> {
        Ok(self.fetch(sql, params, 1).await?.pop())
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
        self.check()?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute(sql, params),
            Connection::Postgres(postgres) => postgres.execute(sql, params).await,
        }
        .inspect_err(|_| self.failed = true)
    }

    /// The same with a statement that may have to wait as long as a migration takes.
    pub(super) async fn execute_patiently(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64> {
        self.check()?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute(sql, params),
            Connection::Postgres(postgres) => postgres.execute_patiently(sql, params).await,
        }
        .inspect_err(|_| self.failed = true)
    }

    /// Runs several statements without parameters, as they stand in a migration.
    pub(super) async fn execute_batch(&mut self, sql: &str) -> Result<()> {
        self.check()?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute_batch(sql),
            Connection::Postgres(postgres) => postgres.execute_batch(sql).await,
        }
        .inspect_err(|_| self.failed = true)
    }
}
