//! `/connections/{connection_id}/groups`: which group of the identity provider gives which role.
//! Not in WorkOS's API.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{Body, nullable};
use super::error::{ApiError, ErrorBody};
use super::list::List;
use super::once::Post;
use super::path::{Id, Path, parse};
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::{ConnectionGroupId, ConnectionId};
use crate::db::Tx;
use crate::model::connection_group::{self, Change, ConnectionGroup, NewGroup};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// A group and its role.
#[derive(Debug, Deserialize, ToSchema)]
struct NewConnectionGroup {
    /// The group as the identity provider names it, byte for byte: Okta's group name, Entra's
    /// object id.
    idp_id: String,
    /// What people call it.
    name: Option<String>,
    /// The slug of the role of its members.
    role: String,
}

/// What is to be changed of a group; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
struct UpdateConnectionGroup {
    /// The group as the identity provider names it, byte for byte.
    idp_id: Option<String>,
    /// What people call it; `null` for nothing.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// The slug of the role of its members.
    role: Option<String>,
}

/// List the groups of a connection
#[utoipa::path(
    get, path = "/connections/{connection_id}/groups", tag = "connections",
    params(("connection_id" = ConnectionId, Path, description = "The connection."), PageParams),
    responses((status = 200, description = "The groups.", body = List<ConnectionGroup>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(connection_id): Id<ConnectionId>,
    query: Query,
) -> Result<Json<List<ConnectionGroup>>, ApiError> {
    let request = query.page::<ConnectionGroupId>()?;
    let read =
        async move |tx: &mut _| connection_group::list(tx, connection_id.as_str(), &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Give the members of a group a role
#[utoipa::path(
    post, path = "/connections/{connection_id}/groups", tag = "connections",
    params(("connection_id" = ConnectionId, Path, description = "The connection.")),
    request_body = NewConnectionGroup,
    responses(
        (status = 201, description = "The new group.", body = ConnectionGroup),
        (status = 409, description = "The connection has the group already.", body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    _: ApiKey,
    Id(connection_id): Id<ConnectionId>,
    Post(once, body): Post<NewConnectionGroup>,
) -> Result<Response, ApiError> {
    let new = NewGroup { idp_id: body.idp_id, name: body.name, role: body.role };
    let write =
        async move |tx: &mut Tx| connection_group::create(tx, connection_id.as_str(), &new).await;
    once.write(&app, StatusCode::CREATED, write).await
}

/// Get a group of a connection
#[utoipa::path(
    get, path = "/connections/{connection_id}/groups/{id}", tag = "connections",
    params(
        ("connection_id" = ConnectionId, Path, description = "The connection."),
        ("id" = ConnectionGroupId, Path, description = "The group."),
    ),
    responses((status = 200, description = "The group.", body = ConnectionGroup)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((connection_id, id)): Path<(String, String)>,
) -> Result<Json<ConnectionGroup>, ApiError> {
    let (connection_id, id) = ids(&connection_id, &id)?;
    let read = async move |tx: &mut _| {
        connection_group::get(tx, connection_id.as_str(), id.as_str()).await
    };
    Ok(Json(app.db.read(&caller, read).await?))
}

/// Change a group of a connection
///
/// It counts from the next sign-in on.
#[utoipa::path(
    patch, path = "/connections/{connection_id}/groups/{id}", tag = "connections",
    params(
        ("connection_id" = ConnectionId, Path, description = "The connection."),
        ("id" = ConnectionGroupId, Path, description = "The group."),
    ),
    request_body = UpdateConnectionGroup,
    responses(
        (status = 200, description = "The group as it is now.", body = ConnectionGroup),
        (status = 409, description = "The connection has the group already.", body = ErrorBody),
    ),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((connection_id, id)): Path<(String, String)>,
    Body(body): Body<UpdateConnectionGroup>,
) -> Result<Json<ConnectionGroup>, ApiError> {
    let (connection_id, id) = ids(&connection_id, &id)?;
    let change = Change { idp_id: body.idp_id, name: body.name, role: body.role };
    let write = async move |tx: &mut _| {
        connection_group::change(tx, (connection_id.as_str(), id.as_str()), &change).await
    };
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Remove a group from a connection
#[utoipa::path(
    delete, path = "/connections/{connection_id}/groups/{id}", tag = "connections",
    params(
        ("connection_id" = ConnectionId, Path, description = "The connection."),
        ("id" = ConnectionGroupId, Path, description = "The group."),
    ),
    responses((status = 204, description = "It is removed.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((connection_id, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let (connection_id, id) = ids(&connection_id, &id)?;
    let write = async move |tx: &mut _| {
        connection_group::delete(tx, connection_id.as_str(), id.as_str()).await
    };
    app.db.write(&caller, write).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn ids(connection: &str, group: &str) -> Result<(ConnectionId, ConnectionGroupId), ApiError> {
    Ok((parse(connection)?, parse(group)?))
}
