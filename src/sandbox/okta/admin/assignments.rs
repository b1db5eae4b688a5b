//! The tab "Assignments": whose app it is.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::access::{Admin, Submitted};
use super::{Frame, Section, done, find_app, not_found};
use crate::sandbox::okta::Tenant;
use crate::sandbox::okta::directory::AppIntegration;
use crate::sandbox::params::Params;
use crate::web::page::page;

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin/apps/{client_id}/assignments", get(show).post(change))
        .route("/admin/apps/{client_id}/assignments/assign", get(choose))
}

/// A person or a group as a row.
struct Row {
    id: String,
    name: String,
    /// The address of a person, the size of a group.
    detail: String,
    /// `Individual` or the groups through which a person has the app; nothing for groups.
    through: String,
    /// Whether it is assigned itself.
    is_assigned: bool,
}

/// The filter "People" or "Groups".
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filter {
    People,
    Groups,
}

impl Filter {
    fn of(params: &Params) -> Self {
        if params.get("filter") == Some("groups") { Self::Groups } else { Self::People }
    }

    fn word(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Groups => "groups",
        }
    }
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/assignments.html")]
struct AssignmentsPage {
    frame: Frame,
    app: AppIntegration,
    tab: &'static str,
    filter: &'static str,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/assign.html")]
struct AssignPage {
    frame: Frame,
    app: AppIntegration,
    tab: &'static str,
    filter: &'static str,
    rows: Vec<Row>,
}

async fn show(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    RawQuery(query): RawQuery,
    admin: Admin,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let filter = Filter::of(&Params::parse(query.unwrap_or_default().as_bytes()));
    let mut rows = rows(&tenant, &app, filter);
    rows.retain(|row| row.is_assigned || !row.through.is_empty());
    let frame = Frame::new(&tenant, &admin, Section::Applications);
    let (tab, filter) = ("assignments", filter.word());
    page(StatusCode::OK, &AssignmentsPage { frame, app, tab, filter, rows })
}

/// "Assign to People", "Assign to Groups".
async fn choose(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    RawQuery(query): RawQuery,
    admin: Admin,
) -> Response {
    let Some(app) = find_app(&tenant, &client_id) else {
        return not_found(&tenant, &admin);
    };
    let filter = Filter::of(&Params::parse(query.unwrap_or_default().as_bytes()));
    let rows = rows(&tenant, &app, filter);
    let frame = Frame::new(&tenant, &admin, Section::Applications);
    let (tab, filter) = ("assignments", filter.word());
    page(StatusCode::OK, &AssignPage { frame, app, tab, filter, rows })
}

async fn change(
    State(tenant): State<Tenant>,
    Path(client_id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let filter = Filter::of(&fields);
    let id = fields.get("id").unwrap_or_default();
    let is_known = match filter {
        Filter::People => super::find_user(&tenant, id).is_some(),
        Filter::Groups => super::find_group(&tenant, id).is_some(),
    };
    let assigns = fields.get("action") == Some("assign");
    let changed = tenant.edit_app(&client_id, |app| {
        let assigned = match filter {
            Filter::People => &mut app.users,
            Filter::Groups => &mut app.groups,
        };
        if assigns && is_known {
            assigned.insert(id.to_owned());
        } else {
            assigned.remove(id);
        }
    });
    let page = if assigns { "assignments/assign" } else { "assignments" };
    let path = format!("/admin/apps/{client_id}/{page}?filter={}", filter.word());
    match changed {
        Ok(()) => done(&path, if assigns { "assigned" } else { "unassigned" }),
        Err(_) => not_found(&tenant, &admin),
    }
}

/// Everybody, or every group, and how they have the app.
fn rows(tenant: &Tenant, app: &AppIntegration, filter: Filter) -> Vec<Row> {
    let directory = &tenant.state().directory;
    let mut rows: Vec<Row> = match filter {
        Filter::Groups => directory
            .groups
            .iter()
            .map(|group| Row {
                id: group.id.clone(),
                name: group.name.clone(),
                detail: counted(group.members.len()),
                through: String::new(),
                is_assigned: app.groups.contains(&group.id),
            })
            .collect(),
        Filter::People => directory
            .users
            .iter()
            .map(|user| {
                let is_assigned = app.users.contains(&user.id);
                let has = |id: &str| app.groups.contains(id);
                let groups = directory.groups.iter();
                let through = groups
                    .filter(|group| has(&group.id) && group.members.contains(&user.id))
                    .map(|group| format!("Group: {}", group.name));
                let own = is_assigned.then(|| "Individual".to_owned()).into_iter();
                Row {
                    id: user.id.clone(),
                    name: user.name(),
                    detail: user.email.clone(),
                    through: own.chain(through).collect::<Vec<_>>().join(", "),
                    is_assigned,
                }
            })
            .collect(),
    };
    rows.sort_by_key(|row| row.name.to_lowercase());
    rows
}

/// How many people a group has, in words.
fn counted(people: usize) -> String {
    if people == 1 { "1 person".to_owned() } else { format!("{people} people") }
}
