//! One connection: its statements, and what its errors mean.

use std::cell::{Cell as Flag, RefCell};
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Statement};

use super::settings::{CONNECT_TIMEOUT, Settings};
use super::tls::Tls;
use crate::base::{Error, Result};
use crate::db::value::{Cell, Param, Row};
use crate::telemetry::metrics;

/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;
/// How long a statement may take, the wait for a lock included. Measured here and not by the
/// server, so that a silent network is noticed too and no session state is needed.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the statements of a migration may take together.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// A statement that can be run.
enum Prepared {
    /// The server knows it by a name.
    Named(Statement),
    /// It is sent with its types.
    Typed(Box<str>),
}

/// What a failed statement means for its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The same statement would fail again.
    Final,
    /// The units of the transaction may be run again, each alone: the database has chosen another
    /// transaction over this one, or has forgotten a prepared statement.
    Again,
    /// The connection is gone. The units may be run again, because `COMMIT` was not sent.
    Lost,
    /// The statement took too long, and the connection was given up because of it.
    TooSlow,
}

/// One connection.
pub(super) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    tls: Option<Tls>,
    named_statements: bool,
    statements: RefCell<HashMap<Box<str>, Statement>>,
    /// Statements that were sent and not answered yet.
    sent: RefCell<Vec<Sent>>,
    given_up: Flag<bool>,
}

type Sent = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>>>>;

impl Session {
    pub(super) async fn connect(settings: &Settings) -> Result<Self> {
        let tls = settings.tls.clone();
        let connect = async {
            Ok::<_, tokio_postgres::Error>(match tls.clone() {
                None => {
                    let (client, connection) = settings.config.connect(NoTls).await?;
                    (client, tokio::task::spawn_local(drive(connection)))
                }
                Some(tls) => {
                    let (client, connection) = settings.config.connect(tls).await?;
                    (client, tokio::task::spawn_local(drive(connection)))
                }
            })
        };
        let (client, driver) = timeout(2 * CONNECT_TIMEOUT, connect)
            .await
            .map_err(|_| Error::unavailable("PostgreSQL does not answer"))?
            .map_err(Error::unavailable)?;
        Ok(Self {
            client,
            driver,
            tls,
            named_statements: settings.named_statements,
            statements: RefCell::default(),
            sent: RefCell::default(),
            given_up: Flag::new(false),
        })
    }

    /// Whether another connection has to be made.
    pub(super) fn is_closed(&self) -> bool {
        self.given_up.get() || self.client.is_closed()
    }

    /// Says goodbye to the server.
    pub(super) async fn close(self) {
        drop(self.client);
        let _ = timeout(CONNECT_TIMEOUT, self.driver).await;
    }

    /// Stops using the connection, whose state is not known any more.
    pub(super) fn give_up(&self) {
        self.given_up.set(true);
        self.forget_sent();
        let token = self.client.cancel_token();
        let tls = self.tls.clone();
        // The server would go on with the statement, and hold its locks, until it has a result.
        tokio::task::spawn_local(timeout(CONNECT_TIMEOUT, async move {
            let _ = match tls {
                None => token.cancel_query(NoTls).await,
                Some(tls) => token.cancel_query(tls).await,
            };
        }));
        self.driver.abort();
    }

    /// Runs statements that control the transaction, whatever came of those that were sent before.
    pub(super) async fn control(&self, sql: &str) -> Result<(), Failed> {
        let control = async {
            let (_, done) = tokio::join!(biased; self.answers(), self.client.batch_execute(sql));
            done
        };
        self.within(STATEMENT_TIMEOUT, pin!(control)).await
    }

    /// Ends the transaction. If one of the statements that were sent before fails, it is undone,
    /// whatever the end was to be.
    pub(super) async fn end(&self, sql: &str) -> Result<(), End> {
        let mut sent = Ok(());
        let control = async {
            let answers = async { sent = self.answers().await };
            tokio::join!(biased; answers, self.client.batch_execute(sql)).1
        };
        let ended = self.within(STATEMENT_TIMEOUT, pin!(control)).await;
        match (sent, ended) {
            // Without an answer to a statement, the end may have been carried out behind it.
            (Err(error), _) if error.as_db_error().is_some() => Err(End::Undone(self.sort(&error))),
            (Err(error), _) => Err(End::Unknown(self.sort(&error))),
            (Ok(()), Err(failed)) => Err(End::Unknown(failed)),
            (Ok(()), Ok(())) => Ok(()),
        }
    }

    /// Forgets what was sent and not answered, which would keep a session alive that is gone.
    pub(super) fn forget_sent(&self) {
        self.sent.take();
    }

    /// Waits for what was sent.
    pub(super) async fn settle(&self) -> Result<(), Failed> {
        self.within(STATEMENT_TIMEOUT, pin!(self.answers())).await
    }

