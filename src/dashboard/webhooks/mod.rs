//! `/dashboard/{environment_id}/webhooks`: where the application is told of events.

mod edit;
mod events;
mod show;
mod state;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Place, Read, Write};
use crate::app::App;
use crate::base::id::WebhookEndpointId;
use crate::base::page::{Page, PageRequest};
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::delivery;
use crate::model::webhook_delivery::{self, State as DeliveryState, WebhookDelivery};
use crate::model::webhook_endpoint::{self, Behind, NewWebhookEndpoint, Status, WebhookEndpoint};
use crate::web::form::{Form, View};
use crate::web::page::page;
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;
use events::{Group, chosen, groups};
use show::Extra;

/// How many names of events a row of the list shows.
const EVENTS_SHOWN: usize = 2;
/// The fields of the form.
const FIELDS: &[&str] = &["endpoint_url", "events"];

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/webhooks/{id}";
    Router::new()
        .route("/{environment_id}/webhooks", get(list).post(create))
        .route("/{environment_id}/webhooks/new", get(new))
        .route(one, get(show::show))
        .route(&format!("{one}/test"), post(show::test))
        .route(&format!("{one}/replay"), post(show::replay))
        .route(&format!("{one}/edit"), get(edit::edit).post(edit::save))
        .route(&format!("{one}/enable"), post(state::enable))
        .route(&format!("{one}/disable"), get(state::ask_disable).post(state::disable))
        .route(&format!("{one}/rotate"), get(state::ask_rotate).post(state::rotate))
        .route(&format!("{one}/delete"), get(state::ask_delete).post(state::delete))
}

#[derive(Template)]
#[template(path = "dashboard/webhooks/list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    base: String,
    rows: Vec<Row>,
    pager: Pager,
}

/// One line of the list.
struct Row {
    endpoint: WebhookEndpoint,
    behind: Behind,
    last: Option<WebhookDelivery>,
}

impl Row {
    async fn of(tx: &mut Tx, endpoint: WebhookEndpoint) -> Result<Self> {
        let newest = PageRequest { limit: 1, ..PageRequest::default() };
        let last = webhook_delivery::list(tx, &endpoint.id, &newest).await?.data.pop();
        Ok(Self { behind: webhook_endpoint::behind(tx, &endpoint).await?, last, endpoint })
    }

    fn badge(&self) -> (&'static str, &'static str) {
        badge(&self.endpoint)
    }

    fn outcome(&self, delivery: &WebhookDelivery) -> (&'static str, &'static str) {
        outcome(delivery)
    }

    fn behind(&self) -> String {
        lag(&self.endpoint, self.behind)
    }

    fn events(&self) -> impl Iterator<Item = &str> {
        self.endpoint.events.iter().take(EVENTS_SHOWN).map(String::as_str)
    }

    fn more_events(&self) -> usize {
        self.endpoint.events.len().saturating_sub(EVENTS_SHOWN)
    }
}

/// Whether an endpoint is told of anything: the class and the word of its badge.
fn badge(endpoint: &WebhookEndpoint) -> (&'static str, &'static str) {
    match endpoint.status {
        Status::Disabled if endpoint.disabled_reason.is_some() => ("bad dot", "Disabled"),
        Status::Disabled => ("dot", "Disabled"),
        Status::Enabled if endpoint.failing_since.is_some() => ("warn dot", "Failing"),
        Status::Enabled => ("good dot", "Enabled"),
    }
}

/// How a delivery stands: the class and the word of its badge.
fn outcome(delivery: &WebhookDelivery) -> (&'static str, &'static str) {
    match delivery.state {
        DeliveryState::Delivered => ("good dot", "Delivered"),
        DeliveryState::Pending => ("warn dot", "To be repeated"),
        DeliveryState::Failed => ("bad dot", "Failed"),
    }
}

/// How far an endpoint is behind, in words.
fn lag(endpoint: &WebhookEndpoint, behind: Behind) -> String {
    match behind {
        _ if endpoint.status == Status::Disabled => "–".to_owned(),
        Behind { events: 0, is_more: false } => "up to date".to_owned(),
        Behind { events: 1, is_more: false } => "1 event".to_owned(),
        Behind { events, is_more: false } => format!("{events} events"),
        Behind { events, is_more: true } => format!("at least {events} events"),
    }
}

/// The form of an endpoint, a new one or one that is changed.
#[derive(Template)]
#[template(path = "dashboard/webhooks/form.html")]
struct FormPage<'a> {
    frame: Frame<'a>,
    list: String,
    action: String,
    /// Where the way back leads.
    cancel: String,
    is_new: bool,
    groups: Vec<Group>,
    form: View,
}

/// The id in the path.
fn parse(text: &str) -> Result<WebhookEndpointId, Refusal> {
    WebhookEndpointId::parse(text).ok_or_else(Refusal::not_found)
}

/// Puts what is wrong at its field: that another endpoint has this URL, too.
fn refused(view: View, error: Error) -> Result<View> {
    match error {
        Error::Conflict { code: "duplicate_endpoint", message } => {
            Ok(view.with_error("endpoint_url", message))
        }
        other => view.refused(FIELDS, other),
    }
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let request = pager::request(&query);
    let wanted = request.clone();
    let read = async move |tx: &mut Tx| {
        let found = webhook_endpoint::list(tx, &wanted).await?;
        let mut data = Vec::new();
        for endpoint in found.data {
            data.push(Row::of(tx, endpoint).await?);
        }
        Ok(Page { data, before: found.before, after: found.after })
    };
    let rows = pager::shown(app.db.read(&place.caller, read).await?, &request);
    let base = place.path("/webhooks");
    let shown = ListPage {
        frame: place.frame(Section::Webhooks),
        pager: Pager::of(&rows, &base, &query),
        base,
        rows: rows.data,
    };
    Ok(page(StatusCode::OK, &shown))
}

async fn new(place: Place<Write>) -> Response {
    new_page(&place, StatusCode::OK, View::default(), &[])
}

fn new_page(place: &Place<Write>, status: StatusCode, form: View, chosen: &[String]) -> Response {
    let list = place.path("/webhooks");
    let shown = FormPage {
        frame: place.frame(Section::Webhooks),
        action: list.clone(),
        cancel: list.clone(),
        list,
        is_new: true,
        groups: groups(chosen),
        form,
    };
    page(status, &shown)
}

/// Answers with the page of the endpoint, not with a redirect: its secret is shown this once.
async fn create(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let events = chosen(&form);
    let new = NewWebhookEndpoint {
        endpoint_url: form.text("endpoint_url").to_owned(),
        events: events.clone(),
    };
    let here = app.clone();
    let write = async move |tx: &mut Tx| delivery::create(&here, tx, &new).await;
    match app.db.write(&place.caller, write).await {
        Ok(endpoint) => {
            let secret = Some(endpoint.secret(&app.sealer)?);
            show::render(&app, &place, endpoint.id, "", Extra { secret, ..Extra::default() }).await
        }
        Err(error) => {
            let view = refused(form.view(), error)?;
            Ok(new_page(&place, StatusCode::UNPROCESSABLE_ENTITY, view, &events))
        }
    }
}
