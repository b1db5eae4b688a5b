//! The keys that an environment signs access tokens with: sealed, published by their public halves, and
//! replaced without a token that nobody can verify.

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{audit, environment};
use crate::base::id::EnvironmentId;
use crate::base::signing::NewKey;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Row, Tx};
use crate::seal::{Place, Sealer};

/// How long the next key is published before it signs: an hour, in milliseconds. Verifiers keep key sets
/// for minutes.
pub const AHEAD_MS: i64 = 60 * 60 * 1000;
/// How long a key is published after its last signature: an hour, in milliseconds. Tokens live for ten
/// minutes.
pub const BEHIND_MS: i64 = 60 * 60 * 1000;

/// A key.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// The `kid`.
    pub id: String,
    /// The public half (RFC 7517).
    pub jwk: Value,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it is published; `None`: until it is replaced.
    pub published_until: Option<Timestamp>,
    environment_id: EnvironmentId,
    private_key_sealed: Vec<u8>,
}

fn place<'a>(id: &'a str, environment_id: &'a EnvironmentId) -> Place<'a> {
    Place {
        table: "signing_keys",
        row: id,
        column: "private_key",
        environment: environment_id.as_str(),
    }
}

impl SigningKey {
    /// The private half, as PKCS #8.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if it does not open.
    pub fn open(&self, sealer: &Sealer) -> Result<Zeroizing<Vec<u8>>> {
        sealer.open(place(&self.id, &self.environment_id), &self.private_key_sealed)
    }
}

/// The keys that are published, the oldest first.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn published(tx: &mut Tx) -> Result<Vec<SigningKey>> {
    tx.fetch_all(
        "SELECT id, environment_id, private_key_sealed, jwk, signs_from, published_until
         FROM signing_keys
         WHERE environment_id = $1 AND (published_until IS NULL OR published_until > $2)
         ORDER BY signs_from, id",
        &[(&tx.environment_id()).into(), tx.now().into()],
    )
    .await?
    .into_iter()
    .map(from_row)
    .collect()
}

/// The key that signs now, if there is one.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn current(tx: &mut Tx) -> Result<Option<SigningKey>> {
    let now = tx.now();
    Ok(published(tx).await?.into_iter().rfind(|key| key.signs_from <= now))
}

/// Adds the first key, which signs at once; or keeps the one that another node has added meanwhile.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn add_first(tx: &mut Tx, sealer: &Sealer, new: &NewKey) -> Result<SigningKey> {
    environment::lock(tx).await?;
    if let Some(known) = current(tx).await? {
        return Ok(known);
    }
    let now = tx.now();
    insert(tx, sealer, new, now).await
}

/// Adds the next key: it is published now and signs in an hour; those before it are withdrawn an hour
/// after that.
///
/// # Errors
///
/// [`Error::Conflict`] if a next key waits already; [`Error::Unavailable`] if it could not be stored.
pub async fn rotate(tx: &mut Tx, sealer: &Sealer, new: &NewKey) -> Result<SigningKey> {
    environment::lock(tx).await?;
    let (now, known) = (tx.now(), published(tx).await?);
    if known.iter().any(|key| key.signs_from > now) {
        let message = "The next signing key is published already, and will sign within an hour.";
        return Err(Error::conflict("signing_key_rotation_in_progress", message));
    }
    let signs_from = if known.is_empty() { now } else { now.plus_ms(AHEAD_MS) };
    tx.execute(
        "UPDATE signing_keys SET published_until = $1
         WHERE environment_id = $2 AND published_until IS NULL",
        &[signs_from.plus_ms(BEHIND_MS).into(), (&tx.environment_id()).into()],
    )
    .await?;
    insert(tx, sealer, new, signs_from).await
}

async fn insert(
    tx: &mut Tx,
    sealer: &Sealer,
    new: &NewKey,
    signs_from: Timestamp,
) -> Result<SigningKey> {
    let environment_id = tx.environment_id();
    let id = new.jwk["kid"].as_str().ok_or_else(|| Error::internal("a key without kid"))?;
    let sealed = sealer.seal(place(id, &environment_id), &new.private)?;
    tx.execute(
        "INSERT INTO signing_keys
         (id, environment_id, private_key_sealed, jwk, signs_from, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            id.into(),
            (&environment_id).into(),
            (&sealed).into(),
            (&new.jwk.to_string()).into(),
            signs_from.into(),
            tx.now().into(),
        ],
    )
    .await?;
    audit::record(tx, "signing_key.created", id, json!({ "signs_from": signs_from })).await?;
    Ok(SigningKey {
        id: id.to_owned(),
        jwk: new.jwk.clone(),
        signs_from,
        published_until: None,
        environment_id,
        private_key_sealed: sealed,
    })
}

/// Forgets keys that are not published any more since `moment`, at the most `limit`. Goes through all
/// environments.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM signing_keys WHERE id IN
         (SELECT id FROM signing_keys WHERE published_until < $1 LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(mut row: Row) -> Result<SigningKey> {
    Ok(SigningKey {
        id: row.next()?,
        environment_id: row.next()?,
        private_key_sealed: row.next()?,
        jwk: serde_json::from_str(&row.next::<String>()?).map_err(Error::internal)?,
        signs_from: row.next()?,
        published_until: row.next()?,
    })
}
