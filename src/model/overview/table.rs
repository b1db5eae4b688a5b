//! The rows of overviews: counted hours, and the counting of those that are not.

use super::{Attention, Count, HOUR_MS};
use crate::base::id::SsoSessionId;
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Row, Tx};

/// What is known of an environment.
pub(super) struct Known {
    pub(super) counted_until: i64,
    pub(super) attention: Vec<Attention>,
    pub(super) attention_at: Timestamp,
}

pub(super) async fn find(tx: &mut Tx) -> Result<Option<Known>> {
    let environment_id = tx.environment_id();
    tx.fetch_optional(
        "SELECT counted_until, attention, attention_at FROM overviews WHERE environment_id = $1",
        &[(&environment_id).into()],
    )
    .await?
    .map(|mut row| {
        let counted_until = row.next()?;
        let attention = stored::json("what needs attention", row.next::<String>()?);
        Ok(Known {
            counted_until,
            attention: stored::known(attention)?.unwrap_or_default(),
            attention_at: row.next()?,
        })
    })
    .transpose()
}

pub(super) async fn begin(tx: &mut Tx) -> Result<()> {
    let environment_id = tx.environment_id();
    tx.execute(
        "INSERT INTO overviews (environment_id, counted_until, attention, attention_at)
         VALUES ($1, 0, '[]', 0) ON CONFLICT (environment_id) DO NOTHING",
        &[(&environment_id).into()],
    )
    .await
    .map(drop)
}

pub(super) async fn counted(tx: &mut Tx, until: i64) -> Result<()> {
    let environment_id = tx.environment_id();
    tx.execute(
        "UPDATE overviews SET counted_until = $1 WHERE environment_id = $2 AND counted_until < $1",
        &[until.into(), (&environment_id).into()],
    )
    .await
    .map(drop)
}

pub(super) async fn keep_attention(tx: &mut Tx, found: &[Attention]) -> Result<()> {
    begin(tx).await?;
    let text = serde_json::to_string(found).map_err(Error::internal)?;
    let environment_id = tx.environment_id();
    tx.execute(
        "UPDATE overviews SET attention = $1, attention_at = $2 WHERE environment_id = $3",
        &[(&text).into(), tx.now().into(), (&environment_id).into()],
    )
    .await
    .map(drop)
}

/// When the first attempt at or behind this id began.
pub(super) async fn next_attempt(tx: &mut Tx, from: &SsoSessionId) -> Result<Option<i64>> {
    let environment_id = tx.environment_id();
    tx.fetch_optional(
        "SELECT created_at FROM sso_sessions WHERE environment_id = $1 AND id >= $2
         ORDER BY id LIMIT 1",
        &[(&environment_id).into(), from.into()],
    )
    .await?
    .map(|mut row| row.next())
    .transpose()
}

/// Counts one hour anew. Its attempts are found by their ids, which begin with their moment.
pub(super) async fn count_hour(
    tx: &mut Tx,
    hour: i64,
    (first, end): (&SsoSessionId, &SsoSessionId),
) -> Result<()> {
    let environment_id = tx.environment_id();
    tx.execute(
        "DELETE FROM login_counts WHERE environment_id = $1 AND hour = $2",
        &[(&environment_id).into(), hour.into()],
    )
    .await?;
    tx.execute(
        "INSERT INTO login_counts (environment_id, hour, status, failure_code, count)
         SELECT environment_id, CAST($2 AS BIGINT), status, coalesce(failure_code, ''), count(*)
         FROM sso_sessions
         WHERE environment_id = $1 AND id >= $3 AND id < $4
             AND origin IN ('application', 'identity_provider')
         GROUP BY environment_id, status, coalesce(failure_code, '')",
        &[(&environment_id).into(), hour.into(), first.into(), end.into()],
    )
    .await
    .map(drop)
}

/// What was counted since `from`: how the logins of each hour ended, and why those of all failed. Added
/// up in SQL, because a quarter has many rows; the hours in the order of the key, so without sorting.
pub(super) async fn counts(tx: &mut Tx, from: i64) -> Result<Vec<Count>> {
    let environment_id = tx.environment_id();
    let mut rows = tx
        .fetch_all(
            "SELECT hour, status, '', CAST(sum(count) AS BIGINT) FROM login_counts
             WHERE environment_id = $1 AND hour >= $2 GROUP BY hour, status",
            &[(&environment_id).into(), from.into()],
        )
        .await?;
    rows.extend(
        tx.fetch_all(
            "SELECT CAST($2 AS BIGINT), '', failure_code, CAST(sum(count) AS BIGINT)
             FROM login_counts WHERE environment_id = $1 AND hour >= $2 AND failure_code <> ''
             GROUP BY failure_code",
            &[(&environment_id).into(), from.into()],
        )
        .await?,
    );
    rows.into_iter().map(count_from_row).collect()
}

