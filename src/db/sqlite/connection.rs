//! A connection to the file, with its statements.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{ErrorCode, OpenFlags};

use super::super::value::{Cell, Param, Row};
use super::MAX_LOG_BYTES;
use crate::base::{Error, Result};

/// How much of the database the writer keeps in memory: 2 MiB, as SQLite writes it. What the logins of
/// the last seconds changed is in there, and much more would cost: after a page was split, SQLite goes
/// through all of it at the commit. (The readers' caches are emptied by each commit.)
const WRITER_CACHE_KIB: i64 = -2 * 1024;
/// How many prepared statements a connection keeps.
const STATEMENTS: usize = 256;
/// How long a connection waits for another process's lock, such as an online backup's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// After how many pages in the log it is written back into the database: 16 MB. Most pages of a login
/// are those of the logins before it; the longer the log, the more often one of them is written in
/// it before it has to be written where it belongs.
const LOG_PAGES: i64 = 4096;
/// How long the writer waits for readers to let go of the log. Ours take microseconds; somebody
/// else's (a backup) may take long, and is asked again some commits later.
const LOG_PATIENCE: Duration = Duration::from_millis(50);

/// A connection, and the statements it has seen with their placeholders rewritten.
#[derive(Debug)]
pub(in crate::db) struct Connection {
    sqlite: rusqlite::Connection,
    rewritten: HashMap<Box<str>, Box<str>, foldhash::fast::RandomState>,
}

impl Connection {
    /// Opens a file that nobody else has open, without a log beside it.
    pub(in crate::db) fn bare(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let sqlite = rusqlite::Connection::open_with_flags(path, flags).map_err(error)?;
        sqlite
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(error)?;
        sqlite.pragma_update(None, "foreign_keys", true).map_err(error)?;
        Ok(Self { sqlite, rewritten: HashMap::default() })
    }

    /// A connection that sees the file as it is when it reads first, until it is dropped.
    pub(in crate::db) fn snapshot(path: &Path) -> Result<Self> {
        let mut connection = Self::reading(path)?;
        connection.execute("BEGIN", &[])?;
        Ok(connection)
    }

    /// A connection that only reads.
    pub(super) fn reading(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self::open(path, flags)
    }

    pub(super) fn open(path: &Path, flags: OpenFlags) -> Result<Self> {
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
    pub(in crate::db) fn fetch(
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
    pub(in crate::db) fn execute(&mut self, sql: &str, params: &[Param<'_>]) -> Result<u64> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        statement.raw_execute().map(|changed| changed as u64).map_err(error)
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        !self.sqlite.is_autocommit()
    }

    /// Lets go of the snapshot of a reading unit, if an error has not done so already.
    pub(super) fn end_read(&mut self) {
        if self.is_in_transaction()
            && let Err(error) = self.execute("ROLLBACK", &[])
        {
            tracing::error!(error = error.chain(), "a reading transaction does not end");
        }
    }

    pub(super) fn checkpoint(&self) -> Result<()> {
        self.sqlite.busy_timeout(LOG_PATIENCE).map_err(error)?;
        let emptied = self.sqlite.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.sqlite.busy_timeout(BUSY_TIMEOUT).map_err(error)?;
        emptied.map_err(error)
    }

    /// Runs several statements without parameters.
    pub(in crate::db) fn execute_batch(&mut self, sql: &str) -> Result<()> {
        self.sqlite.execute_batch(sql).map_err(error)
    }

    fn prepare(&mut self, sql: &str) -> Result<rusqlite::CachedStatement<'_>> {
        if let Some(rewritten) = self.rewritten.get(sql) {
            return self.sqlite.prepare_cached(rewritten).map_err(error);
        }
        if self.rewritten.len() >= 4 * STATEMENTS {
            self.rewritten.clear();
        }
        // `$1` would be a name to SQLite, numbered by where it stands first. No statement of ours has
        // a dollar sign elsewhere.
        let rewritten: Box<str> = sql.replace('$', "?").into();
        let statement = self.sqlite.prepare_cached(&rewritten).map_err(error);
        self.rewritten.insert(sql.into(), rewritten);
        statement
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
pub(in crate::db) fn error(error: rusqlite::Error) -> Error {
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
