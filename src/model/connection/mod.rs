//! Connections: how an organization's people sign in through their own identity provider.

mod kind;
mod table;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use kind::ConnectionType;

use super::{audit, environment, event, given};
use crate::base::id::{ConnectionId, EnvironmentId, OrganizationDomainId, OrganizationId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::{Secret, random_alphanumeric};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::seal::{Place, Sealer};
use crate::upstream::{Settings, oidc};

/// A connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The organization whose people sign in by it.
    pub organization_id: OrganizationId,
    /// Its type.
    pub connection_type: ConnectionType,
    /// What people call it.
    pub name: String,
    /// Whether people can sign in by it.
    pub state: ConnectionState,
    /// The random part of its callback path, 25 characters of `[A-Za-z0-9]`.
    pub external_key: String,
    /// Raised by every change that a login in progress must notice.
    pub version: i64,
    /// How the identity provider is spoken to; `None` until it is configured.
    pub settings: Option<Settings>,
    /// What is done with the claims.
    pub policy: Policy,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    client_secret_sealed: Option<Vec<u8>>,
    next_client_secret_sealed: Option<Vec<u8>>,
}

/// Whether people can sign in by a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Created, not configured.
    Draft,
    /// Configured; nobody has signed in yet.
    Validating,
    /// People sign in.
    Active,
    /// Switched off.
    Inactive,
}

impl ConnectionState {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Validating => "validating",
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Draft, Self::Validating, Self::Active, Self::Inactive]
            .into_iter()
            .find(|state| state.as_str() == word)
    }

    /// Whether a login may begin and go on.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Validating | Self::Active)
    }
}

/// What is done with the claims of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// What a groups claim that is absent or incomplete means for the roles.
    pub incomplete_groups: IncompleteGroups,
    /// Which e-mail domains may sign in.
    pub email_domains: EmailDomains,
    /// Whether `email_verified` must be true.
    pub require_email_verified: bool,
    /// Whether everybody must sign in afresh at the identity provider, each time.
    pub force_reauthentication: bool,
    /// Whether sign-ins may begin at the identity provider (a tile; OpenID Connect Core section 4).
    pub idp_initiated: bool,
    /// Whether profiles carry all claims in `raw_attributes`.
    pub raw_attributes: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            incomplete_groups: IncompleteGroups::default(),
            email_domains: EmailDomains::default(),
            require_email_verified: false,
            force_reauthentication: false,
            idp_initiated: false,
            raw_attributes: true,
        }
    }
}

/// What a groups claim that is absent, cut or overflowed means on a connection with groups.
/// It is not the same as an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncompleteGroups {
    /// The default role, besides what the groups that came give.
    #[default]
    DefaultRole,
    /// The roles of the last sign-in stay, besides what the groups that came give.
    KeepRoles,
    /// Nobody signs in.
    Refuse,
}

/// Which e-mail domains may sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmailDomains {
    /// The organization's verified domains; all, if the organization allows profiles outside.
    #[default]
    Verified,
    /// All: the developer trusts this identity provider with any address.
    Any,
}

/// What a new connection is made of.
#[derive(Debug)]
pub struct NewConnection {
    /// The organization.
    pub organization_id: OrganizationId,
    /// The type.
    pub connection_type: ConnectionType,
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// What is done with the claims.
    pub policy: Policy,
}

/// The ids of a new connection, where they are given; else they are made.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Its id.
    pub id: Option<ConnectionId>,
    /// The part of its callback path that tells it from others, 16 to 64 characters of
    /// `[A-Za-z0-9]`: it keeps the redirect URI that is registered at the identity provider.
    pub external_key: Option<String>,
}

/// A change of what a connection is configured with; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// What people call it.
    pub name: Option<String>,
    /// How the identity provider is spoken to.
    pub settings: Option<Settings>,
    /// The client secret.
    pub client_secret: Option<Secret>,
    /// The second slot; `Some(None)` empties it.
    pub next_client_secret: Option<Option<Secret>>,
    /// What is done with the claims.
    pub policy: Option<Policy>,
}

