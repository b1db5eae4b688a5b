//! The logout token: the identity provider's own word that it has logged somebody out (OpenID Connect
//! Back-Channel Logout 1.0 sections 2.4 and 2.6).
//!
//! It is as good as an ID token and signed with the same keys, so what tells the two apart is checked
//! from both sides: `events` must be there, `nonce` must not.

use serde_json::{Map, Value};

use crate::base::failure::{Failure, FailureCode};
use crate::base::time::Timestamp;
use crate::upstream::LoggedOut;

use super::id_token::{numeric_date, shown_claim};
use super::json;

/// The one event that a logout token is about.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long `sub`, `sid` and `jti` may be, in bytes.
const MAX_TEXT: usize = 255;

/// What a logout token has to say.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The pinned issuer.
    pub issuer: &'a str,
    /// Ourselves.
    pub client_id: &'a str,
    /// Audiences that the token may have besides us.
    pub trusted_audiences: &'a [String],
    /// The difference between the clocks that is forgiven, in seconds.
    pub leeway_s: i64,
    /// How old it may be, in seconds, however late it expires: for as long its `jti` is remembered.
    pub max_age_s: i64,
}

/// A check that did not hold, told as one of the logout token.
pub(super) fn refused(failure: Failure) -> Failure {
    match failure.code {
        // What is wrong with the way to the keys is not wrong with the token.
        FailureCode::JwksThrottled
        | FailureCode::JwksTimeout
        | FailureCode::JwksUnreachable
        | FailureCode::JwksInvalid
        | FailureCode::SsrfBlocked
        | FailureCode::TlsFailed
        | FailureCode::IdpBusy => failure,
        code => {
            let check = code.as_str().trim_start_matches("id_token_");
            let detail = match failure.detail {
                Some(detail) => format!("{check}: {detail}"),
                None => check.to_owned(),
            };
            Failure { code: FailureCode::LogoutTokenInvalid, detail: Some(detail), ..failure }
        }
    }
}

fn wrong(claims: &Map<String, Value>, name: &str, expected: &str) -> Failure {
    Failure {
        expected: Some(expected.to_owned()),
        received: Some(shown_claim(claims, name)),
        ..Failure::with_detail(FailureCode::LogoutTokenInvalid, name)
    }
}

/// Checks the claims of a logout token whose signature has been verified.
///
/// # Errors
///
/// [`FailureCode::LogoutTokenInvalid`] with the first claim that is wrong.
pub fn check(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    now: Timestamp,
) -> Result<LoggedOut, Failure> {
    if json::text(claims, "iss") != Some(expectation.issuer) {
        return Err(wrong(claims, "iss", expectation.issuer));
    }
    check_audience(claims, expectation)?;
    let stale_at = check_times(claims, expectation, now.as_s())?;
    check_event(claims)?;
    if claims.contains_key("nonce") {
        return Err(Failure::with_detail(FailureCode::LogoutTokenInvalid, "nonce"));
    }
    let token_id = text(claims, "jti")?.ok_or_else(|| wrong(claims, "jti", "an identifier"))?;
    let (subject, session_id) = (text(claims, "sub")?, text(claims, "sid")?);
    if subject.is_none() && session_id.is_none() {
        return Err(wrong(claims, "sub", "sub, sid or both"));
    }
    Ok(LoggedOut { subject, session_id, token_id, stale_at })
}

fn check_audience(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
) -> Result<(), Failure> {
    let us = expectation.client_id;
    let audiences: Option<Vec<&str>> = match claims.get("aud") {
        Some(Value::String(audience)) => Some(vec![audience]),
        Some(Value::Array(audiences)) => audiences.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let trusted = |audience: &&str| {
        *audience == us || expectation.trusted_audiences.iter().any(|known| known == audience)
    };
    match audiences {
        Some(audiences) if audiences.contains(&us) && audiences.iter().all(trusted) => Ok(()),
        _ => Err(wrong(claims, "aud", us)),
    }
}

/// `exp` and `iat` are required; returns from when on the token would be refused in any case.
fn check_times(
    claims: &Map<String, Value>,
    expectation: &Expectation<'_>,
    now_s: i64,
) -> Result<Timestamp, Failure> {
    let Expectation { leeway_s, max_age_s, .. } = *expectation;
    let date = |name: &str| {
        let date = numeric_date(claims, name).map_err(refused)?;
        date.ok_or_else(|| wrong(claims, name, "seconds since 1970"))
    };
    let (exp, iat) = (date("exp")?, date("iat")?);
    let expires_s = exp.saturating_add(leeway_s);
    if now_s >= expires_s {
        return Err(wrong(claims, "exp", &format!("after {now_s} - {leeway_s} s")));
    }
    if numeric_date(claims, "nbf").map_err(refused)?.is_some_and(|nbf| nbf > now_s + leeway_s) {
        return Err(wrong(claims, "nbf", &format!("not after {now_s} + {leeway_s} s")));
    }
    let stale_s = iat.saturating_add(max_age_s).saturating_add(leeway_s);
    if iat > now_s + leeway_s || now_s >= stale_s {
        let earliest = now_s - max_age_s - leeway_s;
        return Err(wrong(claims, "iat", &format!("{earliest} to {}", now_s + leeway_s)));
    }
    Ok(Timestamp::from_ms(expires_s.min(stale_s).saturating_add(1).saturating_mul(1000)))
}

fn check_event(claims: &Map<String, Value>) -> Result<(), Failure> {
    match claims.get("events").and_then(|events| events.get(EVENT)) {
        Some(Value::Object(_)) => Ok(()),
        _ => Err(wrong(claims, "events", EVENT)),
    }
}

/// A claim that is a text of printable ASCII, where it is there at all.
fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Failure> {
    let printable = |text: &&String| {
        (1..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|b| matches!(b, 0x20..=0x7e))
    };
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if printable(&text) => Ok(Some(text.clone())),
        Some(_) => Err(wrong(claims, name, "1 to 255 printable ASCII characters")),
    }
}
