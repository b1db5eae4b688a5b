//! The passkeys of administrators (Web Authentication).

use serde_json::json;

use crate::base::id::{AdministratorId, PasskeyId};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::webauthn::Credential;
use crate::base::{Error, Result, stored};
use crate::db::{Row, Tx};
use crate::model::{audit, field};

/// How many passkeys an administrator may have.
const MAX: i64 = 20;

/// A passkey.
#[derive(Clone, Debug)]
pub struct Passkey {
    /// Its id, which is ours.
    pub id: PasskeyId,
    /// Whose it is.
    pub administrator_id: AdministratorId,
    /// What its owner calls it.
    pub name: String,
    /// What the authenticator has told.
    pub credential: Credential,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// What a new passkey is made of.
#[derive(Clone, Debug)]
pub struct NewPasskey {
    /// What its owner calls it, 1 to 100 characters.
    pub name: String,
    /// What the authenticator has told.
    pub credential: Credential,
    /// The challenge that was answered, and when it would be over.
    pub challenge: (SecretHash, Timestamp),
}

const COLUMNS: &str = "id, administrator_id, name, credential_id, public_key, algorithm, sign_count, \
                       created_at, last_used_at";

/// Adds a passkey. The challenge is spent.
///
/// # Errors
///
/// [`Error::Invalid`] for a bad name, [`Error::Conflict`] if the passkey is known, if there are too
/// many, or if the challenge was spent before.
pub async fn create(tx: &mut Tx, id: &AdministratorId, new: &NewPasskey) -> Result<Passkey> {
    spend(tx, new.challenge).await?;
    let passkey = Passkey {
        id: tx.new_id(),
        administrator_id: id.clone(),
        name: field::name(&new.name, 100)?,
        credential: new.credential.clone(),
        created_at: tx.now(),
        last_used_at: None,
    };
    let credential = &passkey.credential;
    let inserted = tx
        .execute(
            "INSERT INTO administrator_passkeys
             (id, administrator_id, name, credential_id, public_key, algorithm, sign_count, created_at)
             SELECT $1, $2, $3, $4, $5, CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT)
             WHERE (SELECT count(*) FROM administrator_passkeys WHERE administrator_id = $2) < $9
             ON CONFLICT (credential_id) DO NOTHING",
            &[
                (&passkey.id).into(),
                id.into(),
                (&passkey.name).into(),
                (&credential.id).into(),
                (&credential.public_key).into(),
                credential.algorithm.cose().into(),
                i64::from(credential.sign_count).into(),
                tx.now().into(),
                MAX.into(),
            ],
        )
        .await?;
    if inserted == 0 {
        let message = "This passkey is known already, or there are too many.";
        return Err(Error::conflict("passkey_exists", message));
    }
    let details = json!({ "passkey": passkey.id, "name": passkey.name });
    audit::record(tx, "administrator.passkey_added", id.as_str(), details).await?;
    Ok(passkey)
}

/// Spends a challenge that was answered rightly.
async fn spend(tx: &mut Tx, (challenge, expires_at): (SecretHash, Timestamp)) -> Result<()> {
    let spent = tx
        .execute(
            "INSERT INTO spent_challenges (challenge_hash, expires_at) VALUES ($1, $2)
             ON CONFLICT (challenge_hash) DO NOTHING",
            &[(&challenge).into(), expires_at.into()],
        )
        .await?;
    if spent == 0 {
        let message = "This answer of the passkey was used before. Try again.";
        return Err(Error::conflict("challenge_spent", message));
    }
    Ok(())
}

/// Notes the use of a passkey. The challenge is spent, and the counter must not have gone back
/// meanwhile.
///
/// # Errors
///
/// [`Error::Conflict`] if the challenge was spent before or the counter is behind.
pub async fn note_use(
    tx: &mut Tx,
    id: &PasskeyId,
    sign_count: u32,
    challenge: (SecretHash, Timestamp),
) -> Result<()> {
    spend(tx, challenge).await?;
    let changed = tx
        .execute(
            "UPDATE administrator_passkeys SET sign_count = $1, last_used_at = $2
             WHERE id = $3 AND (sign_count < $1 OR (sign_count = 0 AND $1 = 0))",
            &[i64::from(sign_count).into(), tx.now().into(), id.into()],
        )
        .await?;
    if changed == 0 {
        let message = "This passkey was used elsewhere in the same moment. Try again.";
        return Err(Error::conflict("passkey_counter", message));
    }
    Ok(())
}

