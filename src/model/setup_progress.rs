//! How far the setup of a connection has come: which guide is followed, and what its steps showed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::connection;
use crate::base::id::ConnectionId;
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Row, Tx};

/// How much a step may note, in characters; more is cut.
const MAX_NOTE: usize = 400;

/// How far the setup of a connection has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupProgress {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The guide that is followed.
    pub guide: String,
    /// Its version when a step was last done.
    pub guide_version: i64,
    /// What is known of each step, by its id.
    pub steps: BTreeMap<String, Mark>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What is known of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// How it stands.
    pub state: State,
    /// What its check said, as one sentence. Never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at_ms: i64,
}

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is done.
    Done,
    /// Its check found something to mend.
    Failed,
    /// It is optional and was left out.
    Skipped,
}

impl State {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// How far a connection has come; `None` if nobody has begun.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find(tx: &mut Tx, id: &ConnectionId) -> Result<Option<SetupProgress>> {
    let environment_id = tx.environment_id();
    let row = tx
        .fetch_optional(
            "SELECT connection_id, guide, guide_version, steps, updated_at FROM setup_progress
             WHERE environment_id = $1 AND connection_id = $2",
            &[(&environment_id).into(), id.into()],
        )
        .await?;
    stored::one(row.map(from_row))
}

/// Notes what a step of a guide showed.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such connection.
pub async fn note(
    tx: &mut Tx,
    id: &ConnectionId,
    (guide, guide_version): (&str, i64),
    (step, state, text): (&str, State, Option<String>),
) -> Result<SetupProgress> {
    connection::get(tx, id.as_str()).await?;
    let known = find(tx, id).await?;
    // The steps of another guide mean nothing in this one.
    let known = known.filter(|known| known.guide == guide);
    let mut steps = known.map(|known| known.steps).unwrap_or_default();
    let note = text.map(|text| text.chars().take(MAX_NOTE).collect::<String>().replace('\0', ""));
    steps.insert(step.to_owned(), Mark { state, note, at_ms: tx.now().as_ms() });
    store(tx, id, (guide, guide_version), &steps).await?;
    Ok(SetupProgress {
        connection_id: id.clone(),
        guide: guide.to_owned(),
        guide_version,
        steps,
        updated_at: tx.now(),
    })
}

/// Forgets how far a connection has come.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn clear(tx: &mut Tx, id: &ConnectionId) -> Result<()> {
    tx.execute(
        "DELETE FROM setup_progress WHERE environment_id = $1 AND connection_id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

async fn store(
    tx: &mut Tx,
    id: &ConnectionId,
    (guide, guide_version): (&str, i64),
    steps: &BTreeMap<String, Mark>,
) -> Result<()> {
    let steps = serde_json::to_string(steps).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO setup_progress
         (connection_id, environment_id, guide, guide_version, steps, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (connection_id) DO UPDATE SET
             guide = excluded.guide, guide_version = excluded.guide_version,
             steps = excluded.steps, updated_at = excluded.updated_at",
        &[
            id.into(),
            (&tx.environment_id()).into(),
            guide.into(),
            guide_version.into(),
            (&steps).into(),
            tx.now().into(),
        ],
    )
    .await
    .map(drop)
}

fn from_row(mut row: Row) -> Result<SetupProgress> {
    Ok(SetupProgress {
        connection_id: row.next()?,
        guide: row.next()?,
        guide_version: row.next()?,
        steps: stored::json("the steps of a setup", row.next::<String>()?)?,
        updated_at: row.next()?,
    })
}
