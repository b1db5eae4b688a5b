//! What an installation has: read in one unit of work for each environment.

use crate::app::App;
use crate::base::page::{Order, Page, PageRequest};
use crate::base::{Caller, Result};
use crate::db::Tx;
use crate::model::connection::Connection;
use crate::model::connection_group::ConnectionGroup;
use crate::model::environment::Environment;
use crate::model::organization::Organization;
use crate::model::permission::Permission;
use crate::model::redirect_uri::RedirectUri;
use crate::model::role::Role;
use crate::model::webhook_endpoint::WebhookEndpoint;
use crate::model::{
    connection, connection_group, environment, organization, permission, profile, redirect_uri,
    role, webhook_endpoint,
};

/// An environment with everything that a manifest can say of it.
#[derive(Clone, Debug)]
pub struct KnownEnvironment {
    /// The environment.
    pub environment: Environment,
    /// Its redirect URIs, the oldest first.
    pub redirect_uris: Vec<RedirectUri>,
    /// Its permissions, the oldest first.
    pub permissions: Vec<Permission>,
    /// Its roles, the most important first.
    pub roles: Vec<Role>,
    /// Its webhook endpoints, the oldest first.
    pub webhook_endpoints: Vec<WebhookEndpoint>,
    /// Its organizations, the oldest first.
    pub organizations: Vec<KnownOrganization>,
}

/// An organization with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct KnownOrganization {
    /// The organization, with its domains.
    pub organization: Organization,
    /// The slug of its default role, if it has one of its own.
    pub default_role: Option<String>,
    /// Its own roles, the most important first.
    pub roles: Vec<Role>,
    /// Its connections, the oldest first.
    pub connections: Vec<KnownConnection>,
}

/// A connection with what belongs to it.
#[derive(Clone, Debug)]
pub struct KnownConnection {
    /// The connection.
    pub connection: Connection,
    /// Its groups, the oldest first.
    pub groups: Vec<ConnectionGroup>,
    /// How many people have signed in by it.
    pub profiles: i64,
}

/// All environments, the oldest first.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn environments(app: &App) -> Result<Vec<Environment>> {
    app.db.read(&Caller::anonymous(), async |tx| environment::list_all(tx).await).await
}

/// One environment with everything in it.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn read(app: &App, environment: &Environment) -> Result<KnownEnvironment> {
    let caller = Caller::system(environment.id.clone());
    app.db.read(&caller, async |tx| all(tx).await).await
}

async fn all(tx: &mut Tx) -> Result<KnownEnvironment> {
    let mut known = KnownEnvironment {
        environment: environment::current(tx).await?,
        redirect_uris: Vec::new(),
        permissions: Vec::new(),
        roles: role::list(tx).await?,
        webhook_endpoints: Vec::new(),
        organizations: Vec::new(),
    };
    let mut pages = Pages::default();
    while let Some(request) = pages.request() {
        known.redirect_uris.extend(pages.took(redirect_uri::list(tx, &request).await?));
    }
    let mut pages = Pages::default();
    while let Some(request) = pages.request() {
        known.permissions.extend(pages.took(permission::list(tx, &request).await?));
    }
    let mut pages = Pages::default();
    while let Some(request) = pages.request() {
        known.webhook_endpoints.extend(pages.took(webhook_endpoint::list(tx, &request).await?));
    }
    let mut pages = Pages::default();
    while let Some(request) = pages.request() {
        let filter = organization::Filter::default();
        for item in pages.took(organization::list(tx, &filter, &request).await?) {
            known.organizations.push(with_everything(tx, item).await?);
        }
    }
    Ok(known)
}

async fn with_everything(tx: &mut Tx, organization: Organization) -> Result<KnownOrganization> {
    let id = organization.id.clone();
    let mut connections = Vec::new();
    for connection in connection::of_organization(tx, &id).await? {
        let mut groups = connection_group::all(tx, &connection.id).await?;
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        let profiles = profile::count(tx, &connection.id).await?;
        connections.push(KnownConnection { connection, groups, profiles });
    }
    let roles = role::for_organization(tx, &id).await?;
    Ok(KnownOrganization {
        default_role: role::organization_default(tx, &id).await?,
        roles: roles.into_iter().filter(|role| role.organization_id.is_some()).collect(),
        organization,
        connections,
    })
}

/// Goes through the pages of a list, the oldest items first.
#[derive(Default)]
struct Pages {
    begun: bool,
    after: Option<String>,
}

impl Pages {
    /// What to ask for next; `None` at the end.
    fn request(&mut self) -> Option<PageRequest> {
        let after = self.after.take();
        if self.begun && after.is_none() {
            return None;
        }
        self.begun = true;
        Some(PageRequest { limit: PageRequest::MAX_LIMIT, order: Order::Asc, before: None, after })
    }

    /// Remembers where the next page begins.
    fn took<T>(&mut self, page: Page<T>) -> Vec<T> {
        self.after = page.after;
        page.data
    }
}
