//! Just enough JOSE: base64url, signing keys with their JWKs, and reading a token's claims.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Alg {
    #[value(name = "RS256")]
    Rs256,
    #[value(name = "ES256")]
    Es256,
}

impl Alg {
    pub fn name(self) -> &'static str {
        match self {
            Alg::Rs256 => "RS256",
            Alg::Es256 => "ES256",
        }
    }
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// `N` random bytes in base64url.
pub fn random_token<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source");
    b64(bytes)
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
}

/// A signing key with its key id.
pub struct Signer {
    alg: Alg,
    kid: String,
    pair: Pair,
    rng: SystemRandom,
}

impl Signer {
    pub fn generate(alg: Alg) -> Self {
        let pair = match alg {
            Alg::Rs256 => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key")))
            }
            Alg::Es256 => Pair::Ec(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key"),
            ),
        };
        Self { alg, kid: random_token::<9>(), pair, rng: SystemRandom::new() }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = json!({ "kid": self.kid, "use": "sig", "alg": self.alg.name() });
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                jwk["kty"] = "RSA".into();
                jwk["n"] = b64(public.modulus().big_endian_without_leading_zero()).into();
                jwk["e"] = b64(public.exponent().big_endian_without_leading_zero()).into();
            }
            Pair::Ec(pair) => {
                // An uncompressed point: 0x04, then x and y of 32 bytes each.
                let point = pair.public_key().as_ref();
                jwk["kty"] = "EC".into();
                jwk["crv"] = "P-256".into();
                jwk["x"] = b64(&point[1..33]).into();
                jwk["y"] = b64(&point[33..65]).into();
            }
        }
        jwk
    }

    /// The claims as a compact signed token.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.alg.name(), "kid": self.kid, "typ": "JWT" });
        let mut token = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.rng, token.as_bytes(), &mut signature)
                    .expect("an RSA signature");
                signature
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&self.rng, token.as_bytes()).expect("an ECDSA signature");
                signature.as_ref().to_vec()
            }
        };
        token.push('.');
        token.push_str(&b64(signature));
        token
    }
}

/// The claims of a compact token, signature unread: the driver trusts the broker it measures.
pub fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&unb64(payload)?).ok()
}

/// A public key taken from a JWK, parsed once and ready to verify with.
pub struct Verifier(ParsedPublicKey);

impl Verifier {
    pub fn from_jwk(jwk: &Value) -> Option<Self> {
        let part = |name: &str| unb64(jwk[name].as_str()?);
        let key = match jwk["kty"].as_str()? {
            "RSA" => PublicKeyComponents { n: part("n")?, e: part("e")? }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256),
            "EC" => {
                let point = [vec![4], part("x")?, part("y")?].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            _ => return None,
        };
        key.ok().map(Self)
    }

    /// The claims of a compact token whose signature is good.
    pub fn verify(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        self.0.verify_sig(signed.as_bytes(), &unb64(signature)?).ok()?;
        claims(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_token_verifies_with_its_jwk_only() {
        for alg in [Alg::Rs256, Alg::Es256] {
            let signer = Signer::generate(alg);
            let token = signer.sign(&json!({ "sub": "00u1" }));
            let own = Verifier::from_jwk(&signer.jwk()).unwrap();
            let other = Verifier::from_jwk(&Signer::generate(alg).jwk()).unwrap();
            assert_eq!(own.verify(&token).unwrap()["sub"], "00u1");
            assert!(other.verify(&token).is_none());
            assert!(own.verify(&token.replacen('.', ".e", 1)).is_none());
        }
    }
}
