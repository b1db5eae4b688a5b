//! CORS origins: which scripts may read what, from within a browser.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use vestibule::server;

use super::world::{Answer, World};
use crate::support::both_engines;

const PATH: &str = "/user_management/cors_origins";
const ORIGIN: &str = "https://app.example";

async fn from_script(world: &World, method: Method, path: &str, origin: &str) -> Answer {
    let mut request = Request::builder().method(method.clone()).uri(path).header("origin", origin);
    if method == Method::OPTIONS {
        request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
    }
    let router = server::router(world.app.clone());
    world.send_to(router, request.body(Body::empty()).unwrap()).await
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

both_engines! {
    async fn scripts_of_a_registered_origin_may_redeem_codes_and_read_profiles(world: World) {
        let created = world.post(PATH, json!({ "origin": "https://APP.example:443/" })).await;
        let created = created.expect(201);
        assert_eq!(created["origin"], ORIGIN);
        for path in ["/sso/token", "/sso/profile"] {
            let asked = from_script(&world, Method::OPTIONS, path, ORIGIN).await;
            assert_eq!((asked.status.as_u16(), allowed(&asked)), (204, Some(ORIGIN)));
            let headers = asked.headers["access-control-allow-headers"].to_str().unwrap();
            assert!(headers.contains("authorization"));
            assert!(!asked.headers.contains_key("access-control-allow-credentials"));
            let method = if path == "/sso/token" { Method::POST } else { Method::GET };
            let answer = from_script(&world, method, path, ORIGIN).await;
            assert_eq!(allowed(&answer), Some(ORIGIN), "{path}: {}", answer.text);
            assert!(answer.headers.get_all("vary").iter().any(|value| value == "origin"));
            assert!(matches!(answer.status.as_u16(), 400 | 401));
        }
        let id = created["id"].as_str().unwrap();
        world.delete(&format!("{PATH}/{id}")).await.expect(204);
        world.delete(&format!("{PATH}/{id}")).await.expect(404);
        assert_eq!(allowed(&from_script(&world, Method::POST, "/sso/token", ORIGIN).await), None);
    }

    async fn nobody_else_and_nothing_else_is_told(world: World) {
        world.post(PATH, json!({ "origin": ORIGIN })).await.expect(201);
        for origin in [
            "https://evil.example",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.example",
            "https://app.example/",
            "null",
            "*",
            "",
        ] {
            for method in [Method::OPTIONS, Method::POST] {
                let answer = from_script(&world, method, "/sso/token", origin).await;
                assert_eq!(allowed(&answer), None, "{origin}");
            }
        }
        for path in ["/organizations", "/sso/authorize?client_id=x", "/dashboard/sign-in", "/setup"] {
            for method in [Method::OPTIONS, Method::GET] {
                let answer = from_script(&world, method, path, ORIGIN).await;
                assert_eq!(allowed(&answer), None, "{path}");
            }
        }
        // Without an origin nothing is said of origins.
        let request = Request::builder().uri("/sso/profile").body(Body::empty()).unwrap();
        let answer = world.send_to(server::router(world.app.clone()), request).await;
        assert_eq!(allowed(&answer), None);
    }

    async fn an_origin_is_registered_once_and_checked(world: World) {
        world.post(PATH, json!({ "origin": ORIGIN })).await.expect(201);
        let again = world.post(PATH, json!({ "origin": ORIGIN })).await.expect(409);
        assert_eq!(again["code"], "duplicate_cors_origin");
        for wrong in ["app.example", "https://*.example", "https://app.example/x", "null"] {
            let refused = world.post(PATH, json!({ "origin": wrong })).await.expect(422);
            assert_eq!(refused["errors"][0]["field"], "origin");
        }
        let list = world.get(PATH).await.expect(200);
        let origins: Vec<&Value> =
            list["data"].as_array().unwrap().iter().map(|it| &it["origin"]).collect();
        assert_eq!(origins, [ORIGIN]);
        let other = world.other_key().await;
        let theirs = world.call(&other, Method::GET, PATH, None).await.expect(200);
        assert_eq!(theirs["data"], json!([]));
    }
}
