//! `GET /sso/authorize`, and logins that begin at the identity provider.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::params::Params;
use super::{body, pages};
use crate::app::App;
use crate::base::failure::FailureCode;
use crate::sso::authorize::{self, Begun, Request};
use crate::sso::{Refused, initiate};
use crate::web::{browser, departure, page};

/// The parameters that may be there once only.
const SINGLE: &[&str] = &[
    "client_id",
    "redirect_uri",
    "response_type",
    "connection",
    "organization",
    "provider",
    "domain",
    "state",
    "domain_hint",
    "login_hint",
    "prompt",
    "nonce",
    "code_challenge",
    "code_challenge_method",
];

/// `GET /sso/authorize`.
pub(super) async fn authorize(State(app): State<App>, parts: Parts) -> Response {
    if begins_nothing(&parts) {
        return page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    }
    let query = parts.uri.query().unwrap_or_default();
    let request = read(&app, query, &parts);
    if wants_json(&parts.headers) {
        return in_json(&app, request, query).await;
    }
    let outcome = authorize::begin(&app, request).await;
    depart(&app, &parts.headers, outcome).await
}

/// `GET` or `POST /sso/oidc/{external_key}/initiate` (OpenID Connect Core section 4).
pub(super) async fn initiate(
    State(app): State<App>,
    Path(external_key): Path<String>,
    request: axum::extract::Request,
) -> Response {
    let (parts, sent) = request.into_parts();
    if begins_nothing(&parts) {
        return page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    }
    let form = if parts.method == Method::POST {
        match body::read(sent).await {
            Ok(form) => form,
            Err(not_read) => return not_read.into_response(),
        }
    } else {
        axum::body::Bytes::from(parts.uri.query().unwrap_or_default().to_owned())
    };
    let params = Params::parse(&String::from_utf8_lossy(&form));
    if params.duplicate(&["iss", "login_hint", "target_link_uri"]).is_some() {
        return pages::refused(&app, &Refused::unrecorded(FailureCode::InitiateInvalid)).await;
    }
    let request = initiate::Request {
        external_key,
        iss: params.text("iss"),
        login_hint: params.text("login_hint"),
        target_link_uri: params.text("target_link_uri"),
        browser: browser::of(&app, &parts),
    };
    let outcome = initiate::begin(&app, request).await;
    let response = depart(&app, &parts.headers, outcome).await;
    if parts.method == Method::POST { page::after_post(response) } else { response }
}

/// Whether nobody is going anywhere: a look without a visit, or a browser that guesses ahead.
pub(super) fn begins_nothing(parts: &Parts) -> bool {
    let guesses = |name| {
        parts.headers.get(name).is_some_and(|value| {
            value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("prefetch"))
        })
    };
    parts.method == Method::HEAD || guesses("sec-purpose") || guesses("purpose")
}

fn read(app: &App, query: &str, parts: &Parts) -> Request {
    let params = Params::parse(query);
    Request {
        duplicate: params.duplicate(SINGLE).map(str::to_owned),
        client_id: params.text("client_id").unwrap_or_default(),
        redirect_uri: params.text("redirect_uri"),
        response_type: params.text("response_type"),
        connection: params.either("connection", "connection_id"),
        organization: params.either("organization", "organization_id"),
        provider: params.text("provider"),
        domain: params.text("domain"),
        state: params.bytes("state").map(<[u8]>::to_vec),
        domain_hint: params.text("domain_hint"),
        login_hint: params.text("login_hint"),
        prompt: params.text("prompt"),
        provider_scopes: params.list("provider_scopes"),
        provider_query_params: params.object("provider_query_params"),
        code_challenge: params.text("code_challenge"),
        code_challenge_method: params.text("code_challenge_method"),
        browser: browser::of(app, parts),
    }
}

/// Whether an application asks and not a browser: it has a key, or wants JSON and no page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    headers.contains_key(AUTHORIZATION)
        || accept.contains("application/json") && !accept.contains("text/html")
}

/// The answer to an application: the URL to send the browser to. It is ours, not the identity
/// provider's, because a login is bound to the browser, and that has not come here yet.
async fn in_json(app: &App, request: Request, query: &str) -> Response {
    match authorize::check(app, &request).await {
        Ok(()) => {
            let url = app.url(&format!("/sso/authorize?{query}"));
            page::json(StatusCode::OK, &json!({ "url": url }))
        }
        Err(refused) => {
            let code = refused.failure.code;
            let body = json!({ "code": code.as_str(), "message": code.for_developer() });
            let status = pages::status(code).max(StatusCode::BAD_REQUEST);
            let mut response = page::json(status, &body);
            pages::retry_after(&mut response, &refused.failure);
            response
        }
    }
}

/// Sends the browser on, with the cookie that binds the login to it.
async fn depart(app: &App, headers: &HeaderMap, outcome: Result<Begun, Refused>) -> Response {
    match outcome {
        Ok(begun) => departure::depart(app, headers, &begun),
        Err(refused) => pages::refused(app, &refused).await,
    }
}
