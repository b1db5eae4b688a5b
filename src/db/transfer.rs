//! Copies a whole installation from a file of the embedded engine into an empty database.
//!
//! The source is read within one snapshot, in portions, by a thread of its own. Afterwards the target
//! is read back: of each table, the number of rows and a hash over all of them must be the source's.
//! A note in the target, which goes last, keeps nodes from starting on half a copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tokio::sync::mpsc;

use super::sqlite::Connection;
use super::value::{Cell, Param};
use super::{Db, Tx, migrate};
use crate::base::secret::sha256;
use crate::base::{Caller, Error, Result};

/// The note of a copy that is not finished, in the table of the installation.
pub const UNFINISHED: &str = "copy_unfinished";
/// How many rows are read at once.
const ROWS: i64 = 500;
/// How many parameters one statement may have: SQLite takes 32766, PostgreSQL 65535.
const MAX_PARAMS: usize = 8000;
/// What schema it is, every database knows by itself.
const NOT_COPIED: &str = "schema_migrations";

/// A table that was copied, and verified.
#[derive(Clone, Debug)]
pub struct Copied {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// A hash over all rows, whatever their order, in hexadecimal.
    pub hash: String,
}

/// What is known of a table.
#[derive(Clone, Debug)]
struct Table {
    name: String,
    columns: Vec<String>,
    /// The places of the columns of the primary key among the columns.
    key: Vec<usize>,
    /// A column that refers to the table itself: its rows come after those they refer to.
    own_reference: Option<String>,
}

/// Whether a file can be copied from, before the target gets its tables. It is only read.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no database of Vestibule, or has another schema than this program.
pub fn check_source(from: &Path) -> Result<()> {
    tables(&mut Connection::snapshot(from)?).map(drop)
}

/// Copies everything; returns the tables in the order in which they were copied.
///
/// # Errors
///
/// As [`check_source`]; [`Error::Internal`] if the target is not empty, or if it does not hold afterwards
/// what the source holds.
pub async fn run(from: &Path, to: &Db) -> Result<Vec<Copied>> {
    let tables = tables(&mut Connection::snapshot(from)?)?;
    require_empty(to, &tables).await?;
    note(to).await?;
    let (sender, mut portions) = mpsc::channel(2);
    let (path, all) = (from.to_owned(), tables.clone());
    let reader = std::thread::Builder::new()
        .name("copy".to_owned())
        .spawn(move || read(&path, &all, &sender))
        .map_err(Error::internal)?;
    let mut totals = vec![Total::default(); tables.len()];
    while let Some((i, rows)) = portions.recv().await {
        let table: &Table = &tables[i];
        rows.iter().for_each(|row| totals[i].add(row));
        insert(to, table, rows).await?;
    }
    reader.join().map_err(|_| Error::internal("reading the source panicked"))??;
    let mut copied = Vec::new();
    for (table, total) in tables.iter().zip(&totals) {
        let found = total_of(to, table).await?;
        if found != *total {
            return Err(Error::internal(format!(
                "the table {} has {} rows with the hash {} in the source, and {} rows with the hash \
                 {} in the copy",
                table.name,
                total.rows,
                total.hex(),
                found.rows,
                found.hex()
            )));
        }
        tracing::info!(table = table.name, rows = total.rows, "copied and verified");
        let (table, rows, hash) = (table.name.clone(), total.rows, total.hex());
        copied.push(Copied { table, rows, hash });
    }
    let done = async |tx: &mut Tx| {
        tx.execute("DELETE FROM installation WHERE name = $1", &[UNFINISHED.into()]).await
    };
    to.write(&Caller::anonymous(), done).await?;
    Ok(copied)
}

/// How many rows, and the sum of their hashes, which does not depend on their order.
#[derive(Clone, Default, PartialEq, Eq)]
struct Total {
    rows: u64,
    sum: [u64; 4],
}

