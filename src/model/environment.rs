//! Environments: each owns its keys, organizations, connections and everything below them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{audit, field, given, redirect_uri, role};
use crate::base::id::EnvironmentId;
use crate::base::redirect_uri::{Rules, leaving_address};
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Row, Tx};

/// How many addresses an environment may have to which people are sent after they logged out.
const MAX_LOGOUT_URIS: usize = 20;

/// An environment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Environment {
    /// Always `environment`.
    pub object: &'static str,
    /// Its id.
    pub id: EnvironmentId,
    /// What people call it.
    pub name: String,
    /// What it is for: decides which redirect URIs may be registered.
    pub kind: Kind,
    /// The OAuth client id of the application (RFC 6749 section 2.2).
    pub client_id: String,
    /// What can be chosen.
    pub settings: Settings,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For trying out: http and localhost redirect URIs are allowed.
    Sandbox,
    /// For customers: https only.
    Production,
}

impl Kind {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }

    /// Which redirect URIs may be registered.
    pub const fn redirect_rules(self) -> Rules {
        match self {
            Self::Sandbox => Rules::Sandbox,
            Self::Production => Rules::Production,
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Sandbox, Self::Production].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What can be chosen for an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Settings {
    /// Whether a profile gets one role or all that its groups give.
    pub role_mode: RoleMode,
    /// Whether the application may redeem codes without a secret, by PKCE alone (RFC 8252).
    pub public_client: bool,
    /// Who is asked whether to continue after the identity provider.
    pub signin_consent: SigninConsent,
    /// Whether an organization's IT administrator may give roles to groups in the setup portal.
    pub portal_group_mapping: bool,
    /// Where the way back from the setup portal leads, for links that do not say.
    pub portal_return_url: Option<String>,
    /// Where who has finished the setup is sent, for links that do not say.
    pub portal_success_url: Option<String>,
    /// What access tokens are.
    pub access_tokens: AccessTokens,
    /// Where people may be sent after they logged out, compared byte for byte; the first one is used
    /// where a logout names none. Without any, they stay on a page of ours.
    pub logout_uris: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            role_mode: RoleMode::default(),
            public_client: false,
            signin_consent: SigninConsent::default(),
            portal_group_mapping: true,
            portal_return_url: None,
            portal_success_url: None,
            access_tokens: AccessTokens::default(),
            logout_uris: Vec::new(),
        }
    }
}

/// What access tokens are. Either kind reads its profile, until it is revoked or too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessTokens {
    /// Random texts.
    #[default]
    Opaque,
    /// JWTs (RFC 9068), which the application can verify by itself with the keys of
    /// `/sso/jwks/{client_id}`. That they are revoked it cannot see.
    Jwt,
}

/// Whether a profile gets one role or several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RoleMode {
    /// The matching role of the highest priority.
    #[default]
    Single,
    /// All matching roles.
    Multiple,
}

/// Who is asked whether to continue, once per browser and connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SigninConsent {
    /// Those who come through a generic connection, whose identity provider can be anybody's.
    #[default]
    GenericConnections,
    /// Everybody.
    Always,
    /// Nobody.
    Never,
}

/// What a new environment is made of.
#[derive(Clone, Debug)]
pub struct NewEnvironment {
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
}

/// The ids of a new environment, where they are given; else they are made.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Its id.
    pub id: Option<EnvironmentId>,
    /// The client id of the application: 1 to 100 letters, digits, `-` and `_`.
    pub client_id: Option<String>,
}

/// What is to be changed of an environment; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
pub struct Change {
    /// What people call it, 1 to 100 characters.
    pub name: Option<String>,
    /// What can be chosen.
    pub settings: Option<SettingsChange>,
}

/// What is to be chosen differently; what is absent stays as it is.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
pub struct SettingsChange {
    /// Whether a profile gets one role or all that its groups give.
    pub role_mode: Option<RoleMode>,
    /// Whether the application may redeem codes without a secret, by PKCE alone (RFC 8252).
    pub public_client: Option<bool>,
    /// Who is asked whether to continue after the identity provider.
    pub signin_consent: Option<SigninConsent>,
    /// Whether an organization's IT administrator may give roles to groups in the setup portal.
    pub portal_group_mapping: Option<bool>,
    /// Where the way back from the setup portal leads, for links that do not say: an address on the
    /// origin of a redirect URI. An empty one takes it away.
    pub portal_return_url: Option<String>,
    /// Where who has finished the setup is sent, for links that do not say. As `portal_return_url`.
    pub portal_success_url: Option<String>,
    /// What access tokens are.
    pub access_tokens: Option<AccessTokens>,
    /// Where people may be sent after they logged out: at most 20 addresses, the one that is used
    /// where a logout names none first.
    pub logout_uris: Option<Vec<String>>,
}

