//! The embedded engine: one writer thread that commits in groups, a few connections that read.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{ErrorCode, OpenFlags};
use tokio::sync::{Semaphore, mpsc};

use super::tx::{self, Common, Pending, Tx};
use super::unit::{self, Work, complete};
use super::value::{Cell, Param, Row};
use crate::base::{Caller, Error, Result};
use crate::telemetry::{Kind, metrics};

/// How many units one commit may carry.
const MAX_BATCH: usize = 256;
/// How long the writer waits for more units where several came together the last time. One more in a
/// commit costs less than a commit of its own; whoever is alone never waits.
const GATHER: Duration = Duration::from_millis(2);
/// What units are told that SQLite undid with another's.
const GIVEN_UP: &str = "the database gave the transaction up";
/// How many connections read at once: reads take microseconds, so few are enough.
const READERS: usize = 4;
/// How much of the database the writer keeps in memory: 8 MiB, as SQLite writes it. What the logins of
/// the last minutes changed is in there. (The readers' caches are emptied by each commit.)
const WRITER_CACHE_KIB: i64 = -8 * 1024;
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;
/// How long a connection waits for another process's lock, such as an online backup's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How large the log may be before the writer insists on emptying it. Normally SQLite empties it
/// at 16 MB, but not while somebody reads, and under load somebody always does.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// After how many pages in the log it is written back into the database: 16 MB. Most pages of a login
/// are those of the logins before it; the longer the log, the more often one of them is written in
/// it before it has to be written where it belongs.
const LOG_PAGES: i64 = 4096;
/// After how many commits the writer looks at the size of the log.
const LOG_CHECK: u32 = 256;
/// How long the writer waits for readers to let go of the log. Ours take microseconds; somebody
/// else's (a backup) may take long, and is asked again some commits later.
const LOG_PATIENCE: Duration = Duration::from_millis(50);

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
        let writer = Connection::open(path, OpenFlags::default())?;
        let readers = vec![Connection::reading(path)?];
        let (queue, waiting) = mpsc::unbounded_channel();
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let writer = Writer {
            connection: Some(Box::new(writer)),
            waiting,
            common: common.clone(),
            pending: Pending::default(),
            log: log.into(),
            commits: 0,
        };
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

/// The thread that owns the connection that writes.
struct Writer {
    /// Always there, but for the moments in which a unit holds it.
    connection: Option<Box<Connection>>,
    waiting: mpsc::UnboundedReceiver<Box<dyn Work>>,
    common: Common,
    /// What the units of this transaction have left for its end.
    pending: Pending,
    /// The file of the log.
    log: PathBuf,
    commits: u32,
}

impl Writer {
    fn run(mut self) {
        let mut in_company = false;
        while let Some(first) = self.waiting.blocking_recv() {
            if in_company {
                std::thread::sleep(GATHER);
            }
            let mut batch = Vec::new();
            let outcome = self.commit_batch(first, &mut batch);
            metrics().committed(batch.len());
            in_company = batch.len() > 1;
            for mut work in batch {
                if let Err(error) = &outcome {
                    // Also those that failed by themselves: what they saw of the units before
                    // them (such as a code already spent) has not happened.
                    work.fail(unit::shared(error));
                }
                work.answer();
            }
            if let Err(error) = outcome {
                tracing::error!(error = error.chain(), "a group of units was not committed");
            }
            self.commits = self.commits.wrapping_add(1);
            if self.commits.is_multiple_of(LOG_CHECK) {
                self.empty_large_log();
            }
        }
    }

    /// Runs the first unit and all that wait behind it in one transaction. What was run stands in
    /// `batch` afterwards, whether it could be committed or not.
    ///
    /// Nearly all units go well, so at first none has a savepoint: those are dear, because SQLite then
    /// copies every page before it is changed. If one fails that is not alone, all are run again, each
    /// so that it can be undone by itself.
    fn commit_batch(&mut self, first: Box<dyn Work>, batch: &mut Vec<Box<dyn Work>>) -> Result<()> {
        batch.push(first);
        let outcome = self.begin().and_then(|()| {
            if !self.run_all(batch)? {
                self.begin_again()?;
                for (i, work) in batch.iter_mut().enumerate() {
                    self.run_apart(&mut **work, i == 0)?;
                }
            }
            self.commit()
        });
        if outcome.is_err() && self.is_in_transaction() {
            let _ = self.control("ROLLBACK");
        }
        outcome
    }

    /// Runs the unit that stands in `batch` and those that wait behind it; whether all may be kept.
    fn run_all(&mut self, batch: &mut Vec<Box<dyn Work>>) -> Result<bool> {
        let mut done = 0;
        while let Some(work) = batch.get_mut(done) {
            let keep = self.run_unit(&mut **work)?;
            match (keep, self.is_in_transaction()) {
                (true, true) => {}
                // After some errors (a full disk, say) SQLite undoes all by itself.
                (true, false) => return Err(Error::unavailable(GIVEN_UP)),
                (false, false) if done > 0 => return Err(Error::unavailable(GIVEN_UP)),
                (false, false) => self.begin()?,
                // It was alone until now: with the transaction, nobody else's changes end.
                (false, true) if done == 0 => self.begin_again()?,
                (false, true) => return Ok(false),
            }
            done += 1;
            if done < MAX_BATCH {
                batch.extend(self.waiting.try_recv());
            }
        }
        Ok(true)
    }

