//! Authorization codes: what the application redeems (RFC 6749 section 4.1).

use crate::base::Result;
use crate::base::id::{ConnectionId, EnvironmentId, ProfileId, SsoSessionId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::db::{Row, Tx};

/// How long a code may wait to be redeemed: 10 minutes, in milliseconds
/// (the most that RFC 6749 section 4.1.2 recommends).
pub const LIFETIME_MS: i64 = 10 * 60 * 1000;
/// How long a spent code is remembered, so that a replay is noticed: a day, in milliseconds.
pub const MEMORY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a code stands for.
#[derive(Debug)]
pub struct AuthorizationCode {
    /// The environment, and so the client, that it was issued to.
    pub environment_id: EnvironmentId,
    /// The connection by which the person signed in.
    pub connection_id: ConnectionId,
    /// Who signed in.
    pub profile_id: ProfileId,
    /// The login attempt.
    pub sso_session_id: SsoSessionId,
    /// The redirect URI that it was sent to.
    pub redirect_uri: String,
    /// The PKCE challenge that it is bound to (RFC 7636).
    pub code_challenge: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What came of trying to take a code.
#[derive(Debug)]
pub enum Take {
    /// It is ours: nobody can take it again.
    Taken(AuthorizationCode),
    /// The very request that took it before is repeated.
    Repeated(AuthorizationCode),
    /// It was taken before, by another request.
    Replayed(AuthorizationCode),
    /// There is no such code.
    Unknown,
}

/// Issues a code; the text is returned here and stored nowhere.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn issue(tx: &mut Tx, new: &AuthorizationCode) -> Result<Secret> {
    let code = Secret::random_at(tx.now());
    tx.send(
        "INSERT INTO authorization_codes
         (code_hash, environment_id, connection_id, profile_id, sso_session_id, redirect_uri,
          code_challenge, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            (&code.dated_hash()).into(),
            (&new.environment_id).into(),
            (&new.connection_id).into(),
            (&new.profile_id).into(),
            (&new.sso_session_id).into(),
            (&new.redirect_uri).into(),
            new.code_challenge.as_deref().into(),
            new.expires_at.into(),
        ],
    )
    .await?;
    Ok(code)
}

/// Takes a code, whoever's it is, so that nobody can take it again; `request` is a hash of the
/// request that takes it. Not limited to an environment: a code that came to the wrong client has
/// leaked and must be spent.
///
/// Let the unit end with `Ok` whatever the judgement: a refusal must not bring the code back to life.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn take(tx: &mut Tx, code: &SecretHash, request: &SecretHash) -> Result<Take> {
    // One statement on purpose: of two requests that ask at once, one gets the row.
    let taken = tx
        .fetch_optional(
            "UPDATE authorization_codes SET consumed_at = $1, request_hash = $2
             WHERE code_hash = $3 AND consumed_at IS NULL
             RETURNING environment_id, connection_id, profile_id, sso_session_id, redirect_uri,
                 code_challenge, expires_at",
            &[tx.now().into(), request.into(), code.into()],
        )
        .await?;
    if let Some(row) = taken {
        return from_row(row).map(Take::Taken);
    }
    let spent = tx
        .fetch_optional(
            "SELECT request_hash, environment_id, connection_id, profile_id, sso_session_id,
                 redirect_uri, code_challenge, expires_at
             FROM authorization_codes WHERE code_hash = $1",
            &[code.into()],
        )
        .await?;
    let Some(mut row) = spent else { return Ok(Take::Unknown) };
    let same = row.next::<Option<Vec<u8>>>()?.as_deref() == Some(request.as_bytes());
    let spent = from_row(row)?;
    Ok(if same { Take::Repeated(spent) } else { Take::Replayed(spent) })
}

/// A code of the caller's environment, as it is and without taking it.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn peek(tx: &mut Tx, code: &SecretHash) -> Result<Option<AuthorizationCode>> {
    tx.fetch_optional(
        "SELECT environment_id, connection_id, profile_id, sso_session_id, redirect_uri,
             code_challenge, expires_at
         FROM authorization_codes WHERE code_hash = $1 AND environment_id = $2",
        &[code.into(), (&tx.environment_id()).into()],
    )
    .await?
    .map(from_row)
    .transpose()
}

/// The codes of a profile that are remembered: their hashes, and the logins that they end; the newest
/// first.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn of_profile(
    tx: &mut Tx,
    profile_id: &ProfileId,
) -> Result<Vec<(Vec<u8>, SsoSessionId)>> {
    tx.fetch_all(
        "SELECT code_hash, sso_session_id FROM authorization_codes
         WHERE profile_id = $1 AND environment_id = $2 ORDER BY expires_at DESC LIMIT 500",
        &[profile_id.into(), (&tx.environment_id()).into()],
    )
    .await?
    .into_iter()
    .map(|mut row| Ok((row.next()?, row.next()?)))
    .collect()
}

/// Ends a code that nobody has redeemed; whether there was such a one.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn void(tx: &mut Tx, code_hash: &[u8]) -> Result<bool> {
    let voided = tx
        .execute(
            "UPDATE authorization_codes SET expires_at = $1
             WHERE code_hash = $2 AND environment_id = $3 AND consumed_at IS NULL
                 AND expires_at > $1",
            &[tx.now().into(), code_hash.into(), (&tx.environment_id()).into()],
        )
        .await?;
    Ok(voided > 0)
}

/// Forgets codes that ended before `moment`, at the most `limit`. Goes through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM authorization_codes WHERE code_hash IN
         (SELECT code_hash FROM authorization_codes WHERE expires_at < $1
          ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(mut row: Row) -> Result<AuthorizationCode> {
    Ok(AuthorizationCode {
        environment_id: row.next()?,
        connection_id: row.next()?,
        profile_id: row.next()?,
        sso_session_id: row.next()?,
        redirect_uri: row.next()?,
        code_challenge: row.next()?,
        expires_at: row.next()?,
    })
}