/// The place of a sealed secret.
fn place<'a>(connection: (&'a ConnectionId, &'a EnvironmentId), column: &'static str) -> Place<'a> {
    let (id, environment) = connection;
    Place { table: "connections", row: id.as_str(), column, environment: environment.as_str() }
}

impl Connection {
    /// The client secrets: the present one, then the next one.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if one does not open.
    pub fn secrets(&self, sealer: &Sealer) -> Result<Vec<Secret>> {
        Ok(self.secret_slots(sealer)?.into_iter().flatten().collect())
    }

    /// The two slots: the present secret and the next one.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if one does not open.
    pub fn secret_slots(&self, sealer: &Sealer) -> Result<[Option<Secret>; 2]> {
        let here = (&self.id, &self.environment_id);
        let open = |column, sealed: &Option<Vec<u8>>| -> Result<Option<Secret>> {
            let Some(sealed) = sealed else { return Ok(None) };
            let bytes = sealer.open(place(here, column), sealed)?;
            let text = std::str::from_utf8(&bytes).map_err(Error::internal)?;
            Ok(Some(Secret::new(text)))
        };
        Ok([
            open("client_secret", &self.client_secret_sealed)?,
            open("next_client_secret", &self.next_client_secret_sealed)?,
        ])
    }

    /// Whether the first slot holds a secret.
    pub const fn has_client_secret(&self) -> bool {
        self.client_secret_sealed.is_some()
    }

    /// Whether the second slot holds a secret.
    pub const fn has_next_client_secret(&self) -> bool {
        self.next_client_secret_sealed.is_some()
    }

    /// The path of its callback.
    pub fn callback_path(&self) -> String {
        format!("/sso/oidc/{}/callback", self.external_key)
    }

    /// The path to which its identity provider sends people back after they logged out there.
    pub fn post_logout_path(&self) -> String {
        format!("/sso/oidc/{}/logout/callback", self.external_key)
    }

    /// The path at which its identity provider says that it has logged somebody out.
    pub fn idp_logout_path(&self) -> String {
        format!("/sso/oidc/idp-logout/{}", self.external_key)
    }

    /// Whether it has all that a sign-in needs.
    pub const fn is_configured(&self) -> bool {
        self.settings.is_some() && self.client_secret_sealed.is_some()
    }
}

/// Creates a connection that is not configured yet.
///
/// # Errors
///
/// [`Error::NotFound`] if the organization is not there, [`Error::Invalid`] for a bad name or a type
/// that does not work here.
pub async fn create(tx: &mut Tx, new: &NewConnection) -> Result<Connection> {
    create_as(tx, &Identity::default(), new).await
}

/// The same with ids that are given.
///
/// # Errors
///
/// As [`create`], and [`Error::Conflict`] if an id is taken, [`Error::Invalid`] if it is malformed.
pub async fn create_as(
    tx: &mut Tx,
    identity: &Identity,
    new: &NewConnection,
) -> Result<Connection> {
    if email_rules(tx, &new.organization_id).await?.is_none() {
        return Err(Error::not_found("Organization", new.organization_id.as_str()));
    }
    if new.connection_type.oidc_kind().is_none() {
        return Err(Error::invalid(
            "connection_type_unsupported",
            "connection_type",
            format!(
                "Connections of type {} cannot be created here; OktaOIDC, GenericOIDC, EntraIdOIDC \
                 and GoogleOIDC can.",
                new.connection_type.as_str()
            ),
        ));
    }
    if let Some(id) = &identity.id {
        given::check_free(tx, ("connections", "id"), id.as_str()).await?;
    }
    if let Some(key) = &identity.external_key {
        check_external_key(key)?;
        given::check_free(tx, ("connections", "external_key"), key).await?;
    }
    let connection = Connection {
        id: identity.id.clone().unwrap_or_else(|| tx.new_id()),
        environment_id: tx.environment_id(),
        organization_id: new.organization_id.clone(),
        connection_type: new.connection_type,
        name: check_name(&new.name)?,
        state: ConnectionState::Draft,
        external_key: identity.external_key.clone().unwrap_or_else(|| random_alphanumeric(25)),
        version: 1,
        settings: None,
        policy: new.policy.clone(),
        created_at: tx.now(),
        updated_at: tx.now(),
        client_secret_sealed: None,
        next_client_secret_sealed: None,
    };
    table::insert(tx, &connection).await?;
    let details = json!({
        "name": connection.name,
        "organization_id": connection.organization_id,
        "connection_type": connection.connection_type,
    });
    audit::record(tx, "connection.created", connection.id.as_str(), details).await?;
    Ok(connection)
}

