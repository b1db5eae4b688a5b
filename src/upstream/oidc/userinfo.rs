//! The userinfo endpoint (OpenID Connect Core 1.0 section 5.3): claims that a thin ID token lacks.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::Secret;
use crate::base::trace::Trace;
use crate::outbound::{Error as OutboundError, Outbound, Request, Response};
use crate::telemetry::Call;

use super::discovery::Metadata;
use super::jwks::Keys;
use super::jws::{Kind as TokenKind, Signed};
use super::settings::{Settings, UserinfoPolicy};
use super::{find, json, network_failure, verify};

/// How many bytes the answer may have.
const MAX_BYTES: usize = 1024 * 1024;

/// Claims that the ID token alone may set: they are about the token, not about the person.
const OF_THE_TOKEN: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "azp",
    "nonce",
    "exp",
    "nbf",
    "iat",
    "jti",
    "acr",
    "amr",
    "auth_time",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
];

/// A question to the userinfo endpoint.
pub(super) struct Question<'a> {
    pub(super) settings: &'a Settings,
    pub(super) metadata: &'a Metadata,
    pub(super) access_token: &'a Secret,
    pub(super) id_claims: &'a Map<String, Value>,
}

impl Question<'_> {
    /// Asks, where there is an endpoint; `None` when the sign-in goes on without an answer.
    ///
    /// # Errors
    ///
    /// [`FailureCode::UserinfoUnreachable`] and [`FailureCode::UserinfoRefused`] as the
    /// connection's policy has it; whatever is wrong with an answer, always.
    pub(super) async fn put(
        &self,
        outbound: &Outbound,
        keys: &mut Keys,
        trace: &mut Trace,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let off = self.settings.userinfo == UserinfoPolicy::Off;
        let Some(url) = self.metadata.userinfo_endpoint.as_ref().filter(|_| !off) else {
            trace.did("userinfo.fetch", "not called");
            return Ok(None);
        };
        let extra_ca: Option<Arc<str>> = self.settings.extra_ca.as_deref().map(Arc::from);
        let mut request = Request::get(url.clone(), MAX_BYTES).trusting(extra_ca);
        request.headers.insert(AUTHORIZATION, bearer(self.access_token)?);
        let answer = match outbound.send_for(Call::Userinfo, request).await {
            Ok(response) if response.status == http::StatusCode::OK => response,
            Ok(response) => {
                let received = response.status.as_str();
                let failure = Failure::mismatch(FailureCode::UserinfoRefused, "200", received);
                return self.without(failure, trace);
            }
            Err(error @ (OutboundError::TooLarge | OutboundError::Compressed)) => {
                return Err(Failure::with_detail(FailureCode::UserinfoFormat, error.class()));
            }
            Err(error) => {
                let failure = network_failure(error, FailureCode::UserinfoUnreachable);
                if failure.code != FailureCode::UserinfoUnreachable {
                    return Err(failure);
                }
                return self.without(failure, trace);
            }
        };
        let claims = self.read(&answer, keys, trace).await?;
        self.check_subject(&claims, trace)?;
        Ok(Some(claims))
    }

    /// No answer: the sign-in goes on if the policy says so.
    fn without(
        &self,
        failure: Failure,
        trace: &mut Trace,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let email = find(self.id_claims, &self.settings.attributes.email);
        let goes_on = match self.settings.userinfo {
            UserinfoPolicy::Auto => email.is_some_and(Value::is_string),
            UserinfoPolicy::Optional | UserinfoPolicy::Off => true,
            UserinfoPolicy::Required => false,
        };
        if !goes_on {
            return Err(failure);
        }
        let what = failure.received.or(failure.detail).unwrap_or_default();
        trace.warned(failure.code.step(), format!("{}: {what}", failure.code.as_str()));
        Ok(None)
    }

    async fn read(
        &self,
        answer: &Response,
        keys: &mut Keys,
        trace: &mut Trace,
    ) -> Result<Map<String, Value>, Failure> {
        let format = |detail: &str| Failure::with_detail(FailureCode::UserinfoFormat, detail);
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or("").split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/jwt") {
            let claims = json::object(&answer.body);
            return claims.ok_or_else(|| format("not a strict JSON object"));
        }
        let token = std::str::from_utf8(&answer.body).map_err(|_| format("not a JWT"))?.trim();
        let refused =
            |failure: Failure| Failure { code: FailureCode::UserinfoSignature, ..failure };
        let signed =
            Signed::parse(token, keys.set().algorithm(), TokenKind::Userinfo).map_err(refused)?;
        verify(&signed, keys, trace).await.map_err(refused)?;
        let claims = signed.claims().map_err(refused)?;
        // Section 5.3.2: a signed answer should have both, and they must be right.
        let us = self.settings.client_id.as_str();
        let for_us = match claims.get("aud") {
            Some(Value::String(audience)) => audience == us,
            Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == us),
            _ => false,
        };
        if json::text(&claims, "iss") != Some(&self.settings.issuer) || !for_us {
            let detail = "iss or aud of the signed answer";
            return Err(Failure::with_detail(FailureCode::UserinfoSignature, detail));
        }
        trace.did("userinfo.signature", keys.set().algorithm().as_str());
        Ok(claims)
    }

    /// Section 5.3.2: the answer must be about whom the ID token is about (token substitution).
    fn check_subject(&self, claims: &Map<String, Value>, trace: &mut Trace) -> Result<(), Failure> {
        let expected = json::text(self.id_claims, "sub").unwrap_or_default();
        let sub = json::text(claims, "sub");
        if sub != Some(expected) {
            let received: String = sub.unwrap_or("(none)").chars().take(255).collect();
            return Err(Failure::mismatch(FailureCode::UserinfoSub, expected, received));
        }
        trace.passed("userinfo.sub", expected, expected);
        Ok(())
    }
}

/// The access token as a header (RFC 6750 section 2.1), never in a URL or a body.
fn bearer(access_token: &Secret) -> Result<HeaderValue, Failure> {
    let text = Zeroizing::new(format!("Bearer {}", access_token.expose()));
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| Failure::from(FailureCode::AccessTokenInvalid))?;
    value.set_sensitive(true);
    Ok(value)
}

/// One set of claims of two. The ID token has the last word on itself; the userinfo endpoint on
/// the person, since it answers later and in full.
pub(super) fn merge(
    mut claims: Map<String, Value>,
    userinfo: Map<String, Value>,
    trace: &mut Trace,
) -> Map<String, Value> {
    let mut differ = Vec::new();
    // What was verified is the address it came with, not whichever replaces it.
    if let Some(email) = userinfo.get("email").filter(|email| !email.is_null())
        && claims.get("email").is_some_and(|before| before != email)
    {
        claims.remove("email_verified");
    }
    for (name, value) in userinfo {
        if OF_THE_TOKEN.contains(&name.as_str()) {
            continue;
        }
        match claims.get(&name) {
            Some(before) if !before.is_null() && value.is_null() => {}
            Some(before) if *before != value => {
                differ.push(name.chars().take(60).collect::<String>());
                claims.insert(name, value);
            }
            Some(_) => {}
            None => {
                claims.insert(name, value);
            }
        }
    }
    if !differ.is_empty() {
        let names = differ.join(" ");
        trace.warned("userinfo.claims", format!("differ from the ID token: {names}"));
    }
    claims
}
