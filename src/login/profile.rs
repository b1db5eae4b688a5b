//! `GET /sso/profile`.

use axum::extract::State;
use axum::response::Response;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use crate::app::App;
use crate::base::Error;
use crate::sso::profile;
use crate::web::page;

/// The profile of the access token in the `Authorization` header (RFC 6750 section 2.1).
pub(super) async fn profile(State(app): State<App>, headers: HeaderMap) -> Response {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        let message = "More than one Authorization header.";
        return page::json(StatusCode::BAD_REQUEST, &json!({ "message": message }));
    }
    let Some(token) = super::token::bearer(&headers) else { return unauthorized() };
    match profile::read(&app, &token).await {
        Ok(Some(profile)) => super::token::answer(StatusCode::OK, &profile),
        Ok(None) => unauthorized(),
        Err(error) => {
            tracing::error!(error = error.chain(), "a profile could not be read");
            let status = match error {
                Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            let mut response = page::json(status, &json!({ "message": error.to_string() }));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            response
        }
    }
}

/// WorkOS's odd one: `error`, and no `message`.
fn unauthorized() -> Response {
    let mut response = page::json(StatusCode::UNAUTHORIZED, &json!({ "error": "Unauthorized" }));
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
