//! Another URL or other events for an endpoint.

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::events::{chosen, groups};
use super::{FormPage, parse, refused, show};
use crate::app::App;
use crate::base::id::WebhookEndpointId;
use crate::dashboard::frame::Section;
use crate::dashboard::visit::{Place, Write};
use crate::db::Tx;
use crate::delivery;
use crate::model::webhook_endpoint::{self, Change};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

fn shown(
    place: &Place<Write>,
    id: &WebhookEndpointId,
    (status, form): (StatusCode, View),
    chosen: &[String],
) -> Response {
    let path = show::path(place, id);
    let shown = FormPage {
        frame: place.frame(Section::Webhooks),
        list: place.path("/webhooks"),
        action: format!("{path}/edit"),
        cancel: path,
        is_new: false,
        groups: groups(chosen),
        form,
    };
    page(status, &shown)
}

pub(super) async fn edit(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let wanted = id.clone();
    let read = async move |tx: &mut Tx| webhook_endpoint::get(tx, &wanted).await;
    let endpoint = app.db.read(&place.caller, read).await?;
    let mut values = vec![("endpoint_url", endpoint.endpoint_url)];
    values.extend(endpoint.events.iter().map(|name| ("events", name.clone())));
    Ok(shown(&place, &id, (StatusCode::OK, View::of(values)), &endpoint.events))
}

pub(super) async fn save(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let id = parse(&id)?;
    let events = chosen(&form);
    let change = Change {
        endpoint_url: Some(form.text("endpoint_url").to_owned()),
        events: Some(events.clone()),
        status: None,
    };
    match delivery::update(&app, &place.caller, id.clone(), change).await {
        Ok(_) => Ok(see_other(&format!("{}?notice=saved", show::path(&place, &id)))),
        Err(error) => {
            let view = refused(form.view(), error)?;
            Ok(shown(&place, &id, (StatusCode::UNPROCESSABLE_ENTITY, view), &events))
        }
    }
}
