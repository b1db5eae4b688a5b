//! Discovery and the key set.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::web::page::json as json_response;

use super::fault::{OTHER_ISSUER, TenantFault};
use super::pages::{error_json, garbage};
use super::server::Server;
use super::{Desk, Tenant};

/// What the relying party learns about an authorization server (OpenID Connect Discovery 1.0).
pub(super) async fn discovery(State(desk): State<Desk>) -> Response {
    let mut metadata = metadata(&desk.tenant, desk.server);
    let faults = desk.tenant.state().faults.clone();
    for fault in faults {
        match fault {
            TenantFault::DiscoveryServerError => {
                return error_json(StatusCode::INTERNAL_SERVER_ERROR);
            }
            TenantFault::DiscoveryGarbage => return garbage(),
            TenantFault::DiscoveryIssuerMismatch => metadata["issuer"] = json!(OTHER_ISSUER),
            TenantFault::DiscoverySlow { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            _ => {}
        }
    }
    cacheable(json_response(StatusCode::OK, &metadata), "max-age=86400, must-revalidate")
}

fn metadata(tenant: &Tenant, server: Server) -> Value {
    let issuer = tenant.issuer(server);
    let endpoint = |name: &str| format!("{}{}/v1/{name}", tenant.base_url(), server.path());
    json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "userinfo_endpoint": endpoint("userinfo"),
        "jwks_uri": endpoint("keys"),
        "response_types_supported": [
            "code", "id_token", "code id_token", "code token", "id_token token",
            "code id_token token"
        ],
        "response_modes_supported": ["query", "fragment", "form_post", "okta_post_message"],
        "grant_types_supported": [
            "authorization_code", "implicit", "refresh_token", "password",
            "urn:ietf:params:oauth:grant-type:device_code"
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": server.scopes(),
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt",
            "none"
        ],
        "claims_supported": [
            "iss", "ver", "sub", "aud", "iat", "exp", "jti", "auth_time", "amr", "idp", "nonce",
            "name", "nickname", "preferred_username", "given_name", "middle_name", "family_name",
            "email", "email_verified", "profile", "zoneinfo", "locale", "address",
            "phone_number", "picture", "website", "gender", "birthdate", "updated_at",
            "at_hash", "c_hash"
        ],
        "code_challenge_methods_supported": ["S256"],
        "introspection_endpoint": endpoint("introspect"),
        "revocation_endpoint": endpoint("revoke"),
        "end_session_endpoint": endpoint("logout"),
        "request_parameter_supported": false,
        "dpop_signing_alg_values_supported": ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"],
        "authorization_response_iss_parameter_supported":
            tenant.has_fault(TenantFault::AdvertisesIssParameter),
    })
}

/// The public keys (RFC 7517).
pub(super) async fn keys(State(desk): State<Desk>) -> Response {
    let faults = desk.tenant.state().faults.clone();
    for fault in faults {
        match fault {
            TenantFault::KeysServerError => return error_json(StatusCode::INTERNAL_SERVER_ERROR),
            TenantFault::KeysGarbage => return garbage(),
            TenantFault::KeysEmpty => {
                return json_response(StatusCode::OK, &json!({ "keys": [] }));
            }
            TenantFault::KeysSlow { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            _ => {}
        }
    }
    let mut state = desk.tenant.state();
    let ring = state.keys(desk.server);
    let caching = match ring.is_rotating() {
        true => "no-cache, no-store",
        false => "max-age=5184000, must-revalidate",
    };
    match ring.jwks() {
        Ok(keys) => cacheable(json_response(StatusCode::OK, &keys), caching),
        Err(_) => error_json(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn cacheable(mut response: Response, caching: &'static str) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}
