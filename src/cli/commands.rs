//! What the commands do: each calls one operation and returns what to print.

use std::io::Read;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::{
    ApiKeyCommand, ConnectionCommand, DomainCommand, EnvironmentCommand, GroupCommand, Manage,
    OidcArgs, Older, OrganizationCommand, RedirectUriCommand, RoleCommand, SessionCommand,
};
use super::{administrators, keys};
use crate::app::App;
use crate::base::id::{OrganizationDomainId, OrganizationId, RedirectUriId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::Secret;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::api_key::{self, Access, NewApiKey};
use crate::model::connection::{self, Connection, ConnectionState, ConnectionType, NewConnection};
use crate::model::environment::{self, Environment};
use crate::model::organization::{self, NewOrganization};
use crate::model::{connection_group, event, organization_domain, redirect_uri, role, sso_session};
use crate::{domains, setup};

/// What the commands work with.
#[derive(Debug)]
pub struct Session {
    /// The handles.
    pub app: App,
    /// Which environment, by id, client id or name; not needed where there is only one.
    pub environment: Option<String>,
}

impl Session {
    /// The operator, in the environment that the commands are for.
    pub(super) async fn caller(&self) -> Result<Caller> {
        let nobody = Caller::anonymous();
        let all: Vec<Environment> =
            self.app.db.read(&nobody, async |tx| environment::list_all(tx).await).await?;
        let mut fitting = all.into_iter().filter(|it| match &self.environment {
            Some(name) => it.id.as_str() == name || it.client_id == *name || it.name == *name,
            None => true,
        });
        match (fitting.next(), fitting.next(), &self.environment) {
            (Some(found), None, _) => {
                Ok(Caller { actor_id: "command line".to_owned(), ..Caller::system(found.id) })
            }
            (None, _, Some(name)) => Err(no("Environment", name)),
            (None, ..) => {
                let message =
                    "There is no environment yet: `vestibule environment create` makes one.";
                Err(Error::invalid("environment_needed", "environment", message))
            }
            (Some(_), ..) => {
                let message = match &self.environment {
                    None => "There are several environments: name one with --environment.",
                    Some(_) => "Several environments have this name: name one by its id.",
                };
                Err(Error::invalid("environment_needed", "environment", message))
            }
        }
    }

    async fn read<F>(&self, unit: F) -> Result<Value>
    where
        F: AsyncFn(&mut Tx) -> Result<Value> + Send + 'static,
    {
        self.app.db.read(&self.caller().await?, unit).await
    }

    async fn write<F>(&self, unit: F) -> Result<Value>
    where
        F: AsyncFn(&mut Tx) -> Result<Value> + Send + 'static,
    {
        self.app.db.write(&self.caller().await?, unit).await
    }
}

/// Runs a command; returns what to print.
///
/// # Errors
///
/// What the operation returns.
pub async fn run(session: &Session, command: Manage) -> Result<Value> {
    match command {
        Manage::Environment(command) => environments(session, command).await,
        Manage::ApiKey(command) => api_keys(session, command).await,
        Manage::RedirectUri(command) => redirect_uris(session, command).await,
        Manage::Organization(command) => organizations(session, command).await,
        Manage::Domain(command) => organization_domains(session, command).await,
        Manage::Connection(command) => connections(session, command).await,
        Manage::Group(command) => groups(session, command).await,
        Manage::Role(command) => roles(session, command).await,
        Manage::Session(command) => sessions(session, command).await,
        Manage::Administrator(command) => administrators::run(&session.app, command).await,
        Manage::Keys(command) => keys::run(&session.app, command).await,
        Manage::Events(Older { after }) => {
            let filter = event::Filter::default();
            let request = PageRequest { after, ..most() };
            session.read(async move |tx| listed(event::list(tx, &filter, &request).await?)).await
        }
    }
}

async fn environments(session: &Session, command: EnvironmentCommand) -> Result<Value> {
    let nobody = Caller::anonymous();
    match command {
        EnvironmentCommand::Create { name, kind } => {
            let new = environment::NewEnvironment { name, kind };
            session
                .app
                .db
                .write(&nobody, async move |tx| shown(environment::create(tx, &new).await?))
                .await
        }
        EnvironmentCommand::List => {
            session.app.db.read(&nobody, async |tx| shown(environment::list_all(tx).await?)).await
        }
        EnvironmentCommand::Set { role_mode, public_client, signin_consent } => {
            let chosen = json!({
                "role_mode": role_mode,
                "public_client": public_client,
                "signin_consent": signin_consent,
            });
            let settings = serde_json::from_value(chosen).map_err(|error| {
                Error::invalid("invalid_settings", "settings", error.to_string())
            })?;
            let change = environment::Change { name: None, settings: Some(settings) };
            session.write(async move |tx| shown(environment::update(tx, &change).await?)).await
        }
    }
}

async fn api_keys(session: &Session, command: ApiKeyCommand) -> Result<Value> {
    match command {
        ApiKeyCommand::Create { name, read_only } => {
            let access = if read_only { Access::Read } else { Access::Full };
            let new = NewApiKey { access, ..NewApiKey::named(name) };
            session
                .write(async move |tx| {
                    let (key, secret) = api_key::create(tx, &new).await?;
                    let mut shown = shown(key)?;
                    shown["value"] = secret.expose().into();
                    Ok(shown)
                })
                .await
        }
        ApiKeyCommand::List => {
            session.read(async |tx| whole(async |page| api_key::list(tx, page).await).await).await
        }
        ApiKeyCommand::Revoke { id } => {
            session.write(async move |tx| done(api_key::revoke(tx, &id).await)).await
        }
    }
}

async fn redirect_uris(session: &Session, command: RedirectUriCommand) -> Result<Value> {
    match command {
        RedirectUriCommand::Create { uri } => {
            session.write(async move |tx| shown(redirect_uri::create(tx, &uri).await?)).await
        }
        RedirectUriCommand::List => {
            session
                .read(async |tx| whole(async |page| redirect_uri::list(tx, page).await).await)
                .await
        }
        RedirectUriCommand::Default { id } => {
            let id = RedirectUriId::parse(&id).ok_or_else(|| no("Redirect URI", &id))?;
            session.write(async move |tx| shown(redirect_uri::make_default(tx, &id).await?)).await
        }
        RedirectUriCommand::Delete { id } => {
            let id = RedirectUriId::parse(&id).ok_or_else(|| no("Redirect URI", &id))?;
            session.write(async move |tx| done(redirect_uri::delete(tx, &id).await)).await
        }
    }
}

async fn organizations(session: &Session, command: OrganizationCommand) -> Result<Value> {
    match command {
        OrganizationCommand::Create { name, external_id } => {
            let new = NewOrganization {
                name,
                external_id,
                domain_data: None,
                domains: None,
                metadata: None,
                allow_profiles_outside_organization: None,
            };
            session.write(async move |tx| shown(organization::create(tx, &new).await?)).await
        }
        OrganizationCommand::List => {
            session
                .read(async |tx| {
                    let filter = organization::Filter::default();
                    whole(async |page| organization::list(tx, &filter, page).await).await
                })
                .await
        }
        OrganizationCommand::Delete { id } => {
            let id = organization_id(&id)?;
            session.write(async move |tx| done(organization::delete(tx, &id).await)).await
        }
    }
}

async fn organization_domains(session: &Session, command: DomainCommand) -> Result<Value> {
    match command {
        DomainCommand::Create { organization, domain, verified } => {
            let id = organization_id(&organization)?;
            session
                .write(async move |tx| {
                    shown(organization_domain::create(tx, &id, &domain, verified).await?)
                })
                .await
        }
        DomainCommand::Verify { id } => {
            let id = organization_domain_id(&id)?;
            let settled = domains::verify(&session.app, &session.caller().await?, &id).await?;
            let mut value = shown(&settled.domain)?;
            value["verification_check"] = shown(&settled.check)?;
            Ok(value)
        }
        DomainCommand::Delete { id } => {
            let id = organization_domain_id(&id)?;
            session.write(async move |tx| done(organization_domain::delete(tx, &id).await)).await
        }
    }
}

async fn connections(session: &Session, command: ConnectionCommand) -> Result<Value> {
    match command {
        ConnectionCommand::Create { organization, name, connection_type, oidc } => {
            let unknown = || {
                let message = format!("'{connection_type}' is no connection type.");
                Error::invalid("invalid_connection_type", "type", message)
            };
            let new = NewConnection {
                organization_id: organization_id(&organization)?,
                connection_type: ConnectionType::parse(&connection_type).ok_or_else(unknown)?,
                name,
                policy: connection::Policy::default(),
            };
            let change = entered(oidc, None)?;
            let caller = session.caller().await?;
            Ok(saved(&session.app, setup::create(&session.app, &caller, new, change).await?))
        }
        ConnectionCommand::Update { id, name, oidc } => {
            let change = entered(oidc, name)?;
            let caller = session.caller().await?;
            Ok(saved(&session.app, setup::update(&session.app, &caller, &id, change).await?))
        }
        ConnectionCommand::List => {
            let app = session.app.clone();
            session
                .read(async move |tx| {
                    let filter = connection::Filter::default();
                    whole(async |page| {
                        let page = connection::list(tx, &filter, page).await?;
                        Ok(page.map(|item| connection_json(&app, &item)))
                    })
                    .await
                })
                .await
        }
        ConnectionCommand::Show { id } => {
            let app = session.app.clone();
            session
                .read(async move |tx| Ok(connection_json(&app, &connection::get(tx, &id).await?)))
                .await
        }
        ConnectionCommand::Activate { id } => switch(session, &id, ConnectionState::Active).await,
        ConnectionCommand::Deactivate { id } => {
            switch(session, &id, ConnectionState::Inactive).await
        }
        ConnectionCommand::Delete { id } => {
            session.write(async move |tx| done(connection::delete(tx, &id).await)).await
        }
    }
}

async fn switch(session: &Session, id: &str, state: ConnectionState) -> Result<Value> {
    let change = setup::Change { state: Some(state), ..setup::Change::default() };
    let caller = session.caller().await?;
    Ok(saved(&session.app, setup::update(&session.app, &caller, id, change).await?))
}

async fn groups(session: &Session, command: GroupCommand) -> Result<Value> {
    match command {
        GroupCommand::Create { connection, idp_id, role, name } => {
            let new = connection_group::NewGroup { idp_id, name, role };
            session
                .write(async move |tx| {
                    shown(connection_group::create(tx, &connection, &new).await?)
                })
                .await
        }
        GroupCommand::List { connection } => {
            session
                .read(async move |tx| {
                    whole(async |page| connection_group::list(tx, &connection, page).await).await
                })
                .await
        }
        GroupCommand::Delete { connection, id } => {
            session
                .write(async move |tx| done(connection_group::delete(tx, &connection, &id).await))
                .await
        }
    }
}

async fn roles(session: &Session, command: RoleCommand) -> Result<Value> {
    match command {
        RoleCommand::Create { slug, name } => {
            let new = role::NewRole { slug, name, description: None, resource_type_slug: None };
            session.write(async move |tx| shown(role::create(tx, None, &new).await?)).await
        }
        RoleCommand::List => session.read(async |tx| shown(role::list(tx).await?)).await,
        RoleCommand::Order { slugs } => {
            session.write(async move |tx| shown(role::reorder(tx, None, &slugs).await?)).await
        }
        RoleCommand::Default { slug } => {
            session.write(async move |tx| shown(role::make_default(tx, &slug).await?)).await
        }
    }
}

async fn sessions(session: &Session, command: SessionCommand) -> Result<Value> {
    match command {
        SessionCommand::List(Older { after }) => {
            let request = PageRequest { after, ..most() };
            session
                .read(async move |tx| {
                    let filter = sso_session::Filter::default();
                    listed(sso_session::list(tx, &filter, &request).await?)
                })
                .await
        }
        SessionCommand::Show { id } => {
            session.read(async move |tx| shown(sso_session::get(tx, &id).await?)).await
        }
    }
}

/// As much as one page has.
fn most() -> PageRequest {
    PageRequest { limit: PageRequest::MAX_LIMIT, ..PageRequest::default() }
}

/// A whole list, page by page.
async fn whole<T: serde::Serialize>(
    mut list: impl AsyncFnMut(&PageRequest) -> Result<Page<T>>,
) -> Result<Value> {
    let mut page = list(&most()).await?;
    while let Some(after) = page.after.take() {
        let next = list(&PageRequest { after: Some(after), ..most() }).await?;
        page.data.extend(next.data);
        page.after = next.after;
    }
    listed(page)
}

fn shown(value: impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::internal)
}

