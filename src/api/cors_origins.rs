//! `/user_management/cors_origins`: pages whose scripts may redeem codes and read profiles.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::error::{ApiError, ErrorBody};
use super::list::List;
use super::once::Post;
use super::path::Id;
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::CorsOriginId;
use crate::db::Tx;
use crate::model::cors_origin::{self, CorsOrigin};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// An origin to register.
#[derive(Debug, Deserialize, ToSchema)]
struct NewCorsOrigin {
    /// A scheme, a host and maybe a port, such as `https://app.example.com`.
    origin: String,
}

/// List CORS origins
#[utoipa::path(
    get, path = "/user_management/cors_origins", tag = "cors_origins",
    params(PageParams),
    responses((status = 200, description = "The origins.", body = List<CorsOrigin>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<CorsOrigin>>, ApiError> {
    let request = query.page::<CorsOriginId>()?;
    let read = async move |tx: &mut Tx| cors_origin::list(tx, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Register a CORS origin
///
/// Its scripts may call `/sso/token` and `/sso/profile` from within a browser, and no other path.
#[utoipa::path(
    post, path = "/user_management/cors_origins", tag = "cors_origins",
    request_body = NewCorsOrigin,
    responses(
        (status = 201, description = "The new origin.", body = CorsOrigin),
        (status = 409, description = "It is registered already.", body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    Post(once, new): Post<NewCorsOrigin>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| cors_origin::create(tx, &new.origin).await;
    once.write(&app, StatusCode::CREATED, write).await
}

/// Take a CORS origin back
///
/// Not in WorkOS's API.
#[utoipa::path(
    delete, path = "/user_management/cors_origins/{id}", tag = "cors_origins",
    params(("id" = CorsOriginId, Path, description = "The origin.")),
    responses((status = 204, description = "Its scripts are told nothing any more.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<CorsOriginId>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| cors_origin::delete(tx, &id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
