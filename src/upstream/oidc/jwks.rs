//! The keys of an identity provider (RFC 7517), as far as one algorithm can use them.

use std::sync::Arc;

use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use url::Url;

use crate::base::failure::{Failure, FailureCode};
use crate::outbound::{Error as OutboundError, Outbound, Request};
use crate::telemetry::Call;
use crate::upstream::Upstream;
use crate::upstream::fetched::{Kept, Key as SlotKey, Refetch, Rules, Slot, fresh_for_ms};

use super::algorithm::{Algorithm, Family};
use super::settings::Settings;
use super::{json, network_failure};

/// How many bytes a key set may have.
pub(super) const MAX_BYTES: usize = 512 * 1024;
/// How many keys.
const MAX_KEYS: usize = 100;
/// How many keys are tried for one token.
const MAX_TRIES: usize = 10;
/// Keys older than their freshness are served for a day while they are fetched anew; never
/// longer, since a provider may have withdrawn them.
const RULES: Rules = Rules { stale_ms: 24 * 60 * 60 * 1000, last_resort: false };

/// The points of small order on Ed25519, without the sign bit: with such a "key" one signature
/// fits many messages.
const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn ends(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut point = [middle; 32];
        point[0] = first;
        point[31] = last;
        point
    }
    [
        ends(0, 0, 0),
        ends(1, 0, 0),
        ends(0xec, 0xff, 0x7f),
        ends(0xed, 0xff, 0x7f),
        ends(0xee, 0xff, 0x7f),
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ]
};

/// A key set, parsed once for one algorithm.
#[derive(Clone, Debug)]
pub struct KeySet {
    algorithm: Algorithm,
    keys: Vec<Key>,
    /// What somebody should look at.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
struct Key {
    kid: Option<String>,
    /// The key, or why it cannot be used.
    usable: Result<ParsedPublicKey, Unusable>,
}

/// Why a key of the set is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unusable {
    /// It says that it is for another algorithm.
    OtherAlgorithm,
    /// Another kind, another use, too weak, malformed, or unknown.
    Unfit,
}

impl KeySet {
    /// Reads a key set. A key that cannot be used is passed over, whatever is wrong with it.
    ///
    /// # Errors
    ///
    /// [`FailureCode::JwksInvalid`] if it is no key set, or has more than 100 keys.
    pub fn parse(body: &[u8], algorithm: Algorithm) -> Result<Self, Failure> {
        let invalid = |detail: &str| Failure::with_detail(FailureCode::JwksInvalid, detail);
        let members = json::object(body).ok_or_else(|| invalid("not a strict JSON object"))?;
        let Some(Value::Array(entries)) = members.get("keys") else {
            return Err(invalid("keys is not an array"));
        };
        if entries.len() > MAX_KEYS {
            return Err(invalid("more than 100 keys"));
        }
        let mut warnings = Vec::new();
        if entries.iter().any(|entry| entry.get("d").is_some()) {
            warnings.push("The key set publishes a private key.".to_owned());
        }
        let keys: Vec<Key> =
            entries.iter().filter_map(Value::as_object).map(|jwk| key(jwk, algorithm)).collect();
        let usable = || keys.iter().filter(|key| key.usable.is_ok());
        let twice = |kid: &str| usable().filter(|key| key.kid.as_deref() == Some(kid)).count() > 1;
        if usable().filter_map(|key| key.kid.as_deref()).any(twice) {
            warnings.push("The key set has two keys with the same kid (duplicate_kid).".to_owned());
        }
        Ok(Self { algorithm, keys, warnings })
    }

    /// How many keys there are, and how many of them can be used.
    pub fn count(&self) -> (usize, usize) {
        (self.keys.len(), self.keys.iter().filter(|key| key.usable.is_ok()).count())
    }

