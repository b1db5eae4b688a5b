//! Discovery and the key set.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, PROXY_AUTHENTICATE, VIA};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::web::page::{body, json as json_response, redirect};

use super::fault::{OTHER_ISSUER, TenantFault};
use super::pages::{error_json, garbage, oversize};
use super::server::Server;
use super::{Desk, Tenant};

/// What the relying party learns about an authorization server (OpenID Connect Discovery 1.0).
pub(super) async fn discovery(State(desk): State<Desk>) -> Response {
    let mut metadata = metadata(&desk.tenant, desk.server);
    let faults = desk.tenant.state().faults.clone();
    for fault in faults {
        if let TenantFault::DiscoverySlow { ms } = fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if let Some(response) = instead_of_metadata(fault) {
            return response;
        }
        spoil(&mut metadata, fault);
    }
    cacheable(json_response(StatusCode::OK, &metadata), "max-age=86400, must-revalidate")
}

/// What a fault answers instead of metadata.
fn instead_of_metadata(fault: TenantFault) -> Option<Response> {
    let answer = |status, text| Some(body(status, "text/html", text));
    match fault {
        TenantFault::DiscoveryServerError => Some(error_json(StatusCode::INTERNAL_SERVER_ERROR)),
        TenantFault::DiscoveryGarbage => Some(garbage()),
        TenantFault::DiscoveryOversize => Some(oversize()),
        TenantFault::DiscoveryNotFound => answer(StatusCode::NOT_FOUND, "<h1>Not Found</h1>"),
        TenantFault::DiscoveryForbidden => answer(StatusCode::FORBIDDEN, "<h1>Forbidden</h1>"),
        TenantFault::DiscoveryRedirect => Some(redirect("/login/login.htm")),
        TenantFault::DiscoveryProxyAuthentication => {
            let status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
            let mut response = body(status, "text/html", "<h1>Password, please</h1>");
            let basic = HeaderValue::from_static("Basic realm=\"proxy\"");
            response.headers_mut().insert(PROXY_AUTHENTICATE, basic);
            Some(response)
        }
        TenantFault::DiscoveryCaptivePortal => {
            answer(StatusCode::NETWORK_AUTHENTICATION_REQUIRED, "<h1>Welcome to our network</h1>")
        }
        TenantFault::DiscoveryProxyPage => {
            let mut response = body(StatusCode::FORBIDDEN, "text/html", "<h1>Access denied</h1>");
            let headers = response.headers_mut();
            headers.insert(VIA, HeaderValue::from_static("1.1 gateway (squid/6.6)"));
            Some(response)
        }
        _ => None,
    }
}

/// What a fault changes in the metadata.
fn spoil(metadata: &mut Value, fault: TenantFault) {
    let without = |list: &Value, word: &str| -> Value {
        list.as_array().into_iter().flatten().filter(|item| *item != word).cloned().collect()
    };
    match fault {
        TenantFault::DiscoveryIssuerMismatch => metadata["issuer"] = json!(OTHER_ISSUER),
        TenantFault::DiscoveryWithoutTokenEndpoint => metadata["token_endpoint"] = Value::Null,
        TenantFault::DiscoveryPrivateEndpoint => {
            metadata["token_endpoint"] = json!("https://10.0.0.1/oauth2/v1/token");
        }
        TenantFault::DiscoveryForeignUserinfo => {
            metadata["userinfo_endpoint"] = json!(format!("{OTHER_ISSUER}/oauth2/v1/userinfo"));
        }
        TenantFault::DiscoveryWithoutUserinfo => metadata["userinfo_endpoint"] = Value::Null,
        TenantFault::DiscoveryWithoutGroups => {
            metadata["scopes_supported"] = without(&metadata["scopes_supported"], "groups");
        }
        TenantFault::DiscoveryWithoutEmail => {
            metadata["scopes_supported"] = without(&metadata["scopes_supported"], "email");
        }
        TenantFault::DiscoveryOnlyHs256 => {
            metadata["id_token_signing_alg_values_supported"] = json!(["HS256"]);
        }
        TenantFault::DiscoveryOnlyEs256 => {
            metadata["id_token_signing_alg_values_supported"] = json!(["ES256"]);
        }
        TenantFault::DiscoveryOnlyPrivateKeyJwt => {
            metadata["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt"]);
        }
        TenantFault::DiscoveryOnlyPlainPkce => {
            metadata["code_challenge_methods_supported"] = json!(["plain"]);
        }
        TenantFault::DiscoveryWithoutLogout => metadata["end_session_endpoint"] = Value::Null,
        TenantFault::DiscoveryScriptLogout => {
            metadata["end_session_endpoint"] = json!("javascript:alert(document.domain)");
        }
        TenantFault::DiscoveryPrivateLogout => {
            metadata["end_session_endpoint"] = json!("http://169.254.169.254/latest/meta-data");
        }
        _ => {}
    }
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
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
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
            TenantFault::KeysOnlyEc => {
                return json_response(StatusCode::OK, &json!({ "keys": [ec_key()] }));
            }
            TenantFault::KeysOversize => return oversize(),
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
    let keys = ring.jwks();
    let faults = state.faults.clone();
    match keys.map(|keys| spoil_keys(keys, &faults)) {
        Ok(keys) => cacheable(json_response(StatusCode::OK, &keys), caching),
        Err(_) => error_json(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The P-256 key of RFC 7517 appendix A.1.
fn ec_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "kid": "1", "alg": "ES256",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}

fn spoil_keys(mut set: Value, faults: &[TenantFault]) -> Value {
    let Some(keys) = set["keys"].as_array_mut() else { return set };
    if faults.contains(&TenantFault::KeysTwice) {
        keys.extend(keys.clone());
    }
    if faults.contains(&TenantFault::KeysPrivate) {
        keys.iter_mut().for_each(|key| key["d"] = json!("c2VjcmV0"));
    }
    set
}

fn cacheable(mut response: Response, caching: &'static str) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response
}
