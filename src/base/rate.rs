//! How often something may be done in a minute, so that one cannot take the room of all others.
//!
//! Each thing that is limited has a counter of its own, and none is shared: what one tenant uses is
//! never taken from another. A counter knows this minute and the one before, and assumes that what
//! was counted then was spread evenly: so the limit holds for any 60 seconds, about, and comes back
//! bit by bit.
//!
//! A node counts by itself, without asking anybody. What the other nodes have counted it is told now
//! and then ([`Limiter::learn`]), of what is used enough to matter ([`Limiter::warm`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;

use super::secret::{base64url, sha256};
use super::time::Timestamp;

/// The length of the window, in milliseconds.
const WINDOW_MS: i64 = 60_000;
/// How many things a limiter watches at once; beyond it the idlest are forgotten.
const CAPACITY: usize = 20_000;
/// Other nodes are told of what has used up one part in so many of its limit.
const WARM: u32 = 20;
/// How much of a hash names a thing to other nodes, in bytes.
const NAME: usize = 12;

/// A limit was reached: how long to wait, in seconds, at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u32);

/// What was counted in the minute before and in this one.
pub type Counts = [u32; 2];

/// What is counted at other nodes, by the name of what is limited.
pub type Told = HashMap<String, Counts>;

/// Counts per key.
#[derive(Debug)]
pub struct Limiter {
    kind: &'static str,
    limit: u32,
    counters: Cache<String, Arc<Mutex<Counter>>>,
}

#[derive(Debug, Default)]
struct Counter {
    minute: i64,
    ours: Counts,
    others: Counts,
}

impl Limiter {
    /// Admits so many in a minute for each key; 0: any number. `kind` tells it from other limiters.
    pub fn new(kind: &'static str, limit: u32) -> Self {
        Self { kind, limit, counters: Cache::new(CAPACITY) }
    }

    /// Counts one, if the limit is not reached.
    ///
    /// # Errors
    ///
    /// [`Wait`], if it is; then nothing is counted.
    pub fn check(&self, key: &str, now: Timestamp) -> Result<(), Wait> {
        self.with(key, now, |counter| counter.ask(self.limit, now).map(|()| counter.count()))
    }

    /// The same without a time to wait: `false` if the limit is reached.
    pub fn admit(&self, key: &str, now: Timestamp) -> bool {
        self.check(key, now).is_ok()
    }

    /// Whether one more would be admitted; counts nothing.
    ///
    /// # Errors
    ///
    /// [`Wait`], if the limit is reached.
    pub fn ask(&self, key: &str, now: Timestamp) -> Result<(), Wait> {
        if self.limit == 0 || !self.counters.contains_key(key) {
            return Ok(());
        }
        self.with(key, now, |counter| counter.ask(self.limit, now))
    }

    /// Counts one, whether the limit is reached or not.
    pub fn count(&self, key: &str, now: Timestamp) {
        let _ = self.with(key, now, |counter| {
            counter.count();
            Ok(())
        });
    }

    fn with(
        &self,
        key: &str,
        now: Timestamp,
        act: impl FnOnce(&mut Counter) -> Result<(), Wait>,
    ) -> Result<(), Wait> {
        if self.limit == 0 {
            return Ok(());
        }
        let counter = self.counters.get_or_insert_with(key, || Ok::<_, ()>(Arc::default()));
        let counter = counter.unwrap_or_default();
        let mut counter = lock(&counter);
        counter.go_to(minute(now));
        act(&mut counter)
    }

    /// What this node has counted, of things that have used up enough to matter at other nodes.
    pub fn warm(&self, now: Timestamp) -> Told {
        let mut warm = Told::new();
        if self.limit == 0 {
            return warm;
        }
        let enough = self.limit.div_ceil(WARM);
        for (key, counter) in self.counters.iter() {
            let mut counter = lock(&counter);
            counter.go_to(minute(now));
            if counter.ours.iter().any(|count| *count >= enough) {
                warm.insert(self.name(&key), counter.ours);
            }
        }
        warm
    }

    /// Takes over what was counted at all other nodes together.
    pub fn learn(&self, told: &Told, now: Timestamp) {
        for (key, counter) in self.counters.iter() {
            let mut counter = lock(&counter);
            counter.go_to(minute(now));
            if counter.ours != [0; 2] || counter.others != [0; 2] {
                counter.others = told.get(&self.name(&key)).copied().unwrap_or_default();
            }
        }
    }

    /// How other nodes call what is limited: nobody reads an address or an id from it.
    fn name(&self, key: &str) -> String {
        base64url(&sha256(format!("{} {key}", self.kind).as_bytes())[..NAME])
    }
}

fn lock(counter: &Mutex<Counter>) -> std::sync::MutexGuard<'_, Counter> {
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The minute of a moment, since 1970: the same at all nodes, as far as their clocks agree.
pub fn minute(now: Timestamp) -> i64 {
    now.as_ms().div_euclid(WINDOW_MS)
}

/// What was counted at a moment in `minute`, as it is to be seen in the minute `now`.
pub fn carry(counts: Counts, minute: i64, now: i64) -> Counts {
    match now - minute {
        ..=0 => counts,
        1 => [counts[1], 0],
        _ => [0; 2],
    }
}

impl Counter {
    /// Goes on to a minute. A clock that went back changes nothing.
    fn go_to(&mut self, minute: i64) {
        self.ours = carry(self.ours, self.minute, minute);
        self.others = carry(self.others, self.minute, minute);
        self.minute = self.minute.max(minute);
    }

