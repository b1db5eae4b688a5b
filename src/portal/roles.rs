//! Groups of the identity provider, and the roles that they give: where the environment lets the IT
//! administrator decide.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;

use super::guide::{Guide, Kind};
use super::steps::{self, Extra};
use super::visit::Guest;
use crate::app::App;
use crate::base::Error;
use crate::model::connection::Connection;
use crate::model::connection_group::{self, NewGroup};
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/connections/{connection_id}/groups", post(add))
        .route("/connections/{connection_id}/groups/{group_id}/remove", post(remove))
}

/// The connection, the guide and its step for roles.
async fn find(
    app: &App,
    guest: &Guest,
    id: &str,
) -> Result<(Connection, &'static Guide, &'static super::guide::Step), Refusal> {
    if !guest.environment.settings.portal_group_mapping {
        return Err(Refusal::denied("Roles are assigned by the application, not here."));
    }
    let kind = guest.connection(app, id, only_step(guest)).await?;
    let guide = Guide::of(kind.connection_type).ok_or_else(Refusal::not_found)?;
    let step = guide.first(Kind::Roles).ok_or_else(Refusal::not_found)?;
    if only_step(guest).is_some_and(|only| only != step.id) {
        return Err(Refusal::denied("This link is for another step of the setup."));
    }
    Ok((kind, guide, step))
}

/// The one step of the link, if it is for one.
fn only_step(guest: &Guest) -> Option<&str> {
    guest.session.link.step.as_ref().map(|step| step.id.as_str())
}

async fn add(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let found = find(&app, &guest, &id).await?;
    let new = NewGroup {
        // Compared byte for byte, so what was typed stays as it is.
        idp_id: form.raw("idp_id").to_owned(),
        name: form.filled("name"),
        role: form.text("role").to_owned(),
    };
    let connection_id = found.0.id.to_string();
    let back = format!("/setup/connections/{id}/steps/{}?notice=saved", found.2.id);
    let write = async move |tx: &mut _| connection_group::create(tx, &connection_id, &new).await;
    match app.db.write(&guest.caller, write).await {
        Ok(_) => Ok(see_other(&back)),
        Err(error) => {
            let view = match error {
                Error::Conflict { message, .. } => form.view().with_error("idp_id", message),
                Error::NotFound { .. } => form.view().with_error("role", "Choose a role."),
                error => form.view().refused(&["idp_id", "name", "role"], error)?,
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            let extra = Extra { status, form: Some(view), ..Extra::default() };
            steps::render(&app, &guest, found, extra).await
        }
    }
}

async fn remove(
    State(app): State<App>,
    Path((id, group)): Path<(String, String)>,
    guest: Guest,
    _form: Form,
) -> Result<Response, Refusal> {
    let (connection, _, step) = find(&app, &guest, &id).await?;
    let back = format!("/setup/connections/{id}/steps/{}?notice=removed", step.id);
    let connection_id = connection.id.to_string();
    let write = async move |tx: &mut _| connection_group::delete(tx, &connection_id, &group).await;
    app.db.write(&guest.caller, write).await?;
    Ok(see_other(&back))
}