    /// Runs one unit so that, if it fails, its changes are undone and nobody else's. The first of a
    /// group needs no savepoint: what it has to undo is the whole transaction so far.
    fn run_apart(&mut self, work: &mut dyn Work, first: bool) -> Result<()> {
        if !first {
            self.control("SAVEPOINT unit")?;
        }
        let keep = self.run_unit(work)?;
        match (first, keep, self.is_in_transaction()) {
            (true, true, true) => Ok(()),
            (true, false, true) => self.begin_again(),
            (true, false, false) => self.begin(),
            (false, true, true) => self.control("RELEASE unit"),
            (false, false, true) => {
                self.control("ROLLBACK TO unit")?;
                self.control("RELEASE unit")
            }
            // With it, the units before this one are undone.
            (false, _, false) | (true, true, false) => Err(Error::unavailable(GIVEN_UP)),
        }
    }

    /// Runs one unit; whether its changes are to be kept.
    fn run_unit(&mut self, work: &mut dyn Work) -> Result<bool> {
        let mut tx = self.tx(work.caller().clone())?;
        // One that waits for something else was not written for the database: it does not pass.
        let ran =
            catch_unwind(AssertUnwindSafe(|| complete(async { Ok(work.run(&mut tx).await) })));
        let keep = match ran {
            Ok(Ok(keep)) => unit::settle(work, &tx, Some(keep)),
            Ok(Err(error)) => {
                work.fail(error);
                false
            }
            Err(_) => unit::settle(work, &tx, None),
        };
        self.take_back(tx, keep);
        Ok(keep)
    }

    fn begin(&mut self) -> Result<()> {
        self.pending = Pending::default();
        self.control("BEGIN IMMEDIATE")
    }

    fn begin_again(&mut self) -> Result<()> {
        self.control("ROLLBACK")?;
        self.begin()
    }

    /// Does what the units have left for the end, and commits.
    fn commit(&mut self) -> Result<()> {
        let mut changed = None;
        if self.pending.is_any() {
            let mut tx = self.tx(Caller::anonymous())?;
            let finished = complete(tx.finish());
            self.take_back(tx, false);
            changed = finished?;
        }
        self.control("COMMIT").map_err(|error| Error::unavailable(error.chain()))?;
        if let Some(as_of) = changed {
            self.common.memory.saw(as_of);
        }
        Ok(())
    }

    /// Lends the connection to a unit.
    fn tx(&mut self, caller: Caller) -> Result<Tx> {
        let Some(connection) = self.connection.take() else {
            return Err(Error::internal("the writer has lost its connection"));
        };
        let pending = std::mem::take(&mut self.pending);
        Ok(Tx::new(tx::Connection::Sqlite(connection), caller, &self.common, pending))
    }

    fn take_back(&mut self, tx: Tx, keep: bool) {
        let (connection, pending) = tx.end(keep);
        self.connection = connection.into_sqlite();
        self.pending = pending;
    }

    /// Writes the log back into the database and cuts it off.
    fn empty_large_log(&self) {
        let large = std::fs::metadata(&self.log).is_ok_and(|log| log.len() > MAX_LOG_BYTES);
        if let (true, Some(connection)) = (large, &self.connection)
            && let Err(error) = connection.checkpoint()
        {
            tracing::warn!(error = error.chain(), "the log of the database cannot be emptied");
        }
    }

    fn is_in_transaction(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.sqlite.is_autocommit())
    }

    fn control(&mut self, sql: &str) -> Result<()> {
        let connection =
            self.connection.as_mut().ok_or_else(|| Error::internal("no connection"))?;
        connection.execute(sql, &[]).map(drop)
    }
}

/// A connection, and the statements it has seen with their placeholders rewritten.
#[derive(Debug)]
pub(super) struct Connection {
    sqlite: rusqlite::Connection,
    rewritten: HashMap<Box<str>, Box<str>, foldhash::fast::RandomState>,
}

impl Connection {
    /// Opens a file that nobody else has open, without a log beside it.
    pub(super) fn bare(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = rusqlite::Connection::open_with_flags(path, flags).map_err(error)?;
        sqlite
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(error)?;
        sqlite.pragma_update(None, "foreign_keys", true).map_err(error)?;
        Ok(Self { sqlite, rewritten: HashMap::default() })
    }

    /// A connection that sees the file as it is when it reads first, until it is dropped.
    pub(super) fn snapshot(path: &Path) -> Result<Self> {
        let mut connection = Self::reading(path)?;
        connection.execute("BEGIN", &[])?;
        Ok(connection)
    }

