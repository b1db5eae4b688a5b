//! Access tokens: opaque, stored as hashes, good for reading one profile.

use super::authorization_code::AuthorizationCode;
use super::profile::{self, Profile};
use crate::base::Result;
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::db::Tx;

/// How long an access token is good: 10 minutes, in seconds (`expires_in`).
pub const LIFETIME_S: i64 = 600;

/// Stores a token for the profile of a code, good until then.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn issue(
    tx: &mut Tx,
    token: &Secret,
    (code, origin): (&SecretHash, &AuthorizationCode),
    expires_at: Timestamp,
) -> Result<()> {
    tx.send(
        "INSERT INTO access_tokens
         (token_hash, environment_id, connection_id, profile_id, code_hash, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            (&token.dated_hash()).into(),
            (&origin.environment_id).into(),
            (&origin.connection_id).into(),
            (&origin.profile_id).into(),
            code.into(),
            expires_at.into(),
        ],
    )
    .await
}

/// When the token ends that a code of the caller's environment gave, if it gave one.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn expiry_by_code(tx: &mut Tx, code: &SecretHash) -> Result<Option<Timestamp>> {
    tx.fetch_optional(
        "SELECT expires_at FROM access_tokens WHERE code_hash = $1 AND environment_id = $2",
        &[code.into(), (&tx.environment_id()).into()],
    )
    .await?
    .map(|mut row| row.next())
    .transpose()
}

/// Revokes what a code gave (RFC 6749 section 4.1.2); returns how many tokens that were. Not limited to
/// an environment: whoever replays the code, it has leaked.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn revoke_by_code(tx: &mut Tx, code_hash: &[u8]) -> Result<u64> {
    tx.execute(
        "UPDATE access_tokens SET revoked_at = $1 WHERE code_hash = $2 AND revoked_at IS NULL",
        &[tx.now().into(), code_hash.into()],
    )
    .await
}

/// The profile that a token gives, if it is good now and its connection can still sign people in.
/// Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn find_profile(tx: &mut Tx, token: &SecretHash) -> Result<Option<Profile>> {
    tx.fetch_optional(
        "SELECT p.id, p.organization_id, p.connection_id, p.connection_type, p.idp_id, p.email,
             p.first_name, p.last_name, p.name, p.roles, p.groups, p.custom_attributes,
             p.raw_attributes
         FROM access_tokens t
         JOIN profiles p ON p.id = t.profile_id
         JOIN connections c ON c.id = t.connection_id
         WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > $2
             AND c.state IN ('active', 'validating')",
        &[token.into(), tx.now().into()],
    )
    .await?
    .map(profile::from_row)
    .transpose()
}

/// Forgets tokens that ended before `moment`, at the most `limit`. Goes through all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM access_tokens WHERE token_hash IN
         (SELECT token_hash FROM access_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
