//! Values that are found by a random key and forgotten after a while.

use std::collections::HashMap;

use crate::base::secret::random_alphanumeric;
use crate::base::time::Timestamp;

/// How many values may gather before the expired ones are first swept out.
const FIRST_SWEEP: usize = 1024;

/// Values with a random key and a lifetime.
pub(super) struct Expiring<T> {
    entries: HashMap<String, (Timestamp, T)>,
    lifetime_ms: i64,
    sweep_at: usize,
}

impl<T> Expiring<T> {
    /// Empty; each value will live `lifetime_ms` milliseconds.
    pub(super) fn new(lifetime_ms: i64) -> Self {
        Self { entries: HashMap::new(), lifetime_ms, sweep_at: FIRST_SWEEP }
    }

    /// Keeps a value, and says under which key.
    pub(super) fn insert(&mut self, now: Timestamp, value: T) -> String {
        if self.entries.len() >= self.sweep_at {
            self.entries.retain(|_, (expires_at, _)| *expires_at > now);
            self.sweep_at = FIRST_SWEEP.max(self.entries.len() * 2);
        }
        let key = random_alphanumeric(43);
        self.entries.insert(key.clone(), (now.plus_ms(self.lifetime_ms), value));
        key
    }

    /// Changes the values.
    pub(super) fn each_mut(&mut self, change: impl FnMut(&mut T)) {
        self.entries.values_mut().map(|(_, value)| value).for_each(change);
    }

    /// The value, if it still lives.
    pub(super) fn find(&self, now: Timestamp, key: &str) -> Option<&T> {
        let (expires_at, value) = self.entries.get(key)?;
        (*expires_at > now).then_some(value)
    }

    /// The values that this says yes to, which nobody can find afterwards.
    pub(super) fn take_all(
        &mut self,
        now: Timestamp,
        mut wanted: impl FnMut(&T) -> bool,
    ) -> Vec<T> {
        let found = self.entries.extract_if(|_, (_, value)| wanted(value));
        found
            .filter(|(_, (expires_at, _))| *expires_at > now)
            .map(|(_, (_, value))| value)
            .collect()
    }

    /// The value, which nobody can find afterwards.
    pub(super) fn take(&mut self, now: Timestamp, key: &str) -> Option<T> {
        let (expires_at, value) = self.entries.remove(key)?;
        (expires_at > now).then_some(value)
    }
}
