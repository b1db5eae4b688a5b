//! Events over the API.

use axum::http::Method;
use serde_json::{Value, json};

use super::world::World;
use crate::support::both_engines;

fn names(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect()
}

both_engines! {
    async fn every_change_is_recorded_in_order_with_what_was_before(world: World) {
        let body = json!({ "name": "Acme", "metadata": { "tier": "gold" },
            "domain_data": [{ "domain": "acme.com", "state": "verified" }] });
        let acme = world.post("/organizations", body).await.expect(201);
        let path = format!("/organizations/{}", acme["id"].as_str().unwrap());
        world.put(&path, json!({ "name": "Acme Corp" })).await.expect(200);
        // Nothing changes, nothing is recorded.
        world.put(&path, json!({ "name": "Acme Corp" })).await.expect(200);
        world.delete(&path).await.expect(200);
        let list = world.get("/events?order=asc").await.expect(200);
        assert_eq!(names(&list), [
            "organization.created",
            "organization_domain.created",
            "organization_domain.verified",
            "organization.updated",
            "organization_domain.deleted",
            "organization.deleted",
        ]);
        let created = &list["data"][0];
        assert_eq!(created["object"], "event");
        assert_eq!(created["data"]["domains"], acme["domains"]);
        assert_eq!(created["data"]["metadata"]["tier"], "gold");
        let payload = created["data"].as_object().unwrap();
        assert!(!payload.contains_key("allow_profiles_outside_organization"));
        assert_eq!(created["context"]["actor"]["source"], "api");
        let updated = &list["data"][3];
        assert_eq!(updated["context"]["previous_attributes"], json!({ "name": "Acme" }));
        assert_eq!(updated["data"]["name"], "Acme Corp");
    }

    async fn events_of_roles_have_the_shapes_of_workos(world: World) {
        let acme = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
        let roles = format!("/authorization/organizations/{}/roles", acme["id"].as_str().unwrap());
        world.post(&roles, json!({ "slug": "org-x", "name": "X" })).await.expect(201);
        let body = json!({ "slug": "y", "name": "Y" });
        world.post("/authorization/roles", body.clone()).await.expect(201);
        world.post("/authorization/permissions", body).await.expect(201);
        let body = json!({ "permissions": ["y"] });
        world.put("/authorization/roles/y/permissions", body).await.expect(200);
        let list = world.get("/events?order=asc&limit=100").await.expect(200);
        let find = |name: &str| {
            list["data"].as_array().unwrap().iter().find(|e| e["event"] == name).unwrap().clone()
        };
        let role = find("role.updated");
        let mut members: Vec<&String> = role["data"].as_object().unwrap().keys().collect();
        members.sort();
        assert_eq!(members, ["created_at", "object", "permissions", "resource_type_slug", "slug",
            "updated_at"]);
        assert_eq!(role["context"]["previous_attributes"], json!({ "permissions": [] }));
        let role = find("organization_role.created");
        assert_eq!(role["data"]["object"], "organization_role");
        assert_eq!(role["data"]["organization_id"], acme["id"]);
        assert_eq!(role["data"]["description"], Value::Null);
        assert_eq!(find("permission.created")["data"]["slug"], "y");
    }

    async fn events_are_filtered_in_every_encoding(world: World) {
        let acme = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
        let begun = world.clock.now();
        world.post("/organizations", json!({ "name": "Beta", "domains": ["b.com"] })).await.expect(201);
        world.post("/authorization/roles", json!({ "slug": "x", "name": "X" })).await.expect(201);
        let both = vec!["organization.created", "organization.created", "role.created"];
        for (query, expected) in [
            ("events=organization.created,role.created".to_owned(), both.clone()),
            ("events=organization.created&events=role.created".to_owned(), both.clone()),
            ("events[]=organization.created&events[]=role.created".to_owned(), both.clone()),
            ("events[0]=organization.created&events%5B1%5D=role.created".to_owned(), both),
            ("events=dsync.user.created".to_owned(), vec![]),
            (
                format!("organization_id={}", acme["id"].as_str().unwrap()),
                vec!["organization.created"],
            ),
            (format!("range_start={begun}&events=role.created,organization.created"),
                vec!["organization.created", "role.created"]),
            (format!("range_end={begun}"), vec!["organization.created"]),
        ] {
            let list = world.get(&format!("/events?order=asc&{query}")).await.expect(200);
            assert_eq!(names(&list), expected, "{query}");
        }
        let answer = world.get("/events?events=connection.exploded").await.expect(422);
        assert_eq!(answer["errors"][0]["code"], "unknown_event_type");
        let list = world.get("/events?order=asc&limit=1").await.expect(200);
        let after = list["list_metadata"]["after"].as_str().unwrap();
        let next = world.get(&format!("/events?order=asc&after={after}")).await.expect(200);
        assert_eq!(names(&next).len(), 3);
        world.get(&format!("/events?after={after}&range_start=2026-01-01")).await.expect(422);
        world.get("/events?range_start=yesterday").await.expect(422);
        // An event of another environment is no cursor here.
        let other = world.other_key().await;
        let path = format!("/events?after={after}");
        world.call(&other, Method::GET, &path, None).await.expect(400);
        let all = world.call(&other, Method::GET, "/events", None).await.expect(200);
        assert_eq!(all["data"], json!([]));
    }
}
