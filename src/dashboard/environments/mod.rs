//! `/dashboard/environments`: all of them, and creating one.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Level, Read, Visit, Write};
use crate::app::App;
use crate::base::Caller;
use crate::base::caller::Source;
use crate::model::environment::{self, Environment, Kind, NewEnvironment};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/environments", get(list).post(create))
}

#[derive(Template)]
#[template(path = "dashboard/environments/environments.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    environments: Vec<Environment>,
    form: View,
}

impl ListPage<'_> {
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[("production", "Production: for customers"), ("sandbox", "Sandbox: for trying out")]
    }
}

async fn list(State(app): State<App>, visit: Visit<Read>) -> Result<Response, Refusal> {
    show(&app, &visit, StatusCode::OK, View::default()).await
}

async fn show<L: Level>(
    app: &App,
    visit: &Visit<L>,
    status: StatusCode,
    form: View,
) -> Result<Response, Refusal> {
    let environments = visit.environments(app).await?;
    Ok(page(status, &ListPage { frame: visit.frame(Section::Environments), environments, form }))
}

async fn create(
    State(app): State<App>,
    visit: Visit<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let kind = Kind::parse(form.text("kind")).unwrap_or(Kind::Sandbox);
    let new = NewEnvironment { name: form.text("name").to_owned(), kind };
    let caller = Caller {
        source: Source::Dashboard,
        actor_id: visit.administrator().id.to_string(),
        ..Caller::anonymous()
    };
    let write = async move |tx: &mut _| environment::create(tx, &new).await;
    match app.db.write(&caller, write).await {
        Ok(created) => Ok(see_other(&format!("/dashboard/{}/overview?notice=created", created.id))),
        Err(error) => {
            let view = form.view().refused(&["name"], error)?;
            show(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, view).await
        }
    }
}
