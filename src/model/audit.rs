//! The audit trail: who changed what in the installation, when, and what was there before.
//!
//! Entries are added in the transaction of the change and never touched again: no operation changes
//! one, and only time takes them away ([`purge`]). What happens inside an environment is told by its
//! events as well; the trail holds what no event tells: administrators, sign-ins, keys, environments,
//! links.

use serde_json::Value;

use super::administrator;
use crate::base::Result;
use crate::base::caller::Source;
use crate::base::id::{AuditEntryId, EnvironmentId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::db::{Query, Row, Tx};

/// One line of the trail.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: AuditEntryId,
    /// When it happened.
    pub created_at: Timestamp,
    /// What was done, such as `api_key.created`.
    pub action: String,
    /// The id of what it was done to, or another name of it.
    pub target: String,
    /// The environment, if it was done in one.
    pub environment_id: Option<EnvironmentId>,
    /// The face that it came through.
    pub source: String,
    /// The id of who did it.
    pub actor_id: String,
    /// What people called them then, if they were an administrator.
    pub actor_name: Option<String>,
    /// More of it, such as `{"before": {…}, "after": {…}}`; never a secret.
    pub details: Value,
}

/// Adds an entry for the caller of the unit. `details` must hold no secret.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn record(tx: &mut Tx, action: &'static str, target: &str, details: Value) -> Result<()> {
    let caller = tx.caller().clone();
    let actor_name = actor_name(tx).await?;
    let id: AuditEntryId = tx.new_id();
    let environment = Some(caller.environment_id.as_str()).filter(|id| !id.is_empty());
    tx.execute(
        "INSERT INTO audit_entries
         (id, environment_id, action, target, source, actor_id, actor_name, details, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            (&id).into(),
            environment.into(),
            action.into(),
            target.into(),
            caller.source.as_str().into(),
            (&caller.actor_id).into(),
            actor_name.as_deref().into(),
            (&details.to_string()).into(),
            tx.now().into(),
        ],
    )
    .await
    .map(drop)
}

/// What people call the caller of the unit, if it is an administrator.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub(super) async fn actor_name(tx: &mut Tx) -> Result<Option<String>> {
    if tx.caller().source != Source::Dashboard {
        return Ok(None);
    }
    let id = tx.caller().actor_id.clone();
    administrator::find_name(tx, &id).await
}

/// Lists the trail.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<Entry>> {
    let query = Query::new(
        "SELECT id, created_at, action, target, environment_id, source, actor_id, actor_name, details
         FROM audit_entries WHERE 1 = 1",
        &[],
    );
    query.fetch_page(tx, ("id", |entry: &Entry| entry.id.to_string()), request, from_row).await
}

/// Forgets entries that were added before `moment`, at the most `limit`.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM audit_entries WHERE id IN
         (SELECT id FROM audit_entries WHERE created_at < $1 ORDER BY id LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(mut row: Row) -> Result<Entry> {
    Ok(Entry {
        id: row.next()?,
        created_at: row.next()?,
        action: row.next()?,
        target: row.next()?,
        environment_id: row.next()?,
        source: row.next()?,
        actor_id: row.next()?,
        actor_name: row.next()?,
        details: serde_json::from_str(&row.next::<String>()?).unwrap_or_default(),
    })
}