    /// The algorithm that the keys were parsed for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks a signature with the keys of this `kid`, or with all that fit when there is none.
    ///
    /// # Errors
    ///
    /// [`FailureCode::IdTokenKid`], [`FailureCode::IdTokenKidAmbiguous`],
    /// [`FailureCode::IdTokenAlg`] or [`FailureCode::IdTokenSig`].
    pub fn verify(
        &self,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Failure> {
        let named = || self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        let mut fitting = named().filter_map(|key| key.usable.as_ref().ok()).peekable();
        if fitting.peek().is_none() {
            let other = kid.is_some()
                && named().any(|key| matches!(key.usable, Err(Unusable::OtherAlgorithm)));
            let code = if other { FailureCode::IdTokenAlg } else { FailureCode::IdTokenKid };
            return Err(Failure::mismatch(code, self.kids(), kid.unwrap_or("(none)")));
        }
        for (tried, key) in fitting.enumerate() {
            if tried == MAX_TRIES {
                return Err(FailureCode::IdTokenKidAmbiguous.into());
            }
            if key.verify_sig(message, signature).is_ok() {
                return Ok(());
            }
        }
        let detail = format!("{} with kid {}", self.algorithm, kid.unwrap_or("(none)"));
        Err(Failure::with_detail(FailureCode::IdTokenSig, detail))
    }

    /// The `kid`s that could have been named, for the trace.
    fn kids(&self) -> String {
        let usable = self.keys.iter().filter(|key| key.usable.is_ok());
        let kids: Vec<_> = usable.map(|key| key.kid.as_deref().unwrap_or("(none)")).collect();
        if kids.is_empty() { "(no usable key)".to_owned() } else { kids.join(" ") }
    }
}

fn key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Key {
    Key { kid: json::text(jwk, "kid").map(str::to_owned), usable: material(jwk, algorithm) }
}

fn material(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<ParsedPublicKey, Unusable> {
    let signs = jwk.get("use").is_none_or(|value| value == "sig");
    let verifies = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(ops)) => ops.iter().any(|op| op == "verify"),
        Some(_) => false,
    };
    if !signs || !verifies {
        return Err(Unusable::Unfit);
    }
    if let Some(alg) = jwk.get("alg")
        && alg != algorithm.as_str()
    {
        let known = alg.as_str().and_then(Algorithm::parse).is_some();
        return Err(if known { Unusable::OtherAlgorithm } else { Unusable::Unfit });
    }
    let text = |name: &str| json::text(jwk, name).unwrap_or_default();
    let parsed = match (algorithm.family(), text("kty")) {
        (Family::Rsa(parameters), "RSA") => {
            let (n, e) = (bytes(jwk, "n"), bytes(jwk, "e"));
            rsa_components(n, e).and_then(|key| key.to_parsed_public_key(parameters).ok())
        }
        (Family::Ec(curve, length, verification), "EC") if text("crv") == curve => {
            let (x, y) = (bytes(jwk, "x"), bytes(jwk, "y"));
            point(x, y, length).and_then(|key| ParsedPublicKey::new(verification, key).ok())
        }
        (Family::Ed(verification), "OKP") if text("crv") == "Ed25519" => bytes(jwk, "x")
            .filter(|x| x.len() == 32 && !has_small_order(x))
            .and_then(|x| ParsedPublicKey::new(verification, x).ok()),
        _ => None,
    };
    parsed.ok_or(Unusable::Unfit)
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(json::text(jwk, name)?).ok()
}

/// A modulus of 2048 to 8192 bits and an odd exponent from 3 to 2^33: a longer one costs time.
fn rsa_components(
    n: Option<Vec<u8>>,
    e: Option<Vec<u8>>,
) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    let (n, e) = (without_leading_zeros(n?), without_leading_zeros(e?));
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) || n.last()? % 2 == 0 || e.len() > 5 {
        return None;
    }
    let exponent = e.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let good = exponent >= 3 && exponent % 2 == 1 && exponent < 1 << 33;
    good.then_some(RsaPublicKeyComponents { n, e })
}

