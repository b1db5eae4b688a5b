//! What a login that went through gives: a code (RFC 6749 section 4.1), and the access token that the
//! application gets for it. Both are hashes in the row of the login, whose id is in their texts.

use super::Status;
use super::happening::close;
use super::narrow::first_id;
use super::table::{self, Ended};
use crate::base::failure::FailureCode;
use crate::base::id::{ConnectionId, EnvironmentId, ProfileId, SsoSessionId};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::{Result, stored};
use crate::db::{Row, Tx};
use crate::model::profile::{self, JOINED_COLUMNS, Profile};

/// How long an access token is good, in seconds (`expires_in`).
pub const TOKEN_LIFETIME_S: i64 = 600;
/// How far back a person is logged out of what their logins gave: a day, in milliseconds.
const REMEMBERED_MS: i64 = 24 * 60 * 60 * 1000;
/// How many logins of a person are remembered, the newest first.
const MAX_REMEMBERED: i64 = 500;

/// What a code stands for.
#[derive(Debug)]
pub struct AuthorizationCode {
    /// The login that it is of.
    pub sso_session_id: SsoSessionId,
    /// The environment, and so the client, that it was issued to.
    pub environment_id: EnvironmentId,
    /// The connection by which the person signed in.
    pub connection_id: ConnectionId,
    /// Who signed in, as they are now.
    pub profile: Profile,
    /// The redirect URI that it was sent to.
    pub redirect_uri: String,
    /// The PKCE challenge that it is bound to (RFC 7636).
    pub code_challenge: Option<String>,
    /// When it ends, if it is not spent before.
    pub expires_at: Timestamp,
    /// Whether the login still waits for the code to be redeemed.
    pub is_awaited: bool,
    /// A hash of the request that spent it; `None`: nobody did.
    pub spent_by: Option<Vec<u8>>,
    /// When the access token ends that it gave, if it gave one.
    pub token_expires_at: Option<Timestamp>,
    ended: Ended,
}

/// A code, whoever's it is and however it stands; `None`: there is no such one. Finds the environment,
/// so it is not limited to one: a code that comes to the wrong client has leaked.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn find_code(
    tx: &mut Tx,
    id: &SsoSessionId,
    secret: &SecretHash,
) -> Result<Option<AuthorizationCode>> {
    let sql = format!(
        "SELECT s.id, s.environment_id, s.connection_id, s.redirect_uri, s.code_challenge,
             s.expires_at, s.status, s.request_hash, s.token_expires_at,
             s.organization_id, s.connection_id, s.ip_address, s.user_agent, s.email, s.origin,
             {JOINED_COLUMNS}
         FROM sso_sessions s JOIN profiles p ON p.id = s.profile_id
         WHERE s.id = $1 AND s.code_hash = $2"
    );
    let row = tx.fetch_optional(&sql, &[id.into(), secret.into()]).await?;
    stored::one(row.map(code_from))
}

fn code_from(mut row: Row) -> Result<AuthorizationCode> {
    Ok(AuthorizationCode {
        sso_session_id: row.next()?,
        environment_id: row.next()?,
        connection_id: row.next()?,
        redirect_uri: row.next()?,
        code_challenge: row.next()?,
        expires_at: row.next()?,
        is_awaited: table::status(&row.next::<String>()?)? == Status::InProgress,
        spent_by: row.next()?,
        token_expires_at: row.next()?,
        ended: table::ended_from(&mut row)?,
        profile: profile::from_row(row)?,
    })
}

/// Spends a code that gives nothing: nobody can redeem it afterwards. `request` is a hash of the request
/// that came with it. `false`: another request has spent it meanwhile. Not limited to an environment: it
/// may have come to the wrong client.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn spend(tx: &mut Tx, code: &AuthorizationCode, request: &SecretHash) -> Result<bool> {
    let spent = tx
        .execute(
            "UPDATE sso_sessions SET request_hash = $1 WHERE id = $2 AND request_hash IS NULL",
            &[request.into(), (&code.sso_session_id).into()],
        )
        .await?;
    Ok(spent == 1)
}

