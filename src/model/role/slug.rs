//! Slugs of roles.

use crate::base::id::OrganizationId;
use crate::base::{Error, Result};
use crate::model::field;

/// What the slug of an organization's own role begins with.
const ORGANIZATION_PREFIX: &str = "org-";
/// A slug that the path of the priority order needs for itself.
const RESERVED_SLUG: &str = "order";
/// The slug of an organization's role that got none: made of its name and six random characters.
pub fn from_name(name: &str) -> String {
    let mut slug = String::from(ORGANIZATION_PREFIX);
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(40);
    let slug = slug.trim_end_matches('-');
    let random = crate::base::secret::random_alphanumeric(6).to_lowercase();
    format!("{slug}-{random}")
}

/// An organization's role has a slug that no role of the environment can have.
pub(super) fn check(slug: &str, organization_id: Option<&OrganizationId>) -> Result<()> {
    field::slug(slug, "-_")?;
    let message = match organization_id {
        Some(_) if !slug.starts_with(ORGANIZATION_PREFIX) => {
            "The slug of an organization's role begins with org-."
        }
        None if slug.starts_with(ORGANIZATION_PREFIX) => {
            "Only the slug of an organization's role begins with org-."
        }
        None if slug == RESERVED_SLUG => "This slug is reserved.",
        _ => return Ok(()),
    };
    Err(Error::invalid("invalid_slug", "slug", message))
}
