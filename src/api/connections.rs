//! `/connections`. WorkOS's API reads and deletes them; creating and changing is ours.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{Body, nullable};
use super::error::ApiError;
use super::list::List;
use super::once::{BarePost, Post};
use super::path::{Id, parse};
use super::query::{PageParams, Query, invalid};
use crate::app::App;
use crate::base::id::{ConnectionId, OrganizationId};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::base::{Caller, Error};
use crate::db::Tx;
use crate::doctor::{self, Report};
use crate::model::connection::{
    self, Connection, ConnectionDomain, ConnectionState, ConnectionType, Filter, NewConnection,
    Policy,
};
use crate::model::organization_domain;
use crate::setup::{self, Change, Oidc, Saved};
use crate::upstream::Settings;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(examine))
}

/// A connection. Its client secret is never shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
struct ConnectionObject {
    /// Always `connection`.
    object: &'static str,
    /// Its id.
    id: ConnectionId,
    /// The organization whose people sign in by it.
    organization_id: OrganizationId,
    /// Its type.
    connection_type: ConnectionType,
    /// What people call it.
    name: String,
    /// Whether people can sign in by it.
    state: ConnectionState,
    /// `linked` once it is configured. Use `state`.
    status: &'static str,
    /// The domains of its organization.
    domains: Vec<ConnectionDomain>,
    /// The random part of its redirect URI. (Not in WorkOS's API.)
    external_key: String,
    /// The redirect URI to enter at the identity provider. (Not in WorkOS's API.)
    redirect_uri: String,
    /// The address to which the identity provider sends people back after they logged out there: to
    /// register as a post-logout (Okta: sign-out) redirect URI. (Not in WorkOS's API.)
    post_logout_redirect_uri: String,
    /// The address for its logout tokens (OpenID Connect Back-Channel Logout 1.0). (Not in WorkOS's
    /// API.)
    backchannel_logout_uri: String,
    /// How the identity provider is spoken to: `client_id`, `discovery_endpoint`, `issuer` and
    /// more; `null` until it is configured. (Not in WorkOS's API.)
    #[schema(value_type = Option<Object>, required)]
    oidc: Option<Value>,
    /// What is done with the claims. (Not in WorkOS's API.)
    policy: Policy,
    /// What was changed of the input, where it was saved by this request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    notes: Vec<String>,
    /// What the administrator should look at, where it was saved by this request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<String>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
}

impl ConnectionObject {
    fn new(
        app: &App,
        connection: Connection,
        domains: Vec<ConnectionDomain>,
    ) -> Result<Self, Error> {
        Ok(Self {
            object: "connection",
            redirect_uri: app.callback_uri(&connection),
            post_logout_redirect_uri: app.url(&connection.post_logout_path()),
            backchannel_logout_uri: app.url(&connection.idp_logout_path()),
            oidc: oidc(&connection)?,
            status: if connection.settings.is_some() { "linked" } else { "unlinked" },
            id: connection.id,
            organization_id: connection.organization_id,
            connection_type: connection.connection_type,
            name: connection.name,
            state: connection.state,
            domains,
            external_key: connection.external_key,
            policy: connection.policy,
            notes: Vec::new(),
            warnings: Vec::new(),
            created_at: connection.created_at,
            updated_at: connection.updated_at,
        })
    }
}

/// The settings without what stands in the connection itself, and which secrets there are.
fn oidc(connection: &Connection) -> Result<Option<Value>, Error> {
    let Some(Settings::Oidc(settings)) = &connection.settings else {
        return Ok(None);
    };
    let mut value = serde_json::to_value(settings).map_err(Error::internal)?;
    if let Some(members) = value.as_object_mut() {
        members.remove("connection_id");
        members.remove("kind");
        members.insert("has_client_secret".to_owned(), connection.has_client_secret().into());
        let next = connection.has_next_client_secret();
        members.insert("has_next_client_secret".to_owned(), next.into());
    }
    Ok(Some(value))
}

