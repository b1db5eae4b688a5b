//! Whole logins, and the token endpoint.

use serde_json::{Value, json};

use super::idp::{REDIRECT_URI, Reply, World};
use super::keys;
use crate::base::failure::FailureCode::{self, *};
use crate::base::secret::Secret;
use crate::upstream::oidc::algorithm::Algorithm;
use crate::upstream::oidc::{ClientAuthentication, SigningAlgorithm};
use crate::upstream::{self, Ask, Groups, Wishes};

async fn world() -> World {
    World::new().await
}

#[tokio::test]
async fn a_login_brings_what_the_provider_vouches_for() {
    let mut world = world().await;
    let before = world.settings.clone();
    let assertion = world.login(|claims| claims["sid"] = json!("s1")).await.unwrap();
    assert_eq!(assertion.issuer, before.issuer);
    assert_eq!(assertion.subject, "00u1");
    assert_eq!(assertion.profile.email.as_str(), "ada@corp.com");
    assert_eq!(assertion.profile.first_name.as_deref(), Some("Ada"));
    assert_eq!(assertion.profile.last_name.as_deref(), Some("Lovelace"));
    assert_eq!(assertion.profile.email_verified, None);
    assert_eq!(assertion.groups, Groups::Present(vec!["Admins".into(), "Staff".into()]));
    assert_eq!(assertion.session_id.as_deref(), Some("s1"));
    assert_eq!(assertion.claims["given_name"], "Ada");
    let sent = &world.idp.seen("/token")[0];
    assert_eq!(sent.method, http::Method::POST);
    // "client:s3cret"
    assert_eq!(sent.headers["authorization"], "Basic Y2xpZW50OnMzY3JldA==");
    assert_eq!(sent.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(sent.headers["accept-encoding"], "identity");
    assert!(sent.headers.get("origin").is_none());
    let body: Vec<(String, String)> =
        url::form_urlencoded::parse(&sent.body).into_owned().collect();
    let names: Vec<&str> = body.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "code", "redirect_uri", "code_verifier"]);
    assert_eq!(body[1].1, "c0de");
    assert_eq!(body[2].1, REDIRECT_URI);
    let names: Vec<&str> = world.trace.steps().map(|step| &*step.name).collect();
    for step in ["discovery.issuer", "id_token.iss", "id_token.nonce", "userinfo.sub"] {
        assert!(names.contains(&step), "{step} is not in {names:?}");
    }
}

