//! `Idempotency-Key`: what is sent again is not done again.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use vestibule::app::{App, Parts};
use vestibule::base::Caller;
use vestibule::sso::sweep;

use super::world::{self, Answer, World};
use crate::support::both_engines;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn post(world: &World, key: &str, path: &str, body: &Value) -> Answer {
    with(world, &world.key, &[key], path, &body.to_string()).await
}

async fn with(world: &World, bearer: &str, keys: &[&str], path: &str, body: &str) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header("authorization", format!("Bearer {bearer}"))
        .header("content-type", "application/json");
    for key in keys {
        request = request.header("idempotency-key", *key);
    }
    world.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn is_replay(answer: &Answer) -> bool {
    answer.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
}

async fn names(world: &World) -> Vec<String> {
    let list = world.get("/organizations?limit=100").await.expect(200);
    let names = list["data"].as_array().unwrap().iter();
    names.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

/// What is needed to send each POST of the API.
struct Nouns {
    organization: String,
    connection: String,
    domain: String,
    endpoint: String,
    api_key: String,
}

impl Nouns {
    async fn new(world: &World) -> Self {
        let id = |value: Value| value["id"].as_str().unwrap().to_owned();
        let new = json!({ "name": "Acme" });
        let organization = id(world.post("/organizations", new).await.expect(201));
        let new = json!({
            "organization_id": organization, "connection_type": "OktaOIDC", "name": "Okta",
        });
        let connection = id(world.post("/connections", new).await.expect(201));
        let new = json!({ "organization_id": organization, "domain": "acme.example" });
        let domain = id(world.post("/organization_domains", new).await.expect(201));
        let new =
            json!({ "endpoint_url": "https://a.example/", "events": ["connection.activated"] });
        let endpoint = id(world.post("/webhook_endpoints", new).await.expect(201));
        for slug in ["posts:read", "posts:write"] {
            let new = json!({ "slug": slug, "name": slug });
            world.post("/authorization/permissions", new).await.expect(201);
        }
        let new = json!({ "slug": "editor", "name": "Editor" });
        world.post("/authorization/roles", new).await.expect(201);
        let path = format!("/authorization/organizations/{organization}/roles");
        let new = json!({ "slug": "org-editor", "name": "Editor" });
        world.post(&path, new).await.expect(201);
        let path = format!("/organizations/{organization}/api_keys");
        let api_key = id(world.post(&path, json!({ "name": "CI" })).await.expect(201));
        Self { organization, connection, domain, endpoint, api_key }
    }

    /// A request that the path with these names in it accepts.
    fn request(&self, template: &str) -> (String, Value) {
        let path = template
            .replace("{organization_id}", &self.organization)
            .replace("{organizationId}", &self.organization)
            .replace("{connection_id}", &self.connection)
            .replace(
                "{slug}",
                if template.contains("organizations") { "org-editor" } else { "editor" },
            );
        let id = match template.split('/').nth(1) {
            Some("connections") => &self.connection,
            Some("organization_domains") => &self.domain,
            Some("webhook_endpoints") => &self.endpoint,
            Some("api_keys") => &self.api_key,
            _ => &self.organization,
        };
        let body = match template {
            "/organizations" => json!({ "name": "Twice" }),
            "/organization_domains" => {
                json!({ "organization_id": self.organization, "domain": "twice.example" })
            }
            "/connections" => json!({
                "organization_id": self.organization, "connection_type": "OktaOIDC", "name": "Two",
            }),
            "/connections/{connection_id}/groups" => json!({ "idp_id": "g", "role": "editor" }),
            "/authorization/permissions" => json!({ "slug": "twice", "name": "Twice" }),
            "/authorization/roles" => json!({ "slug": "twice", "name": "Twice" }),
            "/authorization/organizations/{organization_id}/roles" => json!({ "name": "Twice" }),
            path if path.ends_with("/permissions") => json!({ "slug": "posts:read" }),
            "/portal/generate_link" => {
                json!({ "organization": self.organization, "intent": "sso" })
            }
            "/user_management/redirect_uris" => json!({ "uri": "https://app.example/twice" }),
            "/user_management/cors_origins" => json!({ "origin": "https://app.example" }),
            "/environment/api_keys" | "/organizations/{id}/api_keys" => json!({ "name": "Twice" }),
            "/webhook_endpoints" => {
                json!({ "endpoint_url": "https://b.example/", "events": ["connection.activated"] })
            }
            "/webhook_endpoints/{id}/replay" => {
                json!({ "range_start": "2026-01-01T00:00:00.000Z" })
            }
            _ => json!({}),
        };
        (path.replace("{id}", id), body)
    }
}

/// The paths with a POST whose answers are kept: all but those that only look.
async fn paths(world: &World) -> BTreeSet<String> {
    let document = world.get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap().iter();
    let with_post = paths.filter(|(_, item)| item.get("post").is_some());
    with_post
        .map(|(path, _)| path.clone())
        .filter(|path| !ONLY_LOOK.contains(&path.as_str()))
        .collect()
}

/// What a key that was revoked meanwhile must not be told is that it is good.
const ONLY_LOOK: &[&str] = &["/api_keys/validations"];

both_engines! {
    async fn every_post_is_carried_out_once_and_answered_alike(world: World) {
        let nouns = Nouns::new(&world).await;
        let paths = paths(&world).await;
        assert!(paths.len() >= 16, "{paths:?}");
        for template in paths {
            let (path, body) = nouns.request(&template);
            let first = post(&world, &template, &path, &body).await;
            assert!(!is_replay(&first), "{template}");
            let second = post(&world, &template, &path, &body).await;
            assert!(first.status.as_u16() < 500, "{template}: {}", first.text);
            assert!(is_replay(&second), "{template}: {} {}", second.status, second.text);
            assert_eq!((first.status, &first.text), (second.status, &second.text), "{template}");
            assert_eq!(second.headers["content-type"], "application/json");
            // Without the key it is another request.
            let third = world.post(&path, body).await;
            assert!(!is_replay(&third), "{template}");
        }
    }

    async fn a_post_that_needs_no_body_takes_any(world: World) {
        let nouns = Nouns::new(&world).await;
        let path = format!("/webhook_endpoints/{}/rotate_secret", nouns.endpoint);
        for (n, body) in ["", "null", "[]", "{", r#"{"x":1}"#].into_iter().enumerate() {
            let answer = with(&world, &world.key, &[&format!("k{n}")], &path, body).await;
            assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        }
    }

    async fn what_was_done_once_is_there_once(world: World) {
        let body = json!({ "name": "Acme" });
        let first = post(&world, "one", "/organizations", &body).await.expect(201);
        let again = post(&world, "one", "/organizations", &body).await.expect(201);
        assert_eq!(first, again);
        assert_eq!(names(&world).await, ["Acme"]);
        let events = world.get("/events?events=organization.created").await.expect(200);
        assert_eq!(events["data"].as_array().unwrap().len(), 1);
        post(&world, "two", "/organizations", &body).await.expect(201);
        assert_eq!(names(&world).await, ["Acme", "Acme"]);
    }

    async fn the_key_of_another_request_is_refused(world: World) {
        post(&world, "k", "/organizations", &json!({ "name": "Acme" })).await.expect(201);
        for (path, body) in [
            ("/organizations", json!({ "name": "Acne" })),
            ("/organizations?x=1", json!({ "name": "Acme" })),
            ("/authorization/roles", json!({ "name": "Acme" })),
        ] {
            let refused = post(&world, "k", path, &body).await.expect(422);
            assert_eq!(refused["code"], "idempotency_key_reused", "{path}");
        }
        assert_eq!(names(&world).await, ["Acme"]);
        let two = with(&world, &world.key, &["a", "b"], "/organizations", "{}").await;
        two.expect(400);
        // An empty one is none.
        let empty = with(&world, &world.key, &[""], "/organizations", r#"{"name":"E"}"#).await;
        empty.expect(201);
        let empty = with(&world, &world.key, &[""], "/organizations", r#"{"name":"E"}"#).await;
        assert!(!is_replay(&empty));
    }

    async fn a_key_counts_in_its_environment_only(world: World) {
        let other = world.other_key().await;
        let body = r#"{"name":"Acme"}"#;
        let ours = with(&world, &world.key, &["k"], "/organizations", body).await;
        let theirs = with(&world, &other, &["k"], "/organizations", body).await;
        assert!(!is_replay(&theirs));
        assert_ne!(ours.json()["id"], theirs.json()["id"]);
        // Without an API key that is good now, nothing is answered again.
        let nobody = with(&world, "sk_wrong", &["k"], "/organizations", body).await;
        nobody.expect(401);
    }

    async fn equal_requests_at_once_are_carried_out_once_on_two_nodes(world: World) {
        // The second node has nothing in common with the first but the database.
        let db = world.database.open(world.clock.clone()).await;
        let second = App::from(Parts { db, ..(*world.app).clone() });
        let nodes = [world.router.clone(), world::router(second)];
        for round in 0..10 {
            let body = json!({ "name": format!("Round {round}") });
            let key = format!("round {round}");
            let send = |node: usize| {
                let world = &world;
                let router = nodes[node].clone();
                let (key, body) = (&key, &body);
                async move {
                    let request = Request::builder()
                        .method(Method::POST)
                        .uri("/organizations")
                        .header("authorization", format!("Bearer {}", world.key))
                        .header("content-type", "application/json")
                        .header("idempotency-key", key)
                        .body(Body::from(body.to_string()))
                        .unwrap();
                    world.send_to(router, request).await
                }
            };
            let (a, b, c, d) = tokio::join!(send(0), send(1), send(0), send(1));
            let answers = [a, b, c, d];
            let replays = answers.iter().filter(|answer| is_replay(answer)).count();
            assert_eq!(replays, 3);
            let ids: BTreeSet<String> =
                answers.into_iter().map(|it| it.expect(201)["id"].to_string()).collect();
            assert_eq!(ids.len(), 1);
        }
        assert_eq!(names(&world).await.len(), 10);
    }

    async fn a_refusal_is_kept_and_a_malformed_request_is_not(world: World) {
        let body = json!({ "domain": "acme.example", "organization_id": "org_01EHQMYV6MBK39QC5PZXHY59C3" });
        let first = post(&world, "k", "/organization_domains", &body).await;
        assert_eq!(first.status, 404);
        let second = post(&world, "k", "/organization_domains", &body).await;
        assert!(is_replay(&second));
        assert_eq!((second.status.as_u16(), &second.text), (404, &first.text));
        // What was never understood took no key: it may be mended and sent again.
        post(&world, "m", "/organizations", &json!({ "name": 1 })).await.expect(422);
        post(&world, "m", "/organizations", &json!({ "name": "Acme" })).await.expect(201);
    }

    async fn what_failed_by_our_fault_may_be_sent_again(world: World) {
        // The unit fails at its end, after the operation and the claim: all of it is undone.
        let body = json!({ "name": "Acme" });
        world.exec("ALTER TABLE events RENAME TO hidden").await;
        let failed = post(&world, "k", "/organizations", &body).await;
        assert_eq!(failed.status, 500, "{}", failed.text);
        world.exec("ALTER TABLE hidden RENAME TO events").await;
        let again = post(&world, "k", "/organizations", &body).await;
        assert!(!is_replay(&again));
        again.expect(201);
        assert_eq!(names(&world).await, ["Acme"]);
    }

    async fn sec_03_a_kept_secret_is_sealed(world: World) {
        let body = json!({ "name": "Second" });
        let first = post(&world, "key of mine", "/environment/api_keys", &body).await.expect(201);
        let again = post(&world, "key of mine", "/environment/api_keys", &body).await.expect(201);
        assert_eq!(first["value"], again["value"]);
        let value = first["value"].as_str().unwrap();
        assert!(value.starts_with("sk_"));
        let rows = world.column("SELECT answer_sealed FROM idempotency_keys").await;
        assert_eq!(rows.len(), 1);
        for secret in [value, "Second", "key of mine", "environment_api_key"] {
            let found = rows[0].windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret}");
        }
        let keys = world.column("SELECT key_hash FROM idempotency_keys").await;
        assert_eq!(keys[0].len(), 32);
    }

    async fn sto_11_an_answer_that_was_moved_or_changed_is_not_given(world: World) {
        post(&world, "a", "/organizations", &json!({ "name": "A" })).await.expect(201);
        post(&world, "b", "/organizations", &json!({ "name": "B" })).await.expect(201);
        // Both rows get the answer that one of them had.
        world.exec(
            "UPDATE idempotency_keys SET answer_sealed =
             (SELECT answer_sealed FROM idempotency_keys ORDER BY created_at LIMIT 1)",
        ).await;
        post(&world, "a", "/organizations", &json!({ "name": "A" })).await.expect(201);
        post(&world, "b", "/organizations", &json!({ "name": "B" })).await.expect(500);
        assert_eq!(names(&world).await, ["B", "A"]);
    }

    async fn a_key_is_free_again_after_24_hours_and_its_answer_purged(world: World) {
        let body = json!({ "name": "Acme" });
        post(&world, "k", "/organizations", &body).await.expect(201);
        world.clock.advance_ms(DAY_MS - 60_000);
        assert!(is_replay(&post(&world, "k", "/organizations", &body).await));
        sweep::purge(&world.app).await.unwrap();
        assert!(is_replay(&post(&world, "k", "/organizations", &body).await));
        world.clock.advance_ms(60_000);
        // Free before it is purged, and for another request as well.
        let other = json!({ "name": "Other" });
        post(&world, "k", "/organizations", &other).await.expect(201);
        assert!(is_replay(&post(&world, "k", "/organizations", &other).await));
        world.clock.advance_ms(DAY_MS + 1);
        sweep::purge(&world.app).await.unwrap();
        let nobody = Caller::anonymous();
        let count = world.app.db.read(&nobody, async |tx| {
            tx.fetch_one("SELECT count(*) FROM idempotency_keys", &[]).await?.next::<i64>()
        });
        assert_eq!(count.await.unwrap(), 0);
    }
}
