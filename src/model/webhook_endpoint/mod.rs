//! Webhook endpoints: where the application wants to be told of events.
//!
//! The events are the queue: what happened is recorded in its own transaction, and an endpoint only
//! remembers how far it has come. So a login costs nothing more with endpoints than without, and a
//! million events wait as safely as one.

mod table;

use serde::Serialize;
use serde_json::json;

pub use table::{Due, find_due, lease, release};

use super::{audit, environment, event, event_name, given};
use crate::base::id::{EnvironmentId, WebhookEndpointId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::seal::{Place, Sealer};

/// How many endpoints an environment may have.
const MAX_PER_ENVIRONMENT: i64 = 50;
/// How long a URL may be, in bytes.
const MAX_URL: usize = 2048;
/// After so many failed attempts in a row, an endpoint is left alone for a while.
const PATIENCE: i64 = 5;
/// How long it is left alone at first, in milliseconds; twice as long each time after that.
const PAUSE_MS: i64 = 30 * 1000;
/// The longest pause: half an hour, in milliseconds.
const MAX_PAUSE_MS: i64 = 30 * 60 * 1000;
/// How many events [`behind`] looks through.
const LOOK_AHEAD: i64 = 1000;
/// An endpoint at which nothing arrived for so long is disabled: 3 days, in milliseconds.
pub const GIVE_UP_MS: i64 = 3 * 24 * 60 * 60 * 1000;

/// A webhook endpoint. Its secret is read on its own, by [`WebhookEndpoint::secret`].
#[derive(Clone, Debug)]
pub struct WebhookEndpoint {
    /// Its id.
    pub id: WebhookEndpointId,
    /// The environment.
    pub environment_id: EnvironmentId,
    /// Where deliveries go.
    pub endpoint_url: String,
    /// Whether anything is delivered.
    pub status: Status,
    /// Why the service disabled it.
    pub disabled_reason: Option<String>,
    /// The names of the events it wants.
    pub events: Vec<String>,
    /// The position of the last event that was handed over or passed over.
    pub position: i64,
    /// What is being replayed: events behind the first position, up to the second.
    pub replay: Option<(i64, i64)>,
    /// How many attempts failed in a row.
    pub failures: i64,
    /// Since when they fail.
    pub failing_since: Option<Timestamp>,
    /// Nothing is sent before this moment.
    pub paused_until: Timestamp,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    secret_sealed: Vec<u8>,
}

/// Whether anything is delivered to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Events are delivered.
    Enabled,
    /// Nothing is.
    Disabled,
}

impl Status {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

/// What a new endpoint is made of. Whether the URL may be spoken to at all is for the caller to ask
/// the outbound client first.
#[derive(Clone, Debug)]
pub struct NewWebhookEndpoint {
    /// Where deliveries go.
    pub endpoint_url: String,
    /// The names of the events it wants, at least one.
    pub events: Vec<String>,
}

/// What of a new endpoint is given; else it is made.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Its id.
    pub id: Option<WebhookEndpointId>,
    /// Its secret, 16 to 256 bytes.
    pub secret: Option<Secret>,
}

/// A change; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Where deliveries go.
    pub endpoint_url: Option<String>,
    /// Whether anything is delivered. What happened while somebody had disabled it is not delivered
    /// later, unless it is replayed; what it missed when the service had disabled it is.
    pub status: Option<Status>,
    /// The names of the events it wants.
    pub events: Option<Vec<String>>,
}

/// What an endpoint has still to get for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// How many events it wants of the next thousand that happened.
    pub events: i64,
    /// Whether more than that thousand happened.
    pub is_more: bool,
}

fn place<'a>(id: &'a WebhookEndpointId, environment_id: &'a EnvironmentId) -> Place<'a> {
    Place {
        table: "webhook_endpoints",
        row: id.as_str(),
        column: "secret",
        environment: environment_id.as_str(),
    }
}

impl WebhookEndpoint {
    /// The secret that signs its deliveries: `whsec_` and 43 characters.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if it does not open.
    pub fn secret(&self, sealer: &Sealer) -> Result<Secret> {
        let bytes = sealer.open(place(&self.id, &self.environment_id), &self.secret_sealed)?;
        Ok(Secret::new(std::str::from_utf8(&bytes).map_err(Error::internal)?))
    }
}

