//! Setting up a connection: what an administrator enters is tried out before it is stored.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::app::App;
use crate::base::failure::Failure;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::connection::{self, Connection, ConnectionState, NewConnection, Policy};
use crate::seal::Sealer;
use crate::upstream::{Settings, oidc};

/// What an administrator enters about an OpenID Connect provider; what is `None` stays as it is.
#[derive(Debug, Default)]
pub struct Oidc {
    /// Our client id at the identity provider.
    pub client_id: Option<String>,
    /// Our client secret there.
    pub client_secret: Option<Secret>,
    /// The secret that will follow it; `Some(None)` empties the slot.
    pub next_client_secret: Option<Option<Secret>>,
    /// A domain, an issuer or a discovery endpoint.
    pub discovery_endpoint: Option<String>,
    /// Members of [`oidc::Settings`] that differ from their defaults.
    pub more: Map<String, Value>,
}

impl Oidc {
    /// With the day on which the present secret ends; an empty text: nobody knows it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for `client_secret_expires_at`, if it is no day.
    pub fn with_last_day(mut self, day: &str) -> Result<Self> {
        let field = "client_secret_expires_at";
        let moment = match day {
            "" => Value::Null,
            day => {
                let refuse = || Error::invalid("invalid_day", field, "This is no day.");
                Timestamp::parse_day(day).ok_or_else(refuse)?.to_string().into()
            }
        };
        self.more.insert(field.to_owned(), moment);
        Ok(self)
    }
}

/// A change of a connection; what is `None` stays as it is.
#[derive(Debug, Default)]
pub struct Change {
    /// What people call it.
    pub name: Option<String>,
    /// About the OpenID Connect provider.
    pub oidc: Option<Oidc>,
    /// Members of [`Policy`] that are to be different.
    pub policy: Map<String, Value>,
    /// Whether people can sign in: `Active` or `Inactive`.
    pub state: Option<ConnectionState>,
}

/// A connection as it was stored, and what its administrator should know.
#[derive(Debug)]
pub struct Saved {
    /// The connection.
    pub connection: Connection,
    /// What was changed of the input, each as one sentence.
    pub notes: Vec<String>,
    /// What the administrator should look at, each as one sentence.
    pub warnings: Vec<String>,
}

/// Members of the settings that are not entered but found out.
const FOUND_OUT: &[&str] = &["protocol", "connection_id", "kind", "issuer", "discovery_endpoint"];

/// Creates a connection, configured if `change.oidc` says how.
///
/// # Errors
///
/// [`Error::Invalid`] if it could not work, with the reason; then nothing is stored. Else as
/// [`connection::create`].
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewConnection,
    change: Change,
) -> Result<Saved> {
    let prepared = prepare(app, new, change).await?;
    let sealer = Arc::clone(&app.sealer);
    app.db.write(caller, async move |tx| prepared.store(tx, &sealer).await).await
}

/// A new connection that could work, as far as its identity provider says.
#[derive(Debug)]
pub struct Prepared {
    new: NewConnection,
    change: Change,
    found: Found,
}

/// The part of [`create`] that asks the identity provider; [`Prepared::store`] is the other one.
///
/// # Errors
///
/// [`Error::Invalid`] if it could not work, with the reason.
pub async fn prepare(app: &App, new: NewConnection, change: Change) -> Result<Prepared> {
    let works_here = new.connection_type.oidc_kind().is_some();
    let found = if works_here { find_out(app, &change, None).await? } else { Found::default() };
    Ok(Prepared { new, change, found })
}

impl Prepared {
    /// Stores the connection.
    ///
    /// # Errors
    ///
    /// As [`connection::create`] and [`connection::change`].
    pub async fn store(&self, tx: &mut Tx, sealer: &Sealer) -> Result<Saved> {
        let identity = connection::Identity::default();
        let what = (&self.change, &self.found);
        let connection = create_in(tx, sealer, (&identity, &self.new), what).await?;
        let (notes, warnings) = (self.found.notes.clone(), self.found.warnings.clone());
        Ok(Saved { connection, notes, warnings })
    }
}

/// Finds out what a change needs to know: asks the identity provider, if the change names another
/// one than is `known`. For a unit of work that saves more than this connection.
///
/// # Errors
///
/// [`Error::Invalid`] if it could not work, with the reason.
pub async fn find_out(app: &App, change: &Change, known: Option<&Settings>) -> Result<Found> {
    match &change.oidc {
        Some(oidc) => inspect(app, oidc, known).await,
        None => Ok(Found::default()),
    }
}

