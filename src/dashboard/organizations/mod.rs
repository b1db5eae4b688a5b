//! `/dashboard/{environment_id}/organizations`: the list, creating one, and the pages of one.

mod domains;
mod head;
mod links;
mod roles;
mod settings;
mod show;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::connections::{StateBadge, badge};
use super::frame::{Frame, Section};
use super::query::filled;
use super::visit::{Place, Read, Write};
use crate::app::App;
use crate::base::page::Page;
use crate::model::connection::{self, ConnectionState};
use crate::model::organization::{self, Filter, NewOrganization, Organization};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

/// How many domains a row of the list shows.
const DOMAINS_SHOWN: usize = 3;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/organizations", get(list).post(create))
        .route("/{environment_id}/organizations/new", get(new))
        .merge(show::routes())
        .merge(domains::routes())
        .merge(links::routes())
        .merge(roles::routes())
        .merge(settings::routes())
}

#[derive(Template)]
#[template(path = "dashboard/organizations/list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    base: String,
    search: String,
    rows: Vec<Row>,
    pager: Pager,
}

/// One line of the list.
struct Row {
    organization: Organization,
    /// The state of its connections that matters most.
    state: Option<StateBadge>,
    connections: usize,
}

impl Row {
    fn domains(&self) -> impl Iterator<Item = &str> {
        self.organization.domains.iter().take(DOMAINS_SHOWN).map(|it| it.domain.as_str())
    }

    fn more_domains(&self) -> usize {
        self.organization.domains.len().saturating_sub(DOMAINS_SHOWN)
    }
}

#[derive(Template)]
#[template(path = "dashboard/organizations/new.html")]
struct NewPage<'a> {
    frame: Frame<'a>,
    base: String,
    form: View,
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let search = filled(&query, "search");
    let filter = Filter { anywhere: search.clone(), ..Filter::default() };
    let request = pager::request(&query);
    let wanted = request.clone();
    let read = async move |tx: &mut _| {
        let found = organization::list(tx, &filter, &wanted).await?;
        let ids: Vec<_> = found.data.iter().map(|it| it.id.clone()).collect();
        let states = connection::states(tx, &ids).await?;
        Ok((found, states))
    };
    let (found, states) = app.db.read(&place.caller, read).await?;
    let rows: Page<Row> = pager::shown(found, &request).map(|organization| {
        let of_it = states.iter().filter(|(id, _)| *id == organization.id);
        let states: Vec<ConnectionState> = of_it.map(|(_, state)| *state).collect();
        Row {
            state: states.iter().copied().max_by_key(|state| weight(*state)).map(badge),
            connections: states.len(),
            organization,
        }
    });
    let base = place.path("/organizations");
    Ok(page(
        StatusCode::OK,
        &ListPage {
            frame: place.frame(Section::Organizations),
            search: search.unwrap_or_default(),
            pager: Pager::of(&rows, &base, &query),
            base,
            rows: rows.data,
        },
    ))
}

/// The state that says most about whether an organization's people can sign in weighs most.
const fn weight(state: ConnectionState) -> u8 {
    match state {
        ConnectionState::Active => 3,
        ConnectionState::Validating => 2,
        ConnectionState::Draft => 1,
        ConnectionState::Inactive => 0,
    }
}

async fn new(place: Place<Write>) -> Response {
    new_page(&place, StatusCode::OK, View::default())
}

fn new_page(place: &Place<Write>, status: StatusCode, form: View) -> Response {
    let base = place.path("/organizations");
    page(status, &NewPage { frame: place.frame(Section::Organizations), base, form })
}

async fn create(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let new = NewOrganization {
        name: form.text("name").to_owned(),
        external_id: form.filled("external_id"),
        ..NewOrganization::default()
    };
    let created =
        app.db.write(&place.caller, async move |tx| organization::create(tx, &new).await).await;
    match created {
        Ok(organization) => {
            let path = place.path(&format!("/organizations/{}?notice=created", organization.id));
            Ok(see_other(&path))
        }
        Err(error) => {
            let view = form.view().refused(&["name", "external_id"], error)?;
            Ok(new_page(&place, StatusCode::UNPROCESSABLE_ENTITY, view))
        }
    }
}
