//! Places for connections, of which there are only so many. When all are taken, the connection that
//! has waited for a request for longest gives its place up: who only holds connections open keeps
//! nobody out, and who is being answered is not interrupted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::telemetry::metrics;

/// The places of a listener.
#[derive(Debug)]
pub(super) struct Places {
    max: u64,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: u64,
    /// What ends the connections that wait for a request, the longest waiting first.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// The number of whoever began to wait last.
    last: u64,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    all: Arc<Places>,
    end: Arc<Notify>,
    /// Its number among those that wait; 0 while a request is answered.
    number: AtomicU64,
}

impl Places {
    /// So many, all free.
    pub(super) fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// A place for one more connection, which waits for its first request; `None` if all that there
    /// are are being answered.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.lock();
        if taken.count >= self.max {
            metrics().crowded();
            let (_, end) = taken.waiting.pop_first()?;
            end.notify_one();
        }
        taken.count += 1;
        drop(taken);
        metrics().open_connections.inc();
        let place = Place { all: Arc::clone(self), end: Arc::default(), number: AtomicU64::new(0) };
        place.wait();
        Some(place)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The connection waits for a request from now on.
    pub(super) fn wait(&self) {
        let mut taken = self.all.lock();
        taken.last += 1;
        let number = taken.last;
        taken.waiting.insert(number, Arc::clone(&self.end));
        self.number.store(number, Ordering::Relaxed);
    }

    /// A request of the connection is answered from now on.
    pub(super) fn work(&self) {
        let mut taken = self.all.lock();
        let number = self.number.swap(0, Ordering::Relaxed);
        taken.waiting.remove(&number);
    }

    /// Done when the place is needed for somebody else.
    pub(super) async fn given_up(&self) {
        self.end.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.work();
        self.all.lock().count -= 1;
        metrics().open_connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waited_for_longest_gives_way_and_who_is_answered_does_not() {
        let places = Places::new(2);
        let (answered, waits) = (places.take().unwrap(), places.take().unwrap());
        answered.work();
        let third = places.take().expect("the place of the second");
        waits.given_up().await;
        drop(waits);
        third.work();
        assert!(places.take().is_none(), "both are being answered");
        answered.wait();
        third.wait();
        let fourth = places.take().expect("the place of the first");
        answered.given_up().await;
        drop((answered, third, fourth));
        assert_eq!(places.lock().count, 0);
        assert!(places.lock().waiting.is_empty());
    }
}
