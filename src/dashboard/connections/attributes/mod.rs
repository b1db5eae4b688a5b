//! **Attribute mapping**: which claims the members of a profile come from.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Map, json};

use super::head::{Found, Head, Tab, load};
use crate::app::App;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Place, Write};
use crate::setup::{self, Change, Oidc};
use crate::upstream::Settings;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// Those of the form's fields at which a message can stand.
const FIELDS: &[&str] = &["custom_attributes", "groups_claim", "groups_delimiter"];

pub(super) fn routes() -> Router<App> {
    let path = "/{environment_id}/connections/{connection_id}/attributes";
    Router::new().route(path, get(show).post(save))
}

#[derive(Template)]
#[template(path = "dashboard/connections/attributes/attributes.html")]
struct AttributesPage<'a> {
    frame: Frame<'a>,
    head: Head,
    form: View,
}

fn shown(place: &Place<Write>, found: Found, (status, form): (StatusCode, View)) -> Response {
    let frame = place.frame(Section::Organizations);
    page(status, &AttributesPage { frame, head: Head::new(place, found, Tab::Configuration), form })
}

type Named = Path<(String, String)>;

async fn show(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    let Some(Settings::Oidc(settings)) = &found.0.settings else {
        return Ok(see_other(&place.path(&format!("/connections/{id}"))));
    };
    let custom: Vec<String> = settings
        .custom_attributes
        .iter()
        .map(|(name, claim)| format!("{name} = {claim}"))
        .collect();
    let form = View::of([
        ("email", settings.attributes.email.as_str()),
        ("first_name", &settings.attributes.first_name),
        ("last_name", &settings.attributes.last_name),
        ("name", &settings.attributes.name),
        ("custom_attributes", &custom.join("\n")),
        ("groups_claim", &settings.groups_claim),
        ("groups_delimiter", settings.groups_delimiter.as_deref().unwrap_or_default()),
    ]);
    Ok(shown(&place, found, (StatusCode::OK, form)))
}

async fn save(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    let Some(custom) = custom(form.text("custom_attributes")) else {
        let message = "Write one attribute a line: its name, =, and the claim.";
        let view = form.view().with_error("custom_attributes", message);
        return Ok(shown(&place, found, (StatusCode::UNPROCESSABLE_ENTITY, view)));
    };
    let mut more = Map::new();
    let attributes = json!({
        "email": form.text("email"),
        "first_name": form.text("first_name"),
        "last_name": form.text("last_name"),
        "name": form.text("name"),
    });
    more.insert("attributes".to_owned(), attributes);
    more.insert("custom_attributes".to_owned(), json!(custom));
    more.insert("groups_claim".to_owned(), form.text("groups_claim").into());
    let delimiter = Some(form.raw("groups_delimiter")).filter(|text| !text.is_empty());
    more.insert("groups_delimiter".to_owned(), delimiter.into());
    let change = Change { oidc: Some(Oidc { more, ..Oidc::default() }), ..Change::default() };
    match setup::update(&app, &place.caller, &id, change).await {
        Ok(_) => Ok(see_other(&place.path(&format!("/connections/{id}?notice=saved")))),
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            Ok(shown(&place, found, (StatusCode::UNPROCESSABLE_ENTITY, view)))
        }
    }
}

/// Names and claims, one `name = claim` a line; `None` if a line is none.
fn custom(text: &str) -> Option<BTreeMap<String, String>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, claim) = line.split_once('=')?;
            Some((name.trim().to_owned(), claim.trim().to_owned()))
        })
        .collect()
}
