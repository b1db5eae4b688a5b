//! OpenID Connect, as a relying party in the code flow.

pub mod algorithm;
mod authorization;
pub mod claims;
pub mod discovery;
pub mod id_token;
mod inspect;
mod json;
pub mod jwks;
mod jws;
mod logout;
pub mod logout_token;
pub mod probe;
mod rest;
mod settings;
#[cfg(test)]
mod tests;
mod token;
mod userinfo;

use serde_json::{Map, Value};

use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::base::trace::Trace;
use crate::outbound::Error as OutboundError;

use super::fetched::Shelf;
use super::{Ask, Assertion, Departure, LoggedOut, Upstream};

pub use authorization::{Answer, Arrival, Memory};
use discovery::Metadata;
use id_token::{Expectation, FreshLogin};
pub use inspect::{Candidates, Discovered, inspect, normalise};
use jwks::{KeySet, Keys};
use jws::{Kind as TokenKind, Signed};
pub(super) use logout::{endpoint as logout_endpoint, url as logout_url};
use rest::Rests;
pub use settings::{
    AttributeMapping, ClientAuthentication, GroupsScope, Kind, Settings, SigningAlgorithm,
    UserinfoPolicy,
};

/// What was fetched for connections.
pub(super) struct Caches {
    discovery: Shelf<Metadata>,
    jwks: Shelf<KeySet>,
    rests: Rests,
}

impl Caches {
    pub(super) fn new() -> Self {
        Self { discovery: Shelf::new(), jwks: Shelf::new(), rests: Rests::new() }
    }

    pub(super) fn forget(&self, connection_id: &str) {
        self.discovery.forget(connection_id);
        self.jwks.forget(connection_id);
        self.rests.forget(connection_id);
    }
}

/// What the second half of a login starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Return<'a> {
    pub(super) memory: &'a Memory,
    pub(super) arrival: &'a Arrival,
    pub(super) redirect_uri: &'a str,
    pub(super) secrets: &'a [Secret],
}

/// The first half: the URL of the authentication request.
pub(super) async fn begin(
    upstream: &Upstream,
    settings: &Settings,
    ask: &Ask,
    trace: &mut Trace,
) -> Result<Departure, Failure> {
    let metadata = discovery::metadata(upstream, settings, trace).await?;
    authorization::request(settings, &metadata, ask, trace)
}

/// The second half: from the answer of the authorization endpoint to what is vouched for.
pub(super) async fn finish(
    upstream: &Upstream,
    settings: &Settings,
    back: Return<'_>,
    trace: &mut Trace,
) -> Result<Assertion, Failure> {
    let Return { memory, arrival, redirect_uri, secrets } = back;
    if memory.issuer != settings.issuer {
        let expected = memory.issuer.as_str();
        let received = settings.issuer.as_str();
        return Err(Failure::mismatch(FailureCode::ConnectionChanged, expected, received));
    }
    let metadata = discovery::metadata(upstream, settings, trace).await?;
    arrival.check_iss(&metadata, trace)?;
    let code = arrival.code()?;
    let algorithm = metadata.algorithm(settings.signing_algorithm)?;

    let exchange = token::Exchange { settings, metadata: &metadata, code, redirect_uri, memory };
    let (rests, connection_id) = (&upstream.oidc.rests, settings.connection_id.as_str());
    rests.check(connection_id, upstream.clock().now())?;
    let redeemed = exchange.redeem(upstream.outbound(), secrets, trace).await;
    rests.note(connection_id, &redeemed, upstream.clock().now());
    let tokens = redeemed?;

    let signed = Signed::parse(&tokens.id_token, algorithm, TokenKind::IdToken)?;
    let mut keys = Keys::get(upstream, settings, &metadata.jwks_uri, algorithm).await?;
    for warning in &keys.set().warnings {
        trace.warned("jwks.keys", warning.clone());
    }
    verify(&signed, &mut keys, trace).await?;
    let expectation = expectation(settings, memory, &tokens);
    let now = upstream.clock().now();
    let id_claims = id_token::accept(&signed, &expectation, now, trace)?;

    let asked = userinfo::Question {
        settings,
        metadata: &metadata,
        access_token: &tokens.access_token,
        id_claims: &id_claims,
    };
    let claims = match asked.put(upstream.outbound(), &mut keys, trace).await? {
        Some(userinfo) => userinfo::merge(id_claims, userinfo, trace),
        None => id_claims,
    };
    let mut assertion = claims::assertion(settings, claims, trace)?;
    if metadata.end_session_endpoint.is_some() {
        assertion.id_token = logout::hint(&tokens.id_token);
    }
    Ok(assertion)
}

