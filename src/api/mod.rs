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

/// The description of the API, as it is served: a few hundred kilobytes of text, but megabytes as it is
/// made of, so it is made when somebody asks.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::text(routes().into_openapi()));

/// The routes of the API, and JSON answers to requests for paths and methods that do not exist.
pub fn router(app: App) -> Router {
    Router::from(routes())
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], &**DOCUMENT)),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(with_headers))
        .with_state(app)
}

/// Every route, with its description.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(organizations::routes())
        .merge(organization_api_keys::routes())
        .merge(organization_domains::routes())
        .merge(connections::routes())
        .merge(connection_groups::routes())
        .merge(sso::routes())
        .merge(sso_sessions::routes())
        .merge(roles::routes())
        .merge(organization_roles::routes())
        .merge(permissions::routes())
        .merge(portal::routes())
        .merge(redirect_uris::routes())
        .merge(cors_origins::routes())
        .merge(environment::routes())
        .merge(events::routes())
        .merge(webhook_endpoints::routes())
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
