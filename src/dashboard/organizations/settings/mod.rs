//! The details of an organization, and its deletion.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::head::{self, Head, Tab};
use super::show;
use crate::app::App;
use crate::base::id::OrganizationId;
use crate::dashboard::confirm::{Question, mistyped};
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read, Write};
use crate::model::organization::{self, Change, Metadata, MetadataChange, Organization};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// How many empty rows the form offers for new metadata.
const SPARE_ROWS: usize = 2;

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/organizations/{organization_id}";
    Router::new()
        .route(&format!("{one}/settings"), get(show_settings).post(save))
        .route(&format!("{one}/delete"), get(ask_delete).post(delete))
}

#[derive(Template)]
#[template(path = "dashboard/organizations/settings/settings.html")]
struct SettingsPage<'a> {
    frame: Frame<'a>,
    head: Head,
    form: View,
    /// Keys and values of the metadata, with empty rows behind them.
    rows: Vec<(String, String)>,
}

type Named = Path<(String, String)>;

async fn show_settings(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Read>,
) -> Result<Response, Refusal> {
    let organization = load(&app, &place, head::id(&id)?).await?;
    let mut values = vec![
        ("name", organization.name.clone()),
        ("external_id", organization.external_id.clone().unwrap_or_default()),
    ];
    if organization.allow_profiles_outside_organization {
        values.push(("allow_outside", "on".to_owned()));
    }
    let rows = organization.metadata.iter().map(|(key, value)| (key.clone(), value.clone()));
    let rows = rows.collect();
    Ok(shown(&place, organization, StatusCode::OK, (View::of(values), rows)))
}

async fn load<L: Level>(
    app: &App,
    place: &Place<L>,
    id: OrganizationId,
) -> Result<Organization, Refusal> {
    let read = async move |tx: &mut _| organization::get(tx, &id).await;
    Ok(app.db.read(&place.caller, read).await?)
}

fn shown<L: Level>(
    place: &Place<L>,
    organization: Organization,
    status: StatusCode,
    (form, mut rows): (View, Vec<(String, String)>),
) -> Response {
    rows.extend((0..SPARE_ROWS).map(|_| (String::new(), String::new())));
    let shown = SettingsPage {
        frame: place.frame(Section::Organizations),
        head: Head::new(place, organization, Tab::Settings),
        form,
        rows,
    };
    page(status, &shown)
}

async fn save(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let organization = load(&app, &place, head::id(&id)?).await?;
    let rows = typed_rows(&form);
    let change = Change {
        name: Some(form.text("name").to_owned()),
        external_id: Some(form.filled("external_id")),
        allow_profiles_outside_organization: Some(form.checked("allow_outside")),
        metadata: metadata_change(&organization.metadata, &rows),
        ..Change::default()
    };
    let target = organization.id.clone();
    let write = async move |tx: &mut _| organization::update(tx, &target, &change).await;
    match app.db.write(&place.caller, write).await {
        Ok(saved) => {
            let path = format!("/organizations/{}/settings?notice=saved", saved.id);
            Ok(see_other(&place.path(&path)))
        }
        Err(error) => {
            let view = form.view().refused(&["name", "external_id", "metadata"], error)?;
            Ok(shown(&place, organization, StatusCode::UNPROCESSABLE_ENTITY, (view, rows)))
        }
    }
}

/// The metadata as they were typed, without rows that are empty.
fn typed_rows(form: &Form) -> Vec<(String, String)> {
    let keys = form.all("metadata_key").into_iter().map(str::to_owned);
    let values = form.all("metadata_value").into_iter().map(str::to_owned);
    keys.zip(values).filter(|(key, value)| !key.is_empty() || !value.is_empty()).collect()
}

/// What is to be set and deleted, so that the rows are all there is; `None` if they are already.
///
/// A field of one line cannot hold a line break, nor white space at its ends; a value that differs
/// in nothing else was not touched, and stays.
fn metadata_change(old: &Metadata, rows: &[(String, String)]) -> Option<Option<MetadataChange>> {
    let line = |text: &str| text.replace(['\n', '\r'], "").trim().to_owned();
    let mut change: MetadataChange = BTreeMap::new();
    for (key, value) in rows {
        if old.get(key).is_none_or(|known| line(known) != *value) {
            change.insert(key.clone(), Some(value.clone()));
        }
    }
    for key in old.keys() {
        if !rows.iter().any(|(typed, _)| typed == key) {
            change.insert(key.clone(), None);
        }
    }
    if change.is_empty() { None } else { Some(Some(change)) }
}

async fn ask_delete(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = show::load(&app, &place.caller, &head::id(&id)?).await?;
    Ok(question(&place, &found, View::default()).ask())
}

async fn delete(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let found = show::load(&app, &place.caller, &head::id(&id)?).await?;
    if let Some(view) = mistyped(&form, &found.0.name) {
        return Ok(question(&place, &found, view).ask_again());
    }
    let target = found.0.id.clone();
    let write = async move |tx: &mut _| organization::delete(tx, &target).await;
    app.db.write(&place.caller, write).await?;
    for connection in &found.1 {
        app.upstream.forget(connection.id.as_str());
    }
    Ok(see_other(&place.path("/organizations?notice=deleted")))
}

fn question<'a>(
    place: &'a Place<Write>,
    (organization, connections): &show::Found,
    form: View,
) -> Question<'a> {
    let path = place.path(&format!("/organizations/{}", organization.id));
    let mut consequences =
        vec![format!("Nobody of {} can sign in to your application any more.", organization.name)];
    if !connections.is_empty() {
        let names: Vec<&str> = connections.iter().take(5).map(|it| it.name.as_str()).collect();
        let more = connections.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        consequences.push(format!(
            "With it go its connections ({}{more}), their groups, secrets and profiles, and its \
             domains, roles and setup links.",
            names.join(", ")
        ));
    }
    consequences.push("This cannot be undone.".to_owned());
    Question {
        frame: place.frame(Section::Organizations),
        title: format!("Delete {}?", organization.name),
        consequences,
        action: format!("{path}/delete"),
        button: "Delete organization",
        is_dangerous: true,
        cancel: format!("{path}/settings"),
        typed: Some(organization.name.clone()),
        form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_rows_of_the_form_become_what_changes() {
        let old: Metadata =
            rows(&[("plan", "gold"), ("note", "two\nlines ")]).into_iter().collect();
        assert_eq!(metadata_change(&old, &rows(&[("plan", "gold"), ("note", "twolines")])), None);
        let change = metadata_change(&old, &rows(&[("plan", "silver"), ("tier", "1")]));
        let change = change.flatten().unwrap();
        assert_eq!(change["plan"].as_deref(), Some("silver"));
        assert_eq!(change["tier"].as_deref(), Some("1"));
        assert_eq!(change["note"], None);
    }
}
