//! Sessions of identity providers (`sid`) and the logins that came from them, and which logout tokens
//! were obeyed (OpenID Connect Back-Channel Logout 1.0).

use crate::base::Result;
use crate::base::id::{ConnectionId, ProfileId, SsoSessionId};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::db::{Param, Tx};

/// How long it is remembered from which session a login came: 30 days, in milliseconds.
const MEMORY_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How long a `sid` may be, in bytes; a longer one is not remembered.
pub const MAX_SID: usize = 255;
/// How many logins of one session are found, the newest first.
const MAX_FOUND: i64 = 500;

/// A login that came from a session of the identity provider.
#[derive(Clone, Debug)]
pub struct IdpSession {
    /// The login.
    pub sso_session_id: SsoSessionId,
    /// Who signed in.
    pub profile_id: ProfileId,
}

/// Remembers from which session a login came.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn remember_idp_session(
    tx: &mut Tx,
    (connection_id, sid): (&ConnectionId, &str),
    login: &IdpSession,
) -> Result<()> {
    if sid.is_empty() || sid.len() > MAX_SID {
        return Ok(());
    }
    tx.send(
        "INSERT INTO idp_sessions
         (connection_id, sid, sso_session_id, environment_id, profile_id, code_hash, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            connection_id.into(),
            sid.into(),
            (&login.sso_session_id).into(),
            (&tx.environment_id()).into(),
            (&login.profile_id).into(),
            // The column is of a time when the code was not found by the login.
            Param::Bytes(&[]),
            tx.now().plus_ms(MEMORY_MS).into(),
        ],
    )
    .await
}

/// The logins that came from a session, the newest first.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn find_idp_sessions(
    tx: &mut Tx,
    connection_id: &ConnectionId,
    sid: &str,
) -> Result<Vec<IdpSession>> {
    tx.fetch_all(
        "SELECT sso_session_id, profile_id FROM idp_sessions
         WHERE connection_id = $1 AND sid = $2 AND environment_id = $3
         ORDER BY sso_session_id DESC LIMIT $4",
        &[connection_id.into(), sid.into(), (&tx.environment_id()).into(), MAX_FOUND.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| Ok(IdpSession { sso_session_id: row.next()?, profile_id: row.next()? }))
    .collect()
}

/// Forgets what was remembered of logins whose time ended before `moment`, at the most `limit`. Goes
/// through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge_idp_sessions(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM idp_sessions WHERE (connection_id, sid, sso_session_id) IN
         (SELECT connection_id, sid, sso_session_id FROM idp_sessions
          WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

/// Spends a logout token by its `jti`, until it could not be used any more; `false` if it was spent
/// before. The connection is one of the caller's environment.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn spend_token(
    tx: &mut Tx,
    connection_id: &ConnectionId,
    jti: &SecretHash,
    until: Timestamp,
) -> Result<bool> {
    let spent = tx
        .execute(
            "INSERT INTO spent_logout_tokens (connection_id, jti_hash, expires_at)
             VALUES ($1, $2, $3) ON CONFLICT (connection_id, jti_hash) DO NOTHING",
            &[connection_id.into(), jti.into(), until.into()],
        )
        .await?;
    Ok(spent == 1)
}

/// Forgets logout tokens whose time ended before `moment`, at the most `limit`. Goes through all
/// environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge_spent_tokens(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM spent_logout_tokens WHERE (connection_id, jti_hash) IN
         (SELECT connection_id, jti_hash FROM spent_logout_tokens
          WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
