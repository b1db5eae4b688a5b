//! A name for every request, to find its lines in the log: `X-Request-ID`. And its last line there,
//! and its place among the numbers.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use tracing::Instrument;
use tracing::field::Empty;

use super::around::Rest;
use super::guard;
use crate::app::App;
use crate::base::secret::random_alphanumeric;
use crate::telemetry::request::Current;
use crate::telemetry::{Hop, metrics};

/// The header, both ways.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Routes that machines ask all the time: their requests are no news.
const QUIET: &[&str] = &["/healthz", "/readyz"];

/// The name of the request that is being answered; an extension of every request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Names the request, or takes over the name that a proxy gave it; all lines of the log carry it,
/// and so does the answer. The log has the template of the path and not the path: that holds what
/// others choose, and the query secrets.
pub fn observe(
    app: &App,
    mut request: Request,
    rest: Rest<'_>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
    let id = given(&request).unwrap_or_else(generate);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let name = route.as_ref().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        request_id = id,
        method = word(request.method()),
        route = name,
        sso_session = Empty,
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let current = Current::new(&id, span.clone(), app.clock.now());
    let answer = guard::answer(request, rest);
    let answer = Arc::clone(&current).scope(answer).instrument(span.clone());
    let log_requests = app.config.log_requests;
    async move {
        let mut response = answer.await?;
        let route = route.as_ref().map_or("", MatchedPath::as_str);
        let (took, status) = (current.elapsed(), response.status().as_u16());
        metrics().answered(route, status, took);
        if let Some(hop) = Hop::of_route(route) {
            current.collect(hop.as_str(), status);
        }
        if log_requests {
            let took_ms = (took.as_secs_f64() * 1e6).round() / 1e3;
            let _entered = span.enter();
            if QUIET.contains(&route) || route.starts_with("/assets/") {
                tracing::debug!(status, took_ms, "answered");
            } else {
                tracing::info!(status, took_ms, "answered");
            }
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(HEADER, value);
        }
        Ok(response)
    }
}

/// The method as a word of ours: it could be any.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The name that came with the request, if it is safe in a log: 1 to 64 of `[A-Za-z0-9-]`.
fn given(request: &Request) -> Option<String> {
    let text = request.headers().get(HEADER)?.to_str().ok()?;
    let sane = (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    sane.then(|| text.to_owned())
}

/// A name that nobody had before: of this process, and counted. It is no secret.
fn generate() -> String {
    static PROCESS: LazyLock<String> = LazyLock::new(|| random_alphanumeric(14));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("{}{:06}", *PROCESS, COUNT.fetch_add(1, Ordering::Relaxed))
}