/// Counts what is not in the table yet.
pub(super) async fn live(
    tx: &mut Tx,
    from: i64,
    first_id: &dyn Fn(Timestamp) -> SsoSessionId,
) -> Result<Vec<Count>> {
    let environment_id = tx.environment_id();
    let first = first_id(Timestamp::from_ms(from));
    let rows = tx
        .fetch_all(
            "SELECT created_at - created_at % $3, status, coalesce(failure_code, ''), count(*)
             FROM sso_sessions
             WHERE environment_id = $1 AND id >= $2
                 AND origin IN ('application', 'identity_provider')
             GROUP BY created_at - created_at % $3, status, coalesce(failure_code, '')",
            &[(&environment_id).into(), (&first).into(), HOUR_MS.into()],
        )
        .await?;
    rows.into_iter().map(count_from_row).collect()
}

fn count_from_row(mut row: Row) -> Result<Count> {
    Ok(Count {
        hour: row.next()?,
        status: row.next()?,
        failure_code: row.next()?,
        count: row.next()?,
    })
}

/// Connections whose attempts since this id failed more often than not, the worst first.
pub(super) async fn failing(
    tx: &mut Tx,
    since: &SsoSessionId,
    limit: usize,
) -> Result<Vec<Attention>> {
    let environment_id = tx.environment_id();
    let rows = tx
        .fetch_all(
            "SELECT c.id, c.name, o.name, f.failed, f.succeeded FROM (
                 SELECT connection_id,
                     CAST(sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed,
                     CAST(sum(CASE WHEN status = 'success' THEN 1 ELSE 0 END) AS BIGINT) AS succeeded
                 FROM sso_sessions
                 WHERE environment_id = $1 AND id >= $2 AND connection_id IS NOT NULL
                     AND origin IN ('application', 'identity_provider')
                 GROUP BY connection_id) f
             JOIN connections c ON c.id = f.connection_id AND c.environment_id = $1
             JOIN organizations o ON o.id = c.organization_id
             WHERE f.failed >= 3 AND f.failed > f.succeeded
             ORDER BY f.failed DESC, c.id LIMIT $3",
            &[(&environment_id).into(), since.into(), rows(limit).into()],
        )
        .await?;
    let reason = |row: &mut Row| {
        let (failed, succeeded): (i64, i64) = (row.next()?, row.next()?);
        Ok(format!("In the last 24 hours {failed} sign-ins failed and {succeeded} succeeded."))
    };
    rows.into_iter().map(|row| attention(row, reason)).collect()
}

/// Connections that were configured before this moment, and nobody has signed in by them.
pub(super) async fn waiting(
    tx: &mut Tx,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<Attention>> {
    let environment_id = tx.environment_id();
    let rows = tx
        .fetch_all(
            "SELECT c.id, c.name, o.name FROM connections c
             JOIN organizations o ON o.id = c.organization_id
             WHERE c.environment_id = $1 AND c.state = 'validating' AND c.updated_at < $2
             ORDER BY c.id LIMIT $3",
            &[(&environment_id).into(), before.into(), rows(limit).into()],
        )
        .await?;
    let reason =
        |_: &mut Row| Ok("Configured for days, and nobody has signed in by it yet.".to_owned());
    rows.into_iter().map(|row| attention(row, reason)).collect()
}

/// Connections with a next secret that has waited since before this moment.
pub(super) async fn rotating(
    tx: &mut Tx,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<Attention>> {
    let environment_id = tx.environment_id();
    let rows = tx
        .fetch_all(
            "SELECT c.id, c.name, o.name FROM connections c
             JOIN organizations o ON o.id = c.organization_id
             WHERE c.environment_id = $1 AND c.next_client_secret_sealed IS NOT NULL
                 AND c.updated_at < $2
             ORDER BY c.id LIMIT $3",
            &[(&environment_id).into(), before.into(), rows(limit).into()],
        )
        .await?;
    let reason = |_: &mut Row| {
        Ok("Its next client secret has waited for a month: finish the rotation.".to_owned())
    };
    rows.into_iter().map(|row| attention(row, reason)).collect()
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn attention(mut row: Row, reason: impl Fn(&mut Row) -> Result<String>) -> Result<Attention> {
    Ok(Attention {
        connection_id: row.next()?,
        name: row.next()?,
        organization: row.next()?,
        reason: reason(&mut row)?,
    })
}

pub(super) async fn purge(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM login_counts WHERE hour < $1", &[before.into()]).await
}
