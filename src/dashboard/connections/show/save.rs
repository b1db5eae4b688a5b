//! Saving the configuration, and renaming.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::Map;

use super::super::head::{self, Head, Tab};
use super::{Said, load, shown};
use crate::app::App;
use crate::base::Result;
use crate::base::page::PageRequest;
use crate::base::secret::Secret;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Place, Write};
use crate::model::connection::Connection;
use crate::setup::{self, Change, Oidc};
use crate::upstream::Settings;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::ROWS;
use crate::web::refusal::Refusal;

/// The fields of the configuration.
const FIELDS: &[&str] = &[
    "client_id",
    "client_secret",
    "next_client_secret",
    "client_secret_expires_at",
    "discovery_endpoint",
    "extra_ca",
];

type Named = Path<(String, String)>;

/// **Save Configuration**.
pub(super) async fn save(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let request = PageRequest { limit: ROWS, ..PageRequest::default() };
    let mut found = load(&app, &place.caller, &id, request).await?;
    if let Some((field, message)) = missing(&found.connection, &form) {
        let view = form.view().with_error(field, message);
        let refused = (StatusCode::UNPROCESSABLE_ENTITY, view, Said::default());
        return Ok(shown((&app, &place), found, "", refused));
    }
    let saved = match entered(&found.connection, &form) {
        Ok(oidc) => {
            let change = Change { oidc: Some(oidc), ..Change::default() };
            setup::update(&app, &place.caller, &id, change).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(saved) if saved.notes.is_empty() && saved.warnings.is_empty() => {
            Ok(see_other(&place.path(&format!("/connections/{id}?notice=saved"))))
        }
        // What was found out is shown once, here: it is of this input and no other.
        Ok(saved) => {
            let said = Said { notes: saved.notes, warnings: saved.warnings };
            let form = super::configuration(&saved.connection);
            found.connection = saved.connection;
            Ok(shown((&app, &place), found, "", (StatusCode::OK, form, said)))
        }
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            let refused = (StatusCode::UNPROCESSABLE_ENTITY, view, Said::default());
            Ok(shown((&app, &place), found, "", refused))
        }
    }
}

/// What the identity provider is asked about is only what changed: while it is down, a new secret
/// can still be stored.
fn entered(connection: &Connection, form: &Form) -> Result<Oidc> {
    let secret = |name: &str| form.filled(name).map(Secret::new);
    let known = connection.settings.as_ref().map(|Settings::Oidc(settings)| settings);
    let discovery = form.filled("discovery_endpoint");
    let is_new = |text: &String| known.is_none_or(|settings| settings.discovery_endpoint != *text);
    let mut more = Map::new();
    if let Some(pem) = form.filled("extra_ca") {
        more.insert("extra_ca".to_owned(), pem.into());
    }
    let last_day = form.text("client_secret_expires_at");
    let known_day = known.and_then(|settings| settings.client_secret_expires_at);
    let is_of_the_old_one = form.filled("client_secret").is_some()
        && known_day.is_some_and(|moment| moment.day() == last_day);
    let oidc = Oidc {
        client_id: form.filled("client_id"),
        client_secret: secret("client_secret"),
        next_client_secret: secret("next_client_secret").map(Some),
        discovery_endpoint: discovery.filter(is_new),
        more,
    };
    // Okta's form has no such field: its secrets do not end.
    match is_of_the_old_one || !form.has("client_secret_expires_at") {
        true => Ok(oidc),
        false => oidc.with_last_day(last_day),
    }
}

/// The first field that is needed and empty.
fn missing(connection: &Connection, form: &Form) -> Option<(&'static str, &'static str)> {
    let is_empty = |name: &str| form.text(name).is_empty();
    if is_empty("client_id") {
        return Some(("client_id", "Enter the client ID."));
    }
    if is_empty("client_secret") && !connection.has_client_secret() {
        return Some(("client_secret", "Enter the client secret."));
    }
    if is_empty("discovery_endpoint") {
        return Some(("discovery_endpoint", "Enter the discovery endpoint, or the domain."));
    }
    None
}

#[derive(Template)]
#[template(path = "dashboard/connections/show/rename.html")]
struct RenamePage<'a> {
    frame: Frame<'a>,
    head: Head,
    form: View,
}

/// The form with the name.
pub(super) async fn ask_name(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = head::load(&app, &place.caller, &id).await?;
    let form = View::of([("name", found.0.name.as_str())]);
    Ok(rename_page(&place, found, (StatusCode::OK, form)))
}

fn rename_page(
    place: &Place<Write>,
    found: head::Found,
    (status, form): (StatusCode, View),
) -> Response {
    let frame = place.frame(Section::Organizations);
    page(status, &RenamePage { frame, head: Head::new(place, found, Tab::Configuration), form })
}

/// The new name.
pub(super) async fn rename(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let found = head::load(&app, &place.caller, &id).await?;
    let change = Change { name: Some(form.text("name").to_owned()), ..Change::default() };
    match setup::update(&app, &place.caller, &id, change).await {
        Ok(_) => Ok(see_other(&place.path(&format!("/connections/{id}?notice=saved")))),
        Err(error) => {
            let view = form.view().refused(&["name"], error)?;
            Ok(rename_page(&place, found, (StatusCode::UNPROCESSABLE_ENTITY, view)))
        }
    }
}
