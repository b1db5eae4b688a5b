//! What holds for every route: keys, bodies, queries, headers, errors.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use super::world::{Answer, World};
use crate::support::both_engines;

/// A request with these `Authorization` headers.
async fn with_authorization(world: &World, values: &[&str]) -> Answer {
    let mut request = Request::builder().uri("/organizations");
    for value in values {
        request = request.header("authorization", *value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

/// A POST with this body and type.
async fn with_body(world: &World, content_type: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/organizations")
        .header("authorization", format!("Bearer {}", world.key));
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    world.send(request.body(body.into()).unwrap()).await
}

/// Every answer that is not a success is JSON with a message, and without a member `error`.
fn assert_is_error(answer: &Answer) {
    let body = answer.json();
    assert!(body["message"].is_string(), "{body}");
    assert_eq!(body.get("error"), None);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.contains_key("x-request-id"));
}

both_engines! {
    async fn api_05_the_scheme_is_bearer_in_any_case_and_there_is_one_header(world: World) {
        let key = world.key.clone();
        for (values, status) in [
            (vec![format!("Bearer {key}")], 200),
            (vec![format!("bearer {key}")], 200),
            (vec![format!("BEARER {key}")], 200),
            (vec![format!("Bearer  {key}")], 401),
            (vec![format!("Basic {key}")], 401),
            (vec![key.clone()], 401),
            (vec!["Bearer ".to_owned()], 401),
            (vec![], 401),
            (vec![format!("Bearer {key}"), format!("Bearer {key}")], 400),
        ] {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let answer = with_authorization(&world, &values).await;
            assert_eq!(answer.status, status, "{values:?}");
            if status != 200 {
                assert_is_error(&answer);
            }
            if status == 401 {
                assert_eq!(answer.json(), json!({ "message": "Unauthorized" }));
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
            }
        }
    }

    async fn api_06_a_key_in_the_query_does_not_count(world: World) {
        for name in ["api_key", "access_token", "key"] {
            let uri = format!("/organizations?{name}={}", world.key);
            let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
            assert_eq!(world.send(request).await.status, 401);
        }
    }

    async fn api_07_a_key_counts_byte_for_byte(world: World) {
        let key = &world.key;
        for wrong in [
            key[..key.len() - 1].to_owned(),
            format!("{key}A"),
            format!("{key}="),
            key.to_uppercase(),
            key.replace("sk_", "SK_"),
            "x".repeat(5000),
        ] {
            let answer = with_authorization(&world, &[&format!("Bearer {wrong}")]).await;
            assert_eq!(answer.status, 401, "{wrong}");
        }
    }

    async fn api_12_without_a_key_nothing_is_parsed(world: World) {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/organizations?limit=0")
            .header("content-type", "text/plain")
            .body(Body::from("{"))
            .unwrap();
        assert_eq!(world.send(request).await.status, 401);
        let request =
            Request::builder().uri("/organizations/nonsense").body(Body::empty()).unwrap();
        assert_eq!(world.send(request).await.status, 401);
    }

    async fn api_12_without_a_key_no_path_tells_anything(world: World) {
        let document = world.get("/openapi.json").await.expect(200);
        let mut asked = 0;
        for (template, item) in document["paths"].as_object().unwrap() {
            // What stands for an id is none, so whoever looked at it first would say 404.
            let path: Vec<&str> = template
                .split('/')
                .map(|segment| if segment.starts_with('{') { "nonsense" } else { segment })
                .collect();
            // Keys that signatures are checked with are everybody's.
            if template == "/sso/jwks/{client_id}" {
                continue;
            }
            // Logging out speaks OAuth 2.0, whose error for this is 400.
            let refused = if template == "/sso/logout/authorize" { 400 } else { 401 };
            for method in item.as_object().unwrap().keys() {
                let request = Request::builder()
                    .method(method.to_uppercase().as_str())
                    .uri(path.join("/"))
                    .header("idempotency-key", "k")
                    .body(Body::from("{"))
                    .unwrap();
                assert_eq!(world.send(request).await.status, refused, "{method} {template}");
                asked += 1;
            }
        }
        assert!(asked > 60, "{asked}");
    }

    async fn api_14_other_verbs_are_refused_and_not_overridden(world: World) {
        for (method, path) in [
            (Method::TRACE, "/organizations"),
            (Method::PUT, "/organizations"),
            (Method::PATCH, "/events"),
            (Method::DELETE, "/environment"),
        ] {
            let answer = world.call(&world.key, method.clone(), path, None).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_is_error(&answer);
            assert!(answer.headers.contains_key("allow"), "{method} {path}");
        }
        let request = Request::builder()
            .uri("/organizations")
            .header("authorization", format!("Bearer {}", world.key))
            .header("x-http-method-override", "POST")
            .body(Body::empty())
            .unwrap();
        assert_eq!(world.send(request).await.status, 200);
        let answer = world.call(&world.key, Method::HEAD, "/organizations", None).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    }

    async fn api_15_a_forged_cursor_is_refused(world: World) {
        for cursor in [
            "org_", "-1", "%27%20OR%201%3D1", "conn_01EHQMYV6MBK39QC5PZXHY59C3", "a%20b%2Fc",
            "org_01ehqmyv6mbk39qc5pzxhy59c3", "%00", &"9".repeat(5000),
        ] {
            for name in ["before", "after"] {
                let answer = world.get(&format!("/organizations?{name}={cursor}")).await;
                assert_eq!(answer.status, 422, "{cursor}: {}", answer.text);
                assert_is_error(&answer);
            }
        }
        let id = "org_01EHQMYV6MBK39QC5PZXHY59C3";
        world.get(&format!("/organizations?after={id}&before={id}")).await.expect(422);
        world.get(&format!("/organizations?after={id}")).await.expect(200);
        world.get("/organizations?after=&before=").await.expect(200);
    }

    async fn api_16_a_limit_is_a_number_from_1_to_100(world: World) {
        for limit in ["0", "-1", "101", "1000000000", "NaN", "1e1", "1.5", "%20"] {
            let answer = world.get(&format!("/organizations?limit={limit}")).await;
            assert_eq!(answer.status, 422, "{limit}");
            let body = answer.json();
            assert_eq!(body["errors"][0]["field"], "limit");
            assert_eq!(body["errors"][0]["code"], "invalid_value");
        }
        world.get("/organizations?limit=1").await.expect(200);
        world.get("/organizations?limit=100&unknown=1").await.expect(200);
        world.get("/organizations?limit=1&limit=2").await.expect(422);
        world.get("/organizations?order=newest").await.expect(422);
    }

    async fn lod_07_members_that_are_much_alike_are_read_as_any_others(world: World) {
        // Objects are kept in trees, so no choice of names makes them slow.
        let object: serde_json::Value = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(object.to_string(), r#"{"a":2,"b":1}"#);
        let long = "a".repeat(40);
        let alike: Vec<String> = (0..1200).map(|n| format!(r#""{long}{n:04}":"""#)).collect();
        let short: Vec<String> = (0..6000).map(|n| format!(r#""{n:04x}":0"#)).collect();
        let same = vec![r#""a":0"#.to_owned(); 10_000];
        for members in [alike, short, same] {
            let members = members.join(",");
            let json = Some("application/json");
            let unknown = with_body(&world, json, format!(r#"{{"name":"A",{members}}}"#)).await;
            assert_eq!(unknown.status, 201, "{}", unknown.text);
            let body = format!(r#"{{"name":"A","metadata":{{{members}}}}}"#);
            let metadata = with_body(&world, json, body).await;
            assert!([400, 422].contains(&metadata.status.as_u16()), "{}", metadata.text);
        }
        let values = "domains=a&".repeat(3000);
        world.get(&format!("/organizations?{values}")).await.expect(422);
    }

    async fn bodies_are_json_of_a_sane_size_and_depth(world: World) {
        let json = Some("application/json");
        assert_eq!(with_body(&world, json, r#"{"name":"A"}"#).await.status, 201);
        let charset = Some("application/json; charset=utf-8");
        assert_eq!(with_body(&world, charset, r#"{"name":"A","name":"B"}"#).await.status, 201);
        assert_eq!(with_body(&world, None, r#"{"name":"A"}"#).await.status, 201);
        for (content_type, body, status) in [
            (Some("text/plain"), r#"{"name":"A"}"#.to_owned(), 415),
            (Some("application/x-www-form-urlencoded"), "name=A".to_owned(), 415),
            (json, "{".to_owned(), 400),
            (json, "name".to_owned(), 400),
            (json, "[]".to_owned(), 422),
            (json, r#""x""#.to_owned(), 422),
            (json, r#"{"name":1}"#.to_owned(), 422),
            (json, r#"{"name":null}"#.to_owned(), 422),
            (json, r#"{"name":""}"#.to_owned(), 422),
            (json, r#"{"name":"a\u0000b"}"#.to_owned(), 400),
            (json, r#"{"name":"A","metadata":{"a\u0000":"b"}}"#.to_owned(), 400),
            (json, r#"{"name":"A","metadata":{"a":1}}"#.to_owned(), 422),
            (json, r#"{"name":"A","domain_data":[{"domain":"a.com"}]}"#.to_owned(), 422),
            (json, format!(r#"{{"name":"A","x":{}1{}}}"#, "[".repeat(20), "]".repeat(20)), 400),
            (json, format!(r#"{{"name":"A","x":{}"#, "[".repeat(5000)), 400),
            (json, format!(r#"{{"name":"A","x":"{}"}}"#, "x".repeat(65536)), 413),
        ] {
            let answer = with_body(&world, content_type, body.clone()).await;
            assert_eq!(answer.status, status, "{body:.80}: {}", answer.text);
            assert_is_error(&answer);
        }
        let answer = with_body(&world, json, r#"{"name":"A","domain_data":[{"domain":"a.com"}]}"#);
        let body = answer.await.json();
        assert_eq!(body["errors"][0]["field"], "domain_data[0].state");
        // An empty body counts as `{}`: here something is missing, there nothing.
        let answer = with_body(&world, json, "").await;
        assert_eq!(answer.json()["errors"][0]["field"], "name");
        let request = Request::builder()
            .method(Method::PATCH)
            .uri("/environment")
            .header("authorization", format!("Bearer {}", world.key))
            .header("content-type", "application/json")
            .body(Body::empty())
            .unwrap();
        assert_eq!(world.send(request).await.status, 200);
    }

    async fn paths_that_do_not_exist_are_answered_in_json(world: World) {
        for path in ["/", "/nope", "/organizations/", "/organizations/x/y/z", "/v1/organizations"] {
            let answer = world.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_is_error(&answer);
        }
        for (path, message) in [
            ("/organizations/nope", "Organization not found: 'nope'."),
            (
                "/organizations/conn_01EHQMYV6MBK39QC5PZXHY59C3",
                "Organization not found: 'conn_01EHQMYV6MBK39QC5PZXHY59C3'.",
            ),
            (
                "/connections/conn_01EHQMYV6MBK39QC5PZXHY59C3",
                "Connection not found: 'conn_01EHQMYV6MBK39QC5PZXHY59C3'.",
            ),
        ] {
            let answer = world.get(path).await;
            assert_is_error(&answer);
            assert_eq!(answer.expect(404), json!({ "message": message }));
        }
        let answer = world.get("/organizations/%FF").await;
        assert_eq!(answer.status, 404);
        assert_is_error(&answer);
    }

    async fn a_request_is_named_by_its_sender_or_by_us(world: World) {
        let named = async |name: &str| {
            let request = Request::builder()
                .uri("/environment")
                .header("authorization", format!("Bearer {}", world.key))
                .header("x-request-id", name)
                .body(Body::empty())
                .unwrap();
            let answer = world.send(request).await;
            answer.headers["x-request-id"].to_str().unwrap().to_owned()
        };
        assert_eq!(named("abc-123").await, "abc-123");
        for insane in ["", "a b", "a\tb", "<script>", &"x".repeat(65)] {
            let name = named(insane).await;
            assert_ne!(name, insane);
            assert_eq!(name.len(), 20);
        }
        assert_ne!(named("").await, named("").await);
    }

    async fn nothing_is_said_to_other_origins(world: World) {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri("/organizations")
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST")
            .body(Body::empty())
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status, 405);
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
    }
}
