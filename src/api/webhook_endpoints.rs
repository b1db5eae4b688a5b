//! `/webhook_endpoints`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::Body;
use super::error::ApiError;
use super::list::List;
use super::once::{BarePost, Post};
use super::path::Id;
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::Error;
use crate::base::id::{WebhookDeliveryId, WebhookEndpointId};
use crate::base::page::Page;
use crate::base::time::Timestamp;
use crate::db::Tx;
use crate::delivery::{self, Tried};
use crate::model::webhook_delivery::{self, WebhookDelivery};
use crate::model::webhook_endpoint::{self, Change, NewWebhookEndpoint, Status, WebhookEndpoint};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(rotate_secret))
        .routes(routes!(test))
        .routes(routes!(replay))
        .routes(routes!(deliveries))
}

/// A webhook endpoint.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
struct WebhookEndpointObject {
    /// Always `webhook_endpoint`.
    object: &'static str,
    /// Its id.
    id: WebhookEndpointId,
    /// Where deliveries go.
    endpoint_url: String,
    /// The secret that signs deliveries.
    secret: String,
    /// Whether anything is delivered.
    status: Status,
    /// The names of the events it wants.
    events: Vec<String>,
    /// Why the service disabled it. (Not in WorkOS's API.)
    #[schema(required)]
    disabled_reason: Option<String>,
    /// Since when nothing arrives. (Not in WorkOS's API.)
    #[schema(required)]
    failing_since: Option<Timestamp>,
    /// When it was created.
    created_at: Timestamp,
    /// When it was last changed.
    updated_at: Timestamp,
}

impl WebhookEndpointObject {
    fn new(app: &App, endpoint: WebhookEndpoint) -> Result<Self, Error> {
        Ok(Self {
            object: "webhook_endpoint",
            secret: endpoint.secret(&app.sealer)?.expose().to_owned(),
            id: endpoint.id,
            endpoint_url: endpoint.endpoint_url,
            status: endpoint.status,
            events: endpoint.events,
            disabled_reason: endpoint.disabled_reason,
            failing_since: endpoint.failing_since,
            created_at: endpoint.created_at,
            updated_at: endpoint.updated_at,
        })
    }
}

/// A webhook endpoint to create.
#[derive(Debug, Deserialize, ToSchema)]
struct CreateWebhookEndpoint {
    /// Where deliveries go: https.
    endpoint_url: String,
    /// The names of the events it wants, at least one.
    events: Vec<String>,
}

/// What is to be changed of a webhook endpoint; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
struct UpdateWebhookEndpoint {
    /// Where deliveries go: https.
    endpoint_url: Option<String>,
    /// Whether anything is delivered.
    status: Option<Status>,
    /// The names of the events it wants.
    events: Option<Vec<String>>,
}

/// What is to be delivered again.
#[derive(Debug, Deserialize, ToSchema)]
struct Replay {
    /// Events from this moment on.
    range_start: Timestamp,
    /// Events before this moment; without it, until now.
    range_end: Option<Timestamp>,
}

/// List webhook endpoints
#[utoipa::path(
    get, path = "/webhook_endpoints", tag = "webhooks",
    params(PageParams),
    responses((status = 200, description = "The endpoints.", body = List<WebhookEndpointObject>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<WebhookEndpointObject>>, ApiError> {
    let request = query.page::<WebhookEndpointId>()?;
    let read = async move |tx: &mut _| webhook_endpoint::list(tx, &request).await;
    let page = app.db.read(&caller, read).await?;
    let data: Result<Vec<_>, _> =
        page.data.into_iter().map(|it| WebhookEndpointObject::new(&app, it)).collect();
    Ok(Json(Page { data: data?, before: page.before, after: page.after }.into()))
}

/// Create a webhook endpoint
///
/// It gets what happens from now on.
#[utoipa::path(
    post, path = "/webhook_endpoints", tag = "webhooks",
    request_body = CreateWebhookEndpoint,
    responses((status = 201, description = "The new endpoint.", body = WebhookEndpointObject)),
)]
async fn create(
    State(app): State<App>,
    Post(once, body): Post<CreateWebhookEndpoint>,
) -> Result<Response, ApiError> {
    let new = NewWebhookEndpoint { endpoint_url: body.endpoint_url, events: body.events };
    let here = app.clone();
    let write = async move |tx: &mut Tx| {
        let created = delivery::create(&here, tx, &new).await?;
        WebhookEndpointObject::new(&here, created)
    };
    once.write(&app, StatusCode::CREATED, write).await
}