/// Creates an endpoint with a new secret. It gets what happens from now on.
///
/// # Errors
///
/// [`Error::Invalid`] for a bad URL, or no or unknown events, [`Error::Conflict`] if the environment
/// has an endpoint with this URL.
pub async fn create(
    tx: &mut Tx,
    sealer: &Sealer,
    new: &NewWebhookEndpoint,
) -> Result<WebhookEndpoint> {
    create_as(tx, sealer, (&Identity::default(), new)).await
}

/// The same with an id and a secret that are given.
///
/// # Errors
///
/// As [`create`], and [`Error::Conflict`] if the id is taken, [`Error::Invalid`] for a bad secret.
pub async fn create_as(
    tx: &mut Tx,
    sealer: &Sealer,
    (identity, new): (&Identity, &NewWebhookEndpoint),
) -> Result<WebhookEndpoint> {
    environment::lock(tx).await?;
    check_url(&new.endpoint_url)?;
    check_events(&new.events)?;
    if table::count(tx).await? >= MAX_PER_ENVIRONMENT {
        let message =
            format!("An environment has at most {MAX_PER_ENVIRONMENT} webhook endpoints.");
        return Err(Error::conflict("too_many_webhook_endpoints", message));
    }
    if let Some(id) = &identity.id {
        given::check_free(tx, ("webhook_endpoints", "id"), id.as_str()).await?;
    }
    let id: WebhookEndpointId = identity.id.clone().unwrap_or_else(|| tx.new_id());
    let secret = match &identity.secret {
        Some(secret) => check_secret(secret)?.clone(),
        None => Secret::random("whsec_"),
    };
    let environment_id = tx.environment_id();
    let endpoint = WebhookEndpoint {
        secret_sealed: sealer.seal(place(&id, &environment_id), secret.expose().as_bytes())?,
        id,
        environment_id,
        endpoint_url: new.endpoint_url.clone(),
        status: Status::Enabled,
        disabled_reason: None,
        events: new.events.clone(),
        position: event::newest_position(tx).await?,
        replay: None,
        failures: 0,
        failing_since: None,
        paused_until: Timestamp::from_ms(0),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    if !table::insert(tx, &endpoint).await? {
        return Err(duplicate());
    }
    let details = described(&endpoint);
    audit::record(tx, "webhook_endpoint.created", endpoint.id.as_str(), details).await?;
    Ok(endpoint)
}

/// Changes an endpoint.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there; else as [`create`].
pub async fn update(
    tx: &mut Tx,
    id: &WebhookEndpointId,
    change: &Change,
) -> Result<WebhookEndpoint> {
    environment::lock(tx).await?;
    let mut endpoint = get(tx, id).await?;
    let before = described(&endpoint);
    if let Some(url) = &change.endpoint_url {
        check_url(url)?;
        if table::is_taken(tx, url, id).await? {
            return Err(duplicate());
        }
        endpoint.endpoint_url.clone_from(url);
    }
    if let Some(events) = &change.events {
        check_events(events)?;
        endpoint.events.clone_from(events);
    }
    if let Some(status) = change.status {
        // What an endpoint missed because the service gave it up waits for it; what happened while
        // somebody did not want it does not.
        let was_unwanted =
            endpoint.status == Status::Disabled && endpoint.disabled_reason.is_none();
        if status == Status::Enabled && was_unwanted {
            endpoint.position = event::newest_position(tx).await?;
        }
        endpoint.status = status;
        endpoint.disabled_reason = None;
    }
    if change.endpoint_url.is_some() || change.status.is_some() {
        // Somebody mended it: it is tried at once.
        endpoint.recover();
    }
    endpoint.updated_at = tx.now();
    table::update(tx, &endpoint).await?;
    let details = json!({ "before": before, "after": described(&endpoint) });
    audit::record(tx, "webhook_endpoint.updated", id.as_str(), details).await?;
    Ok(endpoint)
}

/// Gives an endpoint a new secret. From the next attempt on, deliveries are signed with it, repeated
/// ones too: SDKs know one signature, so there is no time in which two are sent.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there.
pub async fn rotate_secret(
    tx: &mut Tx,
    sealer: &Sealer,
    id: &WebhookEndpointId,
) -> Result<WebhookEndpoint> {
    set_secret(tx, sealer, (id, &Secret::random("whsec_"))).await
}

/// The same with a secret that is given: one that the receiver knows already.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there, [`Error::Invalid`] for a bad secret.
pub async fn set_secret(
    tx: &mut Tx,
    sealer: &Sealer,
    (id, secret): (&WebhookEndpointId, &Secret),
) -> Result<WebhookEndpoint> {
    environment::lock(tx).await?;
    let mut endpoint = get(tx, id).await?;
    check_secret(secret)?;
    let here = place(&endpoint.id, &endpoint.environment_id);
    endpoint.secret_sealed = sealer.seal(here, secret.expose().as_bytes())?;
    endpoint.updated_at = tx.now();
    table::update(tx, &endpoint).await?;
    audit::record(tx, "webhook_endpoint.secret_rotated", id.as_str(), json!({})).await?;
    Ok(endpoint)
}

/// Delivers again what happened between two moments, or from one until now. One replay runs at a
/// time. None runs afterwards if nothing is kept of that time that the endpoint could get again.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there, [`Error::Invalid`] if the range ends before it begins,
/// [`Error::Conflict`] if the endpoint is disabled or a replay is running.
pub async fn replay(
    tx: &mut Tx,
    id: &WebhookEndpointId,
    (from, until): (Timestamp, Option<Timestamp>),
) -> Result<WebhookEndpoint> {
    environment::lock(tx).await?;
    let mut endpoint = get(tx, id).await?;
    let until = until.unwrap_or_else(|| tx.now().plus_ms(1));
    if until <= from {
        let message = "The range ends before it begins.";
        return Err(Error::invalid("invalid_range", "range_end", message));
    }
    if endpoint.status == Status::Disabled {
        let message = "The webhook endpoint is disabled.";
        return Err(Error::conflict("webhook_endpoint_disabled", message));
    }
    if endpoint.replay.is_some() {
        let message = "A replay is running already.";
        return Err(Error::conflict("replay_running", message));
    }
    if let Some((first, last)) = event::positions_between(tx, from, until).await? {
        // What the endpoint will get anyway is not sent twice.
        let last = last.min(endpoint.position);
        endpoint.replay = (first <= last).then_some((first - 1, last));
    }
    endpoint.updated_at = tx.now();
    table::update(tx, &endpoint).await?;
    Ok(endpoint)
}

/// Deletes an endpoint; what waits for it is dropped.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there.
pub async fn delete(tx: &mut Tx, id: &WebhookEndpointId) -> Result<()> {
    if !table::delete(tx, id).await? {
        return Err(not_found(id));
    }
    audit::record(tx, "webhook_endpoint.deleted", id.as_str(), json!({})).await
}

/// What the audit trail shows of an endpoint.
fn described(endpoint: &WebhookEndpoint) -> serde_json::Value {
    json!({
        "endpoint_url": endpoint.endpoint_url,
        "events": endpoint.events,
        "is_enabled": endpoint.status == Status::Enabled,
    })
}

/// The endpoint with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has none.
pub async fn get(tx: &mut Tx, id: &WebhookEndpointId) -> Result<WebhookEndpoint> {
    table::find(tx, id).await?.ok_or_else(|| not_found(id))
}

/// Lists the endpoints of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<WebhookEndpoint>> {
    table::list(tx, request).await
}

