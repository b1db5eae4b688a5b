//! `/dashboard/{environment_id}/roles`: roles in their order of priority, and permissions.

mod permissions;
mod role;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
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
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/roles", get(list).post(create))
        .route("/{environment_id}/roles/order", post(reorder))
        .route("/{environment_id}/roles/role/{slug}", get(role::show).post(role::save))
        .route("/{environment_id}/roles/role/{slug}/default", post(role::make_default))
        .route("/{environment_id}/roles/role/{slug}/delete", get(role::ask).post(role::delete))
        .route(
            "/{environment_id}/roles/permissions",
            get(permissions::list).post(permissions::create),
        )
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
    /// The place of the first role that the form names.
    first: usize,
    /// Their neighbours on the pages before and after.
    before: Option<String>,
    after: Option<String>,
    pager: Pager,
    /// What was typed for a new role.
    role_form: View,
}

/// The permissions of the environment.
async fn all_permissions(tx: &mut crate::db::Tx) -> crate::base::Result<Vec<Permission>> {
    let mut request = PageRequest { limit: PageRequest::MAX_LIMIT, ..PageRequest::default() };
    let mut all = Vec::new();
    loop {
        let page = permission::list(tx, &request).await?;
        all.extend(page.data);
        match page.after {
            Some(cursor) => request.after = Some(cursor),
            None => break,
        }
    }
    all.sort_by(|a, b| a.slug.cmp(&b.slug));
    Ok(all)
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    show(&app, &place, &query, (StatusCode::OK, View::default())).await
}

async fn show<L: Level>(
    app: &App,
    place: &Place<L>,
    query: &str,
    (status, role_form): (StatusCode, View),
) -> Result<Response, Refusal> {
    let all = app.db.read(&place.caller, async |tx| roles::list(tx).await).await?;
    let slugs: Vec<String> = all.iter().map(|role| role.slug.clone()).collect();
    let (shown, first) = pager::cut(all, query);
    let base = place.path("/roles");
    let slug = |place: Option<usize>| place.and_then(|place| slugs.get(place)).cloned();
    let shown = RolesPage {
        frame: place.frame(Section::Roles),
        settings: place.path("/settings"),
        is_multiple: place.environment.settings.role_mode == RoleMode::Multiple,
        before: slug(first.checked_sub(1)),
        after: slug(first.checked_add(shown.data.len())),
        pager: Pager::of(&shown, &base, query),
        roles: shown.data,
        first: first.saturating_sub(1),
        base,
        role_form,
    };
    Ok(page(status, &shown))
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
            let view = form.view().refused(&["slug", "name", "description"], error)?;
            show(&app, &place, "", (StatusCode::UNPROCESSABLE_ENTITY, view)).await
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
    let first: usize = form.text("first").parse().unwrap_or_default();
    // The form names the last role of the page before, too: there the page begins behind it.
    let page = if first > 0 { format!("after={first}&") } else { String::new() };
    let write = async move |tx: &mut _| roles::reorder_part(tx, first, &slugs).await;
    match app.db.write(&place.caller, write).await {
        Ok(()) => Ok(see_other(&place.path(&format!("/roles?{page}notice=saved")))),
        Err(error) => {
            let view = View::default().refused(&[], error)?;
            show(&app, &place, &page, (StatusCode::UNPROCESSABLE_ENTITY, view)).await
        }
    }
}
