//! `/dashboard/{environment_id}/roles`: roles in their order of priority, and permissions.

mod permissions;
mod role;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Level, Place, Read, Write};
use crate::app::App;
use crate::base::page::PageRequest;
use crate::model::environment::RoleMode;
use crate::model::permission::{self, Permission};
use crate::model::role::{self as roles, NewRole, Role};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/roles", get(list).post(create))
        .route("/{environment_id}/roles/order", post(reorder))
        .route("/{environment_id}/roles/role/{slug}", get(role::show).post(role::save))
        .route("/{environment_id}/roles/role/{slug}/default", post(role::make_default))
        .route("/{environment_id}/roles/role/{slug}/delete", get(role::ask).post(role::delete))
        .route("/{environment_id}/roles/permissions", post(permissions::create))
        .route(
            "/{environment_id}/roles/permissions/{slug}",
            get(permissions::show).post(permissions::save),
        )
        .route(
            "/{environment_id}/roles/permissions/{slug}/delete",
            get(permissions::ask).post(permissions::delete),
        )
}

#[derive(Template)]
#[template(path = "dashboard/roles/roles.html")]
struct RolesPage<'a> {
    frame: Frame<'a>,
    base: String,
    settings: String,
    is_multiple: bool,
    roles: Vec<Role>,
    permissions: Vec<Permission>,
    /// What was typed for a new role, and for a new permission.
    role_form: View,
    permission_form: View,
}

/// What the forms of the page show.
#[derive(Default)]
struct Forms {
    status: StatusCode,
    role: View,
    permission: View,
}

/// The permissions of the environment: as many as a page can show.
async fn all_permissions(tx: &mut crate::db::Tx) -> crate::base::Result<Vec<Permission>> {
    let request = PageRequest { limit: PageRequest::MAX_LIMIT, ..PageRequest::default() };
    let mut all = permission::list(tx, &request).await?.data;
    all.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(all)
}

async fn list(State(app): State<App>, place: Place<Read>) -> Result<Response, Refusal> {
    show(&app, &place, Forms::default()).await
}

async fn show<L: Level>(app: &App, place: &Place<L>, forms: Forms) -> Result<Response, Refusal> {
    let read = async |tx: &mut _| Ok((roles::list(tx).await?, all_permissions(tx).await?));
    let (roles, permissions) = app.db.read(&place.caller, read).await?;
    let shown = RolesPage {
        frame: place.frame(Section::Roles),
        base: place.path("/roles"),
        settings: place.path("/settings"),
        is_multiple: place.environment.settings.role_mode == RoleMode::Multiple,
        roles,
        permissions,
        role_form: forms.role,
        permission_form: forms.permission,
    };
    Ok(page(forms.status, &shown))
}

async fn create(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let new = NewRole {
        slug: form.text("slug").to_owned(),
        name: form.text("name").to_owned(),
        description: form.filled("description"),
        resource_type_slug: None,
    };
    let write = async move |tx: &mut _| roles::create(tx, None, &new).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&place.path("/roles?notice=created"))),
        Err(error) => {
            let role = form.view().refused(&["slug", "name", "description"], error)?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show(&app, &place, Forms { status, role, ..Forms::default() }).await
        }
    }
}

/// The order in which the form names the roles, after the move that it asks for.
fn order(form: &Form) -> Vec<String> {
    let mut slugs: Vec<String> = form.all("slug").into_iter().map(str::to_owned).collect();
    let Some((way, moved)) = form.text("move").split_once(':') else { return slugs };
    let Some(at) = slugs.iter().position(|slug| slug == moved) else { return slugs };
    match way {
        "up" if at > 0 => slugs.swap(at, at - 1),
        "down" if at + 1 < slugs.len() => slugs.swap(at, at + 1),
        _ => {}
    }
    slugs
}

async fn reorder(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let slugs = order(&form);
    let write = async move |tx: &mut _| roles::reorder(tx, None, &slugs).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(see_other(&place.path("/roles?notice=saved"))),
        Err(error) => {
            let role = View::default().refused(&[], error)?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show(&app, &place, Forms { status, role, ..Forms::default() }).await
        }
    }
}
