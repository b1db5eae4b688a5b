//! The token endpoint, and the two that look after access tokens.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::base::secret::{base64url, equal, sha256};
use crate::sandbox::params::Params;
use crate::web::page::{body, json as json_response};

use super::authorize::Grant;
use super::client::{TokenError, authenticate, credentials};
use super::directory::AppIntegration;
use super::fault::Fault;
use super::pages::{error_json, garbage, oversize};
use super::tenant::ACCESS_TOKEN_LIFETIME_MS;
use super::{Desk, Tenant, id_token};

/// Redeems an authorization code.
pub(super) async fn token(State(desk): State<Desk>, headers: HeaderMap, form: Bytes) -> Response {
    let params = Params::parse(&form);
    let app = match authenticate(&desk.tenant, &headers, &params) {
        Ok(app) => app,
        Err(_) if looks_at_the_code_first(&desk.tenant, &headers, &params) => {
            return unknown_code().into_response();
        }
        Err(error) => return error.into_response(),
    };
    if let Some(response) = instead(&desk.tenant, &app).await {
        return response;
    }
    match redeem(&desk, &app, &headers, &params) {
        Ok(grant) => answer(&desk.tenant, &app, grant),
        Err(error) => error.into_response(),
    }
}

fn looks_at_the_code_first(tenant: &Tenant, headers: &HeaderMap, params: &Params) -> bool {
    let named = credentials(headers, params).ok();
    let app = named.and_then(|(id, _)| tenant.state().directory.app(&id).cloned());
    app.is_some_and(|app| app.has(Fault::TokenCodeFirst))
}

fn unknown_code() -> TokenError {
    TokenError::bad("invalid_grant", "The authorization code is invalid or has expired.")
}

