//! Errors in WorkOS's words: `message`, and where clients can act on it `code` and `errors`.
//!
//! Never a member `error`: Node's client would take the answer for one of OAuth.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::Error;
use crate::base::rate::Wait;
use crate::web::limit;

/// How long a client is to wait before it tries again, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");
/// The same where it asked too often: limits count by the minute.
const RETRY_LATER_S: HeaderValue = HeaderValue::from_static("60");

/// An answer that is not a success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    wait: Option<Wait>,
}

/// What went wrong.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ErrorBody {
    /// The word for it, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// One sentence, for people.
    pub message: String,
    /// Which members of the request are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
}

/// A member of the request that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// The word for the rule that it breaks.
    pub code: &'static str,
    /// The member, such as `domain_data[0].domain`.
    pub field: String,
    /// One sentence, for people.
    pub message: String,
}

impl ApiError {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What it says.
    pub fn body(&self) -> &ErrorBody {
        &self.body
    }

    fn new(status: StatusCode, body: ErrorBody) -> Self {
        Self { status, body, wait: None }
    }

    /// WorkOS's shape A: a status and a sentence.
    pub fn plain(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, ErrorBody { message: message.into(), ..ErrorBody::default() })
    }

    /// WorkOS's shape B: a status, a word and a sentence.
    pub fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: Some(code), message: message.into(), ..ErrorBody::default() };
        Self::new(status, body)
    }

    /// WorkOS's shape C: a member of the request breaks a rule.
    pub fn field(code: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = FieldError { code, field: field.into(), message: message.clone() };
        let body = ErrorBody { code: Some(code), message, errors: vec![error] };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, body)
    }

    /// No key, or none that is valid: the same answer whatever the reason.
    pub fn unauthorized() -> Self {
        Self::plain(StatusCode::UNAUTHORIZED, "Unauthorized")
    }
}

impl From<Wait> for ApiError {
    /// A limit was reached.
    fn from(wait: Wait) -> Self {
        let error = Self::coded(StatusCode::TOO_MANY_REQUESTS, limit::CODE, limit::MESSAGE);
        Self { wait: Some(wait), ..error }
    }
}

/// Rules whose breach WorkOS answers with 400 (and without `errors`).
const BAD_REQUEST: &[&str] = &[
    "invalid_metadata",
    "external_id_already_used",
    "stripe_customer_id_already_used",
    "domain_already_verified",
    "invalid_cursor",
];
/// Conflicts that WorkOS answers with a sentence alone, and their statuses.
const PLAIN: &[(&str, StatusCode)] =
    &[("redirect_uri_already_exists", StatusCode::UNPROCESSABLE_ENTITY)];

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::plain(StatusCode::NOT_FOUND, error.to_string()),
            Error::Invalid { code, message, .. } | Error::Conflict { code, message }
                if BAD_REQUEST.contains(&code) =>
            {
                Self::coded(StatusCode::BAD_REQUEST, code, message)
            }
            Error::Invalid { code, field: Some(field), message } => {
                Self::field(code, field, message)
            }
            Error::Invalid { code, field: None, message } => {
                Self::coded(StatusCode::UNPROCESSABLE_ENTITY, code, message)
            }
            Error::Conflict { code, message } => {
                match PLAIN.iter().find(|(plain, _)| *plain == code) {
                    Some((_, status)) => Self::plain(*status, message),
                    None => Self::coded(StatusCode::CONFLICT, code, message),
                }
            }
            Error::Denied { reason } => Self::plain(StatusCode::FORBIDDEN, reason),
            Error::RateLimited { message } => {
                Self::coded(StatusCode::TOO_MANY_REQUESTS, limit::CODE, message)
            }
            Error::Unavailable(_) => {
                tracing::warn!(error = error.chain(), "temporarily unavailable");
                Self::plain(StatusCode::SERVICE_UNAVAILABLE, "Temporarily unavailable: try again.")
            }
            Error::Internal(_) => {
                tracing::error!(error = error.chain(), "internal error");
                let message =
                    "Something went wrong on our side. The X-Request-ID finds it in the log.";
                Self::plain(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = self.wait.map_or(RETRY_LATER_S, |Wait(s)| HeaderValue::from(s));
                response.headers_mut().insert(header::RETRY_AFTER, wait);
            }
            // RFC 9110 section 11.6.1.
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            _ => {}
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn answer(error: Error) -> (u16, axum::http::HeaderMap, String) {
        let (parts, body) = ApiError::from(error).into_response().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_fault_of_ours_is_told_in_one_sentence_without_its_cause() {
        let (status, _, text) = answer(Error::internal("no such table: roles")).await;
        assert_eq!(status, 500);
        assert!(!text.contains("table"), "{text}");
        assert!(text.contains("X-Request-ID"), "{text}");
    }

    #[tokio::test]
    async fn who_finds_us_busy_is_told_when_to_come_again() {
        let (status, headers, text) = answer(Error::unavailable("postgres://secret@host")).await;
        assert_eq!((status, &headers[header::RETRY_AFTER]), (503, &RETRY_AFTER_S));
        assert!(!text.contains("secret"), "{text}");
    }

    #[tokio::test]
    async fn each_kind_of_error_has_its_status_and_shape() {
        let not_found = answer(Error::not_found("Organization", "org_1")).await;
        assert_eq!(not_found.0, 404);
        assert_eq!(not_found.2, r#"{"message":"Organization not found: 'org_1'."}"#);
        let denied = answer(Error::Denied { reason: "No.".to_owned() }).await;
        assert_eq!((denied.0, denied.2.as_str()), (403, r#"{"message":"No."}"#));
        let conflict = answer(Error::conflict("role_slug_conflict", "Taken.")).await;
        assert_eq!(conflict.0, 409);
        assert_eq!(conflict.2, r#"{"code":"role_slug_conflict","message":"Taken."}"#);
        let invalid = answer(Error::invalid("invalid_name", "name", "Bad.")).await;
        assert_eq!(invalid.0, 422);
        assert_eq!(
            invalid.2,
            r#"{"code":"invalid_name","message":"Bad.","errors":[{"code":"invalid_name","field":"name","message":"Bad."}]}"#
        );
        let metadata = answer(Error::invalid("invalid_metadata", "metadata", "Bad.")).await;
        assert_eq!(metadata.0, 400);
        assert_eq!(metadata.2, r#"{"code":"invalid_metadata","message":"Bad."}"#);
    }
}
