//! The roles of an organization: which is the default, and those that it alone has.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::head::{self, Head, Tab};
use crate::app::App;
use crate::base::id::OrganizationId;
use crate::dashboard::confirm::Question;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read, Write};
use crate::model::organization::{self, Organization};
use crate::model::role::{self, Kind, NewRole, Role};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let roles = "/{environment_id}/organizations/{organization_id}/roles";
    Router::new()
        .route(roles, get(list).post(create))
        .route(&format!("{roles}/default"), post(set_default))
        .route(&format!("{roles}/{{slug}}/delete"), get(ask_delete).post(delete))
}

#[derive(Template)]
#[template(path = "dashboard/organizations/roles/roles.html")]
struct RolesPage<'a> {
    frame: Frame<'a>,
    head: Head,
    /// Some of them.
    roles: Vec<Role>,
    pager: Pager,
    /// The form of the default role.
    default: View,
    /// What can be chosen in it.
    choices: Vec<(String, String)>,
    /// The form of a new role.
    form: View,
}

impl RolesPage<'_> {
    fn is_own(&self, role: &Role) -> bool {
        role.kind == Kind::OrganizationRole
    }
}

struct Found {
    organization: Organization,
    roles: Vec<Role>,
    /// The default of this organization, if it has one of its own.
    own_default: Option<String>,
    environment_default: Option<String>,
}

async fn load<L: Level>(app: &App, place: &Place<L>, id: OrganizationId) -> Result<Found, Refusal> {
    let read = async move |tx: &mut _| {
        let environment_roles = role::list(tx).await?;
        let default = environment_roles.into_iter().find(|role| role.is_default);
        Ok(Found {
            organization: organization::get(tx, &id).await?,
            roles: role::for_organization(tx, &id).await?,
            own_default: role::organization_default(tx, &id).await?,
            environment_default: default.map(|role| role.name),
        })
    };
    Ok(app.db.read(&place.caller, read).await?)
}

fn shown<L: Level>(
    place: &Place<L>,
    found: Found,
    query: &str,
    (status, form): (StatusCode, View),
) -> Response {
    let default = match &found.environment_default {
        Some(name) => format!("As in the environment: {name}"),
        None => "As in the environment".to_owned(),
    };
    let mut choices = vec![(String::new(), default)];
    choices.extend(found.roles.iter().map(|role| (role.slug.clone(), role.name.clone())));
    let (roles, _) = pager::cut(found.roles, query);
    let head = Head::new(place, found.organization, Tab::Roles);
    let shown = RolesPage {
        frame: place.frame(Section::Organizations),
        pager: Pager::of(&roles, &format!("{}/roles", head.path), query),
        head,
        roles: roles.data,
        default: View::of([("default_role", found.own_default.unwrap_or_default())]),
        choices,
        form,
    };
    page(status, &shown)
}

type Named = Path<(String, String)>;

async fn list(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let found = load(&app, &place, head::id(&id)?).await?;
    let query = query.unwrap_or_default();
    Ok(shown(&place, found, &query, (StatusCode::OK, View::default())))
}

async fn create(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let id = head::id(&id)?;
    let found = load(&app, &place, id.clone()).await?;
    let name = form.text("name").to_owned();
    let new = NewRole {
        slug: form.filled("slug").unwrap_or_else(|| role::slug_from_name(&name)),
        name,
        description: form.filled("description"),
        resource_type_slug: None,
    };
    let write = async move |tx: &mut _| role::create(tx, Some(&id), &new).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(back(&place, &found.organization, "created")),
        Err(error) => {
            let view = form.view().refused(&["name", "slug", "description"], error)?;
            Ok(shown(&place, found, "", (StatusCode::UNPROCESSABLE_ENTITY, view)))
        }
    }
}

async fn set_default(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let id = head::id(&id)?;
    let found = load(&app, &place, id.clone()).await?;
    let slug = form.filled("default_role");
    let write =
        async move |tx: &mut _| role::make_organization_default(tx, &id, slug.as_deref()).await;
    app.db.write(&place.caller, write).await?;
    Ok(back(&place, &found.organization, "saved"))
}

type NamedRole = Path<(String, String, String)>;

async fn ask_delete(
    State(app): State<App>,
    Path((_, id, slug)): NamedRole,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let (found, role) = own_role(&app, &place, &id, &slug).await?;
    Ok(question(&place, &found.organization, &role, View::default()).ask())
}

async fn delete(
    State(app): State<App>,
    Path((_, id, slug)): NamedRole,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let (found, role) = own_role(&app, &place, &id, &slug).await?;
    let target = found.organization.id.clone();
    let write = async move |tx: &mut _| role::delete(tx, Some(&target), &slug).await;
    match app.db.write(&place.caller, write).await {
        Ok(()) => Ok(back(&place, &found.organization, "deleted")),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            Ok(question(&place, &found.organization, &role, view).ask_again())
        }
    }
}

/// A role that only this organization has.
async fn own_role(
    app: &App,
    place: &Place<Write>,
    id: &str,
    slug: &str,
) -> Result<(Found, Role), Refusal> {
    let found = load(app, place, head::id(id)?).await?;
    let mut own = found.roles.iter().filter(|role| role.kind == Kind::OrganizationRole);
    let role = own.find(|role| role.slug == slug).cloned().ok_or_else(Refusal::not_found)?;
    Ok((found, role))
}

fn question<'a>(
    place: &'a Place<Write>,
    organization: &Organization,
    role: &Role,
    form: View,
) -> Question<'a> {
    let roles = place.path(&format!("/organizations/{}/roles", organization.id));
    Question {
        frame: place.frame(Section::Organizations),
        title: format!("Delete the role {}?", role.name),
        consequences: vec![
            "People who have it get the default role at their next sign-in, if their groups give \
             them no other."
                .to_owned(),
        ],
        action: format!("{roles}/{}/delete", role.slug),
        button: "Delete role",
        is_dangerous: true,
        cancel: roles,
        typed: None,
        form,
    }
}

fn back(place: &Place<Write>, organization: &Organization, notice: &str) -> Response {
    see_other(&place.path(&format!("/organizations/{}/roles?notice={notice}", organization.id)))
}
