//! The body of a request of a login.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::app::App;
use crate::web::body::{self, Unread};
use crate::web::page;

/// How many bytes a body may have.
const MAX_BYTES: usize = 64 * 1024;

/// A body that was read.
pub(super) struct Content(pub(super) Bytes);

impl FromRequest<App> for Content {
    type Rejection = NotRead;

    async fn from_request(request: Request, _: &App) -> Result<Self, NotRead> {
        read(request.into_body()).await.map(Self)
    }
}

/// Reads a body.
pub(super) async fn read(body: Body) -> Result<Bytes, NotRead> {
    body::read(body, MAX_BYTES).await.map_err(NotRead)
}

/// The answer where a body was not read, in the words of RFC 6749 section 5.2.
pub(super) struct NotRead(Unread);

impl IntoResponse for NotRead {
    fn into_response(self) -> Response {
        let (status, description) = match self.0 {
            Unread::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 64 kB."),
            Unread::Broken => (StatusCode::BAD_REQUEST, "The body did not arrive whole."),
        };
        let body = json!({ "error": "invalid_request", "error_description": description });
        page::json(status, &body)
    }
}
