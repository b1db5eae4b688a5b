//! The rows of webhook endpoints.

use super::{Status, WebhookEndpoint};
use crate::base::id::{EnvironmentId, WebhookEndpointId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Query, Row, Tx};

const SELECT: &str = "SELECT id, environment_id, endpoint_url, status, disabled_reason, events,
    position, replay_position, replay_end, failures, failing_since, paused_until, created_at,
    updated_at, secret_sealed FROM webhook_endpoints WHERE";

pub(super) async fn insert(tx: &mut Tx, new: &WebhookEndpoint) -> Result<bool> {
    let inserted = tx
        .execute(
            "INSERT INTO webhook_endpoints (id, environment_id, endpoint_url, secret_sealed, status,
                 events, position, failures, paused_until, leased_until, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, $8, $8)
             ON CONFLICT (environment_id, endpoint_url) DO NOTHING",
            &[
                (&new.id).into(),
                (&new.environment_id).into(),
                (&new.endpoint_url).into(),
                (&new.secret_sealed).into(),
                new.status.as_str().into(),
                (&names(&new.events)?).into(),
                new.position.into(),
                tx.now().into(),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn update(tx: &mut Tx, changed: &WebhookEndpoint) -> Result<()> {
    tx.execute(
        "UPDATE webhook_endpoints SET endpoint_url = $1, secret_sealed = $2, status = $3,
             disabled_reason = $4, events = $5, position = $6, replay_position = $7,
             replay_end = $8, failures = $9, failing_since = $10, paused_until = $11,
             updated_at = $12, leased_until = 0, lease = NULL
         WHERE environment_id = $13 AND id = $14",
        &[
            (&changed.endpoint_url).into(),
            (&changed.secret_sealed).into(),
            changed.status.as_str().into(),
            changed.disabled_reason.as_deref().into(),
            (&names(&changed.events)?).into(),
            changed.position.into(),
            changed.replay.map(|(position, _)| position).into(),
            changed.replay.map(|(_, end)| end).into(),
            changed.failures.into(),
            changed.failing_since.into(),
            changed.paused_until.into(),
            changed.updated_at.into(),
            (&tx.environment_id()).into(),
            (&changed.id).into(),
        ],
    )
    .await
    .map(drop)
}

/// Stores the progress of the node with the lease, and prolongs it. A change by a person takes the
/// lease away, so what a node knew before it is never written over it.
pub(super) async fn advance(
    tx: &mut Tx,
    lease: &[u8],
    endpoint: &WebhookEndpoint,
    until: Timestamp,
) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE webhook_endpoints SET position = $1, replay_position = $2, replay_end = $3,
                 failures = $4, failing_since = $5, paused_until = $6, leased_until = $7
             WHERE environment_id = $8 AND id = $9 AND lease = $10",
            &[
                endpoint.position.into(),
                endpoint.replay.map(|(position, _)| position).into(),
                endpoint.replay.map(|(_, end)| end).into(),
                endpoint.failures.into(),
                endpoint.failing_since.into(),
                endpoint.paused_until.into(),
                until.into(),
                (&tx.environment_id()).into(),
                (&endpoint.id).into(),
                lease.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// An endpoint for which there is something to do.
#[derive(Clone, Debug)]
pub struct Due {
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its id.
    pub id: WebhookEndpointId,
}

/// Endpoints with events to hand over or attempts to repeat, that no node is working on: of each
/// environment so many at most, and whoever had its turn longest ago first. Goes through all
/// environments.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_due(tx: &mut Tx, (of_each, limit): (i64, i64)) -> Result<Vec<Due>> {
    tx.fetch_all(
        "SELECT environment_id, id FROM
             (SELECT w.environment_id, w.id, w.leased_until, row_number()
                 OVER (PARTITION BY w.environment_id ORDER BY w.leased_until, w.id) AS place
             FROM webhook_endpoints w
             JOIN environments e ON e.id = w.environment_id
             WHERE w.status = 'enabled' AND w.leased_until < $1 AND w.paused_until <= $1
                 AND (w.position < e.event_position OR w.replay_position IS NOT NULL
                     OR w.id IN (SELECT d.webhook_endpoint_id FROM webhook_deliveries d
                         WHERE d.webhook_endpoint_id = w.id AND d.state = 'pending'
                             AND d.next_attempt_at <= $1))) AS due
         WHERE place <= $2 ORDER BY leased_until, id LIMIT $3",
        &[tx.now().into(), of_each.into(), limit.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| Ok(Due { environment_id: row.next()?, id: row.next()? }))
    .collect()
}

/// Takes the lease of an endpoint, if no other node has it. One statement on purpose.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn lease(
    tx: &mut Tx,
    id: &WebhookEndpointId,
    (lease, until): (&[u8], Timestamp),
) -> Result<Option<WebhookEndpoint>> {
    let environment_id = tx.environment_id();
    let taken = tx
        .execute(
            "UPDATE webhook_endpoints SET lease = $1, leased_until = $2
             WHERE environment_id = $3 AND id = $4 AND status = 'enabled' AND leased_until < $5",
            &[lease.into(), until.into(), (&environment_id).into(), id.into(), tx.now().into()],
        )
        .await?;
    if taken == 0 { Ok(None) } else { find(tx, id).await }
}

/// Gives the lease back. It ended just now, which is what the next turns go by.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn release(tx: &mut Tx, id: &WebhookEndpointId, lease: &[u8]) -> Result<()> {
    tx.execute(
        "UPDATE webhook_endpoints SET lease = NULL, leased_until = $1
         WHERE environment_id = $2 AND id = $3 AND lease = $4",
        &[tx.now().plus_ms(-1).into(), (&tx.environment_id()).into(), id.into(), lease.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn delete(tx: &mut Tx, id: &WebhookEndpointId) -> Result<bool> {
    let environment_id = tx.environment_id();
    let deleted = tx
        .execute(
            "DELETE FROM webhook_endpoints WHERE environment_id = $1 AND id = $2",
            &[(&environment_id).into(), id.into()],
        )
        .await?;
    Ok(deleted == 1)
}

pub(super) async fn find(tx: &mut Tx, id: &WebhookEndpointId) -> Result<Option<WebhookEndpoint>> {
    let sql = format!("{SELECT} environment_id = $1 AND id = $2");
    let environment_id = tx.environment_id();
    let row = tx.fetch_optional(&sql, &[(&environment_id).into(), id.into()]).await?;
    stored::one(row.map(from_row))
}

pub(super) async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<WebhookEndpoint>> {
    Query::new(
        "SELECT id, environment_id, endpoint_url, status, disabled_reason, events, position,
             replay_position, replay_end, failures, failing_since, paused_until, created_at,
             updated_at, secret_sealed
         FROM webhook_endpoints WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    )
    .fetch_page(tx, ("id", |it: &WebhookEndpoint| it.id.to_string()), request, from_row)
    .await
}

pub(super) async fn count(tx: &mut Tx) -> Result<i64> {
    let environment_id = tx.environment_id();
    tx.fetch_one(
        "SELECT count(*) FROM webhook_endpoints WHERE environment_id = $1",
        &[(&environment_id).into()],
    )
    .await?
    .next()
}

/// Whether another endpoint of the environment has this URL.
pub(super) async fn is_taken(
    tx: &mut Tx,
    url: &str,
    by_other_than: &WebhookEndpointId,
) -> Result<bool> {
    let environment_id = tx.environment_id();
    let row = tx
        .fetch_optional(
            "SELECT id FROM webhook_endpoints
             WHERE environment_id = $1 AND endpoint_url = $2 AND id <> $3",
            &[(&environment_id).into(), url.into(), by_other_than.into()],
        )
        .await?;
    Ok(row.is_some())
}

fn names(events: &[String]) -> Result<String> {
    serde_json::to_string(events).map_err(Error::internal)
}

fn from_row(mut row: Row) -> Result<WebhookEndpoint> {
    Ok(WebhookEndpoint {
        id: row.next()?,
        environment_id: row.next()?,
        endpoint_url: row.next()?,
        status: match row.next::<String>()?.as_str() {
            "enabled" => Status::Enabled,
            "disabled" => Status::Disabled,
            _ => return Err(stored::unknown("the status of a webhook endpoint")),
        },
        disabled_reason: row.next()?,
        events: stored::json("the events of a webhook endpoint", row.next::<String>()?)?,
        position: row.next()?,
        replay: {
            let (position, end): (Option<i64>, Option<i64>) = (row.next()?, row.next()?);
            position.zip(end)
        },
        failures: row.next()?,
        failing_since: row.next()?,
        paused_until: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
        secret_sealed: row.next()?,
    })
}
