//! Units in one transaction: each behind a savepoint, one commit for all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use super::queue::Queued;
use super::session::{Failure, Session, Statements};
use crate::base::Error;
use crate::base::time::Clock;
use crate::db::tx::{Connection, Tx};
use crate::db::unit;
use crate::telemetry::metrics;

/// How often a unit is begun before it is refused.
const MAX_ATTEMPTS: u32 = 5;

/// Where the transaction of a batch stands.
struct Transaction {
    /// One unit needs no savepoint: what it has to undo is the whole transaction.
    alone: bool,
    begun: bool,
    /// Whether the changes of the last unit are still to be undone.
    undo: bool,
    /// Whether there is something to commit.
    kept: bool,
}

impl Transaction {
    /// What has to be said before the first statement of the next unit.
    fn before(&self) -> &'static str {
        match (self.begun, self.undo, self.alone) {
            (false, _, true) => "BEGIN",
            (false, _, false) => "BEGIN; SAVEPOINT unit",
            (true, true, _) => "ROLLBACK TO SAVEPOINT unit",
            (true, false, _) => "RELEASE SAVEPOINT unit; SAVEPOINT unit",
        }
    }

    fn end(&self) -> &'static str {
        match (self.kept, self.undo) {
            (false, _) => "ROLLBACK",
            (true, true) => "ROLLBACK TO SAVEPOINT unit; COMMIT",
            (true, false) => "COMMIT",
        }
    }
}

/// Runs the units in one transaction and answers them; returns those that have to run again.
pub(super) async fn write(
    session: &Rc<Session>,
    clock: &Clock,
    mut batch: Vec<Queued>,
) -> Vec<Queued> {
    metrics().committed(batch.len());
    let alone = batch.len() == 1;
    let mut transaction = Transaction { alone, begun: false, undo: false, kept: false };
    for i in 0..batch.len() {
        let statements = Statements::writing(session, transaction.before());
        let ran = run(statements, clock, &mut batch[i]).await;
        match ran.failure {
            None | Some(Failure::Final) => {}
            Some(failure) => return undo_all(session, batch, i, failure).await,
        }
        if ran.begun {
            transaction.begun = true;
            transaction.undo = !ran.keep;
            transaction.kept |= ran.keep;
        }
    }
    if transaction.begun
        && let Err(failed) = session.control(transaction.end()).await
    {
        if !transaction.kept {
            session.give_up();
        } else if failed.failure == Failure::Again {
            return again(batch);
        } else {
            // Whether it was committed is not known, so it must not be tried again. Those that
            // failed by themselves may have seen what was not committed.
            tracing::error!(error = failed.error.chain(), "a group of units was not committed");
            session.give_up();
            for queued in batch {
                queued.refuse(Error::unavailable(failed.error.chain()));
            }
            return Vec::new();
        }
    }
    batch.into_iter().for_each(|queued| queued.work.answer());
    Vec::new()
}

/// After a failure that takes the whole transaction with it.
async fn undo_all(
    session: &Session,
    mut batch: Vec<Queued>,
    culprit: usize,
    failure: Failure,
) -> Vec<Queued> {
    if failure == Failure::Again && session.control("ROLLBACK").await.is_err() {
        session.give_up();
    }
    if failure == Failure::TooSlow {
        // It would be too slow again, and its error says so.
        batch.remove(culprit).work.answer();
    }
    again(batch)
}

/// Runs a unit that only reads. Each of its statements sees what is committed by then.
pub(super) async fn read(
    session: &Rc<Session>,
    clock: &Clock,
    mut queued: Queued,
) -> Option<Queued> {
    let ran = run(Statements::reading(session), clock, &mut queued).await;
    if matches!(ran.failure, Some(Failure::Again | Failure::Lost)) {
        return again(vec![queued]).pop();
    }
    queued.work.answer();
    None
}

/// Those of the units that may be run again; the others are refused.
fn again(batch: Vec<Queued>) -> Vec<Queued> {
    let (again, spent): (Vec<_>, _) =
        batch.into_iter().partition(|queued| queued.attempts + 1 < MAX_ATTEMPTS);
    for queued in spent {
        queued.refuse(Error::unavailable("the database kept choosing other transactions"));
    }
    again
}

/// How a unit ran.
struct Ran {
    begun: bool,
    keep: bool,
    failure: Option<Failure>,
}

async fn run(statements: Statements, clock: &Clock, queued: &mut Queued) -> Ran {
    let caller = queued.work.caller().clone();
    let mut tx = Tx::new(Connection::Postgres(Box::new(statements)), caller, clock);
    let ran = caught(queued.work.run(&mut tx)).await;
    let keep = unit::settle(&mut *queued.work, &tx, ran);
    let statements = tx.into_postgres();
    let (begun, failure) = statements.map_or((false, None), |s| (s.has_begun(), s.failure()));
    Ran { begun, keep, failure }
}

/// Polls a unit to its end; `None` if it panics, which must not take the connection with it.
async fn caught(mut unit: Pin<Box<dyn Future<Output = bool> + '_>>) -> Option<bool> {
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| unit.as_mut().poll(cx))) {
        Ok(Poll::Ready(keep)) => Poll::Ready(Some(keep)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(None),
    })
    .await
}
