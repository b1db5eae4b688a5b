//! One attempt: sign, post, look at the status.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use url::Url;

use super::{IN_FLIGHT, Item, signature};
use crate::app::App;
use crate::base::id::{EventId, WebhookEndpointId};
use crate::base::secret::Secret;
use crate::base::{Caller, Error, Result};
use crate::model::webhook_delivery::Attempt;
use crate::model::webhook_endpoint::{self, WebhookEndpoint};
use crate::outbound::Request;
use crate::telemetry::{Call, metrics};

/// How much of an answer is read, in bytes; a longer one is a failure.
const MAX_ANSWER: usize = 64 * 1024;
/// How much of the answer to a test is shown, in characters.
const MAX_SHOWN: usize = 1000;

/// Sends all of them, a few at a time, and says how each went.
pub(super) async fn all(
    app: &App,
    endpoint: &WebhookEndpoint,
    items: Vec<Item>,
) -> Result<Vec<(Item, Attempt)>> {
    let secret = endpoint.secret(&app.sealer)?;
    let url = Arc::<str>::from(endpoint.endpoint_url.as_str());
    let mut waiting = items.into_iter();
    let (mut under_way, mut sent) = (JoinSet::new(), Vec::new());
    loop {
        while under_way.len() < IN_FLIGHT
            && let Some(item) = waiting.next()
        {
            let (app, url, secret) = (app.clone(), Arc::clone(&url), secret.clone());
            let body = serde_json::to_vec(&item.event).map_err(Error::internal)?;
            under_way.spawn(async move {
                let attempt = post(&app, &url, &secret, body).await.0;
                metrics().delivered(attempt.problem.is_none());
                (item, attempt)
            });
        }
        match under_way.join_next().await {
            Some(done) => sent.push(done.map_err(Error::internal)?),
            None => return Ok(sent),
        }
    }
}

/// One attempt: how it went, and the answer's body where there was one.
async fn post(app: &App, url: &str, secret: &Secret, body: Vec<u8>) -> (Attempt, Vec<u8>) {
    let failed = |problem: String| Attempt { response_status: None, problem: Some(problem) };
    let Ok(url) = Url::parse(url) else {
        return (failed("The endpoint URL is no URL.".to_owned()), Vec::new());
    };
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let signature = signature::sign(secret, app.clock.now(), &body);
    if let Ok(value) = HeaderValue::from_str(&signature) {
        headers.insert(signature::HEADER, value);
    }
    let request = Request {
        method: Method::POST,
        url,
        headers,
        body: body.into(),
        max_response_bytes: MAX_ANSWER,
        extra_ca: None,
    };
    match app.upstream.outbound().send_for(Call::Webhook, request).await {
        Ok(answer) => {
            let status = answer.status;
            let problem = (!status.is_success())
                .then(|| format!("The endpoint answered {} instead of 2xx.", status.as_u16()));
            let attempt = Attempt { response_status: Some(status.as_u16().into()), problem };
            (attempt, answer.body.to_vec())
        }
        Err(error) => (failed(format!("No answer: {error}.")), Vec::new()),
    }
}

/// How a test went.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Tried {
    /// Whether the endpoint answered 2xx.
    pub delivered: bool,
    /// The id of the event that was sent. It is in no list of events.
    pub event_id: EventId,
    /// The status of the answer.
    #[schema(required)]
    pub response_status: Option<i64>,
    /// The beginning of the answer's text, at most 1,000 characters.
    #[schema(required)]
    pub response_body: Option<String>,
    /// Why it failed, in one sentence.
    #[schema(required)]
    pub problem: Option<String>,
}

/// Sends an event `webhook_endpoint.test` at once, whether or not the endpoint is enabled. Nothing
/// is recorded, and nothing is repeated.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such endpoint.
pub async fn test(app: &App, caller: &Caller, id: WebhookEndpointId) -> Result<Tried> {
    let (endpoint, event_id) = app
        .db
        .read(caller, async move |tx| {
            Ok((webhook_endpoint::get(tx, &id).await?, tx.new_id::<EventId>()))
        })
        .await?;
    let body = json!({
        "object": "event",
        "id": event_id,
        "event": "webhook_endpoint.test",
        "data": { "object": "webhook_endpoint", "id": endpoint.id },
        "created_at": app.clock.now(),
    });
    let body = serde_json::to_vec(&body).map_err(Error::internal)?;
    let secret = endpoint.secret(&app.sealer)?;
    let (attempt, answer) = post(app, &endpoint.endpoint_url, &secret, body).await;
    let shown = || {
        let text = String::from_utf8_lossy(&answer);
        text.chars().filter(|c| !c.is_control() || *c == '\n').take(MAX_SHOWN).collect()
    };
    Ok(Tried {
        delivered: attempt.problem.is_none(),
        event_id,
        response_body: attempt.response_status.map(|_| shown()),
        response_status: attempt.response_status,
        problem: attempt.problem,
    })
}
