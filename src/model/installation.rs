//! What belongs to the installation itself: the proof that the sealing keys are the right ones.

use crate::base::{Error, Result};
use crate::db::Tx;
use crate::seal::{self, Place, Sealer};

const CHECK: &str = "sealing_key_check";
const PLACE: Place<'_> =
    Place { table: "installation", row: CHECK, column: "value", environment: "" };

/// The id of the key that the proof is sealed with; `None` if nothing was ever sealed here.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn key_id(tx: &mut Tx) -> Result<Option<String>> {
    Ok(find(tx).await?.map(|sealed| seal::sealed_with(&sealed)))
}

/// Makes sure that the keys open what was sealed here; on the first start, seals the proof.
///
/// # Errors
///
/// [`Error::Internal`], naming the key that is missing: starting with another key would make
/// secrets that nobody can open beside those that it cannot open.
pub async fn check_keys(tx: &mut Tx, sealer: &Sealer) -> Result<()> {
    let Some(sealed) = find(tx).await? else {
        let proof = sealer.seal(PLACE, CHECK.as_bytes())?;
        // Of two nodes that start at once, the one that comes second checks the other's proof.
        tx.execute(
            "INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            &[CHECK.into(), (&proof).into()],
        )
        .await?;
        let stored = find(tx).await?.ok_or_else(|| Error::internal("no sealed proof"))?;
        return sealer.open(PLACE, &stored).map(drop);
    };
    sealer.open(PLACE, &sealed).map(drop)
}

/// Ends what was under way when a backup was made: codes, access tokens, logins and the browsers of
/// administrators. In the time that a restore undoes, each may have been used up or ended.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn end_what_was_under_way(tx: &mut Tx) -> Result<()> {
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

async fn find(tx: &mut Tx) -> Result<Option<Vec<u8>>> {
    tx.fetch_optional("SELECT value FROM installation WHERE name = $1", &[CHECK.into()])
        .await?
        .map(|mut row| row.next())
        .transpose()
}