/// What a fault answers instead; a slow answer is still an answer.
async fn instead(tenant: &Tenant, app: &AppIntegration) -> Option<Response> {
    for fault in &app.faults {
        match fault {
            Fault::TokenSlow { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Fault::TokenServerError => {
                return Some(error_json(StatusCode::INTERNAL_SERVER_ERROR));
            }
            Fault::TokenRateLimited => {
                let mut response = error_json(StatusCode::TOO_MANY_REQUESTS);
                let headers = response.headers_mut();
                headers.insert(RETRY_AFTER, HeaderValue::from_static("30"));
                let remaining = HeaderName::from_static("x-rate-limit-remaining");
                headers.insert(remaining, HeaderValue::from_static("0"));
                return Some(response);
            }
            Fault::TokenGarbage => return Some(garbage()),
            Fault::TokenOversize => return Some(oversize()),
            Fault::TokenGrantNotAllowed => {
                let description = "The client is not authorized to use the provided grant type. \
                                   Configured grant types: [].";
                let refusal = TokenError::bad("unauthorized_client", description);
                return Some(refusal.into_response());
            }
            Fault::TokenEchoesSecret => {
                let secrets = app.secrets.iter().map(|secret| {
                    let pair = format!("{}:{}", app.client_id, secret.expose());
                    format!("{} {}", secret.expose(), STANDARD.encode(pair))
                });
                let description = secrets.collect::<Vec<_>>().join(" ");
                return Some(TokenError::bad("invalid_request", description).into_response());
            }
            Fault::TokenRedirect => {
                let location = format!("{}/sandbox/elsewhere", tenant.base_url());
                let status = StatusCode::TEMPORARY_REDIRECT;
                let mut response = body(status, "text/plain", Body::empty());
                response.headers_mut().insert(LOCATION, HeaderValue::from_str(&location).ok()?);
                return Some(response);
            }
            _ => {}
        }
    }
    None
}

/// What the code stands for, if everything fits. The code is spent, whatever comes of it.
fn redeem(
    desk: &Desk,
    app: &AppIntegration,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Grant, TokenError> {
    if app.require_dpop && !headers.contains_key("dpop") {
        let description = "The DPoP proof JWT header is missing.";
        return Err(TokenError::bad("invalid_dpop_proof", description));
    }
    match params.get("grant_type") {
        Some("authorization_code") => {}
        None => return Err(TokenError::bad("invalid_request", "The grant type is missing.")),
        Some(_) => {
            return Err(TokenError::bad(
                "unsupported_grant_type",
                "The authorization grant type is not supported by the authorization server. \
                 Configured grant types: [authorization_code].",
            ));
        }
    }
    let code = params.get("code").unwrap_or_default();
    let grant = desk.tenant.state().codes.take(desk.tenant.now(), code);
    let is_ours = |grant: &Grant| {
        grant.request.back.client_id == app.client_id && grant.request.back.server == desk.server
    };
    let grant = grant.filter(is_ours).ok_or_else(unknown_code)?;
    if params.get("redirect_uri") != Some(&grant.request.back.redirect_uri) {
        return Err(TokenError::bad(
            "invalid_grant",
            "The 'redirect_uri' does not match the redirection URI used in the authorization \
             request.",
        ));
    }
    if verifier_fits(grant.request.code_challenge.as_deref(), params.get("code_verifier")) {
        Ok(grant)
    } else {
        Err(TokenError::bad("invalid_grant", "PKCE verification failed."))
    }
}

/// RFC 7636 section 4.6, and neither may come without the other (RFC 9700 section 4.8.2).
fn verifier_fits(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    match (challenge, verifier) {
        (None, None) => true,
        (Some(challenge), Some(verifier)) => {
            let length_fits = (43..=128).contains(&verifier.len());
            let computed = base64url(&sha256(verifier.as_bytes()));
            length_fits && equal(computed.as_bytes(), challenge.as_bytes())
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn answer(tenant: &Tenant, app: &AppIntegration, grant: Grant) -> Response {
    let access_token = tenant.state().access_tokens.insert(tenant.now(), grant.clone());
    let mut answer = json!({
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_LIFETIME_MS / 1000,
        "access_token": access_token,
        "scope": grant.request.scopes.join(" "),
    });
    if !app.has(Fault::TokenWithoutIdToken) {
        match id_token::issue(tenant, app, &grant, &access_token) {
            Ok(id_token) => answer["id_token"] = Value::String(id_token),
            Err(_) => return error_json(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
    json_response(StatusCode::OK, &answer)
}

/// Whether an access token works (RFC 7662).
pub(super) async fn introspect(
    State(desk): State<Desk>,
    headers: HeaderMap,
    form: Bytes,
) -> Response {
    let params = Params::parse(&form);
    let app = match authenticate(&desk.tenant, &headers, &params) {
        Ok(app) => app,
        Err(error) => return error.into_response(),
    };
    let token = params.get("token").unwrap_or_default();
    let grant = desk.tenant.state().access_tokens.find(desk.tenant.now(), token).cloned();
    let answer = match grant.filter(|grant| grant.request.back.client_id == app.client_id) {
        Some(grant) => json!({
            "active": true,
            "client_id": app.client_id,
            "scope": grant.request.scopes.join(" "),
            "token_type": "Bearer",
            "uid": grant.user_id,
        }),
        None => json!({ "active": false }),
    };
    json_response(StatusCode::OK, &answer)
}

/// Forgets an access token (RFC 7009).
pub(super) async fn revoke(State(desk): State<Desk>, headers: HeaderMap, form: Bytes) -> Response {
    let params = Params::parse(&form);
    match authenticate(&desk.tenant, &headers, &params) {
        Ok(app) => {
            let token = params.get("token").unwrap_or_default();
            let now = desk.tenant.now();
            let mut state = desk.tenant.state();
            let is_ours = |grant: &Grant| grant.request.back.client_id == app.client_id;
            if state.access_tokens.find(now, token).is_some_and(is_ours) {
                state.access_tokens.take(now, token);
            }
            body(StatusCode::OK, "text/plain", Body::empty())
        }
        Err(error) => error.into_response(),
    }
}