/// Get a webhook endpoint
///
/// Not in WorkOS's API.
#[utoipa::path(
    get, path = "/webhook_endpoints/{id}", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint.", body = WebhookEndpointObject)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<WebhookEndpointId>,
) -> Result<Json<WebhookEndpointObject>, ApiError> {
    let read = async move |tx: &mut _| webhook_endpoint::get(tx, &id).await;
    let endpoint = app.db.read(&caller, read).await?;
    Ok(Json(WebhookEndpointObject::new(&app, endpoint)?))
}

/// Change a webhook endpoint
///
/// What happened while you had disabled it is not delivered later, unless it is replayed. What it missed
/// because the service had disabled it is delivered once it is enabled.
#[utoipa::path(
    patch, path = "/webhook_endpoints/{id}", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    request_body = UpdateWebhookEndpoint,
    responses((status = 200, description = "The endpoint as it is now.", body = WebhookEndpointObject)),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<WebhookEndpointId>,
    Body(body): Body<UpdateWebhookEndpoint>,
) -> Result<Json<WebhookEndpointObject>, ApiError> {
    let change =
        Change { endpoint_url: body.endpoint_url, status: body.status, events: body.events };
    let changed = delivery::update(&app, &caller, id, change).await?;
    Ok(Json(WebhookEndpointObject::new(&app, changed)?))
}

/// Delete a webhook endpoint
#[utoipa::path(
    delete, path = "/webhook_endpoints/{id}", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 204, description = "It is deleted; what waited for it is dropped.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<WebhookEndpointId>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| webhook_endpoint::delete(tx, &id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook endpoint a new secret
///
/// From the next attempt on, deliveries are signed with it. Let the receiver accept both secrets
/// before, and the new one alone afterwards. Not in WorkOS's API.
#[utoipa::path(
    post, path = "/webhook_endpoints/{id}/rotate_secret", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "The endpoint with its new secret.", body = WebhookEndpointObject)),
)]
async fn rotate_secret(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<WebhookEndpointId>,
    BarePost(once): BarePost,
) -> Result<Response, ApiError> {
    let here = app.clone();
    let write = async move |tx: &mut Tx| {
        let changed = webhook_endpoint::rotate_secret(tx, &here.sealer, &id).await?;
        WebhookEndpointObject::new(&here, changed)
    };
    once.write(&app, StatusCode::OK, write).await
}

/// Send a test event
///
/// Sends `webhook_endpoint.test` at once and says what came back. Not in WorkOS's API.
#[utoipa::path(
    post, path = "/webhook_endpoints/{id}/test", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    responses((status = 200, description = "How it went.", body = Tried)),
)]
async fn test(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<WebhookEndpointId>,
    BarePost(once): BarePost,
) -> Result<Response, ApiError> {
    let tried = delivery::test(&app, once.caller(), id).await;
    once.keep(&app, StatusCode::OK, tried).await
}

/// Deliver again what happened in a range of time
///
/// Not in WorkOS's API.
#[utoipa::path(
    post, path = "/webhook_endpoints/{id}/replay", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint.")),
    request_body = Replay,
    responses((status = 202, description = "It begins.", body = WebhookEndpointObject)),
)]
async fn replay(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<WebhookEndpointId>,
    Post(once, body): Post<Replay>,
) -> Result<Response, ApiError> {
    let range = (body.range_start, body.range_end);
    let here = app.clone();
    let write = async move |tx: &mut Tx| {
        let changed = webhook_endpoint::replay(tx, &id, range).await?;
        WebhookEndpointObject::new(&here, changed)
    };
    once.write(&app, StatusCode::ACCEPTED, write).await
}

/// List the deliveries of a webhook endpoint
///
/// Not in WorkOS's API.
#[utoipa::path(
    get, path = "/webhook_endpoints/{id}/deliveries", tag = "webhooks",
    params(("id" = WebhookEndpointId, Path, description = "The endpoint."), PageParams),
    responses((status = 200, description = "The deliveries.", body = List<WebhookDelivery>)),
)]
async fn deliveries(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<WebhookEndpointId>,
    query: Query,
) -> Result<Json<List<WebhookDelivery>>, ApiError> {
    let request = query.page::<WebhookDeliveryId>()?;
    let read = async move |tx: &mut _| {
        webhook_endpoint::get(tx, &id).await?;
        webhook_delivery::list(tx, &id, &request).await
    };
    Ok(Json(app.db.read(&caller, read).await?.into()))
}
