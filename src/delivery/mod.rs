//! Webhooks: what happened is told to the application's endpoints, at least once each.
//!
//! The events are the queue ([`webhook_endpoint`]). A node takes the lease of an endpoint that has
//! something to get, sends a few events at a time, and stores how far it has come. A node that dies
//! leaves a lease that ends by itself; what it had sent and not stored is sent again, with the same
//! event id. Each endpoint goes its own way: one that does not answer delays nobody.

mod send;
mod signature;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::app::App;
use crate::base::id::{EnvironmentId, WebhookEndpointId};
use crate::base::secret::random_bytes;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::event::{self, Event};
use crate::model::webhook_delivery::{self, Attempt, WebhookDelivery};
use crate::model::webhook_endpoint::{
    self, Change, Due, NewWebhookEndpoint, Status, WebhookEndpoint,
};

pub use send::{Tried, test};
pub use signature::sign;

/// How often a node looks for endpoints with something to get.
const LOOK_EVERY: Duration = Duration::from_millis(1000);
/// How many endpoints a node works on at once.
const AT_ONCE: usize = 32;
/// How many of them may be of one environment, whose receivers may be slow on purpose.
const OF_EACH: usize = 8;
/// How long a lease lasts, in milliseconds: longer than the slowest round.
const LEASE_MS: i64 = 60 * 1000;
/// How many events one round sends.
const BATCH: usize = 32;
/// How many of them are under way at once.
const IN_FLIGHT: usize = 8;
/// How many positions one round looks through for events that the endpoint wants.
const SCAN: i64 = 5000;
/// How long a node works on an endpoint before it gives others a turn; a round that has begun is ended.
const TURN: Duration = Duration::from_secs(10);

/// Creates an endpoint, if its URL may be spoken to: that needs no network to tell.
///
/// # Errors
///
/// [`Error::Invalid`] if not; else as [`webhook_endpoint::create`].
pub async fn create(app: &App, tx: &mut Tx, new: &NewWebhookEndpoint) -> Result<WebhookEndpoint> {
    vet(app, &new.endpoint_url)?;
    webhook_endpoint::create(tx, &app.sealer, new).await
}

/// Changes an endpoint, if its new URL may be spoken to.
///
/// # Errors
///
/// [`Error::Invalid`] if not; else as [`webhook_endpoint::update`].
pub async fn update(
    app: &App,
    caller: &Caller,
    id: WebhookEndpointId,
    change: Change,
) -> Result<WebhookEndpoint> {
    if let Some(url) = &change.endpoint_url {
        vet(app, url)?;
    }
    app.db.write(caller, async move |tx| webhook_endpoint::update(tx, &id, &change).await).await
}

/// The rules of the outbound client that need no network; each delivery is held to all of them.
///
/// # Errors
///
/// [`Error::Invalid`] with the rule that the URL breaks.
pub fn vet(app: &App, text: &str) -> Result<()> {
    let invalid = |why: String| Error::invalid("invalid_url", "endpoint_url", why);
    let url = Url::parse(text).map_err(|_| invalid("The endpoint URL is no URL.".to_owned()))?;
    let vetted = app.upstream.outbound().vet_url(&url);
    vetted.map_err(|error| invalid(format!("The endpoint URL cannot be used: {error}.")))
}

/// Delivers, again and again. Stopping in the middle loses nothing.
pub async fn work(app: App) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut of_environment: HashMap<EnvironmentId, Arc<Semaphore>> = HashMap::new();
    let mut at_work = JoinSet::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        while at_work.try_join_next().is_some() {}
        of_environment.retain(|_, places| places.available_permits() < OF_EACH);
        let due = match find_due(&app).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = error.chain(), "webhooks could not be looked for");
                continue;
            }
        };
        for due in due {
            let own = of_environment.entry(due.environment_id.clone());
            let own = own.or_insert_with(|| Arc::new(Semaphore::new(OF_EACH)));
            let Ok(own_place) = Arc::clone(own).try_acquire_owned() else { continue };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { break };
            let app = app.clone();
            at_work.spawn(async move {
                if let Err(error) = serve(&app, &due).await {
                    tracing::warn!(error = error.chain(), endpoint = %due.id, "webhooks wait");
                }
                drop((place, own_place));
            });
        }
    }
}

/// Delivers what is due now, at all endpoints, and returns when nothing is due any more: for tests
/// and for whoever stops the service on purpose.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn drain(app: &App) -> Result<()> {
    loop {
        let due = find_due(app).await?;
        if due.is_empty() {
            return Ok(());
        }
        for due in due {
            serve(app, &due).await?;
        }
    }
}

async fn find_due(app: &App) -> Result<Vec<Due>> {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let (of_each, limit) = (number(OF_EACH), number(AT_ONCE * 2));
    let find = async move |tx: &mut Tx| webhook_endpoint::find_due(tx, (of_each, limit)).await;
    app.db.read(&Caller::anonymous(), find).await
}

/// Works on one endpoint for a while, if no other node does.
async fn serve(app: &App, due: &Due) -> Result<()> {
    let caller = Caller::system(due.environment_id.clone());
    let lease = random_bytes::<16>();
    let (id, until) = (due.id.clone(), app.clock.now().plus_ms(LEASE_MS));
    let take = async move |tx: &mut _| webhook_endpoint::lease(tx, &id, (&lease, until)).await;
    let Some(mut endpoint) = app.db.write(&caller, take).await? else { return Ok(()) };
    let began = Instant::now();
    while round(app, &caller, (&mut endpoint, lease)).await? && began.elapsed() < TURN {}
    let id = due.id.clone();
    app.db.write(&caller, async move |tx| webhook_endpoint::release(tx, &id, &lease).await).await
}

