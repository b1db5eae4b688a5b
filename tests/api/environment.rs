//! The environment and its API keys over the API.

use axum::http::Method;
use serde_json::json;

use super::world::World;
use crate::support::both_engines;

both_engines! {
    async fn the_environment_of_the_key_can_be_read_and_changed(world: World) {
        let environment = world.get("/environment").await.expect(200);
        assert_eq!((&environment["name"], &environment["kind"]), (&json!("Test"), &json!("sandbox")));
        assert!(environment["client_id"].as_str().unwrap().starts_with("client_"));
        let body = json!({ "name": "Staging", "settings": { "role_mode": "multiple" },
            "kind": "production", "client_id": "client_mine" });
        let changed = world.patch("/environment", body).await.expect(200);
        assert_eq!(changed["name"], "Staging");
        assert_eq!(changed["settings"]["role_mode"], "multiple");
        assert_eq!(changed["settings"]["signin_consent"], environment["settings"]["signin_consent"]);
        assert_eq!(changed["kind"], "sandbox");
        assert_eq!(changed["client_id"], environment["client_id"]);
        let body = json!({ "settings": { "role_mode": "some" } });
        let answer = world.patch("/environment", body).await.expect(422);
        assert_eq!(answer["errors"][0]["field"], "settings.role_mode");
    }

    async fn api_10_a_key_is_shown_once_and_works_until_it_is_revoked(world: World) {
        let body = json!({ "name": "CI" });
        let created = world.post("/environment/api_keys", body).await.expect(201);
        let value = created["value"].as_str().unwrap().to_owned();
        assert!(value.starts_with("sk_"));
        let list = world.get("/environment/api_keys").await;
        assert!(!list.text.contains(&value));
        let list = list.expect(200);
        assert_eq!(list["data"][0]["id"], created["id"]);
        let last_four = &value[value.len() - 4..];
        assert_eq!(list["data"][0]["obfuscated_value"], format!("sk_...{last_four}"));
        world.call(&value, Method::GET, "/organizations", None).await.expect(200);
        let path = format!("/environment/api_keys/{}", created["id"].as_str().unwrap());
        let other = world.other_key().await;
        world.call(&other, Method::DELETE, &path, None).await.expect(404);
        world.delete(&path).await.expect(204);
        let answer = world.call(&value, Method::GET, "/organizations", None).await.expect(401);
        assert_eq!(answer, json!({ "message": "Unauthorized" }));
    }

    async fn api_02_a_key_that_may_only_read_changes_nothing_and_sees_no_secret(world: World) {
        let body = json!({ "name": "Reports", "access": "read" });
        let created = world.post("/environment/api_keys", body).await.expect(201);
        assert_eq!(created["access"], "read");
        let key = created["value"].as_str().unwrap();
        let organization = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
        let one = format!("/organizations/{}", organization["id"].as_str().unwrap());
        let own = format!("/environment/api_keys/{}", created["id"].as_str().unwrap());
        for path in ["/organizations", &one, "/connections", "/events", "/environment"] {
            world.call(key, Method::GET, path, None).await.expect(200);
        }
        let named = json!({ "name": "Changed" });
        for (method, path, body) in [
            (Method::POST, "/organizations", Some(&named)),
            (Method::POST, "/environment/api_keys", Some(&named)),
            (Method::PUT, &one, Some(&named)),
            (Method::PATCH, "/environment", Some(&named)),
            (Method::DELETE, &one, None),
            (Method::DELETE, &own, None),
            (Method::POST, "/sso/logout/authorize", Some(&json!({ "profile_id": "prof_1" }))),
            (Method::GET, "/webhook_endpoints", None),
        ] {
            let answer = world.call(key, method, path, body.cloned()).await.expect(403);
            assert_eq!(answer, json!({ "message": "This API key may only read." }), "{path}");
        }
        assert_eq!(world.get(&one).await.expect(200)["name"], "Acme");
        assert_eq!(world.get("/environment").await.expect(200)["name"], "Test");
        // What a full key gets wrong is told apart.
        world.post("/environment/api_keys", json!({ "name": "X", "access": "all" })).await.expect(422);
        let full = world.post("/environment/api_keys", json!({ "name": "X" })).await.expect(201);
        assert_eq!(full["access"], "full");
    }

    async fn api_11_after_a_key_is_revoked_no_request_with_it_succeeds(world: World) {
        let created = world.post("/environment/api_keys", json!({ "name": "CI" })).await.expect(201);
        let key = created["value"].as_str().unwrap();
        let path = format!("/environment/api_keys/{}", created["id"].as_str().unwrap());
        // A key may revoke itself; what comes after is refused.
        world.call(key, Method::DELETE, &path, None).await.expect(204);
        for _ in 0..20 {
            world.call(key, Method::DELETE, &path, None).await.expect(401);
        }
        let list = world.get("/environment/api_keys").await.expect(200);
        assert!(list["data"][0]["revoked_at"].is_string());
    }

    async fn api_01_an_expired_key_is_refused_like_a_wrong_one(world: World) {
        let expires_at = world.clock.now().plus_ms(60_000);
        let body = json!({ "name": "Short", "expires_at": expires_at });
        let created = world.post("/environment/api_keys", body).await.expect(201);
        let key = created["value"].as_str().unwrap();
        world.call(key, Method::GET, "/environment", None).await.expect(200);
        world.clock.advance_ms(60_000);
        let expired = world.call(key, Method::GET, "/environment", None).await.expect(401);
        let wrong = world.call("sk_wrong", Method::GET, "/environment", None).await.expect(401);
        assert_eq!(expired, wrong);
        let body = json!({ "name": "Past", "expires_at": "2001-01-01T00:00:00Z" });
        world.post("/environment/api_keys", body).await.expect(422);
    }
}
