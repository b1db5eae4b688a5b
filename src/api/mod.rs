//! The REST API, as WorkOS shapes it: one file a resource. Handlers parse, call one operation of
//! the model and render.

mod auth;
mod body;
mod connection_groups;
mod connections;
mod cors_origins;
mod environment;
mod error;
mod events;
mod list;
mod once;
mod openapi;
mod organization_api_keys;
mod organization_domains;
mod organization_roles;
mod organizations;
mod path;
mod permissions;
mod portal;
mod query;
mod redirect_uris;
mod roles;
mod sso;
mod sso_sessions;
mod webhook_endpoints;

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use error::ApiError;

/// The routes of each group, with their descriptions.
const GROUPS: [fn() -> OpenApiRouter<App>; 16] = [
    organizations::routes,
    organization_api_keys::routes,
    organization_domains::routes,
    connections::routes,
    connection_groups::routes,
    sso::routes,
    sso_sessions::routes,
    roles::routes,
    organization_roles::routes,
    permissions::routes,
    portal::routes,
    redirect_uris::routes,
    cors_origins::routes,
    environment::routes,
    events::routes,
    webhook_endpoints::routes,
];

/// The description of the API, as it is served: a few hundred kilobytes of text, but megabytes as it is
/// made of, so it is made when somebody asks.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let frame = OpenApiRouter::with_openapi(openapi::frame());
    openapi::text(GROUPS.iter().fold(frame, |all, group| all.merge(group())).into_openapi())
});

/// The routes of the API, and JSON answers to requests for paths and methods that do not exist.
pub fn router(app: App) -> Router {
    // One group after the other: the descriptions of all of them together are never there.
    GROUPS
        .iter()
        .fold(Router::new(), |all, group| all.merge(Router::from(group())))
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], &**DOCUMENT)),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(with_headers))
        .with_state(app)
}

async fn not_found(method: Method, uri: Uri) -> ApiError {
    let message = format!("Not Found: there is no {method} {}.", uri.path());
    ApiError::plain(StatusCode::NOT_FOUND, message)
}

async fn method_not_allowed() -> ApiError {
    ApiError::plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// What every answer carries: nobody may keep it, and no browser may guess its type.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
