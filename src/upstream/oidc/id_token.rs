//! The ID token (OpenID Connect Core 1.0 section 3.1.3.7, RFC 8725).

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::equal;
use crate::base::time::Timestamp;
use crate::base::trace::Trace;

use super::algorithm::Algorithm;
use super::json;
use super::jwks::KeySet;
use super::jws::{Kind, Signed, shown};

/// Further away than this, an `exp` is worth a warning, in seconds: a day.
const LONG_LIFE_S: i64 = 86_400;

/// What an ID token has to say.
#[derive(Clone, Copy)]
pub struct Expectation<'a> {
    /// The pinned issuer.
    pub issuer: &'a str,
    /// Ourselves.
    pub client_id: &'a str,
    /// Audiences that the token may have besides us.
    pub trusted_audiences: &'a [String],
    /// The nonce of this sign-in.
    pub nonce: &'a str,
    /// The access token that came with it, for `at_hash`.
    pub access_token: &'a str,
    /// When the sign-in began.
    pub asked_at: Timestamp,
    /// The difference between the clocks that is forgiven, in seconds.
    pub leeway_s: i64,
    /// How long before the sign-in it may have been issued, in seconds.
    pub max_iat_age_s: i64,
    /// The contexts of which one must be reached; empty for no such rule.
    pub required_acr: &'a [String],
    /// Whether the person had to sign in afresh, which `auth_time` has to prove.
    pub fresh_login: FreshLogin,
}

/// Whether a fresh sign-in was asked for, and what a missing `auth_time` means then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshLogin {
    /// It was not.
    NotAsked,
    /// It was; without `auth_time` the token is refused.
    Proven,
    /// It was; without `auth_time` it is believed.
    Believed,
}

/// Checks the whole of an ID token and returns its claims. Pure but for the trace.
///
/// # Errors
///
/// The first check that fails: form, header, signature, then the claims.
pub fn validate(
    token: &str,
    keys: &KeySet,
    expectation: &Expectation<'_>,
    now: Timestamp,
    trace: &mut Trace,
) -> Result<Map<String, Value>, Failure> {
    let signed = Signed::parse(token, keys.algorithm(), Kind::IdToken)?;
    signed.verify(keys)?;
    accept(&signed, expectation, now, trace)
}

/// The second half of [`validate`]: what a token says whose signature has been verified.
pub(super) fn accept(
    signed: &Signed<'_>,
    expectation: &Expectation<'_>,
    now: Timestamp,
    trace: &mut Trace,
) -> Result<Map<String, Value>, Failure> {
    trace.did("id_token.signature", signed.to_string());
    let claims = signed.claims()?;
    check(&claims, expectation, (signed.algorithm(), now), trace)?;
    Ok(claims)
}

/// Checks the claims of an ID token whose signature has been verified.
///
/// Dates are in seconds since 1970 (RFC 7519 section 2, `NumericDate`).
///
/// # Errors
///
/// The first check that fails. A claim that is missing or of the wrong type fails its check.
pub fn check(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    (algorithm, now): (Algorithm, Timestamp),
    trace: &mut Trace,
) -> Result<(), Failure> {
    check_issuer(claims, expectation, trace)?;
    check_audience(claims, expectation, trace)?;
    check_times(claims, expectation, now.as_s(), trace)?;
    check_nonce(claims, expectation, trace)?;
    check_at_hash(claims, expectation.access_token, algorithm, trace)?;
    check_acr(claims, expectation.required_acr, trace)?;
    check_auth_time(claims, expectation, trace)?;
    check_subject(claims, trace)
}

fn check_issuer(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let iss = json::text(claims, "iss");
    if iss != Some(expectation.issuer) {
        let received = shown_claim(claims, "iss");
        return Err(Failure::mismatch(FailureCode::IdTokenIss, expectation.issuer, received));
    }
    trace.passed("id_token.iss", expectation.issuer, expectation.issuer);
    Ok(())
}