/// Creates a connection in a unit of work that saves more, after [`find_out`].
///
/// # Errors
///
/// As [`create`].
pub async fn create_in(
    tx: &mut Tx,
    sealer: &Sealer,
    (identity, new): (&connection::Identity, &NewConnection),
    (change, found): (&Change, &Found),
) -> Result<Connection> {
    let created = connection::create_as(tx, identity, new).await?;
    let changed = model_change(&created, change, found)?;
    let id = created.id.as_str();
    connection::change(tx, id, sealer, changed).await?;
    switch(tx, id, change.state).await
}

/// Changes a connection in a unit of work that saves more, after [`find_out`]. Afterwards, what was
/// fetched for it has to be forgotten.
///
/// # Errors
///
/// As [`update`].
pub async fn update_in(
    tx: &mut Tx,
    sealer: &Sealer,
    id: &str,
    (change, found): (&Change, &Found),
) -> Result<Connection> {
    let current = connection::get_to_change(tx, id).await?;
    let changed = model_change(&current, change, found)?;
    connection::change(tx, id, sealer, changed).await?;
    switch(tx, id, change.state).await
}

/// Changes a connection.
///
/// # Errors
///
/// [`Error::Invalid`] if it could not work, with the reason; then nothing is stored. Else as
/// [`connection::change`].
pub async fn update(app: &App, caller: &Caller, id: &str, change: Change) -> Result<Saved> {
    let wanted = id.to_owned();
    let known = app.db.read(caller, async move |tx| connection::get(tx, &wanted).await).await?;
    let found = find_out(app, &change, known.settings.as_ref()).await?;
    let (notes, warnings) = (found.notes.clone(), found.warnings.clone());
    let sealer = Arc::clone(&app.sealer);
    let id = id.to_owned();
    let connection = app
        .db
        .write(caller, async move |tx| update_in(tx, &sealer, &id, (&change, &found)).await)
        .await?;
    app.upstream.forget(connection.id.as_str());
    Ok(Saved { connection, notes, warnings })
}

/// Ends a rotation: the next client secret becomes the present one, which is forgotten.
///
/// # Errors
///
/// As [`connection::promote_next_client_secret`].
pub async fn promote_next_client_secret(app: &App, caller: &Caller, id: &str) -> Result<()> {
    let sealer = Arc::clone(&app.sealer);
    let id = id.to_owned();
    let write =
        async move |tx: &mut Tx| connection::promote_next_client_secret(tx, &id, &sealer).await;
    app.db.write(caller, write).await.map(drop)
}

/// Switches the connection on or off, where that is asked for.
async fn switch(tx: &mut Tx, id: &str, state: Option<ConnectionState>) -> Result<Connection> {
    match state {
        None => connection::get(tx, id).await,
        Some(ConnectionState::Active) => connection::activate(tx, id).await,
        Some(ConnectionState::Inactive) => connection::deactivate(tx, id).await,
        Some(_) => {
            let message = "A connection can be set to active or inactive.";
            Err(Error::invalid("invalid_state", "state", message))
        }
    }
}

/// What was found out about an input.
#[derive(Debug, Default)]
pub struct Found {
    discovered: Option<Discovered>,
    /// What was changed of the input, each as one sentence.
    pub notes: Vec<String>,
    /// What the administrator should look at, each as one sentence.
    pub warnings: Vec<String>,
}

impl Found {
    /// The issuer that was found, if one was asked.
    pub fn issuer(&self) -> Option<&str> {
        self.discovered.as_ref().map(|found| found.issuer.as_str())
    }
}

#[derive(Debug)]
struct Discovered {
    discovery_endpoint: String,
    issuer: String,
    signing_algorithm: Value,
}

/// Asks the identity provider, if the input names another one than before.
async fn inspect(app: &App, oidc: &Oidc, known: Option<&Settings>) -> Result<Found> {
    let Some(input) = &oidc.discovery_endpoint else { return Ok(Found::default()) };
    let entered_ca = oidc.more.get("extra_ca").and_then(Value::as_str);
    let known_ca = known.and_then(|Settings::Oidc(settings)| settings.extra_ca.as_deref());
    let found = oidc::inspect(&app.upstream, input, entered_ca.or(known_ca)).await;
    let found = found.map_err(|failure| invalid(&failure))?;
    let signing_algorithm =
        serde_json::to_value(found.signing_algorithm).map_err(Error::internal)?;
    Ok(Found {
        discovered: Some(Discovered {
            discovery_endpoint: found.discovery_endpoint,
            issuer: found.issuer,
            signing_algorithm,
        }),
        notes: found.notes,
        warnings: found.warnings,
    })
}

/// Why an identity provider cannot be used, for the administrator.
fn invalid(failure: &Failure) -> Error {
    let mut message = failure.code.for_it().to_owned();
    if let (Some(expected), Some(received)) = (&failure.expected, &failure.received) {
        message.push_str(&format!(" Expected: {expected}. Received: {received}."));
    }
    if let Some(detail) = &failure.detail {
        message.push_str(&format!(" ({detail})"));
    }
    Error::invalid(failure.code.as_str(), "oidc.discovery_endpoint", message)
}

