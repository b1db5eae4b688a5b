//! "Applications", and the dialog "Create a new app integration".

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::access::Admin;
use super::{Frame, Section, again};
use crate::sandbox::okta::Tenant;
use crate::sandbox::okta::directory::AppIntegration;
use crate::sandbox::params::Params;
use crate::web::page::{page, redirect};

pub(super) fn routes() -> Router<Tenant> {
    Router::new().route("/admin/apps", get(list)).route("/admin/apps/new", get(choose))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/app_list.html")]
struct AppListPage {
    frame: Frame,
    apps: Vec<AppIntegration>,
}

async fn list(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let mut apps = tenant.apps();
    apps.sort_by_key(|app| app.name.to_lowercase());
    let frame = Frame::new(&tenant, &admin, Section::Applications);
    page(StatusCode::OK, &AppListPage { frame, apps })
}

/// A choice of the dialog: its value, its label, what Okta says about it.
struct Choice(&'static str, &'static str, &'static str);

const METHODS: [Choice; 4] = [
    Choice(
        "oidc",
        "OIDC - OpenID Connect",
        "Token-based OAuth 2.0 authentication for Single Sign-On (SSO) through API endpoints.",
    ),
    Choice("saml", "SAML 2.0", "XML-based open standard for SSO."),
    Choice("swa", "SWA - Secure Web Authentication", "Single Sign-On with a stored password."),
    Choice("api", "API Services", "Scoped OAuth 2.0 access tokens for machines."),
];

const TYPES: [Choice; 3] = [
    Choice(
        "web",
        "Web Application",
        "Server-side applications where authentication and tokens are handled on the server.",
    ),
    Choice("spa", "Single-Page Application", "Applications that run in the browser."),
    Choice("native", "Native Application", "Applications on a desktop or a mobile device."),
];

#[derive(Template)]
#[template(path = "sandbox/okta/admin/app_new.html")]
struct NewAppPage {
    frame: Frame,
    method: String,
    application_type: String,
    method_error: Option<&'static str>,
    type_error: Option<&'static str>,
}

impl NewAppPage {
    fn methods(&self) -> &'static [Choice] {
        &METHODS
    }

    fn types(&self) -> &'static [Choice] {
        &TYPES
    }
}

async fn choose(State(tenant): State<Tenant>, admin: Admin, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let method = params.owned("sign-in-method").unwrap_or_default();
    let application_type = params.owned("application-type").unwrap_or_default();
    let method_error = match method.as_str() {
        "oidc" => None,
        "" => Some("Choose a sign-in method."),
        _ => Some("This simulation has no such apps. Choose OIDC - OpenID Connect."),
    };
    let type_error = match application_type.as_str() {
        _ if method_error.is_some() => None,
        "web" => None,
        "" => Some("Choose an application type."),
        _ => Some("This simulation has no such apps. Choose Web Application."),
    };
    if method_error.is_none() && type_error.is_none() {
        return redirect("/admin/apps/new/web");
    }
    let frame = Frame::new(&tenant, &admin, Section::Applications);
    let shown = NewAppPage { frame, method, application_type, method_error, type_error };
    if params.get("next").is_some() {
        again(&shown)
    } else {
        let first = NewAppPage { method_error: None, type_error: None, ..shown };
        page(StatusCode::OK, &first)
    }
}
