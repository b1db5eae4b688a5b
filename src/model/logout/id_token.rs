//! The ID token of the last login of a profile: shown to the identity provider again when the person
//! logs out, and forgotten then, or after a week.

use crate::base::Error;
use crate::base::Result;
use crate::base::id::{EnvironmentId, ProfileId, SsoSessionId};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::db::Tx;
use crate::seal::{Place, Sealer};

/// How long an ID token is kept that nobody logs out with: 7 days, in milliseconds. Without it the
/// identity provider asks the person whether to log out.
pub const MEMORY_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// An ID token, sealed for the login that brought it.
#[derive(Clone, Debug)]
pub struct KeptIdToken {
    sso_session_id: SsoSessionId,
    sealed: Vec<u8>,
}

fn place<'a>(id: &'a SsoSessionId, environment_id: &'a EnvironmentId) -> Place<'a> {
    Place {
        table: "id_tokens",
        row: id.as_str(),
        column: "token",
        environment: environment_id.as_str(),
    }
}

impl KeptIdToken {
    /// Seals it.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the cipher refuses.
    pub fn seal(
        sealer: &Sealer,
        (environment_id, id): (&EnvironmentId, &SsoSessionId),
        token: &str,
    ) -> Result<Self> {
        let sealed = sealer.seal(place(id, environment_id), token.as_bytes())?;
        Ok(Self { sso_session_id: id.clone(), sealed })
    }

    /// The token.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if it does not open.
    pub fn open(&self, sealer: &Sealer, environment_id: &EnvironmentId) -> Result<Secret> {
        let bytes = sealer.open(place(&self.sso_session_id, environment_id), &self.sealed)?;
        Ok(Secret::new(std::str::from_utf8(&bytes).map_err(Error::internal)?))
    }
}

/// Keeps the ID token of a login in place of the one before.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn keep_id_token(tx: &mut Tx, profile_id: &ProfileId, token: &KeptIdToken) -> Result<()> {
    tx.send(
        "INSERT INTO id_tokens (profile_id, environment_id, sso_session_id, token_sealed, expires_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (profile_id) DO UPDATE SET sso_session_id = excluded.sso_session_id,
             token_sealed = excluded.token_sealed, expires_at = excluded.expires_at",
        &[
            profile_id.into(),
            (&tx.environment_id()).into(),
            (&token.sso_session_id).into(),
            (&token.sealed).into(),
            tx.now().plus_ms(MEMORY_MS).into(),
        ],
    )
    .await
}

/// The kept ID token of a profile, which is forgotten with this; with `only`, if it is of one of these
/// logins.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn take_id_token(
    tx: &mut Tx,
    profile_id: &ProfileId,
    only: Option<&[SsoSessionId]>,
) -> Result<Option<KeptIdToken>> {
    let environment_id = tx.environment_id();
    let params = [profile_id.into(), (&environment_id).into()];
    let found = tx
        .fetch_optional(
            "SELECT sso_session_id, token_sealed FROM id_tokens
             WHERE profile_id = $1 AND environment_id = $2",
            &params,
        )
        .await?;
    let Some(mut row) = found else { return Ok(None) };
    let kept = KeptIdToken { sso_session_id: row.next()?, sealed: row.next()? };
    if only.is_some_and(|only| !only.contains(&kept.sso_session_id)) {
        return Ok(None);
    }
    tx.execute("DELETE FROM id_tokens WHERE profile_id = $1 AND environment_id = $2", &params)
        .await?;
    Ok(Some(kept))
}

/// Forgets ID tokens whose time ended before `moment`, at the most `limit`. Goes through all
/// environments.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn purge_id_tokens(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM id_tokens WHERE profile_id IN
         (SELECT profile_id FROM id_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}
