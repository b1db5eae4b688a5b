//! What one-time links open: the first administrator, an invitation, a recovery.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::guest::{Guest, welcome};
use crate::admission::{self, passkey};
use crate::app::App;
use crate::base::{Error, Result};
use crate::model::administrator::Factor;
use crate::model::administrator::link::{Kind, Link};
use crate::web::form::{Form, View};
use crate::web::page::page;
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "dashboard/entrance/enrol.html")]
struct EnrolPage<'a> {
    csrf: &'a str,
    token: &'a str,
    link: &'a Link,
    passkeys: bool,
    form: View,
}

impl EnrolPage<'_> {
    fn is_first(&self) -> bool {
        self.link.kind == Kind::FirstRun
    }

    fn role(&self) -> &'static str {
        self.link.role.map_or("", crate::model::administrator::Role::label)
    }
}

#[derive(Template)]
#[template(path = "dashboard/entrance/recover.html")]
struct RecoverPage<'a> {
    csrf: &'a str,
    token: &'a str,
    link: &'a Link,
    form: View,
}

pub(super) async fn first_run(State(app): State<App>, guest: Guest) -> Result<Response, Refusal> {
    open(&app, &guest, Kind::FirstRun).await
}

pub(super) async fn invitation(State(app): State<App>, guest: Guest) -> Result<Response, Refusal> {
    open(&app, &guest, Kind::Invitation).await
}

pub(super) async fn recovery(State(app): State<App>, guest: Guest) -> Result<Response, Refusal> {
    open(&app, &guest, Kind::Recovery).await
}

async fn open(app: &App, guest: &Guest, kind: Kind) -> Result<Response, Refusal> {
    let token = guest.param("token");
    let link = found(app, kind, &token).await?;
    Ok(show(app, guest, (&link, &token), (StatusCode::OK, View::default())))
}

fn show(
    app: &App,
    guest: &Guest,
    (link, token): (&Link, &str),
    (status, form): (StatusCode, View),
) -> Response {
    let (csrf, passkeys) = (guest.csrf.as_str(), passkey::party_id(app).is_some());
    match link.kind {
        Kind::Recovery => page(status, &RecoverPage { csrf, token, link, form }),
        _ => page(status, &EnrolPage { csrf, token, link, passkeys, form }),
    }
}

pub(super) async fn claim(
    State(app): State<App>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    enrol(&app, &guest, Kind::FirstRun, &form).await
}

pub(super) async fn accept(
    State(app): State<App>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    enrol(&app, &guest, Kind::Invitation, &form).await
}

async fn enrol(app: &App, guest: &Guest, kind: Kind, form: &Form) -> Result<Response, Refusal> {
    let token = form.text("token");
    let link = found(app, kind, token).await?;
    let admitted = match factor(app, guest, &link, form).await {
        Ok(factor) => {
            let who = (form.text("name"), form.text("email"));
            admission::enrol(app, &guest.visitor, link.clone(), who, factor).await
        }
        Err(error) => Err(error),
    };
    match admitted {
        Ok(admitted) => Ok(welcome(app, &admitted, "/dashboard")),
        Err(Error::NotFound { .. }) => Err(over(kind)),
        Err(error) => {
            let view =
                form.view().refused(&["name", "email", "password", "repeated_password"], error)?;
            let refused = (StatusCode::UNPROCESSABLE_ENTITY, view);
            Ok(show(app, guest, (&link, token), refused))
        }
    }
}

/// What the new administrator has chosen: a passkey, if the script filled one in, else a password.
async fn factor(app: &App, guest: &Guest, link: &Link, form: &Form) -> Result<Factor> {
    if !form.text("public_key").is_empty() {
        let created = created(form);
        let new = passkey::register(app, &guest.csrf, "First passkey", &created)?;
        return Ok(Factor::Passkey(new));
    }
    let email = link.email.as_deref().unwrap_or_else(|| form.text("email"));
    chosen_password(form, &[email, form.text("name")]).await.map(Factor::Password)
}

/// What the script for passkeys put into a form that makes one.
pub(in crate::dashboard) fn created(form: &Form) -> passkey::Created {
    let text = |name: &str| form.text(name).to_owned();
    passkey::Created {
        client_data: text("client_data"),
        authenticator_data: text("authenticator_data"),
        public_key: text("public_key"),
        algorithm: text("algorithm"),
    }
}

/// The hash of a new password that was typed twice.
pub(in crate::dashboard) async fn chosen_password(
    form: &Form,
    about: &[&str],
) -> Result<crate::model::administrator::password::PasswordHash> {
    let password = form.raw("password");
    let hash = admission::new_password(password, about).await?;
    if password != form.raw("repeated_password") {
        let message = "The two passwords differ.";
        return Err(Error::invalid("passwords_differ", "repeated_password", message));
    }
    Ok(hash)
}

pub(super) async fn recover(
    State(app): State<App>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let token = form.text("token");
    let link = found(&app, Kind::Recovery, token).await?;
    let admitted = match chosen_password(&form, &[link.email.as_deref().unwrap_or_default()]).await
    {
        Ok(hash) => {
            let change = (hash, form.checked("remove_passkeys"));
            admission::recover(&app, &guest.visitor, link.clone(), change).await
        }
        Err(error) => Err(error),
    };
    match admitted {
        Ok(admitted) => Ok(welcome(&app, &admitted, "/dashboard")),
        Err(Error::NotFound { .. }) => Err(over(Kind::Recovery)),
        Err(error) => {
            let view = form.view().refused(&["password", "repeated_password"], error)?;
            let refused = (StatusCode::UNPROCESSABLE_ENTITY, view);
            Ok(show(&app, &guest, (&link, token), refused))
        }
    }
}

async fn found(app: &App, kind: Kind, token: &str) -> Result<Link, Refusal> {
    match admission::find_link(app, kind, token).await {
        Err(Error::NotFound { .. }) => Err(over(kind)),
        found => Ok(found?),
    }
}

/// The page of a link that is over, was used, or never was: how to get another one.
fn over(kind: Kind) -> Refusal {
    let sentence = match kind {
        Kind::FirstRun => {
            "This link was used, or it is over. As long as nobody administers this installation, \
             each start prints a new one, and so does “vestibule administrator link”."
        }
        Kind::Invitation => {
            "This invitation was followed, taken back, or is over. Ask an Admin of the team for \
             another one."
        }
        Kind::Recovery => {
            "This link was used, or it is over. “vestibule administrator recover” prints a new one."
        }
    };
    Refusal::new(http::StatusCode::NOT_FOUND, "Not found", sentence)
}
