//! Sign-ins that work.

use serde_json::json;

use super::*;
use crate::sandbox::okta::{GroupsFilter, TooManyGroups};

#[tokio::test]
async fn a_person_signs_in_and_the_relying_party_learns_who_it_is() {
    let world = World::new();
    let tokens = world.tokens(Server::Org, &[]).await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 3600);
    assert_eq!(tokens["scope"], "openid profile email");
    assert!(world.is_signed(Server::Org, &tokens).await);

    let header = part(tokens["id_token"].as_str().unwrap(), 0);
    assert_eq!(header["alg"], "RS256");
    let claims = claims(&tokens);
    assert_eq!(claims["iss"], BASE);
    assert_eq!(claims["aud"], world.app.client_id);
    assert_eq!(claims["sub"], world.ada);
    assert_eq!(claims["nonce"], "a nonce");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    let hash = sha256(tokens["access_token"].as_str().unwrap().as_bytes());
    assert_eq!(claims["at_hash"], base64url(&hash[..16]));

    let userinfo = world.userinfo(Server::Org, &tokens).await;
    assert_eq!(userinfo.status, StatusCode::OK);
    assert!(userinfo.headers.contains_key("x-okta-request-id"));
    assert_eq!(userinfo.json()["sub"], world.ada);
}

#[tokio::test]
async fn the_id_token_is_thin_and_userinfo_is_not() {
    let world = World::new();
    let scope = [("scope", "openid profile email groups")];
    let tokens = world.tokens(Server::Org, &scope).await;
    let claims = claims(&tokens);
    assert_eq!(claims["name"], "Ada Lovelace");
    assert_eq!(claims["preferred_username"], "ada@example.com");
    for name in ["email", "given_name", "family_name", "groups"] {
        assert!(claims.get(name).is_none(), "{name}");
    }
    let userinfo = world.userinfo(Server::Org, &tokens).await.json();
    assert_eq!(userinfo["email"], "ada@example.com");
    assert_eq!(userinfo["email_verified"], true);
    assert_eq!(userinfo["given_name"], "Ada");
    assert_eq!(userinfo["family_name"], "Lovelace");
    assert_eq!(userinfo["groups"], json!(["Engineering", "Everyone"]));
}

#[tokio::test]
async fn claims_come_only_with_their_scope() {
    let world = World::new();
    let tokens = world.tokens(Server::Org, &[("scope", "openid")]).await;
    assert!(claims(&tokens).get("name").is_none());
    let userinfo = world.userinfo(Server::Org, &tokens).await.json();
    assert_eq!(userinfo, json!({ "sub": world.ada }));
}

#[tokio::test]
async fn groups_come_only_if_the_app_has_a_groups_claim_and_some_match() {
    let world = World::new();
    let scope = [("scope", "openid groups")];
    let client_id = &world.app.client_id;
    let equals = |name: &str| Some(GroupsClaim::new(GroupsFilter::Equals(name.to_owned())));
    for (claim, expected) in [
        (None, None),
        (equals("Nobody"), None),
        (equals("Engineering"), Some(json!(["Engineering"]))),
    ] {
        world.tenant.set_groups_claim(client_id, claim).unwrap();
        let tokens = world.tokens(Server::Org, &scope).await;
        let userinfo = world.userinfo(Server::Org, &tokens).await.json();
        assert_eq!(userinfo.get("groups"), expected.as_ref());
    }
}

#[tokio::test]
async fn more_than_a_hundred_groups_behave_as_the_app_says() {
    let world = World::new();
    for number in 0..120 {
        let group = world.tenant.create_group(&format!("g{number:03}"));
        world.tenant.add_member(&group, &world.ada).unwrap();
    }
    let scope = [("scope", "openid groups")];
    for (too_many, expected) in [(TooManyGroups::Exempt, 122), (TooManyGroups::Truncate, 100)] {
        let claim = GroupsClaim { too_many, ..GroupsClaim::all() };
        world.tenant.set_groups_claim(&world.app.client_id, Some(claim)).unwrap();
        let tokens = world.tokens(Server::Org, &scope).await;
        let userinfo = world.userinfo(Server::Org, &tokens).await.json();
        assert_eq!(userinfo["groups"].as_array().unwrap().len(), expected);
    }
    let claim = GroupsClaim { too_many: TooManyGroups::Error, ..GroupsClaim::all() };
    world.tenant.set_groups_claim(&world.app.client_id, Some(claim)).unwrap();
    let url = world.authorize_url(Server::Org, &scope);
    let location = world.tenant.sign_in(&url, "ada@example.com").await.unwrap();
    let description = query(&location, "error_description").unwrap();
    assert_eq!(description, "The 'groups' user claim could not be evaluated.");
}

