//! What belongs to the request that is being answered, wherever in the house it is learned.

use std::sync::{Arc, OnceLock};

use tracing::Span;

use crate::base::id::SsoSessionId;

tokio::task_local! {
    static CURRENT: Arc<Current>;
}

/// The field of a request's span that says which login it belongs to.
pub const SESSION_FIELD: &str = "sso_session";

/// A request.
#[derive(Debug)]
pub struct Current {
    span: Span,
    session: OnceLock<SsoSessionId>,
}

impl Current {
    /// A request whose lines in the log are within this span.
    pub fn new(span: Span) -> Arc<Self> {
        Arc::new(Self { span, session: OnceLock::new() })
    }

    /// The login that the request belongs to, if that was learned.
    pub fn session(&self) -> Option<&SsoSessionId> {
        self.session.get()
    }

    /// Runs a future for this request.
    pub async fn scope<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

/// Notes which login the request belongs to; all lines of the log carry it from then on.
pub fn belongs_to(session: &SsoSessionId) {
    let _ = CURRENT.try_with(|current| {
        if current.session.set(session.clone()).is_ok() {
            current.span.record(SESSION_FIELD, session.as_str());
        }
    });
}
