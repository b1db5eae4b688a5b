//! API keys of organizations over the API.

use serde_json::{Value, json};

use super::world::World;
use crate::support::both_engines;

async fn organization(world: &World) -> String {
    let created = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
    created["id"].as_str().unwrap().to_owned()
}

async fn create(world: &World, organization: &str, new: Value) -> Value {
    let path = format!("/organizations/{organization}/api_keys");
    world.post(&path, new).await.expect(201)
}

async fn validate(world: &World, value: &Value) -> Value {
    let asked = json!({ "value": value });
    world.post("/api_keys/validations", asked).await.expect(200)["api_key"].clone()
}

both_engines! {
    async fn api_10_a_key_is_shown_once_stored_as_a_hash_and_found_again(world: World) {
        let id = organization(&world).await;
        for slug in ["posts:write", "posts:read"] {
            let new = json!({ "slug": slug, "name": slug });
            world.post("/authorization/permissions", new).await.expect(201);
        }
        let wanted = json!({ "name": "CI", "permissions": ["posts:write", "posts:read", "posts:read"] });
        let key = create(&world, &id, wanted).await;
        let value = key["value"].as_str().unwrap();
        assert!(value.starts_with("sk_") && value.len() == 46);
        assert_eq!(key["owner"], json!({ "type": "organization", "id": id }));
        assert_eq!(key["permissions"], json!(["posts:read", "posts:write"]));
        assert_eq!(key["obfuscated_value"], format!("sk_...{}", &value[42..]));
        let list = world.get(&format!("/organizations/{id}/api_keys")).await.expect(200);
        assert_eq!(list["data"][0]["id"], key["id"]);
        assert_eq!(list["data"][0].get("value"), None);
        assert_eq!(list["data"][0]["last_used_at"], Value::Null);
        let hashes = world.column("SELECT key_hash FROM organization_api_keys").await;
        assert_eq!(hashes[0].len(), 32);
        let events = world.get("/events?events=api_key.created").await.expect(200);
        assert_eq!(events["data"][0]["data"]["id"], key["id"]);
        assert!(!events.to_string().contains(value));

        let found = validate(&world, &key["value"]).await;
        assert_eq!(found["id"], key["id"]);
        assert_eq!(found["permissions"], json!(["posts:read", "posts:write"]));
        let again = validate(&world, &key["value"]).await;
        assert!(again["last_used_at"].is_string());
        // A permission that is deleted is taken from the keys.
        world.delete("/authorization/permissions/posts:write").await.expect(204);
        assert_eq!(validate(&world, &key["value"]).await["permissions"], json!(["posts:read"]));
    }

    async fn api_07_what_is_no_key_of_this_environment_is_none(world: World) {
        let id = organization(&world).await;
        let key = create(&world, &id, json!({ "name": "CI" })).await;
        let value = key["value"].as_str().unwrap();
        let other = world.other_key().await;
        let asked = json!({ "value": value });
        let theirs =
            world.call(&other, axum::http::Method::POST, "/api_keys/validations", Some(asked)).await;
        assert_eq!(theirs.expect(200)["api_key"], Value::Null);
        for wrong in [
            value[..45].to_owned(),
            format!("{value}="),
            value.to_uppercase(),
            String::new(),
            world.key.clone(),
            "x".repeat(5000),
        ] {
            assert_eq!(validate(&world, &json!(wrong)).await, Value::Null, "{wrong}");
        }
        world.post("/api_keys/validations", json!({})).await.expect(422);
    }

    async fn api_03_a_key_of_an_organization_opens_nothing_here(world: World) {
        let id = organization(&world).await;
        let key = create(&world, &id, json!({ "name": "CI" })).await;
        let value = key["value"].as_str().unwrap();
        for path in ["/organizations", "/environment", "/events"] {
            world.call(value, axum::http::Method::GET, path, None).await.expect(401);
        }
    }

    async fn a_key_ends_when_it_is_to_end(world: World) {
        let id = organization(&world).await;
        let soon = "2999-01-01T00:00:00.000Z";
        let key = create(&world, &id, json!({ "name": "CI", "expires_at": soon })).await;
        assert_eq!(key["expires_at"], soon);
        let path = format!("/api_keys/{}/expire", key["id"].as_str().unwrap());
        let cleared = world.post(&path, json!({ "expires_at": null })).await.expect(200);
        assert_eq!(cleared["expires_at"], Value::Null);
        let set = world.post(&path, json!({ "expires_at": soon })).await.expect(200);
        assert_eq!(set["expires_at"], soon);
        assert_ne!(validate(&world, &key["value"]).await, Value::Null);
        let ended = world.post(&path, json!({})).await.expect(200);
        assert!(ended["expires_at"].is_string());
        assert_eq!(validate(&world, &key["value"]).await, Value::Null);
        let refused = world.post(&path, json!({ "expires_at": soon })).await.expect(409);
        assert_eq!(refused["code"], "api_key_already_expired");
        let events = world.get("/events?events=api_key.updated&order=asc").await.expect(200);
        assert_eq!(events["data"].as_array().unwrap().len(), 3);
        let previous = &events["data"][0]["context"]["previous_attributes"];
        assert_eq!(previous, &json!({ "expires_at": soon }));
        assert_eq!(&events["data"][0]["data"]["previous_attributes"], previous);
        let past = json!({ "name": "CI", "expires_at": "2001-01-01T00:00:00Z" });
        world.post(&format!("/organizations/{id}/api_keys"), past).await.expect(422);
    }

    async fn api_11_a_deleted_key_is_not_good_any_more(world: World) {
        let id = organization(&world).await;
        let key = create(&world, &id, json!({ "name": "CI" })).await;
        let path = format!("/api_keys/{}", key["id"].as_str().unwrap());
        let other = world.other_key().await;
        world.call(&other, axum::http::Method::DELETE, &path, None).await.expect(404);
        world.delete(&path).await.expect(204);
        world.delete(&path).await.expect(404);
        assert_eq!(validate(&world, &key["value"]).await, Value::Null);
        // Those of a deleted organization neither, and each is told of.
        let second = create(&world, &id, json!({ "name": "Two" })).await;
        world.delete(&format!("/organizations/{id}")).await.expect(200);
        assert_eq!(validate(&world, &second["value"]).await, Value::Null);
        let events = world.get("/events?events=api_key.revoked").await.expect(200);
        let ids: Vec<&Value> =
            events["data"].as_array().unwrap().iter().map(|event| &event["data"]["id"]).collect();
        assert_eq!(ids, [&second["id"], &key["id"]]);
    }

    async fn what_a_key_is_made_of_is_checked(world: World) {
        let id = organization(&world).await;
        let path = format!("/organizations/{id}/api_keys");
        for (new, field) in [
            (json!({ "name": "" }), "name"),
            (json!({ "name": "x".repeat(101) }), "name"),
            (json!({ "name": "CI", "permissions": ["no:such"] }), "permissions"),
        ] {
            let refused = world.post(&path, new).await.expect(422);
            assert_eq!(refused["errors"][0]["field"], field);
        }
        let nobody = "/organizations/org_01EHQMYV6MBK39QC5PZXHY59C3/api_keys";
        world.post(nobody, json!({ "name": "CI" })).await.expect(404);
        world.get(nobody).await.expect(404);
        let list = world.get(&path).await.expect(200);
        assert_eq!(list["data"], json!([]));
    }
}
