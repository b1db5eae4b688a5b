//! `/sso/logout/authorize`: an application lets a browser log its person out; errors are OAuth's, as
//! WorkOS has them here. And `/sso/jwks`, the keys that access tokens are signed with.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::once::{self, BarePost, Rejection};
use super::path::{Path, parse};
use crate::app::App;
use crate::base::Error;
use crate::base::id::ProfileId;
use crate::base::time::Timestamp;
use crate::model::logout;
use crate::sso::keys;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(authorize_logout))
        .routes(routes!(key_set))
        .routes(routes!(rotate_signing_key))
}

/// Who is to be logged out.
#[derive(Debug, Deserialize, ToSchema)]
struct AuthorizeLogout {
    /// The profile.
    profile_id: Option<String>,
    /// Where the browser goes at the end: a logout URI of the environment, byte for byte. Without it,
    /// the first one. (Not in WorkOS's API.)
    return_to: Option<String>,
}

/// What the browser is sent away with.
#[derive(Serialize, ToSchema)]
struct LogoutAuthorization {
    /// Where to send the browser, within five minutes and once.
    logout_url: String,
    /// The token in it.
    logout_token: String,
}

/// An error of OAuth's shape (RFC 6749 section 5.2).
#[derive(Debug, Serialize, ToSchema)]
struct OauthError {
    /// The word for it: `connection_invalid`, `unauthorized_client` or `invalid_request`.
    error: &'static str,
    /// One sentence, for people.
    error_description: String,
}

impl OauthError {
    fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, error_description: description.into() }
    }
}

/// Let a browser log a person out
///
/// Send the browser to `logout_url`: the person is logged out here, and at the identity provider where
/// it has a logout.
#[utoipa::path(
    post, path = "/sso/logout/authorize", tag = "sso",
    request_body = AuthorizeLogout,
    responses(
        (status = 200, description = "Where to send the browser.", body = LogoutAuthorization),
        (status = 400, description = "The key is wrong, or nobody can be logged out so.",
            body = OauthError),
    ),
)]
async fn authorize_logout(State(app): State<App>, request: Request) -> Result<Response, Rejection> {
    let (once, headers, body) = match once::receive(request, &app).await {
        Ok(received) => received,
        Err(Rejection::Refused(error)) => return in_oauth(error),
        Err(answered) => return Err(answered),
    };
    let asked = read(&headers, &body).and_then(|asked| match asked.profile_id {
        Some(profile_id) => Ok((profile_id, asked.return_to)),
        None => Err("profile_id is required."),
    });
    let (profile_id, return_to) = match asked {
        Ok(asked) => asked,
        Err(message) => {
            let body = OauthError::new("invalid_request", message);
            return Ok(once.keep_as(&app, StatusCode::BAD_REQUEST, &body).await?);
        }
    };
    let profile_id = match parse::<ProfileId>(&profile_id) {
        Ok(id) => id,
        Err(error) => return Ok(once.keep(&app, StatusCode::OK, Err::<(), _>(error)).await?),
    };
    let write =
        async move |tx: &mut _| logout::authorize(tx, &profile_id, return_to.as_deref()).await;
    let outcome = match app.db.write(once.caller(), write).await {
        Err(Error::Invalid { code, message, .. }) => {
            let body = OauthError::new(code, message);
            return Ok(once.keep_as(&app, StatusCode::BAD_REQUEST, &body).await?);
        }
        outcome => outcome.map(|token| LogoutAuthorization {
            logout_url: app.url(&format!("/sso/logout?token={}", token.expose())),
            logout_token: token.expose().to_owned(),
        }),
    };
    Ok(once.keep(&app, StatusCode::OK, outcome).await?)
}

/// A request that was not even read, in OAuth's shape where WorkOS has that.
fn in_oauth(error: ApiError) -> Result<Response, Rejection> {
    let (status, word) = match error.status() {
        StatusCode::UNAUTHORIZED => (StatusCode::BAD_REQUEST, "unauthorized_client"),
        status @ (StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) => {
            (status, "invalid_request")
        }
        _ => return Err(error.into()),
    };
    let body = OauthError::new(word, error.body().message.as_str());
    Ok((status, Json(body)).into_response())
}

/// Reads the body: JSON, as SDKs send it, or the form of WorkOS's examples.
fn read(headers: &HeaderMap, body: &Bytes) -> Result<AuthorizeLogout, &'static str> {
    let asked: AuthorizeLogout = if is_form(headers) {
        let mut asked = AuthorizeLogout { profile_id: None, return_to: None };
        for (name, value) in url::form_urlencoded::parse(body) {
            let member = match &*name {
                "profile_id" => &mut asked.profile_id,
                "return_to" => &mut asked.return_to,
                _ => continue,
            };
            if member.replace(value.into_owned()).is_some() {
                return Err("A parameter was given more than once.");
            }
        }
        asked
    } else {
        serde_json::from_slice(body).map_err(|_| "The body is no JSON object with profile_id.")?
    };
    let has_nul = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains('\0'));
    if has_nul(&asked.profile_id) || has_nul(&asked.return_to) {
        return Err("The body contains a NUL character.");
    }
    Ok(asked)
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A JSON Web Key Set (RFC 7517 section 5).
#[derive(Debug, Serialize, ToSchema)]
struct KeySet {
    /// The keys, with the members `alg`, `kty`, `use`, `kid`, `n`, `e`, `x5c` and `x5t#S256`.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Value>,
}

/// Get the keys that access tokens are signed with
///
/// A JSON Web Key Set (RFC 7517). Only access tokens that are JWTs are signed, which an environment has to
/// choose (`access_tokens` of its settings): until then the set is empty.
#[utoipa::path(
    get, path = "/sso/jwks/{client_id}", tag = "sso",
    params(("client_id" = String, Path, description = "The client id of the environment.")),
    responses((status = 200, description = "The public keys.", body = KeySet)),
    security(()),
)]
async fn key_set(
    State(app): State<App>,
    Path(client_id): Path<String>,
) -> Result<Json<KeySet>, ApiError> {
    let keys = keys::published(&app, &client_id).await?;
    let keys = keys.ok_or_else(|| Error::not_found("Client", client_id))?;
    Ok(Json(KeySet { keys }))
}

/// A key that access tokens are signed with.
#[derive(Debug, Serialize, ToSchema)]
struct SigningKeyObject {
    /// Always `signing_key`.
    object: &'static str,
    /// Its `kid`.
    id: String,
    /// From when on it signs; it is published already.
    signs_from: Timestamp,
}

/// Replace the key that access tokens are signed with
///
/// The next key is published at once and signs after an hour; the one before is published for an hour more.
/// (Not in WorkOS's API.)
#[utoipa::path(
    post, path = "/environment/signing_keys", tag = "environment",
    responses((status = 201, description = "The next key.", body = SigningKeyObject)),
)]
async fn rotate_signing_key(
    State(app): State<App>,
    BarePost(once): BarePost,
) -> Result<Response, ApiError> {
    let rotated = keys::rotate(&app, once.caller()).await.map(|key| SigningKeyObject {
        object: "signing_key",
        id: key.id,
        signs_from: key.signs_from,
    });
    once.keep(&app, StatusCode::CREATED, rotated).await
}
