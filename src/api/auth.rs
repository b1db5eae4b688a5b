//! Who calls: the API key of an environment, as a bearer token (RFC 6750 section 2.1).

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use super::error::ApiError;
use crate::app::App;
use crate::base::Caller;
use crate::base::caller::Source;
use crate::base::secret::SecretHash;
use crate::model::api_key;

/// Longer texts are no key of ours, and are not hashed.
const MAX_KEY_BYTES: usize = 256;

/// The caller that the key of the request stands for.
///
/// The key is looked up in every request, so a revoked one is refused from the commit on.
#[derive(Debug)]
pub struct ApiKey(pub Caller);

impl FromRequestParts<App> for ApiKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let key = bearer(&parts.headers)?;
        let hash = SecretHash::of(key);
        let found = app
            .db
            .read(&Caller::anonymous(), async move |tx| api_key::find_by_hash(tx, &hash).await)
            .await?;
        let (environment_id, id) = found.ok_or_else(ApiError::unauthorized)?;
        Ok(Self(Caller { environment_id, source: Source::Api, actor_id: id.to_string() }))
    }
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
