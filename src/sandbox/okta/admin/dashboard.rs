//! The first page: how much there is of everything.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::access::Admin;
use super::{Frame, Section};
use crate::sandbox::okta::Tenant;
use crate::web::page::page;

pub(super) fn routes() -> Router<Tenant> {
    Router::new().route("/admin/dashboard", get(show))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/dashboard.html")]
struct DashboardPage {
    frame: Frame,
    users: usize,
    suspended: usize,
    groups: usize,
    apps: usize,
    /// How often the endpoints of sign-ins were asked.
    requests: Vec<(&'static str, usize)>,
}

async fn show(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let frame = Frame::new(&tenant, &admin, Section::Dashboard);
    let paths = [
        "/.well-known/openid-configuration",
        "/oauth2/v1/keys",
        "/oauth2/v1/authorize",
        "/oauth2/v1/token",
        "/oauth2/v1/userinfo",
    ];
    let requests = paths.map(|path| (path, tenant.count(path))).to_vec();
    let shown = {
        let directory = &tenant.state().directory;
        DashboardPage {
            frame,
            users: directory.users.len(),
            suspended: directory.users.iter().filter(|user| user.suspended).count(),
            groups: directory.groups.len(),
            apps: directory.apps.len(),
            requests,
        }
    };
    page(StatusCode::OK, &shown)
}
