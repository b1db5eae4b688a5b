//! Sealed values of all tables: how many there are under which key, and sealing them anew.
//!
//! Not limited to an environment: the keys are the installation's.

use crate::base::Result;
use crate::db::Tx;
use crate::seal::{COLUMNS, Column, Place, Sealer, hex};

/// How many values of one column one key has sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The id of the key.
    pub key_id: String,
    /// The table and the column.
    pub column: String,
    /// How many.
    pub values: i64,
}

/// What came of a portion.
#[derive(Clone, Debug, Default)]
pub struct Portion {
    /// The row after which the next portion begins; `None`: there is none.
    pub last: Option<String>,
    /// How many values were sealed anew.
    pub resealed: u64,
    /// Values that do not open, as sentences.
    pub unreadable: Vec<String>,
}

/// The columns of all tables but the installation's own, which has only proofs of keys.
pub fn columns() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.environment.is_some())
}

/// Counts the values by column and key.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn count(tx: &mut Tx) -> Result<Vec<Count>> {
    let mut counts = Vec::new();
    for Column { table, column, rows, .. } in columns() {
        let sql = format!(
            "SELECT substr({column}, 2, 8), count(*) FROM {table} WHERE {rows}
             GROUP BY substr({column}, 2, 8)"
        );
        for mut row in tx.fetch_all(&sql, &[]).await? {
            let key_id: Vec<u8> = row.next()?;
            let column = format!("{table}.{column}");
            counts.push(Count { key_id: hex(&key_id), column, values: row.next()? });
        }
    }
    Ok(counts)
}

/// Seals values of a column with the newest key, at the most `limit`, of the rows after this one. A
/// value that somebody changes meanwhile is left alone: it is sealed with the newest key by then.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer. A value
/// that does not open is none: it is told, and left as it is.
pub async fn reseal(
    tx: &mut Tx,
    sealer: &Sealer,
    place: &'static Column,
    after: &str,
    limit: i64,
) -> Result<Portion> {
    let Column { table, id, column, rows, .. } = place;
    let environment = place.environment.unwrap_or("''");
    let sql = format!(
        "SELECT {id}, {environment}, {column} FROM {table}
         WHERE {rows} AND {id} > $1 AND substr({column}, 2, 8) <> $2 ORDER BY {id} LIMIT $3"
    );
    let newest = sealer.newest_bytes();
    let found = tx.fetch_all(&sql, &[after.into(), newest[..].into(), limit.into()]).await?;
    let mut portion = Portion::default();
    let sql = format!("UPDATE {table} SET {column} = $1 WHERE {id} = $2 AND {column} = $3");
    for mut row in found {
        let (id, environment): (String, String) = (row.next()?, row.next()?);
        let sealed: Vec<u8> = row.next()?;
        let here = Place { table, row: &id, column: place.place, environment: &environment };
        match sealer.open(here, &sealed).and_then(|value| sealer.seal(here, &value)) {
            Ok(anew) => {
                let params = [(&anew).into(), (&id).into(), (&sealed).into()];
                portion.resealed += tx.execute(&sql, &params).await?;
            }
            Err(error) => portion.unreadable.push(error.chain()),
        }
        portion.last = Some(id);
    }
    Ok(portion)
}
