//! Rate limits: who waits, how long, and who does not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::json;
use vestibule::app::{App, Limits, Parts};
use vestibule::base::Caller;
use vestibule::base::secret::Secret;
use vestibule::config;
use vestibule::model::setup_link;
use vestibule::{limits, server};

use super::world::{self, Answer, World};
use crate::support::both_engines;

const HERE: &str = "203.0.113.7";

/// The same service with other limits.
fn limited(world: &World, change: impl FnOnce(&mut config::Limits)) -> App {
    begin_a_minute(world);
    let mut settings = config::Limits::default();
    change(&mut settings);
    let limits = Arc::new(Limits::new(&settings));
    App::from(Parts { limits, ..(*world.app).clone() })
}

/// What was counted in the minute before counts less and less, so a slow test that crosses into the
/// next one would be let through.
fn begin_a_minute(world: &World) {
    world.clock.advance_ms(60_000 - world.clock.now().as_ms().rem_euclid(60_000));
}

/// A request from an address.
async fn ask(world: &World, router: &Router, from: &str, request: (&str, &str, &str)) -> Answer {
    let (path, authorization, accept) = request;
    let peer = SocketAddr::new(from.parse::<IpAddr>().unwrap(), 4711);
    let request = Request::builder()
        .method(if path == "/sso/token" { Method::POST } else { Method::GET })
        .uri(path)
        .header("authorization", authorization)
        .header("accept", accept)
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(ConnectInfo(peer));
    let body = if path == "/sso/token" { token_request(authorization) } else { String::new() };
    world.send_to(router.clone(), request.body(Body::from(body)).unwrap()).await
}

fn token_request(authorization: &str) -> String {
    let secret = authorization.trim_start_matches("Bearer ");
    format!("grant_type=authorization_code&client_id=client_x&client_secret={secret}&code=x")
}

/// Refused as WorkOS does, with a number of seconds that SDKs can wait.
#[track_caller]
fn assert_waits(answer: &Answer) -> u32 {
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert!(answer.headers.contains_key("x-request-id"));
    let seconds = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=120).contains(&seconds), "{seconds}");
    seconds
}

