//! What belongs to the installation itself: the proofs that the sealing keys are the right ones.
//!
//! Each key that has sealed something left a proof: a known value, sealed with it. A service whose
//! keys do not open every proof does not start. A proof goes when nothing sealed with its key is left.

use super::sso_session;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::db::transfer::UNFINISHED;
use crate::seal::{self, Place, Sealer};

/// Longer than anything is good that a login gives: a day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// What a proof says, and how their names begin.
const CHECK: &str = "sealing_key_check";

/// The id of the key that the oldest proof is sealed with; `None` if nothing was ever sealed here.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn key_id(tx: &mut Tx) -> Result<Option<String>> {
    Ok(proofs(tx).await?.first().map(|(_, sealed)| seal::sealed_with(sealed)))
}

/// Makes sure that this is no half of a copy.
///
/// # Errors
///
/// [`Error::Internal`] if copying into this database was not finished.
pub async fn check_whole(tx: &mut Tx) -> Result<()> {
    let sql = "SELECT name FROM installation WHERE name = $1";
    match tx.fetch_optional(sql, &[UNFINISHED.into()]).await? {
        None => Ok(()),
        Some(_) => Err(Error::internal(
            "copying into this database was not finished: make a new one and run `vestibule copy` \
             again",
        )),
    }
}

/// Makes sure that the keys open what was sealed here, and leaves a proof of the one that seals.
///
/// # Errors
///
/// [`Error::Internal`], naming the key that is missing: starting with another key would make
/// secrets that nobody can open beside those that it cannot open.
pub async fn check_keys(tx: &mut Tx, sealer: &Sealer) -> Result<()> {
    let stored = proofs(tx).await?;
    let is_first = stored.is_empty();
    open_all(sealer, &stored)?;
    if stored.iter().any(|(_, sealed)| seal::sealed_with(sealed) == sealer.newest()) {
        return Ok(());
    }
    let name = if is_first { CHECK.to_owned() } else { format!("{CHECK}.{}", sealer.newest()) };
    let proof = sealer.seal(place(&name), CHECK.as_bytes())?;
    // Of two nodes that start at once, the one that comes second checks the other's proof.
    tx.execute(
        "INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        &[(&name).into(), (&proof).into()],
    )
    .await?;
    open_all(sealer, &proofs(tx).await?)
}

/// Ends what was under way when a backup was made: codes, access tokens, logins and the browsers of
/// administrators. In the time that a restore undoes, each may have been used up or ended.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn end_what_was_under_way(tx: &mut Tx) -> Result<()> {
    let recent = sso_session::first_id(tx.now().plus_ms(-DAY_MS));
    tx.execute(
        "UPDATE sso_sessions SET token_hash = NULL WHERE id >= $1 AND token_hash IS NOT NULL",
        &[(&recent).into()],
    )
    .await?;
    for statement in [
        "DELETE FROM access_tokens",
        "DELETE FROM authorization_codes",
        "DELETE FROM administrator_sessions",
        "DELETE FROM administrator_links",
        "DELETE FROM setup_sessions",
        "UPDATE sso_sessions SET expires_at = 0 WHERE status = 'in_progress'",
    ] {
        tx.execute(statement, &[]).await?;
    }
    Ok(())
}

/// Lets a key go with which nothing is sealed any more but its proof.
///
/// # Errors
///
/// [`Error::Internal`] if the proof does not open.
pub async fn retire_key(tx: &mut Tx, sealer: &Sealer, key_id: &str) -> Result<()> {
    for (name, sealed) in proofs(tx).await? {
        if seal::sealed_with(&sealed) != key_id {
            continue;
        }
        if name == CHECK {
            // Releases before this one know no other proof.
            let value = sealer.open(place(&name), &sealed)?;
            let anew = sealer.seal(place(&name), &value)?;
            let sql = "UPDATE installation SET value = $1 WHERE name = $2";
            tx.execute(sql, &[(&anew).into(), (&name).into()]).await?;
        } else {
            tx.execute("DELETE FROM installation WHERE name = $1", &[(&name).into()]).await?;
        }
    }
    Ok(())
}

fn open_all(sealer: &Sealer, proofs: &[(String, Vec<u8>)]) -> Result<()> {
    for (name, sealed) in proofs {
        let opened = sealer.open(place(name), sealed)?;
        if opened[..] != *CHECK.as_bytes() {
            return Err(Error::internal("a proof of the sealing keys says something else"));
        }
    }
    Ok(())
}

fn place(name: &str) -> Place<'_> {
    Place { table: "installation", row: name, column: "value", environment: "" }
}

/// The proofs with their names, the oldest first.
async fn proofs(tx: &mut Tx) -> Result<Vec<(String, Vec<u8>)>> {
    tx.fetch_all(
        "SELECT name, value FROM installation WHERE name LIKE 'sealing_key_check%' ORDER BY name",
        &[],
    )
    .await?
    .into_iter()
    .map(|mut row| Ok((row.next()?, row.next()?)))
    .collect()
}
