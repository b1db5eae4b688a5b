//! Organizations over the API.

use serde_json::{Value, json};

use super::world::World;
use crate::support::both_engines;

async fn create(world: &World, body: Value) -> Value {
    world.post("/organizations", body).await.expect(201)
}

fn path(organization: &Value) -> String {
    format!("/organizations/{}", organization["id"].as_str().unwrap())
}

both_engines! {
    async fn an_organization_has_all_members_that_clients_read(world: World) {
        let created = create(&world, json!({ "name": " Foo Corp " })).await;
        assert_eq!(created["name"], "Foo Corp");
        assert_eq!(created["domains"], json!([]));
        assert_eq!(created["metadata"], json!({}));
        assert_eq!(created["external_id"], Value::Null);
        assert!(created.as_object().unwrap().contains_key("external_id"));
        assert!(!created.as_object().unwrap().contains_key("stripe_customer_id"));
        assert_eq!(world.get(&path(&created)).await.expect(200), created);
    }

    async fn metadata_is_merged_and_null_deletes_a_key(world: World) {
        let body = json!({ "name": "Foo", "metadata": { "a": "1", "b": "2" }, "external_id": "x-1" });
        let created = create(&world, body).await;
        let path = path(&created);
        let changed =
            world.put(&path, json!({ "metadata": { "a": null, "c": "3" } })).await.expect(200);
        assert_eq!(changed["metadata"], json!({ "b": "2", "c": "3" }));
        assert_eq!(changed["external_id"], "x-1");
        let same = world.put(&path, json!({})).await.expect(200);
        assert_eq!(same["metadata"], changed["metadata"]);
        let cleared =
            world.put(&path, json!({ "metadata": {}, "external_id": null })).await.expect(200);
        assert_eq!((&cleared["metadata"], &cleared["external_id"]), (&json!({}), &Value::Null));
    }

    async fn metadata_and_external_id_have_limits_and_codes_of_workos(world: World) {
        let keys: serde_json::Map<String, Value> =
            (0..51).map(|n| (n.to_string(), json!("x"))).collect();
        for metadata in [
            Value::Object(keys),
            json!({ "x".repeat(41): "1" }),
            json!({ "ä": "1" }),
            json!({ "a": "x".repeat(601) }),
        ] {
            let body = json!({ "name": "Foo", "metadata": metadata });
            let answer = world.post("/organizations", body).await.expect(400);
            assert_eq!(answer["code"], "invalid_metadata");
        }
        create(&world, json!({ "name": "Foo", "external_id": "taken" })).await;
        let body = json!({ "name": "Bar", "external_id": "taken" });
        let answer = world.post("/organizations", body).await.expect(400);
        assert_eq!(answer["code"], "external_id_already_used");
        let bar = create(&world, json!({ "name": "Bar" })).await;
        let answer = world.put(&path(&bar), json!({ "external_id": "taken" })).await.expect(400);
        assert_eq!(answer["code"], "external_id_already_used");
        assert_eq!(world.get("/organizations/external_id/taken").await.expect(200)["name"], "Foo");
        world.get("/organizations/external_id/none").await.expect(404);
    }

    async fn domains_are_replaced_as_a_set_and_keep_their_proof(world: World) {
        let created = create(
            &world,
            json!({ "name": "Foo", "domain_data": [
                { "domain": "Foo.example.com", "state": "verified" },
                { "domain": "bar.example.com", "state": "pending" },
            ] }),
        )
        .await;
        assert_eq!(created["domains"][0]["domain"], "foo.example.com");
        assert_eq!(created["domains"][0]["state"], "verified");
        assert_eq!(created["domains"][0]["verification_strategy"], "manual");
        let bar = &created["domains"][1];
        assert_eq!((&bar["state"], &bar["verification_strategy"]), (&json!("pending"), &json!("dns")));
        assert_eq!(bar["verification_token"].as_str().unwrap().len(), 25);
        let changed = world
            .put(
                &path(&created),
                json!({ "domain_data": [
                    { "domain": "bar.example.com", "state": "pending" },
                    { "domain": "new.example.com", "state": "pending" },
                ] }),
            )
            .await
            .expect(200);
        assert_eq!(changed["domains"][0], *bar);
        assert_eq!(changed["domains"][1]["domain"], "new.example.com");
        assert_eq!(changed["domains"].as_array().unwrap().len(), 2);
    }

    async fn ten_07_a_verified_domain_has_one_organization(world: World) {
        let verified = json!([{ "domain": "foo.com", "state": "verified" }]);
        let acme = create(&world, json!({ "name": "Foo", "domain_data": verified })).await;
        let body = json!({ "name": "Bar", "domain_data": verified });
        let answer = world.post("/organizations", body).await.expect(409);
        assert_eq!(answer["message"], "An Organization with the domain foo.com already exists.");
        let bar = create(&world, json!({ "name": "Bar", "domains": ["bar.com"] })).await;
        world.put(&path(&bar), json!({ "domain_data": verified })).await.expect(409);
        let body = json!({ "domain": "foo.com", "organization_id": bar["id"] });
        let answer = world.post("/organization_domains", body).await.expect(409);
        assert_eq!(answer["code"], "domain_already_exists");
        // Nothing of a refused request stays.
        assert_eq!(world.get(&path(&bar)).await.expect(200)["domains"], bar["domains"]);
        world.delete(&path(&acme)).await.expect(200);
        world.put(&path(&bar), json!({ "domain_data": verified })).await.expect(200);
    }

    async fn ten_07_of_many_that_verify_a_domain_at_once_one_wins(world: World) {
        let mut paths = Vec::new();
        for n in 0..6 {
            let organization = create(&world, json!({ "name": n.to_string(), "domains": ["acme.com"] })).await;
            paths.push(path(&organization));
        }
        let body = json!({ "domain_data": [{ "domain": "acme.com", "state": "verified" }] });
        let put = |i: usize| world.put(&paths[i], body.clone());
        let (a, b, c, d, e, f) = tokio::join!(put(0), put(1), put(2), put(3), put(4), put(5));
        let mut statuses: Vec<u16> = [a, b, c, d, e, f].iter().map(|a| a.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409]);
    }

    async fn of_many_that_take_an_external_id_at_once_one_wins(world: World) {
        let mut paths = Vec::new();
        for n in 0..4 {
            let organization = create(&world, json!({ "name": n.to_string() })).await;
            paths.push(path(&organization));
        }
        let put = |i: usize| world.put(&paths[i], json!({ "external_id": "x" }));
        let new = |n: usize| world.post("/organizations", json!({ "name": n.to_string(), "external_id": "x" }));
        let (a, b, c, d, e, f) = tokio::join!(put(0), put(1), put(2), put(3), new(4), new(5));
        let mut statuses: Vec<u16> = [a, b, c, d, e, f].iter().map(|a| a.status.as_u16()).collect();
        statuses.sort_unstable();
        assert!([200, 201].contains(&statuses[0]), "{statuses:?}");
        assert_eq!(statuses[1..], [400; 5]);
    }

    async fn a_domain_is_added_and_its_verification_restarted(world: World) {
        let acme = create(&world, json!({ "name": "Foo" })).await;
        let body = json!({ "domain": "foo.com", "organization_id": acme["id"] });
        let domain = world.post("/organization_domains", body.clone()).await.expect(201);
        world.post("/organization_domains", body).await.expect(409);
        let domain_path = format!("/organization_domains/{}", domain["id"].as_str().unwrap());
        assert_eq!(world.get(&domain_path).await.expect(200), domain);
        let again = world.post(&format!("{domain_path}/verify"), json!({})).await.expect(201);
        assert_eq!(again["state"], "pending");
        let verified = json!({ "domain_data": [{ "domain": "foo.com", "state": "verified" }] });
        world.put(&path(&acme), verified).await.expect(200);
        let answer = world.post(&format!("{domain_path}/verify"), json!({})).await.expect(400);
        assert_eq!(answer["code"], "domain_already_verified");
        world.delete(&domain_path).await.expect(204);
        world.get(&domain_path).await.expect(404);
        for domain in ["gmail.com", "not a domain", "com"] {
            let body = json!({ "domain": domain, "organization_id": acme["id"] });
            let answer = world.post("/organization_domains", body).await.expect(422);
            assert_eq!(answer["errors"][0]["field"], "domain");
        }
        let body = json!({ "domain": "x.com", "organization_id": "org_nope" });
        let answer = world.post("/organization_domains", body).await.expect(404);
        assert_eq!(answer["message"], "Organization not found: 'org_nope'.");
    }

    async fn organizations_are_listed_by_domain_and_by_text(world: World) {
        create(&world, json!({ "name": "Foo 100%", "domains": ["foo.com"] })).await;
        create(&world, json!({ "name": "Bar", "domains": ["bar.com", "baz.com"] })).await;
        create(&world, json!({ "name": "Qux" })).await;
        for (query, names) in [
            ("domains=foo.com", vec!["Foo 100%"]),
            ("domains=foo.com,baz.com&order=asc", vec!["Foo 100%", "Bar"]),
            ("domains[]=foo.com&domains[]=bar.com", vec!["Bar", "Foo 100%"]),
            ("domains%5B0%5D=foo.com&domains%5B1%5D=bar.com", vec!["Bar", "Foo 100%"]),
            ("domains=foo.com&domains=bar.com", vec!["Bar", "Foo 100%"]),
            ("domains=none.com", vec![]),
            ("search=BA", vec!["Bar"]),
            ("search=100%25", vec!["Foo 100%"]),
            ("search=%25", vec!["Foo 100%"]),
            ("search=_", vec![]),
            ("limit=1", vec!["Qux"]),
        ] {
            let list = world.get(&format!("/organizations?{query}")).await.expect(200);
            let found: Vec<&str> =
                list["data"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
            assert_eq!(found, names, "{query}");
        }
    }

    async fn a_list_is_read_page_by_page_in_every_order(world: World) {
        for n in 0..5 {
            create(&world, json!({ "name": format!("Organization {n}") })).await;
        }
        for order in ["asc", "desc"] {
            let mut names = Vec::new();
            let mut cursor = String::new();
            loop {
                let path = format!("/organizations?limit=2&order={order}{cursor}");
                let list = world.get(&path).await.expect(200);
                names.extend(list["data"].as_array().unwrap().iter().map(|o| o["name"].to_string()));
                match list["list_metadata"]["after"].as_str() {
                    Some(after) => cursor = format!("&after={after}"),
                    None => break,
                }
            }
            assert_eq!(names.len(), 5);
            assert!(if order == "asc" { names.is_sorted() } else { names.iter().rev().is_sorted() });
        }
        let newest = world.get("/organizations?limit=2&order=normal").await.expect(200);
        assert_eq!(newest["list_metadata"]["after"], Value::Null);
        let before = newest["list_metadata"]["before"].as_str().unwrap();
        let older = world
            .get(&format!("/organizations?limit=2&order=normal&before={before}"))
            .await
            .expect(200);
        assert_eq!(older["data"][0]["name"], "Organization 2");
    }

    async fn ten_01_an_organization_of_another_environment_is_not_there(world: World) {
        let body = json!({ "name": "Foo", "domains": ["foo.com"], "external_id": "x" });
        let acme = create(&world, body).await;
        let domain = format!("/organization_domains/{}", acme["domains"][0]["id"].as_str().unwrap());
        let other = world.other_key().await;
        use axum::http::Method;
        for (method, path, body) in [
            (Method::GET, path(&acme), None),
            (Method::PUT, path(&acme), Some(json!({ "name": "Mine" }))),
            (Method::DELETE, path(&acme), None),
            (Method::GET, format!("{}/roles", path(&acme)), None),
            (Method::GET, "/organizations/external_id/x".to_owned(), None),
            (Method::GET, domain.clone(), None),
            (Method::POST, format!("{domain}/verify"), Some(json!({}))),
            (Method::DELETE, domain.clone(), None),
            (
                Method::POST,
                "/organization_domains".to_owned(),
                Some(json!({ "domain": "bar.com", "organization_id": acme["id"] })),
            ),
        ] {
            let answer = world.call(&other, method.clone(), &path, body).await;
            assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text);
        }
        let all = "/organizations?domains=foo.com";
        assert_eq!(world.call(&other, Method::GET, all, None).await.expect(200)["data"], json!([]));
        let cursor = format!("/organizations?order=asc&after={}", &acme["id"].as_str().unwrap());
        assert_eq!(world.call(&other, Method::GET, &cursor, None).await.expect(200)["data"], json!([]));
        assert_eq!(world.get(&path(&acme)).await.expect(200)["name"], "Foo");
        // The same domain and external id in another environment are another matter.
        let body = json!({ "name": "Foo", "external_id": "x",
            "domain_data": [{ "domain": "foo.com", "state": "verified" }] });
        world.call(&other, Method::POST, "/organizations", Some(body)).await.expect(201);
    }

    async fn ten_04_members_that_are_not_the_callers_to_choose_are_ignored(world: World) {
        let body = json!({ "name": "Foo", "id": "org_01EHQMYV6MBK39QC5PZXHY59C3",
            "environment_id": "environment_01EHQMYV6MBK39QC5PZXHY59C3",
            "created_at": "2000-01-01T00:00:00.000Z", "admin_emails": ["a@b.c"], "object": "x" });
        let created = create(&world, body).await;
        assert_ne!(created["id"], "org_01EHQMYV6MBK39QC5PZXHY59C3");
        assert_eq!(created["object"], "organization");
        assert_ne!(created["created_at"], "2000-01-01T00:00:00.000Z");
        assert_eq!(world.get(&path(&created)).await.expect(200), created);
    }
}
