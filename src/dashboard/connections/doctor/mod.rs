//! The doctor of a connection: what can be found out without a person who signs in.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::head::{self, Head, Tab};
use crate::app::App;
use crate::base::Error;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read};
use crate::doctor::{self, Report};
use crate::web::form::{Form, View};
use crate::web::page::page;
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let path = "/{environment_id}/connections/{connection_id}/doctor";
    Router::new().route(path, get(show).post(examine))
}

#[derive(Template)]
#[template(path = "dashboard/connections/doctor/doctor.html")]
struct DoctorPage<'a> {
    frame: Frame<'a>,
    head: Head,
    report: Option<Report>,
    form: View,
}

fn render<L: Level>(
    place: &Place<L>,
    found: head::Found,
    (status, report, form): (StatusCode, Option<Report>, View),
) -> Response {
    let head = Head::new(place, found, Tab::Doctor);
    page(status, &DoctorPage { frame: place.frame(Section::Organizations), head, report, form })
}

async fn show(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
) -> Result<Response, Refusal> {
    let found = head::load(&app, &place.caller, &id).await?;
    Ok(render(&place, found, (StatusCode::OK, None, View::default())))
}

/// Support may examine: nothing is changed by it. The answer is the page itself: a report is not
/// kept.
async fn examine(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
    _form: Form,
) -> Result<Response, Refusal> {
    let found = head::load(&app, &place.caller, &id).await?;
    match doctor::run(&app, &place.caller, &id).await {
        Ok(report) => Ok(render(&place, found, (StatusCode::OK, Some(report), View::default()))),
        Err(error @ Error::RateLimited { .. }) => {
            let view = View::default().with_general(error.to_string());
            Ok(render(&place, found, (StatusCode::TOO_MANY_REQUESTS, None, view)))
        }
        Err(error) => Err(error.into()),
    }
}