impl Total {
    fn add(&mut self, row: &[Cell]) {
        self.rows += 1;
        let mut text = Vec::new();
        for cell in row {
            let (kind, bytes): (u8, &[u8]) = match cell {
                Cell::Null => (0, &[]),
                Cell::Int(int) => (1, &int.to_be_bytes()),
                Cell::Text(text) => (2, text.as_bytes()),
                Cell::Bytes(bytes) => (3, bytes),
            };
            text.push(kind);
            text.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            text.extend_from_slice(bytes);
        }
        for (sum, part) in self.sum.iter_mut().zip(sha256(&text).as_chunks::<8>().0) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*part));
        }
    }

    fn hex(&self) -> String {
        self.sum.iter().map(|part| format!("{part:016x}")).collect()
    }
}

/// The tables of the source, those that others refer to first.
fn tables(source: &mut Connection) -> Result<Vec<Table>> {
    let version = "SELECT max(version) FROM schema_migrations";
    let version: Option<i64> = source
        .fetch(version, &[], 1)
        .map_err(|_| {
            let message = "The source is no database of Vestibule.";
            Error::invalid("unknown_database", "from", message)
        })?
        .pop()
        .map_or(Ok(None), |mut row| row.next())?;
    let (version, ours) = (version.unwrap_or(0), migrate::newest());
    if version != ours {
        let advice = match version < ours {
            true => "run `vestibule migrate` on it first",
            false => "copy it with the newer program that wrote it",
        };
        let message =
            format!("The source has schema {version}, and this program {ours}: {advice}.");
        return Err(Error::invalid("other_schema", "from", message));
    }
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%'
                 ESCAPE '!' AND name <> $1 ORDER BY name";
    let mut left = BTreeMap::new();
    for mut row in source.fetch(names, &[NOT_COPIED.into()], usize::MAX)? {
        let name: String = row.next()?;
        let (table, references) = describe(source, &name)?;
        left.insert(name, (table, references));
    }
    let mut sorted = Vec::new();
    while !left.is_empty() {
        let free = left.iter().find(|(_, (_, references))| {
            references.iter().all(|reference| !left.contains_key(reference))
        });
        let Some(name) = free.map(|(name, _)| name.clone()) else {
            return Err(Error::internal("tables refer to each other in a circle"));
        };
        sorted.extend(left.remove(&name).map(|(table, _)| table));
    }
    Ok(sorted)
}

/// A table, and the tables that it refers to.
fn describe(source: &mut Connection, name: &str) -> Result<(Table, BTreeSet<String>)> {
    let (mut columns, mut key) = (Vec::new(), Vec::new());
    let sql = "SELECT name, pk FROM pragma_table_info($1) ORDER BY cid";
    for mut row in source.fetch(sql, &[name.into()], usize::MAX)? {
        let (column, place): (String, i64) = (row.next()?, row.next()?);
        if place > 0 {
            key.push((place, columns.len()));
        }
        columns.push(column);
    }
    key.sort_unstable();
    let key: Vec<usize> = key.into_iter().map(|(_, column)| column).collect();
    if key.is_empty() {
        return Err(Error::internal(format!("the table {name} has no primary key")));
    }
    let (mut references, mut own_reference) = (BTreeSet::new(), None);
    let sql = "SELECT \"table\", \"from\" FROM pragma_foreign_key_list($1)";
    for mut row in source.fetch(sql, &[name.into()], usize::MAX)? {
        let (table, column): (String, String) = (row.next()?, row.next()?);
        if table == name {
            own_reference = Some(column);
        } else {
            references.insert(table);
        }
    }
    Ok((Table { name: name.to_owned(), columns, key, own_reference }, references))
}

/// A table by its place in the list, and some of its rows.
type Portion = (usize, Vec<Vec<Cell>>);

