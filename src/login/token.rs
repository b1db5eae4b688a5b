//! `POST /sso/token`: form or JSON, credentials in the body, as Basic or as Bearer.

use axum::extract::{Query, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::body::Content;
use super::idempotency_key;
use super::params::Params;
use crate::app::App;
use crate::base::secret::Secret;
use crate::model::profile::Profile;
use crate::model::sso_session::TOKEN_LIFETIME_S;
use crate::sso::token::{self, Granted, Request, TokenError};
use crate::web::limit::{self, Source};
use crate::web::page;

/// The parameters, each of which may be there once.
const NAMES: &[&str] =
    &["grant_type", "client_id", "client_secret", "code", "code_verifier", "redirect_uri"];

/// The answer (RFC 6749 section 5.1), with the profile.
#[derive(Serialize)]
struct TokenAnswer<'a> {
    token_type: &'static str,
    access_token: &'a str,
    expires_in: i64,
    profile: &'a Profile,
}

/// The application redeems its code.
pub(super) async fn token(
    State(app): State<App>,
    Query(query): Query<Vec<(String, String)>>,
    extensions: Extensions,
    headers: HeaderMap,
    Content(body): Content,
) -> Response {
    if query.iter().any(|(name, _)| matches!(name.as_str(), "client_secret" | "code_verifier")) {
        tracing::warn!(reason = "secret_in_query", "a secret came in a URL, where logs keep it");
        return refused(&TokenError::InvalidRequest("Credentials may not be in the query string."));
    }
    let source = Source::of(&app, &extensions, &headers);
    if let Err(wait) = source.may_guess(&app) {
        return limit::refuse(wait);
    }
    let outcome = match read(&headers, &body) {
        Ok(request) => token::redeem(&app, request).await,
        Err(error) => Err(error),
    };
    if matches!(outcome, Err(TokenError::InvalidClient)) {
        source.guessed(&app);
    }
    match outcome {
        Ok(Granted { access_token, profile }) => answer(
            StatusCode::OK,
            &TokenAnswer {
                token_type: "Bearer",
                access_token: access_token.expose(),
                expires_in: TOKEN_LIFETIME_S,
                profile: &profile,
            },
        ),
        Err(error) => refused(&error),
    }
}

/// JSON that no cache may keep.
pub(super) fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => page::body(status, "application/json", text),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            let body = json!({ "message": "internal error" });
            page::json(StatusCode::INTERNAL_SERVER_ERROR, &body)
        }
    }
}

/// RFC 6749 section 5.2. WorkOS answers 400 for a wrong client as well.
fn refused(error: &TokenError) -> Response {
    let (status, word) = match error {
        TokenError::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        TokenError::InvalidClient => (StatusCode::BAD_REQUEST, "invalid_client"),
        TokenError::UnauthorizedClient => (StatusCode::BAD_REQUEST, "unauthorized_client"),
        TokenError::InvalidGrant => (StatusCode::BAD_REQUEST, "invalid_grant"),
        TokenError::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
        TokenError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        TokenError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
    };
    let body = json!({ "error": word, "error_description": error.to_string() });
    let mut response = page::json(status, &body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// Reads the body, and credentials from wherever they are.
fn read(headers: &HeaderMap, body: &[u8]) -> Result<Request, TokenError> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let params = if media_type.eq_ignore_ascii_case("application/json") {
        from_json(body)?
    } else {
        Params::parse(&String::from_utf8_lossy(body))
    };
    if params.duplicate(NAMES).is_some() {
        return Err(TokenError::InvalidRequest("A parameter was given more than once."));
    }
    let mut request = Request {
        grant_type: params.text("grant_type"),
        client_id: params.text("client_id"),
        client_secret: params.text("client_secret").map(Secret::new),
        code: params.text("code").map(Secret::new),
        code_verifier: params.text("code_verifier").map(Secret::new),
        redirect_uri: params.text("redirect_uri"),
        idempotency_key: idempotency_key(headers).map(str::to_owned),
    };
    // An empty verifier is a wrong one, not an absent one (RFC 7636 section 4.6).
    if params.bytes("code_verifier").is_none() && params.mentions("code_verifier") {
        request.code_verifier = Some(Secret::new(""));
    }
    add_credentials(&mut request, headers)?;
    Ok(request)
}

/// A JSON object as parameters; a member that stands there twice stays there twice.
fn from_json(body: &[u8]) -> Result<Params, TokenError> {
    let malformed = || TokenError::InvalidRequest("The body is no JSON object.");
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Params::parse(""));
    }
    let Members(members) = serde_json::from_slice(body).map_err(|_| malformed())?;
    let texts = members.into_iter().filter_map(|(name, value)| match value {
        serde_json::Value::String(text) => Some((name, text.into_bytes())),
        serde_json::Value::Null => None,
        other => Some((name, other.to_string().into_bytes())),
    });
    Ok(Params::from_pairs(texts.collect()))
}

/// The members of a JSON object, none of them lost.
struct Members(Vec<(String, serde_json::Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Takes credentials from the `Authorization` header: Basic (RFC 6749 section 2.3.1), or Bearer with
/// the API key, as most SDKs send besides the body.
fn add_credentials(request: &mut Request, headers: &HeaderMap) -> Result<(), TokenError> {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(TokenError::InvalidRequest("More than one Authorization header."));
    }
    if let Some((id, secret)) = basic(headers) {
        if request.client_id.as_ref().is_some_and(|known| *known != id)
            || request.client_secret.as_ref().is_some_and(|known| !known.matches(secret.expose()))
        {
            return Err(TokenError::InvalidRequest("Two different client authentications."));
        }
        request.client_id = Some(id);
        request.client_secret = Some(secret);
    } else if request.client_secret.is_none() {
        request.client_secret = bearer(headers);
    }
    Ok(())
}

/// The credentials of `Authorization: Basic`, form-decoded.
fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let encoded = credentials(headers, "basic")?;
    let decoded = STANDARD.decode(encoded).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let pair = Params::parse(&format!("id={id}&secret={secret}"));
    Some((pair.text("id")?, Secret::new(pair.text("secret")?)))
}

/// The token of `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Secret> {
    credentials(headers, "bearer").map(Secret::new)
}

/// What follows the scheme in the `Authorization` header: one space, then no other.
fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (found, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (found.eq_ignore_ascii_case(scheme) && !rest.is_empty() && !rest.contains(' ')).then_some(rest)
}
