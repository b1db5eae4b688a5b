//! What was fetched from identity providers, kept for a while.
//!
//! One fetch at a time for each thing; what is a little old is served while one task fetches it
//! anew; a fetch out of turn (an unknown key id) needs a token of the connection's bucket, since
//! whoever can sign in could otherwise make us fetch as often as they like.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;

use crate::base::failure::Failure;
use crate::base::time::Clock;

/// How many things are kept; beyond that the least used go.
const CAPACITY: usize = 16_384;
/// For how long a failed fetch stands for those who waited for it, in milliseconds.
const FAILURE_STANDS_MS: i64 = 2_000;
/// How long after a failed refresh the next one waits, in milliseconds.
const REFRESH_AGAIN_MS: i64 = 30_000;
/// How many fetches out of turn are possible at once, and how many milliseconds bring one more.
const BURST: u32 = 5;
const TOKEN_EVERY_MS: i64 = 10_000;

/// For how long an answer counts as fresh, by its `Cache-Control`, in milliseconds: at least 5
/// minutes (`no-store` included), at most 24 hours, one hour where nothing is said.
pub(super) fn fresh_for_ms(headers: &http::HeaderMap) -> i64 {
    const LEAST_S: u64 = 5 * 60;
    const MOST_S: u64 = 24 * 60 * 60;
    let value = headers.get(http::header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let value = value.unwrap_or("").to_ascii_lowercase();
    let parts = || value.split(',').map(str::trim);
    let age = parts().find_map(|part| part.strip_prefix("max-age="));
    let seconds = if parts().any(|part| matches!(part, "no-store" | "no-cache")) {
        LEAST_S
    } else {
        let age = age.map(|age| age.trim_matches('"').parse().unwrap_or(LEAST_S));
        age.unwrap_or(60 * 60).clamp(LEAST_S, MOST_S)
    };
    i64::try_from(seconds).unwrap_or(0) * 1000
}

/// What a kept thing is found by. The connection is part of it, so tenants share nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) connection_id: String,
    pub(super) url: String,
    /// What else the parsed form depends on, such as the algorithm of keys or the issuer.
    pub(super) variant: String,
}

/// When old things may still be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// For how long after its freshness a thing is served while it is fetched anew, in
    /// milliseconds.
    pub(super) stale_ms: i64,
    /// Whether something older is better than nothing when the fetch fails.
    pub(super) last_resort: bool,
}

/// A kept thing and the number of the fetch that it came with.
pub(super) struct Kept<V> {
    pub(super) value: Arc<V>,
    pub(super) version: u64,
    fresh_until_ms: i64,
    fetched_at_ms: i64,
}

impl<V> Kept<V> {
    /// When it was fetched, as Unix milliseconds.
    pub(super) fn fetched_at_ms(&self) -> i64 {
        self.fetched_at_ms
    }
}

impl<V> Clone for Kept<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

/// What a fetch brings: the thing, and for how long it is fresh, in milliseconds.
pub(super) type Fetch<V> = Result<(V, i64), Failure>;

/// A fetch out of turn.
pub(super) enum Refetch<V> {
    /// Newer than what the caller had.
    Newer(Kept<V>),
    /// The bucket is empty.
    Throttled,
}

/// Things of one kind, by key.
pub(super) struct Shelf<V>(Cache<Key, Arc<Slot<V>>>);

/// The place of one thing.
pub(super) struct Slot<V> {
    state: Mutex<State<V>>,
    fetching: tokio::sync::Mutex<()>,
    clock: Clock,
}

struct State<V> {
    kept: Option<Kept<V>>,
    failed: Option<(i64, Failure)>,
    refreshing: bool,
    refresh_after_ms: i64,
    versions: u64,
    tokens: u32,
    refilled_at_ms: i64,
}

impl<V: Send + Sync + 'static> Shelf<V> {
    pub(super) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// The place of a thing, empty at first.
    pub(super) fn slot(&self, key: &Key, clock: &Clock) -> Arc<Slot<V>> {
        let made: Result<_, std::convert::Infallible> =
            self.0.get_or_insert_with(key, || Ok(Arc::new(Slot::new(clock.clone()))));
        match made {
            Ok(slot) => slot,
        }
    }

    /// Empties all places of a connection.
    pub(super) fn forget(&self, connection_id: &str) {
        self.0.retain(|key, _| key.connection_id != connection_id);
    }
}

