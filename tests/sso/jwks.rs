//! The keys that access tokens are signed with, and the tokens.

use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use serde_json::{Value, json};

use vestibule::model::signing_key::{AHEAD_MS, BEHIND_MS};
use vestibule::sso::sweep;

use crate::api::workos_schema;
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

impl World {
    async fn jwks(&self, client_id: &str) -> Answer {
        Request::get(&self.url(&format!("/sso/jwks/{client_id}"))).send().await
    }

    async fn keys(&self) -> Vec<Value> {
        let answer = self.jwks(&self.demo.seeded.client_id).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        workos_schema::check(&Method::GET, "/sso/jwks/client_1", 200, &answer.text());
        answer.json()["keys"].as_array().unwrap().clone()
    }

    /// Redeems a code, always by the same request.
    async fn redeem_once(&self, code: &str) -> Answer {
        let form = [
            ("client_id", self.demo.seeded.client_id.as_str()),
            ("client_secret", self.demo.seeded.api_key.expose()),
            ("grant_type", "authorization_code"),
            ("code", code),
        ];
        let url = self.url("/sso/token");
        Request::post_form(&url, &form).header("idempotency-key", "once").send().await
    }
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// Header and claims of a token, if one of the keys verifies it.
fn verified(token: &str, keys: &[Value]) -> Option<(Value, Value)> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header: Value = serde_json::from_slice(&decode(header)).unwrap();
    let key = keys.iter().find(|key| key["kid"] == header["kid"])?;
    let number = |name: &str| decode(key[name].as_str().unwrap());
    let public = RsaPublicKeyComponents { n: number("n"), e: number("e") };
    let signature = decode(signature);
    public.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature).ok()?;
    Some((header, serde_json::from_slice(&decode(claims)).unwrap()))
}

