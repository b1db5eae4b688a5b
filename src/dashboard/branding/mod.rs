//! `/dashboard/{environment_id}/branding`: name, logo and colour of the pages that customers see.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Level, Place, Read, Write};
use crate::app::App;
use crate::base::{Error, Result};
use crate::model::branding::{self, Change, Logo};
use crate::web::brand::Brand;
use crate::web::form::{Form, Upload, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/{environment_id}/branding", get(show).post(save))
}

#[derive(Template)]
#[template(path = "dashboard/branding/branding.html")]
struct BrandingPage<'a> {
    frame: Frame<'a>,
    base: String,
    brand: Brand,
    form: View,
}

async fn show(State(app): State<App>, place: Place<Read>) -> Result<Response, Refusal> {
    render(&app, &place, None).await
}

async fn render<L: Level>(
    app: &App,
    place: &Place<L>,
    refused: Option<View>,
) -> Result<Response, Refusal> {
    let id = place.environment.id.clone();
    let found = app.db.read(&place.caller, async move |tx| branding::of(tx, &id).await).await?;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form = refused.unwrap_or_else(|| {
        let accent = found.accent.map(|accent| accent.to_string()).unwrap_or_default();
        View::of([("name", found.name.clone().unwrap_or_default()), ("accent", accent)])
    });
    let shown = BrandingPage {
        frame: place.frame(Section::Branding),
        base: place.path("/branding"),
        brand: Brand::new(&place.environment.id, &found),
        form,
    };
    Ok(page(status, &shown))
}

/// The change that the form asks for. A picture is read here, where no unit of work waits for it.
async fn change(form: &Form, file: Option<axum::body::Bytes>) -> Result<Change> {
    let logo = match file {
        Some(file) => {
            let read = tokio::task::spawn_blocking(move || Logo::read(&file)).await;
            Some(Some(read.map_err(Error::internal)??))
        }
        None => form.checked("remove_logo").then_some(None),
    };
    Ok(Change { name: Some(form.filled("name")), accent: Some(form.filled("accent")), logo })
}

async fn save(
    State(app): State<App>,
    place: Place<Write>,
    Upload { form, file }: Upload,
) -> Result<Response, Refusal> {
    let saved = match change(&form, file).await {
        Ok(change) => {
            let write = async move |tx: &mut _| branding::change(tx, &change).await;
            app.db.write(&place.caller, write).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(see_other(&place.path("/branding?notice=saved"))),
        Err(error) => {
            let view = form.view().refused(&["name", "accent", "logo"], error)?;
            render(&app, &place, Some(view)).await
        }
    }
}