both_engines! {
    async fn an_address_that_asks_too_often_waits_and_others_do_not(world: World) {
        let app = limited(&world, |limits| limits.address_per_minute = 5);
        let router = server::router(app);
        let bearer = format!("Bearer {}", world.key);
        let get = ("/organizations", bearer.as_str(), "application/json, text/plain, */*");
        for _ in 0..5 {
            assert_eq!(ask(&world, &router, HERE, get).await.status, 200);
        }
        let refused = ask(&world, &router, HERE, get).await;
        let seconds = assert_waits(&refused);
        let said = refused.json();
        assert_eq!(said["code"], "rate_limit_exceeded");
        assert!(said["message"].as_str().unwrap().starts_with("Too many requests"));
        assert_eq!(said.get("error"), None);
        // Every face counts, and each refuses in its own way.
        let page = ask(&world, &router, HERE, ("/sso/authorize", "", "text/html,*/*")).await;
        assert_waits(&page);
        assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(!page.text.contains(HERE));
        assert_waits(&ask(&world, &router, HERE, ("/sso/profile", "", "*/*")).await);
        assert_waits(&ask(&world, &router, HERE, ("/dashboard/sign-in", "", "text/html")).await);
        // Others are not refused, nor is what watches the service.
        for (from, path) in [
            ("203.0.113.8", "/organizations"),
            ("2001:db8::1", "/organizations"),
            (HERE, "/healthz"),
        ] {
            let answer = ask(&world, &router, from, (path, &bearer, "*/*")).await;
            assert_eq!(answer.status, 200, "{from} {path}");
        }
        world.clock.advance_ms(i64::from(seconds) * 1000);
        assert_eq!(ask(&world, &router, HERE, get).await.status, 200);
    }

    async fn prt_10_who_guesses_links_gets_no_further_than_the_limit(world: World) {
        let app = limited(&world, |limits| limits.address_per_minute = 20);
        let router = server::router(app);
        let guess = async || {
            let path = setup_link::path(&Secret::random(""));
            ask(&world, &router, HERE, (&path, "", "text/html")).await
        };
        for _ in 0..20 {
            assert_ne!(guess().await.status, 429);
        }
        assert_waits(&guess().await);
        // 256 bits: the limit only saves work.
        let path = setup_link::path(&Secret::random(""));
        assert!(path.split('=').next_back().unwrap().len() >= 43, "{path}");
    }

    async fn an_ipv6_network_is_one_address_and_the_machine_itself_is_none(world: World) {
        let app = limited(&world, |limits| limits.address_per_minute = 3);
        let router = server::router(app);
        let bearer = format!("Bearer {}", world.key);
        let get = ("/organizations", bearer.as_str(), "*/*");
        for host in ["1", "2", "ffff:1"] {
            let from = format!("2001:db8:1:2::{host}");
            assert_eq!(ask(&world, &router, &from, get).await.status, 200);
        }
        assert_waits(&ask(&world, &router, "2001:db8:1:2:3:4:5:6", get).await);
        assert_eq!(ask(&world, &router, "2001:db8:1:3::1", get).await.status, 200);
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for _ in 0..5 {
                assert_eq!(ask(&world, &router, own, get).await.status, 200, "{own}");
            }
        }
    }

    async fn lod_09_a_forwarded_address_of_a_stranger_escapes_no_limit(world: World) {
        let app = limited(&world, |limits| limits.address_per_minute = 3);
        let router = server::router(app);
        let forged = async |n: u32| {
            let peer: SocketAddr = format!("{HERE}:1").parse().unwrap();
            let request = Request::builder()
                .uri("/organizations")
                .header("authorization", format!("Bearer {}", world.key))
                .header("x-forwarded-for", format!("198.51.100.{n}, 127.0.0.1"))
                .header("x_forwarded_for", format!("198.51.100.{n}"))
                .header("x-real-ip", format!("198.51.100.{n}"))
                .header("forwarded", format!("for=198.51.100.{n}"))
                .extension(ConnectInfo(peer))
                .body(Body::empty());
            world.send_to(router.clone(), request.unwrap()).await
        };
        for n in 0..3 {
            assert_eq!(forged(n).await.status, 200);
        }
        assert_waits(&forged(3).await);
    }

    async fn one_api_key_that_is_used_too_often_waits_and_no_other_does(world: World) {
        let app = limited(&world, |limits| limits.api_key_per_minute = 4);
        let router = world::router(app);
        let other = world.other_key().await;
        let get = async |key: &str| {
            ask(&world, &router, "127.0.0.1", ("/events", &format!("Bearer {key}"), "*/*")).await
        };
        for _ in 0..4 {
            assert_eq!(get(&world.key).await.status, 200);
        }
        let seconds = assert_waits(&get(&world.key).await);
        assert_eq!(get(&other).await.status, 200);
        world.clock.advance_ms(i64::from(seconds) * 1000);
        assert_eq!(get(&world.key).await.status, 200);
    }

    async fn a_key_deletes_50_organizations_a_minute(world: World) {
        begin_a_minute(&world);
        let id = "org_01EHQMYV6MBK39QC5PZXHY59C3";
        let path = format!("/organizations/{id}");
        for _ in 0..50 {
            assert_ne!(world.delete(&path).await.status, 429);
        }
        assert_waits(&world.delete(&path).await);
        // What is not deleting goes on.
        world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
    }

    async fn api_13_cod_17_who_guesses_keys_is_refused_unheard_and_others_are_not(world: World) {
        let app = limited(&world, |limits| limits.guesses_per_minute = 10);
        let router = server::router(app);
        let guess = async |n: usize, path: &str| {
            ask(&world, &router, HERE, (path, &format!("Bearer sk_guess_{n}"), "*/*")).await
        };
        for n in 0..5 {
            assert_eq!(guess(n, "/organizations").await.status, 401);
            let refused = guess(n, "/sso/token").await;
            assert_eq!(refused.json()["error"], "invalid_client");
        }
        assert_waits(&guess(10, "/organizations").await);
        assert_waits(&guess(10, "/sso/token").await);
        // The owner of a key is somewhere else, and is heard.
        let bearer = format!("Bearer {}", world.key);
        let owner = ("/organizations", bearer.as_str(), "*/*");
        assert_eq!(ask(&world, &router, "203.0.113.8", owner).await.status, 200);
        // Right keys do not count as guesses, however many.
        for _ in 0..30 {
            assert_eq!(ask(&world, &router, "203.0.113.8", owner).await.status, 200);
        }
        world.clock.advance_ms(120_000);
        assert_eq!(ask(&world, &router, HERE, owner).await.status, 200);
    }

    async fn nodes_hold_a_limit_together(world: World) {
        let node = || limited(&world, |limits| limits.api_key_per_minute = 100);
        let nodes = [node(), node(), node()];
        let routers = nodes.clone().map(world::router);
        let bearer = format!("Bearer {}", world.key);
        let mut admitted = 0;
        // 300 requests, evenly spread; every 30 of them the nodes tell each other.
        for n in 0..300 {
            let router = &routers[n % 3];
            let answer = ask(&world, router, "127.0.0.1", ("/events", &bearer, "*/*")).await;
            admitted += i32::from(answer.status == 200);
            if n % 30 == 29 {
                for node in &nodes {
                    limits::exchange(node).await.unwrap();
                }
            }
        }
        // The error is at most what two nodes did not tell of (5 each) and one round.
        assert!((100..=100 + 2 * 5 + 30).contains(&admitted), "{admitted}");
        // Which key it was stands nowhere.
        let nobody = Caller::anonymous();
        let rows = nodes[0].db.read(&nobody, async |tx| {
            let rows = tx.fetch_all("SELECT counts FROM rate_counts", &[]).await?;
            rows.into_iter().map(|mut row| row.next::<String>()).collect::<Result<Vec<_>, _>>()
        });
        let rows = rows.await.unwrap();
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| !row.contains("api_key") && row.contains(":[")));
        // A node that has nothing to tell any more says so once, and then is silent.
        world.clock.advance_ms(10 * 60_000);
        for node in &nodes {
            limits::exchange(node).await.unwrap();
            limits::exchange(node).await.unwrap();
        }
        let router = &routers[0];
        let answer = ask(&world, router, "127.0.0.1", ("/events", &bearer, "*/*")).await;
        assert_eq!(answer.status, 200);
    }
}
