//! `/dashboard/{environment_id}/redirects`: where the application may have its people sent back to.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::confirm::Question;
use super::frame::{Frame, Section};
use super::visit::{Level, Place, Read, Write};
use crate::app::App;
use crate::base::Error;
use crate::base::id::RedirectUriId;
use crate::base::page::Page;
use crate::base::redirect_uri::has_wildcard;
use crate::model::environment::{self, Kind};
use crate::model::redirect_uri::{self, RedirectUri};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/redirects", get(list).post(create))
        .route("/{environment_id}/redirects/logout", post(save_logout_uris))
        .route("/{environment_id}/redirects/{id}/default", post(make_default))
        .route("/{environment_id}/redirects/{id}/delete", get(ask_delete).post(delete))
}

#[derive(Template)]
#[template(path = "dashboard/redirects/redirects.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    base: String,
    is_sandbox: bool,
    uris: Page<RedirectUri>,
    pager: Pager,
    form: View,
    logout_form: View,
}

impl ListPage<'_> {
    fn can_be_default(&self, uri: &RedirectUri) -> bool {
        !uri.is_default && !has_wildcard(&uri.uri)
    }
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    show(&app, &place, (StatusCode::OK, Forms::default()), &query).await
}

/// What was typed into the forms of the page.
#[derive(Default)]
struct Forms {
    redirect: View,
    /// `None`: as it is stored.
    logout: Option<View>,
}

async fn show<L: Level>(
    app: &App,
    place: &Place<L>,
    (status, forms): (StatusCode, Forms),
    query: &str,
) -> Result<Response, Refusal> {
    let request = pager::request(query);
    let wanted = request.clone();
    let read = async move |tx: &mut _| redirect_uri::list(tx, &wanted).await;
    let uris = pager::shown(app.db.read(&place.caller, read).await?, &request);
    let base = place.path("/redirects");
    let shown = ListPage {
        frame: place.frame(Section::Redirects),
        is_sandbox: place.environment.kind == Kind::Sandbox,
        pager: Pager::of(&uris, &base, query),
        base,
        uris,
        form: forms.redirect,
        logout_form: forms.logout.unwrap_or_else(|| {
            let stored = place.environment.settings.logout_uris.join("\n");
            View::of([("logout_uris", stored)])
        }),
    };
    Ok(page(status, &shown))
}

async fn create(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let uri = form.text("uri").to_owned();
    let write = async move |tx: &mut _| redirect_uri::create(tx, &uri).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&place.path("/redirects?notice=created"))),
        Err(error) => {
            let view = match error {
                Error::Conflict { message, .. } => form.view().with_error("uri", message),
                error => form.view().refused(&["uri"], error)?,
            };
            let forms = Forms { redirect: view, ..Forms::default() };
            show(&app, &place, (StatusCode::UNPROCESSABLE_ENTITY, forms), "").await
        }
    }
}

async fn save_logout_uris(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let lines = form.text("logout_uris").lines().map(str::trim).filter(|line| !line.is_empty());
    let logout_uris = Some(lines.map(str::to_owned).collect());
    let settings = environment::SettingsChange { logout_uris, ..Default::default() };
    let change = environment::Change { settings: Some(settings), ..Default::default() };
    let write = async move |tx: &mut _| environment::update(tx, &change).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&place.path("/redirects?notice=saved"))),
        Err(error) => {
            let logout = Some(form.view().refused(&["logout_uris"], error)?);
            let forms = Forms { logout, ..Forms::default() };
            show(&app, &place, (StatusCode::UNPROCESSABLE_ENTITY, forms), "").await
        }
    }
}

fn parse(text: &str) -> Result<RedirectUriId, Refusal> {
    RedirectUriId::parse(text).ok_or_else(Refusal::not_found)
}

async fn make_default(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    app.db.write(&place.caller, async move |tx| redirect_uri::make_default(tx, &id).await).await?;
    Ok(see_other(&place.path("/redirects?notice=saved")))
}

async fn question<'a>(
    app: &App,
    place: &'a Place<Write>,
    id: &RedirectUriId,
    form: View,
) -> Result<Question<'a>, Refusal> {
    let wanted = id.clone();
    let read = async move |tx: &mut _| redirect_uri::get(tx, &wanted).await;
    let uri = app.db.read(&place.caller, read).await?;
    Ok(Question {
        frame: place.frame(Section::Redirects),
        title: "Remove this redirect URI?".to_owned(),
        consequences: vec![
            uri.uri,
            "Sign-ins that ask to come back here are refused from now on, those under way too."
                .to_owned(),
        ],
        action: place.path(&format!("/redirects/{id}/delete")),
        button: "Remove redirect URI",
        is_dangerous: true,
        cancel: place.path("/redirects"),
        typed: None,
        form,
    })
}

async fn ask_delete(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    Ok(question(&app, &place, &parse(&id)?, View::default()).await?.ask())
}

async fn delete(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let wanted = id.clone();
    let write = async move |tx: &mut _| redirect_uri::delete(tx, &wanted).await;
    match app.db.write(&place.caller, write).await {
        Ok(()) => Ok(see_other(&place.path("/redirects?notice=deleted"))),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            Ok(question(&app, &place, &id, view).await?.ask_again())
        }
    }
}
