//! Workers: each owns one connection and takes what waits.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use super::Shared;
use super::batch;
use super::queue::{Queue, Queued};
use super::session::Session;
use crate::base::Result;

/// How many connections write. More help units that touch different rows (with `benches/units.rs`
/// at 128 tasks, two did twice what one did); fewer help units that all raise one counter.
const WRITERS: usize = 4;
/// How many units one commit may carry. On a slow disk, 16 did more than 64, because they leave some for
/// the other connections; on a fast one, with 64 logins at once, 32 took 0.9 of the server's CPU that
/// 16 took.
const MAX_WRITES: usize = 32;
/// How long a connection waits for more units where several came together the last time. One more in a
/// transaction costs less than one of its own; whoever is alone never waits.
const GATHER: Duration = Duration::from_millis(2);
/// How many connections read.
const READERS: usize = 4;
/// How many reading units a connection works on at once.
const MAX_READS: usize = 16;
/// How long a worker waits before it tries again to connect: at first, and at the most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How often units are looked for that have waited too long.
const SWEEP: Duration = Duration::from_millis(250);

/// Runs the workers until both queues are closed and empty.
pub(super) async fn run(shared: Rc<Shared>, connected: oneshot::Sender<Result<()>>) {
    let first = match Session::connect(&shared.settings).await {
        Ok(session) => session,
        Err(error) => return drop(connected.send(Err(error))),
    };
    let mut workers = JoinSet::new();
    workers.spawn_local(work(Rc::clone(&shared), Kind::Writer, Some(first)));
    // Their connections are made when there is work for them.
    for _ in 1..WRITERS {
        workers.spawn_local(work(Rc::clone(&shared), Kind::Writer, None));
    }
    for _ in 0..READERS {
        workers.spawn_local(work(Rc::clone(&shared), Kind::Reader, None));
    }
    let _ = connected.send(Ok(()));
    let sweeper = tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            shared.writes.refuse_late();
            shared.reads.refuse_late();
        }
    });
    while workers.join_next().await.is_some() {}
    sweeper.abort();
}

#[derive(Clone, Copy)]
enum Kind {
    Writer,
    Reader,
}

async fn work(shared: Rc<Shared>, kind: Kind, first: Option<Session>) {
    let queue = match kind {
        Kind::Writer => &shared.writes,
        Kind::Reader => &shared.reads,
    };
    let mut session = first.map(Rc::new);
    let mut losses = shared.losses.get();
    let mut wait = BACK_OFF.0;
    while queue.ready().await {
        if matches!(kind, Kind::Writer) && shared.gathering.is_left_to_another().await {
            continue;
        }
        // Where one connection was lost, the others lead to the same server, and nobody is to wait for
        // each of them.
        let is_good = |it: &Rc<Session>| !it.is_closed() && losses == shared.losses.get();
        let Some(live) = session.take().filter(is_good) else {
            losses = shared.losses.get();
            match Session::connect(&shared.settings).await {
                Ok(connected) => {
                    session = Some(Rc::new(connected));
                    wait = BACK_OFF.0;
                }
                Err(error) => {
                    tracing::error!(error = error.chain(), "no connection to PostgreSQL");
                    tokio::time::sleep(wait).await;
                    wait = (2 * wait).min(BACK_OFF.1);
                }
            }
            continue;
        };
        let units = match kind {
            Kind::Writer => shared.gathering.take(queue).await,
            Kind::Reader => queue.take(MAX_READS),
        };
        pause(&units).await;
        let again = match kind {
            _ if units.is_empty() => Vec::new(),
            Kind::Writer => batch::write(&live, &shared.common, units).await,
            Kind::Reader => read(&shared, &live, units).await,
        };
        put_back(queue, again);
        // Once for all that were made before.
        if live.is_closed() && losses == shared.losses.get() {
            shared.losses.set(shared.losses.get() + 1);
        }
        session = Some(live);
    }
    if let Some(session) = session.and_then(Rc::into_inner) {
        session.close().await;
    }
}

/// Waiting for company, by one connection for all: what comes meanwhile is left to that one.
#[derive(Default)]
pub(super) struct Gathering {
    /// Whether several units were taken together the last time.
    in_company: Cell<bool>,
    is_on: Cell<bool>,
    is_over: Notify,
}

impl Gathering {
    /// Whether another connection takes what waits now; then that has happened.
    async fn is_left_to_another(&self) -> bool {
        let is_on = self.is_on.get();
        if is_on {
            self.is_over.notified().await;
        }
        is_on
    }

    /// Takes what waits, and what comes soon.
    async fn take(&self, queue: &Queue) -> Vec<Queued> {
        if self.in_company.get() && queue.len() < MAX_WRITES {
            self.is_on.set(true);
            tokio::time::sleep(GATHER).await;
            self.is_on.set(false);
            self.is_over.notify_waiters();
        }
        let units = queue.take(MAX_WRITES);
        if !units.is_empty() {
            self.in_company.set(units.len() > 1);
        }
        units
    }
}

/// Runs all units at once: their statements are sent without waiting in between.
async fn read(shared: &Rc<Shared>, session: &Rc<Session>, units: Vec<Queued>) -> Vec<Queued> {
    let mut running = JoinSet::new();
    for queued in units {
        let (shared, session) = (Rc::clone(shared), Rc::clone(session));
        running.spawn_local(async move { batch::read(&session, &shared.common, queued).await });
    }
    let mut again = Vec::new();
    while let Some(done) = running.join_next().await {
        again.extend(done.ok().flatten());
    }
    again
}

/// A unit that runs again gives the transaction it collided with some time to end.
async fn pause(units: &[Queued]) {
    if let [queued] = units
        && queued.attempts > 1
    {
        tokio::time::sleep(Duration::from_millis(5) * queued.attempts.pow(2)).await;
    }
}

fn put_back(queue: &Queue, again: Vec<Queued>) {
    if !again.is_empty() {
        tracing::warn!(units = again.len(), "units of work are run again");
        queue.put_back(again.into_iter());
    }
}
