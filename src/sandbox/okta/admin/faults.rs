//! "Simulate a fault": no page of Okta's, but a developer's switches for this simulation.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access::{Admin, Submitted};
use super::{Frame, Section, done, find_app, not_found};
use crate::sandbox::okta::directory::AppIntegration;
use crate::sandbox::okta::server::Server;
use crate::sandbox::okta::{Fault, Tenant, TenantFault, TooManyGroups};
use crate::sandbox::params::Params;
use crate::web::page::page;

/// The words of the form, what they mean and what the page says.
const TOO_MANY: [(&str, TooManyGroups, &str); 3] = [
    ("exempt", TooManyGroups::Exempt, "All of them come."),
    ("error", TooManyGroups::Error, "The sign-in fails."),
    ("truncate", TooManyGroups::Truncate, "The first 100 come, and nothing tells that."),
];

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin/faults", get(show_tenant).post(save_tenant))
        .route("/admin/faults/{client_id}", get(show_app).post(save_app))
        .route("/admin/keys", post(change_keys))
}

/// A fault as a checkbox.
struct Switch {
    /// The fault in JSON.
    value: String,
    sentence: &'static str,
    is_on: bool,
}

impl Switch {
    /// The fault as a test names it.
    fn word(&self) -> &str {
        self.value.trim_matches('"')
    }
}

/// The faults that take effect at one place.
struct Place {
    name: &'static str,
    switches: Vec<Switch>,
}

/// What both kinds of fault have in common, so that a page need not know which it shows.
trait Kind: Copy + Serialize + DeserializeOwned + 'static {
    fn all() -> &'static [(&'static str, &'static [Self])];
    fn sentence(self) -> &'static str;
    fn is_like(self, other: Self) -> bool;
}

impl Kind for Fault {
    fn all() -> &'static [(&'static str, &'static [Self])] {
        Self::ALL
    }

    fn sentence(self) -> &'static str {
        self.sentence()
    }

    fn is_like(self, other: Self) -> bool {
        self.is_like(other)
    }
}

impl Kind for TenantFault {
    fn all() -> &'static [(&'static str, &'static [Self])] {
        Self::ALL
    }

    fn sentence(self) -> &'static str {
        self.sentence()
    }

    fn is_like(self, other: Self) -> bool {
        self.is_like(other)
    }
}

/// All faults of a kind; those that are on keep their measure.
fn places<K: Kind>(on: &[K]) -> Vec<Place> {
    let switch = |fault: &K| {
        let current = on.iter().find(|other| other.is_like(*fault));
        Switch {
            value: serde_json::to_string(current.unwrap_or(fault)).unwrap_or_default(),
            sentence: fault.sentence(),
            is_on: current.is_some(),
        }
    };
    let place = |(name, faults): &(&'static str, &[K])| Place {
        name,
        switches: faults.iter().map(switch).collect(),
    };
    K::all().iter().map(place).collect()
}

/// The faults that were ticked. What is no fault is left out.
fn ticked<K: Kind>(fields: &Params) -> Vec<K> {
    fields.all("fault").filter_map(|json| serde_json::from_str(json).ok()).collect()
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/faults.html")]
struct TenantFaultsPage {
    frame: Frame,
    places: Vec<Place>,
    apps: Vec<AppIntegration>,
}

async fn show_tenant(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let frame = Frame::new(&tenant, &admin, Section::Faults);
    let places = places(&tenant.state().faults);
    let apps = tenant.apps();
    page(StatusCode::OK, &TenantFaultsPage { frame, places, apps })
}

async fn save_tenant(
    State(tenant): State<Tenant>,
    Submitted { fields, .. }: Submitted,
) -> Response {
    tenant.set_tenant_faults(&ticked::<TenantFault>(&fields));
    done("/admin/faults", "faults")
}

/// A choice for more than 100 groups: word, sentence, whether it is made.
type TooManyChoice = (&'static str, &'static str, bool);

#[derive(Template)]
#[template(path = "sandbox/okta/admin/app_faults.html")]
struct AppFaultsPage {
    frame: Frame,
    app: AppIntegration,
    places: Vec<Place>,
    /// Empty without a groups claim.
    too_many: Vec<TooManyChoice>,
}

async fn show_app(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    admin: Admin,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let current = app.groups_claim.as_ref().map(|claim| claim.too_many);
    let choices = TOO_MANY.iter().map(|(word, it, text)| (*word, *text, Some(*it) == current));
    let shown = AppFaultsPage {
        frame: Frame::new(&tenant, &admin, Section::Faults),
        places: places(&app.faults),
        too_many: if current.is_some() { choices.collect() } else { Vec::new() },
        app,
    };
    page(StatusCode::OK, &shown)
}

async fn save_app(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let word = fields.get("too_many");
    let too_many = TOO_MANY.iter().find(|(known, ..)| Some(*known) == word);
    let saved = tenant.edit_app(&client_id, |app| {
        app.faults = ticked::<Fault>(&fields);
        if let (Some(claim), Some((_, too_many, _))) = (&mut app.groups_claim, too_many) {
            claim.too_many = *too_many;
        }
    });
    match saved {
        Ok(()) => done(&format!("/admin/faults/{client_id}"), "faults"),
        Err(_) => not_found(&tenant, &admin),
    }
}

async fn change_keys(
    State(tenant): State<Tenant>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let changed = match fields.get("action") {
        Some("publish-next") => tenant.publish_next_key(Server::Org),
        Some("rotate") => tenant.rotate_keys(Server::Org),
        Some("drop-old") => {
            tenant.drop_old_keys(Server::Org);
            Ok(())
        }
        _ => return not_found(&tenant, &admin),
    };
    match changed {
        Ok(()) => done("/admin/faults#keys", "keys"),
        Err(_) => not_found(&tenant, &admin),
    }
}
