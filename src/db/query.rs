//! Statements that are put together from fixed pieces: queries with filters, and changes that return the row.
//!
//! Only pieces of the program's own text go in as SQL; values always go in as parameters.

use std::fmt::Write;

use super::tx::Tx;
use super::value::{Cell, Param, Row};
use crate::base::page::{Page, PageRequest};
use crate::base::{Result, stored};

/// A change of the row whose `id` is `$1`, which returns columns of it as they are afterwards.
///
/// PostgreSQL does both in one statement. SQLite would make a table for what is returned, and would keep
/// each page as it was before; there it is two, between which nothing comes in a unit.
#[derive(Debug)]
pub struct Update {
    /// The table.
    pub table: &'static str,
    /// What is set, as behind `SET`.
    pub set: &'static str,
    /// On what condition, as behind `AND`: without it nothing is changed, and nothing returned.
    pub only_if: Option<&'static str>,
    /// The columns that are returned.
    pub returning: &'static str,
}

impl Update {
    /// Changes the row whose id is the first of `params`; `None`: there is none, or the condition does
    /// not hold.
    ///
    /// # Errors
    ///
    /// As [`Tx::fetch_all`].
    pub async fn run(&self, tx: &mut Tx, params: &[Param<'_>]) -> Result<Option<Row>> {
        let Self { table, set, only_if, returning } = self;
        let mut update = format!("UPDATE {table} SET {set} WHERE id = $1");
        if let Some(condition) = only_if {
            let _ = write!(update, " AND {condition}");
        }
        if tx.is_on_postgres() {
            let _ = write!(update, " RETURNING {returning}");
            return tx.fetch_optional(&update, params).await;
        }
        if tx.execute(&update, params).await? == 0 {
            return Ok(None);
        }
        let select = format!("SELECT {returning} FROM {table} WHERE id = $1");
        tx.fetch_optional(&select, &params[..1]).await
    }
}

/// A query in the making.
#[derive(Debug)]
pub struct Query {
    sql: String,
    params: Vec<Cell>,
}

impl Query {
    /// Begins with a text that ends in a condition, such as
    /// `SELECT id FROM organizations WHERE environment_id = $1`, and its parameters.
    pub fn new(sql: &'static str, params: &[Param<'_>]) -> Self {
        Self { sql: sql.to_owned(), params: params.iter().map(|p| Cell::from(*p)).collect() }
    }

    /// Adds ` AND ` and a condition whose one parameter is written `$?`.
    pub fn and(&mut self, condition: &'static str, param: impl for<'a> Into<Cell>) -> &mut Self {
        self.params.push(param.into());
        let placeholder = format!("${}", self.params.len());
        let _ = write!(self.sql, " AND {}", condition.replace("$?", &placeholder));
        self
    }

    /// Adds ` AND ` and a condition, if there is a value to compare with.
    pub fn and_some<T>(&mut self, condition: &'static str, value: Option<T>) -> &mut Self
    where
        T: Into<Cell>,
    {
        if let Some(value) = value {
            self.and(condition, value.into());
        }
        self
    }

    /// Adds ` AND column IN (…)`, if there are values.
    pub fn and_in(&mut self, column: &'static str, values: &[String]) -> &mut Self {
        if !values.is_empty() {
            let _ = write!(self.sql, " AND {column} IN (");
            for (i, value) in values.iter().enumerate() {
                self.params.push(Cell::Text(value.clone()));
                let comma = if i == 0 { "" } else { ", " };
                let _ = write!(self.sql, "{comma}${}", self.params.len());
            }
            self.sql.push(')');
        }
        self
    }

    /// Adds a condition that the column holds the text somewhere, whatever the case, if there is one.
    pub fn and_contains(&mut self, column: &'static str, text: Option<&str>) -> &mut Self {
        if let Some(text) = text {
            self.params.push(Cell::Text(pattern(text)));
            // Both sides in SQL: each engine has its own idea of lower case.
            let n = self.params.len();
            let _ = write!(self.sql, " AND lower({column}) LIKE lower(${n}) ESCAPE '!'");
        }
        self
    }

    /// Adds a condition in which `$?` is a pattern of `LIKE … ESCAPE '!'` that holds the text
    /// somewhere, in lower case as SQL has it (`lower($?)`), if there is one.
    pub fn and_like(&mut self, condition: &'static str, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.and(condition, pattern(text)),
            None => self,
        }
    }

    /// Adds the text that ends the query, such as ` ORDER BY priority`.
    pub fn end(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Ends the query after so many rows.
    pub fn limit(&mut self, rows: usize) -> &mut Self {
        let _ = write!(self.sql, " LIMIT {rows}");
        self
    }

    /// The rows.
    ///
    /// # Errors
    ///
    /// As [`Tx::fetch_all`].
    pub async fn fetch_all(&self, tx: &mut Tx) -> Result<Vec<Row>> {
        self.fetch(tx, &self.sql).await
    }

    async fn fetch(&self, tx: &mut Tx, sql: &str) -> Result<Vec<Row>> {
        let params: Vec<Param<'_>> = self.params.iter().map(Cell::as_param).collect();
        tx.fetch_all(sql, &params).await
    }

    /// One page, ordered by `column`, whose values are the cursors, of the rows that this program
    /// knows ([`stored`]).
    ///
    /// # Errors
    ///
    /// As [`Tx::fetch_all`], and what `from_row` returns.
    pub async fn fetch_page<T>(
        mut self,
        tx: &mut Tx,
        (column, key): (&'static str, impl Fn(&T) -> String),
        request: &PageRequest,
        from_row: impl Fn(Row) -> Result<T>,
    ) -> Result<Page<T>> {
        let (oldest_first, cursor) = request.reading();
        if let Some(cursor) = cursor {
            self.params.push(Cell::Text(cursor.to_owned()));
            let compare = if oldest_first { '>' } else { '<' };
            let _ = write!(self.sql, " AND {column} {compare} ${}", self.params.len());
        }
        let direction = if oldest_first { "ASC" } else { "DESC" };
        let _ = write!(self.sql, " ORDER BY {column} {direction}");
        let mut wanted = request.limit + 1;
        loop {
            let rows = self.fetch(tx, &format!("{} LIMIT {wanted}", self.sql)).await?;
            let read = rows.len();
            let known = stored::all(rows.into_iter().map(&from_row))?;
            if known.len() > request.limit || read < wanted {
                return Ok(request.page(known, key));
            }
            // As many more as there are rows that count as absent.
            wanted = request.limit + 1 + (read - known.len());
        }
    }
}

/// The pattern of `LIKE … ESCAPE '!'` that holds the text somewhere.
fn pattern(text: &str) -> String {
    // Texts of a database hold no NUL, and PostgreSQL refuses one.
    let text = text.replace('\0', "\u{fffd}");
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Cell {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}
impl<T: crate::base::id::Id> From<&T> for Cell {
    fn from(id: &T) -> Self {
        Self::Text(id.text().to_owned())
    }
}
