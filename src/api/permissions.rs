//! `/authorization/permissions`.

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
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::PermissionId;
use crate::db::Tx;
use crate::model::permission::{self, Change, NewPermission, Permission};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

/// What is to be changed of a permission; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
struct UpdatePermission {
    /// The new name.
    name: Option<String>,
    /// The new description; `null` for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
}

/// List permissions
#[utoipa::path(
    get, path = "/authorization/permissions", tag = "authorization",
    params(PageParams),
    responses((status = 200, description = "The permissions.", body = List<Permission>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<Permission>>, ApiError> {
    let request = query.page::<PermissionId>()?;
    let read = async move |tx: &mut _| permission::list(tx, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Create a permission
#[utoipa::path(
    post, path = "/authorization/permissions", tag = "authorization",
    request_body = NewPermission,
    responses(
        (status = 201, description = "The new permission.", body = Permission),
        (status = 409, description = "The slug is taken.", body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    Post(once, new): Post<NewPermission>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| permission::create(tx, &new).await;
    once.write(&app, StatusCode::CREATED, write).await
}

/// Get a permission
#[utoipa::path(
    get, path = "/authorization/permissions/{slug}", tag = "authorization",
    params(("slug" = String, Path, description = "The permission.")),
    responses((status = 200, description = "The permission.", body = Permission)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
) -> Result<Json<Permission>, ApiError> {
    Ok(Json(app.db.read(&caller, async move |tx| permission::get(tx, &slug).await).await?))
}

/// Update a permission
#[utoipa::path(
    patch, path = "/authorization/permissions/{slug}", tag = "authorization",
    params(("slug" = String, Path, description = "The permission.")),
    request_body = UpdatePermission,
    responses(
        (status = 200, description = "The permission as it is now.", body = Permission),
        (status = 403, description = "The service made it.", body = ErrorBody),
    ),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
    Body(body): Body<UpdatePermission>,
) -> Result<Json<Permission>, ApiError> {
    let change = Change { name: body.name, description: body.description };
    let write = async move |tx: &mut _| permission::update(tx, &slug, &change).await;
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Delete a permission
///
/// All roles lose it.
#[utoipa::path(
    delete, path = "/authorization/permissions/{slug}", tag = "authorization",
    params(("slug" = String, Path, description = "The permission.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 403, description = "The service made it.", body = ErrorBody),
    ),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(slug): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| permission::delete(tx, &slug).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
