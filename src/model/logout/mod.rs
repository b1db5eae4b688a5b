//! Logging out: what an application asks for, what an identity provider says, and what ends then.
//!
//! Vestibule keeps no session of a person. What a login leaves is a code, an access token, and what
//! the application made of the profile: the first two are revoked here, and an event tells the
//! application about the third.

mod ending;
mod id_token;
mod idp_session;

use super::{connection, environment, profile};
use crate::base::id::{ConnectionId, EnvironmentId, LogoutId, ProfileId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Row, Tx};

pub use ending::{Ended, Ending, Scope, Upstream, end};
pub use id_token::{KeptIdToken, keep_id_token, purge_id_tokens, take_id_token};
pub use idp_session::{
    IdpSession, find_idp_sessions, purge_idp_sessions, purge_spent_tokens, remember_idp_session,
    spend_token,
};

/// How long a logout token is good: 5 minutes, in milliseconds. It is for a redirect at once.
pub const TOKEN_LIFETIME_MS: i64 = 5 * 60 * 1000;
/// How long a logout is remembered after its time, so that its token is known to be over: a day, in
/// milliseconds.
pub const MEMORY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a browser may stay at the identity provider, which may ask the person: 10 minutes, in
/// milliseconds.
pub const AWAY_MS: i64 = 10 * 60 * 1000;

/// A logout that an application asked for.
#[derive(Clone, Debug)]
pub struct Logout {
    /// Its id.
    pub id: LogoutId,
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The connection by which the person signed in.
    pub connection_id: ConnectionId,
    /// Who is logged out.
    pub profile_id: ProfileId,
    /// Where the browser goes at the end: a registered URI; `None`: it stays on our own page.
    pub return_to: Option<String>,
    /// When it is too late to go on.
    pub expires_at: Timestamp,
}

/// What came of looking for a logout by its token.
#[derive(Debug)]
pub enum Found {
    /// It can begin.
    Ready(Logout),
    /// There is none.
    Unknown,
    /// Its token was used, or is too old; the environment that it is of.
    Over(EnvironmentId),
}

const COLUMNS: &str = "id, environment_id, connection_id, profile_id, return_to, expires_at";

/// Lets an application log a person out; the token is returned here and stored nowhere. At the end the
/// browser goes to `return_to`, or else to the first of the environment's logout URIs.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such profile; [`Error::Invalid`] with the code
/// `connection_invalid` if nobody can sign in by its connection, with `invalid_request` if `return_to`
/// is not registered.
pub async fn authorize(
    tx: &mut Tx,
    profile_id: &ProfileId,
    return_to: Option<&str>,
) -> Result<Secret> {
    let profile = profile::get(tx, profile_id).await?;
    let connection = connection::find(tx, profile.connection_id.as_str()).await?;
    if !connection.is_some_and(|it| it.state.is_usable() && it.settings.is_some()) {
        return Err(refuse("connection_invalid", "The connection is not active."));
    }
    let registered = environment::current(tx).await?.settings.logout_uris;
    let return_to = match return_to {
        None => registered.first(),
        Some(wanted) => Some(registered.iter().find(|uri| *uri == wanted).ok_or_else(|| {
            refuse("invalid_request", "return_to is not a logout URI of this environment.")
        })?),
    };
    insert(tx, (&profile.connection_id, &profile.id), return_to).await
}

fn refuse(code: &'static str, message: &str) -> Error {
    Error::Invalid { code, field: None, message: message.to_owned() }
}

async fn insert(
    tx: &mut Tx,
    (connection_id, profile_id): (&ConnectionId, &ProfileId),
    return_to: Option<&String>,
) -> Result<Secret> {
    let (id, token) = (tx.new_id::<LogoutId>(), Secret::random(""));
    tx.execute(
        "INSERT INTO logouts
         (id, environment_id, connection_id, profile_id, token_hash, step, return_to, expires_at,
          created_at)
         VALUES ($1, $2, $3, $4, $5, 'authorized', $6, $7, $8)",
        &[
            (&id).into(),
            (&tx.environment_id()).into(),
            connection_id.into(),
            profile_id.into(),
            (&token.hash()).into(),
            return_to.into(),
            tx.now().plus_ms(TOKEN_LIFETIME_MS).into(),
            tx.now().into(),
        ],
    )
    .await?;
    Ok(token)
}

/// Finds a logout by its token, and leaves it as it is. Finds the environment, so it is not limited to
/// one.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn find(tx: &mut Tx, token: &SecretHash) -> Result<Found> {
    let sql = format!("SELECT step, {COLUMNS} FROM logouts WHERE token_hash = $1");
    let Some(mut row) = tx.fetch_optional(&sql, &[token.into()]).await? else {
        return Ok(Found::Unknown);
    };
    let step: String = row.next()?;
    let found = from_row(row)?;
    let ready = step == "authorized" && tx.now() < found.expires_at;
    Ok(if ready { Found::Ready(found) } else { Found::Over(found.environment_id) })
}

/// The secrets of a browser on its way to the identity provider and back.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    /// The hash of the secret in `state`.
    pub state_hash: SecretHash,
    /// The hash of the secret in the browser's cookie.
    pub browser_hash: SecretHash,
}

/// Takes a logout by its token, so that nobody can take it again; with `away` it waits for the browser
/// to come back, without it it is done. `None`: somebody was faster.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn take(tx: &mut Tx, token: &SecretHash, away: Option<&Away>) -> Result<Option<Logout>> {
    let step = if away.is_some() { "departed" } else { "done" };
    // One statement on purpose: of two browsers that come at once, one gets the row.
    let sql = format!(
        "UPDATE logouts SET step = $1, state_hash = $2, browser_hash = $3, expires_at = $4
         WHERE token_hash = $5 AND step = 'authorized' AND expires_at > $6
         RETURNING {COLUMNS}"
    );
    tx.fetch_optional(
        &sql,
        &[
            step.into(),
            away.map(|away| &away.state_hash).into(),
            away.map(|away| &away.browser_hash).into(),
            tx.now().plus_ms(AWAY_MS).into(),
            token.into(),
            tx.now().into(),
        ],
    )
    .await?
    .map(from_row)
    .transpose()
}

/// Takes a logout whose browser is back, once; `None` if it is none of this `state` and this browser,
/// or too old. Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn land(tx: &mut Tx, id: &LogoutId, away: &Away) -> Result<Option<Logout>> {
    let sql = format!(
        "UPDATE logouts SET step = 'done'
         WHERE id = $1 AND step = 'departed' AND state_hash = $2 AND browser_hash = $3
             AND expires_at > $4
         RETURNING {COLUMNS}"
    );
    tx.fetch_optional(
        &sql,
        &[id.into(), (&away.state_hash).into(), (&away.browser_hash).into(), tx.now().into()],
    )
    .await?
    .map(from_row)
    .transpose()
}

/// Forgets logouts that ended before `moment`, at the most `limit`. Goes through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM logouts WHERE id IN
         (SELECT id FROM logouts WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(mut row: Row) -> Result<Logout> {
    Ok(Logout {
        id: row.next()?,
        environment_id: row.next()?,
        connection_id: row.next()?,
        profile_id: row.next()?,
        return_to: row.next()?,
        expires_at: row.next()?,
    })
}