/// What a logout token says, checked.
pub(super) async fn logged_out(
    upstream: &Upstream,
    settings: &Settings,
    token: &str,
    trace: &mut Trace,
) -> Result<LoggedOut, Failure> {
    let metadata = discovery::metadata(upstream, settings, trace).await?;
    let algorithm = metadata.algorithm(settings.signing_algorithm)?;
    let signed = Signed::parse(token, algorithm, TokenKind::LogoutToken);
    let signed = signed.map_err(logout_token::refused)?;
    let mut keys = Keys::get(upstream, settings, &metadata.jwks_uri, algorithm).await?;
    verify(&signed, &mut keys, trace).await.map_err(logout_token::refused)?;
    let expectation = logout_token::Expectation {
        issuer: &settings.issuer,
        client_id: &settings.client_id,
        trusted_audiences: &settings.trusted_audiences,
        leeway_s: i64::from(settings.leeway_s),
        max_age_s: i64::from(settings.max_iat_age_s),
    };
    let claims = signed.claims().map_err(logout_token::refused)?;
    logout_token::check(&claims, &expectation, upstream.clock().now())
}

fn expectation<'a>(
    settings: &'a Settings,
    memory: &'a Memory,
    tokens: &'a token::Tokens,
) -> Expectation<'a> {
    Expectation {
        issuer: &settings.issuer,
        client_id: &settings.client_id,
        trusted_audiences: &settings.trusted_audiences,
        nonce: &memory.nonce,
        access_token: tokens.access_token.expose(),
        asked_at: Timestamp::from_ms(memory.asked_at_ms),
        leeway_s: i64::from(settings.leeway_s),
        max_iat_age_s: i64::from(settings.max_iat_age_s),
        required_acr: &settings.required_acr,
        fresh_login: match (memory.fresh_login, settings.auth_time_optional) {
            (false, _) => FreshLogin::NotAsked,
            (true, false) => FreshLogin::Proven,
            (true, true) => FreshLogin::Believed,
        },
    }
}

/// Verifies a signature; keys that do not fit are fetched once more, as far as the connection's
/// bucket allows (OpenID Connect Core 1.0 section 10.1.1). A key may also have been replaced under
/// the same `kid`.
async fn verify(signed: &Signed<'_>, keys: &mut Keys, trace: &mut Trace) -> Result<(), Failure> {
    let failure = match signed.verify(keys.set()) {
        Ok(()) => return Ok(()),
        Err(failure) => failure,
    };
    let unknown = failure.code == FailureCode::IdTokenKid;
    if !(unknown || failure.code == FailureCode::IdTokenSig) || keys.are_new() {
        return Err(failure);
    }
    if keys.refetch().await? {
        trace.did("jwks.refetched", failure.code.as_str());
        return signed.verify(keys.set());
    }
    if unknown {
        return Err(Failure { code: FailureCode::JwksThrottled, ..failure });
    }
    Err(failure)
}

/// A failed request, as a failure of the login. Our refusals and TLS have codes of their own.
fn network_failure(error: OutboundError, otherwise: FailureCode) -> Failure {
    let code = match error {
        OutboundError::Tls(_) => FailureCode::TlsFailed,
        OutboundError::Busy => FailureCode::IdpBusy,
        error if error.is_refusal() => FailureCode::SsrfBlocked,
        _ => otherwise,
    };
    Failure::with_detail(code, error.class())
}

/// The identity provider's own words: for the trace, never for the application. At most 2,000
/// bytes, and no control characters.
fn foreign_text(text: &str) -> String {
    let mut clean = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if clean.len() + c.len_utf8() > 2000 {
            break;
        }
        clean.push(c);
    }
    clean
}

/// A claim by its name, or by the path `a.b` to it. A claim whose own name has dots in it (Auth0's
/// are URLs) comes before a path.
fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let below = claims.get(&path[..dot])?.as_object()?;
        find(below, &path[dot + 1..])
    })
}