const COLUMNS: &str = "id, name, kind, client_id, settings, created_at, updated_at";

/// Creates an environment with its first two roles, `admin` and `member` (the default).
///
/// # Errors
///
/// [`Error::Invalid`] if the name is empty or too long.
pub async fn create(tx: &mut Tx, new: &NewEnvironment) -> Result<Environment> {
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
    new: &NewEnvironment,
) -> Result<Environment> {
    let name = field::name(&new.name, 100)?;
    let id: EnvironmentId = identity.id.clone().unwrap_or_else(|| tx.new_id());
    let client_id = match &identity.client_id {
        Some(client_id) => check_client_id(client_id)?.to_owned(),
        None => format!("client_{}", &id.as_str()[EnvironmentId::PREFIX.len()..]),
    };
    given::check_free(tx, ("environments", "id"), id.as_str()).await?;
    given::check_free(tx, ("environments", "client_id"), &client_id).await?;
    let environment = Environment {
        object: "environment",
        client_id,
        id,
        name,
        kind: new.kind,
        settings: Settings::default(),
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let settings = serde_json::to_string(&environment.settings).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO environments
         (id, name, kind, client_id, settings, event_position, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $6)",
        &[
            (&environment.id).into(),
            (&environment.name).into(),
            environment.kind.as_str().into(),
            (&environment.client_id).into(),
            (&settings).into(),
            tx.now().into(),
        ],
    )
    .await?;
    tx.enter(&environment.id);
    role::create_first(tx).await?;
    let details = json!({ "name": environment.name, "kind": environment.kind.as_str() });
    audit::record(tx, "environment.created", environment.id.as_str(), details).await?;
    Ok(environment)
}

/// The environment with this client id. Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_by_client_id(tx: &mut Tx, client_id: &str) -> Result<Option<Environment>> {
    find(tx, "client_id = $1", client_id).await
}

/// As [`find_by_client_id`], from memory as long as the configuration is the same.
///
/// # Errors
///
/// As [`find_by_client_id`].
pub async fn recall_by_client_id(tx: &mut Tx, client_id: &str) -> Result<Option<Arc<Environment>>> {
    let load = async |tx: &mut Tx| find_by_client_id(tx, client_id).await;
    tx.recall("environment by client id", client_id.as_bytes(), load).await
}

/// As [`current`], from memory as long as the configuration is the same.
///
/// # Errors
///
/// As [`current`].
pub async fn recall_current(tx: &mut Tx) -> Result<Arc<Environment>> {
    let id = tx.environment_id();
    let known = tx.recall("environment", &[], async |tx| find_by_id(tx, &id).await).await?;
    known.ok_or_else(|| Error::not_found("Environment", id.as_str()))
}

/// The environment with this id. Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_by_id(tx: &mut Tx, id: &EnvironmentId) -> Result<Option<Environment>> {
    find(tx, "id = $1", id.as_str()).await
}

/// The environment that the caller is in.
///
/// # Errors
///
/// [`Error::NotFound`] if it is gone.
pub async fn current(tx: &mut Tx) -> Result<Environment> {
    let id = tx.environment_id();
    find_by_id(tx, &id).await?.ok_or_else(|| Error::not_found("Environment", id.as_str()))
}

/// Lets other units that change this environment wait until this one has ended, so that what is
/// checked from here on still holds when it is written. It is the row that recording an event
/// changes anyway: taken first, nobody waits in a circle.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn lock(tx: &mut Tx) -> Result<()> {
    tx.execute(
        "UPDATE environments SET event_position = event_position WHERE id = $1",
        &[(&tx.environment_id()).into()],
    )
    .await?;
    Ok(())
}

/// All environments, the oldest first: for the operator's command line.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list_all(tx: &mut Tx) -> Result<Vec<Environment>> {
    let sql = format!("SELECT {COLUMNS} FROM environments ORDER BY id");
    stored::all(tx.fetch_all(&sql, &[]).await?.into_iter().map(from_row))
}

