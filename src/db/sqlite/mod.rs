//! The embedded engine: one writer thread that commits in groups, a few connections that read.

mod connection;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc};

use super::tx::{self, Common, Pending, Tx};
use super::unit::{Work, complete};
use crate::base::{Caller, Error, Result};
use crate::telemetry::{Kind, metrics};

pub(super) use connection::{Connection, error};
use writer::Writer;

/// How many connections read at once: reads take microseconds, so few are enough.
const READERS: usize = 4;
/// How large the log may be before the writer insists on emptying it. Normally SQLite empties it
/// at 16 MB, but not while somebody reads, and under load somebody always does.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// The embedded engine.
#[derive(Debug)]
pub(super) struct Sqlite {
    queue: mpsc::UnboundedSender<Box<dyn Work>>,
    path: PathBuf,
    /// Those that wait for work. One is opened at first, the others when they are needed.
    readers: Mutex<Vec<Connection>>,
    permits: Semaphore,
    common: Common,
}

impl Sqlite {
    /// Opens the file and starts the writer.
    pub(super) fn open(path: &Path, common: Common) -> Result<Self> {
        let writer = Connection::open(path, rusqlite::OpenFlags::default())?;
        let readers = vec![Connection::reading(path)?];
        let (queue, waiting) = mpsc::unbounded_channel();
        let writer = Writer::new(writer, waiting, (common.clone(), path));
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::internal)?;
        let (readers, permits) = (Mutex::new(readers), Semaphore::new(READERS));
        Ok(Self { queue, path: path.to_owned(), readers, permits, common })
    }

    /// Hands a unit to the writer.
    pub(super) fn submit(&self, work: Box<dyn Work>) -> Result<()> {
        self.queue.send(work).map_err(|_| Error::unavailable("the database writer has stopped"))
    }

    /// Runs a unit that only reads, here and now: it takes microseconds, less than a hand-over.
    pub(super) async fn read<T, F>(&self, caller: &Caller, unit: F) -> Result<T>
    where
        F: AsyncFn(&mut Tx) -> Result<T>,
    {
        let asked = Instant::now();
        let permit = self.permits.acquire().await.map_err(Error::unavailable)?;
        metrics().unit_waited(Kind::Read, asked.elapsed());
        let idle = self.lock_readers().pop();
        let connection = idle.map_or_else(|| Connection::reading(&self.path), Ok)?;
        let (connection, result) = self.run_read(connection, caller, &unit);
        self.lock_readers().extend(connection);
        drop(permit);
        result
    }

    /// Runs a reading unit within one snapshot.
    fn run_read<T>(
        &self,
        mut connection: Connection,
        caller: &Caller,
        unit: &impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> (Option<Connection>, Result<T>) {
        if let Err(error) = connection.execute("BEGIN", &[]) {
            return (Some(connection), Err(error));
        }
        let connection = tx::Connection::Sqlite(Box::new(connection));
        let mut tx = Tx::new(connection, caller.clone(), &self.common, Pending::default());
        let result = catch_unwind(AssertUnwindSafe(|| complete(unit(&mut tx))))
            .unwrap_or_else(|_| Err(Error::internal("a unit of work panicked")));
        let mut connection = tx.end(false).0.into_sqlite().map(|connection| *connection);
        if let Some(connection) = &mut connection {
            connection.end_read();
        }
        (connection, result)
    }

    fn lock_readers(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // A panic between lock and unlock is not possible: only push and pop happen there.
        self.readers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
