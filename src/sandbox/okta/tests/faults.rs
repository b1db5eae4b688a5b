//! Each fault does what its name says.

use serde_json::json;

use super::*;
use crate::sandbox::okta::{Fault, TenantFault};

impl World {
    fn with(fault: Fault) -> Self {
        let world = Self::new();
        world.tenant.set_faults(&world.app.client_id, &[fault]).unwrap();
        world
    }

    /// The token answer, whatever it is.
    async fn token_answer(&self) -> Answer {
        let code = self.code(Server::Org, &[]).await;
        self.redeem(Server::Org, &code).await
    }
}

/// What a fault must have done to the claims.
type Check<'a> = &'a dyn Fn(&Value) -> bool;

#[tokio::test]
async fn a_claim_fault_changes_that_claim_and_leaves_the_signature_good() {
    let now_s = Clock::system().now().as_s();
    let is_past = |claims: &Value| claims["exp"].as_i64().unwrap() < now_s;
    let is_ahead = |claims: &Value| claims["iat"].as_i64().unwrap() > now_s + 3000;
    let hash = base64url(&sha256(b"another access token")[..16]);
    let checks: [(Fault, Check<'_>); 11] = [
        (Fault::WrongNonce, &|claims| claims["nonce"] == "another-nonce"),
        (Fault::MissingNonce, &|claims| claims.get("nonce").is_none()),
        (Fault::WrongIssuer, &|claims| claims["iss"] == "https://other-tenant.okta.example"),
        (Fault::WrongAudience, &|claims| claims["aud"] == "0oaotherclient0000000"),
        (Fault::ExtraAudience, &|claims| claims["aud"].as_array().unwrap().len() == 2),
        (Fault::WrongAzp, &|claims| claims["azp"] == "0oaotherclient0000000"),
        (Fault::MissingSub, &|claims| claims.get("sub").is_none()),
        (Fault::Expired, &is_past),
        (Fault::IssuedInTheFuture, &is_ahead),
        (Fault::WrongAtHash, &|claims| claims["at_hash"] == hash),
        (Fault::DuplicatedClaims, &|claims| claims["sub"] == "00uotherperson0000000"),
    ];
    let world = World::new();
    for (fault, check) in checks {
        world.tenant.set_faults(&world.app.client_id, &[fault]).unwrap();
        let tokens = world.tokens(Server::Org, &[]).await;
        assert!(check(&claims(&tokens)), "{fault:?}: {}", claims(&tokens));
        assert!(world.is_signed(Server::Org, &tokens).await, "{fault:?}");
    }
}

#[tokio::test]
async fn a_signature_fault_makes_a_token_that_no_published_key_signed() {
    let world = World::new();
    for (fault, alg) in [
        (Fault::BadSignature, "RS256"),
        (Fault::UnknownKid, "RS256"),
        (Fault::AlgNone, "none"),
        (Fault::Hs256WithSecret, "HS256"),
    ] {
        world.tenant.set_faults(&world.app.client_id, &[fault]).unwrap();
        let tokens = world.tokens(Server::Org, &[]).await;
        let header = part(tokens["id_token"].as_str().unwrap(), 0);
        assert_eq!(header["alg"], alg);
        assert!(!world.is_signed(Server::Org, &tokens).await, "{fault:?}");
        assert_eq!(claims(&tokens)["sub"], world.ada);
    }
}

#[tokio::test]
async fn a_key_that_rotates_before_signing_is_new_but_published() {
    let world = World::new();
    let known = world.keys(Server::Org).await;
    let rotate = [Fault::KeyRotatedBeforeSigning];
    world.tenant.set_faults(&world.app.client_id, &rotate).unwrap();
    let tokens = world.tokens(Server::Org, &[]).await;
    let kid = part(tokens["id_token"].as_str().unwrap(), 0)["kid"].clone();
    assert!(known.iter().all(|key| key["kid"] != kid));
    assert!(world.is_signed(Server::Org, &tokens).await);
}

#[tokio::test]
async fn userinfo_faults_do_what_they_say() {
    let world = World::new();
    let scope = [("scope", "openid email groups")];
    let ask = async |fault| {
        world.tenant.set_faults(&world.app.client_id, &[fault]).unwrap();
        let tokens = world.tokens(Server::Org, &scope).await;
        world.userinfo(Server::Org, &tokens).await
    };
    assert_ne!(ask(Fault::UserinfoOtherSub).await.json()["sub"], world.ada);
    assert_eq!(ask(Fault::UserinfoOnlySub).await.json(), json!({ "sub": world.ada }));
    assert_eq!(ask(Fault::EmailVerifiedAsText).await.json()["email_verified"], "true");
    let by_reference = ask(Fault::GroupsByReference).await.json();
    assert_eq!(by_reference["_claim_names"], json!({ "groups": "src1" }));
    assert!(by_reference.get("groups").is_none());
    let announced = ask(Fault::GroupsOnlyAnnounced).await.json();
    assert_eq!(announced["hasgroups"], true);
    assert!(announced.get("groups").is_none());
    let failed = ask(Fault::UserinfoServerError).await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    let refused = ask(Fault::UserinfoUnauthorized).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn token_endpoint_faults_do_what_they_say() {
    let failed = World::with(Fault::TokenServerError).token_answer().await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    let limited = World::with(Fault::TokenRateLimited).token_answer().await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.headers["retry-after"], "30");
    assert_eq!(limited.headers["x-rate-limit-remaining"], "0");
    let garbage = World::with(Fault::TokenGarbage).token_answer().await;
    assert!(garbage.status == StatusCode::OK && garbage.body.starts_with("<!doctype html>"));
    let oversize = World::with(Fault::TokenOversize).token_answer().await;
    assert_eq!(oversize.body.len(), 8 * 1024 * 1024);
    assert!(!oversize.headers.contains_key("content-length"));
    let redirect = World::with(Fault::TokenRedirect).token_answer().await;
    assert_eq!(redirect.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(redirect.location(), format!("{BASE}/sandbox/elsewhere"));
    let thin = World::with(Fault::TokenWithoutIdToken).token_answer().await;
    assert!(thin.json().get("id_token").is_none() && thin.json()["access_token"].is_string());
}

#[tokio::test]
async fn a_slow_token_endpoint_answers_well_but_late() {
    let world = World::with(Fault::TokenSlow { ms: 60 });
    let started_at = Clock::system().now().as_ms();
    assert_eq!(world.token_answer().await.status, StatusCode::OK);
    assert!(Clock::system().now().as_ms() - started_at >= 60);
}

#[tokio::test]
async fn a_fault_of_one_app_leaves_the_others_alone() {
    let world = World::new();
    let other = world.tenant.create_app(NewApp::default());
    world.tenant.set_faults(&other.client_id, &[Fault::TokenServerError]).unwrap();
    assert_eq!(world.token_answer().await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_issuer_comes_with_the_response_if_a_fault_says_so() {
    let url = |world: &World| world.authorize_url(Server::Org, &[]);
    for (faults, expected) in [
        (&[][..], None),
        (&[Fault::IssParameter], Some(BASE)),
        (&[Fault::WrongIssParameter], Some("https://other-tenant.okta.example")),
    ] {
        let world = World::new();
        world.tenant.set_faults(&world.app.client_id, faults).unwrap();
        let location = world.tenant.sign_in(&url(&world), "ada@example.com").await.unwrap();
        assert_eq!(query(&location, "iss").as_deref(), expected);
    }
}

#[tokio::test]
async fn discovery_and_keys_faults_concern_the_whole_tenant() {
    let world = World::new();
    let discover = async |fault| {
        world.tenant.set_tenant_faults(&[fault]);
        world.get("/.well-known/openid-configuration", "").await
    };
    let failed = discover(TenantFault::DiscoveryServerError).await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(discover(TenantFault::DiscoveryGarbage).await.body.starts_with("<!doctype"));
    let mismatch = discover(TenantFault::DiscoveryIssuerMismatch).await.json();
    assert_eq!(mismatch["issuer"], "https://other-tenant.okta.example");
    let member = "authorization_response_iss_parameter_supported";
    assert_eq!(mismatch[member], false);
    assert_eq!(discover(TenantFault::AdvertisesIssParameter).await.json()[member], true);

    world.tenant.set_tenant_faults(&[TenantFault::KeysEmpty]);
    assert!(world.keys(Server::Org).await.is_empty());
    world.tenant.set_tenant_faults(&[TenantFault::KeysServerError]);
    let failed = world.get("/oauth2/v1/keys", "").await;
    assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
    world.tenant.set_tenant_faults(&[]);
    assert_eq!(world.keys(Server::Org).await.len(), 1);
}

#[tokio::test]
async fn faults_can_be_switched_over_http() {
    let world = World::new();
    let put = async |path: String, body: &str| {
        let request = Request::put(path)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        world.send(request).await.status
    };
    let path = format!("/sandbox/apps/{}/faults", world.app.client_id);
    let faults = r#"["wrong_nonce", {"token_slow": {"ms": 1}}]"#;
    assert_eq!(put(path.clone(), faults).await, StatusCode::OK);
    let expected = [Fault::WrongNonce, Fault::TokenSlow { ms: 1 }];
    assert_eq!(world.tenant.apps()[0].faults, expected);
    assert_eq!(put(path, r#"["no_such_fault"]"#).await, StatusCode::UNPROCESSABLE_ENTITY);
    let path = "/sandbox/apps/0oaunknown/faults".to_owned();
    assert_eq!(put(path, faults).await, StatusCode::NOT_FOUND);
    let claim = r#"{"name": "roles", "filter": {"kind": "STARTS_WITH", "value": "Eng"}}"#;
    let path = format!("/sandbox/apps/{}/groups-claim", world.app.client_id);
    assert_eq!(put(path, claim).await, StatusCode::OK);
    let state = world.get("/sandbox/state", "").await;
    assert_eq!(state.json()["apps"][0]["groups_claim"]["name"], "roles");
    assert!(!state.body.contains(world.app.client_secret.expose()));
    let rotate = world.post("/sandbox/keys/org/rotate", &[], String::new()).await;
    assert_eq!(rotate.status, StatusCode::OK);
}

#[tokio::test]
async fn an_app_integration_can_be_created_over_http() {
    let world = World::new();
    world.tenant.create_group("Field");
    let create = async |body: &str| {
        let request = Request::post("/sandbox/apps")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        world.send(request).await
    };
    let made =
        create(r#"{"name": "Second", "redirect_uris": ["https://x/"], "groups": ["Field"]}"#);
    let made = made.await;
    assert_eq!(made.status, StatusCode::CREATED);
    let apps = world.tenant.apps();
    let app = apps.last().unwrap();
    assert_eq!(made.json()["client_id"], app.client_id);
    assert_eq!(made.json()["client_secret"], app.secrets[0].expose());
    assert_eq!((app.redirect_uris.len(), app.groups.len()), (1, 1));
    let unknown = create(r#"{"name": "x", "redirect_uris": [], "groups": ["Nobody"]}"#).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}