fn check_audience(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let us = expectation.client_id;
    let refused = |code| Err(Failure::mismatch(code, us, shown_claim(claims, "aud")));
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(audience)) => vec![audience],
        Some(Value::Array(audiences)) => {
            let texts: Vec<&str> = audiences.iter().filter_map(Value::as_str).collect();
            if texts.len() != audiences.len() {
                return refused(FailureCode::IdTokenAud);
            }
            texts
        }
        _ => return refused(FailureCode::IdTokenAud),
    };
    if !audiences.contains(&us) {
        return refused(FailureCode::IdTokenAud);
    }
    let others = || audiences.iter().filter(|audience| **audience != us);
    if others().any(|other| !expectation.trusted_audiences.iter().any(|known| known == other)) {
        return refused(FailureCode::IdTokenAudExtra);
    }
    trace.passed("id_token.aud", us, audiences.join(" "));
    match claims.get("azp") {
        None if others().next().is_none() => Ok(()),
        Some(Value::String(azp)) if azp == us => {
            trace.passed("id_token.azp", us, azp.as_str());
            Ok(())
        }
        _ => {
            let received = shown_claim(claims, "azp");
            Err(Failure::mismatch(FailureCode::IdTokenAzp, us, received))
        }
    }
}

/// A `NumericDate`: whole seconds, fractions cut off, from 0 to what an `i64` holds.
pub(super) fn numeric_date(
    claims: &Map<String, Value>,
    name: &str,
) -> Result<Option<i64>, Failure> {
    /// 2^63, above which a float is no `i64`.
    const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| {
        let float = value.as_f64().filter(|_| value.is_f64())?.floor();
        #[expect(clippy::cast_possible_truncation, reason = "between 0 and 2^63")]
        (0.0..TOO_LARGE).contains(&float).then_some(float as i64)
    });
    match seconds {
        Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => {
            let received = shown_claim(claims, name);
            Err(Failure::mismatch(FailureCode::IdTokenType, format!("{name}: seconds"), received))
        }
    }
}

fn check_times(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    now_s: i64,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let exp = numeric_date(claims, "exp")?;
    let nbf = numeric_date(claims, "nbf")?;
    let iat = numeric_date(claims, "iat")?;
    let leeway_s = expectation.leeway_s;
    let latest = now_s.saturating_add(leeway_s);
    let away = |date: i64| format!("{date} ({:+} s)", date.saturating_sub(now_s));
    let Some(exp) = exp else { return Err(missing(FailureCode::IdTokenExp)) };
    if now_s >= exp.saturating_add(leeway_s) {
        let expected = format!("after {now_s} - {leeway_s} s");
        return Err(Failure::mismatch(FailureCode::IdTokenExp, expected, away(exp)));
    }
    trace.passed("id_token.exp", format!("after {now_s}"), away(exp));
    if exp.saturating_sub(now_s) > LONG_LIFE_S {
        trace.warned("id_token.exp", "valid for more than a day");
    }
    if let Some(nbf) = nbf {
        if nbf > latest {
            let expected = format!("not after {now_s} + {leeway_s} s");
            return Err(Failure::mismatch(FailureCode::IdTokenNbf, expected, away(nbf)));
        }
        trace.passed("id_token.nbf", format!("not after {now_s}"), away(nbf));
    }
    let Some(iat) = iat else { return Err(missing(FailureCode::IdTokenIat)) };
    if iat > latest {
        let expected = format!("not after {now_s} + {leeway_s} s");
        return Err(Failure::mismatch(FailureCode::IdTokenIat, expected, away(iat)));
    }
    let earliest = expectation.asked_at.as_s() - expectation.max_iat_age_s;
    if iat < earliest {
        let expected = format!("not before {earliest}");
        return Err(Failure::mismatch(FailureCode::IdTokenIatStale, expected, away(iat)));
    }
    trace.passed("id_token.iat", format!("{earliest} to {latest}"), away(iat));
    Ok(())
}

