//! "Directory", "Groups".

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::access::{Admin, Submitted};
use super::{Frame, Section, again, done, find_group, find_user, line, not_found};
use crate::sandbox::okta::Tenant;
use crate::sandbox::okta::directory::{Group, User};
use crate::web::page::page;

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin/groups", get(list))
        .route("/admin/groups/new", get(show_form).post(create))
        .route("/admin/groups/{id}", get(show).post(change))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/groups.html")]
struct GroupsPage {
    frame: Frame,
    groups: Vec<Group>,
}

async fn list(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let mut groups = tenant.groups();
    groups.sort_by_key(|group| group.name.to_lowercase());
    let frame = Frame::new(&tenant, &admin, Section::Groups);
    page(StatusCode::OK, &GroupsPage { frame, groups })
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/group_new.html")]
struct NewGroupPage {
    frame: Frame,
    name: String,
    error: Option<&'static str>,
}

async fn show_form(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let frame = Frame::new(&tenant, &admin, Section::Groups);
    page(StatusCode::OK, &NewGroupPage { frame, name: String::new(), error: None })
}

async fn create(State(tenant): State<Tenant>, Submitted { admin, fields }: Submitted) -> Response {
    let (name, mut error) = line(&fields, "name");
    if tenant.groups().iter().any(|group| group.name == name) {
        error = Some("An object with this field already exists in the current organization");
    }
    if error.is_some() {
        let frame = Frame::new(&tenant, &admin, Section::Groups);
        return again(&NewGroupPage { frame, name, error });
    }
    let id = tenant.create_group(&name);
    done(&format!("/admin/groups/{id}"), "group-created")
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/group.html")]
struct GroupPage {
    frame: Frame,
    group: Group,
    members: Vec<User>,
    others: Vec<User>,
    /// The names of the apps that are assigned to it, with the ids.
    apps: Vec<(String, String)>,
}

async fn show(State(tenant): State<Tenant>, Path(id): Path<String>, admin: Admin) -> Response {
    let Some(group) = find_group(&tenant, &id) else {
        return not_found(&tenant, &admin);
    };
    let mut people = tenant.users();
    people.sort_by_key(|user| user.name().to_lowercase());
    let (members, others) = people.into_iter().partition(|user| group.members.contains(&user.id));
    let apps = tenant.apps().into_iter().filter(|app| app.groups.contains(&id));
    let shown = GroupPage {
        frame: Frame::new(&tenant, &admin, Section::Groups),
        members,
        others,
        apps: apps.map(|app| (app.client_id, app.name)).collect(),
        group,
    };
    page(StatusCode::OK, &shown)
}

async fn change(
    State(tenant): State<Tenant>,
    Path(id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let group = find_group(&tenant, &id).filter(|group| !group.is_everyone);
    let user = find_user(&tenant, fields.get("user").unwrap_or_default());
    let (Some(_), Some(user)) = (group, user) else {
        return not_found(&tenant, &admin);
    };
    let adds = fields.get("action") == Some("add");
    let changed =
        if adds { tenant.add_member(&id, &user.id) } else { tenant.remove_member(&id, &user.id) };
    let notice = if adds { "member-added" } else { "member-removed" };
    match changed {
        Ok(()) => done(&format!("/admin/groups/{id}"), notice),
        Err(_) => not_found(&tenant, &admin),
    }
}
