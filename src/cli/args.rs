//! What can be typed: the commands that manage an installation, and their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::model::{administrator, environment};

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
    /// Administrators of the installation.
    #[command(subcommand)]
    Administrator(AdministratorCommand),
    /// The keys that seal secrets at rest.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The newest events.
    Events(Older),
}

impl Manage {
    /// Whether it may be what an installation begins with. All else is about something that is there.
    pub fn may_be_first(&self) -> bool {
        matches!(self, Self::Environment(EnvironmentCommand::Create { .. }))
    }
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
    },
    /// List all environments.
    List,
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
    },
}

/// Commands of administrators.
#[derive(Debug, Subcommand)]
pub enum AdministratorCommand {
    /// Print a new link for the first administrator; earlier ones are over.
    Link,
    /// List administrators and invitations.
    List,
    /// Print a link by which somebody becomes an administrator, good once and for a week.
    Invite {
        /// Their e-mail address.
        email: String,
        /// `admin`, `developer` or `support`.
        #[arg(long, default_value = "developer", value_parser = parse_role)]
        role: administrator::Role,
    },
    /// Print a link by which an administrator sets a new password, good once and for an hour. All
    /// their sessions end.
    Recover {
        /// Their e-mail address.
        email: String,
    },
    /// Remove an administrator; all their sessions end.
    Remove {
        /// Their e-mail address.
        email: String,
    },
}

/// Which part of a list that may be long.
#[derive(Debug, clap::Args)]
pub struct Older {
    /// Those that are older than this one: what the list before says as `after`
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
}

/// Commands of sealing keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List the keys by id, and how many values each has sealed.
    List,
    /// Seal everything with the first key, while the service runs. All nodes must have that key in
    /// front by then. If it is interrupted, run it again.
    Rotate,
}

/// Commands of API keys.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Create a key; it is printed once.
    Create {
        /// What to call it.
        name: String,
        /// Whether it may only look at what is no secret.
        #[arg(long)]
        read_only: bool,
    },
    /// List keys.
    List,
    /// Revoke a key at once.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// Commands of redirect URIs.
#[derive(Debug, Subcommand)]
pub enum RedirectUriCommand {
    /// Register a redirect URI; the first one becomes the default.
    Create {
        /// The URI, compared byte for byte.
        uri: String,
    },
    /// List redirect URIs.
    List,
    /// Make one the default.
    Default {
        /// Its id.
        id: String,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
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
    },
    /// List organizations.
    List,
    /// Delete an organization with its connections and profiles.
    Delete {
        /// Its id.
        id: String,
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
    },
    /// Ask DNS for the TXT record now.
    Verify {
        /// Its id.
        id: String,
    },
    /// Remove a domain.
    Delete {
        /// Its id.
        id: String,
    },
}

/// Where a client secret is read from: never from an argument, which other users could see.
#[derive(Debug, Args)]
pub struct SecretFrom {
    /// A file with the client secret; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) client_secret_file: Option<PathBuf>,
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
    },
    /// List connections.
    List,
    /// Show one connection.
    Show {
        /// Its id.
        id: String,
    },
    /// Let people sign in.
    Activate {
        /// Its id.
        id: String,
    },
    /// Switch it off.
    Deactivate {
        /// Its id.
        id: String,
    },
    /// Delete it with its profiles.
    Delete {
        /// Its id.
        id: String,
    },
}

/// What is entered about an OpenID Connect provider.
#[derive(Debug, Args)]
pub struct OidcArgs {
    /// The client id at the identity provider.
    #[arg(long)]
    pub(super) client_id: Option<String>,
    #[command(flatten)]
    pub(super) secret: SecretFrom,
    /// A tenant's domain, an issuer or a discovery endpoint.
    #[arg(long, value_name = "URL")]
    pub(super) discovery_endpoint: Option<String>,
    /// Another setting as JSON, such as `leeway_s=120` or `scopes=["openid","email"]`; may be
    /// repeated.
    #[arg(long = "set", value_name = "NAME=JSON", value_parser = parse_setting)]
    pub(super) more: Vec<(String, Value)>,
    /// A rule for claims as JSON, such as `incomplete_groups=keep_roles` or `email_domains=any`; may
    /// be repeated.
    #[arg(long, value_name = "NAME=JSON", value_parser = parse_setting)]
    pub(super) policy: Vec<(String, Value)>,
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
    },
    /// List the groups of a connection.
    List {
        /// The connection's id.
        connection: String,
    },
    /// Remove a group.
    Delete {
        /// The connection's id.
        connection: String,
        /// The group's id.
        id: String,
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
    },
    /// List the roles of the environment, the most important first.
    List,
    /// Put the roles in order, the most important first.
    Order {
        /// All slugs.
        slugs: Vec<String>,
    },
    /// Give this role to people without a matching group.
    Default {
        /// Its slug.
        slug: String,
    },
}

/// Commands of sessions.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List the newest login attempts.
    List(Older),
    /// Show one with its trace.
    Show {
        /// Its id: the reference number of an error page.
        id: String,
    },
}

fn parse_kind(word: &str) -> Result<environment::Kind, String> {
    environment::Kind::parse(word).ok_or_else(|| "it is sandbox or production".to_owned())
}

fn parse_role(word: &str) -> Result<administrator::Role, String> {
    administrator::Role::parse(word).ok_or_else(|| "it is admin, developer or support".to_owned())
}

fn parse_setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("it is NAME=JSON")?;
    // A word without quotation marks is a text.
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}
