//! Copies of the embedded database: made while it is used, and put in its place when it is not.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{ErrorCode, OpenFlags};

use super::sqlite::{self, Connection};
use super::tx::{self, Tx};
use super::unit::complete;
use super::{Presence, migrate};
use crate::base::time::Clock;
use crate::base::{Caller, Error, Result};

/// How long a copy waits for a lock of the service, which holds them for moments only.
const PATIENCE: Duration = Duration::from_secs(30);
/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Writes a whole copy of a database to a file that is new, for its owner alone. The database may
/// be in use: writers do not wait, and the copy is of one moment.
///
/// # Errors
///
/// [`Error::Conflict`] if there is such a file, [`Error::Unavailable`] if one of the two cannot be
/// used, [`Error::Internal`] if the copy is not whole; nothing is left behind then.
pub fn take(from: &Path, to: &Path) -> Result<()> {
    refuse_existing(to)?;
    let partial = beside(to, ".partial");
    create(&partial)?;
    finish(&partial, to, || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = rusqlite::Connection::open_with_flags(from, flags).map_err(sqlite::error)?;
        source.busy_timeout(PATIENCE).map_err(sqlite::error)?;
        source.execute("VACUUM INTO ?1", [text(&partial)?]).map_err(sqlite::error)?;
        check(&partial)
    })
}

/// Whether a file may be a backup, before anything is made of it.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no database of Vestibule, [`Error::Unavailable`] if it cannot be read.
pub fn require_backup(from: &Path) -> Result<()> {
    std::fs::metadata(from).map_err(|error| unusable(from, &error))?;
    match sqlite::presence(from) {
        Ok(Presence::Nothing | Presence::Foreign) => {
            Err(no_backup(from, "it is no database of Vestibule"))
        }
        Ok(Presence::Installation) => Ok(()),
        Err(error) => Err(no_backup(from, &error.chain())),
    }
}

/// A copy on its way into the place of a database: checked, not yet there.
#[derive(Debug)]
pub struct Incoming {
    partial: PathBuf,
    place: PathBuf,
    clock: Clock,
}

impl Incoming {
    /// Copies a file beside the place that it is to have, and checks that it is whole and of a
    /// schema that this program knows.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the file cannot be read or the place cannot be written,
    /// [`Error::Invalid`] if the file is damaged or no database of Vestibule.
    pub fn read(from: &Path, place: &Path, clock: Clock) -> Result<Self> {
        let partial = beside(place, ".restoring");
        let _ = std::fs::remove_file(&partial);
        create(&partial)?;
        let incoming = Self { partial, place: place.to_owned(), clock };
        std::fs::copy(from, &incoming.partial)
            .and_then(|_| {
                std::fs::set_permissions(&incoming.partial, PermissionsExt::from_mode(0o600))
            })
            .map_err(|error| unusable(from, &error))?;
        check(&incoming.partial).map_err(|error| no_backup(from, &error.chain()))?;
        incoming
            .run(async |tx| migrate::check_known(tx).await)
            .map_err(|error| no_backup(from, &error.chain()))?;
        Ok(incoming)
    }

    /// Gives it the schema of this program, if it is of an earlier one.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if a migration fails; nothing of it has happened then.
    pub fn migrate(&self) -> Result<()> {
        self.run(async |tx| migrate::all(tx).await)
    }

    /// Runs a unit of work on it.
    ///
    /// # Errors
    ///
    /// What the unit returns; its changes are undone then.
    pub fn run<T>(&self, unit: impl AsyncFn(&mut Tx) -> Result<T>) -> Result<T> {
        let mut connection = Connection::bare(&self.partial)?;
        connection.execute("BEGIN IMMEDIATE", &[])?;
        let connection = tx::Connection::Sqlite(Box::new(connection));
        let common = tx::Common::new(self.clock.clone());
        let mut tx = Tx::new(connection, Caller::anonymous(), &common, tx::Pending::default());
        let result = complete(unit(&mut tx))?;
        let (connection, pending) = tx.end(true);
        let mut tx = Tx::new(connection, Caller::anonymous(), &common, pending);
        complete(tx.finish())?;
        let connection = tx.end(true).0.into_sqlite();
        let mut connection =
            connection.ok_or_else(|| Error::internal("no connection after the unit"))?;
        connection.execute("COMMIT", &[])?;
        Ok(result)
    }

