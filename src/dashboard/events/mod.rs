//! `/dashboard/{environment_id}/events`: what happened, and one event with its payload.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::Value;

use super::frame::{Frame, Section};
use super::visit::{Place, Read};
use crate::app::App;
use crate::base::id::{EventId, OrganizationId};
use crate::base::page::Page;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::model::event::{self, Event, Filter};
use crate::model::event_name;
use crate::web::form::View;
use crate::web::page::page;
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/events", get(list))
        .route("/{environment_id}/events/{id}", get(show))
}

/// One line of the list.
struct Line {
    id: EventId,
    name: String,
    at: Timestamp,
    /// Whom or what it is about, in a few words.
    about: String,
    /// Who did it.
    actor: String,
}

impl Line {
    fn of(event: &Event) -> Result<Self> {
        let data: Value = serde_json::from_str(event.data.get()).map_err(Error::internal)?;
        let context: Value = serde_json::from_str(event.context.get()).map_err(Error::internal)?;
        let about = ["email", "name", "domain", "uri", "slug", "id"];
        let about = about.iter().find_map(|member| data[*member].as_str()).unwrap_or_default();
        Ok(Self {
            id: event.id.clone(),
            name: event.event.clone(),
            at: event.created_at,
            about: about.to_owned(),
            actor: actor(&context),
        })
    }
}

/// Who did it, in words.
fn actor(context: &Value) -> String {
    let actor = &context["actor"];
    let source = match actor["source"].as_str() {
        Some("api") => "API",
        Some("dashboard") => "Dashboard",
        Some("admin_portal") => "Setup portal",
        _ => "Vestibule",
    };
    match actor["name"].as_str() {
        Some(name) => format!("{name} ({source})"),
        None => source.to_owned(),
    }
}

#[derive(Template)]
#[template(path = "dashboard/events/events.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    base: String,
    form: View,
    is_filtered: bool,
    lines: Page<Line>,
    pager: Pager,
    names: &'static [&'static str],
    /// Whether new events appear at the top by themselves.
    is_live: bool,
}

#[derive(Template)]
#[template(path = "dashboard/events/event.html")]
struct EventPage<'a> {
    frame: Frame<'a>,
    base: String,
    line: Line,
    data: String,
    context: String,
}

/// The filter of a query; what makes no sense is told at its field.
fn read(query: &str) -> (Filter, View) {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.replace('\0', "").trim().to_owned()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let find = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
    let mut view = View::of(pairs.clone());
    let mut filter = Filter::default();
    if let Some(name) = find("event") {
        if !event_name::is_known(&name) {
            view = view.with_error("event", "There is no event of this name.");
        }
        filter.names = vec![name];
    }
    if let Some(id) = find("organization") {
        filter.organization_id = OrganizationId::parse(&id);
        if filter.organization_id.is_none() {
            view = view.with_error("organization", "An organization's id begins with org_.");
        }
    }
    for (field, end) in [("from", false), ("until", true)] {
        let Some(day) = find(field) else { continue };
        match Timestamp::parse(&format!("{day}T00:00:00Z")) {
            Some(day) if end => filter.range_end = Some(day.plus_ms(24 * 60 * 60 * 1000)),
            Some(day) => filter.range_start = Some(day),
            None => view = view.with_error(field, "A day looks like 2026-01-31."),
        }
    }
    (filter, view)
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let (filter, form) = read(&query);
    let request = pager::request(&query);
    let wanted = request.clone();
    let found =
        app.db.read(&place.caller, async move |tx| event::list(tx, &filter, &wanted).await).await?;
    let found = pager::shown(found, &request);
    let lines = found.data.iter().map(Line::of).collect::<Result<Vec<_>>>()?;
    let lines = Page { data: lines, before: found.before, after: found.after };
    let base = place.path("/events");
    let shown = ListPage {
        frame: place.frame(Section::Events),
        is_filtered: !query.is_empty(),
        pager: Pager::of(&lines, &base, &query),
        is_live: lines.before.is_none(),
        base,
        form,
        lines,
        names: event_name::OURS,
    };
    Ok(page(StatusCode::OK, &shown))
}

async fn show(
    State(app): State<App>,
    place: Place<Read>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let id = EventId::parse(&id).ok_or_else(Refusal::not_found)?;
    let found = app.db.read(&place.caller, async move |tx| event::find(tx, &id).await).await?;
    let event = found.ok_or_else(Refusal::not_found)?;
    let pretty = |text: &str| -> Result<String> {
        let value: Value = serde_json::from_str(text).map_err(Error::internal)?;
        Ok(format!("{value:#}"))
    };
    let shown = EventPage {
        frame: place.frame(Section::Events),
        base: place.path("/events"),
        line: Line::of(&event)?,
        data: pretty(event.data.get())?,
        context: pretty(event.context.get())?,
    };
    Ok(page(StatusCode::OK, &shown))
}
