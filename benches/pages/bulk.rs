//! Many rows at once, by the same statements on both engines.

use tokio::task::JoinHandle;
use ulid::Ulid;
use vestibule::base::Caller;
use vestibule::db::{Cell, Db, Param};

/// How many rows one statement carries.
const ROWS: usize = 100;
/// How many rows one unit carries.
const ROWS_OF_UNIT: usize = 5_000;

/// Inserts rows of this table and these columns; the next ones are made while these are written.
pub async fn insert(
    db: &Db,
    table: &'static str,
    columns: &'static str,
    rows: impl Iterator<Item = Vec<Cell>>,
) {
    let mut rows = rows.peekable();
    let mut writing: Option<JoinHandle<()>> = None;
    while rows.peek().is_some() {
        let chunk: Vec<Vec<Cell>> = rows.by_ref().take(ROWS_OF_UNIT).collect();
        if let Some(before) = writing.take() {
            before.await.expect("rows are written");
        }
        let db = db.clone();
        writing = Some(tokio::spawn(async move {
            let unit = async move |tx: &mut vestibule::db::Tx| {
                for part in chunk.chunks(ROWS) {
                    let sql = statement(table, columns, part.len());
                    let params: Vec<Param<'_>> =
                        part.iter().flatten().map(Cell::as_param).collect();
                    tx.execute(&sql, &params).await?;
                }
                Ok(())
            };
            let written = db.write(&Caller::anonymous(), unit).await;
            written.unwrap_or_else(|error| panic!("{table}: {}", error.chain()));
        }));
    }
    if let Some(last) = writing {
        last.await.expect("rows are written");
    }
}

fn statement(table: &str, columns: &str, rows: usize) -> String {
    let width = columns.split(',').count();
    let row = |n: usize| {
        let places: Vec<String> = (1..=width).map(|i| format!("${}", n * width + i)).collect();
        format!("({})", places.join(","))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!("INSERT INTO {table} ({columns}) VALUES {}", rows.join(","))
}

/// A row of these values.
macro_rules! row {
    ($($value:expr),+ $(,)?) => { vec![$(vestibule::db::Cell::from($value)),+] };
}
pub(crate) use row;

/// The value, or NULL.
pub fn or_null<T: Into<Cell>>(value: Option<T>) -> Cell {
    value.map_or(Cell::Null, Into::into)
}

/// The first column of the rows of a query.
pub async fn texts(db: &Db, sql: &str, params: &[&str]) -> Vec<String> {
    let sql = sql.to_owned();
    let params: Vec<String> = params.iter().map(|&text| text.to_owned()).collect();
    let read = async move |tx: &mut vestibule::db::Tx| {
        let params: Vec<Param<'_>> = params.iter().map(Param::from).collect();
        let rows = tx.fetch_all(&sql, &params).await?;
        rows.into_iter().map(|mut row| row.next()).collect()
    };
    let found = db.read(&Caller::anonymous(), read).await;
    found.unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// A number that looks like chance and is the same each time (SplitMix64).
pub fn chance(n: u64) -> u64 {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The id of the row `n` of its kind, made at this moment.
pub fn id(prefix: &str, at_ms: i64, n: u64) -> String {
    let ms = u64::try_from(at_ms).expect("after 1970");
    let kind = prefix.bytes().fold(0, |sum, byte| chance(sum ^ u64::from(byte)));
    let random = (u128::from(chance(n ^ kind)) << 16) | u128::from(n & 0xffff);
    format!("{prefix}{}", Ulid::from_parts(ms, random))
}

/// The hash of a secret that nobody has.
pub fn hash(n: u64) -> Vec<u8> {
    (0..4).flat_map(|part| chance(n ^ (part << 60)).to_be_bytes()).collect()
}