/// The passkey with this credential id.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find(tx: &mut Tx, credential_id: &[u8]) -> Result<Option<Passkey>> {
    let sql = format!("SELECT {COLUMNS} FROM administrator_passkeys WHERE credential_id = $1");
    stored::one(tx.fetch_optional(&sql, &[credential_id.into()]).await?.map(from_row))
}

/// The passkeys of an administrator, the oldest first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, id: &AdministratorId) -> Result<Vec<Passkey>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM administrator_passkeys WHERE administrator_id = $1 ORDER BY id"
    );
    stored::all(tx.fetch_all(&sql, &[id.into()]).await?.into_iter().map(from_row))
}

/// Changes what its owner calls a passkey.
///
/// # Errors
///
/// [`Error::Invalid`] for a bad name, [`Error::NotFound`] if they have no such passkey.
pub async fn rename(
    tx: &mut Tx,
    (owner, id): (&AdministratorId, &PasskeyId),
    name: &str,
) -> Result<()> {
    let name = field::name(name, 100)?;
    let sql = "UPDATE administrator_passkeys SET name = $1 WHERE id = $2 AND administrator_id = $3";
    if tx.execute(sql, &[(&name).into(), id.into(), owner.into()]).await? == 0 {
        return Err(Error::not_found("Passkey", id.as_str()));
    }
    let details = json!({ "passkey": id, "name": name });
    audit::record(tx, "administrator.passkey_renamed", owner.as_str(), details).await
}

/// Removes a passkey. Other sessions end: one of them may be in other hands with it.
///
/// # Errors
///
/// [`Error::NotFound`] if they have no such passkey, [`Error::Conflict`] if it is the last way in.
pub async fn delete(tx: &mut Tx, owner: &AdministratorId, id: &PasskeyId) -> Result<()> {
    let all = list(tx, owner).await?;
    let passkey = all.iter().find(|known| known.id == *id);
    let passkey = passkey.ok_or_else(|| Error::not_found("Passkey", id.as_str()))?;
    if all.len() == 1 && super::password_hash(tx, owner).await?.is_none() {
        let message = "This passkey is the only way in: set a password or add another one first.";
        return Err(Error::conflict("last_factor", message));
    }
    tx.execute("DELETE FROM administrator_passkeys WHERE id = $1", &[id.into()]).await?;
    let details = json!({ "passkey": id, "name": passkey.name });
    audit::record(tx, "administrator.passkey_removed", owner.as_str(), details).await
}

/// Removes all passkeys of an administrator.
pub(super) async fn delete_all(tx: &mut Tx, owner: &AdministratorId) -> Result<()> {
    let sql = "DELETE FROM administrator_passkeys WHERE administrator_id = $1";
    tx.execute(sql, &[owner.into()]).await.map(drop)
}

/// Forgets challenges that were over before `moment`, at the most `limit`.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge_challenges(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM spent_challenges WHERE challenge_hash IN
         (SELECT challenge_hash FROM spent_challenges WHERE expires_at < $1 LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn from_row(mut row: Row) -> Result<Passkey> {
    use crate::base::webauthn::Algorithm;
    let (id, administrator_id, name) = (row.next()?, row.next()?, row.next()?);
    let credential = Credential {
        id: row.next()?,
        public_key: row.next()?,
        algorithm: Algorithm::from_cose(row.next()?)
            .ok_or_else(|| stored::unknown("the algorithm of a passkey"))?,
        sign_count: u32::try_from(row.next::<i64>()?).map_err(Error::internal)?,
    };
    Ok(Passkey {
        id,
        administrator_id,
        name,
        credential,
        created_at: row.next()?,
        last_used_at: row.next()?,
    })
}