    /// The answers to what was sent: the first error among them.
    async fn answers(&self) -> Result<(), tokio_postgres::Error> {
        let mut first = Ok(());
        for sent in self.sent.take() {
            let answer = sent.await;
            first = first.and(answer);
        }
        first
    }

    /// Sends what a future sends when it is polled first, and leaves its answer for later.
    async fn post(&self, mut statement: Sent) -> Result<(), tokio_postgres::Error> {
        let once = std::future::poll_fn(|context| Poll::Ready(statement.as_mut().poll(context)));
        match once.await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                self.sent.borrow_mut().push(statement);
                Ok(())
            }
        }
    }

    async fn query(
        &self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        match self.prepared(sql).await? {
            Prepared::Named(statement) => self.client.query(&statement, &values(params)).await,
            Prepared::Typed(sql) => self.client.query_typed(&sql, &typed(params)).await,
        }
    }

    async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, tokio_postgres::Error> {
        self.run(&self.prepared(sql).await?, params).await
    }

    async fn run(
        &self,
        statement: &Prepared,
        params: &[Param<'_>],
    ) -> Result<u64, tokio_postgres::Error> {
        match statement {
            Prepared::Named(statement) => self.client.execute(statement, &values(params)).await,
            Prepared::Typed(sql) => self.client.execute_typed(sql, &typed(params)).await,
        }
    }

    async fn prepared(&self, sql: &str) -> Result<Prepared, tokio_postgres::Error> {
        Ok(if self.named_statements {
            Prepared::Named(self.prepare(sql).await?)
        } else {
            Prepared::Typed(sql.into())
        })
    }

    async fn prepare(&self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS {
            statements.clear();
        }
        statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }

    /// Waits for the server, but not for ever; sorts its errors.
    async fn within<T>(
        &self,
        limit: Duration,
        statement: Pin<&mut impl Future<Output = Result<T, tokio_postgres::Error>>>,
    ) -> Result<T, Failed> {
        match timeout(limit, statement).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.sort(&error)),
            Err(_) => {
                self.give_up();
                let error = Error::unavailable("the database took too long");
                Err(Failed { failure: Failure::TooSlow, error })
            }
        }
    }

    /// Sorts PostgreSQL's errors (appendix A of its manual, "PostgreSQL Error Codes").
    fn sort(&self, error: &tokio_postgres::Error) -> Failed {
        let Some(db) = error.as_db_error() else {
            return if self.is_closed() || error.is_closed() {
                let error = Error::unavailable("the connection to PostgreSQL was lost");
                Failed { failure: Failure::Lost, error }
            } else {
                // A value that does not fit its parameter, say; the cause says which.
                let cause = std::error::Error::source(error).map(ToString::to_string);
                let error = Error::internal(format!("{error}: {}", cause.unwrap_or_default()));
                Failed { failure: Failure::Final, error }
            };
        };
        let code = db.code();
        // Without DETAIL, which quotes the values of a row.
        let text = format!("PostgreSQL {}: {}", code.code(), db.message());
        let forgotten = [
            SqlState::INVALID_SQL_STATEMENT_NAME,
            SqlState::DUPLICATE_PSTATEMENT,
            // "cached plan must not change result type"
            SqlState::FEATURE_NOT_SUPPORTED,
        ];
        if forgotten.contains(code) {
            self.statements.borrow_mut().clear();
            return Failed { failure: Failure::Again, error: Error::internal(text) };
        }
        let (failure, passes) = match code.code() {
            "40001" | "40P01" => (Failure::Again, true),
            // The server shuts down, or was told to end this session.
            "57P01" | "57P02" | "57P03" | "57P05" => (Failure::Lost, true),
            // A primary that has become a replica: another connection may find the new primary.
            "25006" => (Failure::Final, true),
            code if code.starts_with("08") => (Failure::Lost, true),
            // Cancelled; out of memory, disk or connections; errors of the system.
            code if ["57", "53", "58"].iter().any(|class| code.starts_with(class)) => {
                (Failure::Final, true)
            }
            _ => (Failure::Final, false),
        };
        if failure == Failure::Lost || code.code() == "25006" {
            self.given_up.set(true);
        }
        let error = if passes { Error::unavailable(text) } else { Error::internal(text) };
        Failed { failure, error }
    }
}

/// Keeps a connection going until it ends.
async fn drive<E: std::error::Error>(connection: impl Future<Output = Result<(), E>>) {
    metrics().database_connections.inc();
    let _open = Open;
    if let Err(error) = connection.await {
        tracing::warn!(%error, "a connection to PostgreSQL ended");
    }
}

/// A connection that counts as open.
struct Open;

impl Drop for Open {
    fn drop(&mut self) {
        metrics().database_connections.dec();
    }
}

/// Why a transaction did not end as it was to.
pub(super) enum End {
    /// A statement before its end had failed: nothing of it is kept.
    Undone(Failed),
    /// What came of its end is not known where there was no answer.
    Unknown(Failed),
}

/// An error, and what it means for the transaction.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) error: Error,
}