/// Reads all tables within one snapshot. Ends early if nobody listens any more.
fn read(path: &Path, tables: &[Table], portions: &mpsc::Sender<Portion>) -> Result<()> {
    let mut source = Connection::snapshot(path)?;
    for (i, table) in tables.iter().enumerate() {
        for condition in table.passes() {
            let mut last: Option<Vec<Cell>> = None;
            loop {
                let (sql, params) = table.select(&condition, last.as_deref());
                let rows = source.fetch(&sql, &params, usize::MAX)?;
                let rows: Vec<Vec<Cell>> = rows.into_iter().map(super::Row::into_cells).collect();
                let Some(end) = rows.last() else { break };
                last = Some(table.key_of(end));
                if portions.blocking_send((i, rows)).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

impl Table {
    /// Conditions that go through all rows, those that others refer to first.
    fn passes(&self) -> Vec<String> {
        match &self.own_reference {
            None => vec!["1 = 1".to_owned()],
            Some(column) => vec![format!("{column} IS NULL"), format!("{column} IS NOT NULL")],
        }
    }

    /// The rows after this key.
    fn select<'a>(&self, condition: &str, after: Option<&'a [Cell]>) -> (String, Vec<Param<'a>>) {
        let key: Vec<&str> = self.key.iter().map(|i| self.columns[*i].as_str()).collect();
        let (key, columns, name) = (key.join(", "), self.columns.join(", "), &self.name);
        let after = after.unwrap_or_default();
        let from = if after.is_empty() {
            String::new()
        } else {
            format!(" AND ({key}) > ({})", placeholders(1, after.len()))
        };
        let sql = format!(
            "SELECT {columns} FROM {name} WHERE {condition}{from} ORDER BY {key} LIMIT {ROWS}"
        );
        (sql, after.iter().map(Cell::as_param).collect())
    }

    fn key_of(&self, row: &[Cell]) -> Vec<Cell> {
        self.key.iter().map(|i| row[*i].clone()).collect()
    }
}

/// `$first, …`, so many.
fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

async fn require_empty(to: &Db, tables: &[Table]) -> Result<()> {
    for table in tables {
        let (sql, name) = (format!("SELECT count(*) FROM {}", table.name), table.name.clone());
        let count = async move |tx: &mut Tx| tx.fetch_one(&sql, &[]).await?.next();
        let rows: i64 = to.read(&Caller::anonymous(), count).await?;
        if rows > 0 {
            return Err(Error::internal(format!(
                "the target is not empty: its table {name} has {rows} rows. Make a new database for \
                 the copy"
            )));
        }
    }
    Ok(())
}

async fn note(to: &Db) -> Result<()> {
    let note = async |tx: &mut Tx| {
        let sql = "INSERT INTO installation (name, value) VALUES ($1, $2)";
        tx.execute(sql, &[UNFINISHED.into(), b"".as_slice().into()]).await
    };
    to.write(&Caller::anonymous(), note).await.map(drop)
}

async fn insert(to: &Db, table: &Table, rows: Vec<Vec<Cell>>) -> Result<()> {
    let width = table.columns.len();
    let into = format!("INSERT INTO {} ({}) VALUES ", table.name, table.columns.join(", "));
    let unit = async move |tx: &mut Tx| {
        for rows in rows.chunks((MAX_PARAMS / width).max(1)) {
            let values: Vec<String> = (0..rows.len())
                .map(|n| format!("({})", placeholders(1 + n * width, width)))
                .collect();
            let params: Vec<Param<'_>> = rows.iter().flatten().map(Cell::as_param).collect();
            // Not watched: what is copied holds the mark of the configuration.
            tx.execute_patiently(&format!("{into}{}", values.join(", ")), &params).await?;
        }
        Ok(())
    };
    to.write(&Caller::anonymous(), unit).await
}

/// Reads a table back.
async fn total_of(to: &Db, table: &Table) -> Result<Total> {
    let mut total = Total::default();
    let mut last: Option<Vec<Cell>> = None;
    loop {
        let (table_here, after) = (table.clone(), last.take());
        let unit = async move |tx: &mut Tx| {
            let (sql, params) = table_here.select("1 = 1", after.as_deref());
            let rows = tx.fetch_all(&sql, &params).await?;
            Ok(rows.into_iter().map(super::Row::into_cells).collect::<Vec<_>>())
        };
        let rows = to.read(&Caller::anonymous(), unit).await?;
        let Some(end) = rows.last() else { return Ok(total) };
        last = Some(table.key_of(end));
        for row in rows.iter().filter(|row| !is_note(table, row)) {
            total.add(row);
        }
    }
}

fn is_note(table: &Table, row: &[Cell]) -> bool {
    table.name == "installation" && row.first() == Some(&Cell::Text(UNFINISHED.to_owned()))
}
