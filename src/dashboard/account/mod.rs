//! `/dashboard/account`: what an administrator changes of their own account. Whoever changes how
//! one signs in proves again who is there.

mod confirm;
mod passkeys;
mod sessions;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::entrance::{Guest, chosen_password, said};
use super::frame::{Frame, Section};
use super::visit::{Level, Read, Visit};
use crate::admission;
use crate::admission::passkey::party_id;
use crate::app::App;
use crate::base::Caller;
use crate::model::administrator::passkey::{self, Passkey};
use crate::model::administrator::{self, CONFIRMED_MS, Shown};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/account", get(show))
        .route("/account/name", post(rename))
        .route("/account/password", post(change_password))
        .route("/account/confirm", get(confirm::ask).post(confirm::by_password))
        .route("/account/confirm/passkey", post(confirm::by_passkey))
        .route("/account/passkeys", post(passkeys::add))
        .route("/account/passkeys/new", get(passkeys::new))
        .route("/account/passkeys/{id}", post(passkeys::rename))
        .route("/account/passkeys/{id}/remove", get(passkeys::ask).post(passkeys::remove))
        .route("/account/sessions/{id}/end", post(sessions::end))
        .route("/account/sessions/end-others", post(sessions::end_others))
}

#[derive(Template)]
#[template(path = "dashboard/account/account.html")]
struct AccountPage<'a> {
    frame: Frame<'a>,
    has_password: bool,
    /// Whether passkeys can belong to our host.
    passkeys_fit: bool,
    passkeys: Vec<Passkey>,
    sessions: Vec<Shown>,
    current: &'a str,
    form: View,
    password_form: View,
}

impl AccountPage<'_> {
    fn browser(&self, session: &Shown) -> String {
        sessions::browser_name(session.user_agent.as_deref().unwrap_or_default())
    }
}

impl<L: Level> Visit<L> {
    /// Who asks, for what belongs to no environment.
    pub(super) fn caller(&self) -> Caller {
        Caller::administrator(&self.administrator().id)
    }

    /// Whether it was proved a short while ago who is there.
    fn is_confirmed(&self, app: &App) -> bool {
        app.clock.now() < self.session.confirmed_at.plus_ms(CONFIRMED_MS)
    }
}

/// To the question who is there, and back to `next` afterwards.
fn to_confirm(next: &str) -> Response {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", next);
    see_other(&format!("/dashboard/account/confirm?{}", query.finish()))
}

async fn show(State(app): State<App>, visit: Visit<Read>) -> Result<Response, Refusal> {
    render(&app, &visit, StatusCode::OK, (named(&visit), View::default())).await
}

fn named(visit: &Visit<Read>) -> View {
    View::of([("name", visit.administrator().name.clone())])
}

async fn render(
    app: &App,
    visit: &Visit<Read>,
    status: StatusCode,
    (form, password_form): (View, View),
) -> Result<Response, Refusal> {
    let id = visit.administrator().id.clone();
    let (has_password, passkeys, sessions) = app
        .db
        .read(&visit.caller(), async move |tx| {
            let has_password = administrator::password_hash(tx, &id).await?.is_some();
            let passkeys = passkey::list(tx, &id).await?;
            Ok((has_password, passkeys, administrator::list_sessions(tx, &id).await?))
        })
        .await?;
    Ok(page(
        status,
        &AccountPage {
            frame: visit.frame(Section::Account),
            has_password,
            passkeys_fit: party_id(app).is_some(),
            passkeys,
            sessions,
            current: visit.session.id.as_str(),
            form,
            password_form,
        },
    ))
}

async fn rename(
    State(app): State<App>,
    visit: Visit<Read>,
    form: Form,
) -> Result<Response, Refusal> {
    let (id, name) = (visit.administrator().id.clone(), form.text("name").to_owned());
    let renamed = app
        .db
        .write(&visit.caller(), async move |tx| administrator::rename(tx, &id, &name).await)
        .await;
    match renamed {
        Ok(()) => Ok(see_other("/dashboard/account?notice=saved")),
        Err(error) => {
            let view = form.view().refused(&["name"], error)?;
            render(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, (view, View::default())).await
        }
    }
}

/// Needs the password that there is; where there is none yet, a proof of who is there.
async fn change_password(
    State(app): State<App>,
    visit: Visit<Read>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let id = visit.administrator().id.clone();
    let caller = visit.caller();
    let read = async move |tx: &mut _| administrator::password_hash(tx, &id).await;
    let refuse = async |status, view| render(&app, &visit, status, (named(&visit), view)).await;
    if app.db.read(&caller, read).await?.is_some() {
        let current = form.raw("current_password");
        let proved = admission::prove(&app, &guest.visitor, &visit.session, current).await?;
        if let Err(refused) = proved {
            let (status, sentence) = said(&refused, "That is not your password.");
            let view = form.view().with_error("current_password", sentence);
            return refuse(status, view).await;
        }
    } else if !visit.is_confirmed(&app) {
        return Ok(to_confirm("/dashboard/account"));
    }
    let about = [visit.administrator().email.as_str(), visit.administrator().name.as_str()];
    match chosen_password(&form, &about).await {
        Ok(hash) => {
            let session = visit.session.clone();
            app.db
                .write(&caller, async move |tx| {
                    administrator::change_password(tx, &session, &hash).await
                })
                .await?;
            Ok(see_other("/dashboard/account?notice=password"))
        }
        Err(error) => {
            let view = form.view().refused(&["password", "repeated_password"], error)?;
            refuse(StatusCode::UNPROCESSABLE_ENTITY, view).await
        }
    }
}