/// Changes a connection. A login in progress notices new settings and secrets; a draft that has all
/// it needs begins to validate.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there, [`Error::Invalid`] for a bad name or bad settings.
pub async fn change(tx: &mut Tx, id: &str, sealer: &Sealer, change: Change) -> Result<Connection> {
    let mut connection = get_to_change(tx, id).await?;
    let before = described(&connection);
    let here = (&connection.id, &connection.environment_id);
    let seal = |column, secret: &Secret| {
        if secret.expose().is_empty() || secret.expose().len() > 4096 {
            let message = "A client secret has 1 to 4096 bytes.";
            return Err(Error::invalid("invalid_client_secret", "client_secret", message));
        }
        sealer.seal(place(here, column), secret.expose().as_bytes())
    };
    let secret = change.client_secret.map(|text| seal("client_secret", &text)).transpose()?;
    let next = match change.next_client_secret {
        None => None,
        Some(None) => Some(None),
        Some(Some(text)) => Some(Some(seal("next_client_secret", &text)?)),
    };
    // A next secret is tried besides the present one, so logins in progress may go on.
    let is_other = |settings| !speaks_alike(connection.settings.as_ref(), settings);
    if secret.is_some() || change.settings.as_ref().is_some_and(is_other) {
        connection.version += 1;
    }
    let secrets =
        json!({ "client_secret": secret.is_some(), "next_client_secret": next.is_some() });
    if let Some(name) = change.name {
        connection.name = check_name(&name)?;
    }
    if let Some(settings) = change.settings {
        connection.settings = Some(settings);
    }
    if let Some(sealed) = secret {
        connection.client_secret_sealed = Some(sealed);
    }
    if let Some(sealed) = next {
        connection.next_client_secret_sealed = sealed;
    }
    if let Some(policy) = change.policy {
        connection.policy = policy;
    }
    if connection.state == ConnectionState::Draft && connection.is_configured() {
        connection.state = ConnectionState::Validating;
    }
    let after = described(&connection);
    let details = json!({ "before": before, "after": after, "secrets_changed": secrets });
    audit::record(tx, "connection.updated", connection.id.as_str(), details).await?;
    store(tx, connection).await
}

/// Whether logins are made in the same way by both: when the secret ends is a note.
fn speaks_alike(known: Option<&Settings>, new: &Settings) -> bool {
    let Some(Settings::Oidc(known)) = known else { return false };
    let Settings::Oidc(new) = new;
    let ends = new.client_secret_expires_at;
    *new == oidc::Settings { client_secret_expires_at: ends, ..known.clone() }
}

/// What the audit trail shows of a connection: no secret.
fn described(connection: &Connection) -> serde_json::Value {
    json!({
        "name": connection.name,
        "oidc": connection.settings,
        "policy": connection.policy,
    })
}

/// Makes the next client secret the present one, which is forgotten: the end of a rotation. Logins in
/// progress go on: they use the secrets that there are when they need one.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there, [`Error::Invalid`] if the second slot is empty.
pub async fn promote_next_client_secret(
    tx: &mut Tx,
    id: &str,
    sealer: &Sealer,
) -> Result<Connection> {
    let mut connection = get_to_change(tx, id).await?;
    let Some(sealed) = connection.next_client_secret_sealed.take() else {
        let message = "There is no next client secret.";
        return Err(Error::invalid("no_next_client_secret", "next_client_secret", message));
    };
    // Sealed for its column, so that nobody can swap the two in the database.
    let here = (&connection.id, &connection.environment_id);
    let secret = sealer.open(place(here, "next_client_secret"), &sealed)?;
    connection.client_secret_sealed = Some(sealer.seal(place(here, "client_secret"), &secret)?);
    if let Some(Settings::Oidc(settings)) = &mut connection.settings {
        // What was known of the old secret says nothing of the new one.
        settings.client_secret_expires_at = None;
    }
    audit::record(tx, "connection.client_secret_promoted", id, json!({})).await?;
    store(tx, connection).await
}

