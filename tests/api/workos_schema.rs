//! Holds every answer against WorkOS's own OpenAPI document, where that lies beside the crate.
//!
//! A small part of JSON Schema is enough for it: `type`, `required`, `properties`, `items`, `enum`,
//! `const`, `$ref`, `oneOf`/`anyOf` (one must fit) and `allOf`, `additionalProperties`.

use std::sync::OnceLock;

use axum::http::Method;
use serde_json::Value;

/// Where the document lies. It is not ours, so it is not part of the repository.
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/workos-open-api-spec.yaml");

/// WorkOS's document, if there is one.
pub fn document() -> Option<&'static Value> {
    static DOCUMENT: OnceLock<Option<Value>> = OnceLock::new();
    DOCUMENT
        .get_or_init(|| {
            let text = std::fs::read_to_string(PATH).ok()?;
            Some(yaml_serde::from_str(&text).expect("the document is YAML"))
        })
        .as_ref()
}

/// Holds an answer against the document. What the document does not know is not held against it.
pub fn check(method: &Method, path: &str, status: u16, text: &str) {
    let Some(document) = document() else { return };
    let path = path.split('?').next().unwrap_or_default();
    let Some(operation) = operation(document, method, path) else { return };
    let response = &operation["responses"][status.to_string()];
    if response.is_null() {
        assert!(status >= 400, "{method} {path}: WorkOS never answers {status}");
        return;
    }
    let schema = &response["content"]["application/json"]["schema"];
    if schema.is_null() && status >= 400 {
        // WorkOS does not say what; clients need JSON all the same.
        return;
    }
    if schema.is_null() {
        assert!(text.is_empty(), "{method} {path} {status}: WorkOS answers without a body");
        return;
    }
    let mut body: Value = serde_json::from_str(text).expect("an answer is JSON");
    if path == "/events"
        && let Some(events) = body["data"].as_array_mut()
    {
        events.retain(|event| !OURS.iter().any(|name| event["event"] == *name));
    }
    if status >= 400 {
        return check_error(schema, &body);
    }
    if let Err(problem) = validate(document, schema, &body, "") {
        panic!("{method} {path} {status}: {problem}\nin {body:#}");
    }
}

/// Events that WorkOS does not have: who asks for them by name gets them.
const OURS: &[&str] = &["profile.logged_out", "webhook_endpoint.disabled"];

/// An error has what clients read. Its `code` need not be one of WorkOS's: we refuse more.
fn check_error(schema: &Value, body: &Value) {
    let alternatives = schema["oneOf"].as_array();
    let first = alternatives.and_then(|schemas| schemas.first()).unwrap_or(schema);
    if first["properties"]["error"].is_null() {
        assert!(body["message"].is_string(), "no message: {body}");
        assert_eq!(body.get("error"), None, "Node's client takes it for an error of OAuth");
    }
    for name in first["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(body.get(name).is_some(), "no {name}: {body}");
    }
}

/// The operation of a path: literal segments count more than templates.
fn operation<'a>(document: &'a Value, method: &Method, path: &str) -> Option<&'a Value> {
    let wanted: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let segments: Vec<&str> = template.split('/').collect();
        let same = |(template, text): (&&str, &&str)| template.starts_with('{') || template == text;
        segments.len() == wanted.len() && segments.iter().zip(&wanted).all(same)
    };
    let (_, item) = document["paths"]
        .as_object()?
        .iter()
        .filter(|(template, _)| fits(template))
        .min_by_key(|(template, _)| template.matches('{').count())?;
    item.get(method.as_str().to_lowercase())
}

/// The first way in which a value does not fit a schema.
fn validate(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        return validate(document, target.ok_or(format!("no {reference}"))?, value, at);
    }
    check_type(schema, value, at)?;
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        return Err(format!("{at}: {value} is not {constant}"));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return Err(format!("{at}: {value} is not one of {allowed:?}"));
    }
    for schema in schema["allOf"].as_array().into_iter().flatten() {
        validate(document, schema, value, at)?;
    }
    for alternatives in [&schema["oneOf"], &schema["anyOf"]] {
        if let Some(alternatives) = alternatives.as_array() {
            check_alternatives(document, alternatives, value, at)?;
        }
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(schema) = schema.get("items") {
            validate(document, schema, item, &format!("{at}[{i}]"))?;
        }
    }
    match value.as_object() {
        Some(members) => check_members(document, schema, members, at),
        None => Ok(()),
    }
}

fn check_type(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    let fits = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    if fits { Ok(()) } else { Err(format!("{at}: {value} is not of type {}", schema["type"])) }
}

fn check_alternatives(
    document: &Value,
    alternatives: &[Value],
    value: &Value,
    at: &str,
) -> Result<(), String> {
    let problems: Vec<String> = alternatives
        .iter()
        .filter_map(|schema| validate(document, schema, value, at).err())
        .collect();
    if problems.len() < alternatives.len() {
        return Ok(());
    }
    // The alternative that comes closest is most likely meant: its problem is found last.
    let closest = problems.into_iter().max_by_key(|problem| problem.matches(['.', '[']).count());
    Err(format!("{at}: fits no alternative, for example {}", closest.unwrap_or_default()))
}

fn check_members(
    document: &Value,
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    at: &str,
) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            return Err(format!("{at}.{name} is missing"));
        }
    }
    for (name, value) in members {
        let known = &schema["properties"][name];
        let others = &schema["additionalProperties"];
        let schema = if known.is_object() { known } else { others };
        if schema.is_object() {
            validate(document, schema, value, &format!("{at}.{name}"))?;
        }
    }
    Ok(())
}

#[test]
fn answers_are_held_against_workos_own_document() {
    if document().is_none() {
        crate::support::skipped("WorkOS's own OpenAPI document does not lie beside this folder");
        return;
    }
    let check = |status, text: &str| {
        let text = text.to_owned();
        std::panic::catch_unwind(move || check(&Method::GET, "/connections", status, &text))
    };
    let list = r#"{"object":"list","data":[],"list_metadata":{"before":null,"after":null}}"#;
    assert!(check(200, list).is_ok());
    assert!(check(422, r#"{"message":"x"}"#).is_ok());
    // Wrong answers are noticed.
    assert!(check(200, r#"{"object":"list","data":[]}"#).is_err());
    assert!(check(200, &list.replace("[]", "[{}]")).is_err());
    assert!(check(200, &list.replace("null,", "1,")).is_err());
    assert!(check(200, &list.replace(r#""list""#, r#""lists""#)).is_err());
    assert!(check(201, list).is_err());
    assert!(check(422, r#"{"error":"x"}"#).is_err());
}
