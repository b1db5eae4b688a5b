//! The browsers in which administrators are signed in.

use serde_json::json;

use super::{ALL_COLUMNS, Administrator, from_row};
use crate::base::id::{AdministratorId, AdministratorSessionId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Row, Tx};
use crate::model::audit;

/// How long a session may be idle: 30 minutes, in milliseconds (OWASP ASVS 5.0, 7.3.1).
pub const IDLE_MS: i64 = 30 * 60 * 1000;
/// How long a session may last: 12 hours, in milliseconds (OWASP ASVS 5.0, 7.3.2).
pub const SESSION_MS: i64 = 12 * 60 * 60 * 1000;
/// How long a proof of who is there suffices for changes of the account: 10 minutes, in
/// milliseconds (OWASP ASVS 5.0, 7.5.1).
pub const CONFIRMED_MS: i64 = 10 * 60 * 1000;

/// A browser in which an administrator is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, which is no secret.
    pub id: AdministratorSessionId,
    /// Who is signed in.
    pub administrator: Administrator,
    /// When the browser last asked for something, to the minute.
    pub last_seen_at: Timestamp,
    /// When it last proved who is there.
    pub confirmed_at: Timestamp,
}

/// A session as its administrator sees it in a list.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its id.
    pub id: AdministratorSessionId,
    /// Where the browser was when it signed in.
    pub ip_address: Option<String>,
    /// What the browser says of itself.
    pub user_agent: Option<String>,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When it last asked for something.
    pub last_seen_at: Timestamp,
}

/// Begins a session in a browser; the secret goes into its cookie.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn begin_session(
    tx: &mut Tx,
    id: &AdministratorId,
    (ip_address, user_agent): (Option<&str>, Option<&str>),
) -> Result<Secret> {
    let secret = Secret::random("");
    let session_id: AdministratorSessionId = tx.new_id();
    tx.execute(
        "INSERT INTO administrator_sessions
         (id, administrator_id, token_hash, ip_address, user_agent, created_at, last_seen_at,
          confirmed_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $6, $7)",
        &[
            (&session_id).into(),
            id.into(),
            (&secret.hash()).into(),
            ip_address.into(),
            user_agent.into(),
            tx.now().into(),
            tx.now().plus_ms(SESSION_MS).into(),
        ],
    )
    .await?;
    tx.execute(
        "UPDATE administrators SET last_sign_in_at = $1 WHERE id = $2",
        &[tx.now().into(), id.into()],
    )
    .await?;
    Ok(secret)
}

/// The session with this token, if it has not ended.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_session(tx: &mut Tx, token: &SecretHash) -> Result<Option<Session>> {
    let sql = format!(
        "SELECT s.id, s.last_seen_at, s.confirmed_at, {ALL_COLUMNS} FROM administrator_sessions s
         JOIN administrators a ON a.id = s.administrator_id
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3"
    );
    let since = tx.now().plus_ms(-IDLE_MS);
    let row = tx.fetch_optional(&sql, &[token.into(), tx.now().into(), since.into()]).await?;
    stored::one(row.map(|mut row| {
        Ok(Session {
            id: row.next()?,
            last_seen_at: row.next()?,
            confirmed_at: row.next()?,
            administrator: from_row(&mut row)?,
        })
    }))
}

/// Notes that the browser of a session asked for something.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn touch_session(tx: &mut Tx, id: &AdministratorSessionId) -> Result<()> {
    tx.execute(
        "UPDATE administrator_sessions SET last_seen_at = $1 WHERE id = $2",
        &[tx.now().into(), id.into()],
    )
    .await
    .map(drop)
}

/// Notes that the browser of a session has proved again who is there.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn confirm_session(tx: &mut Tx, id: &AdministratorSessionId) -> Result<()> {
    tx.execute(
        "UPDATE administrator_sessions SET confirmed_at = $1 WHERE id = $2",
        &[tx.now().into(), id.into()],
    )
    .await
    .map(drop)
}

/// The sessions of an administrator that have not ended, the newest first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list_sessions(tx: &mut Tx, id: &AdministratorId) -> Result<Vec<Shown>> {
    let since = tx.now().plus_ms(-IDLE_MS);
    tx.fetch_all(
        "SELECT id, ip_address, user_agent, created_at, last_seen_at FROM administrator_sessions
         WHERE administrator_id = $1 AND expires_at > $2 AND last_seen_at > $3
         ORDER BY id DESC LIMIT 100",
        &[id.into(), tx.now().into(), since.into()],
    )
    .await?
    .into_iter()
    .map(shown)
    .collect()
}

/// Ends a session.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn end_session(tx: &mut Tx, id: &AdministratorSessionId) -> Result<()> {
    tx.execute("DELETE FROM administrator_sessions WHERE id = $1", &[id.into()]).await.map(drop)
}

/// Ends the session with this token, if there is one: for a browser that signs in anew.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn end_session_of(tx: &mut Tx, token: &SecretHash) -> Result<()> {
    let sql = "DELETE FROM administrator_sessions WHERE token_hash = $1";
    tx.execute(sql, &[token.into()]).await.map(drop)
}

/// Ends one of the administrator's own sessions.
///
/// # Errors
///
/// [`Error::NotFound`] if it is somebody else's or has ended.
pub async fn revoke_session(
    tx: &mut Tx,
    id: &AdministratorId,
    session: &AdministratorSessionId,
) -> Result<()> {
    let sql = "DELETE FROM administrator_sessions WHERE id = $1 AND administrator_id = $2";
    if tx.execute(sql, &[session.into(), id.into()]).await? == 0 {
        return Err(Error::not_found("Session", session.as_str()));
    }
    let details = json!({ "session": session });
    audit::record(tx, "administrator.session_ended", id.as_str(), details).await
}

/// Ends all sessions of an administrator but this one; returns how many.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn end_other_sessions(
    tx: &mut Tx,
    id: &AdministratorId,
    but: Option<&AdministratorSessionId>,
) -> Result<u64> {
    tx.execute(
        "DELETE FROM administrator_sessions
         WHERE administrator_id = $1 AND id <> coalesce(CAST($2 AS TEXT), '')",
        &[id.into(), but.into()],
    )
    .await
}

/// Forgets sessions that ended before `moment`, at the most `limit`.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge_sessions(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM administrator_sessions WHERE id IN
         (SELECT id FROM administrator_sessions WHERE expires_at < $1 OR last_seen_at < $2
          ORDER BY id LIMIT $3)",
        &[before.into(), before.plus_ms(-IDLE_MS).into(), limit.into()],
    )
    .await
}

fn shown(mut row: Row) -> Result<Shown> {
    Ok(Shown {
        id: row.next()?,
        ip_address: row.next()?,
        user_agent: row.next()?,
        created_at: row.next()?,
        last_seen_at: row.next()?,
    })
}
