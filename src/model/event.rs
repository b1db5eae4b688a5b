//! Events: what happened, recorded in the transaction in which it happened.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::audit;
use crate::base::id::{EventId, OrganizationId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{NewEvent, Query, Row, Tx};

/// How long events are kept: 90 days, in milliseconds.
pub const RETENTION_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// How far the moments of events may be out of the order of their positions: units that are
/// committed one after the other began at almost the same time, but on machines with clocks of their
/// own. An hour, in milliseconds.
const SLACK_MS: i64 = 60 * 60 * 1000;
/// What each login records: with these names there are many wherever one looks.
const FREQUENT: [&str; 2] = ["authentication.sso_started", "authentication.sso_succeeded"];
/// The condition of the index of all others, word for word: no engine can tell that a parameter fits.
const IS_RARE: &str =
    " AND name NOT IN ('authentication.sso_started', 'authentication.sso_succeeded')";

/// An event, as `GET /events` and webhooks carry it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Event {
    /// Always `event`.
    pub object: &'static str,
    /// Its id.
    pub id: EventId,
    /// Its name, such as `connection.activated`.
    pub event: String,
    /// The object that it is about, as it was in that moment.
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Who did it, and which values were there before.
    #[schema(value_type = Object)]
    pub context: Box<RawValue>,
    /// Where it stands in the order of commits.
    #[serde(skip)]
    pub position: i64,
}

/// Who did it, and which values were there before.
#[derive(Serialize)]
struct Context<'a> {
    actor: Actor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_attributes: Option<Value>,
}

#[derive(Serialize)]
struct Actor<'a> {
    id: &'a str,
    source: &'static str,
    name: Option<String>,
}

/// Which events a list is to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Names; none means all.
    pub names: Vec<String>,
    /// Only events of this organization.
    pub organization_id: Option<OrganizationId>,
    /// Only events of this moment or later.
    pub range_start: Option<Timestamp>,
    /// Only events before this moment.
    pub range_end: Option<Timestamp>,
}

/// Records that something happened. `data` is the object in its API shape. The moments of events do not
/// go back, so that who gets them out of order can put them in order.
///
/// # Errors
///
/// [`Error::Internal`] if the data cannot be written as JSON; as [`Tx::execute`].
pub async fn record(
    tx: &mut Tx,
    name: &'static str,
    organization_id: Option<&OrganizationId>,
    data: &impl Serialize,
) -> Result<()> {
    record_change(tx, name, organization_id, data, None).await
}

/// Records a change, with the values that were there before (`context.previous_attributes`).
///
/// # Errors
///
/// As [`record`].
pub async fn record_change(
    tx: &mut Tx,
    name: &'static str,
    organization_id: Option<&OrganizationId>,
    data: &impl Serialize,
    previous: Option<Value>,
) -> Result<()> {
    let data = serde_json::to_string(data).map_err(Error::internal)?;
    let actor_name = audit::actor_name(tx).await?;
    let caller = tx.caller();
    let actor = Actor { id: &caller.actor_id, source: caller.source.as_str(), name: actor_name };
    let context = Context { actor, previous_attributes: previous };
    let context = serde_json::to_string(&context).map_err(Error::internal)?;
    tx.append_event(NewEvent {
        environment_id: tx.environment_id(),
        id: tx.new_id(),
        name,
        organization_id: organization_id.cloned(),
        data,
        context,
        created_at: tx.now(),
    });
    Ok(())
}

