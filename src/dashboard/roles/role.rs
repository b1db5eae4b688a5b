//! One role: its name, its permissions, whether it is the default.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;

use super::super::confirm::Question;
use super::all_permissions;
use crate::app::App;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read, Write};
use crate::model::permission::Permission;
use crate::model::role::{self, Change, Role};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

#[derive(Template)]
#[template(path = "dashboard/roles/role.html")]
struct RolePage<'a> {
    frame: Frame<'a>,
    base: String,
    role: Role,
    permissions: Vec<Permission>,
    form: View,
}

/// The path of a role's page.
fn path<L: Level>(place: &Place<L>, slug: &str) -> String {
    place.path(&format!("/roles/role/{slug}"))
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
    let read = async move |tx: &mut _| {
        Ok((role::get(tx, None, &wanted).await?, all_permissions(tx).await?))
    };
    let (role, permissions) = app.db.read(&place.caller, read).await?;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form = refused.unwrap_or_else(|| {
        let mut values = vec![
            ("name", role.name.clone()),
            ("description", role.description.clone().unwrap_or_default()),
        ];
        values.extend(role.permissions.iter().map(|slug| ("permission", slug.clone())));
        View::of(values)
    });
    let base = place.path("/roles");
    Ok(page(
        status,
        &RolePage { frame: place.frame(Section::Roles), base, role, permissions, form },
    ))
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
    let permissions: Vec<String> = form.all("permission").into_iter().map(str::to_owned).collect();
    let wanted = slug.clone();
    let write = async move |tx: &mut _| {
        role::update(tx, None, &wanted, &change).await?;
        role::set_permissions(tx, None, &wanted, &permissions).await
    };
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&format!("{}?notice=saved", path(&place, &slug)))),
        Err(error) => {
            let view = form.view().refused(&["name", "description"], error)?;
            render(&app, &place, &slug, Some(view)).await
        }
    }
}

pub(super) async fn make_default(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, slug)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Refusal> {
    app.db.write(&place.caller, async move |tx| role::make_default(tx, &slug).await).await?;
    Ok(see_other(&place.path("/roles?notice=saved")))
}

fn question<'a>(place: &'a Place<Write>, slug: &str, form: View) -> Question<'a> {
    Question {
        frame: place.frame(Section::Roles),
        title: format!("Delete the role “{slug}”?"),
        consequences: vec![
            "Nobody gets it from the next sign-in on. Profiles keep it until their people sign in \
             again."
                .to_owned(),
            "A role that is a default, or that groups of a connection give, cannot be deleted."
                .to_owned(),
        ],
        action: format!("{}/delete", path(place, slug)),
        button: "Delete role",
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
    app.db.read(&place.caller, async move |tx| role::get(tx, None, &wanted).await).await?;
    Ok(question(&place, &slug, View::default()).ask())
}

pub(super) async fn delete(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, slug)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Refusal> {
    let wanted = slug.clone();
    let write = async move |tx: &mut _| role::delete(tx, None, &wanted).await;
    match app.db.write(&place.caller, write).await {
        Ok(()) => Ok(see_other(&place.path("/roles?notice=deleted"))),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            Ok(question(&place, &slug, view).ask_again())
        }
    }
}
