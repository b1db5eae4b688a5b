//! Errors in WorkOS's words: `message`, and where clients can act on it `code` and `errors`.
//!
//! Never a member `error`: Node's client would take the answer for one of OAuth.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::Error;

/// How long a client is to wait before it tries again, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// An answer that is not a success.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
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
    /// WorkOS's shape A: a status and a sentence.
    pub fn plain(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { message: message.into(), ..ErrorBody::default() } }
    }

    /// WorkOS's shape B: a status, a word and a sentence.
    pub fn coded(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let body = ErrorBody { code: Some(code), message: message.into(), ..ErrorBody::default() };
        Self { status, body }
    }

    /// WorkOS's shape C: a member of the request breaks a rule.
    pub fn field(code: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = FieldError { code, field: field.into(), message: message.clone() };
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            body: ErrorBody { code: Some(code), message, errors: vec![error] },
        }
    }

    /// No key, or none that is valid: the same answer whatever the reason.
    pub fn unauthorized() -> Self {
        Self::plain(StatusCode::UNAUTHORIZED, "Unauthorized")
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
const PLAIN: &[(&str, StatusCode)] = &[
    ("redirect_uri_already_exists", StatusCode::UNPROCESSABLE_ENTITY),
    ("organization_domain_conflict", StatusCode::CONFLICT),
];

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
