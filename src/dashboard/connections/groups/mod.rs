//! **Create group**, and changing and removing one.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::head::{Found, Head, Tab};
use crate::app::App;
use crate::base::Caller;
use crate::dashboard::confirm::Question;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Place, Write};
use crate::model::connection_group::{self, Change, ConnectionGroup, NewGroup};
use crate::model::{connection, organization, role};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// The fields of the form.
const FIELDS: &[&str] = &["idp_id", "name", "role"];

pub(super) fn routes() -> Router<App> {
    let groups = "/{environment_id}/connections/{connection_id}/groups";
    Router::new()
        .route(groups, post(create))
        .route(&format!("{groups}/new"), get(new))
        .route(&format!("{groups}/{{group_id}}"), get(edit).post(save))
        .route(&format!("{groups}/{{group_id}}/remove"), get(ask_remove).post(remove))
}

#[derive(Template)]
#[template(path = "dashboard/connections/groups/group.html")]
struct GroupPage<'a> {
    frame: Frame<'a>,
    head: Head,
    /// Whether it is a new one.
    is_new: bool,
    action: String,
    roles: Vec<(String, String)>,
    form: View,
}

/// What the form is about: the connection, and the roles that a group can give.
struct About {
    found: Found,
    roles: Vec<(String, String)>,
    default_role: String,
}

async fn load(app: &App, caller: &Caller, id: &str) -> Result<About, Refusal> {
    let id = id.to_owned();
    let read = async move |tx: &mut _| {
        let connection = connection::get(tx, &id).await?;
        let organization = organization::get(tx, &connection.organization_id).await?;
        let roles = role::for_organization(tx, &organization.id).await?;
        let default = roles.iter().find(|role| role.is_default);
        Ok(About {
            default_role: default.map(|role| role.slug.clone()).unwrap_or_default(),
            roles: roles.into_iter().map(|role| (role.slug, role.name)).collect(),
            found: (connection, organization),
        })
    };
    Ok(app.db.read(caller, read).await?)
}

/// The form; `group` is the one that it changes.
fn shown(
    place: &Place<Write>,
    about: About,
    group: Option<&str>,
    (status, form): (StatusCode, View),
) -> Response {
    let head = Head::new(place, about.found, Tab::Configuration);
    let action = match group {
        Some(id) => format!("{}/groups/{id}", head.path),
        None => format!("{}/groups", head.path),
    };
    let frame = place.frame(Section::Organizations);
    let is_new = group.is_none();
    page(status, &GroupPage { frame, head, is_new, action, roles: about.roles, form })
}

async fn new(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let about = load(&app, &place.caller, &id).await?;
    let form = View::of([("role", about.default_role.clone())]);
    Ok(shown(&place, about, None, (StatusCode::OK, form)))
}

async fn create(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let about = load(&app, &place.caller, &id).await?;
    let new = NewGroup {
        // Byte for byte as the identity provider sends it, which may begin or end in a space.
        idp_id: form.raw("idp_id").to_owned(),
        name: form.filled("name"),
        role: form.text("role").to_owned(),
    };
    let target = id.clone();
    let write = async move |tx: &mut _| connection_group::create(tx, &target, &new).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(back(&place, &id, "group-created")),
        Err(error) => {
            let view = at_field(form.view(), error)?;
            Ok(shown(&place, about, None, (StatusCode::UNPROCESSABLE_ENTITY, view)))
        }
    }
}

/// A group that is there already is told at its field.
fn at_field(view: View, error: crate::base::Error) -> crate::base::Result<View> {
    match error {
        crate::base::Error::Conflict { message, .. } => Ok(view.with_error("idp_id", message)),
        other => view.refused(FIELDS, other),
    }
}

type Named = Path<(String, String, String)>;

async fn find(app: &App, caller: &Caller, path: &Named) -> Result<ConnectionGroup, Refusal> {
    let Path((_, connection_id, id)) = path;
    if crate::base::id::ConnectionGroupId::parse(id).is_none() {
        return Err(Refusal::not_found());
    }
    let (connection_id, id) = (connection_id.clone(), id.clone());
    let read = async move |tx: &mut _| connection_group::get(tx, &connection_id, &id).await;
    Ok(app.db.read(caller, read).await?)
}

async fn edit(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let about = load(&app, &place.caller, &path.1).await?;
    let group = find(&app, &place.caller, &path).await?;
    let form = View::of([
        ("idp_id", group.idp_id.as_str()),
        ("name", group.name.as_deref().unwrap_or_default()),
        ("role", group.role.slug.as_str()),
    ]);
    Ok(shown(&place, about, Some(group.id.as_str()), (StatusCode::OK, form)))
}

async fn save(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let about = load(&app, &place.caller, &path.1).await?;
    let group = find(&app, &place.caller, &path).await?;
    let change = Change {
        idp_id: Some(form.raw("idp_id").to_owned()),
        name: Some(form.filled("name")),
        role: Some(form.text("role").to_owned()),
    };
    let (connection_id, id) = (path.1.clone(), group.id.to_string());
    let write =
        async move |tx: &mut _| connection_group::change(tx, (&connection_id, &id), &change).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(back(&place, &path.1, "saved")),
        Err(error) => {
            let view = at_field(form.view(), error)?;
            let refused = (StatusCode::UNPROCESSABLE_ENTITY, view);
            Ok(shown(&place, about, Some(group.id.as_str()), refused))
        }
    }
}

async fn ask_remove(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let group = find(&app, &place.caller, &path).await?;
    let connection = place.path(&format!("/connections/{}", group.connection_id));
    let question = Question {
        frame: place.frame(Section::Organizations),
        title: format!("Remove the group {}?", group.name.as_deref().unwrap_or(&group.idp_id)),
        consequences: vec![format!(
            "Its members lose the role {} at their next sign-in, unless another group gives it.",
            group.role.slug
        )],
        action: format!("{connection}/groups/{}/remove", group.id),
        button: "Remove group",
        is_dangerous: true,
        cancel: connection,
        typed: None,
        form: View::default(),
    };
    Ok(question.ask())
}

async fn remove(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
    _: Form,
) -> Result<Response, Refusal> {
    let group = find(&app, &place.caller, &path).await?;
    let (connection_id, id) = (path.1.clone(), group.id.to_string());
    let write = async move |tx: &mut _| connection_group::delete(tx, &connection_id, &id).await;
    app.db.write(&place.caller, write).await?;
    Ok(back(&place, &path.1, "group-removed"))
}

fn back(place: &Place<Write>, id: &str, notice: &str) -> Response {
    see_other(&place.path(&format!("/connections/{id}?notice={notice}")))
}
