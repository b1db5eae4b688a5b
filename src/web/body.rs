//! The body of a request, if it is no larger than we read.

use axum::body::{Body, Bytes, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is larger.
    TooLarge,
    /// It did not arrive whole, or not in time.
    Broken,
}

/// Reads a body of at most so many bytes.
///
/// # Errors
///
/// [`Unread`]. Of a body that is announced to be too large, nothing is read.
pub async fn read(body: Body, max_bytes: usize) -> Result<Bytes, Unread> {
    announced(&body, max_bytes)?;
    let collected = Limited::new(body, max_bytes).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { Unread::TooLarge } else { Unread::Broken }
    })?;
    Ok(collected.to_bytes())
}

/// Refuses a body that is announced to have more bytes.
///
/// # Errors
///
/// [`Unread::TooLarge`].
pub fn announced(body: &Body, max_bytes: usize) -> Result<(), Unread> {
    let is_larger = body.size_hint().lower() > max_bytes as u64;
    if is_larger { Err(Unread::TooLarge) } else { Ok(()) }
}
