//! The signature algorithms that are accepted: asymmetric ones only.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, RsaParameters, VerificationAlgorithm};
use serde::{Deserialize, Serialize};

/// An algorithm of RFC 7518 section 3.1 or RFC 8037. Neither `none` nor HMAC is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA on P-521 with SHA-512.
    #[serde(rename = "ES512")]
    Es512,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// How keys of an algorithm are written, and what verifies them.
pub(super) enum Family {
    /// A modulus and an exponent.
    Rsa(&'static RsaParameters),
    /// A point on a curve: its name, the bytes of a coordinate.
    Ec(&'static str, usize, &'static dyn VerificationAlgorithm),
    /// A point on Ed25519.
    Ed(&'static dyn VerificationAlgorithm),
}

impl Algorithm {
    /// All of them, in the order of preference.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Ps256,
        Self::Es256,
        Self::EdDsa,
        Self::Es384,
        Self::Ps384,
        Self::Rs384,
        Self::Es512,
        Self::Ps512,
        Self::Rs512,
    ];

    /// The word in headers and metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name; names are case-sensitive (RFC 7515 section 4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The hash of `at_hash` (OpenID Connect Core 1.0 section 3.1.3.6). Ed25519 hashes with
    /// SHA-512 itself, so that is what is used for it.
    pub(super) fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => &digest::SHA256,
            Self::Rs384 | Self::Ps384 | Self::Es384 => &digest::SHA384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa => &digest::SHA512,
        }
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Rs256 => Family::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Family::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Family::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Family::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Family::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Family::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 => Family::Ec("P-256", 32, &signature::ECDSA_P256_SHA256_FIXED),
            Self::Es384 => Family::Ec("P-384", 48, &signature::ECDSA_P384_SHA384_FIXED),
            Self::Es512 => Family::Ec("P-521", 66, &signature::ECDSA_P521_SHA512_FIXED),
            Self::EdDsa => Family::Ed(&signature::ED25519),
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
