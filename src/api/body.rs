//! The JSON body of a request.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::error::ApiError;
use crate::app::App;
use crate::web::body::{self, Unread};

/// How many bytes a body may have.
const MAX_BYTES: usize = 64 * 1024;
/// How deep it may nest: metadata, the deepest we take, is at 2.
const MAX_DEPTH: usize = 16;

/// A body that was read as `T`. An empty one counts as `{}`, which clients send for it too.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        parse(&parts.headers, &collect(body).await?).map(Self)
    }
}

/// The bytes of a body, if there are not too many.
pub(super) async fn collect(body: axum::body::Body) -> Result<Bytes, ApiError> {
    body::read(body, MAX_BYTES).await.map_err(|unread| match unread {
        Unread::TooLarge => {
            let message = "The body is larger than 64 kB.";
            ApiError::plain(StatusCode::PAYLOAD_TOO_LARGE, message)
        }
        Unread::Broken => bad_request("The body did not arrive whole."),
    })
}

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(
    headers: &HeaderMap,
    bytes: &Bytes,
) -> Result<T, ApiError> {
    if bytes.is_empty() {
        return read(Value::Object(serde_json::Map::new()));
    }
    if !is_json(headers) {
        let message = "The body must be JSON, with Content-Type: application/json.";
        return Err(ApiError::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| bad_request(&format!("The body is not valid JSON: {error}.")))?;
    check(&value, 0)?;
    read(value)
}

/// Whether the body is said to be JSON, or nothing is said.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

/// Refuses what no member of ours needs and something behind us may stumble over.
fn check(value: &Value, depth: usize) -> Result<(), ApiError> {
    if depth > MAX_DEPTH {
        return Err(bad_request("The body nests too deep."));
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Value::Object(members) => members.iter().try_for_each(|(name, item)| {
            check_text(name)?;
            check(item, depth + 1)
        }),
        Value::String(text) => check_text(text),
        _ => Ok(()),
    }
}

/// PostgreSQL knows no NUL.
fn check_text(text: &str) -> Result<(), ApiError> {
    if text.contains('\0') {
        return Err(bad_request("The body contains a NUL character."));
    }
    Ok(())
}

/// Reads the value, and says which member is wrong if one is.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    if !value.is_object() {
        let message = "The body must be a JSON object.";
        return Err(ApiError::coded(StatusCode::UNPROCESSABLE_ENTITY, "invalid_type", message));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        match message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some(member) => {
                let field =
                    if path == "." { member.to_owned() } else { format!("{path}.{member}") };
                let message = format!("{field} is required.");
                ApiError::field("required", field, message)
            }
            None => ApiError::field("invalid_type", path.clone(), format!("{path}: {message}.")),
        }
    })
}

fn bad_request(message: &str) -> ApiError {
    ApiError::coded(StatusCode::BAD_REQUEST, "bad_request", message)
}

/// For a member where `null` means something else than absence: `None` if it is absent, `Some(None)`
/// for `null`. To be used with `#[serde(default)]`.
pub fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}
