//! What earlier builds kept, and this one does not: it is forgotten when its time is over.

use crate::base::Result;
use crate::base::time::Timestamp;
use crate::db::Tx;

/// Forgets codes that ended before `moment`, at the most `limit`. Goes through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge_codes(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM authorization_codes WHERE code_hash IN
         (SELECT code_hash FROM authorization_codes WHERE expires_at < $1
          ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

/// Forgets access tokens that ended before `moment`, at the most `limit`. Goes through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge_tokens(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM access_tokens WHERE token_hash IN
         (SELECT token_hash FROM access_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
