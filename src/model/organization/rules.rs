//! Rules of an organization's members.

use super::{Metadata, MetadataChange};
use crate::base::{Error, Result};

/// How many characters a name may have.
pub(super) const MAX_NAME: usize = 200;
/// How many keys metadata may have.
const MAX_KEYS: usize = 50;
/// How many characters a key may have.
const MAX_KEY: usize = 40;
/// How many characters a value may have.
const MAX_VALUE: usize = 600;
/// How many characters an external id may have.
const MAX_EXTERNAL_ID: usize = 128;

/// Sets and deletes keys.
///
/// # Errors
///
/// [`Error::Invalid`] if the outcome breaks a rule; `metadata` may have changed then.
pub(super) fn apply(metadata: &mut Metadata, change: Option<&MetadataChange>) -> Result<()> {
    for (key, value) in change.into_iter().flatten() {
        match value {
            None => drop(metadata.remove(key)),
            Some(value) => {
                if key.is_empty() || key.len() > MAX_KEY || !is_printable_ascii(key) {
                    return invalid("Keys of metadata have 1 to 40 ASCII characters.");
                }
                if value.chars().count() > MAX_VALUE {
                    return invalid("Values of metadata have at most 600 characters.");
                }
                metadata.insert(key.clone(), value.clone());
            }
        }
    }
    if metadata.len() > MAX_KEYS {
        return invalid("Metadata has at most 50 keys.");
    }
    Ok(())
}

fn invalid(message: &str) -> Result<()> {
    Err(Error::invalid("invalid_metadata", "metadata", message))
}

/// The application's own id; an empty one is none.
pub(super) fn external_id(text: Option<&str>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.len() > MAX_EXTERNAL_ID || !is_printable_ascii(text)) {
        let message = "An external ID has at most 128 ASCII characters.";
        return Err(Error::invalid("invalid_external_id", "external_id", message));
    }
    Ok(text.map(str::to_owned))
}

/// The id at Stripe; an empty one is none.
pub(super) fn stripe_customer_id(text: Option<&str>) -> Result<Option<String>> {
    let text = text.filter(|text| !text.is_empty());
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_some_and(|text| text.len() > MAX_EXTERNAL_ID || !text.chars().all(known)) {
        let message = "A Stripe customer ID has letters, digits and underscores.";
        return Err(Error::invalid("invalid_stripe_customer_id", "stripe_customer_id", message));
    }
    Ok(text.map(str::to_owned))
}

pub(super) fn external_id_used(external_id: Option<&str>) -> Error {
    let external_id = external_id.unwrap_or_default();
    let message =
        format!("The external ID '{external_id}' is already used by another organization.");
    Error::invalid("external_id_already_used", "external_id", message)
}

fn is_printable_ascii(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii() && !c.is_ascii_control())
}
