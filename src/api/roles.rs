//! `/authorization/roles`: the roles of the environment.

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
use super::path::Path;
use crate::app::App;
use crate::db::Tx;
use crate::model::role::{self, Change, NewRole, Role};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(reorder))
        .routes(routes!(get, update, delete))
        .routes(routes!(set_permissions, add_permission))
}

/// What is to be changed of a role; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct UpdateRole {
    /// The new name.
    name: Option<String>,
    /// The new description; `null` for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// `true`: people without a matching group get this role from now on. (Not in WorkOS's API.)
    pub(super) is_default: Option<bool>,
}

impl UpdateRole {
    /// The change of the role's own members, once `is_default` makes sense.
    pub(super) fn change(self) -> Result<Change, ApiError> {
        if self.is_default == Some(false) {
            let message = "Make another role the default instead.";
            return Err(ApiError::field("invalid_default", "is_default", message));
        }
        Ok(Change { name: self.name, description: self.description })
    }
}

/// The priority order.
#[derive(Debug, Deserialize, ToSchema)]
struct RoleOrder {
    /// The slugs of all roles, the most important first.
    slugs: Vec<String>,
}

/// The permissions that a role is to have.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RolePermissions {
    /// Their slugs.
    pub(super) permissions: Vec<String>,
}

/// A permission that a role is to have too.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RolePermission {
    /// Its slug.
    pub(super) slug: String,
}

/// List the roles of the environment
#[utoipa::path(
    get, path = "/authorization/roles", tag = "authorization",
    responses((status = 200, description = "All roles, in the order of priority.", body = List<Role>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
) -> Result<Json<List<Role>>, ApiError> {
    Ok(Json(app.db.read(&caller, async |tx| role::list(tx).await).await?.into()))
}

/// Create a role of the environment
///
/// At the bottom of the priority order.
#[utoipa::path(
    post, path = "/authorization/roles", tag = "authorization",
    request_body = NewRole,
    responses(
        (status = 201, description = "The new role.", body = Role),
        (status = 409, description = "The slug is taken.", body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    Post(once, new): Post<NewRole>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| role::create(tx, None, &new).await;
    once.write(&app, StatusCode::CREATED, write).await
}

/// Put the roles of the environment in a new order of priority
///
/// Not in WorkOS's API.
#[utoipa::path(
    put, path = "/authorization/roles/order", tag = "authorization",
    request_body = RoleOrder,
    responses((status = 200, description = "All roles in their new order.", body = List<Role>)),
)]
async fn reorder(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Body(order): Body<RoleOrder>,
) -> Result<Json<List<Role>>, ApiError> {
    let write = async move |tx: &mut _| role::reorder(tx, None, &order.slugs).await;
    Ok(Json(app.db.write(&caller, write).await?.into()))
}

/// Get a role of the environment
#[utoipa::path(
    get, path = "/authorization/roles/{slug}", tag = "authorization",
    params(("slug" = String, Path, description = "The role.")),
    responses((status = 200, description = "The role.", body = Role)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
) -> Result<Json<Role>, ApiError> {
    Ok(Json(app.db.read(&caller, async move |tx| role::get(tx, None, &slug).await).await?))
}

/// Update a role of the environment
#[utoipa::path(
    patch, path = "/authorization/roles/{slug}", tag = "authorization",
    params(("slug" = String, Path, description = "The role.")),
    request_body = UpdateRole,
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
    Body(body): Body<UpdateRole>,
) -> Result<Json<Role>, ApiError> {
    let make_default = body.is_default.is_some();
    let change = body.change()?;
    let write = async move |tx: &mut _| {
        let role = role::update(tx, None, &slug, &change).await?;
        if make_default { role::make_default(tx, &slug).await } else { Ok(role) }
    };
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Delete a role of the environment
///
/// Not in WorkOS's API.
#[utoipa::path(
    delete, path = "/authorization/roles/{slug}", tag = "authorization",
    params(("slug" = String, Path, description = "The role.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "It is a default, or groups give it.", body = ErrorBody),
    ),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| role::delete(tx, None, &slug).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace the permissions of a role of the environment
#[utoipa::path(
    put, path = "/authorization/roles/{slug}/permissions", tag = "authorization",
    params(("slug" = String, Path, description = "The role.")),
    request_body = RolePermissions,
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn set_permissions(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
    Body(body): Body<RolePermissions>,
) -> Result<Json<Role>, ApiError> {
    let write =
        async move |tx: &mut _| role::set_permissions(tx, None, &slug, &body.permissions).await;
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Add a permission to a role of the environment
#[utoipa::path(
    post, path = "/authorization/roles/{slug}/permissions", tag = "authorization",
    params(("slug" = String, Path, description = "The role.")),
    request_body = RolePermission,
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn add_permission(
    State(app): State<App>,
    _: ApiKey,
    Path(slug): Path<String>,
    Post(once, body): Post<RolePermission>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| role::add_permission(tx, None, &slug, &body.slug).await;
    once.write(&app, StatusCode::OK, write).await
}