/// What an administrator enters about an OpenID Connect provider; what is absent stays as it is.
///
/// Further members are those of `oidc` in the answer, such as `scopes`, `pkce`, `attributes`,
/// `custom_attributes`, `groups_claim`, and `client_secret_expires_at`, which a new secret empties.
#[derive(Deserialize, ToSchema)]
struct OidcInput {
    /// Our client id at the identity provider.
    client_id: Option<String>,
    /// Our client secret there.
    client_secret: Option<String>,
    /// The secret that will follow it, so that it can be rotated without a failed login; `null`
    /// empties the slot.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    next_client_secret: Option<Option<String>>,
    /// A domain, an issuer or a discovery endpoint. It is asked before anything is stored.
    discovery_endpoint: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl From<OidcInput> for Oidc {
    fn from(input: OidcInput) -> Self {
        Self {
            client_id: input.client_id,
            client_secret: input.client_secret.map(Secret::new),
            next_client_secret: input.next_client_secret.map(|secret| secret.map(Secret::new)),
            discovery_endpoint: input.discovery_endpoint,
            more: input.more,
        }
    }
}

/// A connection to create.
#[derive(Deserialize, ToSchema)]
struct CreateConnection {
    /// The organization.
    organization_id: String,
    /// `OktaOIDC`, `EntraIdOIDC`, `GoogleOIDC` or `GenericOIDC`.
    connection_type: String,
    /// What people call it, 1 to 100 characters.
    name: String,
    /// About the identity provider; can follow later.
    oidc: Option<OidcInput>,
    /// What is done with the claims.
    policy: Option<Policy>,
    /// `active`, to let people sign in at once; without it the first sign-in activates it.
    state: Option<ConnectionState>,
}

/// What is to be changed of a connection; what is absent stays as it is.
#[derive(Deserialize, ToSchema)]
struct UpdateConnection {
    /// What people call it.
    name: Option<String>,
    /// About the identity provider.
    oidc: Option<OidcInput>,
    /// Members of `policy`.
    #[schema(value_type = Option<Object>)]
    policy: Option<Map<String, Value>>,
    /// `active` or `inactive`.
    state: Option<ConnectionState>,
}

/// List connections
#[utoipa::path(
    get, path = "/connections", tag = "connections",
    params(
        PageParams,
        ("connection_type" = Option<String>, Query, description = "Of this type."),
        ("domain" = Option<String>, Query, description = "Of an organization with this domain."),
        ("organization_id" = Option<OrganizationId>, Query, description = "Of this organization."),
        ("search" = Option<String>, Query, description = "With this text in the name."),
    ),
    responses((status = 200, description = "The connections.", body = List<ConnectionObject>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<ConnectionObject>>, ApiError> {
    let request = query.page::<ConnectionId>()?;
    let connection_type = query.one("connection_type")?.map(|word| {
        ConnectionType::parse(word).ok_or_else(|| invalid("connection_type", "is unknown."))
    });
    let filter = Filter {
        connection_type: connection_type.transpose()?,
        organization_id: query.id::<OrganizationId>("organization_id")?,
        domain: query.one("domain")?.map(str::to_owned),
        search: query.one("search")?.map(str::to_owned),
    };
    let read = async move |tx: &mut Tx| {
        let page = connection::list(tx, &filter, &request).await?;
        let mut organizations: Vec<_> =
            page.data.iter().map(|item| item.organization_id.clone()).collect();
        organizations.sort();
        organizations.dedup();
        Ok((page, organization_domain::list(tx, &organizations).await?))
    };
    let (page, domains) = app.db.read(&caller, read).await?;
    let domains_of = |id: &OrganizationId| {
        let of_it = domains.iter().filter(|domain| domain.organization_id == *id);
        of_it
            .map(|domain| ConnectionDomain {
                object: "connection_domain",
                id: domain.id.clone(),
                domain: domain.domain.clone(),
            })
            .collect()
    };
    let mut objects = Vec::with_capacity(page.data.len());
    for item in page.data {
        let domains = domains_of(&item.organization_id);
        objects.push(ConnectionObject::new(&app, item, domains)?);
    }
    let page = crate::base::page::Page { data: objects, before: page.before, after: page.after };
    Ok(Json(page.into()))
}

/// Get a connection
#[utoipa::path(
    get, path = "/connections/{id}", tag = "connections",
    params(("id" = ConnectionId, Path, description = "The connection.")),
    responses((status = 200, description = "The connection.", body = ConnectionObject)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<ConnectionId>,
) -> Result<Json<ConnectionObject>, ApiError> {
    let read = async move |tx: &mut Tx| {
        let found = connection::get(tx, id.as_str()).await?;
        let domains = connection::domains(tx, &found.organization_id).await?;
        Ok((found, domains))
    };
    let (found, domains) = app.db.read(&caller, read).await?;
    Ok(Json(ConnectionObject::new(&app, found, domains)?))
}

/// Create a connection
///
/// With `oidc`, the identity provider is asked whether it could work before anything is stored.
/// Not in WorkOS's API.
#[utoipa::path(
    post, path = "/connections", tag = "connections",
    request_body = CreateConnection,
    responses((status = 201, description = "The new connection.", body = ConnectionObject)),
)]
async fn create(
    State(app): State<App>,
    Post(once, body): Post<CreateConnection>,
) -> Result<Response, ApiError> {
    let new = NewConnection {
        organization_id: parse(&body.organization_id)?,
        connection_type: ConnectionType::parse(&body.connection_type)
            .ok_or_else(|| invalid("connection_type", "is unknown."))?,
        name: body.name,
        policy: body.policy.unwrap_or_default(),
    };
    let change = Change { oidc: body.oidc.map(Oidc::from), state: body.state, ..Change::default() };
    let prepared = match setup::prepare(&app, new, change).await {
        Ok(prepared) => prepared,
        Err(error) => return once.keep(&app, StatusCode::CREATED, Err::<(), _>(error)).await,
    };
    let here = app.clone();
    let write = async move |tx: &mut Tx| {
        let saved = prepared.store(tx, &here.sealer).await?;
        let domains = connection::domains(tx, &saved.connection.organization_id).await?;
        ConnectionObject::new(&here, saved.connection, domains).map(|object| ConnectionObject {
            notes: saved.notes,
            warnings: saved.warnings,
            ..object
        })
    };
    once.write(&app, StatusCode::CREATED, write).await
}

/// Change a connection
///
/// With `oidc`, the identity provider is asked whether it could work before anything is stored.
/// Not in WorkOS's API.
#[utoipa::path(
    patch, path = "/connections/{id}", tag = "connections",
    params(("id" = ConnectionId, Path, description = "The connection.")),
    request_body = UpdateConnection,
    responses((status = 200, description = "The connection as it is now.", body = ConnectionObject)),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<ConnectionId>,
    Body(body): Body<UpdateConnection>,
) -> Result<Json<ConnectionObject>, ApiError> {
    let change = Change {
        name: body.name,
        oidc: body.oidc.map(Oidc::from),
        policy: body.policy.unwrap_or_default(),
        state: body.state,
    };
    let saved = setup::update(&app, &caller, id.as_str(), change).await?;
    Ok(Json(render(&app, &caller, saved).await?))
}

