//! `GET /sso/profile`: which tokens open it, and for how long.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::expect::ADA;
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

/// WorkOS's answer, and RFC 6750's header.
#[track_caller]
fn assert_unauthorized(answer: &Answer) {
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(answer.json(), json!({ "error": "Unauthorized" }));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
}

async fn token(world: &World) -> String {
    let granted = world.redeem(&world.code().await, &[]).await.json();
    granted["access_token"].as_str().expect("a token").to_owned()
}

fn ask(world: &World) -> Request {
    Request::get(&world.url("/sso/profile"))
}

both_engines! {
    async fn api_03_07_only_the_very_token_opens_the_profile(world: World) {
        let (token, other) = (token(&world).await, token(&world).await);
        let code = world.code().await;
        // A token begins with the id of its login, which is no secret; a JWT would name it.
        let crossed = format!("{}{}", &other[..26], &token[26..]);
        let claims = json!({ "sid": format!("sess_{}", &token[..26]), "exp": 4_000_000_000_i64 });
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let forged = format!("eyJhbGciOiJub25lIn0.{claims}.");
        let flipped: String = token.chars().map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        }).collect();
        let id_token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.";
        for wrong in [
            &token[..token.len() - 1], &format!("{token}A"), &format!("{token}="), &flipped, &code,
            &crossed, &forged, &claims, &token[26..],
            world.demo.seeded.api_key.expose(), id_token, "x", &"t".repeat(10_000),
            world.demo.credentials.client_secret.expose(),
        ] {
            assert_unauthorized(&world.profile(wrong).await);
        }
        assert_eq!(world.profile(&token).await.json()["email"], ADA);
    }

    async fn api_04_09_a_token_ends_with_its_time_and_with_its_connection(world: World) {
        let first = token(&world).await;
        world.clock.advance_ms(599_000 - 5_000);
        assert_eq!(world.profile(&first).await.status, 200);
        world.clock.advance_ms(6_000);
        assert_unauthorized(&world.profile(&first).await);

        let second = token(&world).await;
        world.change_connection(json!({ "state": "inactive" })).await;
        assert_unauthorized(&world.profile(&second).await);
        world.change_connection(json!({ "state": "active" })).await;
        let third = token(&world).await;
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        for gone in [&second, &third] {
            assert_unauthorized(&world.profile(gone).await);
        }
    }

    async fn api_05_06_the_token_comes_in_one_header_and_nowhere_else(world: World) {
        let token = token(&world).await;
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let header = format!("{scheme} {token}");
            assert_eq!(ask(&world).header("authorization", &header).send().await.status, 200);
        }
        for header in [
            format!("Bearer  {token}"), format!("Bearer {token} x"), format!("Bearer\t{token}"),
            format!("Basic {token}"), token.clone(), "Bearer".to_owned(), "Bearer ".to_owned(),
            format!("Bearer,{token}"),
        ] {
            assert_unauthorized(&ask(&world).header("authorization", &header).send().await);
        }
        assert_unauthorized(&ask(&world).send().await);
        let two = ask(&world).bearer(&token).bearer(&token).send().await;
        assert_eq!(two.status, 400, "{}", two.text());
        for name in ["access_token", "api_key", "token"] {
            let url = world.url(&format!("/sso/profile?{name}={token}"));
            assert_unauthorized(&Request::get(&url).send().await);
        }
        let posted = Request::post_form(&world.url("/sso/profile"), &[("access_token", &token)]);
        assert_eq!(posted.send().await.status, 405);
    }

    async fn the_profile_has_every_member_that_sdks_insist_on(world: World) {
        world.demo.tenant.edit_user(&world.person(ADA), |user| {
            user.given_name = "<script>alert(1)</script>\u{202e}\u{1b}[31m".to_owned();
            user.family_name = String::new();
        }).unwrap();
        let seeded = &world.demo.seeded;
        let profile = world.profile(&token(&world).await).await.json();
        assert_eq!(profile["object"], "profile");
        assert!(profile["id"].as_str().unwrap().starts_with("prof_"));
        assert_eq!(profile["organization_id"], seeded.organization_id.as_str());
        assert_eq!(profile["connection_id"], seeded.connection_id.as_str());
        assert_eq!(profile["connection_type"], "OktaOIDC");
        assert_eq!(profile["idp_id"], world.person(ADA));
        assert_eq!(profile["first_name"], "<script>alert(1)</script>\u{202e}\u{1b}[31m");
        assert_eq!(profile["last_name"], json!(null), "there all the same");
        assert_eq!(profile["roles"], json!([{ "slug": "admin" }]));
        assert_eq!(profile["custom_attributes"], json!({}));
        let raw = profile["raw_attributes"].as_object().unwrap();
        assert_eq!(raw["email_verified"], true);
        for of_the_protocol in ["iss", "aud", "nonce", "exp", "at_hash", "sid"] {
            assert!(!raw.contains_key(of_the_protocol), "{of_the_protocol}");
        }
    }
}
