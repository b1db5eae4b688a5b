//! The document of the API against the API itself.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;

use super::world::World;
use crate::support::both_engines;

/// The operations of the document: method, path, description.
fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            operations.push((method, path.clone(), operation.clone()));
        }
    }
    operations
}

/// All `$ref` in the document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

both_engines! {
    async fn every_operation_of_the_document_is_served_and_wants_a_key(world: World) {
        let document = world.get("/openapi.json").await.expect(200);
        let operations = operations(&document);
        assert!(operations.len() > 45, "{}", operations.len());
        for (method, path, _) in operations {
            let path = path.replace(['{', '}'], "");
            let request = Request::builder().method(&method).uri(&path);
            let answer = world.send(request.body(Body::empty()).unwrap()).await;
            let refused = match path.as_str() {
                // WorkOS's word for it here is OAuth's.
                "/sso/logout/authorize" => 400,
                // Public; nobody has this client id.
                "/sso/jwks/client_id" => 404,
                _ => 401,
            };
            assert_eq!(answer.status, refused, "{method} {path}: {}", answer.text);
        }
    }

    async fn nothing_is_served_that_is_not_in_the_document(world: World) {
        // Every path of the document answers the methods that it does not have with 405: so each
        // method that is served is in the document. A path that is not in it cannot be registered,
        // because routes are registered from their descriptions only.
        let document = world.get("/openapi.json").await.expect(200);
        let operations = operations(&document);
        for path in document["paths"].as_object().unwrap().keys() {
            for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                if operations.iter().any(|(m, p, _)| *m == method && p == path) {
                    continue;
                }
                let plain = path.replace(['{', '}'], "");
                let answer = world.call(&world.key, method.clone(), &plain, None).await;
                assert_eq!(answer.status, 405, "{method} {path}");
            }
        }
    }

    async fn the_document_describes_what_it_lists(world: World) {
        let document = world.get("/openapi.json").await.expect(200);
        let mut ids = std::collections::HashSet::new();
        for (method, path, operation) in operations(&document) {
            let name = format!("{method} {path}");
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{name}");
            assert!(operation["tags"][0].is_string(), "{name}");
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{name}: {id} is not the only one");
            for status in ["401", "422", "500"] {
                assert!(operation["responses"][status].is_object(), "{name} {status}");
            }
            let placeholders = path.matches('{').count();
            let params = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = params.iter().filter(|param| param["in"] == "path").count();
            assert_eq!(in_path, placeholders, "{name}");
            let has_body = operation.get("requestBody").is_some();
            let may_have_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
            assert!(has_body <= may_have_body, "{name}");
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100);
        for reference in found {
            let target = document.pointer(reference.trim_start_matches('#'));
            assert!(target.is_some(), "{reference} leads nowhere");
        }
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            for (member, property) in schema["properties"].as_object().into_iter().flatten() {
                let text = property.to_string();
                let described = text.contains(r#""description""#) || text.contains(r#""$ref""#);
                assert!(described, "{name}.{member}");
            }
        }
    }
}
