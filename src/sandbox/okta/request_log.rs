//! What was asked of the tenant, so that tests can look at the relying party's requests; and the
//! headers that Okta puts on every answer.

use std::collections::{BTreeMap, VecDeque};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::base::secret::random_alphanumeric;
use crate::base::time::Timestamp;
use crate::sandbox::params::Params;
use crate::web::page::body;

use super::{Tenant, TenantFault};

/// How many requests are kept.
const KEPT: usize = 1000;
/// The largest body that is read.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A request that the tenant answered. It may contain secrets: this is a simulator.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// The method.
    pub method: Method,
    /// The path, such as `/oauth2/v1/token`.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The status of the answer.
    pub status: StatusCode,
}

impl LoggedRequest {
    /// A parameter of the form in the body.
    pub fn form(&self, name: &str) -> Option<String> {
        Params::parse(&self.body).owned(name)
    }
}

/// The last requests, and how many there were for each path.
#[derive(Default)]
pub(super) struct RequestLog {
    kept: VecDeque<LoggedRequest>,
    counts: BTreeMap<String, usize>,
}

impl RequestLog {
    fn push(&mut self, request: LoggedRequest) {
        *self.counts.entry(request.path.clone()).or_default() += 1;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(request);
    }

    pub(super) fn count(&self, path: &str) -> usize {
        self.counts.get(path).copied().unwrap_or_default()
    }

    pub(super) fn counts(&self) -> &BTreeMap<String, usize> {
        &self.counts
    }

    pub(super) fn of(&self, path: &str) -> Vec<LoggedRequest> {
        self.kept.iter().filter(|request| request.path == path).cloned().collect()
    }
}

/// Logs each request, and adds the headers of Okta's answers.
pub(super) async fn observe(
    State(tenant): State<Tenant>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, stream) = request.into_parts();
    let Ok(bytes) = to_bytes(stream, MAX_BODY_BYTES).await else {
        return body(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "The request is too large.");
    };
    let mut entry = LoggedRequest {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.clone(),
        body: bytes.clone(),
        status: StatusCode::OK,
    };
    let mut response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    entry.status = response.status();
    tenant.log().push(entry);
    let faults = tenant.state().faults.clone();
    let ahead_ms = faults.into_iter().find_map(|fault| match fault {
        TenantFault::ClockAhead { ms } => i64::try_from(ms).ok(),
        _ => None,
    });
    let now = tenant.now().plus_ms(ahead_ms.unwrap_or(0));
    add_headers(response.headers_mut(), now);
    response
}

fn add_headers(headers: &mut HeaderMap, now: Timestamp) {
    let now_s = now.as_s();
    let okta = [
        ("date", now.to_http()),
        ("x-okta-request-id", random_alphanumeric(27)),
        ("x-rate-limit-limit", "1200".to_owned()),
        ("x-rate-limit-remaining", "1199".to_owned()),
        ("x-rate-limit-reset", (now_s + 60).to_string()),
    ];
    for (name, value) in okta {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.entry(HeaderName::from_static(name)).or_insert(value);
        }
    }
}