#[tokio::test]
async fn the_custom_authorization_server_has_its_own_issuer_endpoints_and_keys() {
    let world = World::new();
    let path = "/oauth2/default/.well-known/openid-configuration";
    let metadata = world.get(path, "").await.json();
    assert_eq!(metadata["issuer"], "http://127.0.0.1:9001/oauth2/default");
    let token_endpoint = "http://127.0.0.1:9001/oauth2/default/v1/token";
    assert_eq!(metadata["token_endpoint"], token_endpoint);
    assert!(!metadata["scopes_supported"].as_array().unwrap().contains(&json!("groups")));
    assert_eq!(world.tenant.discovery_endpoint(Server::Default), format!("{BASE}{path}"));

    let tokens = world.tokens(Server::Default, &[]).await;
    assert_eq!(claims(&tokens)["iss"], metadata["issuer"]);
    assert!(world.is_signed(Server::Default, &tokens).await);
    assert!(!world.is_signed(Server::Org, &tokens).await);
    assert_eq!(world.userinfo(Server::Default, &tokens).await.status, StatusCode::OK);
    assert_eq!(world.userinfo(Server::Org, &tokens).await.status, StatusCode::UNAUTHORIZED);
    let code = world.code(Server::Default, &[]).await;
    assert_eq!(world.redeem(Server::Org, &code).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn discovery_of_the_org_server_names_what_okta_names() {
    let world = World::new();
    let answer = world.get("/.well-known/openid-configuration", "").await;
    let metadata = answer.json();
    assert_eq!(metadata["issuer"], BASE);
    assert_eq!(metadata["jwks_uri"], format!("{BASE}/oauth2/v1/keys"));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert!(metadata["scopes_supported"].as_array().unwrap().contains(&json!("groups")));
    assert_eq!(world.tenant.count("/.well-known/openid-configuration"), 1);
}

#[tokio::test]
async fn who_is_signed_in_signs_in_silently_unless_the_password_is_asked_for() {
    let world = World::new();
    let cookie = world.session().await;
    let visit = async |changes: &[(&str, &str)]| {
        world.get(&world.authorize_url(Server::Org, changes), &cookie).await
    };
    assert!(query(visit(&[]).await.location(), "code").is_some());
    assert!(query(visit(&[("prompt", "none")]).await.location(), "code").is_some());
    assert!(query(visit(&[("max_age", "60")]).await.location(), "code").is_some());
    assert_eq!(visit(&[("prompt", "login")]).await.status, StatusCode::OK);
    assert_eq!(visit(&[("max_age", "0")]).await.status, StatusCode::OK);
    world.clock.advance_ms(61_000);
    assert_eq!(visit(&[("max_age", "60")]).await.status, StatusCode::OK);
    assert!(query(visit(&[]).await.location(), "code").is_some());
}

#[tokio::test]
async fn auth_time_is_the_moment_of_the_password() {
    let world = World::new();
    let cookie = world.session().await;
    world.clock.advance_ms(600_000);
    let answer = world.get(&world.authorize_url(Server::Org, &[]), &cookie).await;
    let code = query(answer.location(), "code").unwrap();
    let claims = claims(&world.redeem(Server::Org, &code).await.json());
    let age_s = claims["iat"].as_i64().unwrap() - claims["auth_time"].as_i64().unwrap();
    assert!((600..=602).contains(&age_s), "{age_s}");
}

#[tokio::test]
async fn the_sign_in_page_shows_the_login_hint_escaped_and_the_wrong_password() {
    let world = World::new();
    let hint = [("login_hint", "\"><b>ada")];
    let page = world.get(&world.authorize_url(Server::Org, &hint), "").await;
    assert!(page.body.contains("value=\"&#34;&#62;&#60;b&#62;ada\""), "{}", page.body);
    assert!(!page.body.contains("style=") && !page.body.contains("<style"));
    let again = world.type_password(&page, "wrong").await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.body.contains("Unable to sign in"));
    assert!(again.body.contains("value=\"ada@example.com\""));
    assert!(!again.headers.contains_key(SET_COOKIE));
    let done = world.type_password(&again, "correct horse").await;
    assert!(query(done.location(), "code").is_some());
}

#[tokio::test]
async fn consent_is_asked_for_and_can_be_refused() {
    let world = World::new();
    let cookie = world.session().await;
    let url = world.authorize_url(Server::Org, &[("prompt", "consent")]);
    for (decision, expected) in [("allow", "code"), ("deny", "error")] {
        let page = world.get(&url, &cookie).await;
        assert!(page.body.contains("Allow access"));
        let (_, rest) = page.body.split_once("name=\"transaction\" value=\"").unwrap();
        let (transaction, _) = rest.split_once('"').unwrap();
        let fields = form(&[("transaction", transaction), ("decision", decision)]);
        let answer = world.post("/login/consent", &[(COOKIE.as_str(), &cookie)], fields).await;
        assert!(query(answer.location(), expected).is_some(), "{}", answer.location());
    }
}

#[tokio::test]
async fn form_post_answers_with_a_form() {
    let world = World::new();
    let cookie = world.session().await;
    let url = world.authorize_url(Server::Org, &[("response_mode", "form_post")]);
    let page = world.get(&url, &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains(&format!("action=\"{CALLBACK}\"")), "{}", page.body);
    assert!(page.body.contains("name=\"state\" value=\"a state\""));
    assert!(page.body.contains("name=\"code\" value=\""));
}

#[tokio::test]
async fn two_secrets_work_side_by_side_by_basic_and_by_post() {
    let world = World::new();
    let client_id = &world.app.client_id;
    let second = world.tenant.add_secret(client_id).unwrap();
    assert!(world.tenant.add_secret(client_id).is_err());
    let first = world.app.client_secret.expose();
    for secret in [first, second.expose()] {
        let code = world.code(Server::Org, &[]).await;
        let basic = world.basic(secret);
        let answer = world.redeem_with(Server::Org, &basic, &code, &[]).await;
        assert_eq!(answer.status, StatusCode::OK);
        let code = world.code(Server::Org, &[]).await;
        let body = [("client_id", client_id.as_str()), ("client_secret", secret)];
        let answer = world.redeem_with(Server::Org, "", &code, &body).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    world.tenant.deactivate_secret(client_id, first).unwrap();
    let code = world.code(Server::Org, &[]).await;
    let answer = world.redeem(Server::Org, &code).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let basic = world.basic(second.expose());
    let answer = world.redeem_with(Server::Org, &basic, &code, &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_rotate_the_way_okta_rotates_them() {
    let world = World::new();
    let before = world.tokens(Server::Org, &[]).await;
    assert_eq!(world.keys(Server::Org).await.len(), 1);
    world.tenant.publish_next_key(Server::Org).unwrap();
    let published = world.get("/oauth2/v1/keys", "").await;
    assert_eq!(published.headers["cache-control"], "no-cache, no-store");
    let next = published.json()["keys"][1]["kid"].clone();
    world.tenant.rotate_keys(Server::Org).unwrap();
    let after = world.tokens(Server::Org, &[]).await;
    assert_eq!(part(after["id_token"].as_str().unwrap(), 0)["kid"], next);
    assert!(world.is_signed(Server::Org, &before).await);
    world.tenant.drop_old_keys(Server::Org);
    assert!(!world.is_signed(Server::Org, &before).await);
    assert!(world.is_signed(Server::Org, &after).await);
}

#[tokio::test]
async fn logout_ends_the_session_and_returns_to_registered_addresses_only() {
    let world = World::new();
    let cookie = world.session().await;
    let tokens = world.tokens(Server::Org, &[]).await;
    let home = "https://app.example/";
    let id_token = tokens["id_token"].as_str().unwrap();
    let pairs = [("id_token_hint", id_token), ("post_logout_redirect_uri", home), ("state", "bye")];
    let url = with_query("/oauth2/v1/logout", &pairs);
    assert_eq!(world.get(&url, &cookie).await.status, StatusCode::BAD_REQUEST);
    let register = |app: &mut crate::sandbox::okta::AppIntegration| {
        app.post_logout_redirect_uris.push(home.to_owned());
    };
    world.tenant.edit_app(&world.app.client_id, register).unwrap();
    let answer = world.get(&url, &cookie).await;
    assert_eq!(answer.location(), "https://app.example/?state=bye");
    let page = world.get(&world.authorize_url(Server::Org, &[]), &cookie).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_tenant() {
    let (one, other) = (World::new(), World::new());
    assert_eq!(one.ada, other.ada);
    assert_eq!(one.app.client_id, other.app.client_id);
    assert_eq!(one.app.client_secret.expose(), other.app.client_secret.expose());
    assert!(one.ada.starts_with("00u") && one.ada.len() == 20);
    let ids: std::collections::BTreeSet<_> = one.tenant.users().into_iter().map(|u| u.id).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn a_revoked_access_token_is_inactive() {
    let world = World::new();
    let tokens = world.tokens(Server::Org, &[]).await;
    let basic = world.basic(world.app.client_secret.expose());
    let headers = [(AUTHORIZATION.as_str(), basic.as_str())];
    let token = form(&[("token", tokens["access_token"].as_str().unwrap())]);
    let ask = async || world.post("/oauth2/v1/introspect", &headers, token.clone()).await.json();
    assert_eq!(ask().await["active"], true);
    world.post("/oauth2/v1/revoke", &headers, token.clone()).await;
    assert_eq!(ask().await["active"], false);
    assert_eq!(world.userinfo(Server::Org, &tokens).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_test_can_look_at_what_the_relying_party_sent() {
    let world = World::new();
    world.tokens(Server::Org, &[]).await;
    let requests = world.tenant.requests("/oauth2/v1/token");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].form("code_verifier").as_deref(), Some(VERIFIER));
    assert_eq!(requests[0].status, StatusCode::OK);
    assert!(!requests[0].headers.contains_key("origin"));
}