/// Redeems a code: it is spent, and the login has succeeded and gave the access token. `false`: another
/// request has spent the code meanwhile, or the login has ended.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn redeem(
    tx: &mut Tx,
    code: &AuthorizationCode,
    request: &SecretHash,
    (token, expires_at): (&SecretHash, Timestamp),
) -> Result<bool> {
    let id = &code.sso_session_id;
    let redeemed = tx
        .execute(
            "UPDATE sso_sessions SET status = 'success', request_hash = $1, token_hash = $2,
                 token_expires_at = $3, updated_at = $4, memory_sealed = NULL
             WHERE environment_id = $5 AND id = $6 AND request_hash IS NULL
                 AND status = 'in_progress'",
            &[
                request.into(),
                token.into(),
                expires_at.into(),
                tx.now().into(),
                (&tx.environment_id()).into(),
                id.into(),
            ],
        )
        .await?;
    if redeemed == 0 {
        return Ok(false);
    }
    close(tx, id, Some(&code.ended), "authentication.sso_succeeded", None).await?;
    Ok(true)
}

/// Revokes the access token of a login (RFC 6749 section 4.1.2), whatever the time is here; whether there
/// was one that was good. Not limited to an environment: whoever replays a code, it has leaked.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn revoke_token(tx: &mut Tx, id: &SsoSessionId) -> Result<bool> {
    let revoked = tx
        .fetch_optional(
            "UPDATE sso_sessions SET token_hash = NULL WHERE id = $1 AND token_hash IS NOT NULL
             RETURNING token_expires_at",
            &[id.into()],
        )
        .await?;
    let Some(mut row) = revoked else { return Ok(false) };
    Ok(row.next::<Timestamp>()? > tx.now())
}

/// The profile that the access token of a login gives, if it is good now and its connection can still
/// sign people in. Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn find_profile(
    tx: &mut Tx,
    id: &SsoSessionId,
    token: &SecretHash,
) -> Result<Option<Profile>> {
    let sql = format!(
        "SELECT {JOINED_COLUMNS}
         FROM sso_sessions s
         JOIN profiles p ON p.id = s.profile_id
         JOIN connections c ON c.id = s.connection_id
         WHERE s.id = $1 AND s.token_hash = $2 AND s.token_expires_at > $3
             AND c.state IN ('active', 'validating')"
    );
    tx.fetch_optional(&sql, &[id.into(), token.into(), tx.now().into()])
        .await?
        .map(profile::from_row)
        .transpose()
}

/// The logins of a profile in the last day that gave a code; the newest first.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn of_profile(tx: &mut Tx, profile_id: &ProfileId) -> Result<Vec<SsoSessionId>> {
    let since = first_id(tx.now().plus_ms(-REMEMBERED_MS));
    tx.fetch_all(
        // By the index of profiles, and not by that of environments.
        "SELECT id FROM sso_sessions
         WHERE profile_id = $1 AND id >= $2 AND coalesce(environment_id, '') = $3
             AND code_hash IS NOT NULL
         ORDER BY id DESC LIMIT $4",
        &[profile_id.into(), (&since).into(), (&tx.environment_id()).into(), MAX_REMEMBERED.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| row.next())
    .collect()
}

/// Takes back what a login of the caller's environment gave: its access token is revoked, and if its code
/// was not spent, the login has failed. Returns whether there was an access token that was good.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn take_back(tx: &mut Tx, id: &SsoSessionId) -> Result<bool> {
    let waiting = tx
        .fetch_optional(
            "SELECT id FROM sso_sessions
             WHERE environment_id = $1 AND id = $2 AND status = 'in_progress'
                 AND code_hash IS NOT NULL AND request_hash IS NULL",
            &[(&tx.environment_id()).into(), id.into()],
        )
        .await?;
    if waiting.is_some() {
        // Waits for a redemption that is about to commit. So the token comes afterwards: then there
        // is one to revoke, or there will be none.
        super::end_failed(tx, id, FailureCode::LoggedOut, (None, None), None).await?;
    }
    revoke_token(tx, id).await
}
