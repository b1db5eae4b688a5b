//! Roles and permissions over the API.

use axum::http::Method;
use serde_json::{Value, json};

use super::world::World;
use crate::support::both_engines;

fn slugs(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|role| role["slug"].as_str().unwrap()).collect()
}

async fn role(world: &World, slug: &str) -> Value {
    let body = json!({ "slug": slug, "name": slug });
    world.post("/authorization/roles", body).await.expect(201)
}

async fn organization_path(world: &World) -> String {
    let created = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
    format!("/authorization/organizations/{}/roles", created["id"].as_str().unwrap())
}

both_engines! {
    async fn what_many_change_of_a_role_at_once_is_all_there_afterwards(world: World) {
        role(&world, "editor").await;
        let path = "/authorization/roles/editor/permissions";
        for n in 0..8 {
            let body = json!({ "slug": format!("p{n}"), "name": "P" });
            world.post("/authorization/permissions", body).await.expect(201);
        }
        let add = |n: usize| world.post(path, json!({ "slug": format!("p{n}") }));
        let added = tokio::join!(add(0), add(1), add(2), add(3), add(4), add(5), add(6), add(7));
        for answer in <[_; 8]>::from(added) {
            answer.expect(200);
        }
        let role = world.get("/authorization/roles/editor").await.expect(200);
        assert_eq!(role["permissions"], json!(["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"]));
    }

    async fn a_fresh_environment_has_admin_and_member_the_default(world: World) {
        let list = world.get("/authorization/roles").await.expect(200);
        assert_eq!(slugs(&list), ["admin", "member"]);
        assert_eq!(list["data"][1]["is_default"], true);
        assert_eq!(list["data"][0]["is_default"], false);
        assert_eq!(list["data"][0]["permissions"], json!([]));
        assert_eq!(list["data"][0]["type"], "EnvironmentRole");
    }

    async fn a_new_role_is_at_the_bottom_and_the_order_can_be_changed(world: World) {
        role(&world, "auditor").await;
        let list = world.get("/authorization/roles").await.expect(200);
        assert_eq!(slugs(&list), ["admin", "member", "auditor"]);
        let order = "/authorization/roles/order";
        let body = json!({ "slugs": ["auditor", "member", "admin"] });
        let list = world.put(order, body).await.expect(200);
        assert_eq!(slugs(&list), ["auditor", "member", "admin"]);
        for wrong in [json!(["admin"]), json!(["auditor", "member", "member"]), json!([]),
            json!(["auditor", "member", "nobody"])] {
            world.put(order, json!({ "slugs": wrong })).await.expect(422);
        }
        let list = world.get("/authorization/roles").await.expect(200);
        assert_eq!(slugs(&list), ["auditor", "member", "admin"]);
    }

    async fn the_slug_of_a_role_is_its_own_and_follows_rules(world: World) {
        let taken = world
            .post("/authorization/roles", json!({ "slug": "admin", "name": "x" }))
            .await
            .expect(409);
        assert_eq!(taken["code"], "role_slug_conflict");
        for slug in ["", "Admin", "a b", "a:b", "org-x", "order", &"a".repeat(49)] {
            let body = json!({ "slug": slug, "name": "x" });
            let answer = world.post("/authorization/roles", body).await.expect(422);
            assert_eq!(answer["errors"][0]["field"], "slug", "{slug}");
        }
        let answer = world.post("/authorization/roles", json!({ "slug": "x" })).await.expect(422);
        assert_eq!(answer["errors"][0]["field"], "name");
        assert_eq!(answer["errors"][0]["code"], "required");
        world.get("/authorization/roles/nobody").await.expect(404);
        world.get("/authorization/roles/%00").await.expect(404);
    }

    async fn the_default_role_can_be_changed_but_not_deleted(world: World) {
        role(&world, "guest").await;
        let guest = "/authorization/roles/guest";
        let changed = world.patch(guest, json!({ "is_default": true, "name": "Guest" })).await;
        let changed = changed.expect(200);
        assert_eq!((&changed["is_default"], &changed["name"]), (&json!(true), &json!("Guest")));
        let member = world.get("/authorization/roles/member").await.expect(200);
        assert_eq!(member["is_default"], false);
        world.patch(guest, json!({ "is_default": false })).await.expect(422);
        assert_eq!(world.delete(guest).await.expect(409)["code"], "role_is_default");
        world.delete("/authorization/roles/member").await.expect(204);
        world.delete("/authorization/roles/member").await.expect(404);
    }

    async fn an_organization_has_roles_and_a_default_of_its_own(world: World) {
        let roles = organization_path(&world).await;
        let body = json!({ "slug": "org-billing", "name": "Billing", "description": "Pays" });
        let billing = world.post(&roles, body.clone()).await.expect(201);
        assert_eq!(billing["type"], "OrganizationRole");
        assert_eq!(billing["description"], "Pays");
        let conflict = world.post(&roles, body).await.expect(409);
        assert_eq!(conflict["code"], "organization_role_slug_conflict");
        world.post(&roles, json!({ "slug": "billing", "name": "x" })).await.expect(422);
        let generated = world.post(&roles, json!({ "name": "Über-Chef & Co" })).await.expect(201);
        let slug = generated["slug"].as_str().unwrap();
        assert!(slug.starts_with("org-ber-chef-co-"), "{slug}");
        let list = world.get(&roles).await.expect(200);
        assert_eq!(slugs(&list), ["admin", "member", "org-billing", slug]);

        let path = format!("{roles}/org-billing");
        let changed = world.patch(&path, json!({ "is_default": true })).await.expect(200);
        assert_eq!(changed["is_default"], true);
        let list = world.get(&roles).await.expect(200);
        assert_eq!(list["data"][1]["is_default"], false);
        assert_eq!(world.delete(&path).await.expect(409)["code"], "role_is_default");
        // The environment's role becomes the organization's default, but not the environment's.
        world.patch(&format!("{roles}/admin"), json!({ "is_default": true })).await.expect(200);
        let list = world.get("/authorization/roles").await.expect(200);
        assert_eq!(list["data"][1]["is_default"], true);
        world.delete("/authorization/roles/admin").await.expect(409);
        world.delete(&path).await.expect(204);
        // Environment roles are not the organization's to change.
        world.patch(&format!("{roles}/admin"), json!({ "name": "Boss" })).await.expect(404);
        world.delete(&format!("{roles}/admin")).await.expect(404);
        let older = roles.replace("/authorization", "");
        assert_eq!(slugs(&world.get(&older).await.expect(200)).len(), 3);
    }

    async fn permissions_are_given_to_roles_and_taken_again(world: World) {
        for slug in ["posts:write", "posts:read", "billing.*"] {
            let body = json!({ "slug": slug, "name": slug, "description": null });
            let created = world.post("/authorization/permissions", body).await.expect(201);
            assert_eq!((&created["system"], &created["description"]), (&json!(false), &Value::Null));
        }
        let body = json!({ "slug": "posts:read", "name": "x" });
        let taken = world.post("/authorization/permissions", body).await.expect(409);
        assert_eq!(taken["code"], "permission_slug_conflict");
        let admin = "/authorization/roles/admin/permissions";
        let body = json!({ "permissions": ["posts:write", "posts:read", "posts:read"] });
        let role = world.put(admin, body).await.expect(200);
        assert_eq!(role["permissions"], json!(["posts:read", "posts:write"]));
        let role = world.post(admin, json!({ "slug": "billing.*" })).await.expect(200);
        assert_eq!(role["permissions"], json!(["billing.*", "posts:read", "posts:write"]));
        world.post(admin, json!({ "slug": "nope" })).await.expect(404);
        let path = "/authorization/permissions/posts:read";
        world.patch(path, json!({ "name": "Read" })).await.expect(200);
        world.delete(path).await.expect(204);
        let role = world.get("/authorization/roles/admin").await.expect(200);
        assert_eq!(role["permissions"], json!(["billing.*", "posts:write"]));

        let roles = organization_path(&world).await;
        world.post(&roles, json!({ "slug": "org-x", "name": "X" })).await.expect(201);
        let path = format!("{roles}/org-x/permissions");
        world.put(&path, json!({ "permissions": ["posts:write"] })).await.expect(200);
        let role = world.post(&path, json!({ "slug": "billing.*" })).await.expect(200);
        assert_eq!(role["permissions"], json!(["billing.*", "posts:write"]));
        let role = world.delete(&format!("{path}/posts:write")).await.expect(200);
        assert_eq!(role["permissions"], json!(["billing.*"]));
        let list = world.get("/authorization/permissions?limit=1&order=asc").await.expect(200);
        assert_eq!(list["data"][0]["slug"], "posts:write");
        let after = list["list_metadata"]["after"].as_str().unwrap();
        let path = format!("/authorization/permissions?order=asc&after={after}");
        assert_eq!(world.get(&path).await.expect(200)["data"][0]["slug"], "billing.*");
    }

    async fn ten_01_roles_of_another_environment_are_not_there(world: World) {
        role(&world, "mine").await;
        let body = json!({ "slug": "secret", "name": "x" });
        world.post("/authorization/permissions", body).await.expect(201);
        let roles = organization_path(&world).await;
        world.post(&roles, json!({ "slug": "org-x", "name": "X" })).await.expect(201);
        let other = world.other_key().await;
        for (method, path, body) in [
            (Method::GET, "/authorization/roles/mine".to_owned(), None),
            (Method::PATCH, "/authorization/roles/mine".to_owned(), Some(json!({ "name": "x" }))),
            (Method::DELETE, "/authorization/roles/mine".to_owned(), None),
            (Method::GET, "/authorization/permissions/secret".to_owned(), None),
            (Method::DELETE, "/authorization/permissions/secret".to_owned(), None),
            (
                Method::POST,
                "/authorization/roles/admin/permissions".to_owned(),
                Some(json!({ "slug": "secret" })),
            ),
            (Method::GET, roles.clone(), None),
            (Method::POST, roles.clone(), Some(json!({ "name": "x" }))),
            (Method::GET, format!("{roles}/org-x"), None),
            (Method::DELETE, format!("{roles}/org-x"), None),
        ] {
            let answer = world.call(&other, method.clone(), &path, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        }
        let list = world.call(&other, Method::GET, "/authorization/roles", None).await.expect(200);
        assert_eq!(slugs(&list), ["admin", "member"]);
        // A default that is changed there stays as it is here.
        let body = json!({ "is_default": true });
        let admin = "/authorization/roles/admin";
        world.call(&other, Method::PATCH, admin, Some(body)).await.expect(200);
        assert_eq!(world.get(admin).await.expect(200)["is_default"], false);
    }
}
