//! `/organizations/{id}/api_keys` and `/api_keys`: keys that the application gives to its customers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{Body, nullable};
use super::error::{ApiError, ErrorBody};
use super::list::List;
use super::once::Post;
use super::path::Id;
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::{ApiKeyId, OrganizationId};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::db::Tx;
use crate::model::organization_api_key::{self, NewOrganizationApiKey, OrganizationApiKey};

/// Longer texts are no key of ours, and are not hashed.
const MAX_KEY_BYTES: usize = 256;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(validate))
        .routes(routes!(delete))
        .routes(routes!(expire))
}

/// A new key with the key itself, which is shown this once.
#[derive(Serialize, ToSchema)]
struct CreatedOrganizationApiKey {
    #[serde(flatten)]
    key: OrganizationApiKey,
    /// The key itself: it is not stored, so this is the only time that it is shown.
    value: String,
}

/// What may be a key.
#[derive(Deserialize, ToSchema)]
struct ValidateApiKey {
    /// What somebody has sent to the application.
    value: String,
}

/// What a value is.
#[derive(Debug, Serialize, ToSchema)]
struct ApiKeyValidation {
    /// The key, if it is good now; else `null`.
    #[schema(required)]
    api_key: Option<OrganizationApiKey>,
}

/// When a key is to end.
#[derive(Debug, Deserialize, ToSchema)]
struct ExpireApiKey {
    /// The moment; absent or passed for now, `null` for never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Timestamp>)]
    expires_at: Option<Option<Timestamp>>,
}

/// List the API keys of an organization
#[utoipa::path(
    get, path = "/organizations/{id}/api_keys", tag = "api_keys",
    params(("id" = OrganizationId, Path, description = "The organization."), PageParams),
    responses((status = 200, description = "The keys, without the keys themselves.",
        body = List<OrganizationApiKey>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationId>,
    query: Query,
) -> Result<Json<List<OrganizationApiKey>>, ApiError> {
    let request = query.page::<ApiKeyId>()?;
    let read = async move |tx: &mut Tx| organization_api_key::list(tx, &id, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Create an API key of an organization
#[utoipa::path(
    post, path = "/organizations/{id}/api_keys", tag = "api_keys",
    params(("id" = OrganizationId, Path, description = "The organization.")),
    request_body = NewOrganizationApiKey,
    responses((status = 201, description = "The new key, with the key itself.",
        body = CreatedOrganizationApiKey)),
)]
async fn create(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<OrganizationId>,
    Post(once, new): Post<NewOrganizationApiKey>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| {
        let (key, secret) = organization_api_key::create(tx, &id, &new).await?;
        Ok(CreatedOrganizationApiKey { key, value: secret.expose().to_owned() })
    };
    once.write(&app, StatusCode::CREATED, write).await
}

/// Validate an API key of an organization
///
/// Looks anew each time: an `Idempotency-Key` keeps nothing here, so that a key that was deleted
/// meanwhile is not called good.
#[utoipa::path(
    post, path = "/api_keys/validations", tag = "api_keys",
    request_body = ValidateApiKey,
    responses((status = 200, description = "The key, if it is good now.", body = ApiKeyValidation)),
)]
async fn validate(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Body(body): Body<ValidateApiKey>,
) -> Result<Json<ApiKeyValidation>, ApiError> {
    let value = Secret::new(body.value);
    if value.expose().len() > MAX_KEY_BYTES {
        return Ok(Json(ApiKeyValidation { api_key: None }));
    }
    let hash = value.hash();
    let read = async move |tx: &mut Tx| organization_api_key::validate(tx, &hash).await;
    let api_key = app.db.read(&caller, read).await?;
    if let Some(key) = &api_key
        && organization_api_key::is_use_due(key, app.clock.now())
    {
        let id = key.id.clone();
        let write = async move |tx: &mut Tx| organization_api_key::used(tx, &id).await;
        app.db.write(&caller, write).await?;
    }
    Ok(Json(ApiKeyValidation { api_key }))
}

/// Delete an API key of an organization
#[utoipa::path(
    delete, path = "/api_keys/{id}", tag = "api_keys",
    params(("id" = ApiKeyId, Path, description = "The key.")),
    responses((status = 204, description = "It is deleted, and not good any more.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| organization_api_key::delete(tx, &id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Change when an API key of an organization ends
#[utoipa::path(
    post, path = "/api_keys/{id}/expire", tag = "api_keys",
    params(("id" = ApiKeyId, Path, description = "The key.")),
    request_body = ExpireApiKey,
    responses(
        (status = 200, description = "The key as it is now.", body = OrganizationApiKey),
        (status = 409, description = "It has ended.", body = ErrorBody),
    ),
)]
async fn expire(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<ApiKeyId>,
    Post(once, body): Post<ExpireApiKey>,
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let expires_at = body.expires_at.unwrap_or(Some(now));
    let write = async move |tx: &mut Tx| organization_api_key::expire(tx, &id, expires_at).await;
    once.write(&app, StatusCode::OK, write).await
}
