//! Events, written at the end of their transaction: once for all units that share it.
//!
//! An event takes the next position of its environment in the transaction that records it, so that
//! positions come in the order of commits, and a moment that is not before that of the event before. All
//! logins of an environment meet there. So both are taken last, for all at once, and their row is locked
//! for as short as can be.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::query::Update;
use super::tx::Tx;
use super::value::Param;
use crate::base::id::{EnvironmentId, EventId, OrganizationId};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};

/// An event that a unit has recorded.
#[derive(Debug)]
pub struct NewEvent {
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its id.
    pub id: EventId,
    /// Its name, such as `connection.activated`.
    pub name: &'static str,
    /// The organization that it is about.
    pub organization_id: Option<OrganizationId>,
    /// What is told, as JSON.
    pub data: String,
    /// Who did it, as JSON.
    pub context: String,
    /// When.
    pub created_at: Timestamp,
}

/// How far the clock of a node may be behind that of another, in milliseconds, so that what it records
/// gets a moment that is not before that of the event before.
const BEHIND_MS: i64 = 60 * 1000;
/// How many events one statement may write: a few fixed numbers, so that the statements are few.
const ROWS: [usize; 4] = [16, 6, 2, 1];
/// How many parameters all rows share, and how many each has.
const SHARED: usize = 2;
const OWN: usize = 6;

/// The statements, for as many events as [`ROWS`] has them.
static STATEMENTS: LazyLock<[String; 4]> = LazyLock::new(|| {
    ROWS.map(|rows| {
        let row = |i: usize| {
            let own: Vec<String> =
                (1..=OWN).map(|n| format!("${}", SHARED + i * OWN + n)).collect();
            format!("($1, $2, {})", own.join(", "))
        };
        let values: Vec<String> = (0..rows).map(row).collect();
        format!(
            "INSERT INTO events (environment_id, created_at, position, id, name, organization_id, data,
              context) VALUES {}",
            values.join(", ")
        )
    })
});

/// Writes events, each behind those of its environment that stand before it.
pub(super) async fn write(tx: &mut Tx, events: &[NewEvent]) -> Result<()> {
    // In one order, so that no two transactions wait for each other.
    let environments: BTreeSet<&str> =
        events.iter().map(|event| event.environment_id.as_str()).collect();
    for environment_id in environments {
        write_of(tx, environment_id, events).await?;
    }
    Ok(())
}

/// Writes those of one environment.
async fn write_of(tx: &mut Tx, environment_id: &str, all: &[NewEvent]) -> Result<()> {
    let mut events: Vec<&NewEvent> =
        all.iter().filter(|event| event.environment_id.as_str() == environment_id).collect();
    let count = i64::try_from(events.len()).map_err(Error::internal)?;
    let now = events.iter().map(|event| event.created_at).max().unwrap_or_else(|| tx.now());
    let update = Update {
        table: "environments",
        // The moment is that of the event before, if that is a little later: another node's clock is ahead,
        // and time does not run backwards for whoever reads them.
        set: "event_position = event_position + $2,
             event_moment = CASE WHEN event_moment > $3 AND event_moment <= $4
                 THEN event_moment ELSE $3 END",
        only_if: None,
        returning: "event_position, event_moment",
    };
    let params = [environment_id.into(), count.into(), now.into(), now.plus_ms(BEHIND_MS).into()];
    let row = update.run(tx, &params).await?;
    let mut row = row.ok_or_else(|| Error::internal("an event of an environment that is gone"))?;
    let newest: i64 = row.next()?;
    let moment: Timestamp = row.next()?;
    let mut position = newest - count;
    while !events.is_empty() {
        let i = ROWS.iter().position(|rows| *rows <= events.len()).unwrap_or(ROWS.len() - 1);
        let rest = events.split_off(ROWS[i]);
        let mut params: Vec<Param<'_>> = Vec::with_capacity(SHARED + OWN * events.len());
        let shared: [Param<'_>; SHARED] = [environment_id.into(), moment.into()];
        params.extend(shared);
        for event in &events {
            position += 1;
            let own: [Param<'_>; OWN] = [
                position.into(),
                (&event.id).into(),
                event.name.into(),
                event.organization_id.as_ref().into(),
                (&event.data).into(),
                (&event.context).into(),
            ];
            params.extend(own);
        }
        tx.send(&STATEMENTS[i], &params).await?;
        events = rest;
    }
    Ok(())
}