    /// Puts it into its place. A database that is there already is moved aside if that is wanted;
    /// returns where to.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] if there is a database and it may not be replaced, or is in use.
    pub fn install(self, replace: bool) -> Result<Option<PathBuf>> {
        if !self.place.exists() {
            refuse_companions(&self.place)?;
            finish(&self.partial, &self.place, || Ok(()))?;
            return Ok(None);
        }
        if !replace {
            let there = self.place.display();
            return Err(conflict(format!(
                "There is a database already, {there}. With --replace it is kept under another \
                 name, and the backup takes its place."
            )));
        }
        let aside = beside(&self.place, &format!(".before-restore-{}", self.clock.now().as_s()));
        refuse_existing(&aside)?;
        // Held until the new one is there, so that nobody begins to use the old one in between.
        let old = lock_unused(&self.place)?;
        std::fs::rename(&self.place, &aside).map_err(|error| unusable(&self.place, &error))?;
        for companion in COMPANIONS {
            let there = beside(&self.place, companion);
            if there.exists() {
                let moved = std::fs::rename(&there, beside(&aside, companion));
                moved.map_err(|error| unusable(&there, &error))?;
            }
        }
        finish(&self.partial, &self.place, || Ok(()))?;
        drop(old);
        Ok(Some(aside))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // Gone already if it was installed.
        for name in [self.partial.clone(), beside(&self.partial, "-journal")] {
            let _ = std::fs::remove_file(name);
        }
    }
}

/// Locks a database that nobody has open. `None` if it is too damaged to be locked: then nobody
/// can work with it either.
fn lock_unused(path: &Path) -> Result<Option<rusqlite::Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let locked = rusqlite::Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // Leaving the log takes the whole file: it succeeds only for the last one who has it open.
        let mode: String =
            connection.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok((connection, mode))
    });
    match locked {
        Ok((connection, mode)) if mode == "delete" => Ok(Some(connection)),
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ) =>
        {
            Ok(None)
        }
        _ => Err(conflict(format!(
            "The database {} is in use: stop the service, and every command on it, first.",
            path.display()
        ))),
    }
}

/// Whether every page of a file is sound, and every reference leads somewhere.
fn check(path: &Path) -> Result<()> {
    let mut connection = Connection::bare(path)?;
    let mut verdicts = connection.fetch("PRAGMA integrity_check(1)", &[], 1)?;
    let verdict: String = match verdicts.pop() {
        Some(mut row) => row.next()?,
        None => String::new(),
    };
    if verdict != "ok" {
        let verdict = verdict.lines().collect::<Vec<_>>().join(" ");
        return Err(Error::internal(format!("the file is damaged: {verdict}")));
    }
    if connection.fetch("SELECT 1 FROM pragma_foreign_key_check", &[], 1)?.is_empty() {
        Ok(())
    } else {
        Err(Error::internal("the file is damaged: a reference leads nowhere"))
    }
}

/// Makes an empty file for its owner alone.
fn create(path: &Path) -> Result<File> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => conflict(format!(
            "{} is left of a copy that was interrupted, or of one that is under way. If there is none, \
             delete it.",
            path.display()
        )),
        _ => unusable(path, &error),
    })
}

/// Does the work on a partial file, syncs it and gives it its name, which must be free. If anything
/// fails, the partial file is removed.
fn finish(partial: &Path, name: &Path, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let outcome = work().and_then(|()| {
        let named = File::open(partial)
            .and_then(|file| file.sync_all())
            // Unlike a renaming, a second name never replaces anything.
            .and_then(|()| std::fs::hard_link(partial, name));
        named.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(name),
            _ => unusable(name, &error),
        })
    });
    let _ = std::fs::remove_file(partial);
    outcome?;
    let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| unusable(folder, &error))
}

/// A log without its database would be applied to whatever takes the database's name.
fn refuse_companions(place: &Path) -> Result<()> {
    match COMPANIONS.iter().map(|name| beside(place, name)).find(|path| path.exists()) {
        Some(path) => Err(conflict(format!(
            "{} is there without its database: move it away first.",
            path.display()
        ))),
        None => Ok(()),
    }
}

fn refuse_existing(path: &Path) -> Result<()> {
    if path.exists() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Error {
    conflict(format!("{} exists already; nothing is overwritten.", path.display()))
}

fn conflict(message: String) -> Error {
    Error::Conflict { code: "file_conflict", message }
}

fn no_backup(path: &Path, problem: &str) -> Error {
    let problem = problem.strip_prefix("internal error: ").unwrap_or(problem);
    // SQLite's number of it says nothing more.
    let problem = problem.split(": Error code").next().unwrap_or(problem);
    let message = format!("{} cannot be restored: {problem}.", path.display());
    Error::invalid("unusable_backup", "file", message)
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(format!("{} cannot be used: {error}", path.display()))
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::internal("the name of the file is no UTF-8"))
}

/// The file of this ending beside another one.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