/// Changes the caller's environment.
///
/// # Errors
///
/// [`Error::NotFound`] if it is gone, [`Error::Invalid`] if the name is empty or too long, or an
/// address is on no origin of the application.
pub async fn update(tx: &mut Tx, change: &Change) -> Result<Environment> {
    lock(tx).await?;
    let mut environment = current(tx).await?;
    let before = json!({ "name": environment.name, "settings": environment.settings });
    if let Some(name) = &change.name {
        environment.name = field::name(name, 100)?;
    }
    if let Some(change) = &change.settings {
        let logout_uris = change.logout_uris.as_deref();
        let logout_uris = logout_uris.map(|uris| check_logout_uris(uris, environment.kind));
        let old = &environment.settings;
        let portal_return_url = match change.portal_return_url.as_deref() {
            None => old.portal_return_url.clone(),
            entered => redirect_uri::check_address(tx, "portal_return_url", entered).await?,
        };
        let portal_success_url = match change.portal_success_url.as_deref() {
            None => old.portal_success_url.clone(),
            entered => redirect_uri::check_address(tx, "portal_success_url", entered).await?,
        };
        environment.settings = Settings {
            role_mode: change.role_mode.unwrap_or(old.role_mode),
            public_client: change.public_client.unwrap_or(old.public_client),
            signin_consent: change.signin_consent.unwrap_or(old.signin_consent),
            portal_group_mapping: change.portal_group_mapping.unwrap_or(old.portal_group_mapping),
            portal_return_url,
            portal_success_url,
            access_tokens: change.access_tokens.unwrap_or(old.access_tokens),
            logout_uris: logout_uris.transpose()?.unwrap_or_else(|| old.logout_uris.clone()),
        };
    }
    environment.updated_at = tx.now();
    let settings = serde_json::to_string(&environment.settings).map_err(Error::internal)?;
    tx.execute(
        "UPDATE environments SET name = $1, settings = $2, updated_at = $3 WHERE id = $4",
        &[
            (&environment.name).into(),
            (&settings).into(),
            tx.now().into(),
            (&environment.id).into(),
        ],
    )
    .await?;
    let after = json!({ "name": environment.name, "settings": environment.settings });
    let details = json!({ "before": before, "after": after });
    audit::record(tx, "environment.updated", environment.id.as_str(), details).await?;
    Ok(environment)
}

/// The addresses, each once.
fn check_logout_uris(uris: &[String], kind: Kind) -> Result<Vec<String>> {
    let invalid =
        |message: String| Err(Error::invalid("invalid_logout_uri", "logout_uris", message));
    let mut checked: Vec<String> = Vec::new();
    for uri in uris {
        if let Err(rule) = leaving_address(uri, kind.redirect_rules()) {
            let shown: String = uri.chars().take(200).collect();
            return invalid(format!("'{shown}' cannot be a logout URI. {rule}"));
        }
        if !checked.contains(uri) {
            checked.push(uri.clone());
        }
    }
    if checked.len() > MAX_LOGOUT_URIS {
        return invalid(format!("An environment has at most {MAX_LOGOUT_URIS} logout URIs."));
    }
    Ok(checked)
}

fn check_client_id(text: &str) -> Result<&str> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if text.is_empty() || text.len() > 100 || !text.chars().all(known) {
        let message = "A client ID has 1 to 100 characters: letters, digits, - and _";
        return Err(Error::invalid("invalid_client_id", "client_id", message));
    }
    Ok(text)
}

async fn find(tx: &mut Tx, condition: &'static str, param: &str) -> Result<Option<Environment>> {
    let sql = format!("SELECT {COLUMNS} FROM environments WHERE {condition}");
    stored::one(tx.fetch_optional(&sql, &[param.into()]).await?.map(from_row))
}

fn from_row(mut row: Row) -> Result<Environment> {
    Ok(Environment {
        object: "environment",
        id: row.next()?,
        name: row.next()?,
        kind: Kind::parse(&row.next::<String>()?)
            .ok_or_else(|| stored::unknown("the kind of an environment"))?,
        client_id: row.next()?,
        settings: stored::json("the settings of an environment", row.next::<String>()?)?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}
