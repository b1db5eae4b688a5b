//! Secrets that do not print, and the hashes by which they are found again.

use std::fmt;

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A text that must not be logged, shown or stored in clear. It is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A new secret of 256 random bits: `prefix` and 43 characters of base64url.
    pub fn random(prefix: &str) -> Self {
        let mut text = String::with_capacity(prefix.len() + 43);
        text.push_str(prefix);
        URL_SAFE_NO_PAD.encode_string(random_bytes::<32>(), &mut text);
        Self::new(text)
    }

    /// The text itself. Every use of this is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The hash by which the secret is stored and found.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(self.expose())
    }

    /// Whether the two are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &str) -> bool {
        self.hash().matches(&SecretHash::of(other))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// SHA-256 of a secret that has at least 256 bits of entropy, so that no salt is needed.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// The hash of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(sha256(bytes))
    }

    /// The bytes, to store or to look up.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hash]")
    }
}

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// HMAC-SHA-256 (RFC 2104) of the parts, each preceded by its length so that parts cannot shift.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// Whether two byte strings are equal, in a time that depends on their lengths only.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Bytes of the operating system's cryptographic random source.
///
/// # Panics
///
/// If that source fails: nothing of what we do is safe without it.
#[expect(clippy::expect_used, reason = "no login is safe without random numbers")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random source failed");
    bytes
}

/// `length` random characters of `[A-Za-z0-9]`, each equally likely.
pub fn random_alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random_bytes::<32>() {
            // 248 = 4 × 62: bytes above it would make some characters likelier.
            if byte < 248 && text.len() < length {
                text.push(ALPHABET[usize::from(byte % 62)] as char);
            }
        }
    }
    text
}

/// Base64url without padding (RFC 4648 section 5).
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::random("sk_");
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "[secret] [hash]");
        assert_eq!(secret.expose().len(), 3 + 43);
        assert!(secret.matches(secret.expose()));
        assert!(!secret.matches("sk_"));
    }

    #[test]
    fn sec_10_a_secret_is_wiped_when_it_is_dropped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        is_wiped(&Secret::new("x").0);
    }

    #[test]
    fn csr_07_secrets_do_not_repeat() {
        let mut seen = std::collections::HashSet::new();
        assert!((0..10_000).all(|_| seen.insert(Secret::random("").expose().to_owned())));
        assert!((0..10_000).all(|_| seen.insert(random_alphanumeric(25))));
    }
}