/// Lets people sign in, and says so in an event if they could not before.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there, [`Error::Invalid`] if it is not configured.
pub async fn activate(tx: &mut Tx, id: &str) -> Result<Connection> {
    let connection = get_to_change(tx, id).await?;
    if !connection.is_configured() {
        let message = "The connection has no client ID, client secret and discovery endpoint yet.";
        return Err(Error::invalid("connection_not_configured", "state", message));
    }
    if connection.state == ConnectionState::Active {
        return Ok(connection);
    }
    switch_on(tx, connection).await
}

/// Lets everybody sign in by a connection that somebody has signed in by while it was validating.
/// One that was switched off meanwhile stays off.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there.
pub async fn pass_validation(tx: &mut Tx, id: &str) -> Result<()> {
    let connection = get_to_change(tx, id).await?;
    if connection.state == ConnectionState::Validating {
        switch_on(tx, connection).await?;
    }
    Ok(())
}

async fn switch_on(tx: &mut Tx, mut connection: Connection) -> Result<Connection> {
    connection.state = ConnectionState::Active;
    let connection = store(tx, connection).await?;
    record(tx, "connection.activated", &connection).await?;
    Ok(connection)
}

/// Switches a connection off: nobody signs in by it, and no code or token of it is good any more.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there.
pub async fn deactivate(tx: &mut Tx, id: &str) -> Result<Connection> {
    let mut connection = get_to_change(tx, id).await?;
    if connection.state == ConnectionState::Inactive {
        return Ok(connection);
    }
    connection.state = ConnectionState::Inactive;
    connection.version += 1;
    let connection = store(tx, connection).await?;
    record(tx, "connection.deactivated", &connection).await?;
    Ok(connection)
}

/// Deletes a connection with its groups, profiles, codes and tokens. Its SSO sessions stay.
///
/// # Errors
///
/// [`Error::NotFound`] if it is not there.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<()> {
    let connection = get(tx, id).await?;
    // The payload shows the state before the deletion.
    record(tx, "connection.deleted", &connection).await?;
    table::delete(tx, &connection.id).await
}

/// The connection with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has none.
pub async fn get(tx: &mut Tx, id: &str) -> Result<Connection> {
    find(tx, id).await?.ok_or_else(|| Error::not_found("Connection", id))
}

/// The same, to be changed: other units that change it wait until this one has ended, so that nobody
/// writes over what they did not see.
///
/// # Errors
///
/// As [`get`].
pub async fn get_to_change(tx: &mut Tx, id: &str) -> Result<Connection> {
    environment::lock(tx).await?;
    get(tx, id).await
}

/// As [`find`], from memory as long as the configuration is the same.
///
/// # Errors
///
/// As [`find`].
pub async fn recall(tx: &mut Tx, id: &str) -> Result<Option<Arc<Connection>>> {
    tx.recall("connection", id.as_bytes(), async |tx| find(tx, id).await).await
}

/// The connection with this id, if the environment has one.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Connection>> {
    match ConnectionId::parse(id) {
        Some(id) => table::find(tx, &id).await,
        // Such as one with a NUL, which PostgreSQL would refuse.
        None => Ok(None),
    }
}

/// The connection with this callback key. Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn find_by_external_key(tx: &mut Tx, key: &str) -> Result<Option<Connection>> {
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    table::find_by_external_key(tx, key).await
}

/// All connections of an organization, the oldest first.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn of_organization(tx: &mut Tx, id: &OrganizationId) -> Result<Vec<Connection>> {
    table::of_organization(tx, id).await
}

