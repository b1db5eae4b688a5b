//! `/dashboard/{environment_id}/settings`: what can be chosen for an environment, and facts about
//! the installation.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Level, Place, Read, Write};
use crate::app::App;
use crate::base::Error;
use crate::config::Database;
use crate::model::environment::{
    self, Change, Environment, RoleMode, SettingsChange, SigninConsent,
};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// The fields that can be at fault.
const FIELDS: &[&str] =
    &["name", "role_mode", "signin_consent", "portal_return_url", "portal_success_url"];

pub(super) fn routes() -> Router<App> {
    Router::new().route("/{environment_id}/settings", get(show).post(save))
}

#[derive(Template)]
#[template(path = "dashboard/settings/settings.html")]
struct SettingsPage<'a> {
    frame: Frame<'a>,
    base: String,
    environment: &'a Environment,
    form: View,
    base_url: String,
    version: &'static str,
    database: &'static str,
    session_days: i64,
    event_days: i64,
}

impl SettingsPage<'_> {
    fn role_modes(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("single", "One role: the matching one of the highest priority"),
            ("multiple", "All matching roles"),
        ]
    }

    fn consents(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("generic_connections", "Those who come through a generic connection"),
            ("always", "Everybody"),
            ("never", "Nobody"),
        ]
    }
}

/// The word of a choice, as it is stored and sent.
fn word<T: serde::Serialize>(choice: &T) -> Result<String, Error> {
    match serde_json::to_value(choice).map_err(Error::internal)? {
        serde_json::Value::String(word) => Ok(word),
        _ => Err(Error::internal("a choice that is no word")),
    }
}

/// The choice of a word.
fn choice<T: serde::de::DeserializeOwned>(form: &Form, name: &'static str) -> Result<T, Error> {
    serde_json::from_value(form.text(name).into())
        .map_err(|_| Error::invalid("invalid_choice", name, "Choose one of these."))
}

fn render<L: Level>(app: &App, place: &Place<L>, status: StatusCode, form: View) -> Response {
    let shown = SettingsPage {
        frame: place.frame(Section::Settings),
        base: place.path("/settings"),
        environment: &place.environment,
        form,
        base_url: app.url(""),
        version: env!("CARGO_PKG_VERSION"),
        database: match app.config.database {
            Database::Sqlite(_) => "SQLite",
            Database::Postgres(_) => "PostgreSQL",
        },
        session_days: app.config.sso_session_retention_days,
        event_days: app.config.event_retention_days,
    };
    page(status, &shown)
}

async fn show(State(app): State<App>, place: Place<Read>) -> Result<Response, Refusal> {
    let environment = &place.environment;
    let settings = &environment.settings;
    let mut values = vec![
        ("name", environment.name.clone()),
        ("role_mode", word(&settings.role_mode)?),
        ("signin_consent", word(&settings.signin_consent)?),
    ];
    if settings.public_client {
        values.push(("public_client", "on".to_owned()));
    }
    if settings.portal_group_mapping {
        values.push(("portal_group_mapping", "on".to_owned()));
    }
    for (name, address) in [
        ("portal_return_url", &settings.portal_return_url),
        ("portal_success_url", &settings.portal_success_url),
    ] {
        values.extend(address.clone().map(|address| (name, address)));
    }
    Ok(render(&app, &place, StatusCode::OK, View::of(values)))
}

fn change(form: &Form) -> Result<Change, Error> {
    Ok(Change {
        name: Some(form.text("name").to_owned()),
        settings: Some(SettingsChange {
            role_mode: Some(choice::<RoleMode>(form, "role_mode")?),
            public_client: Some(form.checked("public_client")),
            signin_consent: Some(choice::<SigninConsent>(form, "signin_consent")?),
            portal_group_mapping: Some(form.checked("portal_group_mapping")),
            portal_return_url: Some(form.text("portal_return_url").to_owned()),
            portal_success_url: Some(form.text("portal_success_url").to_owned()),
        }),
    })
}

async fn save(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let saved = match change(&form) {
        Ok(change) => {
            let write = async move |tx: &mut _| environment::update(tx, &change).await;
            app.db.write(&place.caller, write).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(see_other(&place.path("/settings?notice=saved"))),
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            Ok(render(&app, &place, StatusCode::UNPROCESSABLE_ENTITY, view))
        }
    }
}
