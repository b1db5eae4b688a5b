//! Open connections that wait for the next request, and the count of those in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::{Error, Limits};

/// How many requests to one host may be on their way at once; the next wait a little.
pub(super) const MAX_IN_FLIGHT: usize = 64;
/// How many requests to one host may wait; one more fails at once.
const MAX_WAITING: usize = 512;
/// How many idle connections to one host are kept: as many as may be in use.
const MAX_IDLE_PER_HOST: usize = MAX_IN_FLIGHT;
/// How many idle connections are kept in all.
const MAX_IDLE: usize = 512;
/// How long a connection lives at most: names and certificates change.
const LIFETIME: Duration = Duration::from_secs(300);
/// How often idle connections that are too old are thrown out.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What a connection is good for. Connections with different trusted roots are never mixed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) https: bool,
    pub(super) host: Box<str>,
    pub(super) port: u16,
    pub(super) extra_ca: Option<Arc<str>>,
}

/// An open connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) opened_at: Instant,
    /// What the server said about its patience (`Keep-Alive: timeout=5`).
    pub(super) patience: Option<Duration>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

struct Host {
    places: Arc<Semaphore>,
    /// Requests that have a place or wait for one.
    inside: usize,
    idle: Vec<Idle>,
}

impl Default for Host {
    fn default() -> Self {
        let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        Self { places, inside: 0, idle: Vec::new() }
    }
}

struct State {
    hosts: HashMap<Arc<Key>, Host>,
    idle: usize,
    swept_at: Instant,
}

/// All connections of the outbound client.
pub(super) struct Pool {
    state: Mutex<State>,
    limits: Limits,
}

/// A place among the requests in flight; leaving it makes room for the next.
pub(super) struct Slot<'a> {
    pool: &'a Pool,
    key: Arc<Key>,
    place: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State { hosts: HashMap::new(), idle: 0, swept_at: Instant::now() };
        Self { state: Mutex::new(state), limits }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one request. Where all are taken it waits for one, but not for long: a
    /// burst gets through, and a host that stalls keeps nobody.
    pub(super) async fn enter(&self, key: Key) -> Result<Slot<'_>, Error> {
        let key = Arc::new(key);
        let places = {
            let mut state = self.state();
            let host = state.hosts.entry(Arc::clone(&key)).or_default();
            if host.inside >= MAX_IN_FLIGHT + MAX_WAITING {
                return Err(Error::Busy);
            }
            host.inside += 1;
            Arc::clone(&host.places)
        };
        let mut slot = Slot { pool: self, key, place: None };
        slot.place = match timeout(self.limits.queue, places.acquire_owned()).await {
            Ok(Ok(place)) => Some(place),
            _ => return Err(Error::Busy),
        };
        Ok(slot)
    }
}

impl Slot<'_> {
    /// An idle connection that is still open, the most recently used first.
    pub(super) fn take_idle(&self, repeatable: bool) -> Option<Connection> {
        let now = Instant::now();
        let Limits { idle, idle_post, .. } = self.pool.limits;
        let lifetime = if repeatable { idle } else { idle_post };
        let mut state = self.pool.state();
        let State { hosts, idle: count, .. } = &mut *state;
        let idle = &mut hosts.get_mut(&self.key)?.idle;
        while let Some(Idle { connection, since }) = idle.pop() {
            *count = count.saturating_sub(1);
            let patience = connection.patience.unwrap_or(lifetime).min(lifetime);
            if !connection.sender.is_closed() && now - since < patience {
                return Some(connection);
            }
        }
        None
    }

    /// Gives a connection back for the next request.
    pub(super) fn give_back(&self, connection: Connection) {
        let now = Instant::now();
        if connection.sender.is_closed() || now - connection.opened_at > LIFETIME {
            return;
        }
        let mut state = self.pool.state();
        if now - state.swept_at > SWEEP_EVERY {
            sweep(&mut state, now, self.pool.limits.idle);
        }
        let State { hosts, idle: count, .. } = &mut *state;
        if let Some(host) = hosts.get_mut(&self.key)
            && host.idle.len() < MAX_IDLE_PER_HOST
            && *count < MAX_IDLE
        {
            host.idle.push(Idle { connection, since: now });
            *count += 1;
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        drop(self.place.take());
        let mut state = self.pool.state();
        if let Some(host) = state.hosts.get_mut(&self.key) {
            host.inside = host.inside.saturating_sub(1);
            if host.inside == 0 && host.idle.is_empty() {
                state.hosts.remove(&self.key);
            }
        }
    }
}

fn sweep(state: &mut State, now: Instant, lifetime: Duration) {
    state.swept_at = now;
    let mut left = 0;
    state.hosts.retain(|_, host| {
        host.idle.retain(|idle| !idle.connection.sender.is_closed() && now - idle.since < lifetime);
        left += host.idle.len();
        host.inside > 0 || !host.idle.is_empty()
    });
    state.idle = left;
}
