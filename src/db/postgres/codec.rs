//! Values on their way to PostgreSQL and back.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::db::value::{Cell, Param};

type Fallible<T> = Result<T, Box<dyn StdError + Sync + Send>>;

impl Param<'_> {
    /// What an unnamed statement declares; a named one is asked for its types instead.
    pub(super) fn postgres_type(&self) -> Type {
        match self {
            // The server finds out, as it does for a NULL that stands in the text.
            Self::Null => Type::UNKNOWN,
            Self::Int(_) => Type::INT8,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
        }
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Fallible<IsNull> {
        match (self, ty) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(int), &Type::INT4) => i32::try_from(*int)?.to_sql(ty, out),
            (Self::Int(int), &Type::INT8) => int.to_sql(ty, out),
            (Self::Bytes(bytes), &Type::BYTEA) => bytes.to_sql(ty, out),
            (Self::Text(text), ty) if <&str as ToSql>::accepts(ty) => text.to_sql(ty, out),
            _ => Err(format!("the statement wants {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        // It depends on the value: `to_sql` decides.
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Fallible<Self> {
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Self::Int),
            Type::INT4 => i32::from_sql(ty, raw).map(|int| Self::Int(int.into())),
            // SQLite has no other truth than 0 and 1.
            Type::BOOL => bool::from_sql(ty, raw).map(|flag| Self::Int(flag.into())),
            Type::BYTEA => Ok(Self::Bytes(raw.to_vec())),
            _ if <String as FromSql>::accepts(ty) => String::from_sql(ty, raw).map(Self::Text),
            _ => Err(format!("a column is of the type {ty}").into()),
        }
    }

    fn from_sql_null(_: &Type) -> Fallible<Self> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        // `from_sql` decides.
        true
    }
}
