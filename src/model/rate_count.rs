//! What each node has counted towards the rate limits, for the other nodes.

use std::collections::HashMap;

use crate::base::rate::{self, Counts, Told};
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::Tx;

/// After how long without a word the counts of a node are of no use: 2 minutes, in milliseconds.
const STALE_MS: i64 = 2 * 60 * 1000;

/// Tells the other nodes what this one has counted, and returns what they have counted together.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn exchange(tx: &mut Tx, node: &str, ours: &Told) -> Result<Told> {
    let minute = rate::minute(tx.now());
    let counts = serde_json::to_string(ours).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO rate_counts (node, minute, counts, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (node) DO UPDATE SET minute = excluded.minute, counts = excluded.counts,
             updated_at = excluded.updated_at",
        &[node.into(), minute.into(), (&counts).into(), tx.now().into()],
    )
    .await?;
    let rows = tx
        .fetch_all(
            "SELECT minute, counts FROM rate_counts WHERE node <> $1 AND updated_at > $2",
            &[node.into(), tx.now().plus_ms(-STALE_MS).into()],
        )
        .await?;
    let mut sum = Told::new();
    for mut row in rows {
        let counted: i64 = row.next()?;
        let text: String = row.next()?;
        let told = stored::known(stored::json("the counts of a node", text))?;
        let told: HashMap<String, Counts> = told.unwrap_or_default();
        for (name, counts) in told {
            let counts = rate::carry(counts, counted, minute);
            let entry = sum.entry(name).or_default();
            *entry = [entry[0].saturating_add(counts[0]), entry[1].saturating_add(counts[1])];
        }
    }
    Ok(sum)
}

/// Forgets nodes that have told nothing since then; returns how many.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM rate_counts WHERE node IN
         (SELECT node FROM rate_counts WHERE updated_at < $1 LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
