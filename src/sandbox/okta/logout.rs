//! The end of a session, asked for by the relying party (OpenID Connect RP-Initiated Logout 1.0), and
//! told to relying parties (Back-Channel Logout 1.0).

use axum::extract::{RawQuery, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::base::secret::random_alphanumeric;
use crate::outbound::Request;
use crate::sandbox::params::Params;
use crate::web::page::{page, redirect, with_query};

use super::directory::AppIntegration;
use super::pages::{ErrorPage, MessagePage};
use super::sign_in::{Session, end_session};
use super::{Desk, Refused, Server, Tenant, id_token};

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
    if let Some(session) = end_session(tenant, &headers, &mut response) {
        tell(tenant, &session).await;
    }
    response
}

/// The one event of a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How long a logout token is good for: two minutes, in seconds.
const LIFETIME_S: i64 = 2 * 60;

impl Tenant {
    /// "Clear user sessions": ends all sessions of a person, and tells everybody who wants to know.
    pub async fn clear_sessions(&self, user_id: &str) {
        let now = self.now();
        let ended = self.state().sessions.take_all(now, |session| session.user_id == user_id);
        for session in ended {
            tell(self, &session).await;
        }
    }

    /// The claims of a logout token for an app integration.
    pub fn logout_claims(
        &self,
        (server, client_id): (Server, &str),
        (sub, sid): (Option<&str>, Option<&str>),
    ) -> Value {
        let now_s = self.now().as_s();
        let mut claims = json!({
            "iss": self.issuer(server),
            "aud": client_id,
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            "jti": random_alphanumeric(43),
            "events": { EVENT: {} },
        });
        for (name, value) in [("sub", sub), ("sid", sid)] {
            if let Some(value) = value {
                claims[name] = json!(value);
            }
        }
        claims
    }

    /// A token with this header and these claims, signed as the tenant signs; whatever they are.
    ///
    /// # Errors
    ///
    /// If the key cannot be generated.
    pub fn sign(&self, server: Server, header: &Value, claims: &Value) -> Result<String, Refused> {
        let refused = |_| Refused("The token could not be signed.".to_owned());
        id_token::sign_any(self, server, header, claims).map_err(refused)
    }

    /// The sessions (`sid`) that a person has now.
    pub fn session_ids(&self, user_id: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.state().sessions.each_mut(|session| {
            if session.user_id == user_id {
                found.push(session.sid.clone());
            }
        });
        found
    }
}

/// Says that a session has ended, to each app integration that it signed in to and that has a logout
/// request URL (section 2.5). Okta itself does this in the front channel; the standard's back channel
/// is what other providers have.
async fn tell(tenant: &Tenant, session: &Session) {
    let Some(outbound) = tenant.outbound() else { return };
    for (server, client_id) in &session.visited {
        let app = tenant.state().directory.app(client_id).cloned();
        let url = app.and_then(|app| Url::parse(app.logout_request_url.as_deref()?).ok());
        let Some(url) = url else { continue };
        let whom = (Some(session.user_id.as_str()), Some(session.sid.as_str()));
        let claims = tenant.logout_claims((*server, client_id), whom);
        let header = json!({ "typ": "logout+jwt", "alg": "RS256" });
        let Ok(token) = tenant.sign(*server, &header, &claims) else { continue };
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("logout_token", &token)
            .finish();
        match outbound.send(Request::post_form(url, form, 64 * 1024)).await {
            Ok(response) if response.status.is_success() => {}
            Ok(response) => {
                let status = response.status.as_u16();
                tracing::warn!(status, "the end of a session was not taken note of");
            }
            Err(error) => tracing::warn!(%error, "the end of a session could not be told"),
        }
    }
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
