//! Permissions: what a role may allow in the application.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::super::confirm::Question;
use crate::app::App;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read, Write};
use crate::model::permission::{self, Change, NewPermission, Permission};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

const FIELDS: &[&str] = &["slug", "name", "description"];

#[derive(Template)]
#[template(path = "dashboard/roles/permission.html")]
struct PermissionPage<'a> {
    frame: Frame<'a>,
    base: String,
    permission: Permission,
    form: View,
}

#[derive(Template)]
#[template(path = "dashboard/roles/permissions.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    /// The path of the roles.
    base: String,
    permissions: Vec<Permission>,
    pager: Pager,
    /// The form of a new one.
    form: View,
}

pub(super) async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    render_list(&app, &place, &query, (StatusCode::OK, View::default())).await
}

async fn render_list<L: Level>(
    app: &App,
    place: &Place<L>,
    query: &str,
    (status, form): (StatusCode, View),
) -> Result<Response, Refusal> {
    let request = pager::request(query);
    let wanted = request.clone();
    let read = async move |tx: &mut _| permission::list(tx, &wanted).await;
    let found = pager::shown(app.db.read(&place.caller, read).await?, &request);
    let shown = ListPage {
        frame: place.frame(Section::Roles),
        base: place.path("/roles"),
        pager: Pager::of(&found, &place.path("/roles/permissions"), query),
        permissions: found.data,
        form,
    };
    Ok(page(status, &shown))
}

pub(super) async fn create(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let new = NewPermission {
        slug: form.text("slug").to_owned(),
        name: form.text("name").to_owned(),
        description: form.filled("description"),
        resource_type_slug: None,
    };
    let write = async move |tx: &mut _| permission::create(tx, &new).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&place.path("/roles/permissions?notice=created"))),
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            render_list(&app, &place, "", (StatusCode::UNPROCESSABLE_ENTITY, view)).await
        }
    }
}

/// The path of a permission's page.
fn path<L: Level>(place: &Place<L>, slug: &str) -> String {
    place.path(&format!("/roles/permissions/{slug}"))
}

pub(super) async fn show(
    State(app): State<App>,
    place: Place<Read>,
    Path((_, slug)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    render(&app, &place, &slug, None).await
}

async fn render<L: Level>(
    app: &App,
    place: &Place<L>,
    slug: &str,
    refused: Option<View>,
) -> Result<Response, Refusal> {
    let wanted = slug.to_owned();
    let read = async move |tx: &mut _| permission::get(tx, &wanted).await;
    let permission = app.db.read(&place.caller, read).await?;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form = refused.unwrap_or_else(|| {
        View::of([
            ("name", permission.name.clone()),
            ("description", permission.description.clone().unwrap_or_default()),
        ])
    });
    let base = place.path("/roles");
    let frame = place.frame(Section::Roles);
    Ok(page(status, &PermissionPage { frame, base, permission, form }))
}

pub(super) async fn save(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, slug)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let change = Change {
        name: Some(form.text("name").to_owned()),
        description: Some(form.filled("description")),
    };
    let wanted = slug.clone();
    let write = async move |tx: &mut _| permission::update(tx, &wanted, &change).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&place.path("/roles/permissions?notice=saved"))),
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            render(&app, &place, &slug, Some(view)).await
        }
    }
}

fn question<'a>(place: &'a Place<Write>, slug: &str, form: View) -> Question<'a> {
    Question {
        frame: place.frame(Section::Roles),
        title: format!("Delete the permission “{slug}”?"),
        consequences: vec![
            "It is taken from all roles. An application that asks for it will find that nobody \
             has it."
                .to_owned(),
        ],
        action: format!("{}/delete", path(place, slug)),
        button: "Delete permission",
        is_dangerous: true,
        cancel: path(place, slug),
        typed: None,
        form,
    }
}

pub(super) async fn ask(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, slug)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let wanted = slug.clone();
    app.db.read(&place.caller, async move |tx| permission::get(tx, &wanted).await).await?;
    Ok(question(&place, &slug, View::default()).ask())
}

pub(super) async fn delete(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, slug)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let wanted = slug.clone();
    let write = async move |tx: &mut _| permission::delete(tx, &wanted).await;
    match app.db.write(&place.caller, write).await {
        Ok(()) => Ok(see_other(&place.path("/roles/permissions?notice=deleted"))),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            Ok(question(&place, &slug, view).ask_again())
        }
    }
}