/// The statements of one unit on a connection.
pub(in crate::db) struct Statements {
    session: Rc<Session>,
    /// What the server has to be told before the unit's first statement. It is sent together with
    /// it, which saves a round trip: should it fail, so does the statement. Empty: nothing.
    before: Option<&'static str>,
    reads_only: bool,
    failure: Option<Failure>,
}

impl Statements {
    pub(super) fn writing(session: &Rc<Session>, before: &'static str) -> Self {
        let session = Rc::clone(session);
        Self { session, before: Some(before), reads_only: false, failure: None }
    }

    pub(super) fn reading(session: &Rc<Session>) -> Self {
        Self { session: Rc::clone(session), before: None, reads_only: true, failure: None }
    }

    /// Whether the unit has sent anything.
    pub(super) fn has_begun(&self) -> bool {
        self.before.is_none()
    }

    /// What the statement that failed means for the transaction, if one failed.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// The rows of a query, at the most `limit`.
    pub(in crate::db) async fn fetch(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        limit: usize,
    ) -> Result<Vec<Row>> {
        let session = Rc::clone(&self.session);
        let found = self.run(sql, STATEMENT_TIMEOUT, pin!(session.query(sql, params))).await?;
        found.into_iter().take(limit).map(|row| cells(&row)).collect()
    }

    /// Runs a statement; returns how many rows it changed.
    pub(in crate::db) async fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        let session = Rc::clone(&self.session);
        self.run(sql, STATEMENT_TIMEOUT, pin!(session.execute(sql, params))).await
    }

    /// Sends a statement, whose answer is waited for with the next one's.
    pub(in crate::db) async fn send(&mut self, sql: &str, params: &[Param<'_>]) -> Result<()> {
        if self.reads_only {
            return Err(Error::internal("a unit that only reads has to use SELECT"));
        }
        let session = Rc::clone(&self.session);
        let before = self.before.take().filter(|before| !before.is_empty());
        let posted = async {
            if let Some(before) = before {
                let session = Rc::clone(&session);
                let control = async move { session.client.batch_execute(before).await };
                self.session.post(Box::pin(control)).await?;
            }
            // It outlives the unit, and takes along what it needs.
            let (sender, prepared) = (Rc::clone(&session), session.prepared(sql).await?);
            let cells: Vec<Cell> = params.iter().map(|param| Cell::from(*param)).collect();
            let statement = async move {
                let params: Vec<Param<'_>> = cells.iter().map(Cell::as_param).collect();
                sender.run(&prepared, &params).await.map(drop)
            };
            session.post(Box::pin(statement)).await
        };
        session.within(STATEMENT_TIMEOUT, pin!(posted)).await.map_err(|failed| {
            self.failure = Some(failed.failure);
            failed.error
        })
    }

    /// The same with a statement that waits for a migration of another node.
    pub(in crate::db) async fn execute_patiently(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64> {
        let session = Rc::clone(&self.session);
        self.run(sql, MIGRATION_TIMEOUT, pin!(session.execute(sql, params))).await
    }

    /// Runs several statements without parameters.
    pub(in crate::db) async fn execute_batch(&mut self, sql: &str) -> Result<()> {
        let session = Rc::clone(&self.session);
        self.run(sql, MIGRATION_TIMEOUT, pin!(session.client.batch_execute(sql))).await
    }

    /// Runs a statement behind what the server has to be told before it. It comes pinned: each function
    /// that a future goes through by value makes it larger by its size, and every unit is as large as its
    /// largest statement, whichever engine runs it.
    async fn run<T>(
        &mut self,
        sql: &str,
        limit: Duration,
        statement: Pin<&mut impl Future<Output = Result<T, tokio_postgres::Error>>>,
    ) -> Result<T> {
        if self.reads_only && !sql.trim_start().starts_with("SELECT") {
            return Err(Error::internal("a unit that only reads has to use SELECT"));
        }
        let session = Rc::clone(&self.session);
        let statement = async {
            let before = self.before.take().filter(|before| !before.is_empty());
            let control = async {
                match before {
                    None => Ok(()),
                    Some(before) => session.client.batch_execute(before).await,
                }
            };
            // In this order, which is the order in which they are sent.
            let (sent, began, done) = tokio::join!(biased; session.answers(), control, statement);
            sent.and(began).and(done)
        };
        session.within(limit, pin!(statement)).await.map_err(|failed| {
            self.failure = Some(failed.failure);
            failed.error
        })
    }
}

fn cells(row: &tokio_postgres::Row) -> Result<Row> {
    (0..row.len())
        .map(|i| row.try_get::<_, Cell>(i).map_err(Error::internal))
        .collect::<Result<_>>()
        .map(Row::new)
}

fn values<'a>(params: &'a [Param<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param as &(dyn ToSql + Sync)).collect()
}

fn typed<'a>(params: &'a [Param<'_>]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    params.iter().map(|param| (param as &(dyn ToSql + Sync), param.postgres_type())).collect()
}
