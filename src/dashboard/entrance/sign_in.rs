//! `/dashboard/sign-in`, and out again.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::super::SESSION;
use super::super::visit::{Read, Visit};
use super::guest::{self, Guest, welcome};
use crate::admission::passkey::{self, Purpose};
use crate::admission::{self, Refused};
use crate::app::App;
use crate::base::Caller;
use crate::base::webauthn::Algorithm;
use crate::model::administrator;
use crate::web::cookies;
use crate::web::form::{Form, View};
use crate::web::page::{json as json_page, page, see_other};
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "dashboard/entrance/sign_in.html")]
struct SignInPage {
    csrf: String,
    next: String,
    notice: Option<&'static str>,
    passkeys: bool,
    form: View,
}

pub(super) async fn show(State(app): State<App>, guest: Guest) -> Response {
    let next = guest.param("next");
    render(&app, &guest, (StatusCode::OK, next), View::default())
}

fn render(app: &App, guest: &Guest, (status, next): (StatusCode, String), form: View) -> Response {
    let passkeys = passkey::party_id(app).is_some();
    let (csrf, notice) = (guest.csrf.clone(), guest.notice());
    page(status, &SignInPage { csrf, next, notice, passkeys, form })
}

pub(super) async fn by_password(
    State(app): State<App>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let credentials = (form.text("email"), form.raw("password"));
    let outcome = admission::by_password(&app, &guest.visitor, credentials).await?;
    Ok(match outcome {
        Ok(admitted) => welcome(&app, &admitted, form.text("next")),
        Err(refused) => {
            let (status, sentence) = said(&refused, "The e-mail address or the password is wrong.");
            let view = form.view().with_general(sentence);
            render(&app, &guest, (status, form.text("next").to_owned()), view)
        }
    })
}

pub(super) async fn by_passkey(
    State(app): State<App>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let signed = guest::signed(&form);
    let outcome = passkey::sign_in(&app, &guest.visitor, &guest.csrf, &signed).await?;
    Ok(match outcome {
        Ok(admitted) => welcome(&app, &admitted, form.text("next")),
        Err(refused) => {
            let (status, sentence) = said(&refused, "This passkey was not accepted. Try again.");
            let view = View::default().with_general(sentence);
            render(&app, &guest, (status, form.text("next").to_owned()), view)
        }
    })
}

/// The status and the sentence of a refusal.
pub(in crate::dashboard) fn said(refused: &Refused, wrong: &str) -> (StatusCode, String) {
    match refused {
        Refused::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, wrong.to_owned()),
        Refused::Wait(ms) => {
            let seconds = (ms + 999) / 1000;
            let wait = match seconds {
                ..=1 => "a second".to_owned(),
                2..=90 => format!("{seconds} seconds"),
                _ => format!("{} minutes", (seconds + 59) / 60),
            };
            let sentence = format!("There were too many attempts. Try again in {wait}.");
            (StatusCode::TOO_MANY_REQUESTS, sentence)
        }
    }
}

pub(super) async fn sign_out(
    State(app): State<App>,
    visit: Visit<Read>,
    _form: Form,
) -> Result<Response, Refusal> {
    let id = visit.session.id.clone();
    let caller = Caller::administrator(&visit.administrator().id);
    app.db.write(&caller, async move |tx| administrator::end_session(tx, &id).await).await?;
    let mut response = see_other("/dashboard/sign-in?notice=signed-out");
    cookies::remove(&app, &mut response, SESSION);
    Ok(response)
}

/// A challenge for a passkey; nothing is stored of it.
pub(super) async fn challenge(State(app): State<App>, guest: Guest) -> Result<Response, Refusal> {
    let purpose = Purpose::parse(&guest.param("for")).ok_or_else(Refusal::not_found)?;
    let rp_id = passkey::party_id(&app).ok_or_else(Refusal::not_found)?;
    let challenge = passkey::challenge(&app, purpose, &guest.csrf);
    let algorithms = Algorithm::ALL.map(Algorithm::cose);
    let answer = json!({ "challenge": challenge, "rp_id": rp_id, "algorithms": algorithms });
    Ok(json_page(StatusCode::OK, &answer))
}