/// Lists events in the order in which they were committed. The cursors are event ids.
///
/// # Errors
///
/// [`Error::Invalid`] for a cursor that is no event of this environment.
pub async fn list(tx: &mut Tx, filter: &Filter, request: &PageRequest) -> Result<Page<Event>> {
    let (oldest_first, cursor) = request.reading();
    let mut query = Query::new(
        "SELECT id, name, data, context, created_at, position FROM events WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    query.and_in("name", &filter.names);
    if let [name] = &filter.names[..]
        && !FREQUENT.contains(&name.as_str())
    {
        query.end(IS_RARE);
    }
    query.and_some("organization_id = $?", filter.organization_id.as_ref());
    narrow(tx, &mut query, filter.range_start, filter.range_end).await?;
    if let Some(cursor) = cursor {
        let position = position_of(tx, cursor).await?;
        query.and(if oldest_first { "position > $?" } else { "position < $?" }, position);
    }
    query.end(if oldest_first { " ORDER BY position ASC" } else { " ORDER BY position DESC" });
    query.limit(request.limit + 1);
    let rows = query.fetch_all(tx).await?.into_iter().map(from_row).collect::<Result<_>>()?;
    Ok(request.page(rows, |event: &Event| event.id.to_string()))
}

/// The position of the newest event of the environment; all up to it are committed.
///
/// # Errors
///
/// As [`Tx::fetch_one`].
pub async fn newest_position(tx: &mut Tx) -> Result<i64> {
    let environment_id = tx.environment_id();
    tx.fetch_one(
        "SELECT event_position FROM environments WHERE id = $1",
        &[(&environment_id).into()],
    )
    .await?
    .next()
}

/// The positions of the first and the last event from the one moment until before the other, if
/// there are any.
///
/// # Errors
///
/// As [`Tx::fetch_one`].
pub async fn positions_between(
    tx: &mut Tx,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<(i64, i64)>> {
    let mut query = Query::new(
        "SELECT min(position), max(position) FROM events WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    narrow(tx, &mut query, Some(from), Some(until)).await?;
    let Some(mut row) = query.fetch_all(tx).await?.pop() else { return Ok(None) };
    let (first, last): (Option<i64>, Option<i64>) = (row.next()?, row.next()?);
    Ok(first.zip(last))
}

/// Adds the conditions of a span of time. Nothing is indexed by time; but positions grow with it, so
/// that they tell which part of the table has to be read.
async fn narrow(
    tx: &mut Tx,
    query: &mut Query,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> Result<()> {
    if let Some(start) = start {
        let first = position_at(tx, start.plus_ms(-SLACK_MS)).await?;
        query.and("created_at >= $?", start.as_ms()).and("position >= $?", first);
    }
    if let Some(end) = end {
        let first = position_at(tx, end.plus_ms(SLACK_MS)).await?;
        query.and("created_at < $?", end.as_ms()).and("position < $?", first);
    }
    Ok(())
}

/// The position of the first event of this moment or later; behind the newest, if there is none.
async fn position_at(tx: &mut Tx, moment: Timestamp) -> Result<i64> {
    let environment_id = tx.environment_id();
    let (mut low, mut high) = (0, newest_position(tx).await? + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = tx
            .fetch_optional(
                "SELECT position, created_at FROM events
                 WHERE environment_id = $1 AND position >= $2 AND position < $3
                 ORDER BY position LIMIT 1",
                &[(&environment_id).into(), middle.into(), high.into()],
            )
            .await?;
        match found {
            Some(mut row) => {
                let (position, at): (i64, Timestamp) = (row.next()?, row.next()?);
                if at < moment {
                    low = position + 1;
                } else {
                    high = middle;
                }
            }
            // Purged, or never there: a gap.
            None => high = middle,
        }
    }
    Ok(low)
}

/// Events behind a position, up to another, with one of these names; the oldest first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn between(
    tx: &mut Tx,
    (behind, last): (i64, i64),
    names: &[String],
    limit: usize,
) -> Result<Vec<Event>> {
    let mut query = Query::new(
        "SELECT id, name, data, context, created_at, position FROM events WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    query.and("position > $?", behind).and("position <= $?", last).and_in("name", names);
    query.end(" ORDER BY position").limit(limit);
    query.fetch_all(tx).await?.into_iter().map(from_row).collect()
}

/// How many events are behind a position, up to another, with one of these names.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn count_between(
    tx: &mut Tx,
    (behind, last): (i64, i64),
    names: &[String],
) -> Result<i64> {
    let mut query = Query::new(
        "SELECT count(*) FROM events WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    query.and("position > $?", behind).and("position <= $?", last).and_in("name", names);
    query.fetch_all(tx).await?.pop().map_or(Ok(0), |mut row| row.next())
}

/// The event with this id, if it is still kept.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find(tx: &mut Tx, id: &EventId) -> Result<Option<Event>> {
    let environment_id = tx.environment_id();
    tx.fetch_optional(
        "SELECT id, name, data, context, created_at, position FROM events
         WHERE environment_id = $1 AND id = $2",
        &[(&environment_id).into(), id.into()],
    )
    .await?
    .map(from_row)
    .transpose()
}

/// Forgets events that were recorded before `moment`, at the most `limit`. Goes through all
/// environments. Ids sort by the moment they were made, so the oldest come first.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM events WHERE id IN
         (SELECT id FROM events WHERE created_at < $1 ORDER BY id LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

/// The position of the event with this id.
async fn position_of(tx: &mut Tx, id: &str) -> Result<i64> {
    tx.fetch_optional(
        "SELECT position FROM events WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?
    .ok_or_else(|| {
        Error::invalid("invalid_cursor", "after", "The cursor is no event of this environment.")
    })?
    .next()
}

fn from_row(mut row: Row) -> Result<Event> {
    let raw = |text: String| RawValue::from_string(text).map_err(Error::internal);
    Ok(Event {
        object: "event",
        id: row.next()?,
        event: row.next()?,
        data: raw(row.next()?)?,
        context: raw(row.next()?)?,
        created_at: row.next()?,
        position: row.next()?,
    })
}