both_engines! {
    async fn without_signed_tokens_the_key_set_is_empty(world: World) {
        world.code().await;
        assert!(world.keys().await.is_empty());
        for unknown in ["client_01HXYZ123456789ABCDEFGHJKM", "x", "%00", &"a".repeat(1000)] {
            let answer = world.jwks(unknown).await;
            assert_eq!(answer.status, 404, "{unknown}");
            assert!(answer.json()["message"].is_string());
        }
    }

    async fn a_signed_access_token_is_verified_by_the_key_set_and_reads_its_profile(world: World) {
        world.change_environment(json!({ "access_tokens": "jwt" })).await;
        let code = world.code().await;
        let granted = world.redeem(&code, &[]).await.json();
        let token = granted["access_token"].as_str().unwrap();
        let keys = world.keys().await;
        assert_eq!(keys.len(), 1);
        let mut members: Vec<&str> =
            keys[0].as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use", "x5c", "x5t#S256"]);
        assert!(keys[0]["kid"].as_str().unwrap().starts_with("sso_"));

        let (header, claims) = verified(token, &keys).expect("a good signature");
        assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("at+jwt")));
        let client_id = world.demo.seeded.client_id.as_str();
        assert_eq!(claims["iss"], world.url(&format!("/sso/{client_id}")).as_str());
        assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(client_id), &json!(client_id)));
        assert_eq!(claims["sub"], granted["profile"]["id"]);
        assert_eq!(claims["org_id"], granted["profile"]["organization_id"]);
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert_eq!(exp - iat, granted["expires_in"].as_i64().unwrap());
        assert!((world.clock.now().as_s() - iat).abs() < 30);

        assert_eq!(world.profile(token).await.json(), granted["profile"]);
        // Byte for byte: what is not the token reads nothing.
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_eq!(world.profile(message).await.status, 401);
        world.clock.advance_ms(600_000);
        assert_eq!(world.profile(token).await.status, 401);

        // Another environment has keys of its own.
        let other = world.other_environment("https://other.example/cb").await;
        assert_eq!(world.jwks(&other.client_id).await.json(), json!({ "keys": [] }));
    }

    async fn a_repeated_request_gets_the_same_signed_token_and_a_replay_none(world: World) {
        world.change_environment(json!({ "access_tokens": "jwt" })).await;
        let code = world.code().await;
        let first = world.redeem_once(&code).await.json();
        world.clock.advance_ms(3_000);
        assert_eq!(world.redeem_once(&code).await.json(), first);
        assert_eq!(world.redeem(&code, &[]).await.json()["error"], "invalid_grant");
        let token = first["access_token"].as_str().unwrap();
        assert_eq!(world.profile(token).await.status, 401, "what a replayed code gave is revoked");
        let wrong = world.redeem("wrong", &[]).await;
        assert_eq!((wrong.status.as_u16(), &wrong.json()["error"]), (400, &json!("invalid_grant")));
    }

    async fn a_request_and_its_repetition_at_once_get_the_same_signed_token(world: World) {
        world.change_environment(json!({ "access_tokens": "jwt" })).await;
        world.redeem(&world.code().await, &[]).await;
        let code = world.code().await;
        let held = world.db.hold_logins().await;
        let let_go = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            // The second one is made ready when another time is to stand in the token.
            world.clock.advance_ms(3_000);
            let second = tokio::join!(world.redeem_once(&code), async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                drop(held);
            });
            second.0
        };
        let (first, second) = tokio::join!(world.redeem_once(&code), let_go);
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200), "{}", second.text());
        assert_eq!(first.json(), second.json());
        let token = first.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(world.profile(&token).await.status, 200);
    }

    async fn a_signing_key_is_replaced_without_a_token_that_nobody_can_verify(world: World) {
        world.change_environment(json!({ "access_tokens": "jwt" })).await;
        let sign = async || {
            let granted = world.redeem(&world.code().await, &[]).await.json();
            granted["access_token"].as_str().unwrap().to_owned()
        };
        let kid = |token: &str, keys: &[Value]| {
            verified(token, keys).expect("a good signature").0["kid"].as_str().unwrap().to_owned()
        };
        let before = sign().await;
        let old = kid(&before, &world.keys().await);
        let rotate = async || world.api("POST", "/environment/signing_keys", None).await;
        let next = rotate().await;
        assert_eq!(next.status, 201, "{}", next.text());
        let next = next.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(rotate().await.status, 409);

        // Published, not signing yet.
        assert_eq!(world.keys().await.len(), 2);
        assert_eq!(kid(&sign().await, &world.keys().await), old);
        world.clock.advance_ms(AHEAD_MS);
        assert_eq!(kid(&sign().await, &world.keys().await), next);
        assert_eq!(kid(&before, &world.keys().await), old);
        world.clock.advance_ms(BEHIND_MS);
        sweep::purge(world.app()).await.unwrap();
        let keys = world.keys().await;
        assert_eq!(keys.len(), 1);
        assert!(verified(&before, &keys).is_none());
        assert_eq!(kid(&sign().await, &keys), next);
    }

    async fn the_private_key_stands_nowhere_in_clear(world: World) {
        world.change_environment(json!({ "access_tokens": "jwt" })).await;
        world.redeem(&world.code().await, &[]).await;
        let caller = world.caller();
        let read = world.app().db.read(&caller, async |tx| {
            let mut row = tx.fetch_one("SELECT private_key_sealed, jwk FROM signing_keys", &[]).await?;
            Ok((row.next::<Vec<u8>>()?, row.next::<String>()?))
        });
        let (sealed, jwk) = read.await.unwrap();
        let jwk: Value = serde_json::from_str(&jwk).unwrap();
        let modulus = decode(jwk["n"].as_str().unwrap());
        assert!(!sealed.windows(16).any(|window| modulus.starts_with(window)));
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            assert!(jwk.get(private).is_none() && world.keys().await[0].get(private).is_none());
        }
    }
}
