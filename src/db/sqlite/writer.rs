//! The thread that writes: units in groups, each group with one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::tx::{self, Common, Pending, Tx};
use super::super::unit::{self, Work, complete};
use super::{Connection, MAX_LOG_BYTES};
use crate::base::{Caller, Error, Result};
use crate::telemetry::metrics;

/// How many units one commit may carry.
const MAX_BATCH: usize = 256;
/// How long the writer lets units gather after several came together. One more in a commit costs less
/// than a commit of its own. Whoever comes alone waits at the most for the rest of such a pause.
const GATHER: Duration = Duration::from_millis(3);
/// What units are told that SQLite undid with another's.
const GIVEN_UP: &str = "the database gave the transaction up";
/// After how many commits the writer looks at the size of the log.
const LOG_CHECK: u32 = 256;

/// The thread that owns the connection that writes.
pub(super) struct Writer {
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
    /// Makes the writer of a file; nothing is written before it runs.
    pub(super) fn new(
        connection: Connection,
        waiting: mpsc::UnboundedReceiver<Box<dyn Work>>,
        (common, path): (Common, &Path),
    ) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Self {
            connection: Some(Box::new(connection)),
            waiting,
            common,
            pending: Pending::default(),
            log: log.into(),
            commits: 0,
        }
    }

    /// Runs what comes until nobody can send anything any more.
    pub(super) fn run(mut self) {
        while let Some(first) = self.waiting.blocking_recv() {
            let mut batch = Vec::new();
            let outcome = self.commit_batch(first, &mut batch);
            metrics().committed(batch.len());
            let in_company = batch.len() > 1;
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
            // Before the next comes and not after, so that it need not wake this thread.
            if in_company {
                std::thread::sleep(GATHER);
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
        self.connection.as_ref().is_some_and(|connection| connection.is_in_transaction())
    }

    fn control(&mut self, sql: &str) -> Result<()> {
        let connection =
            self.connection.as_mut().ok_or_else(|| Error::internal("no connection"))?;
        connection.execute(sql, &[]).map(drop)
    }
}