fn without_leading_zeros(bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes[zeros..].to_vec()
}

/// An uncompressed point (SEC 1 section 2.3.3). That it is on the curve and not at infinity is
/// checked when it is parsed.
fn point(x: Option<Vec<u8>>, y: Option<Vec<u8>>, length: usize) -> Option<Vec<u8>> {
    let (x, y) = (x?, y?);
    (x.len() == length && y.len() == length).then(|| [&[4], x.as_slice(), y.as_slice()].concat())
}

fn has_small_order(point: &[u8]) -> bool {
    SMALL_ORDER.iter().any(|small| {
        point.len() == 32 && point[..31] == small[..31] && point[31] & 0x7f == small[31]
    })
}

/// The keys of a connection, kept between logins.
pub(super) struct Keys {
    slot: Arc<Slot<KeySet>>,
    outbound: Outbound,
    url: Url,
    algorithm: Algorithm,
    extra_ca: Option<Arc<str>>,
    kept: Kept<KeySet>,
    new: bool,
}

impl Keys {
    /// The keys at `url`, from the cache where it has them.
    pub(super) async fn get(
        upstream: &Upstream,
        settings: &Settings,
        url: &Url,
        algorithm: Algorithm,
    ) -> Result<Self, Failure> {
        let key = SlotKey {
            connection_id: settings.connection_id.clone(),
            url: url.as_str().to_owned(),
            variant: algorithm.as_str().to_owned(),
        };
        let slot = upstream.oidc.jwks.slot(&key, &upstream.clock);
        let extra_ca: Option<Arc<str>> = settings.extra_ca.as_deref().map(Arc::from);
        let (outbound, url) = (upstream.outbound.clone(), url.clone());
        let fetch = |_| {
            let request = Request::get(url.clone(), MAX_BYTES).trusting(extra_ca.clone());
            fetch(outbound.clone(), request, algorithm)
        };
        let asked_at = upstream.clock.now();
        let kept = slot.get(RULES, fetch).await?;
        let new = kept.fetched_at_ms() > asked_at.as_ms();
        Ok(Self { slot, outbound, url, algorithm, extra_ca, kept, new })
    }

    /// Whether the set was fetched for this very sign-in: fetching it again brings nothing.
    pub(super) fn are_new(&self) -> bool {
        self.new
    }

    /// The set as it is now.
    pub(super) fn set(&self) -> &KeySet {
        &self.kept.value
    }

    /// Fetches the set once more, because a token cannot be verified with it; `false` when the
    /// connection has done so too often.
    pub(super) async fn refetch(&mut self) -> Result<bool, Failure> {
        let request = Request::get(self.url.clone(), MAX_BYTES).trusting(self.extra_ca.clone());
        let fetch = || fetch(self.outbound.clone(), request, self.algorithm);
        match self.slot.refetch(self.kept.version, fetch).await? {
            Refetch::Newer(kept) => {
                self.kept = kept;
                self.new = true;
                Ok(true)
            }
            Refetch::Throttled => Ok(false),
        }
    }
}

async fn fetch(
    outbound: Outbound,
    request: Request,
    algorithm: Algorithm,
) -> Result<(KeySet, i64), Failure> {
    let response = outbound.send_for(Call::Jwks, request).await.map_err(|error| match error {
        OutboundError::Timeout => FailureCode::JwksTimeout.into(),
        OutboundError::TooLarge | OutboundError::Compressed => {
            Failure::with_detail(FailureCode::JwksInvalid, error.class())
        }
        error => network_failure(error, FailureCode::JwksUnreachable),
    })?;
    if response.status != http::StatusCode::OK {
        let received = response.status.as_str();
        return Err(Failure::mismatch(FailureCode::JwksUnreachable, "200", received));
    }
    let set = KeySet::parse(&response.body, algorithm)?;
    Ok((set, fresh_for_ms(&response.headers)))
}
