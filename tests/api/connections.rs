//! Connections, their groups and SSO sessions over the API, with the simulated Okta tenant.

use axum::http::Method;
use serde_json::{Value, json};

use super::workos_schema;
use super::world::World as Face;
use crate::support::{World, both_engines};

/// A call with the demo's key, in the name of the method.
async fn call(world: &World, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let answer = world.api(method, path, body.as_ref()).await;
    let (status, text) = (answer.status.as_u16(), answer.text());
    workos_schema::check(&method.parse().unwrap(), path, status, &text);
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// The path of the demo's connection.
fn path(world: &World) -> String {
    format!("/connections/{}", world.demo.seeded.connection_id)
}

both_engines! {
    async fn a_draft_takes_no_setting_that_it_would_lose(world: World) {
        let new = json!({
            "organization_id": world.demo.seeded.organization_id,
            "connection_type": "OktaOIDC", "name": "Draft",
        });
        let made = world.api("POST", "/connections", Some(&new)).await.json();
        let path = format!("/connections/{}", made["id"].as_str().unwrap());
        let body = json!({ "oidc": { "leeway_s": 5 } });
        let answer = world.api("PATCH", &path, Some(&body)).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (422, &json!("missing_setting")));
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        let body = json!({ "oidc": { "pkce": true, "leeway_s": "x" } });
        let told = world.api("PATCH", &path, Some(&body)).await.text();
        assert!(told.contains("oidc.leeway_s"), "{told}");
    }

    async fn a_change_does_not_undo_one_that_it_did_not_see(world: World) {
        let api = async |method: &str, path: &str, body: Value| {
            let answer = world.api(method, path, Some(&body)).await;
            assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
            answer.json()
        };
        let organization = world.demo.seeded.organization_id.as_str();
        for round in 0..8 {
            let new = json!({
                "organization_id": organization, "connection_type": "OktaOIDC", "name": "First",
            });
            let made = api("POST", "/connections", new).await;
            let path = format!("/connections/{}", made["id"].as_str().unwrap());
            let name = format!("Round {round}");
            tokio::join!(
                api("PATCH", &path, json!({ "state": "inactive" })),
                api("PATCH", &path, json!({ "name": name })),
                api("PATCH", &path, json!({ "policy": { "idp_initiated": true } })),
            );
            let now = world.api("GET", &path, None).await.json();
            assert_eq!(now["state"], "inactive", "{now}");
            assert_eq!((&now["name"], &now["policy"]["idp_initiated"]), (&json!(name), &json!(true)));
        }
    }

    async fn a_connection_is_shown_without_its_secret(world: World) {
        let (status, connection) = call(&world, "GET", &path(&world), None).await;
        assert_eq!(status, 200);
        assert_eq!(connection["object"], "connection");
        assert_eq!(connection["connection_type"], "OktaOIDC");
        assert_eq!(connection["status"], "linked");
        assert_eq!(connection["oidc"]["client_id"], world.demo.credentials.client_id.as_str());
        assert_eq!(connection["oidc"]["has_client_secret"], true);
        assert_eq!(connection["oidc"]["has_next_client_secret"], false);
        let redirect_uri = connection["redirect_uri"].as_str().unwrap();
        let key = connection["external_key"].as_str().unwrap();
        assert!(redirect_uri.ends_with(&format!("/sso/oidc/{key}/callback")), "{redirect_uri}");
        let secret = world.demo.credentials.client_secret.expose();
        assert!(!connection.to_string().contains(secret));
    }

    async fn a_connection_is_created_configured_and_used_for_a_login(world: World) {
        let tenant = &world.demo.tenant;
        let body = json!({
            "organization_id": world.demo.seeded.organization_id,
            "connection_type": "OktaOIDC",
            "name": "Second",
        });
        let (status, draft) = call(&world, "POST", "/connections", Some(body)).await;
        assert_eq!((status, &draft["state"], &draft["oidc"]), (201, &json!("draft"), &Value::Null));
        assert_eq!(draft["status"], "unlinked");
        let path = format!("/connections/{}", draft["id"].as_str().unwrap());
        let (status, _) = call(&world, "PATCH", &path, Some(json!({ "state": "active" }))).await;
        assert_eq!(status, 422);
        let redirect_uri = draft["redirect_uri"].as_str().unwrap().to_owned();
        let credentials = tenant.create_app(vestibule::sandbox::okta::NewApp {
            name: "Second".to_owned(),
            redirect_uris: vec![redirect_uri],
            groups: tenant.groups().into_iter().map(|group| group.id).collect(),
            ..Default::default()
        });
        let body = json!({ "oidc": {
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret.expose(),
            "discovery_endpoint": tenant.base_url(),
            "groups_claim": "teams",
        } });
        let (status, configured) = call(&world, "PATCH", &path, Some(body)).await;
        assert_eq!(status, 200, "{configured}");
        assert_eq!(configured["state"], "validating");
        assert_eq!(configured["oidc"]["groups_claim"], "teams");
        let endpoint = configured["oidc"]["discovery_endpoint"].as_str().unwrap();
        assert!(endpoint.ends_with("/.well-known/openid-configuration"), "{endpoint}");
        let url = world.authorize_url(&[("connection", draft["id"].as_str().unwrap())]);
        world.code_of(&url, "ada@acme.example").await;
        let (_, active) = call(&world, "GET", &path, None).await;
        assert_eq!(active["state"], "active");
        let (_, off) = call(&world, "PATCH", &path, Some(json!({ "state": "inactive" }))).await;
        assert_eq!(off["state"], "inactive");
        assert_eq!(call(&world, "DELETE", &path, None).await, (204, Value::Null));
        assert_eq!(call(&world, "GET", &path, None).await.0, 404);
    }

    async fn what_could_not_work_is_not_stored(world: World) {
        let path = path(&world);
        let (_, before) = call(&world, "GET", &path, None).await;
        for (body, field) in [
            (json!({ "oidc": { "discovery_endpoint": "https://169.254.169.254/" } }),
                "oidc.discovery_endpoint"),
            (json!({ "oidc": { "issuer": "https://evil.example" } }), "oidc"),
            (json!({ "oidc": { "client_id": 1 } }), "oidc.client_id"),
            (json!({ "oidc": { "leeway_s": -1 } }), "oidc"),
            (json!({ "policy": { "email_domains": "some" } }), "policy"),
            (json!({ "policy": { "unknown": true } }), "policy"),
            (json!({ "state": "draft" }), "state"),
            (json!({ "state": "exploded" }), "state"),
            (json!({ "name": "" }), "name"),
        ] {
            let (status, answer) = call(&world, "PATCH", &path, Some(body.clone())).await;
            assert_eq!(status, 422, "{body}: {answer}");
            assert_eq!(answer["errors"][0]["field"], field, "{body}: {answer}");
        }
        let organization_id = &world.demo.seeded.organization_id;
        for (body, status) in [
            (json!({ "organization_id": organization_id, "connection_type": "OktaSAML",
                "name": "x" }), 422),
            (json!({ "organization_id": organization_id, "connection_type": "Nonsense",
                "name": "x" }), 422),
            (json!({ "organization_id": "org_01EHQMYV6MBK39QC5PZXHY59C3",
                "connection_type": "OktaOIDC", "name": "x" }), 404),
            (json!({ "connection_type": "OktaOIDC", "name": "x" }), 422),
        ] {
            let (got, answer) = call(&world, "POST", "/connections", Some(body)).await;
            assert_eq!(got, status, "{answer}");
        }
        assert_eq!(call(&world, "GET", &path, None).await.1, before);
        let (_, list) = call(&world, "GET", "/connections", None).await;
        assert_eq!(list["data"].as_array().unwrap().len(), 1);
    }

    async fn members_of_the_policy_are_changed_one_by_one(world: World) {
        let path = path(&world);
        let (_, before) = call(&world, "GET", &path, None).await;
        let body = json!({ "policy": { "require_email_verified": true } });
        let (status, after) = call(&world, "PATCH", &path, Some(body)).await;
        assert_eq!(status, 200);
        assert_eq!(after["policy"]["require_email_verified"], true);
        assert_eq!(after["policy"]["email_domains"], before["policy"]["email_domains"]);
        assert_eq!(after["oidc"], before["oidc"]);
    }

    async fn connections_are_listed_by_filter(world: World) {
        let organization_id = &world.demo.seeded.organization_id;
        for (query, count) in [
            (String::new(), 1),
            ("connection_type=OktaOIDC".to_owned(), 1),
            ("connection_type=GithubOAuth".to_owned(), 0),
            ("connection_type=GitHubOAuth".to_owned(), 0),
            (format!("organization_id={organization_id}"), 1),
            ("organization_id=org_01EHQMYV6MBK39QC5PZXHY59C3".to_owned(), 0),
            ("domain=ACME.example".to_owned(), 1),
            ("domain=other.example".to_owned(), 0),
            ("search=%25%25".to_owned(), 0),
        ] {
            let (status, list) = call(&world, "GET", &format!("/connections?{query}"), None).await;
            assert_eq!(status, 200);
            assert_eq!(list["data"].as_array().unwrap().len(), count, "{query}");
        }
        for query in ["connection_type=Nonsense", "organization_id=nope", "after=org_1"] {
            let (status, _) = call(&world, "GET", &format!("/connections?{query}"), None).await;
            assert_eq!(status, 422, "{query}");
        }
    }

    async fn groups_of_a_connection_give_roles(world: World) {
        let groups = format!("{}/groups", path(&world));
        let body = json!({ "idp_id": "Auditors ", "name": "Auditors", "role": "admin" });
        let (status, group) = call(&world, "POST", &groups, Some(body.clone())).await;
        assert_eq!(status, 201, "{group}");
        assert_eq!((&group["idp_id"], &group["role"]["slug"]), (&json!("Auditors "), &json!("admin")));
        assert_eq!(call(&world, "POST", &groups, Some(body)).await.0, 409);
        let body = json!({ "idp_id": "X", "role": "nobody" });
        assert_eq!(call(&world, "POST", &groups, Some(body)).await.0, 422);
        let (status, refused) = call(&world, "DELETE", "/authorization/roles/admin", None).await;
        let code = "role_has_group_role_mappings";
        assert_eq!((status, &refused["code"]), (409, &json!(code)));
        let one = format!("{groups}/{}", group["id"].as_str().unwrap());
        let body = json!({ "role": "member", "name": null });
        let (status, changed) = call(&world, "PATCH", &one, Some(body)).await;
        assert_eq!((status, &changed["role"]["slug"], &changed["name"]),
            (200, &json!("member"), &Value::Null));
        assert_eq!(call(&world, "GET", &one, None).await.1, changed);
        let (_, list) = call(&world, "GET", &format!("{groups}?limit=100"), None).await;
        assert!(list["data"].as_array().unwrap().contains(&changed));
        assert_eq!(call(&world, "DELETE", &one, None).await.0, 204);
        assert_eq!(call(&world, "DELETE", &one, None).await.0, 404);
        assert_eq!(call(&world, "GET", &format!("{groups}/nope"), None).await.0, 404);
    }

    async fn a_login_leaves_a_session_with_its_trace(world: World) {
        let code = world.code().await;
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        let connection_id = &world.demo.seeded.connection_id;
        let query = format!("connection_id={connection_id}&status=success&email=ada@acme.example");
        let (status, list) = call(&world, "GET", &format!("/sso_sessions?{query}"), None).await;
        assert_eq!(status, 200);
        let session = &list["data"][0];
        assert_eq!((&session["status"], session.get("trace")), (&json!("success"), None));
        assert_eq!(session["error"], Value::Null);
        let path = format!("/sso_sessions/{}", session["id"].as_str().unwrap());
        let (_, whole) = call(&world, "GET", &path, None).await;
        assert!(whole["trace"].as_array().unwrap().len() > 10);
        for (query, status, count) in [
            ("status=failed", 200, 0),
            ("range_end=2001-01-01", 200, 0),
            ("range_start=2001-01-01", 200, 1),
            ("status=exploded", 422, 0),
            ("connection_id=nope", 422, 0),
        ] {
            let (got, list) = call(&world, "GET", &format!("/sso_sessions?{query}"), None).await;
            assert_eq!(got, status, "{query}");
            let found = list["data"].as_array().map_or(0, Vec::len);
            assert_eq!(found, count, "{query}");
        }
    }

    async fn ten_08_deleting_an_organization_deletes_its_connections_and_says_so(world: World) {
        let organization = format!("/organizations/{}", world.demo.seeded.organization_id);
        assert_eq!(call(&world, "DELETE", &organization, None).await.0, 200);
        assert_eq!(call(&world, "GET", &path(&world), None).await.0, 404);
        let query = "/events?events=connection.deleted,organization.deleted&order=asc";
        let (_, events) = call(&world, "GET", query, None).await;
        assert_eq!(events["data"][0]["event"], "connection.deleted");
        assert_eq!(events["data"][0]["data"]["external_key"].as_str().unwrap().len(), 25);
        assert_eq!(events["data"][1]["event"], "organization.deleted");
    }

    async fn ten_01_connections_of_another_environment_are_not_there(world: Face) {
        let acme = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
        let body = json!({ "organization_id": acme["id"], "connection_type": "OktaOIDC",
            "name": "Okta" });
        let connection = world.post("/connections", body.clone()).await.expect(201);
        let path = format!("/connections/{}", connection["id"].as_str().unwrap());
        let group = json!({ "idp_id": "g", "role": "admin" });
        let group = world.post(&format!("{path}/groups"), group).await.expect(201);
        let group = format!("{path}/groups/{}", group["id"].as_str().unwrap());
        let other = world.other_key().await;
        for (method, path, body) in [
            (Method::GET, path.clone(), None),
            (Method::PATCH, path.clone(), Some(json!({ "name": "Mine" }))),
            (Method::PATCH, path.clone(), Some(json!({ "policy": {} }))),
            (Method::DELETE, path.clone(), None),
            (Method::POST, "/connections".to_owned(), Some(body)),
            (Method::GET, format!("{path}/groups"), None),
            (
                Method::POST,
                format!("{path}/groups"),
                Some(json!({ "idp_id": "h", "role": "admin" })),
            ),
            (Method::GET, group.clone(), None),
            (Method::PATCH, group.clone(), Some(json!({ "role": "member" }))),
            (Method::DELETE, group.clone(), None),
        ] {
            let answer = world.call(&other, method.clone(), &path, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        }
        let list = world.call(&other, Method::GET, "/connections", None).await.expect(200);
        assert_eq!(list["data"], json!([]));
        world.get(&group).await.expect(200);
    }
}
