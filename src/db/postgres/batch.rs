//! Units in one transaction, with one commit for all: as they are while all go well, and each behind a
//! savepoint once one of them has failed.

use std::rc::Rc;

use super::queue::Queued;
use super::session::{End, Failed, Failure, Session, Statements};
use crate::base::{Caller, Error, unwind};
use crate::db::memory::AsOf;
use crate::db::tx::{Common, Connection, Pending, Tx};
use crate::db::unit;
use crate::telemetry::metrics;

/// How often a unit is begun before it is refused.
const MAX_ATTEMPTS: u32 = 5;

/// Where the transaction of a batch stands.
struct Transaction {
    /// Whether each unit can be undone by itself. One that is alone needs no savepoint: what it has to
    /// undo is the whole transaction.
    apart: bool,
    begun: bool,
    /// Whether the changes of the last unit are still to be undone.
    undo: bool,
    /// Whether there is something to commit.
    kept: bool,
}

impl Transaction {
    /// What has to be said before the first statement of the next unit.
    fn before(&self) -> &'static str {
        match (self.begun, self.undo, self.apart) {
            (false, _, false) => "BEGIN",
            (false, _, true) => "BEGIN; SAVEPOINT unit",
            (true, _, false) => "",
            (true, true, true) => "ROLLBACK TO SAVEPOINT unit",
            (true, false, true) => "RELEASE SAVEPOINT unit; SAVEPOINT unit",
        }
    }

    fn end(&self) -> &'static str {
        match (self.kept, self.undo) {
            (false, _) => "ROLLBACK",
            (true, true) => "ROLLBACK TO SAVEPOINT unit; COMMIT",
            (true, false) => "COMMIT",
        }
    }

    /// What has to be said before what the units have left for the end.
    fn before_the_end(&self) -> &'static str {
        match (self.begun, self.undo) {
            // No unit has asked for anything: they have recorded events, and that is all.
            (false, _) => "BEGIN",
            (true, true) => "ROLLBACK TO SAVEPOINT unit",
            (true, false) => "",
        }
    }
}

/// Runs the units in one transaction and answers them; returns those that have to run again.
///
/// Nearly all units go well, so at first none has a savepoint, which costs a round trip and makes a
/// transaction of its own in the server. If one fails that is not alone, all are run again, apart.
pub(super) async fn write(
    session: &Rc<Session>,
    common: &Common,
    mut batch: Vec<Queued>,
) -> Vec<Queued> {
    metrics().committed(batch.len());
    let mut apart = false;
    loop {
        let outcome = write_once(session, common, batch, apart).await;
        session.forget_sent();
        match outcome {
            Outcome::Done(again) => return again,
            Outcome::Apart(all) => batch = all,
        }
        apart = true;
    }
}

/// What came of running a batch.
enum Outcome {
    /// It was answered, but for these, which have to run again.
    Done(Vec<Queued>),
    /// One failed, and was undone with all others.
    Apart(Vec<Queued>),
}

async fn write_once(
    session: &Rc<Session>,
    common: &Common,
    mut batch: Vec<Queued>,
    apart: bool,
) -> Outcome {
    let mut transaction = Transaction { apart, begun: false, undo: false, kept: false };
    let (mut pending, mut changed) = (Pending::default(), None);
    let wait = apart.then_some(&**session);
    for i in 0..batch.len() {
        let statements = Statements::writing(session, transaction.before());
        let ran = run(statements, common, (&mut batch[i], pending), wait).await;
        pending = ran.pending;
        match ran.failure {
            None | Some(Failure::Final) => {}
            Some(failure) => return Outcome::Done(undo_all(session, batch, i, failure).await),
        }
        if !apart && ran.begun && !ran.keep && batch.len() > 1 {
            if session.control("ROLLBACK").await.is_err() {
                session.give_up();
                return Outcome::Done(again(batch));
            }
            return Outcome::Apart(batch);
        }
        if ran.begun {
            transaction.begun = true;
            transaction.undo = !ran.keep;
            transaction.kept |= ran.keep;
        }
    }
    if pending.is_any() {
        match finish(session, common, (&transaction, pending)).await {
            Ok(mark) => {
                changed = mark;
                transaction = Transaction { begun: true, undo: false, kept: true, ..transaction };
            }
            Err((failure, error)) => {
                return Outcome::Done(undo_end(session, batch, failure, &error).await);
            }
        }
    }
    let ended = if transaction.begun { session.end(transaction.end()).await } else { Ok(()) };
    match ended {
        Ok(()) => {}
        Err(End::Undone(failed)) if transaction.kept => return undone(batch, apart, failed),
        Err(End::Unknown(failed)) if transaction.kept => {
            if failed.failure == Failure::Again {
                return Outcome::Done(again(batch));
            }
            // Whether it was committed is not known, so it must not be tried again. Those that
            // failed by themselves may have seen what was not committed.
            session.give_up();
            refuse_all(batch, &Error::unavailable(failed.error.chain()));
            return Outcome::Done(Vec::new());
        }
        Err(End::Undone(_)) => {}
        Err(End::Unknown(_)) => session.give_up(),
    }
    if let Some(as_of) = changed {
        common.memory.saw(as_of);
    }
    batch.into_iter().for_each(|queued| queued.work.answer());
    Outcome::Done(Vec::new())
}

