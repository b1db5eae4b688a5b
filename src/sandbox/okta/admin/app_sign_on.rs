//! The tab "Sign On": the groups claim, in its legacy configuration.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use regex_lite::Regex;

use super::access::{Admin, Submitted};
use super::{Frame, Section, again, done, find_app, line, not_found};
use crate::sandbox::okta::directory::AppIntegration;
use crate::sandbox::okta::server::Server;
use crate::sandbox::okta::{GroupsClaim, GroupsFilter, Tenant};
use crate::sandbox::params::Params;
use crate::web::page::page;

/// The words of the form and Okta's labels.
const CONDITIONS: [(&str, &str); 4] = [
    ("starts-with", "Starts with"),
    ("equals", "Equals"),
    ("contains", "Contains"),
    ("regex", "Matches regex"),
];

pub(super) fn routes() -> Router<Tenant> {
    Router::new().route("/admin/apps/{client_id}/sign-on", get(show).post(save))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/app_sign_on.html")]
struct SignOnPage {
    frame: Frame,
    app: AppIntegration,
    tab: &'static str,
    issuer: String,
    /// Whether the legacy configuration is unfolded.
    is_shown: bool,
    is_edited: bool,
    /// `filter` or `expression`.
    claim_type: String,
    name: String,
    condition: String,
    value: String,
    type_error: Option<&'static str>,
    name_error: Option<&'static str>,
    value_error: Option<String>,
}

impl SignOnPage {
    fn new(tenant: &Tenant, admin: &Admin, app: AppIntegration) -> Self {
        let (condition, value) = match app.groups_claim.as_ref().map(|claim| &claim.filter) {
            None => ("starts-with", ""),
            Some(GroupsFilter::StartsWith(value)) => ("starts-with", value.as_str()),
            Some(GroupsFilter::Equals(value)) => ("equals", value.as_str()),
            Some(GroupsFilter::Contains(value)) => ("contains", value.as_str()),
            Some(GroupsFilter::Regex(value)) => ("regex", value.as_str()),
        };
        let name = app.groups_claim.as_ref().map_or("groups", |claim| claim.name.as_str());
        Self {
            frame: Frame::new(tenant, admin, Section::Applications),
            tab: "sign-on",
            issuer: tenant.issuer(Server::Org),
            is_shown: false,
            is_edited: false,
            claim_type: "filter".to_owned(),
            name: name.to_owned(),
            condition: condition.to_owned(),
            value: value.to_owned(),
            type_error: None,
            name_error: None,
            value_error: None,
            app,
        }
    }

    fn conditions(&self) -> &'static [(&'static str, &'static str)] {
        &CONDITIONS
    }

    /// Okta's label of the condition.
    fn condition_label(&self) -> &'static str {
        let found = CONDITIONS.iter().find(|(word, _)| *word == self.condition);
        found.map_or("", |(_, label)| label)
    }

    /// The claim that was entered, or `None` with the mistakes beside the fields.
    fn read(&mut self, fields: &Params) -> Option<GroupsClaim> {
        self.claim_type = fields.owned("claim_type").unwrap_or_default();
        self.condition = fields.owned("condition").unwrap_or_default();
        self.value = fields.owned("value").unwrap_or_default();
        (self.name, self.name_error) = line(fields, "name");
        self.type_error = match self.claim_type.as_str() {
            "filter" => None,
            _ => Some("This simulation has no expression language. Choose Filter."),
        };
        let value = self.value.clone();
        let filter = match self.condition.as_str() {
            "starts-with" => GroupsFilter::StartsWith(value),
            "equals" => GroupsFilter::Equals(value),
            "contains" => GroupsFilter::Contains(value),
            _ => GroupsFilter::Regex(value),
        };
        if let GroupsFilter::Regex(value) = &filter
            && let Err(error) = Regex::new(&format!("^(?:{value})$"))
        {
            self.value_error = Some(format!("The regular expression cannot be read: {error}"));
        }
        if self.value.chars().count() > 1024 {
            self.value_error = Some("The value can have 1024 characters at most.".to_owned());
        }
        let is_fine =
            self.type_error.is_none() && self.name_error.is_none() && self.value_error.is_none();
        let too_many = self.app.groups_claim.as_ref().map(|claim| claim.too_many);
        is_fine.then(|| GroupsClaim {
            name: self.name.clone(),
            filter,
            too_many: too_many.unwrap_or_default(),
        })
    }
}

async fn show(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    RawQuery(query): RawQuery,
    admin: Admin,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let mut shown = SignOnPage::new(&tenant, &admin, app);
    shown.is_edited = params.get("edit") == Some("groups-claim");
    shown.is_shown =
        shown.is_edited || params.get("notice").is_some() || params.get("legacy").is_some();
    page(StatusCode::OK, &shown)
}

async fn save(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let is_emptied = fields.get("value").is_none() && fields.get("claim_type") == Some("filter");
    let mut shown = SignOnPage::new(&tenant, &admin, app);
    // As at Okta: a filter without a value is no filter, and there is no claim.
    let claim = match shown.read(&fields) {
        _ if is_emptied => None,
        Some(claim) => Some(claim),
        None => {
            (shown.is_shown, shown.is_edited) = (true, true);
            return again(&shown);
        }
    };
    match tenant.set_groups_claim(&client_id, claim) {
        Ok(()) => done(&format!("/admin/apps/{client_id}/sign-on#token-claims"), "saved"),
        Err(_) => not_found(&tenant, &admin),
    }
}
