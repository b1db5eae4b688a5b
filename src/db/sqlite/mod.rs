//! The embedded engine: one writer thread that commits in groups, a few connections that read.

mod connection;
mod place;
mod readers;
mod writer;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Presence;
use super::copy::beside;
use super::migrate::TABLE;
use super::tx::{Common, Tx};
use super::unit::Work;
use crate::base::{Caller, Error, Result};

pub(super) use connection::{Connection, error};
use readers::Readers;
use writer::Writer;

/// How large the log may be before the writer insists on emptying it. Normally SQLite empties it
/// at 16 MB, but not while somebody reads, and under load somebody always does.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// The ending of the file beside the database that its one service has locked.
const SERVICE: &str = "-service";

/// Makes the file if there is none, for its owner alone; SQLite makes those beside it likewise.
fn create(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// What is in a file. It is read and nothing else, not even its log is emptied.
pub(super) fn presence(path: &Path) -> Result<Presence> {
    if !path.exists() {
        return Ok(Presence::Nothing);
    }
    let flags =
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let counted = rusqlite::Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.query_row(
            "SELECT count(*), count(CASE WHEN name = ?1 THEN 1 END),
                 count(CASE WHEN name = 'installation' THEN 1 END)
             FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
            [TABLE],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)),
        )
    });
    let place = format_args!("the database {}", path.display());
    Ok(match counted.map_err(|problem| error(problem).at(place))? {
        (0, ..) => Presence::Nothing,
        // The first migration may not have come further than its own table.
        (1, 1, _) | (_, 1, 1) => Presence::Installation,
        _ => Presence::Foreign,
    })
}

/// Keeps other services from a file, until what is returned is dropped or the process ends.
pub(super) fn claim(path: &Path) -> Result<File> {
    let lock = beside(path, SERVICE);
    let mut options = OpenOptions::new();
    let lock = options.write(true).create(true).truncate(false).mode(0o600).open(lock);
    let place = format_args!("the database {}", path.display());
    let lock = lock.map_err(|error| Error::unavailable(error).at(place))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::Conflict {
            code: "database_in_use",
            message: format!(
                "Another service runs on the database {}. SQLite serves one; for several nodes, use \
                 PostgreSQL.",
                path.display()
            ),
        }),
        Err(TryLockError::Error(error)) => Err(Error::unavailable(error).at(place)),
    }
}

/// The embedded engine.
#[derive(Debug)]
pub(super) struct Sqlite {
    queue: mpsc::UnboundedSender<Box<dyn Work>>,
    readers: Arc<Readers>,
}

impl Sqlite {
    /// Opens the file and starts the writer.
    pub(super) fn open(path: &Path, common: Common) -> Result<Self> {
        let at = |error: Error| error.at(format_args!("the database {}", path.display()));
        place::check(path)?;
        create(path).map_err(|error| at(Error::unavailable(error)))?;
        let writer = Connection::open(path, rusqlite::OpenFlags::default()).map_err(at)?;
        let readers = Readers::open(path, common.clone()).map_err(at)?;
        let (queue, waiting) = mpsc::unbounded_channel();
        let writer = Writer::new(writer, waiting, (common, path));
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(Error::internal)?;
        Ok(Self { queue, readers })
    }

    /// Hands a unit to the writer.
    pub(super) fn submit(&self, work: Box<dyn Work>) -> Result<()> {
        self.queue.send(work).map_err(|_| Error::unavailable("the database writer has stopped"))
    }

    /// Runs a unit that only reads.
    pub(super) async fn read<T, F>(&self, caller: &Caller, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.readers.read(caller, unit).await
    }

    /// Runs a unit that reads a few rows by their keys, on this thread.
    pub(super) fn read_briefly<T>(
        &self,
        caller: &Caller,
        unit: impl AsyncFn(&mut Tx) -> Result<T>,
    ) -> Result<T> {
        self.readers.read_briefly(caller, unit)
    }
}
