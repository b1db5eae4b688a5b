//! The admin console, with Okta's labels: what a guide for Okta tells its reader to press is here.
//!
//! It has its own session: who is signed in here is not signed in at the applications, so that one
//! browser can configure the tenant and try a person's sign-in.

mod access;
mod app_form;
mod app_general;
mod app_list;
mod app_sign_on;
mod app_wizard;
mod assignments;
mod dashboard;
mod faults;
mod groups;
mod people;
mod security;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::Tenant;
use super::directory::{AppIntegration, Group, User};
use super::server::Server;
use crate::sandbox::params::Params;
use crate::web::page::{after_post, file, page, redirect, with_query};

use access::Admin;
pub(super) use access::AdminSession;

/// How long a name may be, in characters.
const MAX_NAME: usize = 100;
/// What Okta says about a field that has to be filled in.
const BLANK: &str = "This field cannot be left blank";

/// The word of a `notice` parameter and the sentence that it stands for.
const NOTICES: &[(&str, &str)] = &[
    ("app-created", "App integration created. Copy the client ID and the secret from here."),
    ("app-deleted", "App integration deleted."),
    ("saved", "Saved."),
    ("secret-added", "New secret generated. The other one keeps working until you deactivate it."),
    ("secret-deactivated", "Secret deactivated. Requests with it are refused from now on."),
    ("secret-activated", "Secret activated."),
    ("secret-deleted", "Secret deleted."),
    ("assigned", "Assigned."),
    ("unassigned", "Assignment removed."),
    ("person-created", "Person added."),
    ("suspended", "Suspended. This person cannot sign in."),
    ("unsuspended", "Unsuspended. This person can sign in again."),
    ("group-created", "Group added. Assign people to it here."),
    ("member-added", "Person assigned to the group."),
    ("member-removed", "Person removed from the group."),
    ("faults", "Saved. The faults take effect at once."),
    ("keys", "The keys of the org authorization server have changed."),
];

/// The entry of the sidebar that a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Dashboard,
    People,
    Groups,
    Applications,
    Api,
    Faults,
}

/// What stands around the content of every page.
struct Frame {
    section: Section,
    /// Who is signed in.
    email: String,
    /// The token that every form has to send back.
    csrf: String,
    /// "Okta tenant domain".
    domain: String,
    discovery_endpoint: String,
    notice: Option<&'static str>,
    /// How many faults are switched on, of the tenant and of all app integrations.
    faults: usize,
}

impl Frame {
    fn new(tenant: &Tenant, admin: &Admin, section: Section) -> Self {
        let state = tenant.state();
        let of_apps: usize = state.directory.apps.iter().map(|app| app.faults.len()).sum();
        Self {
            section,
            email: admin.email.clone(),
            csrf: admin.csrf.clone(),
            domain: tenant.base_url().split("://").last().unwrap_or_default().to_owned(),
            discovery_endpoint: tenant.discovery_endpoint(Server::Org),
            notice: admin.notice,
            faults: of_apps + state.faults.len(),
        }
    }

    /// The mark of the current entry of the sidebar.
    fn current(&self, section: Section) -> &'static str {
        if self.section == section { "page" } else { "false" }
    }
}

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin", get(async || redirect("/admin/dashboard")))
        .route("/admin/", get(async || redirect("/admin/dashboard")))
        .route("/admin/{*path}", get(unknown))
        .route("/sandbox/console.css", get(style_sheet))
        .route("/sandbox/console.js", get(script))
        .merge(access::routes())
        .merge(dashboard::routes())
        .merge(app_list::routes())
        .merge(app_wizard::routes())
        .merge(app_general::routes())
        .merge(app_sign_on::routes())
        .merge(assignments::routes())
        .merge(people::routes())
        .merge(groups::routes())
        .merge(security::routes())
        .merge(faults::routes())
}

async fn style_sheet() -> Response {
    file("text/css; charset=utf-8", include_str!("console.css"))
}

async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("console.js"))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/not_found.html")]
struct NotFoundPage {
    frame: Frame,
}

async fn unknown(State(tenant): State<Tenant>, admin: Admin) -> Response {
    not_found(&tenant, &admin)
}

fn not_found(tenant: &Tenant, admin: &Admin) -> Response {
    let frame = Frame::new(tenant, admin, Section::Dashboard);
    page(StatusCode::NOT_FOUND, &NotFoundPage { frame })
}

/// The answer to a form that worked: the page, with a notice.
fn done(path: &str, notice: &str) -> Response {
    let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
    let mut location = with_query(path, &[("notice", notice)]);
    if !fragment.is_empty() {
        location = format!("{location}#{fragment}");
    }
    after_post(redirect(&location))
}

/// The answer to a form with mistakes: the page again, with what was typed.
fn again(template: &impl Template) -> Response {
    page(StatusCode::UNPROCESSABLE_ENTITY, template)
}

fn find_app(tenant: &Tenant, client_id: &str) -> Option<AppIntegration> {
    tenant.state().directory.app(client_id).cloned()
}

fn find_user(tenant: &Tenant, id: &str) -> Option<User> {
    tenant.state().directory.user(id).cloned()
}

fn find_group(tenant: &Tenant, id: &str) -> Option<Group> {
    tenant.state().directory.groups.iter().find(|group| group.id == id).cloned()
}

/// A text of one line, trimmed, or why it is none.
fn line(fields: &Params, name: &str) -> (String, Option<&'static str>) {
    let text = fields.get(name).unwrap_or_default().trim().to_owned();
    let error = if text.is_empty() {
        Some(BLANK)
    } else if text.chars().count() > MAX_NAME {
        Some("This field cannot be longer than 100 characters")
    } else if text.chars().any(char::is_control) {
        Some("This field cannot have line breaks or other control characters")
    } else {
        None
    };
    (text, error)
}