/// How many events an endpoint has still to get for the first time. It looks through a bounded part
/// of them, so that it takes no time however far behind the endpoint is.
///
/// # Errors
///
/// As [`Tx::fetch_one`].
pub async fn behind(tx: &mut Tx, endpoint: &WebhookEndpoint) -> Result<Behind> {
    let newest = event::newest_position(tx).await?;
    if newest <= endpoint.position {
        return Ok(Behind { events: 0, is_more: false });
    }
    let last = newest.min(endpoint.position.saturating_add(LOOK_AHEAD));
    let events = event::count_between(tx, (endpoint.position, last), &endpoint.events).await?;
    Ok(Behind { events, is_more: last < newest })
}

/// Stores how far the node that holds the lease has come. `false` if it holds it no longer: then
/// another node goes on, and nothing may be stored.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn advance(
    tx: &mut Tx,
    lease: &[u8],
    (endpoint, until): (&WebhookEndpoint, Timestamp),
) -> Result<bool> {
    table::advance(tx, lease, endpoint, until).await
}

impl WebhookEndpoint {
    /// An attempt arrived: the endpoint works.
    pub fn recover(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.paused_until = Timestamp::from_ms(0);
    }

    /// An attempt failed. `jitter` is from 0 to 1.
    pub fn fail(&mut self, now: Timestamp, jitter: f64) {
        self.failures += 1;
        self.failing_since.get_or_insert(now);
        if self.failures >= PATIENCE {
            let doublings = (self.failures - PATIENCE).clamp(0, 10);
            let pause = (PAUSE_MS << doublings).min(MAX_PAUSE_MS);
            #[expect(clippy::cast_possible_truncation, reason = "half an hour fits")]
            let spread = (jitter * 0.25 * pause as f64) as i64;
            self.paused_until = now.plus_ms(pause - spread);
        }
    }

