//! Sign-ins that Okta refuses.

use super::*;
use crate::sandbox::okta::AppIntegration;

#[tokio::test]
async fn an_unknown_client_or_address_gets_a_page_and_never_a_redirect() {
    let world = World::new();
    let redirect = "The &#39;redirect_uri&#39; parameter must be a Login redirect URI in the \
                    client app settings";
    let client = "Invalid value for &#39;client_id&#39; parameter.";
    for (name, value, says) in [
        ("redirect_uri", "https://evil.example/", redirect),
        ("redirect_uri", "https://vestibule.example/sso/oidc/key/callback/", redirect),
        ("redirect_uri", "", redirect),
        ("client_id", "0oaunknown", client),
        ("client_id", "", client),
    ] {
        let answer = world.get(&world.authorize_url(Server::Org, &[(name, value)]), "").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(!answer.headers.contains_key(LOCATION));
        assert!(answer.body.contains(says), "{}", answer.body);
    }
    let twice = world.authorize_url(Server::Org, &[]) + "&redirect_uri=https://evil.example/";
    assert_eq!(world.get(&twice, "").await.status, StatusCode::BAD_REQUEST);
}

/// The error word and sentence of a redirect.
async fn refusal(
    world: &World,
    server: Server,
    changes: &[(&str, &str)],
    cookie: &str,
) -> (String, String) {
    let answer = world.get(&world.authorize_url(server, changes), cookie).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.body);
    let location = answer.location();
    assert!(location.starts_with(CALLBACK), "{location}");
    assert!(query(location, "code").is_none());
    (query(location, "error").unwrap(), query(location, "error_description").unwrap())
}

#[tokio::test]
async fn each_authorization_server_refuses_scopes_in_its_own_words() {
    let world = World::new();
    let refuse = async |server, scope| refusal(&world, server, &[("scope", scope)], "").await;
    let (error, description) = refuse(Server::Default, "openid groups").await;
    assert_eq!(error, "invalid_scope");
    assert_eq!(
        description,
        "One or more scopes are not configured for the authorization server resource."
    );
    let (error, description) = refuse(Server::Org, "openid payroll").await;
    assert_eq!(error, "invalid_scope");
    assert_eq!(description, "Custom scopes are not allowed for this request.");
    assert_eq!(refuse(Server::Org, "profile").await.0, "invalid_scope");
}

