//! Guesses at passwords: counted by account and by address, in the database, so that all nodes see
//! the same.
//!
//! Guessing costs time, and more the longer it goes on; nobody is locked out for good. Attempts are
//! counted before they are judged, so that a thousand at once count as a thousand.

use crate::base::Result;
use crate::base::time::Timestamp;
use crate::db::Tx;

/// How long attempts are remembered after the last one: a day, in milliseconds.
pub const MEMORY_MS: i64 = 24 * 60 * 60 * 1000;
/// The longest wait between two attempts: 15 minutes, in milliseconds.
pub const MAX_WAIT_MS: i64 = 15 * 60 * 1000;
/// The first wait: a second, in milliseconds; each further one is twice as long.
const FIRST_WAIT_MS: i64 = 1000;

/// What attempts are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// How many attempts cost no wait.
    pub free: i64,
}

/// Counts an attempt in each bucket. Where one of them has to wait, returns how long, in
/// milliseconds, and the attempt must not be judged.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn take(tx: &mut Tx, buckets: &[Bucket]) -> Result<Option<i64>> {
    for bucket in buckets {
        // One statement on purpose: of attempts that come at once, each counts.
        let counted = tx
            .fetch_optional(
                "INSERT INTO sign_in_attempts (bucket, count, last_at, free_at)
                 VALUES ($1, 1, $2, $2)
                 ON CONFLICT (bucket) DO UPDATE SET
                 count = CASE WHEN sign_in_attempts.last_at < $3 THEN 1
                         ELSE sign_in_attempts.count + 1 END,
                 last_at = $2
                 WHERE sign_in_attempts.free_at <= $2 RETURNING count",
                &[(&bucket.name).into(), tx.now().into(), tx.now().plus_ms(-MEMORY_MS).into()],
            )
            .await?;
        let Some(mut row) = counted else { return wait(tx, &bucket.name).await.map(Some) };
        let free_at = tx.now().plus_ms(wait_ms(row.next::<i64>()? - bucket.free));
        tx.execute(
            "UPDATE sign_in_attempts SET free_at = $1 WHERE bucket = $2",
            &[free_at.into(), (&bucket.name).into()],
        )
        .await?;
    }
    Ok(None)
}

/// Takes back what a right password had counted: the account's attempts are forgotten, and those of
/// others (an office behind one address) are one less.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn give_back(tx: &mut Tx, account: &Bucket, others: &[Bucket]) -> Result<()> {
    let sql = "DELETE FROM sign_in_attempts WHERE bucket = $1";
    tx.execute(sql, &[(&account.name).into()]).await?;
    for bucket in others {
        tx.execute(
            "UPDATE sign_in_attempts SET count = count - 1, free_at = last_at WHERE bucket = $1",
            &[(&bucket.name).into()],
        )
        .await?;
    }
    Ok(())
}

/// Notes a failure that nothing else is stored of, so that it takes as long as one that is.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn note(tx: &mut Tx, bucket: &Bucket) -> Result<()> {
    let sql = "UPDATE sign_in_attempts SET last_at = $1 WHERE bucket = $2";
    tx.execute(sql, &[tx.now().into(), (&bucket.name).into()]).await.map(drop)
}

/// Forgets attempts of long ago, at the most `limit`.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM sign_in_attempts WHERE bucket IN
         (SELECT bucket FROM sign_in_attempts WHERE last_at < $1 LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

async fn wait(tx: &mut Tx, name: &str) -> Result<i64> {
    let sql = "SELECT free_at FROM sign_in_attempts WHERE bucket = $1";
    let row = tx.fetch_optional(sql, &[name.into()]).await?;
    let free_at = row.map(|mut row| row.next::<Timestamp>()).transpose()?;
    Ok(free_at.map_or(0, |moment| moment.as_ms() - tx.now().as_ms()))
}

/// How long to wait after the attempt that is `over` the free ones.
fn wait_ms(over: i64) -> i64 {
    match u32::try_from(over) {
        Ok(0) | Err(_) => 0,
        Ok(over) => FIRST_WAIT_MS.saturating_mul(1 << (over - 1).min(20)).min(MAX_WAIT_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_as_long_up_to_a_quarter_of_an_hour() {
        let waits: Vec<i64> = [-3, 0, 1, 2, 3, 10, 11, 12, i64::MAX].map(wait_ms).into();
        let max = MAX_WAIT_MS;
        assert_eq!(waits, [0, 0, 1000, 2000, 4000, 512_000, max, max, 0]);
    }
}
