//! `/authorization/organizations/{organization_id}/roles`: the roles of one organization.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::Body;
use super::error::{ApiError, ErrorBody};
use super::list::List;
use super::once::Post;
use super::path::{Path, parse};
use super::roles::{RolePermission, RolePermissions, UpdateRole};
use crate::app::App;
use crate::base::id::OrganizationId;
use crate::db::Tx;
use crate::model::organization;
use crate::model::role::{self, NewRole, Role};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(set_permissions, add_permission))
        .routes(routes!(remove_permission))
}

/// A role that one organization is to have.
#[derive(Debug, Deserialize, ToSchema)]
struct NewOrganizationRole {
    /// Begins with `org-`; made of the name if absent.
    slug: Option<String>,
    /// 1 to 48 characters.
    name: String,
    /// At most 150 characters.
    description: Option<String>,
    /// Only `organization`.
    resource_type_slug: Option<String>,
}

/// Reads the organization and the role out of the path, and sees whether the organization is there.
async fn organization(tx: &mut Tx, id: &OrganizationId) -> crate::base::Result<()> {
    organization::get(tx, id).await.map(drop)
}

/// List the roles of an organization
///
/// Those of the environment first, then its own.
#[utoipa::path(
    get, path = "/authorization/organizations/{organization_id}/roles", tag = "authorization",
    params(("organization_id" = OrganizationId, Path, description = "The organization.")),
    responses((status = 200, description = "All roles, in the order of priority.", body = List<Role>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(id): Path<String>,
) -> Result<Json<List<Role>>, ApiError> {
    let id = parse(&id)?;
    let read = async move |tx: &mut _| {
        organization(tx, &id).await?;
        role::for_organization(tx, &id).await
    };
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Create a role of one organization
///
/// At the bottom of the priority order.
#[utoipa::path(
    post, path = "/authorization/organizations/{organization_id}/roles", tag = "authorization",
    params(("organization_id" = OrganizationId, Path, description = "The organization.")),
    request_body = NewOrganizationRole,
    responses(
        (status = 201, description = "The new role.", body = Role),
        (status = 409, description = "The slug is taken.", body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    _: ApiKey,
    Path(id): Path<String>,
    Post(once, body): Post<NewOrganizationRole>,
) -> Result<Response, ApiError> {
    let id = parse(&id)?;
    let new = NewRole {
        slug: body.slug.unwrap_or_else(|| role::slug_from_name(&body.name)),
        name: body.name,
        description: body.description,
        resource_type_slug: body.resource_type_slug,
    };
    let write = async move |tx: &mut Tx| {
        organization(tx, &id).await?;
        role::create(tx, Some(&id), &new).await
    };
    once.write(&app, StatusCode::CREATED, write).await
}

/// Get a role that applies in an organization
#[utoipa::path(
    get, path = "/authorization/organizations/{organization_id}/roles/{slug}",
    tag = "authorization",
    params(
        ("organization_id" = OrganizationId, Path, description = "The organization."),
        ("slug" = String, Path, description = "The role."),
    ),
    responses((status = 200, description = "The role.", body = Role)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((id, slug)): Path<(String, String)>,
) -> Result<Json<Role>, ApiError> {
    let id = parse(&id)?;
    let read = async move |tx: &mut _| {
        organization(tx, &id).await?;
        role::get_for_organization(tx, &id, &slug).await
    };
    Ok(Json(app.db.read(&caller, read).await?))
}

/// Update a role of one organization
///
/// `is_default: true` may also be said of a role of the environment: it is then the default in this
/// organization. (Not in WorkOS's API.)
#[utoipa::path(
    patch, path = "/authorization/organizations/{organization_id}/roles/{slug}",
    tag = "authorization",
    params(
        ("organization_id" = OrganizationId, Path, description = "The organization."),
        ("slug" = String, Path, description = "The role."),
    ),
    request_body = UpdateRole,
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((id, slug)): Path<(String, String)>,
    Body(body): Body<UpdateRole>,
) -> Result<Json<Role>, ApiError> {
    let id = parse(&id)?;
    let make_default = body.is_default.is_some();
    let change = body.change()?;
    let write = async move |tx: &mut _| {
        organization(tx, &id).await?;
        if make_default {
            role::make_organization_default(tx, &id, Some(&slug)).await?;
        }
        if change.name.is_some() || change.description.is_some() || !make_default {
            role::update(tx, Some(&id), &slug, &change).await?;
        }
        role::get_for_organization(tx, &id, &slug).await
    };
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Delete a role of one organization
#[utoipa::path(
    delete, path = "/authorization/organizations/{organization_id}/roles/{slug}",
    tag = "authorization",
    params(
        ("organization_id" = OrganizationId, Path, description = "The organization."),
        ("slug" = String, Path, description = "The role."),
    ),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "It is a default, or groups give it.", body = ErrorBody),
    ),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((id, slug)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = parse(&id)?;
    let write = async move |tx: &mut _| {
        organization(tx, &id).await?;
        role::delete(tx, Some(&id), &slug).await
    };
    app.db.write(&caller, write).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replace the permissions of a role of one organization
#[utoipa::path(
    put, path = "/authorization/organizations/{organization_id}/roles/{slug}/permissions",
    tag = "authorization",
    params(
        ("organization_id" = OrganizationId, Path, description = "The organization."),
        ("slug" = String, Path, description = "The role."),
    ),
    request_body = RolePermissions,
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn set_permissions(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((id, slug)): Path<(String, String)>,
    Body(body): Body<RolePermissions>,
) -> Result<Json<Role>, ApiError> {
    let id = parse(&id)?;
    let write = async move |tx: &mut _| {
        organization(tx, &id).await?;
        role::set_permissions(tx, Some(&id), &slug, &body.permissions).await
    };
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Add a permission to a role of one organization
#[utoipa::path(
    post, path = "/authorization/organizations/{organization_id}/roles/{slug}/permissions",
    tag = "authorization",
    params(
        ("organization_id" = OrganizationId, Path, description = "The organization."),
        ("slug" = String, Path, description = "The role."),
    ),
    request_body = RolePermission,
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn add_permission(
    State(app): State<App>,
    _: ApiKey,
    Path((id, slug)): Path<(String, String)>,
    Post(once, body): Post<RolePermission>,
) -> Result<Response, ApiError> {
    let id = parse(&id)?;
    let write = async move |tx: &mut Tx| {
        organization(tx, &id).await?;
        role::add_permission(tx, Some(&id), &slug, &body.slug).await
    };
    once.write(&app, StatusCode::OK, write).await
}

/// Take a permission from a role of one organization
#[utoipa::path(
    delete,
    path = "/authorization/organizations/{organization_id}/roles/{slug}/permissions/{permission_slug}",
    tag = "authorization",
    params(
        ("organization_id" = OrganizationId, Path, description = "The organization."),
        ("slug" = String, Path, description = "The role."),
        ("permission_slug" = String, Path, description = "The permission."),
    ),
    responses((status = 200, description = "The role as it is now.", body = Role)),
)]
async fn remove_permission(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path((id, slug, permission)): Path<(String, String, String)>,
) -> Result<Json<Role>, ApiError> {
    let id = parse(&id)?;
    let write = async move |tx: &mut _| {
        organization(tx, &id).await?;
        role::remove_permission(tx, Some(&id), &slug, &permission).await
    };
    Ok(Json(app.db.write(&caller, write).await?))
}