/// The change of the noun: settings put together from what is known, found out and entered.
fn model_change(
    current: &Connection,
    change: &Change,
    found: &Found,
) -> Result<connection::Change> {
    let mut wanted = connection::Change {
        name: change.name.clone(),
        policy: policy(current, &change.policy)?,
        ..connection::Change::default()
    };
    let Some(entered) = &change.oidc else { return Ok(wanted) };
    wanted.client_secret = entered.client_secret.clone();
    wanted.next_client_secret = entered.next_client_secret.clone();
    if goes_elsewhere(current, found) {
        // What was proved to the one identity provider must never be shown to another: its token
        // endpoint would learn the secret.
        if entered.client_secret.is_none() {
            let message = "This is another identity provider: enter its client secret as well.";
            return Err(Error::invalid("client_secret_needed", "oidc.client_secret", message));
        }
        wanted.next_client_secret.get_or_insert(None);
    }
    wanted.settings = settings(current, entered, found)?;
    Ok(wanted)
}

/// Whether another identity provider was found than the one that the stored secrets are for.
fn goes_elsewhere(current: &Connection, found: &Found) -> bool {
    let known = current.settings.as_ref().map(|Settings::Oidc(settings)| &settings.issuer);
    let has_secret = current.has_client_secret() || current.has_next_client_secret();
    has_secret && found.discovered.as_ref().is_some_and(|it| Some(&it.issuer) != known)
}

/// The policy with the members that were entered, if any were.
fn policy(current: &Connection, entered: &Map<String, Value>) -> Result<Option<Policy>> {
    if entered.is_empty() {
        return Ok(None);
    }
    let mut members = serde_json::to_value(&current.policy).map_err(Error::internal)?;
    if let Some(members) = members.as_object_mut() {
        members.extend(entered.clone());
    }
    serde_json::from_value(members)
        .map(Some)
        .map_err(|error| Error::invalid("invalid_policy", "policy", format!("policy: {error}.")))
}

/// The settings, or `None` while something needed is missing.
fn settings(current: &Connection, entered: &Oidc, found: &Found) -> Result<Option<Settings>> {
    let kind = current.connection_type.oidc_kind();
    let kind = kind.ok_or_else(|| Error::internal("a connection of a type that does not work"))?;
    let known = current.settings.as_ref().map(|Settings::Oidc(settings)| settings.clone());
    let base = match (known, &found.discovered, &entered.client_id) {
        (Some(known), _, _) => known,
        (None, Some(found), Some(client_id)) => oidc::Settings::new(
            current.id.as_str(),
            client_id,
            &found.discovery_endpoint,
            &found.issuer,
        ),
        (None, None, None) if entered.more.is_empty() => return Ok(None),
        (None, None, None) => return Err(needed("client_id")),
        (None, Some(_), None) => return Err(needed("client_id")),
        (None, None, Some(_)) => return Err(needed("discovery_endpoint")),
    };
    let mut members = match serde_json::to_value(oidc::Settings { kind, ..base }) {
        Ok(Value::Object(members)) => members,
        _ => return Err(Error::internal("settings that are no object")),
    };
    if let Some(client_id) = &entered.client_id {
        members.insert("client_id".to_owned(), client_id.as_str().into());
    }
    if let Some(found) = &found.discovered {
        members.insert("discovery_endpoint".to_owned(), found.discovery_endpoint.as_str().into());
        members.insert("issuer".to_owned(), found.issuer.as_str().into());
        members.insert("signing_algorithm".to_owned(), found.signing_algorithm.clone());
    }
    if entered.client_secret.is_some() {
        // What was known of the old secret says nothing of the new one.
        members.remove("client_secret_expires_at");
    }
    for (name, value) in &entered.more {
        if FOUND_OUT.contains(&name.as_str()) {
            let message = format!("`{name}` is found out and cannot be entered.");
            return Err(Error::invalid("invalid_settings", "oidc", message));
        }
        members.insert(name.clone(), value.clone());
        // One after the other, so that the one that does not fit has its name.
        oidc::Settings::deserialize(Value::Object(members.clone())).map_err(|error| {
            let message = format!("`oidc.{name}` cannot be so: {error}.");
            Error::invalid("invalid_settings", "oidc", message)
        })?;
    }
    let settings: oidc::Settings = serde_json::from_value(Value::Object(members))
        .map_err(|error| Error::invalid("invalid_settings", "oidc", error.to_string()))?;
    settings.check()?;
    Ok(Some(Settings::Oidc(settings)))
}

fn needed(name: &'static str) -> Error {
    let field = if name == "client_id" { "oidc.client_id" } else { "oidc.discovery_endpoint" };
    Error::invalid("missing_setting", field, format!("`oidc.{name}` is needed as well."))
}