/// The nonce itself stands in no trace: it is one of the secrets of the sign-in.
fn check_nonce(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let received = match claims.get("nonce") {
        Some(Value::String(nonce)) if equal(nonce.as_bytes(), expectation.nonce.as_bytes()) => {
            trace.did("id_token.nonce", "that of this sign-in");
            return Ok(());
        }
        Some(Value::String(_)) => "another",
        Some(_) => "not a text",
        None => "(none)",
    };
    Err(Failure::mismatch(FailureCode::IdTokenNonce, "that of this sign-in", received))
}

/// The left half of the hash of the access token (section 3.1.3.6), where the token has one.
fn check_at_hash(
    claims: &Map<String, Value>,
    access_token: &str,
    algorithm: Algorithm,
    trace: &mut Trace,
) -> Result<(), Failure> {
    let Some(at_hash) = claims.get("at_hash") else { return Ok(()) };
    let hash = digest::digest(algorithm.hash(), access_token.as_bytes());
    let expected = URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2]);
    if !at_hash.as_str().is_some_and(|at_hash| equal(at_hash.as_bytes(), expected.as_bytes())) {
        return Err(FailureCode::IdTokenAtHash.into());
    }
    trace.did("id_token.at_hash", "that of the access token");
    Ok(())
}

fn check_acr(
    claims: &Map<String, Value>,
    required: &[String],
    trace: &mut Trace,
) -> Result<(), Failure> {
    if required.is_empty() {
        return Ok(());
    }
    let acr = json::text(claims, "acr");
    match acr.filter(|acr| required.iter().any(|one| one == acr)) {
        Some(acr) => {
            trace.passed("id_token.acr", required.join(" "), acr);
            Ok(())
        }
        None => {
            let received = shown_claim(claims, "acr");
            Err(Failure::mismatch(FailureCode::IdTokenAcr, required.join(" "), received))
        }
    }
}

fn check_auth_time(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    trace: &mut Trace,
) -> Result<(), Failure> {
    if expectation.fresh_login == FreshLogin::NotAsked {
        return Ok(());
    }
    let earliest = expectation.asked_at.as_s() - expectation.leeway_s;
    match numeric_date(claims, "auth_time")? {
        Some(auth_time) if auth_time >= earliest => {
            let expected = format!("not before {earliest}");
            trace.passed("id_token.auth_time", expected, auth_time.to_string());
            Ok(())
        }
        None if expectation.fresh_login == FreshLogin::Believed => {
            trace.warned("id_token.auth_time", "missing although a fresh sign-in was asked for");
            Ok(())
        }
        other => {
            let received = other.map_or_else(|| "(none)".to_owned(), |time| time.to_string());
            let expected = format!("not before {earliest}");
            Err(Failure::mismatch(FailureCode::IdTokenAuthTime, expected, received))
        }
    }
}

/// 1 to 255 ASCII characters (section 2), none of them a control character, and not all of them
/// spaces. Kept as they are: no two that differ are the same person.
fn check_subject(claims: &Map<String, Value>, trace: &mut Trace) -> Result<(), Failure> {
    let good = json::text(claims, "sub").filter(|sub| {
        let printable = sub.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        (1..=255).contains(&sub.len()) && printable && !sub.trim().is_empty() && *sub != "."
    });
    match good {
        Some(sub) => {
            trace.did("id_token.sub", sub.to_owned());
            Ok(())
        }
        None => {
            let expected = "1 to 255 printable ASCII characters";
            let received = shown_claim(claims, "sub");
            Err(Failure::mismatch(FailureCode::IdTokenSub, expected, received))
        }
    }
}

fn missing(code: FailureCode) -> Failure {
    Failure { received: Some("(none)".to_owned()), ..code.into() }
}

/// A claim as it is shown in a trace, cut to a length that cannot hurt.
pub(super) fn shown_claim(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).map_or_else(|| "(none)".to_owned(), shown)
}