#[tokio::test]
async fn a_malformed_request_is_told_to_the_relying_party() {
    let world = World::new();
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("state", "", "invalid_request"),
        ("prompt", "sometimes", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("response_mode", "okta_post_message", "invalid_request"),
        ("scope", "", "invalid_scope"),
    ] {
        let found = refusal(&world, Server::Org, &[(name, value)], "").await;
        assert_eq!(found.0, error, "{name}={value}: {}", found.1);
    }
    let twice = world.authorize_url(Server::Org, &[]) + "&nonce=another";
    let answer = world.get(&twice, "").await;
    assert_eq!(query(answer.location(), "error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn somebody_without_the_app_is_refused_at_the_callback() {
    let world = World::new();
    let url = world.authorize_url(Server::Org, &[]);
    let location = world.tenant.sign_in(&url, "grace@example.com").await.unwrap();
    assert_eq!(query(&location, "error").as_deref(), Some("access_denied"));
    let description = query(&location, "error_description").unwrap();
    assert_eq!(description, "User is not assigned to the client application.");
    assert_eq!(query(&location, "state").as_deref(), Some("a state"));
    let grace = world.tenant.users().pop().unwrap().id;
    let assign = |app: &mut AppIntegration| app.users.insert(grace);
    world.tenant.edit_app(&world.app.client_id, assign).unwrap();
    let location = world.tenant.sign_in(&url, "grace@example.com").await.unwrap();
    assert!(query(&location, "code").is_some());
}

#[tokio::test]
async fn a_suspended_person_cannot_sign_in() {
    let world = World::new();
    world.tenant.edit_user(&world.ada, |user| user.suspended = true).unwrap();
    let url = world.authorize_url(Server::Org, &[]);
    let refused = world.tenant.sign_in(&url, "ada@example.com").await.unwrap_err();
    assert!(refused.0.contains("Unable to sign in"));
}

#[tokio::test]
async fn prompt_none_without_a_session_is_login_required() {
    let world = World::new();
    let none = [("prompt", "none")];
    assert_eq!(refusal(&world, Server::Org, &none, "").await.0, "login_required");
    let cookie = world.session().await;
    let stale = [("prompt", "none"), ("max_age", "0")];
    assert_eq!(refusal(&world, Server::Org, &stale, &cookie).await.0, "login_required");
}

#[tokio::test]
async fn a_code_works_once_for_a_minute_at_its_address() {
    let world = World::new();
    let code = world.code(Server::Org, &[]).await;
    assert_eq!(world.redeem(Server::Org, &code).await.status, StatusCode::OK);
    let again = world.redeem(Server::Org, &code).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(again.json()["error"], "invalid_grant");

    let code = world.code(Server::Org, &[]).await;
    world.clock.advance_ms(61_000);
    assert_eq!(world.redeem(Server::Org, &code).await.json()["error"], "invalid_grant");

    let basic = world.basic(world.app.client_secret.expose());
    for (name, value) in [
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", ""),
        ("code_verifier", ""),
        ("code_verifier", "another-verifier-another-verifier-another-verifier"),
        ("code", "unknown"),
    ] {
        let code = world.code(Server::Org, &[]).await;
        let answer = world.redeem_with(Server::Org, &basic, &code, &[(name, value)]).await;
        assert_eq!(answer.json()["error"], "invalid_grant", "{name}={value}");
    }
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let world = World::new();
    let no_challenge = [("code_challenge", ""), ("code_challenge_method", "")];
    let code = world.code(Server::Org, &no_challenge).await;
    assert_eq!(world.redeem(Server::Org, &code).await.json()["error"], "invalid_grant");
    let code = world.code(Server::Org, &no_challenge).await;
    let basic = world.basic(world.app.client_secret.expose());
    let answer = world.redeem_with(Server::Org, &basic, &code, &[("code_verifier", "")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    world.tenant.edit_app(&world.app.client_id, |app| app.require_pkce = true).unwrap();
    assert_eq!(refusal(&world, Server::Org, &no_challenge, "").await.0, "invalid_request");
}

#[tokio::test]
async fn the_client_is_judged_before_the_code() {
    let world = World::new();
    let client_id = world.app.client_id.clone();
    let wrong = world.basic("wrong");
    let right = world.basic(world.app.client_secret.expose());
    let both = [("client_id", client_id.as_str()), ("client_secret", "wrong")];
    for (authorization, changes, status, error) in [
        (wrong.as_str(), &[][..], StatusCode::UNAUTHORIZED, "invalid_client"),
        ("", &[], StatusCode::UNAUTHORIZED, "invalid_client"),
        ("", &both, StatusCode::UNAUTHORIZED, "invalid_client"),
        ("Basic ???", &[], StatusCode::UNAUTHORIZED, "invalid_client"),
        (&right, &both, StatusCode::BAD_REQUEST, "invalid_request"),
        (&right, &[("client_id", "0oaother")], StatusCode::UNAUTHORIZED, "invalid_client"),
        (&right, &[], StatusCode::BAD_REQUEST, "invalid_grant"),
        (&right, &[("grant_type", "password")], StatusCode::BAD_REQUEST, "unsupported_grant_type"),
    ] {
        let answer = world.redeem_with(Server::Org, authorization, "unknown", changes).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_eq!(answer.json()["error"], error, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_secret_with_odd_characters_must_be_form_encoded_in_basic() {
    let world = World::new();
    let odd = "a+b %:&é";
    let set = |app: &mut AppIntegration| app.secrets = vec![crate::base::secret::Secret::new(odd)];
    world.tenant.edit_app(&world.app.client_id, set).unwrap();
    let code = world.code(Server::Org, &[]).await;
    let plain = format!("Basic {}", STANDARD.encode(format!("{}:{odd}", world.app.client_id)));
    let answer = world.redeem_with(Server::Org, &plain, &code, &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = world.redeem_with(Server::Org, &world.basic(odd), &code, &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_browser_cannot_use_the_token_endpoint_and_dpop_can_be_required() {
    let world = World::new();
    let basic = world.basic(world.app.client_secret.expose());
    let headers = [(AUTHORIZATION.as_str(), basic.as_str()), ("origin", "https://app.example")];
    let answer = world.post("/oauth2/v1/token", &headers, form(&[("code", "x")])).await;
    assert_eq!(answer.json()["error"], "invalid_client");
    assert!(answer.body.contains("Browser requests to the token endpoint must use Proof Key"));

    world.tenant.edit_app(&world.app.client_id, |app| app.require_dpop = true).unwrap();
    let code = world.code(Server::Org, &[]).await;
    let answer = world.redeem(Server::Org, &code).await.json();
    assert_eq!(answer["error"], "invalid_dpop_proof");
    assert_eq!(answer["error_description"], "The DPoP proof JWT header is missing.");
}

#[tokio::test]
async fn an_access_token_lasts_an_hour() {
    let world = World::new();
    let tokens = world.tokens(Server::Org, &[]).await;
    world.clock.advance_ms(59 * 60 * 1000);
    assert_eq!(world.userinfo(Server::Org, &tokens).await.status, StatusCode::OK);
    world.clock.advance_ms(2 * 60 * 1000);
    let answer = world.userinfo(Server::Org, &tokens).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}