    /// Whether it failed for so long that it is disabled.
    pub fn is_hopeless(&self, now: Timestamp) -> bool {
        self.failures > PATIENCE
            && self.failing_since.is_some_and(|since| now >= since.plus_ms(GIVE_UP_MS))
    }

    /// Whether it is tried carefully: one event at a time.
    pub const fn is_failing(&self) -> bool {
        self.failures >= PATIENCE
    }
}

/// Disables an endpoint that failed for days, and says so in an event.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn disable(tx: &mut Tx, id: &WebhookEndpointId, reason: &str) -> Result<()> {
    let Some(mut endpoint) = table::find(tx, id).await? else { return Ok(()) };
    endpoint.status = Status::Disabled;
    endpoint.disabled_reason = Some(reason.to_owned());
    endpoint.updated_at = tx.now();
    table::update(tx, &endpoint).await?;
    let data = json!({
        "object": "webhook_endpoint",
        "id": endpoint.id,
        "endpoint_url": endpoint.endpoint_url,
        "status": endpoint.status,
        "events": endpoint.events,
        "reason": reason,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    });
    event::record(tx, "webhook_endpoint.disabled", None, &data).await
}

fn check_secret(secret: &Secret) -> Result<&Secret> {
    let text = secret.expose();
    if (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(secret);
    }
    let message = "A webhook secret has 16 to 256 printable ASCII characters.";
    Err(Error::invalid("invalid_secret", "secret", message))
}

fn check_url(text: &str) -> Result<()> {
    // The parser drops line breaks and other control characters, wherever they are; PostgreSQL stores
    // no NUL.
    let fits = text.len() <= MAX_URL
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
        && url::Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.host().is_some());
    if fits {
        return Ok(());
    }
    let message = "The endpoint URL is no https URL of at most 2048 bytes.";
    Err(Error::invalid("invalid_url", "endpoint_url", message))
}

fn check_events(names: &[String]) -> Result<()> {
    if names.is_empty() {
        let message = "Name at least one event.";
        return Err(Error::invalid("invalid_request_parameters", "events", message));
    }
    match names.iter().find(|name| !event_name::is_known(name)) {
        None => Ok(()),
        Some(_) => {
            let message = "There is no event of one of these names.";
            Err(Error::invalid("unknown_event_type", "events", message))
        }
    }
}

fn duplicate() -> Error {
    let message = "A webhook endpoint with the same endpoint URL already exists.";
    Error::conflict("duplicate_endpoint", message)
}

fn not_found(id: &WebhookEndpointId) -> Error {
    Error::not_found("Webhook Endpoint", id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> WebhookEndpoint {
        use crate::base::id::Id;
        WebhookEndpoint {
            id: WebhookEndpointId::from_stored(String::new()),
            environment_id: EnvironmentId::from_stored(String::new()),
            endpoint_url: String::new(),
            status: Status::Enabled,
            disabled_reason: None,
            events: Vec::new(),
            position: 0,
            replay: None,
            failures: 0,
            failing_since: None,
            paused_until: Timestamp::from_ms(0),
            created_at: Timestamp::from_ms(0),
            updated_at: Timestamp::from_ms(0),
            secret_sealed: Vec::new(),
        }
    }

    #[test]
    fn pauses_grow_up_to_half_an_hour_and_end_with_the_first_success() {
        let (mut it, now) = (endpoint(), Timestamp::from_ms(1_000_000));
        for _ in 0..4 {
            it.fail(now, 0.5);
        }
        assert_eq!(it.paused_until, Timestamp::from_ms(0), "a few failures change nothing");
        it.fail(now, 0.0);
        assert_eq!(it.paused_until, now.plus_ms(PAUSE_MS));
        it.fail(now, 1.0);
        assert_eq!(it.paused_until, now.plus_ms(2 * PAUSE_MS * 3 / 4));
        for _ in 0..100 {
            it.fail(now, 0.0);
        }
        assert_eq!(it.paused_until, now.plus_ms(MAX_PAUSE_MS));
        assert!(!it.is_hopeless(now.plus_ms(GIVE_UP_MS - 1)));
        assert!(it.is_hopeless(now.plus_ms(GIVE_UP_MS)));
        it.recover();
        assert!(!it.is_failing() && !it.is_hopeless(now.plus_ms(GIVE_UP_MS)));
    }
}
