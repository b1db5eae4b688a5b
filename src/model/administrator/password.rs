//! Passwords of administrators: what is accepted, and how it is kept.
//!
//! Argon2id with 19 MiB, two rounds and one lane (OWASP's first choice), in the PHC string format.
//! A password is hashed as a whole, after Unicode's NFC, so that two keyboards that write the same
//! letter in different ways write the same password.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::base::secret::random_bytes;
use crate::base::{Error, Result};

/// The fewest characters of a password (OWASP ASVS 5.0, 6.2.1, asks for 8).
pub const MIN_CHARS: usize = 10;
/// The most bytes of a password.
pub const MAX_BYTES: usize = 1024;

/// Passwords that others have chosen so often that they are tried first: those of
/// [`MIN_CHARS`] and more among the 20,000 most common ones, sorted, in lower case.
static COMMON: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());
/// What the password of nobody is compared with: it takes as long as any other.
static NOBODY: LazyLock<PasswordHash> =
    LazyLock::new(|| hash("a password that nobody has").unwrap_or(PasswordHash(String::new())));

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub(super) fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[password hash]")
    }
}

/// Whether a password may be chosen. `about` is what others know of the person: their address and
/// name.
///
/// # Errors
///
/// [`Error::Invalid`], saying what is wrong with it.
pub fn check(password: &str, about: &[&str]) -> Result<()> {
    let refused = |message: &str| Err(Error::invalid("invalid_password", "password", message));
    if password.len() > MAX_BYTES {
        return refused("A password has at most 1024 bytes.");
    }
    if password.contains('\0') {
        return refused("A password holds no NUL character.");
    }
    if password.nfc().count() < MIN_CHARS {
        return refused("A password has at least 10 characters. A short sentence is a good one.");
    }
    let lower = password.to_lowercase();
    let mut chars = lower.chars();
    let first = chars.next();
    let is_repetition = chars.all(|c| Some(c) == first);
    if is_repetition || COMMON.binary_search(&lower.as_str()).is_ok() {
        return refused("This password is one of those that are tried first. Choose another one.");
    }
    let same = |known: &&str| {
        let known = known.to_lowercase();
        !known.is_empty() && (known == lower || known.split('@').next() == Some(lower.as_str()))
    };
    if about.iter().any(same) || lower.contains("vestibule") {
        return refused("This password is easily guessed of you. Choose another one.");
    }
    Ok(())
}

/// Hashes a password; takes some 20 ms of a core and 19 MiB, so never on a thread of the runtime.
///
/// # Errors
///
/// [`Error::Internal`] if there is no memory.
pub fn hash(password: &str) -> Result<PasswordHash> {
    let normal = normal(password);
    Argon2::default()
        .hash_password_with_salt(normal.as_bytes(), &random_bytes::<16>())
        .map(|hash| PasswordHash(hash.to_string()))
        .map_err(|error| Error::internal(format!("hashing failed: {error}")))
}

/// Whether this is the password; takes the same time if there is no hash.
pub fn verify(password: &str, hash: Option<&PasswordHash>) -> bool {
    let nobody = &*NOBODY;
    let known = password.len() <= MAX_BYTES;
    let normal = normal(if known { password } else { "" });
    let against = hash.unwrap_or(nobody);
    let matches = Argon2::default().verify_password(normal.as_bytes(), against.as_str()).is_ok();
    matches && known && hash.is_some()
}

fn normal(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dsh_17_a_password_is_hashed_whole_and_in_one_form() {
        let long = "x".repeat(72) + "the end";
        let stored = hash(&long).unwrap();
        assert!(stored.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.0);
        assert!(verify(&long, Some(&stored)));
        assert!(!verify(&("x".repeat(72) + "another end"), Some(&stored)));
        let composed = hash("l\u{e9}gende urbaine").unwrap();
        assert!(verify("le\u{301}gende urbaine", Some(&composed)));
        assert!(!verify("a password that nobody has", None));
        assert_eq!(format!("{stored:?}"), "[password hash]");
    }

    #[test]
    fn dsh_17_passwords_that_are_guessed_first_are_refused() {
        assert!(COMMON.is_sorted(), "the list is searched by halves");
        for bad in [
            "",
            "nine char",
            "1234567890",
            "QwertyUiop",
            "aaaaaaaaaaaa",
            "password123",
            "ada.lovelace",
            "Ada.Lovelace@acme.example",
            "my vestibule",
            "with a \0 in it",
        ] {
            assert!(check(bad, &["ada.lovelace@acme.example", "Ada"]).is_err(), "{bad:?}");
        }
        assert!(check(&"ä".repeat(513), &[]).is_err());
        assert!(check(&"correct horse ".repeat(70), &[]).is_ok());
        assert!(check("correct horse", &["ada@acme.example", ""]).is_ok());
    }
}
