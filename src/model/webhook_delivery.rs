//! Deliveries: events that were handed over to a webhook endpoint, and how that went.

use serde::Serialize;

use crate::base::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Result, stored};
use crate::db::{Query, Row, Tx};

/// How long after each failed attempt the next one is made, in milliseconds: 6 attempts within 3
/// days, as WorkOS makes them.
const DELAYS_MS: [i64; 5] =
    [5 * 60 * 1000, 30 * 60 * 1000, 3 * 60 * 60 * 1000, 16 * 60 * 60 * 1000, 52 * 60 * 60 * 1000];
/// How many attempts there are.
pub const MAX_ATTEMPTS: i64 = DELAYS_MS.len() as i64 + 1;

/// A delivery.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct WebhookDelivery {
    /// Always `webhook_delivery`.
    pub object: &'static str,
    /// Its id.
    pub id: WebhookDeliveryId,
    /// The event.
    pub event_id: EventId,
    /// Its name.
    pub event: String,
    /// How it stands.
    pub state: State,
    /// How many attempts were made.
    pub attempts: i64,
    /// When the next one is due.
    #[schema(required)]
    pub next_attempt_at: Option<Timestamp>,
    /// The status of the last answer.
    #[schema(required)]
    pub response_status: Option<i64>,
    /// Why the last attempt failed, in one sentence.
    #[schema(required)]
    pub problem: Option<String>,
    /// When it was first attempted.
    pub created_at: Timestamp,
    /// When it was last attempted.
    pub updated_at: Timestamp,
}

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The last attempt failed; another is due.
    Pending,
    /// It arrived.
    Delivered,
    /// All attempts failed.
    Failed,
}

impl State {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The status of the answer.
    pub response_status: Option<i64>,
    /// Why it failed; `None`: it arrived.
    pub problem: Option<String>,
}

impl Attempt {
    /// How the delivery stands after it, and when the next attempt is due. `jitter` is from 0 to 1.
    fn outcome(&self, attempts: i64, now: Timestamp, jitter: f64) -> (State, Option<Timestamp>) {
        if self.problem.is_none() {
            return (State::Delivered, None);
        }
        let delay = usize::try_from(attempts - 1).ok().and_then(|index| DELAYS_MS.get(index));
        match delay {
            None => (State::Failed, None),
            Some(delay) => {
                #[expect(clippy::cast_possible_truncation, reason = "three days fit")]
                let spread = (jitter * 0.2 * *delay as f64) as i64;
                (State::Pending, Some(now.plus_ms(delay - spread)))
            }
        }
    }
}

/// Records the first attempt at an event.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn first(
    tx: &mut Tx,
    endpoint: &WebhookEndpointId,
    (event_id, event_name): (&EventId, &str),
    (attempt, jitter): (&Attempt, f64),
) -> Result<()> {
    let (state, next) = attempt.outcome(1, tx.now(), jitter);
    let id: WebhookDeliveryId = tx.new_id();
    tx.execute(
        "INSERT INTO webhook_deliveries (id, environment_id, webhook_endpoint_id, event_id,
             event_name, state, attempts, next_attempt_at, response_status, problem, created_at,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $10)",
        &[
            (&id).into(),
            (&tx.environment_id()).into(),
            endpoint.into(),
            event_id.into(),
            event_name.into(),
            state.as_str().into(),
            next.into(),
            attempt.response_status.into(),
            attempt.problem.as_deref().into(),
            tx.now().into(),
        ],
    )
    .await
    .map(drop)
}

/// Records another attempt.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn again(
    tx: &mut Tx,
    delivery: &WebhookDelivery,
    (attempt, jitter): (&Attempt, f64),
) -> Result<()> {
    let attempts = delivery.attempts + 1;
    let (state, next) = attempt.outcome(attempts, tx.now(), jitter);
    tx.execute(
        "UPDATE webhook_deliveries SET state = $1, attempts = $2, next_attempt_at = $3,
             response_status = $4, problem = $5, updated_at = $6
         WHERE environment_id = $7 AND id = $8",
        &[
            state.as_str().into(),
            attempts.into(),
            next.into(),
            attempt.response_status.into(),
            attempt.problem.as_deref().into(),
            tx.now().into(),
            (&tx.environment_id()).into(),
            (&delivery.id).into(),
        ],
    )
    .await
    .map(drop)
}