    fn count(&mut self) {
        self.ours[1] = self.ours[1].saturating_add(1);
    }

    /// Whether one more has room.
    fn ask(&self, limit: u32, now: Timestamp) -> Result<(), Wait> {
        let sum = |i: usize| i64::from(self.ours[i]) + i64::from(self.others[i]);
        let (before, current, limit) = (sum(0), sum(1), i64::from(limit));
        // What is left of this minute, and how much of the one before still counts.
        let left = WINDOW_MS - now.as_ms().rem_euclid(WINDOW_MS);
        let room = limit - current;
        if before * left < room * WINDOW_MS {
            return Ok(());
        }
        let wait = if room > 0 {
            // Until enough of the minute before has passed out of sight.
            left - room * WINDOW_MS / before.max(1)
        } else {
            // Until enough of this minute has.
            left + WINDOW_MS - limit * WINDOW_MS / current.max(1)
        };
        let seconds = wait.clamp(0, 2 * WINDOW_MS) / 1000 + 1;
        Err(Wait(u32::try_from(seconds).unwrap_or(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(i64) -> Timestamp = Timestamp::from_ms;

    #[test]
    fn auz_23_the_1001st_login_of_a_minute_waits_and_other_connections_do_not() {
        let limiter = Limiter::new("authorize", 1000);
        assert!((0..1000).all(|_| limiter.admit("a", AT(0))));
        assert!(!limiter.admit("a", AT(59_999)));
        assert!(limiter.admit("b", AT(59_999)));
        // What was used in the minute before becomes free bit by bit.
        let admitted = (0..1000).filter(|_| limiter.admit("a", AT(90_000))).count();
        assert_eq!(admitted, 500);
        assert!((0..1000).all(|_| limiter.admit("a", AT(180_000))));
    }

    #[test]
    fn no_minute_has_more_than_the_limit_and_a_steady_use_is_not_refused() {
        let limiter = Limiter::new("x", 600);
        // Nearly ten a second, for five minutes.
        assert!((0..3000).all(|i| limiter.admit("a", AT(i * 101))));
        // A burst on top of it is refused.
        assert!(!(0..100).all(|_| limiter.admit("a", AT(303_100))));
    }

    #[test]
    fn who_waits_as_long_as_told_is_admitted_and_not_much_sooner() {
        for (limit, uses) in [(1, 1), (5, 5), (60, 60), (1000, 1000)] {
            for began in [0, 1, 12_345, 30_000, 59_999] {
                let limiter = Limiter::new("x", limit);
                assert!((0..uses).all(|_| limiter.admit("a", AT(began))));
                let Err(Wait(seconds)) = limiter.check("a", AT(began)) else { panic!("no limit") };
                let then = began + i64::from(seconds) * 1000;
                let sooner = (then - 2000).max(began);
                assert!(limiter.ask("a", AT(sooner)).is_err(), "{limit} from {began}");
                assert_eq!(limiter.ask("a", AT(then)), Ok(()), "{limit} from {began}");
            }
        }
    }

    #[test]
    fn who_is_refused_and_asks_again_and_again_waits_no_longer_for_it() {
        let limiter = Limiter::new("x", 10);
        assert!((0..10).all(|_| limiter.admit("a", AT(0))));
        assert!((0..1000).all(|i| !limiter.admit("a", AT(i))));
        assert!(limiter.admit("a", AT(70_000)));
    }

    #[test]
    fn what_other_nodes_have_counted_counts() {
        let nodes: Vec<Limiter> = (0..3).map(|_| Limiter::new("x", 1000)).collect();
        for node in &nodes {
            assert!((0..300).all(|_| node.admit("a", AT(0))));
            assert!((0..10).all(|_| node.admit("quiet", AT(0))));
        }
        let told = |i: usize| {
            let mut sum = Told::new();
            for (j, other) in nodes.iter().enumerate().filter(|(j, _)| *j != i) {
                let warm = other.warm(AT(1));
                assert_eq!(warm.len(), 1, "node {j} tells of what matters only");
                for (name, counts) in warm {
                    let entry = sum.entry(name).or_default();
                    *entry = [entry[0] + counts[0], entry[1] + counts[1]];
                }
            }
            sum
        };
        nodes[0].learn(&told(0), AT(1));
        let admitted = (0..1000).filter(|_| nodes[0].admit("a", AT(2))).count();
        assert_eq!(admitted, 100);
        assert!(nodes[0].admit("quiet", AT(2)));
        // What was learnt grows old as one's own counts do.
        assert!(!nodes[0].admit("a", AT(60_000)));
        assert!(nodes[0].admit("a", AT(120_000)));
        // A name of another limiter is another name.
        assert_ne!(Limiter::new("y", 1).name("a"), nodes[0].name("a"));
    }

    #[test]
    fn a_limit_of_0_is_none_and_a_clock_that_goes_back_does_no_harm() {
        let limiter = Limiter::new("x", 0);
        assert!((0..10_000).all(|_| limiter.admit("a", AT(0))));
        let limiter = Limiter::new("x", 2);
        assert!(limiter.admit("a", AT(600_000)));
        assert!(limiter.admit("a", AT(0)));
        assert!(!limiter.admit("a", AT(0)));
        assert!(!limiter.admit("a", AT(600_000)));
    }
}
