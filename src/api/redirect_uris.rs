//! `/user_management/redirect_uris`.

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
use super::error::ApiError;
use super::list::List;
use super::once::Post;
use super::path::Id;
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::RedirectUriId;
use crate::db::Tx;
use crate::model::redirect_uri::{self, RedirectUri};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(update, delete))
}

/// A redirect URI to register.
#[derive(Debug, Deserialize, ToSchema)]
struct NewRedirectUri {
    /// The URI, as the application will send it, byte for byte.
    uri: String,
}

/// What is to be changed of a redirect URI.
#[derive(Debug, Deserialize, ToSchema)]
struct UpdateRedirectUri {
    /// `true`: it is used from now on where a request names none.
    default: Option<bool>,
}

/// List redirect URIs
#[utoipa::path(
    get, path = "/user_management/redirect_uris", tag = "redirect_uris",
    params(PageParams),
    responses((status = 200, description = "The redirect URIs.", body = List<RedirectUri>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<RedirectUri>>, ApiError> {
    let request = query.page::<RedirectUriId>()?;
    let read = async move |tx: &mut _| redirect_uri::list(tx, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Register a redirect URI
///
/// The first one becomes the default.
#[utoipa::path(
    post, path = "/user_management/redirect_uris", tag = "redirect_uris",
    request_body = NewRedirectUri,
    responses((status = 201, description = "The new redirect URI.", body = RedirectUri)),
)]
async fn create(
    State(app): State<App>,
    Post(once, new): Post<NewRedirectUri>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| redirect_uri::create(tx, &new.uri).await;
    once.write(&app, StatusCode::CREATED, write).await
}

/// Make a redirect URI the default
///
/// Not in WorkOS's API.
#[utoipa::path(
    patch, path = "/user_management/redirect_uris/{id}", tag = "redirect_uris",
    params(("id" = RedirectUriId, Path, description = "The redirect URI.")),
    request_body = UpdateRedirectUri,
    responses((status = 200, description = "The redirect URI as it is now.", body = RedirectUri)),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<RedirectUriId>,
    Body(change): Body<UpdateRedirectUri>,
) -> Result<Json<RedirectUri>, ApiError> {
    if change.default == Some(false) {
        let message = "Make another redirect URI the default instead.";
        return Err(ApiError::field("invalid_default", "default", message));
    }
    let write = async move |tx: &mut _| match change.default {
        Some(_) => redirect_uri::make_default(tx, &id).await,
        None => redirect_uri::get(tx, &id).await,
    };
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Take a redirect URI back
#[utoipa::path(
    delete, path = "/user_management/redirect_uris/{id}", tag = "redirect_uris",
    params(("id" = RedirectUriId, Path, description = "The redirect URI.")),
    responses(
        (status = 204, description = "It is deleted."),
        (status = 409, description = "It is the default and not the only one.",
            body = super::error::ErrorBody),
    ),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<RedirectUriId>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| redirect_uri::delete(tx, &id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
