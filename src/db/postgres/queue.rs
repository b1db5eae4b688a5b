//! Units that wait for a connection.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::base::Error;
use crate::db::unit::Work;

/// How long a unit may wait for a connection: then it is refused, having changed nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// A unit that waits.
pub(super) struct Queued {
    pub(super) work: Box<dyn Work>,
    /// How often it was begun and has to be begun again. From the second time on it runs alone.
    pub(super) attempts: u32,
    since: Instant,
}

impl Queued {
    /// Replaces the unit's result by an error, and answers.
    pub(super) fn refuse(mut self, error: Error) {
        self.work.fail(error);
        self.work.answer();
    }
}

/// Units that wait, oldest first, and the workers that wait for them.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Queued>,
    closed: bool,
}

impl State {
    /// Whether there is a unit, or `None` as long as that is open.
    fn has_work(&self) -> Option<bool> {
        match (self.waiting.is_empty(), self.closed) {
            (false, _) => Some(true),
            (true, true) => Some(false),
            (true, false) => None,
        }
    }
}

impl Queue {
    /// Adds a unit at the end.
    pub(super) fn push(&self, work: Box<dyn Work>) {
        self.lock().waiting.push_back(Queued { work, attempts: 0, since: Instant::now() });
        self.wake();
    }

    /// Puts units back to the front, to be run again, each alone.
    pub(super) fn put_back(&self, units: impl DoubleEndedIterator<Item = Queued>) {
        let mut state = self.lock();
        for mut queued in units.rev() {
            queued.attempts += 1;
            queued.since = Instant::now();
            state.waiting.push_front(queued);
        }
        drop(state);
        self.wake();
    }

    /// Waits until there is a unit; false when there will be none any more.
    pub(super) async fn ready(&self) -> bool {
        loop {
            // Before the look at the queue, so that nothing arrives unnoticed in between.
            let arrived = self.arrived.notified();
            if let Some(answer) = self.lock().has_work() {
                return answer;
            }
            arrived.await;
        }
    }

    /// How many units wait.
    pub(super) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Takes up to `max` units, or the one that has to run alone.
    pub(super) fn take(&self, max: usize) -> Vec<Queued> {
        let mut taken = Vec::new();
        let mut state = self.lock();
        while taken.len() < max
            && let Some(next) = state.waiting.front()
        {
            let alone = next.attempts > 0;
            if alone && !taken.is_empty() {
                break;
            }
            taken.extend(state.waiting.pop_front());
            if alone {
                break;
            }
        }
        let more = !state.waiting.is_empty();
        drop(state);
        if more {
            self.wake();
        }
        taken
    }

    /// Refuses the units that have waited too long.
    pub(super) fn refuse_late(&self) {
        let mut late = Vec::new();
        let mut state = self.lock();
        for queued in std::mem::take(&mut state.waiting) {
            if queued.since.elapsed() < PATIENCE {
                state.waiting.push_back(queued);
            } else {
                late.push(queued);
            }
        }
        drop(state);
        for queued in late {
            queued.refuse(Error::unavailable("no database connection was free in time"));
        }
    }

    /// Lets the workers end once the queue is empty.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }

    /// The worker that became idle last is the likeliest to have a connection.
    fn wake(&self) {
        self.arrived.notify_last();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
