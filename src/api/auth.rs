//! Who calls: the API key of an environment, as a bearer token (RFC 6750 section 2.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};

use super::error::ApiError;
use crate::app::App;
use crate::base::Caller;
use crate::base::caller;
use crate::base::secret::SecretHash;
use crate::model::api_key::{self, Access};
use crate::web::limit::Source;

/// Longer texts are no key of ours, and are not hashed.
const MAX_KEY_BYTES: usize = 256;
/// Paths whose answers hold secrets: a key that may only read does not see them.
const SECRETS: &[&str] = &["/webhook_endpoints"];

/// The caller that the key of the request stands for.
///
/// The key is looked up in every request, so a revoked one is refused from the commit on.
#[derive(Debug)]
pub struct ApiKey(pub Caller);

/// An extension of requests whose key was looked up.
#[derive(Clone)]
struct Authenticated(Caller);

impl FromRequestParts<App> for ApiKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        authenticate(parts, app).await.map(Self)
    }
}

/// The caller that the key of a request stands for. It is looked up once, however many parts of a
/// handler ask for it.
pub(super) async fn authenticate(parts: &mut Parts, app: &App) -> Result<Caller, ApiError> {
    if let Some(Authenticated(caller)) = parts.extensions.get() {
        return Ok(caller.clone());
    }
    let source = Source::of(app, &parts.extensions, &parts.headers);
    source.may_guess(app)?;
    let hash = SecretHash::of(bearer(&parts.headers)?);
    let find = async move |tx: &mut _| api_key::recall_by_hash(tx, &hash).await;
    let found = app.db.read_briefly(&Caller::anonymous(), find).await?;
    let Some(key) = found else {
        source.guessed(app);
        return Err(ApiError::unauthorized());
    };
    app.limits.api_key.check(key.id.as_str(), app.clock.now())?;
    if key.access == Access::Read && !only_looks(parts) {
        return Err(ApiError::plain(StatusCode::FORBIDDEN, "This API key may only read."));
    }
    let caller = Caller {
        environment_id: key.environment_id.clone(),
        source: caller::Source::Api,
        actor_id: key.id.to_string(),
    };
    parts.extensions.insert(Authenticated(caller.clone()));
    Ok(caller)
}

/// Whether a request changes nothing and is answered without secrets.
fn only_looks(parts: &Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD)
        && !SECRETS.iter().any(|prefix| parts.uri.path().starts_with(prefix))
}

/// The bearer token of the one `Authorization` header.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let value = all.next().ok_or_else(ApiError::unauthorized)?;
    if all.next().is_some() {
        let message = "There must be exactly one Authorization header.";
        return Err(ApiError::coded(StatusCode::BAD_REQUEST, "bad_request", message));
    }
    value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token)
        .filter(|token| (1..=MAX_KEY_BYTES).contains(&token.len()))
        .ok_or_else(ApiError::unauthorized)
}
