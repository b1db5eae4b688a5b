//! "New Web App Integration".

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::access::{Admin, Submitted};
use super::app_form::Entered;
use super::{Frame, Section, again, done};
use crate::sandbox::okta::directory::Group;
use crate::sandbox::okta::{NewApp, Tenant};
use crate::web::page::page;

pub(super) fn routes() -> Router<Tenant> {
    Router::new().route("/admin/apps/new/web", get(show).post(create))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/app_wizard.html")]
struct WizardPage {
    frame: Frame,
    entered: Entered,
    /// Every group.
    groups: Vec<Group>,
    /// `everyone`, `groups`, `skip`, or nothing yet.
    access: String,
    /// The ids of the groups that are chosen.
    chosen: Vec<String>,
    access_error: Option<&'static str>,
}

impl WizardPage {
    fn is_chosen(&self, group: &Group) -> bool {
        self.chosen.contains(&group.id)
    }
}

async fn show(State(tenant): State<Tenant>, admin: Admin) -> Response {
    // What Okta suggests.
    let sign_in = ["http://localhost:8080/authorization-code/callback".to_owned()];
    let sign_out = ["http://localhost:8080".to_owned()];
    let shown = WizardPage {
        frame: Frame::new(&tenant, &admin, Section::Applications),
        entered: Entered::of("My Web App", &sign_in, &sign_out),
        groups: tenant.groups(),
        access: String::new(),
        chosen: Vec::new(),
        access_error: None,
    };
    page(StatusCode::OK, &shown)
}

async fn create(State(tenant): State<Tenant>, Submitted { admin, fields }: Submitted) -> Response {
    let known = tenant.groups();
    let is_known = |id: &&str| known.iter().any(|group| group.id == *id);
    let chosen = fields.all("group").filter(is_known).map(str::to_owned).collect();
    let mut shown = WizardPage {
        frame: Frame::new(&tenant, &admin, Section::Applications),
        entered: Entered::read(&fields),
        access: fields.owned("access").unwrap_or_default(),
        chosen,
        access_error: None,
        groups: known,
    };
    if shown.entered.change_rows(&fields) {
        return page(StatusCode::OK, &shown);
    }
    let is_fine = shown.entered.check(&fields);
    shown.access_error = match shown.access.as_str() {
        "everyone" | "skip" => None,
        "groups" if shown.chosen.is_empty() => Some("Select at least one group."),
        "groups" => None,
        _ => Some("Choose who gets access."),
    };
    if !is_fine || shown.access_error.is_some() {
        return again(&shown);
    }
    let groups = match shown.access.as_str() {
        "everyone" => vec![tenant.everyone()],
        "groups" => shown.chosen,
        _ => Vec::new(),
    };
    let made = tenant.create_app(NewApp {
        name: shown.entered.name,
        redirect_uris: shown.entered.sign_in.values,
        post_logout_redirect_uris: shown.entered.sign_out.values,
        users: Vec::new(),
        groups,
    });
    done(&format!("/admin/apps/{}/general", made.client_id), "app-created")
}
