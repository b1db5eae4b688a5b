//! How many logins may begin on one connection, so that one cannot take the room of all others.

use std::sync::Mutex;

use quick_cache::sync::Cache;

use super::time::Timestamp;

/// The length of the window, in milliseconds.
const WINDOW_MS: i64 = 60_000;
/// How many connections are watched at once; beyond it the idlest are forgotten.
const CAPACITY: usize = 20_000;

/// Counts per key in windows of a minute. Each node counts for itself.
#[derive(Debug)]
pub struct Limiter {
    limit: u32,
    windows: Cache<String, std::sync::Arc<Mutex<Window>>>,
}

#[derive(Debug)]
struct Window {
    began: Timestamp,
    count: u32,
}

impl Limiter {
    /// Admits so many in a minute for each key; 0: any number.
    pub fn new(limit: u32) -> Self {
        Self { limit, windows: Cache::new(CAPACITY) }
    }

    /// Counts one; `false` if the limit is reached in this window.
    pub fn admit(&self, key: &str, now: Timestamp) -> bool {
        if self.limit == 0 {
            return true;
        }
        let window = match self.windows.get(key) {
            Some(window) => window,
            None => {
                let fresh = std::sync::Arc::new(Mutex::new(Window { began: now, count: 0 }));
                self.windows.insert(key.to_owned(), std::sync::Arc::clone(&fresh));
                fresh
            }
        };
        let mut window = window.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now >= window.began.plus_ms(WINDOW_MS) || now < window.began {
            *window = Window { began: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count <= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auz_23_the_1001st_login_of_a_minute_waits_and_other_connections_do_not() {
        let limiter = Limiter::new(1000);
        let at = Timestamp::from_ms;
        assert!((0..1000).all(|_| limiter.admit("a", at(0))));
        assert!(!limiter.admit("a", at(59_999)));
        assert!(limiter.admit("b", at(59_999)));
        assert!(limiter.admit("a", at(60_000)));
    }
}