fn listed<T: serde::Serialize>(page: Page<T>) -> Result<Value> {
    let data = shown(page.data)?;
    let cursors = json!({ "before": page.before, "after": page.after });
    Ok(json!({ "object": "list", "data": data, "list_metadata": cursors }))
}

fn done(outcome: Result<()>) -> Result<Value> {
    outcome.map(|()| json!({ "done": true }))
}

fn no(entity: &'static str, id: &str) -> Error {
    Error::not_found(entity, id)
}

fn organization_id(text: &str) -> Result<OrganizationId> {
    OrganizationId::parse(text).ok_or_else(|| no("Organization", text))
}

fn organization_domain_id(text: &str) -> Result<OrganizationDomainId> {
    OrganizationDomainId::parse(text).ok_or_else(|| no("Organization Domain", text))
}

/// What was entered about a connection.
fn entered(args: OidcArgs, name: Option<String>) -> Result<setup::Change> {
    let client_secret = args.secret.client_secret_file.map(read_secret).transpose()?;
    let nothing = args.client_id.is_none()
        && client_secret.is_none()
        && args.discovery_endpoint.is_none()
        && args.more.is_empty();
    let oidc = (!nothing).then(|| setup::Oidc {
        client_id: args.client_id,
        client_secret,
        next_client_secret: None,
        discovery_endpoint: args.discovery_endpoint,
        more: args.more.into_iter().collect(),
    });
    Ok(setup::Change { name, oidc, policy: args.policy.into_iter().collect(), state: None })
}

fn read_secret(path: PathBuf) -> Result<Secret> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(&path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| {
        let message = format!("The secret in {} cannot be read: {error}.", path.display());
        Error::invalid("unreadable_secret", "client_secret_file", message)
    })?;
    Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// A connection as it was saved, with what its administrator should know on stderr.
fn saved(app: &App, saved: setup::Saved) -> Value {
    let mut value = connection_json(app, &saved.connection);
    value["notes"] = saved.notes.into();
    value["warnings"] = saved.warnings.into();
    value
}

fn connection_json(app: &App, connection: &Connection) -> Value {
    json!({
        "object": "connection",
        "id": connection.id,
        "organization_id": connection.organization_id,
        "connection_type": connection.connection_type,
        "name": connection.name,
        "state": connection.state,
        "redirect_uri": app.callback_uri(connection),
        "oidc": connection.settings,
        "client_secret": if connection.has_client_secret() { "set" } else { "missing" },
        "policy": connection.policy,
        "created_at": connection.created_at,
        "updated_at": connection.updated_at,
    })
}
