//! A unit of work on its way to the thread that runs it.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::sync::oneshot;

use super::tx::Tx;
use crate::base::{Caller, Error, Result};
use crate::telemetry::{Kind, metrics};

/// A unit of work whose result type is forgotten, so that many kinds stand in one queue.
pub(super) trait Work: Send {
    /// Who asks.
    fn caller(&self) -> &Caller;

    /// Runs the unit and keeps its result; tells whether its changes are to be kept. May be called
    /// again after the changes of the first run were undone.
    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>>;

    /// Replaces the result by an error.
    fn fail(&mut self, error: Error);

    /// Sends the result to whoever waits for it.
    fn answer(self: Box<Self>);
}

/// The error of a transaction, for each of its units.
pub(super) fn shared(error: &Error) -> Error {
    match error {
        Error::Internal(_) => Error::internal(error.chain()),
        _ => Error::unavailable(error.chain()),
    }
}

/// Whether the changes of a unit that was run are kept; `ran` is `None` if it panicked.
pub(super) fn settle(work: &mut dyn Work, tx: &Tx, ran: Option<bool>) -> bool {
    match ran {
        None => work.fail(Error::internal("a unit of work panicked")),
        // PostgreSQL has undone everything by then, and would answer COMMIT without an error.
        Some(true) if tx.has_failed() => {
            work.fail(Error::internal("a unit went on after one of its statements had failed"));
        }
        Some(keep) => return keep,
    }
    false
}

struct Unit<T, F> {
    caller: Caller,
    unit: F,
    result: Option<Result<T>>,
    /// Since when it waits for its turn; `None` once that came.
    waits: Option<(Kind, Instant)>,
    reply: oneshot::Sender<Result<T>>,
}

/// Wraps a unit; its result comes out of the receiver.
pub(super) fn new<T, F>(
    caller: &Caller,
    unit: F,
    kind: Kind,
) -> (Box<dyn Work>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let (caller, waits) = (caller.clone(), Some((kind, Instant::now())));
    (Box::new(Unit { caller, unit, result: None, waits, reply }), answer)
}

impl<T, F> Work for Unit<T, F>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
{
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn run<'a>(&'a mut self, tx: &'a mut Tx) -> Pin<Box<dyn Future<Output = bool> + 'a>> {
        if let Some((kind, since)) = self.waits.take() {
            metrics().unit_waited(kind, since.elapsed());
        }
        Box::pin(async move {
            let result = (self.unit)(tx).await;
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn fail(&mut self, error: Error) {
        self.result = Some(Err(error));
    }

    fn answer(self: Box<Self>) {
        let result = self.result.unwrap_or_else(|| Err(Error::internal("a unit was not run")));
        // Nobody waits any more if the request was cancelled: what it asked for is done all the same.
        let _ = self.reply.send(result);
    }
}

/// Polls a future that never waits: nothing in a unit does, unless it is on PostgreSQL.
pub(super) fn complete<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::internal("a unit of work waited for something else")),
    }
}
