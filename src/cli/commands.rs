//! The commands that manage an installation: each parses, calls one operation and prints.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::app::App;
use crate::base::id::{EnvironmentId, OrganizationDomainId, OrganizationId, RedirectUriId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::Secret;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::connection::{self, Connection, ConnectionState, ConnectionType, NewConnection};
use crate::model::environment::{self, Environment};
use crate::model::organization::{self, NewOrganization};
use crate::model::{
    api_key, connection_group, event, organization_domain, redirect_uri, role, sso_session,
};
use crate::setup;

/// Which environment a command works in.
#[derive(Debug, Args)]
pub struct Within {
    /// The environment, by id or client id; not needed where there is only one.
    #[arg(long, short, value_name = "ID")]
    environment: Option<String>,
    /// Settings.
    #[command(flatten)]
    pub settings: super::Overrides,
}

/// Everything that can be managed.
#[derive(Debug, Subcommand)]
pub enum Manage {
    /// Environments: each owns its keys, organizations and connections.
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// API keys of an environment.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Redirect URIs of the application.
    #[command(subcommand)]
    RedirectUri(RedirectUriCommand),
    /// Organizations.
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Domains of organizations.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Connections to identity providers.
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Groups of a connection and the roles they give.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Roles.
    #[command(subcommand)]
    Role(RoleCommand),
    /// Login attempts and their traces.
    #[command(subcommand)]
    Session(SessionCommand),
    /// The newest events.
    Events(#[command(flatten)] Within),
}

/// Commands of environments.
#[derive(Debug, Subcommand)]
pub enum EnvironmentCommand {
    /// Create an environment.
    Create {
        /// What to call it.
        name: String,
        /// `sandbox` or `production`.
        #[arg(long, default_value = "production", value_parser = parse_kind)]
        kind: environment::Kind,
        /// Settings.
        #[command(flatten)]
        settings: super::Overrides,
    },
    /// List all environments.
    List(#[command(flatten)] super::Overrides),
    /// Change what can be chosen.
    Set {
        /// `single` or `multiple`: whether a profile gets one role or all that its groups give.
        #[arg(long)]
        role_mode: Option<String>,
        /// `true` lets codes be redeemed without a secret, by PKCE alone.
        #[arg(long)]
        public_client: Option<bool>,
        /// `generic_connections`, `always` or `never`: who is asked whether to continue.
        #[arg(long)]
        signin_consent: Option<String>,
        #[command(flatten)]
        within: Within,
    },
}

/// Commands of API keys.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Create a key; it is printed once.
    Create {
        /// What to call it.
        name: String,
        #[command(flatten)]
        within: Within,
    },
    /// List keys.
    List(#[command(flatten)] Within),
    /// Revoke a key at once.
    Revoke {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

/// Commands of redirect URIs.
#[derive(Debug, Subcommand)]
pub enum RedirectUriCommand {
    /// Register a redirect URI; the first one becomes the default.
    Create {
        /// The URI, compared byte for byte.
        uri: String,
        #[command(flatten)]
        within: Within,
    },
    /// List redirect URIs.
    List(#[command(flatten)] Within),
    /// Make one the default.
    Default {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

/// Commands of organizations.
#[derive(Debug, Subcommand)]
pub enum OrganizationCommand {
    /// Create an organization.
    Create {
        /// What to call it.
        name: String,
        /// Your own id for it.
        #[arg(long)]
        external_id: Option<String>,
        #[command(flatten)]
        within: Within,
    },
    /// List organizations.
    List(#[command(flatten)] Within),
    /// Delete an organization with its connections and profiles.
    Delete {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

/// Commands of domains.
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Add a domain to an organization.
    Create {
        /// The organization's id.
        organization: String,
        /// The domain.
        domain: String,
        /// You vouch that it is theirs.
        #[arg(long)]
        verified: bool,
        #[command(flatten)]
        within: Within,
    },
    /// Remove a domain.
    Delete {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

/// Where a client secret is read from: never from an argument, which other users could see.
#[derive(Debug, Args)]
pub struct SecretFrom {
    /// A file with the client secret; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
}

/// Commands of connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionCommand {
    /// Create a connection; with client id, secret and discovery endpoint it is ready for a login.
    Create {
        /// The organization's id.
        organization: String,
        /// What to call it.
        name: String,
        /// OktaOIDC, GenericOIDC, EntraIdOIDC or GoogleOIDC.
        #[arg(long = "type", default_value = "OktaOIDC")]
        connection_type: String,
        #[command(flatten)]
        oidc: OidcArgs,
        #[command(flatten)]
        within: Within,
    },
    /// Change the name, the configuration or the client secret.
    Update {
        /// The connection's id.
        id: String,
        /// What to call it.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        oidc: OidcArgs,
        #[command(flatten)]
        within: Within,
    },
    /// List connections.
    List(#[command(flatten)] Within),
    /// Show one connection.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
    /// Let people sign in.
    Activate {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
    /// Switch it off.
    Deactivate {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
    /// Delete it with its profiles.
    Delete {
        /// Its id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

/// What is entered about an OpenID Connect provider.
#[derive(Debug, Args)]
pub struct OidcArgs {
    /// The client id at the identity provider.
    #[arg(long)]
    client_id: Option<String>,
    #[command(flatten)]
    secret: SecretFrom,
    /// A tenant's domain, an issuer or a discovery endpoint.
    #[arg(long, value_name = "URL")]
    discovery_endpoint: Option<String>,
    /// Another setting as JSON, such as `leeway_s=120` or `scopes=["openid","email"]`; may be
    /// repeated.
    #[arg(long = "set", value_name = "NAME=JSON", value_parser = parse_setting)]
    more: Vec<(String, Value)>,
    /// A rule for claims as JSON, such as `incomplete_groups=keep_roles` or `email_domains=any`; may
    /// be repeated.
    #[arg(long, value_name = "NAME=JSON", value_parser = parse_setting)]
    policy: Vec<(String, Value)>,
}

/// Commands of groups.
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Give the members of a group a role.
    Create {
        /// The connection's id.
        connection: String,
        /// The group as the identity provider names it: in Okta, its name.
        idp_id: String,
        /// The role's slug.
        #[arg(long)]
        role: String,
        /// What to call it here.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        within: Within,
    },
    /// List the groups of a connection.
    List {
        /// The connection's id.
        connection: String,
        #[command(flatten)]
        within: Within,
    },
    /// Remove a group.
    Delete {
        /// The connection's id.
        connection: String,
        /// The group's id.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

/// Commands of roles.
#[derive(Debug, Subcommand)]
pub enum RoleCommand {
    /// Create a role, at the bottom of the priority order.
    Create {
        /// The word that the application knows it by.
        slug: String,
        /// What to call it.
        name: String,
        #[command(flatten)]
        within: Within,
    },
    /// List the roles of the environment, the most important first.
    List(#[command(flatten)] Within),
    /// Put the roles in order, the most important first.
    Order {
        /// All slugs.
        slugs: Vec<String>,
        #[command(flatten)]
        within: Within,
    },
    /// Give this role to people without a matching group.
    Default {
        /// Its slug.
        slug: String,
        #[command(flatten)]
        within: Within,
    },
}

/// Commands of sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the newest login attempts.
    List(#[command(flatten)] Within),
    /// Show one with its trace.
    Show {
        /// Its id: the reference number of an error page.
        id: String,
        #[command(flatten)]
        within: Within,
    },
}

fn parse_kind(word: &str) -> Result<environment::Kind, String> {
    environment::Kind::parse(word).ok_or_else(|| "it is sandbox or production".to_owned())
}

fn parse_setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=JSON")?;
    // A word without quotation marks is a text.
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

impl Manage {
    /// The settings that were given with the command.
    pub fn settings(&self) -> &super::Overrides {
        use {
            ApiKeyCommand as Key, ConnectionCommand as Conn, DomainCommand as Dom,
            EnvironmentCommand as Env, GroupCommand as Grp, OrganizationCommand as Org,
            RedirectUriCommand as Uri, RoleCommand as Rol, SessionCommand as Ses,
        };
        match self {
            Self::Environment(Env::Create { settings, .. } | Env::List(settings)) => settings,
            Self::Environment(Env::Set { within, .. })
            | Self::ApiKey(
                Key::Create { within, .. } | Key::List(within) | Key::Revoke { within, .. },
            )
            | Self::RedirectUri(
                Uri::Create { within, .. }
                | Uri::List(within)
                | Uri::Default { within, .. }
                | Uri::Delete { within, .. },
            )
            | Self::Organization(
                Org::Create { within, .. } | Org::List(within) | Org::Delete { within, .. },
            )
            | Self::Domain(Dom::Create { within, .. } | Dom::Delete { within, .. })
            | Self::Connection(
                Conn::Create { within, .. }
                | Conn::Update { within, .. }
                | Conn::List(within)
                | Conn::Show { within, .. }
                | Conn::Activate { within, .. }
                | Conn::Deactivate { within, .. }
                | Conn::Delete { within, .. },
            )
            | Self::Group(
                Grp::Create { within, .. } | Grp::List { within, .. } | Grp::Delete { within, .. },
            )
            | Self::Role(
                Rol::Create { within, .. }
                | Rol::List(within)
                | Rol::Order { within, .. }
                | Rol::Default { within, .. },
            )
            | Self::Session(Ses::List(within) | Ses::Show { within, .. })
            | Self::Events(within) => &within.settings,
        }
    }
}

/// Runs a command; returns what to print.
///
/// # Errors
///
/// What the operation returns.
pub async fn run(app: &App, command: Manage) -> Result<Value> {
    match command {
        Manage::Environment(command) => environments(app, command).await,
        Manage::ApiKey(command) => api_keys(app, command).await,
        Manage::RedirectUri(command) => redirect_uris(app, command).await,
        Manage::Organization(command) => organizations(app, command).await,
        Manage::Domain(command) => domains(app, command).await,
        Manage::Connection(command) => connections(app, command).await,
        Manage::Group(command) => groups(app, command).await,
        Manage::Role(command) => roles(app, command).await,
        Manage::Session(command) => sessions(app, command).await,
        Manage::Events(within) => {
            let filter = event::Filter::default();
            read(app, &within, async move |tx| listed(event::list(tx, &filter, &all()).await?))
                .await
        }
    }
}

async fn environments(app: &App, command: EnvironmentCommand) -> Result<Value> {
    let nobody = Caller::anonymous();
    match command {
        EnvironmentCommand::Create { name, kind, .. } => {
            let new = environment::NewEnvironment { name, kind };
            app.db.write(&nobody, async move |tx| shown(environment::create(tx, &new).await?)).await
        }
        EnvironmentCommand::List(_) => {
            app.db.read(&nobody, async |tx| shown(environment::list_all(tx).await?)).await
        }
        EnvironmentCommand::Set { role_mode, public_client, signin_consent, within } => {
            let chosen = json!({
                "role_mode": role_mode,
                "public_client": public_client,
                "signin_consent": signin_consent,
            });
            let settings = serde_json::from_value(chosen).map_err(|error| {
                Error::invalid("invalid_settings", "settings", error.to_string())
            })?;
            let change = environment::Change { name: None, settings: Some(settings) };
            write(app, &within, async move |tx| shown(environment::update(tx, &change).await?))
                .await
        }
    }
}

async fn api_keys(app: &App, command: ApiKeyCommand) -> Result<Value> {
    match command {
        ApiKeyCommand::Create { name, within } => {
            let new = api_key::NewApiKey { name, expires_at: None };
            write(app, &within, async move |tx| {
                let (key, secret) = api_key::create(tx, &new).await?;
                let mut shown = shown(key)?;
                shown["value"] = secret.expose().into();
                Ok(shown)
            })
            .await
        }
        ApiKeyCommand::List(within) => {
            read(app, &within, async |tx| listed(api_key::list(tx, &all()).await?)).await
        }
        ApiKeyCommand::Revoke { id, within } => {
            write(app, &within, async move |tx| done(api_key::revoke(tx, &id).await)).await
        }
    }
}

async fn redirect_uris(app: &App, command: RedirectUriCommand) -> Result<Value> {
    match command {
        RedirectUriCommand::Create { uri, within } => {
            write(app, &within, async move |tx| shown(redirect_uri::create(tx, &uri).await?)).await
        }
        RedirectUriCommand::List(within) => {
            read(app, &within, async |tx| listed(redirect_uri::list(tx, &all()).await?)).await
        }
        RedirectUriCommand::Default { id, within } => {
            let id = RedirectUriId::parse(&id).ok_or_else(|| no("Redirect URI", &id))?;
            write(app, &within, async move |tx| shown(redirect_uri::make_default(tx, &id).await?))
                .await
        }
        RedirectUriCommand::Delete { id, within } => {
            let id = RedirectUriId::parse(&id).ok_or_else(|| no("Redirect URI", &id))?;
            write(app, &within, async move |tx| done(redirect_uri::delete(tx, &id).await)).await
        }
    }
}

async fn organizations(app: &App, command: OrganizationCommand) -> Result<Value> {
    match command {
        OrganizationCommand::Create { name, external_id, within } => {
            let new = NewOrganization {
                name,
                external_id,
                domain_data: None,
                domains: None,
                metadata: None,
                allow_profiles_outside_organization: None,
            };
            write(app, &within, async move |tx| shown(organization::create(tx, &new).await?)).await
        }
        OrganizationCommand::List(within) => {
            read(app, &within, async |tx| {
                listed(organization::list(tx, &organization::Filter::default(), &all()).await?)
            })
            .await
        }
        OrganizationCommand::Delete { id, within } => {
            let id = organization_id(&id)?;
            write(app, &within, async move |tx| done(organization::delete(tx, &id).await)).await
        }
    }
}

async fn domains(app: &App, command: DomainCommand) -> Result<Value> {
    match command {
        DomainCommand::Create { organization, domain, verified, within } => {
            let id = organization_id(&organization)?;
            write(app, &within, async move |tx| {
                shown(organization_domain::create(tx, &id, &domain, verified).await?)
            })
            .await
        }
        DomainCommand::Delete { id, within } => {
            let id =
                OrganizationDomainId::parse(&id).ok_or_else(|| no("Organization Domain", &id))?;
            write(app, &within, async move |tx| done(organization_domain::delete(tx, &id).await))
                .await
        }
    }
}

async fn connections(app: &App, command: ConnectionCommand) -> Result<Value> {
    match command {
        ConnectionCommand::Create { organization, name, connection_type, oidc, within } => {
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
            let caller = caller(app, &within).await?;
            saved(app, setup::create(app, &caller, new, change).await?)
        }
        ConnectionCommand::Update { id, name, oidc, within } => {
            let change = entered(oidc, name)?;
            let caller = caller(app, &within).await?;
            saved(app, setup::update(app, &caller, &id, change).await?)
        }
        ConnectionCommand::List(within) => {
            let handle = app.clone();
            read(app, &within, async move |tx| {
                let filter = connection::Filter::default();
                let page = connection::list(tx, &filter, &all()).await?;
                listed(page.map(|item| connection_json(&handle, &item)))
            })
            .await
        }
        ConnectionCommand::Show { id, within } => {
            let handle = app.clone();
            read(app, &within, async move |tx| {
                Ok(connection_json(&handle, &connection::get(tx, &id).await?))
            })
            .await
        }
        ConnectionCommand::Activate { id, within } => {
            switch(app, &within, &id, ConnectionState::Active).await
        }
        ConnectionCommand::Deactivate { id, within } => {
            switch(app, &within, &id, ConnectionState::Inactive).await
        }
        ConnectionCommand::Delete { id, within } => {
            write(app, &within, async move |tx| done(connection::delete(tx, &id).await)).await
        }
    }
}

async fn switch(app: &App, within: &Within, id: &str, state: ConnectionState) -> Result<Value> {
    let change = setup::Change { state: Some(state), ..setup::Change::default() };
    saved(app, setup::update(app, &caller(app, within).await?, id, change).await?)
}

async fn groups(app: &App, command: GroupCommand) -> Result<Value> {
    match command {
        GroupCommand::Create { connection, idp_id, role, name, within } => {
            let new = connection_group::NewGroup { idp_id, name, role };
            write(app, &within, async move |tx| {
                shown(connection_group::create(tx, &connection, &new).await?)
            })
            .await
        }
        GroupCommand::List { connection, within } => {
            read(app, &within, async move |tx| {
                listed(connection_group::list(tx, &connection, &all()).await?)
            })
            .await
        }
        GroupCommand::Delete { connection, id, within } => {
            write(app, &within, async move |tx| {
                done(connection_group::delete(tx, &connection, &id).await)
            })
            .await
        }
    }
}

async fn roles(app: &App, command: RoleCommand) -> Result<Value> {
    match command {
        RoleCommand::Create { slug, name, within } => {
            let new = role::NewRole { slug, name, description: None, resource_type_slug: None };
            write(app, &within, async move |tx| shown(role::create(tx, None, &new).await?)).await
        }
        RoleCommand::List(within) => {
            read(app, &within, async |tx| shown(role::list(tx).await?)).await
        }
        RoleCommand::Order { slugs, within } => {
            write(app, &within, async move |tx| shown(role::reorder(tx, None, &slugs).await?)).await
        }
        RoleCommand::Default { slug, within } => {
            write(app, &within, async move |tx| shown(role::make_default(tx, &slug).await?)).await
        }
    }
}

async fn sessions(app: &App, command: SessionCommand) -> Result<Value> {
    match command {
        SessionCommand::List(within) => {
            read(app, &within, async |tx| {
                listed(sso_session::list(tx, &sso_session::Filter::default(), &all()).await?)
            })
            .await
        }
        SessionCommand::Show { id, within } => {
            read(app, &within, async move |tx| shown(sso_session::get(tx, &id).await?)).await
        }
    }
}

/// The environment that a command works in.
async fn caller(app: &App, within: &Within) -> Result<Caller> {
    let all: Vec<Environment> =
        app.db.read(&Caller::anonymous(), async |tx| environment::list_all(tx).await).await?;
    let found: Option<EnvironmentId> = match &within.environment {
        Some(name) => all
            .into_iter()
            .find(|it| it.id.as_str() == name || it.client_id == *name || it.name == *name)
            .map(|it| it.id),
        None if all.len() == 1 => all.into_iter().next().map(|it| it.id),
        None => {
            let message = "There is not exactly one environment: name one with --environment.";
            return Err(Error::invalid("environment_needed", "environment", message));
        }
    };
    let id = found
        .ok_or_else(|| no("Environment", within.environment.as_deref().unwrap_or_default()))?;
    Ok(Caller { actor_id: "command line".to_owned(), ..Caller::system(id) })
}

async fn read<F>(app: &App, within: &Within, unit: F) -> Result<Value>
where
    F: AsyncFn(&mut Tx) -> Result<Value> + Send + 'static,
{
    app.db.read(&caller(app, within).await?, unit).await
}

async fn write<F>(app: &App, within: &Within, unit: F) -> Result<Value>
where
    F: AsyncFn(&mut Tx) -> Result<Value> + Send + 'static,
{
    app.db.write(&caller(app, within).await?, unit).await
}

fn all() -> PageRequest {
    PageRequest { limit: PageRequest::MAX_LIMIT, ..PageRequest::default() }
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
fn saved(app: &App, saved: setup::Saved) -> Result<Value> {
    let mut value = connection_json(app, &saved.connection);
    value["notes"] = saved.notes.into();
    value["warnings"] = saved.warnings.into();
    Ok(value)
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
