//! Sends traces to a collector: OTLP over HTTP, in its JSON form (OpenTelemetry Protocol
//! Specification 1, section "OTLP/HTTP").

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use crate::base::secret::random_alphanumeric;
use crate::config;
use crate::outbound::{Outbound, Request, SetupError};
use crate::telemetry::spans::{self, Side, Span};
use crate::telemetry::{Call, metrics};

/// How many spans one request carries.
const MAX_SPANS: usize = 512;
/// How long spans wait for others to go with.
const GATHER: Duration = Duration::from_secs(1);
/// How long after a failure it is tried once more, before the spans are dropped.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long what is left may take when the service stops.
const LAST: Duration = Duration::from_secs(3);
/// How much of a collector's answer is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Traces on their way to a collector.
#[derive(Debug)]
pub struct Export {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Export {
    /// Begins to collect and to send to this address.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the HTTP client cannot be made.
    pub fn start(endpoint: Url, tls: &config::Outbound) -> Result<Option<Self>, SetupError> {
        // The operator names this one address, so it may be anywhere; no tenant can choose it.
        let anywhere = vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()];
        let settings =
            config::Outbound { allow: anywhere, extra_ca_file: tls.extra_ca_file.clone() };
        let outbound = Outbound::new(&settings)?;
        let Some(collected) = spans::collect() else { return Ok(None) };
        let (stop, stopped) = oneshot::channel();
        let sender = Sender { outbound, endpoint, instance: random_alphanumeric(12) };
        let task = tokio::spawn(sender.run(collected, stopped));
        Ok(Some(Self { task, stop }))
    }

    /// Sends what is left, but does not try for long.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(LAST, self.task).await;
    }
}

struct Sender {
    outbound: Outbound,
    endpoint: Url,
    /// Which process it was.
    instance: String,
}

impl Sender {
    async fn run(self, mut collected: mpsc::Receiver<Span>, mut stopped: oneshot::Receiver<()>) {
        let mut spans = Vec::new();
        let (mut reachable, mut stopping) = (true, false);
        while !stopping {
            tokio::select! {
                count = collected.recv_many(&mut spans, MAX_SPANS) => stopping = count == 0,
                _ = &mut stopped => stopping = true,
            }
            if !stopping && spans.len() < MAX_SPANS {
                // Those of one login come one after the other.
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    _ = &mut stopped => stopping = true,
                }
            }
            loop {
                while spans.len() < MAX_SPANS
                    && let Ok(span) = collected.try_recv()
                {
                    spans.push(span);
                }
                if spans.is_empty() {
                    break;
                }
                let sent = self.send(&spans).await;
                self.tell(&sent, &mut reachable, spans.len());
                spans.clear();
            }
        }
    }

    /// Says once that the collector is gone, and once that it is back.
    fn tell(&self, sent: &Result<(), String>, reachable: &mut bool, spans: usize) {
        match sent {
            Ok(()) if !*reachable => tracing::info!("traces are collected again"),
            Ok(()) => {}
            Err(problem) => {
                metrics().spans_dropped(spans as u64);
                if *reachable {
                    tracing::warn!(problem, "traces are not collected");
                }
            }
        }
        *reachable = sent.is_ok();
    }

    async fn send(&self, spans: &[Span]) -> Result<(), String> {
        let body = body(&self.instance, spans).to_string();
        match self.post(body.clone()).await {
            Ok(()) => Ok(()),
            Err(_) => {
                tokio::time::sleep(AGAIN_AFTER).await;
                self.post(body).await
            }
        }
    }

    async fn post(&self, body: String) -> Result<(), String> {
        let mut request = Request::get(self.endpoint.clone(), MAX_ANSWER);
        request.method = Method::POST;
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body.into();
        match self.outbound.send_for(Call::Other, request).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(format!("the collector answered {}", answer.status.as_u16())),
            Err(error) => Err(error.class().to_owned()),
        }
    }
}

/// An `ExportTraceServiceRequest` in JSON: ids in hexadecimal, 64-bit numbers as texts.
fn body(instance: &str, spans: &[Span]) -> Value {
    let resource = [
        ("service.name", "vestibule"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", instance),
    ];
    let resource: Vec<Value> = resource.iter().map(|(key, value)| attribute(key, value)).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "vestibule" },
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
}

fn span(span: &Span) -> Value {
    let attributes = span.attributes.iter().map(|(key, value)| attribute(key, value));
    let mut value = json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "name": span.name,
        "kind": match span.side { Side::Internal => 1, Side::Server => 2, Side::Client => 3 },
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes.collect::<Vec<_>>(),
        "status": if span.ok { json!({}) } else { json!({ "code": 2 }) },
    });
    if let Some(parent) = &span.parent_id {
        value["parentSpanId"] = hex(parent).into();
    }
    value
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
