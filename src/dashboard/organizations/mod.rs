//! `/dashboard/{environment_id}/organizations`: the list, and creating one.

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Place, Read, Write};
use crate::app::App;
use crate::base::page::Page;
use crate::model::organization::{self, Filter, NewOrganization, Organization};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/organizations", get(list).post(create))
        .route("/{environment_id}/organizations/new", get(new))
}

#[derive(Template)]
#[template(path = "dashboard/organizations/list.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    base: String,
    search: String,
    organizations: Page<Organization>,
    pager: Pager,
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
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let search = pairs.find(|(name, _)| name == "search").map(|(_, text)| text.trim().to_owned());
    let search = search.filter(|text| !text.is_empty());
    let filter = Filter { search: search.clone(), ..Filter::default() };
    let request = pager::request(&query);
    let wanted = request.clone();
    let found = app
        .db
        .read(&place.caller, async move |tx| organization::list(tx, &filter, &wanted).await)
        .await?;
    let organizations = pager::shown(found, &request);
    let base = place.path("/organizations");
    Ok(page(
        StatusCode::OK,
        &ListPage {
            frame: place.frame(Section::Organizations),
            search: search.unwrap_or_default(),
            pager: Pager::of(&organizations, &base, &query),
            base,
            organizations,
        },
    ))
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
