//! Keys that sign, and the tokens that they make.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use serde_json::{Value, json};

use crate::base::secret::base64url;
use crate::upstream::oidc::algorithm::Algorithm;

pub(super) enum Key {
    Rsa(RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

fn ec(curve: &'static str, algorithm: &'static EcdsaSigningAlgorithm) -> Key {
    Key::Ec(curve, EcdsaKeyPair::generate(algorithm).unwrap())
}

/// The keys of this run of the tests, made once each.
pub(super) fn rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
}

pub(super) fn other_rsa() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
}

pub(super) fn p256() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| ec("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING))
}

pub(super) fn p384() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| ec("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING))
}

pub(super) fn p521() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| ec("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING))
}

pub(super) fn ed25519() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key::Ed(Ed25519KeyPair::generate().unwrap()))
}

impl Key {
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let encoding: &dyn signature::RsaEncoding = match algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Self::Ec(_, key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// The modulus of an RSA key, out of the DER of its public key.
    pub(super) fn modulus(&self) -> Vec<u8> {
        let Self::Rsa(key) = self else { panic!("not an RSA key") };
        // SEQUENCE { INTEGER (257 bytes, the first 0) n, INTEGER e }
        key.public_key().as_ref()[9..9 + 256].to_vec()
    }

    /// The key as it stands in a key set, with these members besides.
    pub(super) fn jwk(&self, more: Value) -> Value {
        let mut jwk = match self {
            Self::Rsa(_) => {
                json!({"kty": "RSA", "n": base64url(&self.modulus()), "e": "AQAB"})
            }
            Self::Ec(curve, key) => {
                let point = key.public_key().as_ref();
                let (x, y) = point[1..].split_at((point.len() - 1) / 2);
                json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
            }
            Self::Ed(key) => {
                let x = base64url(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
        };
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// A token with this header and payload, signed as it should be.
    pub(super) fn token(&self, algorithm: Algorithm, header: &[u8], payload: &[u8]) -> String {
        let message = format!("{}.{}", base64url(header), base64url(payload));
        let signature = self.sign(algorithm, message.as_bytes());
        format!("{message}.{}", base64url(&signature))
    }

    /// An RS256 token with the key id `k1`.
    pub(super) fn rs256(&self, claims: &Value) -> String {
        let header = br#"{"alg":"RS256","kid":"k1"}"#;
        self.token(Algorithm::Rs256, header, claims.to_string().as_bytes())
    }
}

pub(super) fn set(keys: &[Value]) -> Vec<u8> {
    json!({"keys": keys}).to_string().into_bytes()
}
