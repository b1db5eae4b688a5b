//! Ids that are given instead of made: so that what comes from elsewhere keeps its own.

use crate::base::{Error, Result};
use crate::db::Tx;

/// Whether nothing has this id yet, in any environment.
///
/// # Errors
///
/// [`Error::Conflict`] if something has.
pub(super) async fn check_free(
    tx: &mut Tx,
    (table, column): (&'static str, &'static str),
    given: &str,
) -> Result<()> {
    let sql = format!("SELECT {column} FROM {table} WHERE {column} = $1");
    match tx.fetch_optional(&sql, &[given.into()]).await? {
        None => Ok(()),
        Some(_) => Err(Error::conflict("id_taken", format!("'{given}' is taken already."))),
    }
}