#[tokio::test]
async fn sec_01_no_secret_stands_in_the_trace_or_in_a_failure() {
    let mut world = world().await;
    let memory = world.memory().await;
    let token = keys::rsa().rs256(&world.claims(&memory));
    world.login_with(&memory, &token).await.unwrap();
    let wrong = keys::other_rsa().rs256(&world.claims(&memory));
    world.idp.on("/token", World::tokens(&wrong));
    let failure = world.finish(&memory, "code=c0de").await.unwrap_err();
    world.trace.failed(&failure);
    let shown = format!("{:?} {memory:?}", world.trace);
    let verifier = memory.code_verifier.as_deref().unwrap();
    for secret in ["c0de", "s3cret", verifier, &memory.nonce, &token, &wrong, "Y2xpZW50"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn idt_01_to_31_a_refused_id_token_never_leads_to_userinfo() {
    let mut world = world().await;
    let refused = world.login(|claims| claims["iss"] = json!("https://evil.example")).await;
    assert_eq!(refused.unwrap_err(), IdTokenIss);
    assert_eq!(world.login(|claims| claims["nonce"] = json!("x")).await.unwrap_err(), IdTokenNonce);
    assert!(world.idp.seen("/userinfo").is_empty());
    // The token of one sign-in, brought to another.
    let (first, second) = (world.memory().await, world.memory().await);
    let token = keys::rsa().rs256(&world.claims(&first));
    assert!(world.login_with(&first, &token).await.is_ok());
    assert_eq!(world.login_with(&second, &token).await.unwrap_err(), IdTokenNonce);
}

#[tokio::test]
async fn idt_34_a_fresh_login_is_asked_for_and_must_be_proven() {
    let mut world = world().await;
    let ask = Ask { wishes: Wishes { prompt_login: true, ..Wishes::default() }, ..World::ask() };
    let departure = world.begin(&ask).await.unwrap();
    assert!(departure.url.contains("&prompt=login&max_age=0"), "{}", departure.url);
    let upstream::Memory::Oidc(memory) = departure.memory;
    let mut claims = world.claims(&memory);
    let token = keys::rsa().rs256(&claims);
    assert_eq!(world.login_with(&memory, &token).await.unwrap_err(), IdTokenAuthTime);
    claims["auth_time"] = claims["iat"].clone();
    let token = keys::rsa().rs256(&claims);
    assert!(world.login_with(&memory, &token).await.is_ok());
}

#[tokio::test]
async fn idp_10_secrets_with_odd_characters_are_encoded_as_the_rfc_asks() {
    let mut world = world().await;
    world.secrets = vec![Secret::new("a+b %:&é")];
    world.login(|_| ()).await.unwrap();
    let sent = world.idp.seen("/token")[0].headers["authorization"].to_str().unwrap().to_owned();
    use base64::Engine;
    let pair = base64::engine::general_purpose::STANDARD
        .decode(sent.strip_prefix("Basic ").unwrap())
        .unwrap();
    assert_eq!(String::from_utf8(pair).unwrap(), "client:a%2Bb+%25%3A%26%C3%A9");
    world.settings.client_authentication = ClientAuthentication::ClientSecretPost;
    world.login(|_| ()).await.unwrap();
    let sent = &world.idp.seen("/token")[1];
    assert!(sent.headers.get("authorization").is_none());
    let body = std::str::from_utf8(&sent.body).unwrap();
    assert!(body.ends_with("&client_id=client&client_secret=a%2Bb+%25%3A%26%C3%A9"), "{body}");
}

#[tokio::test]
async fn the_client_authenticates_in_a_way_that_is_offered() {
    for (offered, basic) in [
        (json!(null), Some(true)),
        (json!(["client_secret_post", "client_secret_basic"]), Some(true)),
        (json!(["client_secret_post"]), Some(false)),
        (json!(["private_key_jwt"]), None),
    ] {
        let mut world = world().await;
        world.idp.metadata_with("token_endpoint_auth_methods_supported", offered);
        let result = world.login(|_| ()).await;
        match basic {
            None => assert_eq!(result.unwrap_err(), ClientAuthenticationUnsupported),
            Some(basic) => {
                let sent = &world.idp.seen("/token")[0];
                assert_eq!(sent.headers.contains_key("authorization"), basic);
            }
        }
    }
}

#[tokio::test]
async fn idp_11_the_next_secret_is_tried_once_when_the_first_is_refused() {
    let mut world = world().await;
    let memory = world.memory().await;
    let token = keys::rsa().rs256(&world.claims(&memory));
    let refusal = || Reply::json(&json!({"error": "invalid_client"})).status(401);
    world.secrets = vec![Secret::new("old"), Secret::new("new"), Secret::new("never")];
    world.idp.in_turn("/token", vec![refusal(), World::tokens(&token)]);
    assert!(world.finish(&memory, "code=c").await.is_ok());
    assert_eq!(world.idp.seen("/token").len(), 2);
    world.idp.on("/token", refusal());
    let failure = world.finish(&memory, "code=c").await.unwrap_err();
    assert_eq!(failure.code, TokenEndpointInvalidClient);
    assert_eq!(world.idp.seen("/token").len(), 4);
}

async fn token_answer(reply: Reply) -> (FailureCode, usize) {
    let mut world = world().await;
    world.secrets.push(Secret::new("next"));
    let memory = world.memory().await;
    world.idp.on("/token", reply);
    let failure = world.finish(&memory, "code=c").await.unwrap_err();
    assert!(world.idp.seen("/userinfo").is_empty());
    (failure.code, world.idp.seen("/token").len())
}

#[tokio::test]
async fn idp_02_03_04_09_a_refusal_is_named_and_the_code_is_not_sent_again() {
    let error = |status, error: &str, description: &str| {
        Reply::json(&json!({"error": error, "error_description": description})).status(status)
    };
    for (reply, expected) in [
        (error(400, "invalid_grant", ""), TokenEndpointInvalidGrant),
        (error(200, "invalid_grant", ""), TokenEndpointInvalidGrant),
        (
            error(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing."),
            TokenEndpointDpop,
        ),
        (error(400, "use_dpop_nonce", ""), TokenEndpointDpop),
        (error(400, "invalid_request", "DPoP required"), TokenEndpointDpop),
        (error(400, "unauthorized_client", ""), TokenEndpointError),
        (Reply::text("text/html", "<h1>Bad gateway").status(502), TokenEndpointError),
        (Reply::text("text/html", "slow down").status(429), TokenEndpointRateLimited),
        (Reply::text("", "").status(503), TokenEndpointRateLimited),
        (Reply::text("", "").status(500), TokenEndpointError),
    ] {
        assert_eq!(token_answer(reply).await, (expected, 1));
    }
}

#[tokio::test]
async fn idp_12_a_redirect_of_the_token_endpoint_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::text("", "").status(status).header("location", "/elsewhere");
        assert_eq!(token_answer(reply).await, (TokenEndpointError, 1));
    }
}

#[tokio::test]
async fn idp_05_uin_07_uin_08_a_malformed_token_response_is_refused() {
    let with = |name: &str, value: Value| {
        let mut members =
            json!({"token_type": "Bearer", "access_token": "at", "id_token": "a.b.c"});
        members[name] = value;
        Reply::json(&members)
    };
    let without = |name: &str| {
        let mut members =
            json!({"token_type": "Bearer", "access_token": "at", "id_token": "a.b.c"});
        members.as_object_mut().unwrap().remove(name);
        Reply::json(&members)
    };
    let twice = r#"{"token_type":"Bearer","access_token":"at","id_token":"a","id_token":"b"}"#;
    let good = r#"{"token_type":"Bearer","access_token":"at","id_token":"a.b.c"}"#;
    for (reply, expected) in [
        (Reply::text("application/json", "{"), TokenResponseInvalid),
        (Reply::text("application/json", "[]"), TokenResponseInvalid),
        (Reply::text("application/json", ""), TokenResponseInvalid),
        (Reply::text("application/json", twice), TokenResponseInvalid),
        (Reply::text("text/html", good), TokenResponseInvalid),
        (Reply::text("application/x-www-form-urlencoded", good), TokenResponseInvalid),
        (Reply::text("application/json", vec![b' '; 20_000_000]), TokenResponseInvalid),
        (
            Reply::text("application/json", good).header("content-encoding", "gzip"),
            TokenResponseInvalid,
        ),
        (without("access_token"), TokenResponseInvalid),
        (with("access_token", json!(1)), TokenResponseInvalid),
        (with("id_token", json!(1)), TokenResponseInvalid),
        (without("id_token"), IdTokenMissing),
        (with("id_token", Value::Null), IdTokenMissing),
        (without("token_type"), TokenTypeInvalid),
        (with("token_type", json!("DPoP")), TokenTypeInvalid),
        (with("token_type", json!("mac")), TokenTypeInvalid),
        (with("access_token", json!("")), AccessTokenInvalid),
        (with("access_token", json!("a\r\nX-Evil: 1")), AccessTokenInvalid),
        (with("access_token", json!("a b")), AccessTokenInvalid),
        (with("access_token", json!("tökén")), AccessTokenInvalid),
        (with("access_token", json!("a".repeat(100_000))), AccessTokenInvalid),
        // The type is compared without regard to case, and the rest may be anything.
        (with("token_type", json!("bearer")), IdTokenFormat),
        (with("token_type", json!("BEARER")), IdTokenFormat),
        (with("expires_in", json!("soon")), IdTokenFormat),
    ] {
        assert_eq!(token_answer(reply).await, (expected, 1));
    }
}

#[tokio::test]
async fn a_connection_may_pin_another_algorithm() {
    let mut world = world().await;
    world.settings.signing_algorithm = SigningAlgorithm::Pinned(Algorithm::Es256);
    let jwk = keys::p256().jwk(json!({"kid": "k1"}));
    world.idp.on("/keys", Reply::text("application/json", keys::set(&[jwk])));
    let memory = world.memory().await;
    let claims = world.claims(&memory);
    let header = br#"{"alg":"ES256","kid":"k1"}"#;
    let token = keys::p256().token(Algorithm::Es256, header, claims.to_string().as_bytes());
    assert!(world.login_with(&memory, &token).await.is_ok());
    let token = keys::rsa().rs256(&claims);
    assert_eq!(world.login_with(&memory, &token).await.unwrap_err(), IdTokenAlg);
}
