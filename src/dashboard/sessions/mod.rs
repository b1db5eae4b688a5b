//! Login attempts: of the whole environment, of one connection, and one of them with its trace.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::connections::{Head, Tab, load};
use super::frame::{Frame, Section};
use super::query::filled;
use super::visit::{Place, Read};
use crate::app::App;
use crate::base::id::{ConnectionId, SsoSessionId};
use crate::base::page::Page;
use crate::base::time::Timestamp;
use crate::model::connection;
use crate::model::sso_session::{self, Filter, Origin, SsoSession, Status};
use crate::web::form::View;
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/sessions", get(list))
        .route("/{environment_id}/sessions/{session_id}", get(show))
        .route("/{environment_id}/connections/{connection_id}/sessions", get(list_of_connection))
}

/// The list itself, alike on both pages.
struct Sessions {
    /// Where the filter is sent.
    path: String,
    /// The path of the sessions of the environment.
    base: String,
    form: View,
    is_filtered: bool,
    page: Page<SsoSession>,
    pager: Pager,
}

/// A status as it is shown: class and words.
const fn badge(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::InProgress => ("accent", "In progress"),
        Status::Success => ("good", "Success"),
        Status::Failed => ("bad", "Failed"),
        Status::TimedOut => ("warn", "Timed out"),
        Status::TestSuccessful => ("good", "Test successful"),
        Status::TestFailed => ("bad", "Test failed"),
    }
}

/// Where an attempt began, in words.
const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Application => "Application",
        Origin::IdentityProvider => "Identity provider",
        Origin::DashboardTest => "Dashboard (test)",
        Origin::PortalTest => "Setup portal (test)",
    }
}

impl Sessions {
    fn badge(&self, session: &SsoSession) -> (&'static str, &'static str) {
        badge(session.status)
    }

    fn origin(&self, session: &SsoSession) -> &'static str {
        origin(session.origin)
    }

    fn statuses(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = vec![("", "All")];
        all.extend(Status::ALL.map(|status| (status.as_str(), badge(status).1)));
        all
    }

    fn origins(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = vec![("", "All")];
        all.extend(Origin::ALL.map(|known| (known.as_str(), origin(known))));
        all
    }
}

#[derive(Template)]
#[template(path = "dashboard/sessions/list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    sessions: Sessions,
}

#[derive(Template)]
#[template(path = "dashboard/sessions/of_connection.html")]
struct OfConnectionPage<'a> {
    frame: Frame<'a>,
    head: Head,
    sessions: Sessions,
}

#[derive(Template)]
#[template(path = "dashboard/sessions/session.html")]
struct SessionPage<'a> {
    frame: Frame<'a>,
    base: String,
    session: SsoSession,
    badge: (&'static str, &'static str),
    origin: &'static str,
    /// Its connection, if it is still there: path and name.
    connection: Option<(String, String)>,
}

/// The filter of a query; what makes no sense is told at its field, and finds nothing.
fn read(query: &str) -> (Filter, View) {
    let names = ["email", "status", "origin", "from", "until", "session"];
    let values = names.into_iter().filter_map(|name| Some((name, filled(query, name)?)));
    let mut view = View::of(values);
    let mut filter = Filter {
        email: filled(query, "email").map(|email| email.to_lowercase()),
        status: filled(query, "status").and_then(|word| Status::parse(&word)),
        origin: filled(query, "origin").and_then(|word| Origin::parse(&word)),
        ..Filter::default()
    };
    for (name, is_end) in [("from", false), ("until", true)] {
        let Some(day) = filled(query, name) else { continue };
        match Timestamp::parse(&format!("{day}T00:00:00Z")) {
            Some(day) if is_end => filter.range_end = Some(day.plus_ms(DAY_MS)),
            Some(day) => filter.range_start = Some(day),
            None => view = view.with_error(name, "A day looks like 2026-01-31."),
        }
    }
    (filter, view)
}

/// The list, or the one session whose reference number was entered.
async fn find(
    app: &App,
    place: &Place<Read>,
    query: &str,
    connection_id: Option<ConnectionId>,
    path: String,
) -> Result<Result<Sessions, String>, Refusal> {
    let (mut filter, mut form) = read(query);
    let base = place.path("/sessions");
    if let Some(text) = filled(query, "session") {
        match SsoSessionId::parse(&text) {
            Some(id) => return Ok(Err(format!("{base}/{id}"))),
            None => form = form.with_error("session", "A reference number begins with sess_."),
        }
    }
    filter.connection_id = connection_id;
    let request = pager::request(query);
    let wanted = request.clone();
    let read = async move |tx: &mut _| sso_session::list(tx, &filter, &wanted).await;
    let page = pager::shown(app.db.read(&place.caller, read).await?, &request);
    let is_filtered = !query.is_empty();
    let pager = Pager::of(&page, &path, query);
    Ok(Ok(Sessions { path, base, form, is_filtered, page, pager }))
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    match find(&app, &place, &query, None, place.path("/sessions")).await? {
        Ok(sessions) => {
            let frame = place.frame(Section::Sessions);
            Ok(page(StatusCode::OK, &ListPage { frame, sessions }))
        }
        Err(path) => Ok(see_other(&path)),
    }
}

async fn list_of_connection(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let found = load(&app, &place.caller, &id).await?;
    let head = Head::new(&place, found, Tab::Sessions);
    let path = format!("{}/sessions", head.path);
    match find(&app, &place, &query, Some(head.connection.id.clone()), path).await? {
        Ok(sessions) => {
            let frame = place.frame(Section::Organizations);
            Ok(page(StatusCode::OK, &OfConnectionPage { frame, head, sessions }))
        }
        Err(path) => Ok(see_other(&path)),
    }
}

async fn show(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
) -> Result<Response, Refusal> {
    let read = async move |tx: &mut _| {
        let session = sso_session::get(tx, &id).await?;
        let connection = match &session.connection_id {
            Some(id) => connection::find(tx, id.as_str()).await?,
            None => None,
        };
        Ok((session, connection))
    };
    let (session, connection) = app.db.read(&place.caller, read).await?;
    let shown = SessionPage {
        frame: place.frame(Section::Sessions),
        base: place.path("/sessions"),
        badge: badge(session.status),
        origin: origin(session.origin),
        connection: connection.map(|it| (place.path(&format!("/connections/{}", it.id)), it.name)),
        session,
    };
    Ok(page(StatusCode::OK, &shown))
}
