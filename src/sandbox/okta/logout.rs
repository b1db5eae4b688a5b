//! The end of a session, asked for by the relying party (OpenID Connect RP-Initiated Logout 1.0).

use axum::extract::{RawQuery, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::sandbox::params::Params;
use crate::web::page::{page, redirect, with_query};

use super::directory::AppIntegration;
use super::pages::{ErrorPage, MessagePage};
use super::sign_in::end_session;
use super::{Desk, Tenant};

pub(super) async fn logout(
    State(desk): State<Desk>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let tenant = &desk.tenant;
    let Some(app) = params.get("id_token_hint").and_then(|hint| app_of(tenant, hint)) else {
        return refuse("The 'id_token_hint' parameter is missing or invalid.");
    };
    let mut response = match params.get("post_logout_redirect_uri") {
        None => page(StatusCode::OK, &MessagePage::new("Signed out", "You are signed out.")),
        Some(uri) if app.post_logout_redirect_uris.iter().any(|registered| registered == uri) => {
            let state: Vec<_> =
                params.get("state").map(|state| ("state", state)).into_iter().collect();
            if state.is_empty() { redirect(uri) } else { redirect(&with_query(uri, &state)) }
        }
        Some(_) => {
            return refuse(
                "The 'post_logout_redirect_uri' parameter must be a Logout redirect URI in the \
                 client app settings.",
            );
        }
    };
    end_session(tenant, &headers, &mut response);
    response
}

fn refuse(description: &str) -> Response {
    page(StatusCode::BAD_REQUEST, &ErrorPage { error: "invalid_request", description })
}

/// The app integration that an ID token was issued to. Its signature is not looked at: whoever
/// forges one can only end their own browser's session.
fn app_of(tenant: &Tenant, id_token: &str) -> Option<AppIntegration> {
    let payload = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    tenant.state().directory.app(claims.get("aud")?.as_str()?).cloned()
}
