//! One trace for each login, across its requests and the nodes that answer them.
//!
//! The id of the trace is the id of the login (the 128 bits of its ULID), so every node knows it
//! without being told. Nothing is recorded unless somebody collects it.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::mpsc;

use super::metrics;
use crate::base::id::{Id, SsoSessionId};
use crate::base::secret::{random_bytes, sha256};
use crate::base::time::Timestamp;

/// How many spans may wait to be sent; more are dropped, so that a collector that is gone costs
/// some memory and nothing else.
const MAX_WAITING: usize = 8192;

static COLLECTED: OnceLock<mpsc::Sender<Span>> = OnceLock::new();

/// A part of a login. No text that anybody chose is in it.
#[derive(Clone, Debug)]
pub struct Span {
    /// The id of the trace: 16 bytes.
    pub trace_id: [u8; 16],
    /// Its own id: 8 bytes.
    pub span_id: [u8; 8],
    /// That of the span around it.
    pub parent_id: Option<[u8; 8]>,
    /// What it is: `login`, a hop, or what was asked of somebody else.
    pub name: &'static str,
    /// Whose side of a request it is.
    pub side: Side,
    /// When it began, as Unix nanoseconds.
    pub start_ns: u128,
    /// When it ended, as Unix nanoseconds.
    pub end_ns: u128,
    /// What else is known.
    pub attributes: Vec<(&'static str, String)>,
    /// Whether it ended well.
    pub ok: bool,
}

/// Whose side of a request a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Neither's.
    Internal,
    /// We answered.
    Server,
    /// We asked.
    Client,
}

/// Begins to record; the spans come out of the receiver. Once in the life of the process.
pub fn collect() -> Option<mpsc::Receiver<Span>> {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    COLLECTED.set(sender).is_ok().then_some(receiver)
}

/// Whether anybody collects spans.
pub fn is_on() -> bool {
    COLLECTED.get().is_some()
}

/// Hands a span over.
pub(super) fn push(span: Span) {
    if let Some(collected) = COLLECTED.get()
        && collected.try_send(span).is_err()
    {
        metrics().spans_dropped(1);
    }
}

/// The trace of a login.
pub fn trace_id(session: &SsoSessionId) -> [u8; 16] {
    let text = &session.text()[SsoSessionId::PREFIX.len()..];
    ulid::Ulid::from_string(text).map_or([0; 16], |ulid| u128::from(ulid).to_be_bytes())
}

/// The span around all others of a login. Each node can tell it, and the one on which the login ends
/// sends it.
pub(super) fn root_id(session: &SsoSessionId) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&sha256(session.text().as_bytes())[..8]);
    id
}

/// A new id of a span.
pub(super) fn new_id() -> [u8; 8] {
    random_bytes()
}

/// A login ended, here and now: from its beginning, which its id tells.
pub fn login_ended(session: &SsoSessionId, now: Timestamp, failure: Option<(&str, &str)>) {
    if !is_on() {
        return;
    }
    let trace_id = trace_id(session);
    let began_ms = u128::from_be_bytes(trace_id) >> 80;
    let mut attributes = vec![("vestibule.sso_session", session.as_str().to_owned())];
    if let Some((code, owner)) = failure {
        attributes.push(("vestibule.failure_code", code.to_owned()));
        attributes.push(("vestibule.failure_owner", owner.to_owned()));
    }
    push(Span {
        trace_id,
        span_id: root_id(session),
        parent_id: None,
        name: "login",
        side: Side::Internal,
        start_ns: Duration::from_millis(u64::try_from(began_ms).unwrap_or(0)).as_nanos(),
        end_ns: at(now),
        attributes,
        ok: failure.is_none(),
    });
}

/// A moment as Unix nanoseconds.
pub(super) fn at(moment: Timestamp) -> u128 {
    Duration::from_millis(u64::try_from(moment.as_ms()).unwrap_or(0)).as_nanos()
}
