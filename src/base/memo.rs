//! What was parsed before: the same text means the same, so nothing in here can be out of date.

use std::sync::LazyLock;

use quick_cache::sync::Cache;
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// Texts that are parsed again and again, such as the settings of a connection in each login, and
/// what they say. Bounded: the least used give way.
pub struct Memo<T>(LazyLock<Cache<Box<str>, T>>);

impl<T: Clone + DeserializeOwned> Memo<T> {
    /// Remembers nothing yet.
    pub const fn new() -> Self {
        Self(LazyLock::new(|| Cache::new(1024)))
    }

    /// What the JSON text says.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if it does not parse.
    pub fn parse(&self, text: &str) -> Result<T> {
        if let Some(known) = self.0.get(text) {
            return Ok(known);
        }
        let parsed: T = serde_json::from_str(text).map_err(Error::internal)?;
        self.0.insert(text.into(), parsed.clone());
        Ok(parsed)
    }
}

impl<T: Clone + DeserializeOwned> Default for Memo<T> {
    fn default() -> Self {
        Self::new()
    }
}
