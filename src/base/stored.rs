//! What a newer program stored, and this one does not know: it counts as absent, and is never guessed at.

use serde::de::DeserializeOwned;

use super::{Error, Result};

#[derive(Debug, thiserror::Error)]
#[error("{0} is stored in a way that only a newer program knows")]
struct Unknown(&'static str);

/// A stored value that this program does not know, such as `the state of a connection`.
pub fn unknown(what: &'static str) -> Error {
    Error::internal(Unknown(what))
}

/// Reads JSON that was stored.
///
/// # Errors
///
/// [`unknown`], if it is JSON of another shape; [`Error::Internal`], if it is none.
pub fn json<T: DeserializeOwned>(what: &'static str, text: impl AsRef<[u8]>) -> Result<T> {
    // The library's own words would have values in them, and some of these are secrets.
    serde_json::from_slice(text.as_ref()).map_err(|error| {
        if error.is_data() { unknown(what) } else { Error::internal(format!("{what} is no JSON")) }
    })
}

/// What was read, if this program knows it.
///
/// # Errors
///
/// All but [`unknown`].
pub fn known<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Error::Internal(source)) if source.is::<Unknown>() => {
            tracing::warn!(reason = %source, "a row counts as absent");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The row, if there is one and this program knows it.
///
/// # Errors
///
/// As [`known`].
pub fn one<T>(row: Option<Result<T>>) -> Result<Option<T>> {
    row.map_or(Ok(None), known)
}

/// Those of the rows that this program knows.
///
/// # Errors
///
/// As [`known`].
pub fn all<T>(rows: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    rows.filter_map(|row| known(row).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upg_04_what_only_a_newer_program_knows_is_left_out_and_a_fault_is_not() {
        let rows = || vec![Ok(1), Err(unknown("a word")), Ok(2)];
        assert_eq!(all(rows().into_iter()).unwrap(), [1, 2]);
        let broken = rows().into_iter().chain([Err(Error::internal("broken"))]);
        assert!(all(broken).is_err());
        assert_eq!(one::<i32>(Some(Err(unknown("a word")))).unwrap(), None);
        assert!(json::<i32>("a number", "1").is_ok());
        assert!(matches!(known(json::<i32>("a number", "\"canary\"")), Ok(None)));
        let error = json::<i32>("a number", "canary").unwrap_err();
        assert!(!error.chain().contains("canary"));
        assert!(known::<i32>(Err(error)).is_err());
    }
}
