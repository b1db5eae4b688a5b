//! Testing a connection: a sign-in that signs nobody in, and what came of it.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use http::request::Parts;

use super::head::{self, Head, Tab};
use crate::app::App;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Place, Read};
use crate::model::sso_session::{self, SsoSession};
use crate::sso::test_sign_in::{self, ReturnTo};
use crate::web::departure::leave;
use crate::web::form::Form;
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;
use crate::web::{browser, departure};

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/connections/{connection_id}/test";
    Router::new()
        .route(one, get(show).post(begin))
        .route(&format!("{one}/{{session_id}}"), get(result))
}

#[derive(Template)]
#[template(path = "dashboard/connections/test/test.html")]
struct TestPage<'a> {
    frame: Frame<'a>,
    head: Head,
    is_configured: bool,
    session: Option<SsoSession>,
}

async fn show(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
) -> Result<Response, Refusal> {
    let found = head::load(&app, &place.caller, &id).await?;
    let shown = TestPage {
        frame: place.frame(Section::Organizations),
        is_configured: found.0.is_configured(),
        head: Head::new(&place, found, Tab::Test),
        session: None,
    };
    Ok(page(StatusCode::OK, &shown))
}

/// Support may test: nothing is changed by it.
async fn begin(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
    parts: Parts,
    _form: Form,
) -> Result<Response, Refusal> {
    let browser = browser::of(&app, &parts);
    let return_to = ReturnTo::DashboardConnection;
    match test_sign_in::begin(&app, &place.caller, &id, &return_to, browser).await {
        Ok(begun) => Ok(leave(&departure::depart(&app, &parts.headers, &begun), &begun.location)),
        Err(refused) => match refused.session_id {
            Some(session) => {
                Ok(see_other(&place.path(&format!("/connections/{id}/test/{session}"))))
            }
            None => Err(Refusal::new(
                StatusCode::CONFLICT,
                "The test could not begin",
                refused.failure.code.for_developer(),
            )),
        },
    }
}

async fn result(
    State(app): State<App>,
    Path((_, id, session)): Path<(String, String, String)>,
    place: Place<Read>,
) -> Result<Response, Refusal> {
    let found = head::load(&app, &place.caller, &id).await?;
    let read = async move |tx: &mut _| sso_session::get(tx, &session).await;
    let session = app.db.read(&place.caller, read).await?;
    if session.connection_id.as_ref() != Some(&found.0.id) || !session.origin.is_test() {
        return Err(Refusal::not_found());
    }
    let shown = TestPage {
        frame: place.frame(Section::Organizations),
        is_configured: found.0.is_configured(),
        head: Head::new(&place, found, Tab::Test),
        session: Some(session),
    };
    Ok(page(StatusCode::OK, &shown))
}
