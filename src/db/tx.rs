//! One unit of work as an operation sees it: statements, the caller, one moment, new ids.

use std::sync::Arc;
use std::time::Instant;

use super::event_log::{self, NewEvent};
use super::memory::{self, AsOf, Memory, Name, Reading};
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
    common: Common,
    /// What the units before this one left for the end of the transaction.
    pending: Pending,
    /// The configuration, as this unit sees it.
    view: View,
    /// The events that this unit has recorded and that are not written yet.
    events: Vec<NewEvent>,
    /// Something is being read into memory.
    reading: Option<Reading>,
    failed: bool,
}

/// What all units of a database use.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) clock: Clock,
    pub(super) memory: Arc<Memory>,
}

impl Common {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, memory: Arc::new(Memory::new()) }
    }
}

/// What the units of a transaction leave for its end.
#[derive(Debug, Default)]
pub(super) struct Pending {
    view: View,
    events: Vec<NewEvent>,
}

impl Pending {
    /// Whether there is anything to be done.
    pub(super) const fn is_any(&self) -> bool {
        self.view.is_changed || !self.events.is_empty()
    }
}

/// The configuration, as a transaction sees it.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    /// `None`: it was not looked at yet.
    as_of: Option<AsOf>,
    /// This transaction has changed it, so what is in memory is out of date for it.
    is_changed: bool,
}

/// The connection on which the unit runs.
pub(super) enum Connection {
    Sqlite(Box<SqliteConnection>),
    Postgres(Box<PostgresStatements>),
    /// None: of what is in memory only.
    Memory,
}

impl Connection {
    pub(super) fn into_sqlite(self) -> Option<Box<SqliteConnection>> {
        if let Self::Sqlite(sqlite) = self { Some(sqlite) } else { None }
    }

    pub(super) fn into_postgres(self) -> Option<Box<PostgresStatements>> {
        if let Self::Postgres(postgres) = self { Some(postgres) } else { None }
    }
}

impl Tx {
    pub(super) fn new(
        connection: Connection,
        caller: Caller,
        common: &Common,
        pending: Pending,
    ) -> Self {
        Self {
            connection,
            caller,
            now: common.clock.now(),
            common: common.clone(),
            view: pending.view,
            pending,
            events: Vec::new(),
            reading: None,
            failed: false,
        }
    }

    /// A unit that has nothing but what is in memory, as of the mark that was seen last.
    pub(super) fn glancing(caller: Caller, common: &Common) -> Option<Self> {
        let view = View { as_of: Some(common.memory.latest()?), is_changed: false };
        let pending = Pending { view, events: Vec::new() };
        Some(Self::new(Connection::Memory, caller, common, pending))
    }

    /// Gives the connection back, and what is left for the end of the transaction.
    pub(super) fn end(self, keep: bool) -> (Connection, Pending) {
        let mut pending = self.pending;
        if keep {
            pending.view = self.view;
            pending.events.extend(self.events);
        }
        (self.connection, pending)
    }

    /// Does what the units have left for the end of their transaction; returns the mark of the
    /// configuration if that has changed.
    pub(super) async fn finish(&mut self) -> Result<Option<AsOf>> {
        let events = std::mem::take(&mut self.pending.events);
        event_log::write(self, &events).await?;
        if self.view.is_changed { memory::renew(self).await.map(Some) } else { Ok(None) }
    }

    /// Whether it is PostgreSQL that runs it.
    pub(super) fn is_on_postgres(&self) -> bool {
        matches!(self.connection, Connection::Postgres(_))
    }

