//! What was parsed before: the same text means the same, so nothing in here can be out of date.

use std::sync::OnceLock;

use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;

use super::{Result, stored};

/// How many texts are remembered; beyond that the least used go.
const CAPACITY: usize = 1024;
/// How long a text may be to be remembered, in bytes: those of tenants who store long ones are parsed
/// each time, so that they cannot fill the memory.
const MAX_TEXT: usize = 8 * 1024;

/// Stored texts of one kind that are parsed again and again, such as the settings of a connection in
/// each login, and what they say.
pub struct Memo<T> {
    what: &'static str,
    known: OnceLock<Cache<Box<str>, T>>,
}

impl<T: Clone + DeserializeOwned> Memo<T> {
    /// Remembers nothing yet; `what` the texts are, for who reads of a fault.
    pub const fn new(what: &'static str) -> Self {
        Self { what, known: OnceLock::new() }
    }

    /// What a text says.
    ///
    /// # Errors
    ///
    /// As [`stored::json`].
    pub fn parse(&self, text: &str) -> Result<T> {
        let known = self.known.get_or_init(|| Cache::new(CAPACITY));
        if let Some(parsed) = known.get(text) {
            return Ok(parsed);
        }
        let parsed: T = stored::json(self.what, text)?;
        if text.len() <= MAX_TEXT {
            known.insert(text.into(), parsed.clone());
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_the_same_each_time_and_a_long_one_is_not_kept() {
        let memo = Memo::<Vec<u32>>::new("numbers");
        let long = format!("[1{}]", ",1".repeat(MAX_TEXT));
        for _ in 0..2 {
            assert_eq!(memo.parse("[1,2]").unwrap(), [1, 2]);
            assert_eq!(memo.parse(&long).unwrap().len(), MAX_TEXT + 1);
            assert!(memo.parse("{}").is_err());
        }
        assert_eq!(memo.known.get().unwrap().len(), 1);
    }
}
