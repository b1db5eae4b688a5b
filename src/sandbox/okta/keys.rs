//! The signing keys of an authorization server, and their rotation.

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::base::secret::{base64url, random_alphanumeric};
use crate::base::signing::rsa_public_numbers;

/// One RSA key of 2048 bits.
pub(super) struct SigningKey {
    /// `kid`, of 43 characters like Okta's.
    pub(super) kid: String,
    pair: RsaKeyPair,
}

impl SigningKey {
    fn generate() -> Result<Arc<Self>, Unspecified> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
        Ok(Arc::new(Self { kid: random_alphanumeric(43), pair }))
    }

    /// RS256 (RFC 7518 section 3.3), in base64url.
    pub(super) fn sign(&self, message: &str) -> Result<String, Unspecified> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message.as_bytes(),
            &mut signature,
        )?;
        Ok(base64url(&signature))
    }

    fn jwk(&self) -> Option<Value> {
        let (n, e) = rsa_public_numbers(self.pair.public_key().as_ref())?;
        Some(json!({
            "kty": "RSA",
            "alg": "RS256",
            "kid": self.kid,
            "use": "sig",
            "e": base64url(e),
            "n": base64url(n),
        }))
    }
}

/// The keys of one authorization server. The first key is made when it is first needed: that takes
/// a while.
#[derive(Default)]
pub(super) struct KeyRing {
    old: Vec<Arc<SigningKey>>,
    current: Option<Arc<SigningKey>>,
    next: Option<Arc<SigningKey>>,
}

impl KeyRing {
    /// The key that signs.
    pub(super) fn current(&mut self) -> Result<Arc<SigningKey>, Unspecified> {
        match &self.current {
            Some(key) => Ok(Arc::clone(key)),
            None => Ok(Arc::clone(self.current.insert(SigningKey::generate()?))),
        }
    }

    /// Publishes the key that will sign after the next rotation.
    pub(super) fn publish_next(&mut self) -> Result<(), Unspecified> {
        if self.next.is_none() {
            self.next = Some(SigningKey::generate()?);
        }
        Ok(())
    }

    /// Signs with the next key from now on; the one before stays published.
    pub(super) fn rotate(&mut self) -> Result<(), Unspecified> {
        let next = match self.next.take() {
            Some(next) => next,
            None => SigningKey::generate()?,
        };
        self.old.extend(self.current.replace(next));
        Ok(())
    }

    /// Publishes the keys that no longer sign no longer.
    pub(super) fn drop_old(&mut self) {
        self.old.clear();
    }

    /// Whether a rotation is near; Okta then forbids caching.
    pub(super) fn is_rotating(&self) -> bool {
        self.next.is_some()
    }

    /// The key set (RFC 7517 section 5).
    pub(super) fn jwks(&mut self) -> Result<Value, Unspecified> {
        let current = self.current()?;
        let published = [Some(&current), self.next.as_ref()];
        let keys: Vec<Value> =
            published.into_iter().flatten().chain(&self.old).filter_map(|key| key.jwk()).collect();
        Ok(json!({ "keys": keys }))
    }
}
