//! The query of an address: filters of a list.

use url::form_urlencoded::parse;

/// What one parameter holds, if it holds something.
///
/// A NUL is no part of any text that we store, and PostgreSQL refuses it.
pub(super) fn filled(query: &str, name: &str) -> Option<String> {
    let mut pairs = parse(query.as_bytes());
    let (_, value) = pairs.find(|(known, _)| known == name)?;
    let text = value.replace('\0', "\u{fffd}");
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}
