//! Single questions to an identity provider, for whoever looks for what is wrong with a connection.
//! Nobody signs in by them.

use std::sync::Arc;

use serde_json::{Map, Value};
use url::Url;

use crate::base::failure::Failure;
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::trace::Trace;
use crate::outbound::Request;
use crate::upstream::Ask;

use super::authorization::{self, Memory};
use super::discovery::{self, Metadata};
use super::settings::Settings;
use super::token::Exchange;
use super::{foreign_text, json, jwks};

/// How many bytes a page of the authorization endpoint may have.
const MAX_PAGE_BYTES: usize = 1024 * 1024;
/// How many bytes the refusal of a request without a token may have.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// The request for the metadata.
pub fn discovery(settings: &Settings, url: Url) -> Request {
    Request::get(url, discovery::MAX_BYTES).trusting(extra_ca(settings))
}

/// The request for the keys.
pub fn keys(settings: &Settings, metadata: &Metadata) -> Request {
    Request::get(metadata.jwks_uri.clone(), jwks::MAX_BYTES).trusting(extra_ca(settings))
}

/// A request for claims about nobody, to be refused.
pub fn userinfo(settings: &Settings, url: &Url) -> Request {
    Request::get(url.clone(), MAX_REFUSAL_BYTES).trusting(extra_ca(settings))
}

/// An authentication request as a login sends it, but one that may ask nobody for anything
/// (`prompt=none`): without a browser there is nobody, so the provider sends the answer
/// `login_required` to the redirect URI, if it knows it (OpenID Connect Core 1.0 section 3.1.2.6).
///
/// # Errors
///
/// As for a login.
pub fn authorization(
    settings: &Settings,
    metadata: &Metadata,
    redirect_uri: &str,
) -> Result<Request, Failure> {
    let ask = Ask {
        state: Secret::random("").expose().to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        ..Ask::default()
    };
    let mut trace = Trace::new(Clock::system());
    let departure = authorization::request(settings, metadata, &ask, &mut trace)?;
    let mut url = Url::parse(&departure.url).unwrap_or(metadata.authorization_endpoint.clone());
    url.query_pairs_mut().append_pair("prompt", "none");
    let mut request = Request::get(url, MAX_PAGE_BYTES).trusting(extra_ca(settings));
    request.headers.insert(http::header::ACCEPT, http::HeaderValue::from_static("text/html, */*"));
    Ok(request)
}

/// A token request for a code that nobody issued. A provider that knows the secret says
/// `invalid_grant`, one that does not says `invalid_client` (RFC 6749 section 5.2).
///
/// # Errors
///
/// The provider accepts no way of authentication that we know.
pub fn unknown_code(
    settings: &Settings,
    metadata: &Metadata,
    redirect_uri: &str,
    secret: &Secret,
) -> Result<Request, Failure> {
    let memory = Memory {
        nonce: String::new(),
        code_verifier: settings.pkce.then(|| Secret::random("").expose().to_owned()),
        issuer: settings.issuer.clone(),
        asked_at_ms: 0,
        fresh_login: false,
    };
    let code = Secret::random("");
    let exchange = Exchange { settings, metadata, code: &code, redirect_uri, memory: &memory };
    Ok(exchange.request(secret, exchange.method()?))
}

/// Reads a strict JSON object.
pub fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    json::object(bytes)
}

/// The description of a refusal, as a login would trace it, without any form of the secret that a
/// provider could hand back.
pub fn description(members: &Map<String, Value>, (client_id, secret): (&str, &Secret)) -> String {
    let text = foreign_text(json::text(members, "error_description").unwrap_or_default());
    let encoded: String =
        url::form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
    let basic = super::token::basic(client_id, secret);
    let basic = basic.to_str().unwrap_or_default().trim_start_matches("Basic ").to_owned();
    let mut clean = text;
    for form in [secret.expose(), &encoded, &basic] {
        if form.len() > 3 {
            clean = clean.replace(form, "[secret]");
        }
    }
    clean
}

fn extra_ca(settings: &Settings) -> Option<Arc<str>> {
    settings.extra_ca.as_deref().map(Arc::from)
}