/// Delete a connection
///
/// With its groups and profiles. Its redirect URI is never used again.
#[utoipa::path(
    delete, path = "/connections/{id}", tag = "connections",
    params(("id" = ConnectionId, Path, description = "The connection.")),
    responses((status = 204, description = "It is deleted.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<ConnectionId>,
) -> Result<StatusCode, ApiError> {
    let wanted = id.clone();
    let write = async move |tx: &mut _| connection::delete(tx, wanted.as_str()).await;
    app.db.write(&caller, write).await?;
    app.upstream.forget(id.as_str());
    Ok(StatusCode::NO_CONTENT)
}

/// Examine a connection
///
/// Looks for whatever would keep people from signing in, without a person: asks the identity
/// provider, stores nothing. At most 20 times a minute for each connection. Not in WorkOS's API.
#[utoipa::path(
    post, path = "/connections/{id}/doctor", tag = "connections",
    params(("id" = ConnectionId, Path, description = "The connection.")),
    responses((status = 200, description = "What was found.", body = Report)),
)]
async fn examine(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<ConnectionId>,
    BarePost(once): BarePost,
) -> Result<Response, ApiError> {
    let report = doctor::run(&app, once.caller(), id.as_str()).await;
    once.keep(&app, StatusCode::OK, report).await
}

/// The connection with its domains, and what came up when it was saved.
async fn render(app: &App, caller: &Caller, saved: Saved) -> Result<ConnectionObject, ApiError> {
    let organization_id = saved.connection.organization_id.clone();
    let read = async move |tx: &mut _| connection::domains(tx, &organization_id).await;
    let domains = app.db.read(caller, read).await?;
    let object = ConnectionObject::new(app, saved.connection, domains)?;
    Ok(ConnectionObject { notes: saved.notes, warnings: saved.warnings, ..object })
}