/// As [`of_organization`], from memory as long as the configuration is the same.
///
/// # Errors
///
/// As [`of_organization`].
pub async fn recall_of_organization(
    tx: &mut Tx,
    id: &OrganizationId,
) -> Result<Vec<Arc<Connection>>> {
    let load = async |tx: &mut Tx| {
        let all: Vec<_> = of_organization(tx, id).await?.into_iter().map(Arc::new).collect();
        Ok(Some(all).filter(|all| !all.is_empty()))
    };
    let known = tx.recall("connections of an organization", id.as_str().as_bytes(), load).await?;
    Ok(known.map(|all| (*all).clone()).unwrap_or_default())
}

/// What some connections are called.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn names(tx: &mut Tx, ids: &[ConnectionId]) -> Result<Vec<(ConnectionId, String)>> {
    if ids.is_empty() { Ok(Vec::new()) } else { table::names(tx, ids).await }
}

/// The states of all connections of some organizations.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn states(
    tx: &mut Tx,
    organization_ids: &[OrganizationId],
) -> Result<Vec<(OrganizationId, ConnectionState)>> {
    if organization_ids.is_empty() {
        return Ok(Vec::new());
    }
    table::states(tx, organization_ids).await
}

/// Which connections a list is to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this type.
    pub connection_type: Option<ConnectionType>,
    /// Of this organization.
    pub organization_id: Option<OrganizationId>,
    /// Of an organization with this domain.
    pub domain: Option<String>,
    /// With this text in the name.
    pub search: Option<String>,
}

/// Lists connections.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn list(tx: &mut Tx, filter: &Filter, page: &PageRequest) -> Result<Page<Connection>> {
    table::list(tx, filter, page).await
}

/// Which e-mail addresses belong to an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmailRules {
    /// Whether the organization lets anybody in.
    pub allow_outside: bool,
    /// Its verified domains.
    pub verified_domains: Vec<String>,
}

/// Which e-mail addresses belong to an organization; `None` if the environment has no such
/// organization. One statement, since every sign-in asks.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn email_rules(tx: &mut Tx, id: &OrganizationId) -> Result<Option<EmailRules>> {
    table::email_rules(tx, id).await
}

/// A domain as a connection lists it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ConnectionDomain {
    /// Always `connection_domain`.
    pub object: &'static str,
    /// The id of the organization's domain.
    pub id: OrganizationDomainId,
    /// The domain.
    pub domain: String,
}

/// The domains of a connection: those of its organization.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn domains(tx: &mut Tx, id: &OrganizationId) -> Result<Vec<ConnectionDomain>> {
    table::domains(tx, id).await
}

fn check_external_key(key: &str) -> Result<()> {
    if (16..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let message = "An external key has 16 to 64 letters and digits.";
    Err(Error::invalid("invalid_external_key", "external_key", message))
}

fn check_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(Error::invalid("invalid_name", "name", "A name has 1 to 100 characters."));
    }
    Ok(name.to_owned())
}

async fn store(tx: &mut Tx, mut connection: Connection) -> Result<Connection> {
    connection.updated_at = tx.now();
    table::update(tx, &connection).await?;
    Ok(connection)
}

/// Records an event with the connection as WorkOS's events carry it.
async fn record(tx: &mut Tx, name: &'static str, connection: &Connection) -> Result<()> {
    let domains: Vec<_> = domains(tx, &connection.organization_id)
        .await?
        .into_iter()
        .map(|domain| {
            let id = domain.id.as_str().replace(OrganizationDomainId::PREFIX, "conn_domain_");
            json!({ "object": "connection_domain", "id": id, "domain": domain.domain })
        })
        .collect();
    let data = json!({
        "object": "connection",
        "id": connection.id,
        "organization_id": connection.organization_id,
        "state": connection.state,
        "name": connection.name,
        "connection_type": connection.connection_type,
        "external_key": connection.external_key,
        "status": if connection.settings.is_some() { "linked" } else { "unlinked" },
        "domains": domains,
        "created_at": connection.created_at,
        "updated_at": connection.updated_at,
    });
    event::record(tx, name, Some(&connection.organization_id), &data).await
}
