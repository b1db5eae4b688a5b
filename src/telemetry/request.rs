//! What belongs to the request that is being answered, wherever in the house it is learned.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::Span;

use super::spans::{self, Side};
use crate::base::id::SsoSessionId;
use crate::base::time::Timestamp;

tokio::task_local! {
    static CURRENT: Arc<Current>;
}

/// The field of a request's span that says which login it belongs to.
pub const SESSION_FIELD: &str = "sso_session";
/// How many parts of one request are kept.
const MAX_PARTS: usize = 32;

/// A request.
#[derive(Debug)]
pub struct Current {
    name: String,
    span: Span,
    session: OnceLock<SsoSessionId>,
    began: Instant,
    began_at: Timestamp,
    /// What was done for it, if anybody collects that.
    parts: Option<Mutex<Vec<Part>>>,
}

/// Something that was done for a request.
#[derive(Debug)]
struct Part {
    name: &'static str,
    side: Side,
    began: Instant,
    took: Duration,
    /// The class of the error it ended with.
    class: Option<&'static str>,
}

impl Current {
    /// A request of this name, whose lines in the log are within this span, and that began now.
    pub fn new(name: &str, span: Span, now: Timestamp) -> Arc<Self> {
        let (name, parts) = (name.to_owned(), spans::is_on().then(Mutex::default));
        let (session, began) = (OnceLock::new(), Instant::now());
        Arc::new(Self { name, span, session, began, began_at: now, parts })
    }

    /// Runs a future for this request.
    pub async fn scope<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    /// How long ago it began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Hands what is known of it to whoever collects traces, if it belongs to a login: as the hop
    /// of this name, answered with this status.
    pub fn collect(&self, name: &'static str, status: u16) {
        let (Some(parts), Some(session)) = (&self.parts, self.session.get()) else { return };
        let (trace_id, span_id) = (spans::trace_id(session), spans::new_id());
        let began_ns = spans::at(self.began_at);
        let since = |moment: Instant| began_ns + moment.duration_since(self.began).as_nanos();
        for part in parts.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let class = part.class.map(|class| ("error.type", class.to_owned()));
            spans::push(spans::Span {
                trace_id,
                span_id: spans::new_id(),
                parent_id: Some(span_id),
                name: part.name,
                side: part.side,
                start_ns: since(part.began),
                end_ns: since(part.began + part.took),
                ok: class.is_none(),
                attributes: class.into_iter().collect(),
            });
        }
        spans::push(spans::Span {
            trace_id,
            span_id,
            parent_id: Some(spans::root_id(session)),
            name,
            side: Side::Server,
            start_ns: began_ns,
            end_ns: since(Instant::now()),
            attributes: vec![
                ("vestibule.sso_session", session.as_str().to_owned()),
                ("http.response.status_code", status.to_string()),
            ],
            ok: status < 500,
        });
    }
}

/// The name by which the request is found in the log (`X-Request-ID`).
pub fn name() -> Option<String> {
    CURRENT.try_with(|current| current.name.clone()).ok()
}

/// Notes which login the request belongs to; all lines of the log carry it from then on.
pub fn belongs_to(session: &SsoSessionId) {
    let _ = CURRENT.try_with(|current| {
        if current.session.set(session.clone()).is_ok() {
            current.span.record(SESSION_FIELD, session.as_str());
        }
    });
}

/// Notes what was done for the request, if anybody collects that.
pub fn did(name: &'static str, side: Side, began: Instant, class: Option<&'static str>) {
    let _ = CURRENT.try_with(|current| {
        let Some(parts) = &current.parts else { return };
        let mut parts = parts.lock().unwrap_or_else(PoisonError::into_inner);
        if parts.len() < MAX_PARTS {
            parts.push(Part { name, side, began, took: began.elapsed(), class });
        }
    });
}
