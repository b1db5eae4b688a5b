//! Secrets that are looked for where they must not be.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use vestibule::sso::answer::percent_encode;

/// A secret, and how else it could be written.
pub fn spellings(secret: &str) -> Vec<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    vec![
        secret.to_owned(),
        percent_encode(secret.as_bytes()),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex(secret.as_bytes()),
    ]
}

/// The secrets of a test, each with a name.
#[derive(Default)]
pub struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// Adds one. A short one would be found anywhere.
    #[track_caller]
    pub fn add(&mut self, name: &'static str, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(secret.len() >= 16, "{name} is too short to be looked for: {secret}");
        self.0.push((name, secret));
    }

    /// The names of those that occur in bytes, in any spelling.
    pub fn within(&self, bytes: &[u8]) -> Vec<&'static str> {
        let text = String::from_utf8_lossy(bytes);
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(_, secret)| spellings(secret).iter().any(|spelling| text.contains(spelling)))
            .map(|(name, _)| *name)
            .collect();
        found.dedup();
        found
    }

    /// Fails if one of them occurs, but for those with these names.
    #[track_caller]
    pub fn are_not_in(&self, place: &str, bytes: &[u8], but: &[&str]) {
        let mut found = self.within(bytes);
        found.retain(|name| !but.contains(name));
        assert_eq!(found, Vec::<&str>::new(), "secrets in {place}");
    }
}