    /// A connection that only reads.
    fn reading(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::open(path, flags)
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self> {
        let sqlite = rusqlite::Connection::open_with_flags(path, flags).map_err(error)?;
        sqlite.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
        sqlite.set_prepared_statement_cache_capacity(STATEMENTS);
        if !flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) {
            let mode: String = sqlite
                .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
                .map_err(error)?;
            if mode != "wal" {
                // A file system without shared memory, such as a network's.
                return Err(Error::unavailable("SQLite cannot keep a log (WAL) beside its file"));
            }
            // What was answered survives a power cut; committing in groups pays for it. macOS
            // needs to be told that the drive's own cache counts.
            sqlite.pragma_update(None, "synchronous", "FULL").map_err(error)?;
            sqlite.pragma_update(None, "fullfsync", true).map_err(error)?;
            sqlite.pragma_update(None, "checkpoint_fullfsync", true).map_err(error)?;
            let limit = i64::try_from(MAX_LOG_BYTES).unwrap_or(i64::MAX);
            sqlite.pragma_update(None, "journal_size_limit", limit).map_err(error)?;
            sqlite.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(error)?;
            sqlite.pragma_update(None, "cache_size", WRITER_CACHE_KIB).map_err(error)?;
        }
        // Else SQLite plans a join anew whenever a parameter changes, which is at each run.
        sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error)?;
        sqlite.pragma_update(None, "foreign_keys", true).map_err(error)?;
        sqlite.pragma_update(None, "temp_store", "MEMORY").map_err(error)?;
        Ok(Self { sqlite, rewritten: HashMap::default() })
    }

    /// The rows of a query, at the most `limit`.
    pub(super) fn fetch(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        limit: usize,
    ) -> Result<Vec<Row>> {
        let mut statement = self.prepare(sql)?;
        let columns = statement.column_count();
        bind(&mut statement, params)?;
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        // A statement that changes rows and returns some has to be stepped to its end.
        while let Some(row) = found.next().map_err(error)? {
            if rows.len() < limit {
                let cells = (0..columns)
                    .map(|i| cell(row.get_ref(i).map_err(error)?))
                    .collect::<Result<_>>()?;
                rows.push(Row::new(cells));
            }
        }
        Ok(rows)
    }

    /// Runs a statement; returns how many rows it changed.
    pub(super) fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        statement.raw_execute().map(|changed| changed as u64).map_err(error)
    }

    /// Lets go of the snapshot of a reading unit, if an error has not done so already.
    fn end_read(&mut self) {
        if !self.sqlite.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK", &[])
        {
            tracing::error!(error = error.chain(), "a reading transaction does not end");
        }
    }

    fn checkpoint(&self) -> Result<()> {
        self.sqlite.busy_timeout(LOG_PATIENCE).map_err(error)?;
        let emptied = self.sqlite.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.sqlite.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
        emptied.map_err(error)
    }

    /// Runs several statements without parameters.
    pub(super) fn execute_batch(&mut self, sql: &str) -> Result<()> {
        self.sqlite.execute_batch(sql).map_err(error)
    }

    fn prepare(&mut self, sql: &str) -> Result<rusqlite::CachedStatement<'_>> {
        if !self.rewritten.contains_key(sql) {
            if self.rewritten.len() >= 4 * STATEMENTS {
                self.rewritten.clear();
            }
            // `$1` would be a name to SQLite, numbered by where it stands first. No statement of
            // ours has a dollar sign elsewhere.
            self.rewritten.insert(sql.into(), sql.replace('$', "?").into());
        }
        let rewritten = self.rewritten.get(sql).map_or(sql, |text| &**text);
        self.sqlite.prepare_cached(rewritten).map_err(error)
    }
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, params: &[Param<'_>]) -> Result<()> {
    for (i, param) in params.iter().enumerate() {
        let value = match *param {
            Param::Null => ToSqlOutput::Owned(Value::Null),
            Param::Int(int) => ToSqlOutput::Owned(Value::Integer(int)),
            Param::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Param::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        };
        statement.raw_bind_parameter(i + 1, value).map_err(error)?;
    }
    Ok(())
}

fn cell(value: ValueRef<'_>) -> Result<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(int) => Cell::Int(int),
        ValueRef::Text(text) => {
            Cell::Text(std::str::from_utf8(text).map_err(Error::internal)?.to_owned())
        }
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(Error::internal("a column holds a fraction")),
    })
}

/// Sorts SQLite's errors: those that may pass by themselves, and faults of ours.
pub(super) fn error(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory,
        ) => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_is_planned_once() {
        let name = crate::base::secret::random_alphanumeric(12);
        let path = std::env::temp_dir().join(format!("vestibule-plan-{name}.db"));
        let mut connection = Connection::open(&path, OpenFlags::default()).unwrap();
        let tables = "CREATE TABLE parents (id TEXT PRIMARY KEY, kind TEXT NOT NULL);
             CREATE TABLE children (id TEXT PRIMARY KEY, parent_id TEXT NOT NULL)";
        connection.execute_batch(tables).unwrap();
        let sql = "SELECT c.id FROM children c JOIN parents p ON p.id = c.parent_id
             WHERE c.id = $1 AND p.kind = $2";
        for text in ["a", "b", "c"] {
            connection.fetch(sql, &[text.into(), text.into()], 1).unwrap();
        }
        let statement = connection.prepare(sql).unwrap();
        assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
        drop(statement);
        drop(connection);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }
}