    /// Whether a statement has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// After a statement that failed there is no other: PostgreSQL would refuse it, and
    /// SQLite is held to the same so that a unit behaves alike on both.
    fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::internal("a unit went on after one of its statements had failed"));
        }
        Ok(())
    }

    /// Before a statement.
    async fn prepare(&mut self, sql: &str) -> Result<()> {
        self.check()?;
        if let Some(reading) = &self.reading {
            reading.check(sql)?;
        }
        self.view.is_changed |= memory::is_change(sql);
        // Whoever asks for events sees its own.
        if !self.events.is_empty() && sql.contains("event") {
            let events = std::mem::take(&mut self.events);
            Box::pin(event_log::write(self, &events)).await?;
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
        T::from_ulid(self.common.clock.ulid(self.now))
    }

    /// Records an event. It is written at the end of the transaction, or before this unit asks for
    /// events.
    pub fn append_event(&mut self, event: NewEvent) {
        self.events.push(event);
    }

    /// What `load` reads of the configuration, from memory as long as that has not changed. An entry
    /// has the name `what`, the environment that the unit is in, and `which`; that there is none is not
    /// kept in memory.
    ///
    /// # Errors
    ///
    /// What `load` returns; [`Error::Internal`] if it reads anything but the configuration.
    pub async fn recall<T: Send + Sync + 'static>(
        &mut self,
        what: &'static str,
        which: &[u8],
        load: impl AsyncFnOnce(&mut Self) -> Result<Option<T>>,
    ) -> Result<Option<Arc<T>>> {
        let as_of = self.as_of().await?;
        let (memory, environment) = (Arc::clone(&self.common.memory), self.environment_id());
        let name = Name { what, environment: environment.as_str(), which };
        if let Some(as_of) = as_of
            && let Some(known) = memory.find(&name, as_of, Instant::now())?
        {
            return Ok(Some(known));
        }
        let around = self.reading.replace(Reading::default());
        let loaded = load(self).await;
        let bytes = std::mem::replace(&mut self.reading, around).map_or(0, |it| it.bytes());
        if let Some(around) = &mut self.reading {
            around.add(bytes);
        }
        let Some(value) = loaded?.map(Arc::new) else { return Ok(None) };
        if let Some(as_of) = as_of {
            memory.keep(&name, as_of, (&value, bytes));
        }
        Ok(Some(value))
    }

    /// The mark of the configuration; `None` once this transaction has changed it.
    async fn as_of(&mut self) -> Result<Option<AsOf>> {
        if self.view.is_changed {
            return Ok(None);
        }
        if self.view.as_of.is_none() {
            let around = self.reading.take();
            let as_of = memory::read(self).await;
            self.reading = around;
            let as_of = as_of?;
            self.common.memory.saw(as_of);
            self.view.as_of = Some(as_of);
        }
        Ok(self.view.as_of)
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
        self.prepare(sql).await?;
        let rows = match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.fetch(sql, params, limit),
            Connection::Postgres(postgres) => postgres.fetch(sql, params, limit).await,
            Connection::Memory => Err(unknown()),
        }
        .inspect_err(|_| self.failed = true)?;
        if let Some(reading) = &mut self.reading {
            reading.add(rows.iter().map(Row::bytes).sum());
        }
        Ok(rows)
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
        self.prepare(sql).await?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute(sql, params),
            Connection::Postgres(postgres) => postgres.execute(sql, params).await,
            Connection::Memory => Err(unknown()),
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
            Connection::Memory => Err(unknown()),
        }
        .inspect_err(|_| self.failed = true)
    }

    /// Runs a statement whose outcome the unit does not need: PostgreSQL is sent it, and it is not waited
    /// for before an answer of the database is needed. If it fails, so does the unit.
    ///
    /// # Errors
    ///
    /// As [`Self::fetch_all`], now or from any later statement of the unit.
    pub async fn send(&mut self, sql: &str, params: &[Param<'_>]) -> Result<()> {
        self.prepare(sql).await?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute(sql, params).map(drop),
            Connection::Postgres(postgres) => postgres.send(sql, params).await,
            Connection::Memory => Err(unknown()),
        }
        .inspect_err(|_| self.failed = true)
    }

    /// Runs several statements without parameters, as they stand in a migration.
    pub(super) async fn execute_batch(&mut self, sql: &str) -> Result<()> {
        self.check()?;
        match &mut self.connection {
            Connection::Sqlite(sqlite) => sqlite.execute_batch(sql),
            Connection::Postgres(postgres) => postgres.execute_batch(sql).await,
            Connection::Memory => Err(unknown()),
        }
        .inspect_err(|_| self.failed = true)
    }
}

/// What a unit without a database is told that wants more than what is in memory.
fn unknown() -> Error {
    Error::unavailable("it is not in memory")
}
