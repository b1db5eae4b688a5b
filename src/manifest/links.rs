//! Setup links for what a manifest cannot hold: one for each organization with a connection that
//! nobody has configured yet.

use super::document::{Environment, Manifest};
use super::known::{self, KnownOrganization};
use super::plan::{find_environment, find_organization};
use crate::app::App;
use crate::base::time::Timestamp;
use crate::base::{Caller, Result};
use crate::model::setup_link::{self, Feature, NewSetupLink, Origin};

/// A link, and what it is for.
#[derive(Debug)]
pub struct MadeLink {
    /// The name of the organization.
    pub organization: String,
    /// Its id.
    pub organization_id: String,
    /// The connections that need something: name, type, redirect URI.
    pub connections: Vec<(String, String, String)>,
    /// The link itself: whoever has it can set the organization's connections up.
    pub url: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Makes a link for each organization of the manifest that needs one.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer; else as
/// [`setup_link::create`].
pub async fn setup_links(
    app: &App,
    actor_id: &str,
    (manifest, only): (&Manifest, Option<&str>),
) -> Result<Vec<MadeLink>> {
    let existing = known::environments(app).await?;
    let mut links = Vec::new();
    let meant = |wanted: &&Environment| only.is_none_or(|only| wanted.is(only));
    for wanted in manifest.environments.iter().filter(meant) {
        let Ok(Some(environment)) = find_environment(&existing, wanted) else { continue };
        let known = known::read(app, environment).await?;
        let system = Caller::system(environment.id.clone());
        let caller = Caller { actor_id: actor_id.to_owned(), ..system };
        for item in wanted.organizations.iter().flatten() {
            let Ok(Some(found)) = find_organization(&known.organizations, item) else { continue };
            links.extend(link(app, &caller, found).await?);
        }
    }
    Ok(links)
}

async fn link(app: &App, caller: &Caller, it: &KnownOrganization) -> Result<Option<MadeLink>> {
    let connections: Vec<_> = it
        .connections
        .iter()
        .map(|it| &it.connection)
        .filter(|it| !it.is_configured() && it.connection_type.oidc_kind().is_some())
        .map(|it| (it.name.clone(), it.connection_type.as_str().to_owned(), app.callback_uri(it)))
        .collect();
    if connections.is_empty() {
        return Ok(None);
    }
    let new = NewSetupLink {
        organization_id: it.organization.id.clone(),
        origin: Origin::Dashboard,
        features: vec![Feature::Sso],
        lifetime_ms: None,
        connection_type: None,
        recipients: Vec::new(),
        return_url: None,
        success_url: None,
    };
    let create = async move |tx: &mut crate::db::Tx| setup_link::create(tx, &new).await;
    let (made, token) = app.db.write(caller, create).await?;
    Ok(Some(MadeLink {
        organization: it.organization.name.clone(),
        organization_id: it.organization.id.to_string(),
        connections,
        url: app.url(&setup_link::path(&token)),
        expires_at: made.expires_at,
    }))
}

/// The links for a person to send on, as Markdown.
pub fn links_as_text(links: &[MadeLink]) -> String {
    let mut text = "# Setup links\n\nEach link is for the IT administrator of one organization. \
                    Whoever has it can set the organization's connections up: send each to the one \
                    person only.\n"
        .to_owned();
    for link in links {
        let MadeLink { organization, organization_id, connections, url, expires_at } = link;
        text.push_str(&format!("\n## {organization} ({organization_id})\n\n<{url}>\n\n"));
        text.push_str(&format!("Until {}.\n\n", expires_at.for_people()));
        for (name, kind, callback) in connections {
            let line = format!(
                "- {name} ({kind}): client ID, client secret and discovery endpoint \
                                are missing. Redirect URI: {callback}\n"
            );
            text.push_str(&line);
        }
    }
    text
}