/// Drops a delivery whose event is no longer kept.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn give_up(tx: &mut Tx, delivery: &WebhookDelivery) -> Result<()> {
    tx.execute(
        "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL,
             problem = 'The event is no longer kept.', updated_at = $1
         WHERE environment_id = $2 AND id = $3",
        &[tx.now().into(), (&tx.environment_id()).into(), (&delivery.id).into()],
    )
    .await
    .map(drop)
}

/// Deliveries of an endpoint whose next attempt is due, the longest due first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn due(
    tx: &mut Tx,
    endpoint: &WebhookEndpointId,
    limit: usize,
) -> Result<Vec<WebhookDelivery>> {
    let mut query = Query::new(
        "SELECT id, event_id, event_name, state, attempts, next_attempt_at, response_status, problem,
             created_at, updated_at
         FROM webhook_deliveries
         WHERE environment_id = $1 AND webhook_endpoint_id = $2 AND state = 'pending'",
        &[(&tx.environment_id()).into(), endpoint.into()],
    );
    query.and("next_attempt_at <= $?", tx.now().as_ms());
    query.end(" ORDER BY next_attempt_at").limit(limit);
    stored::all(query.fetch_all(tx).await?.into_iter().map(from_row))
}

/// Lists the deliveries of an endpoint.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(
    tx: &mut Tx,
    endpoint: &WebhookEndpointId,
    request: &PageRequest,
) -> Result<Page<WebhookDelivery>> {
    Query::new(
        "SELECT id, event_id, event_name, state, attempts, next_attempt_at, response_status, problem,
             created_at, updated_at
         FROM webhook_deliveries WHERE environment_id = $1 AND webhook_endpoint_id = $2",
        &[(&tx.environment_id()).into(), endpoint.into()],
    )
    .fetch_page(tx, ("id", |it: &WebhookDelivery| it.id.to_string()), request, from_row)
    .await
}

/// Forgets deliveries that ended before `moment`, at the most `limit`. Goes through all environments.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM webhook_deliveries WHERE id IN
         (SELECT id FROM webhook_deliveries WHERE state <> 'pending' AND created_at < $1
          ORDER BY id LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(mut row: Row) -> Result<WebhookDelivery> {
    Ok(WebhookDelivery {
        object: "webhook_delivery",
        id: row.next()?,
        event_id: row.next()?,
        event: row.next()?,
        state: match row.next::<String>()?.as_str() {
            "pending" => State::Pending,
            "delivered" => State::Delivered,
            "failed" => State::Failed,
            _ => return Err(stored::unknown("the state of a delivery")),
        },
        attempts: row.next()?,
        next_attempt_at: row.next()?,
        response_status: row.next()?,
        problem: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_attempts_are_made_within_three_days_and_then_it_has_failed() {
        let broken = Attempt { response_status: Some(500), problem: Some("500".to_owned()) };
        let mut now = Timestamp::from_ms(0);
        for attempts in 1..MAX_ATTEMPTS {
            let (state, next) = broken.outcome(attempts, now, 0.0);
            assert_eq!(state, State::Pending);
            assert!(next.unwrap() > now);
            now = next.unwrap();
        }
        assert!(now <= Timestamp::from_ms(3 * 24 * 60 * 60 * 1000));
        assert_eq!(broken.outcome(MAX_ATTEMPTS, now, 0.0), (State::Failed, None));
        let fine = Attempt { response_status: Some(200), problem: None };
        assert_eq!(fine.outcome(3, now, 0.5), (State::Delivered, None));
    }
}
