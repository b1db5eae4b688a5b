//! `GET /sso/logout` and the way back from it; and what identity providers say of logouts by
//! themselves.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::authorize::begins_nothing;
use super::body::Content;
use super::pages::message;
use super::params::Params;
use crate::app::App;
use crate::base::failure::Failure;
use crate::base::secret::{Secret, SecretHash};
use crate::model::logout::AWAY_MS;
use crate::sso::logout::{self, BackChannelRefused, LogoutRefused};
use crate::web::brand::Brand;
use crate::web::departure::under_way;
use crate::web::{cookies, page};

/// The cookie by which a browser is known that comes back from the identity provider.
const COOKIE: &str = "logout";
/// How long a logout token of ours is, in characters.
const TOKEN_CHARS: usize = 43;

/// The application sends the browser here, with the token of `POST /sso/logout/authorize`.
pub(super) async fn logout(State(app): State<App>, parts: Parts) -> Response {
    if begins_nothing(&parts) {
        return page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    }
    let params = Params::parse(parts.uri.query().unwrap_or_default());
    let is_single = params.duplicate(&["token"]).is_none();
    let token = params.text("token").filter(|token| is_single && token.len() == TOKEN_CHARS);
    let outcome = match token {
        Some(token) => {
            let logins = under_way(&app, &parts.headers);
            logout::depart(&app, &Secret::new(token), logins).await
        }
        None => Err(LogoutRefused::Unknown),
    };
    match outcome {
        Ok(departed) => {
            let mut response = match &departed.location {
                Some(location) => page::redirect(location),
                None => signed_out(Brand::of(&app, &departed.environment_id).await),
            };
            if let Some(secret) = &departed.browser_secret {
                let value = (secret.expose(), AWAY_MS / 1000);
                cookies::set(&app, &mut response, COOKIE, value);
            }
            response
        }
        Err(refused) => not_signed_out(&app, &refused).await,
    }
}

/// The identity provider sends the browser back.
pub(super) async fn callback(
    State(app): State<App>,
    Path(external_key): Path<String>,
    parts: Parts,
) -> Response {
    if parts.method == Method::HEAD {
        return page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    }
    let params = Params::parse(parts.uri.query().unwrap_or_default());
    let is_single = params.duplicate(&["state"]).is_none();
    let state = params.text("state").filter(|_| is_single).unwrap_or_default();
    let browser = cookies::get(&app, &parts.headers, COOKIE).map(SecretHash::of);
    match logout::land(&app, &external_key, (&state, browser)).await {
        Some(location) => {
            let mut response = page::redirect(&location);
            cookies::remove(&app, &mut response, COOKIE);
            response
        }
        None => signed_out(Brand::of_connection(&app, &external_key).await),
    }
}

/// `GET /sso/oidc/idp-logout/{external_key}`: nothing proves who sends this browser, so nothing ends
/// but what is under way in it.
pub(super) async fn front_channel(
    State(app): State<App>,
    Path(external_key): Path<String>,
    parts: Parts,
) -> Response {
    if begins_nothing(&parts) {
        return page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    }
    logout::front_channel(&app, &external_key, under_way(&app, &parts.headers)).await;
    let brand = Brand::of_connection(&app, &external_key).await;
    let sentence = "If you wanted to sign out of an application, please do so there.";
    message(StatusCode::OK, brand, ("Nothing more to do here", sentence))
}

/// `POST /sso/oidc/idp-logout/{external_key}`: a logout token (OpenID Connect Back-Channel Logout 1.0
/// section 2.5).
pub(super) async fn back_channel(
    State(app): State<App>,
    Path(external_key): Path<String>,
    headers: HeaderMap,
    Content(body): Content,
) -> Response {
    let Some(token) = logout_token(&headers, &body) else {
        return refused(StatusCode::BAD_REQUEST, "One logout_token is required, in a form.");
    };
    match logout::back_channel(&app, &external_key, &token).await {
        Ok(()) => page::body(StatusCode::OK, "text/plain", Body::empty()),
        Err(BackChannelRefused::Unknown) => {
            refused(StatusCode::NOT_FOUND, "No connection is told of logouts here.")
        }
        Err(BackChannelRefused::Invalid(failure)) => {
            refused(StatusCode::BAD_REQUEST, &described(&failure))
        }
        Err(BackChannelRefused::RateLimited) => {
            let status = StatusCode::TOO_MANY_REQUESTS;
            let mut response = refused(status, "Too many logout tokens in a minute.");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        }
        Err(BackChannelRefused::Unavailable) => {
            let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, "Try again.");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
            response
        }
    }
}

/// The one logout token of a form.
fn logout_token(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let params = Params::parse(std::str::from_utf8(body).ok()?);
    let is_single = params.duplicate(&["logout_token"]).is_none();
    params.text("logout_token").filter(|_| is_single)
}

/// Which check did not hold, for whoever sets the identity provider up: never what it received, and
/// none of the identity provider's own words.
fn described(failure: &Failure) -> String {
    let detail = failure.detail.as_deref().unwrap_or_default();
    let check = detail.split(':').next().unwrap_or_default();
    match check.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') && !check.is_empty() {
        true => format!("The logout token was refused: {check}."),
        false => format!("The logout token was refused: {}.", failure.code.as_str()),
    }
}

/// A refusal in the words of RFC 6749 section 5.2, as section 2.8 wants it.
fn refused(status: StatusCode, description: &str) -> Response {
    let body = json!({ "error": "invalid_request", "error_description": description });
    page::json(status, &body)
}

fn signed_out(brand: Brand) -> Response {
    message(StatusCode::OK, brand, ("You are signed out", "You can close this window."))
}

async fn not_signed_out(app: &App, refused: &LogoutRefused) -> Response {
    let (status, sentence) = match refused {
        LogoutRefused::Unknown => (
            StatusCode::NOT_FOUND,
            "This sign-out is not known here. Please go back to the application and sign out again.",
        ),
        LogoutRefused::Over(_) => (
            StatusCode::FORBIDDEN,
            "This sign-out was already used or took too long. Please go back to the application and \
             sign out again.",
        ),
        LogoutRefused::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The sign-out service is not available at this moment. Please try again in a minute.",
        ),
    };
    let brand = match refused {
        LogoutRefused::Over(environment_id) => Brand::of(app, environment_id).await,
        LogoutRefused::Unknown | LogoutRefused::Unavailable => Brand::default(),
    };
    let mut response = message(status, brand, ("Sign-out not completed", sentence));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    }
    response
}