/// After a statement that was not waited for has failed, and the whole transaction with it.
fn undone(mut batch: Vec<Queued>, apart: bool, failed: Failed) -> Outcome {
    match failed.failure {
        Failure::Again | Failure::Lost => Outcome::Done(again(batch)),
        // Whose statement it was shows when each unit is waited for.
        _ if !apart && batch.len() > 1 => Outcome::Apart(batch),
        _ => {
            if batch.len() == 1 {
                batch.remove(0).refuse(failed.error);
            } else {
                refuse_all(batch, &failed.error);
            }
            Outcome::Done(Vec::new())
        }
    }
}

fn refuse_all(batch: Vec<Queued>, error: &Error) {
    tracing::error!(error = error.chain(), "a group of units was not committed");
    for queued in batch {
        queued.refuse(unit::shared(error));
    }
}

/// Does what the units have left for the end of the transaction.
async fn finish(
    session: &Rc<Session>,
    common: &Common,
    (transaction, pending): (&Transaction, Pending),
) -> Result<Option<AsOf>, (Failure, Error)> {
    let statements = Statements::writing(session, transaction.before_the_end());
    let connection = Connection::Postgres(Box::new(statements));
    let mut tx = Tx::new(connection, Caller::anonymous(), common, pending);
    let finished = tx.finish().await;
    let statements = tx.end(false).0.into_postgres();
    let failure = statements.and_then(|statements| statements.failure());
    finished.map_err(|error| (failure.unwrap_or(Failure::Final), error))
}

/// After [`finish`] has failed: nothing of the transaction is kept.
async fn undo_end(
    session: &Session,
    batch: Vec<Queued>,
    failure: Failure,
    error: &Error,
) -> Vec<Queued> {
    if matches!(failure, Failure::Again | Failure::Final)
        && session.control("ROLLBACK").await.is_err()
    {
        session.give_up();
    }
    if matches!(failure, Failure::Again | Failure::Lost) {
        return again(batch);
    }
    refuse_all(batch, error);
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
        // It would be too slow again, and its error says so. The others have waited as long.
        batch.remove(culprit).work.answer();
        for queued in batch {
            queued.refuse(Error::unavailable("the database took too long"));
        }
        return Vec::new();
    }
    again(batch)
}

/// Runs a unit that only reads. Each of its statements sees what is committed by then.
pub(super) async fn read(
    session: &Rc<Session>,
    common: &Common,
    mut queued: Queued,
) -> Option<Queued> {
    let unit = (&mut queued, Pending::default());
    let ran = run(Statements::reading(session), common, unit, None).await;
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
    pending: Pending,
}

/// Runs a unit; `apart` waits for all that it has sent, so that what failed is its own.
async fn run(
    statements: Statements,
    common: &Common,
    (queued, pending): (&mut Queued, Pending),
    apart: Option<&Session>,
) -> Ran {
    let caller = queued.work.caller().clone();
    let mut tx = Tx::new(Connection::Postgres(Box::new(statements)), caller, common, pending);
    // A panic must not take the connection with it.
    let ran = unwind::catch(queued.work.run(&mut tx)).await;
    let mut keep = unit::settle(&mut *queued.work, &tx, ran);
    let mut late = None;
    if let Some(session) = apart
        && let Err(failed) = session.settle().await
        && keep
    {
        queued.work.fail(failed.error);
        (keep, late) = (false, Some(failed.failure));
    }
    let (connection, pending) = tx.end(keep);
    let statements = connection.into_postgres();
    let (begun, failure) = statements.map_or((false, None), |s| (s.has_begun(), s.failure()));
    Ran { begun, keep, failure: failure.or(late), pending }
}
