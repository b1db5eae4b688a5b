//! What goes into a statement and what comes out of it: text, 64-bit integers, bytes, or nothing.

use crate::base::id::Id;
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};

/// A parameter of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Param<'a> {
    /// SQL's NULL.
    Null,
    /// BIGINT.
    Int(i64),
    /// TEXT, in UTF-8 without NUL (PostgreSQL has none).
    Text(&'a str),
    /// BYTEA.
    Bytes(&'a [u8]),
}

impl<'a> From<&'a str> for Param<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}
impl<'a> From<&'a String> for Param<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Param<'_> {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}
impl From<bool> for Param<'_> {
    fn from(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}
impl From<Timestamp> for Param<'_> {
    fn from(moment: Timestamp) -> Self {
        Self::Int(moment.as_ms())
    }
}
impl<'a> From<&'a [u8]> for Param<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}
impl<'a> From<&'a Vec<u8>> for Param<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}
impl<'a> From<&'a SecretHash> for Param<'a> {
    fn from(hash: &'a SecretHash) -> Self {
        Self::Bytes(hash.as_bytes())
    }
}
impl<'a, T: Id> From<&'a T> for Param<'a> {
    fn from(id: &'a T) -> Self {
        Self::Text(id.text())
    }
}
impl<'a, T> From<Option<T>> for Param<'a>
where
    Param<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::from)
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// SQL's NULL.
    Null,
    /// BIGINT.
    Int(i64),
    /// TEXT.
    Text(String),
    /// BYTEA.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The same value as a parameter.
    pub fn as_param(&self) -> Param<'_> {
        match self {
            Self::Null => Param::Null,
            Self::Int(int) => Param::Int(*int),
            Self::Text(text) => Param::Text(text),
            Self::Bytes(bytes) => Param::Bytes(bytes),
        }
    }
}

impl From<Param<'_>> for Cell {
    fn from(param: Param<'_>) -> Self {
        match param {
            Param::Null => Self::Null,
            Param::Int(int) => Self::Int(int),
            Param::Text(text) => Self::Text(text.to_owned()),
            Param::Bytes(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }
}

/// A row, read from its first column to its last.
#[derive(Debug)]
pub struct Row {
    cells: std::vec::IntoIter<Cell>,
}

impl Row {
    pub(super) fn new(cells: Vec<Cell>) -> Self {
        Self { cells: cells.into_iter() }
    }

    /// About how much memory the columns take that were not read yet.
    pub(super) fn bytes(&self) -> usize {
        let own = |cell: &Cell| match cell {
            Cell::Null | Cell::Int(_) => 0,
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        };
        self.cells.as_slice().iter().map(|cell| size_of::<Cell>() + own(cell)).sum()
    }

    /// All columns that were not read yet.
    pub(super) fn into_cells(self) -> Vec<Cell> {
        self.cells.collect()
    }

    /// The next column.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if there is none or it is of another type: the statement and the code
    /// that reads it disagree.
    // Not an iterator: each call may ask for another type.
    #[expect(clippy::should_implement_trait, reason = "each call may ask for another type")]
    pub fn next<T: FromCell>(&mut self) -> Result<T> {
        let cell = self.cells.next().ok_or_else(|| Error::internal("a row has too few columns"))?;
        T::from_cell(cell).ok_or_else(|| Error::internal("a column is of another type"))
    }
}

/// What a column can be read as.
pub trait FromCell: Sized {
    /// The value, or `None` if the column is of another type.
    fn from_cell(cell: Cell) -> Option<Self>;
}

impl FromCell for Cell {
    fn from_cell(cell: Cell) -> Option<Self> {
        Some(cell)
    }
}
impl FromCell for i64 {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Int(int) = cell { Some(int) } else { None }
    }
}
impl FromCell for bool {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell).map(|int| int != 0)
    }
}
impl FromCell for Timestamp {
    fn from_cell(cell: Cell) -> Option<Self> {
        i64::from_cell(cell).map(Self::from_ms)
    }
}
impl FromCell for String {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Text(text) = cell { Some(text) } else { None }
    }
}
impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell) -> Option<Self> {
        if let Cell::Bytes(bytes) = cell { Some(bytes) } else { None }
    }
}
impl<T: Id> FromCell for T {
    fn from_cell(cell: Cell) -> Option<Self> {
        String::from_cell(cell).map(Self::from_stored)
    }
}
impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}
