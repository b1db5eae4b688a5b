//! Signed tokens in compact form (RFC 7515), before anything in them is believed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::base::failure::{Failure, FailureCode};

use super::algorithm::Algorithm;
use super::json;
use super::jwks::KeySet;

/// How long a token may be, in bytes; a longer one is not looked at.
const MAX_BYTES: usize = 64 * 1024;
/// How long a `kid` may be, in bytes.
const MAX_KID_BYTES: usize = 512;
/// What a token is to be: each kind says so in its header (RFC 8725 section 3.11), or says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An ID token.
    IdToken,
    /// The signed answer of a userinfo endpoint.
    Userinfo,
    /// A logout token. Its `typ` is only recommended (OpenID Connect Back-Channel Logout 1.0 section
    /// 2.4), and providers that are older than it say `JWT`.
    LogoutToken,
}

impl Kind {
    /// The words that `typ` may be, whatever their case.
    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::IdToken | Self::Userinfo => &["JWT"],
            Self::LogoutToken => &["logout+jwt", "JWT"],
        }
    }
}

/// A JWS in compact form whose header is acceptable, not yet verified.
pub(super) struct Signed<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    message: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Signed<'a> {
    /// Takes a token apart and checks its header against the one algorithm that is expected.
    pub(super) fn parse(token: &'a str, expected: Algorithm, kind: Kind) -> Result<Self, Failure> {
        let format = |detail: &str| Failure::with_detail(FailureCode::IdTokenFormat, detail);
        if token.len() > MAX_BYTES {
            return Err(format("longer than 64 kB"));
        }
        let mut parts = token.splitn(4, '.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(format("not three parts: encrypted, or no JWT"));
        };
        let members = decode(header).ok_or_else(|| format("the header is not base64url"))?;
        let members = json::object(&members).ok_or(FailureCode::IdTokenJson)?;
        let kid = check_header(&members, expected, kind)?;
        Ok(Self {
            algorithm: expected,
            kid,
            message: &token[..header.len() + 1 + payload.len()],
            payload,
            signature: decode(signature).ok_or_else(|| format("the signature is not base64url"))?,
        })
    }

    /// Checks the signature.
    pub(super) fn verify(&self, keys: &KeySet) -> Result<(), Failure> {
        keys.verify(self.kid.as_deref(), self.message.as_bytes(), &self.signature)
    }

    /// The algorithm it is signed with.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The claims; only of use after [`Signed::verify`].
    pub(super) fn claims(&self) -> Result<Map<String, Value>, Failure> {
        let payload = decode(self.payload).ok_or_else(|| {
            Failure::with_detail(FailureCode::IdTokenFormat, "the payload is not base64url")
        })?;
        json::object(&payload).ok_or_else(|| FailureCode::IdTokenJson.into())
    }
}

impl fmt::Display for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.kid.as_deref().unwrap_or("(no kid)"))
    }
}

/// Base64url without padding, foreign characters or bits left over (RFC 7515 appendix C).
fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Checks a JOSE header and returns its `kid`. Keys in the header (`jwk`, `jku`, `x5u`, `x5c`) are
/// ignored: they are the sender's (RFC 8725 section 3.10).
fn check_header(
    header: &Map<String, Value>,
    expected: Algorithm,
    kind: Kind,
) -> Result<Option<String>, Failure> {
    let alg = header.get("alg");
    if alg.and_then(Value::as_str) != Some(expected.as_str()) {
        let received = alg.map_or_else(|| "(none)".to_owned(), shown);
        return Err(Failure::mismatch(FailureCode::IdTokenAlg, expected.as_str(), received));
    }
    for name in ["crit", "b64", "zip"] {
        if header.contains_key(name) {
            return Err(Failure::with_detail(FailureCode::IdTokenCrit, name));
        }
    }
    if header.contains_key("cty") {
        let detail = "a JWT in a JWT (cty)";
        return Err(Failure::with_detail(FailureCode::IdTokenFormat, detail));
    }
    if let Some(typ) = header.get("typ")
        && !typ
            .as_str()
            .is_some_and(|typ| kind.words().iter().any(|it| it.eq_ignore_ascii_case(typ)))
    {
        let expected = kind.words().join(" ");
        return Err(Failure::mismatch(FailureCode::IdTokenTyp, expected, shown(typ)));
    }
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) if kid.len() <= MAX_KID_BYTES => Ok(Some(kid.clone())),
        Some(_) => {
            Err(Failure::with_detail(FailureCode::IdTokenKid, "kid is not a text, or too long"))
        }
    }
}

/// A value as it is shown in a trace, cut to a length that cannot hurt.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.chars().take(300).collect()
}
