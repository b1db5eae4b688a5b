//! The question who is there, before a change of how one signs in.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::super::entrance::{Guest, inside, said, signed};
use super::super::frame::{Frame, Section};
use super::super::visit::{Read, Visit};
use crate::admission::passkey::party_id;
use crate::admission::{self, Refused};
use crate::app::App;
use crate::base::Result;
use crate::model::administrator;
use crate::model::administrator::passkey;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "dashboard/account/confirm.html")]
struct ConfirmPage<'a> {
    frame: Frame<'a>,
    next: String,
    has_password: bool,
    has_passkey: bool,
    form: View,
}

pub(super) async fn ask(
    State(app): State<App>,
    visit: Visit<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let next = pairs.find(|(name, _)| name == "next").map(|(_, value)| value.into_owned());
    let next = inside(&app, &next.unwrap_or_default());
    render(&app, &visit, (StatusCode::OK, next), View::default()).await
}

async fn render(
    app: &App,
    visit: &Visit<Read>,
    (status, next): (StatusCode, String),
    form: View,
) -> Result<Response, Refusal> {
    let id = visit.administrator().id.clone();
    let read = async move |tx: &mut _| {
        let has_password = administrator::password_hash(tx, &id).await?.is_some();
        Ok((has_password, !passkey::list(tx, &id).await?.is_empty()))
    };
    let (has_password, has_passkey) = app.db.read(&visit.caller(), read).await?;
    let has_passkey = has_passkey && party_id(app).is_some();
    let frame = visit.frame(Section::Account);
    Ok(page(status, &ConfirmPage { frame, next, has_password, has_passkey, form }))
}

pub(super) async fn by_password(
    State(app): State<App>,
    visit: Visit<Read>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let password = form.raw("password");
    let proved = admission::prove(&app, &guest.visitor, &visit.session, password).await?;
    go_on(&app, &visit, &form, (proved, "That is not your password.")).await
}

pub(super) async fn by_passkey(
    State(app): State<App>,
    visit: Visit<Read>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let signed = signed(&form);
    let proved = admission::passkey::prove(&app, &visit.session, &guest.csrf, &signed).await?;
    go_on(&app, &visit, &form, (proved, "This passkey was not accepted. Try again.")).await
}

async fn go_on(
    app: &App,
    visit: &Visit<Read>,
    form: &Form,
    (proved, wrong): (Result<(), Refused>, &str),
) -> Result<Response, Refusal> {
    let next = inside(app, form.text("next"));
    match proved {
        Ok(()) => Ok(see_other(&next)),
        Err(refused) => {
            let (status, sentence) = said(&refused, wrong);
            render(app, visit, (status, next), View::default().with_general(sentence)).await
        }
    }
}
