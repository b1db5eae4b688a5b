//! Rules that several nouns have in common for texts that people write.

use crate::base::{Error, Result};

/// A name without the white space around it: 1 to `max` characters, none of them a control.
pub(super) fn name(text: &str, max: usize) -> Result<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > max || name.chars().any(char::is_control) {
        let message =
            format!("A name has 1 to {max} characters, none of them a control character.");
        return Err(Error::invalid("invalid_name", "name", message));
    }
    Ok(name.to_owned())
}

/// A description of at most `max` characters; an empty one is none.
pub(super) fn description(text: Option<&str>, max: usize) -> Result<Option<String>> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > max || text.contains('\0')) {
        let message = format!("A description has at most {max} characters.");
        return Err(Error::invalid("invalid_description", "description", message));
    }
    Ok(text.map(str::to_owned))
}

/// A slug: 1 to 48 lower-case letters, digits and the characters of `others`.
pub(super) fn slug(text: &str, others: &str) -> Result<()> {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c);
    if text.is_empty() || text.len() > 48 || !text.chars().all(known) {
        let others: Vec<String> = others.chars().map(String::from).collect();
        let message = format!(
            "A slug has 1 to 48 characters: lower-case letters, digits and {}",
            others.join(" ")
        );
        return Err(Error::invalid("invalid_slug", "slug", message));
    }
    Ok(())
}

/// There is one resource type so far.
pub(super) fn resource_type(slug: Option<&str>) -> Result<()> {
    if slug.is_none_or(|slug| slug == ORGANIZATION) {
        return Ok(());
    }
    let message = "The only resource type is organization.";
    Err(Error::invalid("invalid_resource_type", "resource_type_slug", message))
}

/// The resource type that every role and permission is for.
pub(super) const ORGANIZATION: &str = "organization";
