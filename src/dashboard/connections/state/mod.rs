//! Switching a connection on and off, and deleting it: each says what it does, and asks.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;

use super::head::{Found, load};
use crate::app::App;
use crate::dashboard::confirm::{Question, mistyped};
use crate::dashboard::frame::Section;
use crate::dashboard::visit::{Place, Write};
use crate::model::connection::{self, ConnectionState};
use crate::setup::{self, Change};
use crate::web::form::{Form, View};
use crate::web::page::see_other;
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/connections/{connection_id}";
    Router::new()
        .route(&format!("{one}/activate"), get(ask_activate).post(activate))
        .route(&format!("{one}/deactivate"), get(ask_deactivate).post(deactivate))
        .route(&format!("{one}/delete"), get(ask_delete).post(delete))
}

type Named = Path<(String, String)>;

/// What all three questions have in common.
fn question<'a>(place: &'a Place<Write>, (connection, _): &Found, verb: &str) -> Question<'a> {
    let path = place.path(&format!("/connections/{}", connection.id));
    Question {
        frame: place.frame(Section::Organizations),
        title: String::new(),
        consequences: Vec::new(),
        action: format!("{path}/{verb}"),
        button: "",
        is_dangerous: true,
        cancel: path,
        typed: None,
        form: View::default(),
    }
}

fn activation<'a>(place: &'a Place<Write>, found: &Found, form: View) -> Question<'a> {
    Question {
        title: format!("Activate {}?", found.0.name),
        consequences: vec![
            format!("People of {} can sign in by it from now on.", found.1.name),
            "A test sign-in shows first whether it works; it signs nobody in.".to_owned(),
        ],
        button: "Activate",
        is_dangerous: false,
        form,
        ..question(place, found, "activate")
    }
}

async fn ask_activate(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    Ok(activation(&place, &found, View::default()).ask())
}

async fn activate(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    let change = Change { state: Some(ConnectionState::Active), ..Change::default() };
    match setup::update(&app, &place.caller, &id, change).await {
        Ok(_) => Ok(back(&place, &id, "activated")),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            Ok(activation(&place, &found, view).ask_again())
        }
    }
}

async fn ask_deactivate(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    let question = Question {
        title: format!("Deactivate {}?", found.0.name),
        consequences: vec![
            format!(
                "Nobody of {} can sign in by it until it is active again, and sign-ins under way \
                 fail.",
                found.1.name
            ),
            "Codes and access tokens of it stop working at once. Its configuration stays."
                .to_owned(),
        ],
        button: "Deactivate",
        ..question(&place, &found, "deactivate")
    };
    Ok(question.ask())
}

async fn deactivate(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    _: Form,
) -> Result<Response, Refusal> {
    let change = Change { state: Some(ConnectionState::Inactive), ..Change::default() };
    setup::update(&app, &place.caller, &id, change).await?;
    Ok(back(&place, &id, "deactivated"))
}

fn deletion<'a>(place: &'a Place<Write>, found: &Found, form: View) -> Question<'a> {
    Question {
        title: format!("Delete {}?", found.0.name),
        consequences: vec![
            format!("Nobody of {} can sign in by it any more.", found.1.name),
            "With it go its configuration and secrets, its groups, and the profiles of everybody \
             who signed in by it: if it is made anew, your application sees other profile ids, and \
             the redirect URI has to be changed at the identity provider."
                .to_owned(),
            "This cannot be undone. Its sessions stay.".to_owned(),
        ],
        button: "Delete connection",
        typed: Some(found.0.name.clone()),
        form,
        ..question(place, found, "delete")
    }
}

async fn ask_delete(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    Ok(deletion(&place, &found, View::default()).ask())
}

async fn delete(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    if let Some(view) = mistyped(&form, &found.0.name) {
        return Ok(deletion(&place, &found, view).ask_again());
    }
    let target = id.clone();
    let write = async move |tx: &mut _| connection::delete(tx, &target).await;
    app.db.write(&place.caller, write).await?;
    app.upstream.forget(&id);
    Ok(see_other(&place.path(&format!("/organizations/{}?notice=deleted", found.1.id))))
}

fn back(place: &Place<Write>, id: &str, notice: &str) -> Response {
    see_other(&place.path(&format!("/connections/{id}?notice={notice}")))
}