/// An event to send, and the delivery that it repeats.
struct Item {
    event: Event,
    repeats: Option<WebhookDelivery>,
}

/// What a round found to do.
#[derive(Default)]
struct Plan {
    items: Vec<Item>,
    /// Deliveries whose event is no longer kept.
    lost: Vec<WebhookDelivery>,
    /// How far the endpoint will have come afterwards, in new events and in those replayed.
    position: i64,
    replay: Option<(i64, i64)>,
}

/// Sends one batch; whether there may be more.
async fn round(
    app: &App,
    caller: &Caller,
    (endpoint, lease): (&mut WebhookEndpoint, [u8; 16]),
) -> Result<bool> {
    let now = app.clock.now();
    if endpoint.status == Status::Disabled || now < endpoint.paused_until {
        return Ok(false);
    }
    let known = endpoint.clone();
    let plan = app.db.read(caller, async move |tx| plan(tx, &known).await).await?;
    let moved = (plan.position, plan.replay) != (endpoint.position, endpoint.replay);
    if plan.items.is_empty() && plan.lost.is_empty() && !moved {
        return Ok(false);
    }
    let sent = send::all(app, endpoint, plan.items).await?;
    let jitter = || f64::from(u16::from_be_bytes(random_bytes::<2>())) / f64::from(u16::MAX);
    endpoint.position = plan.position;
    endpoint.replay = plan.replay;
    if sent.iter().any(|(_, attempt)| attempt.problem.is_none()) {
        endpoint.recover();
    } else if !sent.is_empty() {
        endpoint.fail(app.clock.now(), jitter());
    }
    let sent: Arc<Vec<_>> =
        Arc::new(sent.into_iter().map(|(item, attempt)| (item, attempt, jitter())).collect());
    let (stored, lost) = (endpoint.clone(), plan.lost);
    let holds = app
        .db
        .write(caller, async move |tx| record(tx, (&stored, &lease), &sent, &lost).await)
        .await?;
    Ok(holds && app.clock.now() >= endpoint.paused_until)
}

/// What there is to send: repetitions that are due, then new events, then events to replay.
async fn plan(tx: &mut crate::db::Tx, endpoint: &WebhookEndpoint) -> Result<Plan> {
    let limit = if endpoint.is_failing() { 1 } else { BATCH };
    let mut plan = Plan { position: endpoint.position, replay: endpoint.replay, ..Plan::default() };
    for delivery in webhook_delivery::due(tx, &endpoint.id, limit).await? {
        match event::find(tx, &delivery.event_id).await? {
            Some(event) => plan.items.push(Item { event, repeats: Some(delivery) }),
            None => plan.lost.push(delivery),
        }
    }
    let newest = event::newest_position(tx).await?;
    plan.position = fill(tx, (endpoint.position, newest), (endpoint, limit), &mut plan).await?;
    if let Some((position, end)) = endpoint.replay {
        let position = fill(tx, (position, end), (endpoint, limit), &mut plan).await?;
        plan.replay = (position < end).then_some((position, end));
    }
    Ok(plan)
}

/// Adds events behind a position, as long as there is room; returns the position reached.
async fn fill(
    tx: &mut crate::db::Tx,
    (behind, newest): (i64, i64),
    (endpoint, limit): (&WebhookEndpoint, usize),
    plan: &mut Plan,
) -> Result<i64> {
    let room = limit.saturating_sub(plan.items.len());
    if room == 0 || behind >= newest {
        return Ok(behind);
    }
    let last = newest.min(behind.saturating_add(SCAN));
    let events = event::between(tx, (behind, last), &endpoint.events, room).await?;
    let reached = if events.len() == room {
        events.last().map_or(last, |event| event.position)
    } else {
        last
    };
    plan.items.extend(events.into_iter().map(|event| Item { event, repeats: None }));
    Ok(reached)
}

/// Stores what a round did, if the lease still holds.
async fn record(
    tx: &mut crate::db::Tx,
    (endpoint, lease): (&WebhookEndpoint, &[u8]),
    sent: &[(Item, Attempt, f64)],
    lost: &[WebhookDelivery],
) -> Result<bool> {
    let until = tx.now().plus_ms(LEASE_MS);
    if !webhook_endpoint::advance(tx, lease, (endpoint, until)).await? {
        return Ok(false);
    }
    for delivery in lost {
        webhook_delivery::give_up(tx, delivery).await?;
    }
    for (item, attempt, jitter) in sent {
        match &item.repeats {
            Some(delivery) => webhook_delivery::again(tx, delivery, (attempt, *jitter)).await?,
            None => {
                let event = (&item.event.id, item.event.event.as_str());
                webhook_delivery::first(tx, &endpoint.id, event, (attempt, *jitter)).await?;
            }
        }
    }
    if endpoint.is_hopeless(tx.now()) {
        tracing::warn!(endpoint = %endpoint.id, "a webhook endpoint was disabled");
        let reason = "Nothing arrived for three days.";
        webhook_endpoint::disable(tx, &endpoint.id, reason).await?;
        return Ok(false);
    }
    Ok(true)
}
