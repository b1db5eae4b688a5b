//! The second engine: PostgreSQL, and what speaks its protocol (CockroachDB, YugabyteDB, Aurora),
//! also behind a pooler that hands out connections per transaction, such as PgBouncer.
//!
//! One thread owns all connections. A worker that is free takes all units that wait, runs them in
//! one transaction, each behind a savepoint, and commits once: under load the cost of a commit is
//! shared, and an idle service runs each unit alone. Units that read go to workers of their own,
//! which need no transaction and send the statements of several units without waiting in between.
//!
//! Nothing here relies on the state of a session: no `SET`, no `LISTEN`, no advisory lock.

mod batch;
mod codec;
mod queue;
mod session;
mod settings;
mod tls;
mod worker;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::tx::{Common, Tx};
use super::unit::{self, Work};
use crate::base::{Caller, Error, Result};
use crate::telemetry::Kind;
use queue::Queue;
use settings::Settings;
use worker::Gathering;

pub(super) use session::Statements;
pub(super) use settings::shown;

/// The second engine. Dropping it lets the workers finish what waits, and closes the connections.
#[derive(Debug)]
pub(super) struct Postgres {
    writes: Arc<Queue>,
    reads: Arc<Queue>,
}

/// What the workers share.
struct Shared {
    settings: Settings,
    common: Common,
    writes: Arc<Queue>,
    reads: Arc<Queue>,
    gathering: Gathering,
    /// How many connections were lost.
    losses: Cell<u64>,
}

impl Postgres {
    /// Starts the thread, and waits until its first connection stands.
    pub(super) async fn open(url: &str, common: Common) -> Result<Self> {
        let settings = Settings::parse(url)?;
        let (writes, reads) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
        let engine = Self { writes: Arc::clone(&writes), reads: Arc::clone(&reads) };
        let (gathering, losses) = (Gathering::default(), Cell::new(0));
        let (connected, connecting) = oneshot::channel();
        std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || {
                run(Shared { settings, common, writes, reads, gathering, losses }, connected)
            })
            .map_err(Error::internal)?;
        connecting.await.unwrap_or_else(|_| Err(Error::internal("the thread did not start")))?;
        Ok(engine)
    }

    /// Hands a unit to whichever connection is free next.
    pub(super) fn submit(&self, work: Box<dyn Work>) {
        self.writes.push(work);
    }

    /// Runs a unit that only reads.
    pub(super) async fn read<T, F>(&self, caller: &Caller, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (work, answer) = unit::new(caller, unit, Kind::Read);
        self.reads.push(work);
        answer.await.unwrap_or_else(|_| Err(Error::unavailable("the database is shutting down")))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}

/// The thread that owns the connections. Ends when both queues are closed and empty.
fn run(shared: Shared, connected: oneshot::Sender<Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            LocalSet::new().block_on(&runtime, worker::run(Rc::new(shared), connected));
        }
        Err(error) => drop(connected.send(Err(Error::internal(error)))),
    }
}
