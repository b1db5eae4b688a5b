//! Adding, naming and removing passkeys.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::super::confirm::Question;
use super::super::entrance::{Guest, created};
use super::super::frame::{Frame, Section};
use super::super::visit::{Read, Visit};
use super::to_confirm;
use crate::admission;
use crate::app::App;
use crate::base::id::PasskeyId;
use crate::base::secret::base64url;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::model::administrator::passkey::{self, Passkey};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

const ACCOUNT: &str = "/dashboard/account";

#[derive(Template)]
#[template(path = "dashboard/account/passkey.html")]
struct NewPage<'a> {
    frame: Frame<'a>,
    /// The credentials that there are, for the browser to leave out.
    known: String,
    form: View,
}

pub(super) async fn new(State(app): State<App>, visit: Visit<Read>) -> Result<Response, Refusal> {
    if admission::passkey::party_id(&app).is_none() {
        return Err(Refusal::not_found());
    }
    if !visit.is_confirmed(&app) {
        return Ok(to_confirm("/dashboard/account/passkeys/new"));
    }
    render(&app, &visit, StatusCode::OK, View::default()).await
}

async fn render(
    app: &App,
    visit: &Visit<Read>,
    status: StatusCode,
    form: View,
) -> Result<Response, Refusal> {
    let all = passkeys(app, visit).await?;
    let known: Vec<String> = all.iter().map(|it| base64url(&it.credential.id)).collect();
    let frame = visit.frame(Section::Account);
    Ok(page(status, &NewPage { frame, known: known.join(" "), form }))
}

async fn passkeys(app: &App, visit: &Visit<Read>) -> Result<Vec<Passkey>> {
    let id = visit.administrator().id.clone();
    app.db.read(&visit.caller(), async move |tx| passkey::list(tx, &id).await).await
}

pub(super) async fn add(
    State(app): State<App>,
    visit: Visit<Read>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    if !visit.is_confirmed(&app) {
        return Ok(to_confirm("/dashboard/account/passkeys/new"));
    }
    let created = created(&form);
    let made = match admission::passkey::register(&app, &guest.csrf, form.text("name"), &created) {
        Ok(new) => {
            let id = visit.administrator().id.clone();
            let create = async move |tx: &mut Tx| passkey::create(tx, &id, &new).await;
            app.db.write(&visit.caller(), create).await
        }
        Err(error) => Err(error),
    };
    match made {
        Ok(_) => Ok(see_other("/dashboard/account?notice=passkey")),
        Err(error) => {
            let view = form.view().refused(&["name"], error)?;
            render(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, view).await
        }
    }
}

pub(super) async fn rename(
    State(app): State<App>,
    visit: Visit<Read>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    let (owner, id) = (visit.administrator().id.clone(), parse(&id)?);
    let name = form.text("name").to_owned();
    app.db
        .write(&visit.caller(), async move |tx| passkey::rename(tx, (&owner, &id), &name).await)
        .await?;
    Ok(see_other("/dashboard/account?notice=saved"))
}

pub(super) async fn ask(
    State(app): State<App>,
    visit: Visit<Read>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let action = format!("{ACCOUNT}/passkeys/{id}/remove");
    if !visit.is_confirmed(&app) {
        return Ok(to_confirm(&action));
    }
    Ok(question(&app, &visit, &id, View::default()).await?.ask())
}

async fn question<'a>(
    app: &App,
    visit: &'a Visit<Read>,
    id: &str,
    form: View,
) -> Result<Question<'a>, Refusal> {
    let all = passkeys(app, visit).await?;
    let found = all.into_iter().find(|known| known.id.as_str() == id);
    let found = found.ok_or_else(Refusal::not_found)?;
    Ok(Question {
        frame: visit.frame(Section::Account),
        title: format!("Remove the passkey “{}”?", found.name),
        consequences: vec![
            "Nobody signs in with it any more. The device may still offer it: remove it there as well."
                .to_owned(),
        ],
        action: format!("{ACCOUNT}/passkeys/{id}/remove"),
        button: "Remove passkey",
        is_dangerous: true,
        cancel: ACCOUNT.to_owned(),
        typed: None,
        form,
    })
}

pub(super) async fn remove(
    State(app): State<App>,
    visit: Visit<Read>,
    Path(id): Path<String>,
    _form: Form,
) -> Result<Response, Refusal> {
    if !visit.is_confirmed(&app) {
        return Ok(to_confirm(&format!("{ACCOUNT}/passkeys/{id}/remove")));
    }
    let (owner, passkey_id) = (visit.administrator().id.clone(), parse(&id)?);
    let removed = app
        .db
        .write(&visit.caller(), async move |tx| passkey::delete(tx, &owner, &passkey_id).await)
        .await;
    match removed {
        Ok(()) => Ok(see_other("/dashboard/account?notice=removed")),
        Err(error @ Error::Conflict { .. }) => {
            let view = View::default().refused(&[], error)?;
            Ok(question(&app, &visit, &id, view).await?.ask_again())
        }
        Err(error) => Err(error.into()),
    }
}

fn parse(id: &str) -> Result<PasskeyId, Refusal> {
    PasskeyId::parse(id).ok_or_else(Refusal::not_found)
}
