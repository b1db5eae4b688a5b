//! The connections that read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Semaphore;

use super::super::tx::{self, Common, Pending, Tx};
use super::super::unit::complete;
use super::Connection;
use crate::base::{Caller, Error, Result};
use crate::telemetry::{Kind, metrics};

/// How many units may read at once that may take their time.
const LONG: usize = 4;

/// The connections that read: as many as have been needed at once.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    /// Those that wait for work. One is opened at first, the others when they are needed.
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    common: Common,
}

impl Readers {
    /// Opens the first of them.
    pub(super) fn open(path: &Path, common: Common) -> Result<Arc<Self>> {
        let idle = Mutex::new(vec![Connection::reading(path)?]);
        let permits = Arc::new(Semaphore::new(LONG));
        Ok(Arc::new(Self { path: path.to_owned(), idle, permits, common }))
    }

    /// Runs a unit on a thread where nobody waits behind it, however many rows it looks through.
    pub(super) async fn read<T, F>(self: &Arc<Self>, caller: &Caller, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let asked = Instant::now();
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(Error::unavailable)?;
        metrics().unit_waited(Kind::Read, asked.elapsed());
        let (readers, caller) = (Arc::clone(self), caller.clone());
        let read = tokio::task::spawn_blocking(move || {
            let result = readers.read_one_state(&caller, &unit);
            drop(permit);
            result
        });
        read.await.unwrap_or_else(|_| Err(Error::unavailable("the program is ending")))
    }

    /// Runs a unit here and now: it takes microseconds, less than a hand-over. As on PostgreSQL, a later
    /// statement may see more than one before it.
    pub(super) fn read_briefly<T>(
        &self,
        caller: &Caller,
        unit: impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> Result<T> {
        let (connection, result) = self.run(self.connection()?, caller, &unit);
        self.lock_idle().extend(connection);
        result
    }

    /// Runs a unit whose statements all see the same.
    fn read_one_state<T>(
        &self,
        caller: &Caller,
        unit: &impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> Result<T> {
        let mut connection = self.connection()?;
        connection.execute("BEGIN", &[])?;
        let (mut connection, result) = self.run(connection, caller, unit);
        if let Some(connection) = &mut connection {
            connection.end_read();
        }
        self.lock_idle().extend(connection);
        result
    }

    fn connection(&self) -> Result<Connection> {
        let idle = self.lock_idle().pop();
        idle.map_or_else(|| Connection::reading(&self.path), Ok)
    }

    fn run<T>(
        &self,
        connection: Connection,
        caller: &Caller,
        unit: &impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> (Option<Connection>, Result<T>) {
        let connection = tx::Connection::Sqlite(Box::new(connection));
        let mut tx = Tx::new(connection, caller.clone(), &self.common, Pending::default());
        let result = catch_unwind(AssertUnwindSafe(|| complete(unit(&mut tx))))
            .unwrap_or_else(|_| Err(Error::internal("a unit of work panicked")));
        (tx.end(false).0.into_sqlite().map(|connection| *connection), result)
    }

    fn lock_idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        // A panic between lock and unlock is not possible: only push and pop happen there.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
