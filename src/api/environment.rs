//! `/environment`: the environment of the API key, and its keys. Not in WorkOS's API.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth;
use super::body::Body;
use super::error::ApiError;
use super::list::List;
use super::once::Post;
use super::path::Id;
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::ApiKeyId;
use crate::db::Tx;
use crate::model::api_key::{self, ApiKey, NewApiKey};
use crate::model::environment::{self, Change, Environment};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get, update))
        .routes(routes!(list_api_keys, create_api_key))
        .routes(routes!(delete_api_key))
}

/// Get the environment of the API key
#[utoipa::path(
    get, path = "/environment", tag = "environment",
    responses((status = 200, description = "The environment.", body = Environment)),
)]
async fn get(
    State(app): State<App>,
    auth::ApiKey(caller): auth::ApiKey,
) -> Result<Json<Environment>, ApiError> {
    Ok(Json(app.db.read(&caller, async |tx| environment::current(tx).await).await?))
}

/// Change the environment of the API key
#[utoipa::path(
    patch, path = "/environment", tag = "environment",
    request_body = Change,
    responses((status = 200, description = "The environment as it is now.", body = Environment)),
)]
async fn update(
    State(app): State<App>,
    auth::ApiKey(caller): auth::ApiKey,
    Body(change): Body<Change>,
) -> Result<Json<Environment>, ApiError> {
    let write = async move |tx: &mut _| environment::update(tx, &change).await;
    Ok(Json(app.db.write(&caller, write).await?))
}

/// List the API keys of the environment
#[utoipa::path(
    get, path = "/environment/api_keys", tag = "environment",
    params(PageParams),
    responses((status = 200, description = "The keys, without the keys themselves.",
        body = List<ApiKey>)),
)]
async fn list_api_keys(
    State(app): State<App>,
    auth::ApiKey(caller): auth::ApiKey,
    query: Query,
) -> Result<Json<List<ApiKey>>, ApiError> {
    let request = query.page::<ApiKeyId>()?;
    let read = async move |tx: &mut _| api_key::list(tx, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// A new key with the key itself, which is shown this once.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    #[serde(flatten)]
    key: ApiKey,
    /// The key itself: it is not stored, so this is the only time that it is shown.
    value: String,
}

/// Create an API key of the environment
#[utoipa::path(
    post, path = "/environment/api_keys", tag = "environment",
    request_body = NewApiKey,
    responses((status = 201, description = "The new key, with the key itself.", body = CreatedApiKey)),
)]
async fn create_api_key(
    State(app): State<App>,
    Post(once, new): Post<NewApiKey>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| {
        let (key, secret) = api_key::create(tx, &new).await?;
        Ok(CreatedApiKey { key, value: secret.expose().to_owned() })
    };
    once.write(&app, StatusCode::CREATED, write).await
}

/// Revoke an API key of the environment
///
/// No request with it succeeds any more. A key may revoke itself.
#[utoipa::path(
    delete, path = "/environment/api_keys/{id}", tag = "environment",
    params(("id" = ApiKeyId, Path, description = "The key.")),
    responses((status = 204, description = "It is revoked.")),
)]
async fn delete_api_key(
    State(app): State<App>,
    auth::ApiKey(caller): auth::ApiKey,
    Id(id): Id<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| api_key::revoke(tx, id.as_str()).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
