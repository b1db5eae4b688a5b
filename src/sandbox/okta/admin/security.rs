//! "Security", "API": the authorization servers.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::access::Admin;
use super::{Frame, Section};
use crate::sandbox::okta::Tenant;
use crate::sandbox::okta::server::Server;
use crate::web::page::page;

pub(super) fn routes() -> Router<Tenant> {
    Router::new().route("/admin/api", get(show))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/api.html")]
struct ApiPage {
    frame: Frame,
    issuer: String,
    metadata_uri: String,
}

async fn show(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let shown = ApiPage {
        frame: Frame::new(&tenant, &admin, Section::Api),
        issuer: tenant.issuer(Server::Default),
        metadata_uri: tenant.discovery_endpoint(Server::Default),
    };
    page(StatusCode::OK, &shown)
}