impl<V: Send + Sync + 'static> Slot<V> {
    fn new(clock: Clock) -> Self {
        let state = State {
            kept: None,
            failed: None,
            refreshing: false,
            refresh_after_ms: i64::MIN,
            versions: 0,
            tokens: BURST,
            refilled_at_ms: clock.now().as_ms(),
        };
        Self { state: Mutex::new(state), fetching: tokio::sync::Mutex::new(()), clock }
    }

    fn state(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thing: kept, kept and being refreshed, or fetched. `fetch` is given what is kept so
    /// far.
    pub(super) async fn get<F, Fut>(
        self: &Arc<Self>,
        rules: Rules,
        fetch: F,
    ) -> Result<Kept<V>, Failure>
    where
        F: FnOnce(Option<Arc<V>>) -> Fut,
        Fut: Future<Output = Fetch<V>> + Send + 'static,
    {
        if let Some((kept, stale)) = self.usable(rules) {
            if stale && self.claim_refresh() {
                let refresh = fetch(Some(Arc::clone(&kept.value)));
                self.refresh_in_background(refresh);
            }
            return Ok(kept);
        }
        let guard = self.fetching.lock().await;
        if let Some((kept, _)) = self.usable(rules) {
            return Ok(kept);
        }
        let old = self.state().kept.clone();
        let fetched = match self.recent_failure() {
            Some(failure) => Err(failure),
            None => fetch(old.as_ref().map(|old| Arc::clone(&old.value))).await,
        };
        let stored = self.store(fetched);
        drop(guard);
        match (stored, old) {
            (Err(failure), Some(old)) if rules.last_resort => {
                tracing::warn!(code = %failure, "serving what was fetched long ago");
                Ok(old)
            }
            (stored, _) => stored,
        }
    }

    /// Fetches out of turn, unless somebody else did since the caller's `version`.
    pub(super) async fn refetch<F, Fut>(
        &self,
        version: u64,
        fetch: F,
    ) -> Result<Refetch<V>, Failure>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Fetch<V>>,
    {
        let _guard = self.fetching.lock().await;
        let newer = self.state().kept.clone().filter(|kept| kept.version != version);
        if let Some(newer) = newer {
            return Ok(Refetch::Newer(newer));
        }
        if !self.take_token() {
            return Ok(Refetch::Throttled);
        }
        let fetched = fetch().await;
        self.store(fetched).map(Refetch::Newer)
    }

    /// What is kept and may be served, and whether it is stale. A clock that was set back makes
    /// things stale, never fresh for longer.
    fn usable(&self, rules: Rules) -> Option<(Kept<V>, bool)> {
        let now_ms = self.clock.now().as_ms();
        let state = self.state();
        let kept = state.kept.as_ref()?;
        let fresh = (kept.fetched_at_ms..kept.fresh_until_ms).contains(&now_ms);
        (fresh || now_ms < kept.fresh_until_ms.saturating_add(rules.stale_ms))
            .then(|| (kept.clone(), !fresh))
    }

    /// Whether the caller is the one who refreshes.
    fn claim_refresh(&self) -> bool {
        let now_ms = self.clock.now().as_ms();
        let mut state = self.state();
        let claimed = !state.refreshing && now_ms >= state.refresh_after_ms;
        state.refreshing |= claimed;
        claimed
    }

    fn refresh_in_background<Fut>(self: &Arc<Self>, refresh: Fut)
    where
        Fut: Future<Output = Fetch<V>> + Send + 'static,
    {
        let slot = Arc::clone(self);
        tokio::spawn(async move {
            let _guard = slot.fetching.lock().await;
            let stored = slot.store(refresh.await);
            let mut state = slot.state();
            state.refreshing = false;
            if let Err(failure) = stored {
                state.refresh_after_ms = slot.clock.now().as_ms() + REFRESH_AGAIN_MS;
                tracing::warn!(code = %failure, "a refresh failed; the last good copy stays");
            }
        });
    }

    fn store(&self, fetched: Fetch<V>) -> Result<Kept<V>, Failure> {
        let now_ms = self.clock.now().as_ms();
        let mut state = self.state();
        match fetched {
            Ok((value, fresh_ms)) => {
                state.versions += 1;
                let kept = Kept {
                    value: Arc::new(value),
                    version: state.versions,
                    fetched_at_ms: now_ms,
                    fresh_until_ms: now_ms.saturating_add(fresh_ms),
                };
                state.kept = Some(kept.clone());
                state.failed = None;
                Ok(kept)
            }
            Err(failure) => {
                if state.failed.is_none() {
                    state.failed = Some((now_ms, failure.clone()));
                }
                Err(failure)
            }
        }
    }

    /// The failure of a fetch that has only just ended, for those who waited meanwhile.
    fn recent_failure(&self) -> Option<Failure> {
        let now_ms = self.clock.now().as_ms();
        let mut state = self.state();
        let (at_ms, failure) = state.failed.clone()?;
        if (0..FAILURE_STANDS_MS).contains(&(now_ms - at_ms)) {
            return Some(failure);
        }
        state.failed = None;
        None
    }

    fn take_token(&self) -> bool {
        let now_ms = self.clock.now().as_ms();
        let mut state = self.state();
        let earned = (now_ms - state.refilled_at_ms) / TOKEN_EVERY_MS;
        if earned > 0 {
            let tokens = i64::from(state.tokens).saturating_add(earned).min(i64::from(BURST));
            state.tokens = u32::try_from(tokens).unwrap_or(BURST);
            state.refilled_at_ms = now_ms;
        }
        let left = state.tokens.checked_sub(1);
        state.tokens = left.unwrap_or(0);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_s(value: &str) -> i64 {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CACHE_CONTROL, value.parse().unwrap());
        fresh_for_ms(&headers) / 1000
    }

    #[test]
    fn jwk_15_freshness_is_clamped_to_between_five_minutes_and_a_day() {
        for least in ["no-store", "no-cache, max-age=9999", "max-age=0", "max-age=x", "max-age=-1"]
        {
            assert_eq!(fresh_s(least), 300, "{least}");
        }
        assert_eq!(fresh_s("public, Max-Age=600"), 600);
        assert_eq!(fresh_s("max-age=315360000"), 86_400);
        assert_eq!(fresh_s("max-age=99999999999999999999999"), 300);
        assert_eq!(fresh_s("garbage;;"), 3600);
        assert_eq!(fresh_for_ms(&http::HeaderMap::new()), 3_600_000);
    }
}
