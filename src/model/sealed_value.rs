//! Sealed values of all tables: how many there are under which key, and sealing them anew.
//!
//! Not limited to an environment: the keys are the installation's.

use crate::base::secret::base64url;
use crate::base::{Error, Result};
use crate::db::{Cell, Param, Tx};
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
    /// The key of the row after which the next portion begins; `None`: there is none.
    pub last: Option<Vec<Cell>>,
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
/// [`Error::Unavailable`] if the database does not answer.
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

/// Seals values of a column with the newest key, at the most `limit`, of the rows after this key. A
/// value that somebody changes meanwhile is left alone: it is sealed with the newest key by then.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer. A value that does not open is none: it is
/// told, and left as it is.
pub async fn reseal(
    tx: &mut Tx,
    sealer: &Sealer,
    place: &'static Column,
    after: &[Cell],
    limit: i64,
) -> Result<Portion> {
    let Column { table, row, column, rows, .. } = place;
    let environment = place.environment.unwrap_or("''");
    let (key, width) = (place.key.join(", "), place.key.len());
    let newest = sealer.newest_bytes();
    let mut params: Vec<Param<'_>> = vec![newest.as_slice().into(), limit.into()];
    params.extend(after.iter().map(Cell::as_param));
    let from = if after.is_empty() {
        String::new()
    } else {
        format!(" AND ({key}) > ({})", placeholders(3, width))
    };
    let sql = format!(
        "SELECT {row}, {environment}, {column}, {key} FROM {table}
         WHERE {rows}{from} AND substr({column}, 2, 8) <> $1 ORDER BY {key} LIMIT $2"
    );
    let found = tx.fetch_all(&sql, &params).await?;
    let sql = format!(
        "UPDATE {table} SET {column} = $1 WHERE {column} = $2 AND ({key}) = ({})",
        placeholders(3, width)
    );
    let mut portion = Portion::default();
    for mut row in found {
        let (name, environment): (Cell, String) = (row.next()?, row.next()?);
        let sealed: Vec<u8> = row.next()?;
        let key = (0..width).map(|_| row.next::<Cell>()).collect::<Result<Vec<_>>>()?;
        let name = match name {
            Cell::Text(text) => text,
            Cell::Bytes(bytes) => base64url(&bytes),
            Cell::Int(_) | Cell::Null => return Err(Error::internal("a row without a name")),
        };
        let here = Place { table, row: &name, column: place.place, environment: &environment };
        match sealer.open(here, &sealed).and_then(|value| sealer.seal(here, &value)) {
            Ok(anew) => {
                let mut params: Vec<Param<'_>> = vec![(&anew).into(), (&sealed).into()];
                params.extend(key.iter().map(Cell::as_param));
                portion.resealed += tx.execute(&sql, &params).await?;
            }
            Err(error) => portion.unreadable.push(error.chain()),
        }
        portion.last = Some(key);
    }
    Ok(portion)
}

/// `$first, …`, so many.
fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}
