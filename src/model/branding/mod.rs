//! Branding: what the pages that customers see look like. One for each environment.

mod accent;
mod logo;

pub use accent::Accent;
pub use logo::Logo;

use serde_json::json;

use super::{audit, environment, field};
use crate::base::id::EnvironmentId;
use crate::base::{Error, Result};
use crate::db::Tx;

/// What the pages that customers see look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branding {
    /// What the application is called.
    pub name: Option<String>,
    /// Its colour.
    pub accent: Option<Accent>,
    /// A part of the hash of its logo, if it has one.
    pub logo_hash: Option<String>,
}

/// A change; what is `None` stays as it is.
#[derive(Debug, Default)]
pub struct Change {
    /// The name, at most 100 characters; `Some(None)` takes it away.
    pub name: Option<Option<String>>,
    /// The colour as `#rrggbb`; `Some(None)` takes it away.
    pub accent: Option<Option<String>>,
    /// The logo; `Some(None)` takes it away.
    pub logo: Option<Option<Logo>>,
}

/// The branding of an environment, found by its id: whoever sees such a page need not be known, so
/// this is not limited to the caller's.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn of(tx: &mut Tx, environment_id: &EnvironmentId) -> Result<Branding> {
    let row = tx
        .fetch_optional(
            "SELECT name, accent, logo_hash FROM brandings WHERE environment_id = $1",
            &[environment_id.into()],
        )
        .await?;
    let Some(mut row) = row else { return Ok(Branding::default()) };
    Ok(Branding {
        name: row.next()?,
        accent: row.next::<Option<String>>()?.as_deref().and_then(Accent::parse),
        logo_hash: row.next()?,
    })
}

/// The logo as a PNG, found by the environment's id and the part of the hash in its address.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn logo(tx: &mut Tx, id: &EnvironmentId, hash: &str) -> Result<Option<Vec<u8>>> {
    tx.fetch_optional(
        "SELECT logo FROM brandings
         WHERE environment_id = $1 AND logo_hash = $2 AND logo IS NOT NULL",
        &[id.into(), hash.into()],
    )
    .await?
    .map(|mut row| row.next())
    .transpose()
}

/// Changes the branding of the caller's environment.
///
/// # Errors
///
/// [`Error::Invalid`] for a bad name or colour.
pub async fn change(tx: &mut Tx, change: &Change) -> Result<Branding> {
    environment::lock(tx).await?;
    let environment_id = tx.environment_id();
    let mut branding = of(tx, &environment_id).await?;
    let before = described(&branding);
    if let Some(name) = &change.name {
        branding.name = name.as_deref().map(|name| field::name(name, 100)).transpose()?;
    }
    if let Some(accent) = &change.accent {
        let read = |text: &str| {
            let message = "A colour looks like #3a4ed5.";
            Accent::parse(text).ok_or_else(|| Error::invalid("invalid_color", "accent", message))
        };
        branding.accent = accent.as_deref().map(read).transpose()?;
    }
    tx.execute(
        "INSERT INTO brandings (environment_id, name, accent, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (environment_id)
         DO UPDATE SET name = excluded.name, accent = excluded.accent,
             updated_at = excluded.updated_at",
        &[
            (&environment_id).into(),
            branding.name.as_deref().into(),
            branding.accent.map(|accent| accent.to_string()).as_deref().into(),
            tx.now().into(),
        ],
    )
    .await?;
    if let Some(logo) = &change.logo {
        branding.logo_hash = logo.as_ref().map(|logo| logo.hash().to_owned());
        tx.execute(
            "UPDATE brandings SET logo = $1, logo_hash = $2 WHERE environment_id = $3",
            &[
                logo.as_ref().map(Logo::png).into(),
                branding.logo_hash.as_deref().into(),
                (&environment_id).into(),
            ],
        )
        .await?;
    }
    let details = json!({ "before": before, "after": described(&branding) });
    audit::record(tx, "branding.updated", environment_id.as_str(), details).await?;
    Ok(branding)
}

fn described(branding: &Branding) -> serde_json::Value {
    let accent = branding.accent.map(|accent| accent.to_string());
    json!({ "name": branding.name, "accent": accent, "logo": branding.logo_hash })
}
