//! The userinfo endpoint: where most of what a relying party wants to know comes from.

use axum::extract::State;
use axum::response::Response;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::web::page::{body, json as json_response};

use super::authorize::Grant;
use super::directory::{AppIntegration, Directory};
use super::fault::{Fault, OTHER_SUB, TenantFault};
use super::groups_claim::Evaluation;
use super::pages::error_json;
use super::server::Server;
use super::{Desk, Tenant};

/// Claims about the person whose access token this is.
pub(super) async fn userinfo(State(desk): State<Desk>, headers: HeaderMap) -> Response {
    let tenant = &desk.tenant;
    if tenant.has_fault(TenantFault::UserinfoNotFound) {
        return body(StatusCode::NOT_FOUND, "text/plain", "");
    }
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let grant =
        token.and_then(|token| tenant.state().access_tokens.find(tenant.now(), token).cloned());
    match grant.filter(|grant| grant.request.back.server == desk.server) {
        Some(grant) => answer(tenant, &grant),
        None => unauthorized(),
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// As Okta writes it (RFC 6750 section 3.1).
fn unauthorized() -> Response {
    const CHALLENGE: &str = "Bearer authorization_uri=\"/oauth2/v1/authorize\", realm=\"sandbox\", \
                             scope=\"openid\", error=\"invalid_token\", \
                             error_description=\"The access token is invalid.\"";
    let mut response = body(StatusCode::UNAUTHORIZED, "text/plain", "");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    response
}

fn answer(tenant: &Tenant, grant: &Grant) -> Response {
    let state = tenant.state();
    let Some(app) = state.directory.app(&grant.request.back.client_id) else {
        return unauthorized();
    };
    if app.has(Fault::UserinfoServerError) {
        return error_json(StatusCode::INTERNAL_SERVER_ERROR);
    }
    if app.has(Fault::UserinfoUnauthorized) {
        return unauthorized();
    }
    match claims(&state.directory, app, grant) {
        Some(mut claims) => {
            spoil_claims(&mut claims, app);
            json_response(StatusCode::OK, &Value::Object(claims))
        }
        None => unauthorized(),
    }
}

/// `None` if the person is gone.
fn claims(
    directory: &Directory,
    app: &AppIntegration,
    grant: &Grant,
) -> Option<Map<String, Value>> {
    let request = &grant.request;
    let user = directory.user(&grant.user_id)?;
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("sub", json!(user.id));
    if request.grants("profile") {
        put("name", json!(user.name()));
        put("locale", json!("en-US"));
        put("preferred_username", json!(user.email));
        put("given_name", json!(user.given_name));
        put("family_name", json!(user.family_name));
        put("zoneinfo", json!("America/Los_Angeles"));
        put("updated_at", json!(grant.auth_time_s));
    }
    if request.grants("email") {
        put("email", json!(user.email));
        put("email_verified", json!(user.email_verified));
    }
    if let Some(claim) = app.groups_claim.as_ref()
        && request.back.server == Server::Org
        && request.grants("groups")
        && let Evaluation::Groups(names) = claim.evaluate(&directory.group_names(&user.id))
        && !names.is_empty()
    {
        put(&claim.name, json!(names));
    }
    Some(claims)
}

fn spoil_claims(claims: &mut Map<String, Value>, app: &AppIntegration) {
    let groups_claim = app.groups_claim.as_ref().map_or("groups", |claim| claim.name.as_str());
    for fault in &app.faults {
        match fault {
            Fault::UserinfoOtherSub => {
                claims.insert("sub".to_owned(), json!(OTHER_SUB));
            }
            Fault::UserinfoOnlySub => claims.retain(|name, _| name == "sub"),
            Fault::EmailVerifiedAsText => {
                claims.insert("email_verified".to_owned(), json!("true"));
            }
            Fault::GroupsByReference => {
                claims.remove(groups_claim);
                claims.insert("_claim_names".to_owned(), json!({ groups_claim: "src1" }));
                let endpoint = "https://graph.example.com/v1.0/me/getMemberObjects";
                let sources = json!({ "src1": { "endpoint": endpoint } });
                claims.insert("_claim_sources".to_owned(), sources);
            }
            Fault::GroupsOnlyAnnounced => {
                claims.remove(groups_claim);
                claims.insert("hasgroups".to_owned(), json!(true));
            }
            _ => {}
        }
    }
}
