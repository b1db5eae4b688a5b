//! A name for every request, to find its lines in the log: `X-Request-ID`.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

/// The header, both ways.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The name of the request that is being answered; an extension of every request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Names the request, or takes over the name that a proxy gave it; all lines of the log carry it,
/// and so does the answer.
pub async fn assign(mut request: Request, next: Next) -> Response {
    if request.extensions().get::<RequestId>().is_some() {
        // Named already by a layer further out.
        return next.run(request).await;
    }
    let id = given(&request).unwrap_or_else(generate);
    let span = tracing::info_span!(
        "request",
        request_id = id,
        method = %request.method(),
        path = request.uri().path(),
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The name that came with the request, if it is safe in a log: 1 to 64 of `[A-Za-z0-9-]`.
fn given(request: &Request) -> Option<String> {
    let text = request.headers().get(HEADER)?.to_str().ok()?;
    let sane = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    sane.then(|| text.to_owned())
}

/// A name that nobody had before.
fn generate() -> String {
    crate::base::secret::random_alphanumeric(20)
}
