//! The ID token: thin, as Okta issues it in the authorization code flow.

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use serde_json::{Map, Value, json};

use crate::base::secret::{base64url, random_alphanumeric, sha256};

use super::Tenant;
use super::authorize::Grant;
use super::directory::AppIntegration;
use super::fault::{Fault, OTHER_CLIENT, OTHER_ISSUER, OTHER_SUB};
use super::keys::SigningKey;
use super::server::Server;

/// How long an ID token is good for: one hour, in seconds.
const LIFETIME_S: i64 = 60 * 60;

/// The signed ID token of a grant, with the faults of the app.
pub(super) fn issue(
    tenant: &Tenant,
    app: &AppIntegration,
    grant: &Grant,
    access_token: &str,
) -> Result<String, Unspecified> {
    let mut claims = claims(tenant, grant, access_token);
    if app.logout_request_url.is_some() {
        claims.insert("sid".to_owned(), json!(grant.sid));
    }
    spoil_claims(&mut claims, &app.faults);
    let mut payload = Value::Object(claims).to_string();
    if app.has(Fault::DuplicatedClaims) {
        payload.pop();
        payload.push_str(&format!(",\"sub\":\"{OTHER_SUB}\",\"nonce\":\"another-nonce\"}}"));
    }
    sign(tenant, app, grant, &payload)
}

fn claims(tenant: &Tenant, grant: &Grant, access_token: &str) -> Map<String, Value> {
    let now_s = tenant.now().as_s();
    let request = &grant.request;
    let mut claims = Map::new();
    let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    put("sub", json!(grant.user_id));
    if request.grants("profile") {
        let user = tenant.state().directory.user(&grant.user_id).cloned();
        if let Some(user) = user {
            put("name", json!(user.name()));
            put("preferred_username", json!(user.email));
        }
    }
    put("ver", json!(1));
    put("iss", json!(tenant.issuer(request.back.server)));
    put("aud", json!(request.back.client_id));
    put("iat", json!(now_s));
    put("exp", json!(now_s + LIFETIME_S));
    put("jti", json!(format!("ID.{}", random_alphanumeric(43))));
    put("amr", json!(["pwd"]));
    put("idp", json!("00osandbox00000000000"));
    if let Some(nonce) = &request.nonce {
        put("nonce", json!(nonce));
    }
    put("auth_time", json!(grant.auth_time_s));
    put("at_hash", json!(at_hash(access_token)));
    claims
}

/// The left half of the hash of the access token (OpenID Connect Core 1.0 section 3.1.3.6).
fn at_hash(access_token: &str) -> String {
    base64url(&sha256(access_token.as_bytes())[..16])
}

fn spoil_claims(claims: &mut Map<String, Value>, faults: &[Fault]) {
    let hour_s = 60 * 60;
    let now_s = claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
    for fault in faults {
        let (name, value) = match fault {
            Fault::WrongNonce => ("nonce", json!("another-nonce")),
            Fault::WrongIssuer => ("iss", json!(OTHER_ISSUER)),
            Fault::WrongAudience => ("aud", json!(OTHER_CLIENT)),
            Fault::ExtraAudience => ("aud", json!([claims.get("aud"), OTHER_CLIENT])),
            Fault::WrongAzp => ("azp", json!(OTHER_CLIENT)),
            Fault::WrongAtHash => ("at_hash", json!(at_hash("another access token"))),
            Fault::Expired => {
                claims.insert("iat".to_owned(), json!(now_s - 2 * hour_s));
                ("exp", json!(now_s - hour_s))
            }
            Fault::IssuedInTheFuture => {
                claims.insert("exp".to_owned(), json!(now_s + 2 * hour_s));
                claims.insert("auth_time".to_owned(), json!(now_s + hour_s));
                ("iat", json!(now_s + hour_s))
            }
            Fault::MissingNonce => {
                claims.remove("nonce");
                continue;
            }
            Fault::MissingSub => {
                claims.remove("sub");
                continue;
            }
            _ => continue,
        };
        claims.insert(name.to_owned(), value);
    }
}

fn sign(
    tenant: &Tenant,
    app: &AppIntegration,
    grant: &Grant,
    payload: &str,
) -> Result<String, Unspecified> {
    let server = grant.request.back.server;
    for fault in &app.faults {
        match fault {
            Fault::AlgNone => return Ok(format!("{}.", message("none", None, payload))),
            Fault::Hs256WithSecret => {
                let message = message("HS256", None, payload);
                let secret = app.secrets.first().ok_or(Unspecified)?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
                let signature = base64url(hmac::sign(&key, message.as_bytes()).as_ref());
                return Ok(format!("{message}.{signature}"));
            }
            Fault::BadSignature => {
                let key = tenant.state().keys(server).current()?;
                let signature = key.sign("something else")?;
                return Ok(format!("{}.{signature}", message("RS256", Some(&key.kid), payload)));
            }
            Fault::UnknownKid => {
                let key = tenant.state().keys(server).current()?;
                return with_rs256(&key, &random_alphanumeric(43), payload);
            }
            Fault::KeyRotatedBeforeSigning => tenant.state().keys(server).rotate()?,
            _ => {}
        }
    }
    let key: Arc<SigningKey> = tenant.state().keys(server).current()?;
    with_rs256(&key, &key.kid, payload)
}

/// A token with this header and these claims, signed with the key of an authorization server.
pub(super) fn sign_any(
    tenant: &Tenant,
    server: Server,
    header: &Value,
    claims: &Value,
) -> Result<String, Unspecified> {
    let key: Arc<SigningKey> = tenant.state().keys(server).current()?;
    let mut header = header.clone();
    if header.get("kid").is_none() {
        header["kid"] = json!(key.kid);
    }
    let encode = |value: &Value| base64url(value.to_string().as_bytes());
    let message = format!("{}.{}", encode(&header), encode(claims));
    let signature = key.sign(&message)?;
    Ok(format!("{message}.{signature}"))
}

fn with_rs256(key: &SigningKey, kid: &str, payload: &str) -> Result<String, Unspecified> {
    let message = message("RS256", Some(kid), payload);
    let signature = key.sign(&message)?;
    Ok(format!("{message}.{signature}"))
}

/// Header and payload, as they are signed (RFC 7515 section 5.1).
fn message(alg: &str, kid: Option<&str>, payload: &str) -> String {
    let header = match kid {
        Some(kid) => json!({ "kid": kid, "alg": alg }),
        None => json!({ "alg": alg }),
    };
    format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(payload.as_bytes()))
}
