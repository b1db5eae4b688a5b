//! How much of everything there is, over all environments, for whoever helps the operator. No text
//! that anybody chose is in it: only ids, words of ours and numbers.

use serde::Serialize;

use crate::base::Result;
use crate::base::id::{ConnectionId, EnvironmentId};
use crate::base::time::Timestamp;
use crate::db::{Param, Row, Tx};

/// The tables whose rows are counted.
const TABLES: &[&str] = &[
    "administrators",
    "api_keys",
    "connection_groups",
    "connections",
    "environments",
    "events",
    "organization_domains",
    "organizations",
    "profiles",
    "redirect_uris",
    "roles",
    "setup_links",
    "sso_sessions",
    "webhook_deliveries",
    "webhook_endpoints",
];

/// How many rows a table has, or how many of a kind there are.
#[derive(Debug, Serialize)]
pub struct Count {
    /// The table, or the words of the kind.
    pub of: String,
    /// How many.
    pub count: i64,
}

/// A connection, without a text that anybody chose.
#[derive(Debug, Serialize)]
pub struct ConnectionState {
    /// Its id.
    pub id: ConnectionId,
    /// Its environment.
    pub environment_id: EnvironmentId,
    /// Its type.
    pub connection_type: String,
    /// Its state.
    pub state: String,
    /// Whether it was configured.
    pub is_configured: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A migration that was applied.
#[derive(Debug, Serialize)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// When.
    pub applied_at: Timestamp,
}

/// The rows of each table.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn tables(tx: &mut Tx) -> Result<Vec<Count>> {
    let mut counts = Vec::new();
    for table in TABLES {
        let count = tx.fetch_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.next()?;
        counts.push(Count { of: (*table).to_owned(), count });
    }
    Ok(counts)
}

/// How the logins that began since a moment stand or ended: status and failure code.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn logins(tx: &mut Tx, since: Timestamp) -> Result<Vec<Count>> {
    let sql = "SELECT status, coalesce(failure_code, ''), count(*) FROM sso_sessions
               WHERE created_at >= $1 GROUP BY status, coalesce(failure_code, '')
               ORDER BY status, coalesce(failure_code, '')";
    kinds(tx, sql, &[since.into()]).await
}

/// How the deliveries of webhooks stand: state, and the status of the last answer.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn deliveries(tx: &mut Tx) -> Result<Vec<Count>> {
    let sql = "SELECT state, CAST(coalesce(response_status, 0) AS TEXT), count(*)
               FROM webhook_deliveries GROUP BY state, coalesce(response_status, 0)
               ORDER BY state, coalesce(response_status, 0)";
    kinds(tx, sql, &[]).await
}

async fn kinds(tx: &mut Tx, sql: &str, params: &[Param<'_>]) -> Result<Vec<Count>> {
    let rows = tx.fetch_all(sql, params).await?;
    let count = |mut row: Row| -> Result<Count> {
        let (state, kind): (String, String) = (row.next()?, row.next()?);
        let of = if kind.is_empty() { state } else { format!("{state} {kind}") };
        Ok(Count { of, count: row.next()? })
    };
    rows.into_iter().map(count).collect()
}

/// All connections, at the most `limit`, the newest first.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn connections(tx: &mut Tx, limit: i64) -> Result<Vec<ConnectionState>> {
    let sql = "SELECT id, environment_id, connection_type, state, created_at,
                   CAST(CASE WHEN settings IS NULL THEN 0 ELSE 1 END AS BIGINT)
               FROM connections ORDER BY id DESC LIMIT $1";
    let rows = tx.fetch_all(sql, &[limit.into()]).await?;
    rows.into_iter()
        .map(|mut row| -> Result<ConnectionState> {
            let (id, environment_id) = (row.next()?, row.next()?);
            let (connection_type, state, created_at) = (row.next()?, row.next()?, row.next()?);
            let configured: i64 = row.next()?;
            let is_configured = configured != 0;
            Ok(ConnectionState {
                id,
                environment_id,
                connection_type,
                state,
                is_configured,
                created_at,
            })
        })
        .collect()
}

/// The migrations that were applied, oldest first.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn migrations(tx: &mut Tx) -> Result<Vec<Migration>> {
    let sql = "SELECT version, applied_at FROM schema_migrations ORDER BY version";
    let rows = tx.fetch_all(sql, &[]).await?;
    let migration = |mut row: Row| -> Result<Migration> {
        Ok(Migration { version: row.next()?, applied_at: row.next()? })
    };
    rows.into_iter().map(migration).collect()
}
