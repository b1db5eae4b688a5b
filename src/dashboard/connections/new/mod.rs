//! `/dashboard/{environment_id}/organizations/{organization_id}/connections/new`.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::TYPES;
use crate::app::App;
use crate::base::id::OrganizationId;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Place, Write};
use crate::model::connection::{ConnectionType, NewConnection, Policy};
use crate::model::organization::{self, Organization};
use crate::setup;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// Identity providers that cannot be connected yet, so that nobody looks for them in vain.
const NOT_YET: &[&str] = &[
    "AD FS SAML",
    "ADP OIDC",
    "Auth0 SAML",
    "Clever OIDC",
    "CyberArk SAML",
    "Duo SAML",
    "Entra ID SAML",
    "Generic SAML",
    "Google SAML",
    "JumpCloud SAML",
    "Keycloak SAML",
    "Login.gov OIDC",
    "miniOrange SAML",
    "Okta SAML",
    "OneLogin SAML",
    "Oracle SAML",
    "PingFederate SAML",
    "PingOne SAML",
    "Rippling SAML",
    "Salesforce SAML",
    "Shibboleth SAML",
    "VMware SAML",
];

pub(super) fn routes() -> Router<App> {
    let connections = "/{environment_id}/organizations/{organization_id}/connections";
    Router::new().route(connections, post(create)).route(&format!("{connections}/new"), get(new))
}

#[derive(Template)]
#[template(path = "dashboard/connections/new/new.html")]
struct NewPage<'a> {
    frame: Frame<'a>,
    list: String,
    organization: Organization,
    types: &'static [(&'static str, &'static str)],
    not_yet: &'static [&'static str],
    form: View,
}

type Named = Path<(String, String)>;

async fn new(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let organization = load(&app, &place, &id).await?;
    Ok(shown(&place, organization, StatusCode::OK, View::default()))
}

async fn load(app: &App, place: &Place<Write>, id: &str) -> Result<Organization, Refusal> {
    let id = OrganizationId::parse(id).ok_or_else(Refusal::not_found)?;
    let read = async move |tx: &mut _| organization::get(tx, &id).await;
    Ok(app.db.read(&place.caller, read).await?)
}

fn shown(
    place: &Place<Write>,
    organization: Organization,
    status: StatusCode,
    form: View,
) -> Response {
    let shown = NewPage {
        frame: place.frame(Section::Organizations),
        list: place.path("/organizations"),
        organization,
        types: TYPES,
        not_yet: NOT_YET,
        form,
    };
    page(status, &shown)
}

async fn create(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let organization = load(&app, &place, &id).await?;
    let Some(connection_type) = ConnectionType::parse(form.text("connection_type")) else {
        let message = "Choose the identity provider of the organization.";
        let view = form.view().with_error("connection_type", message);
        return Ok(shown(&place, organization, StatusCode::UNPROCESSABLE_ENTITY, view));
    };
    let new = NewConnection {
        organization_id: organization.id.clone(),
        connection_type,
        name: form.text("name").to_owned(),
        policy: Policy::default(),
    };
    match setup::create(&app, &place.caller, new, setup::Change::default()).await {
        Ok(saved) => {
            let id = saved.connection.id;
            Ok(see_other(&place.path(&format!("/connections/{id}?notice=connection-created"))))
        }
        Err(error) => {
            let view = form.view().refused(&["connection_type", "name"], error)?;
            Ok(shown(&place, organization, StatusCode::UNPROCESSABLE_ENTITY, view))
        }
    }
}
