//! "Directory", "People".

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::access::{Admin, Submitted};
use super::{Frame, MAX_NAME, Section, again, done, find_user, line, not_found};
use crate::sandbox::okta::directory::User;
use crate::sandbox::okta::{NewUser, Tenant};
use crate::web::page::page;

/// How many characters Okta's default policy asks of a password.
const MIN_PASSWORD: usize = 8;

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin/people", get(list))
        .route("/admin/people/new", get(show_form).post(create))
        .route("/admin/people/{id}", get(show))
        .route("/admin/people/{id}/status", post(set_status))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<User>,
}

async fn list(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let mut people = tenant.users();
    people.sort_by_key(|user| user.name().to_lowercase());
    let frame = Frame::new(&tenant, &admin, Section::People);
    page(StatusCode::OK, &PeoplePage { frame, people })
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/person_new.html")]
struct NewPersonPage {
    frame: Frame,
    given_name: String,
    family_name: String,
    username: String,
    given_name_error: Option<&'static str>,
    family_name_error: Option<&'static str>,
    username_error: Option<&'static str>,
    password_error: Option<&'static str>,
}

async fn show_form(State(tenant): State<Tenant>, admin: Admin) -> Response {
    let shown = NewPersonPage {
        frame: Frame::new(&tenant, &admin, Section::People),
        given_name: String::new(),
        family_name: String::new(),
        username: String::new(),
        given_name_error: None,
        family_name_error: None,
        username_error: None,
        password_error: None,
    };
    page(StatusCode::OK, &shown)
}

async fn create(State(tenant): State<Tenant>, Submitted { admin, fields }: Submitted) -> Response {
    let (given_name, given_name_error) = line(&fields, "given_name");
    let (family_name, family_name_error) = line(&fields, "family_name");
    let (username, mut username_error) = line(&fields, "username");
    let password = fields.get("password").unwrap_or_default();
    let is_taken = tenant.state().directory.user_by_email(&username).is_some();
    let is_address = username
        .split_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !username.contains(char::is_whitespace);
    if username_error.is_none() && !is_address {
        username_error = Some("Username must be in the form of an email address");
    } else if username_error.is_none() && is_taken {
        username_error =
            Some("An object with this field already exists in the current organization");
    }
    let length = password.chars().count();
    let password_error = if (MIN_PASSWORD..=MAX_NAME).contains(&length) {
        None
    } else {
        Some("Password requirements were not met: at least 8 characters, at most 100.")
    };
    let errors = [given_name_error, family_name_error, username_error, password_error];
    if errors.iter().any(Option::is_some) {
        let frame = Frame::new(&tenant, &admin, Section::People);
        return again(&NewPersonPage {
            frame,
            given_name,
            family_name,
            username,
            given_name_error,
            family_name_error,
            username_error,
            password_error,
        });
    }
    let id = tenant.create_user(NewUser {
        email: &username,
        password,
        given_name: &given_name,
        family_name: &family_name,
    });
    done(&format!("/admin/people/{id}"), "person-created")
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/person.html")]
struct PersonPage {
    frame: Frame,
    person: User,
    /// The names of their groups, with the ids.
    groups: Vec<(String, String)>,
    /// The names of the apps that they may use, with the ids.
    apps: Vec<(String, String)>,
    /// Whether it is the person who looks at the page.
    is_self: bool,
}

async fn show(State(tenant): State<Tenant>, Path(id): Path<String>, admin: Admin) -> Response {
    let Some(person) = find_user(&tenant, &id) else {
        return not_found(&tenant, &admin);
    };
    let frame = Frame::new(&tenant, &admin, Section::People);
    let directory = &tenant.state().directory;
    let groups = directory.groups.iter().filter(|group| group.members.contains(&id));
    let apps = directory.apps.iter().filter(|app| directory.is_assigned(app, &id));
    let shown = PersonPage {
        frame,
        groups: groups.map(|group| (group.id.clone(), group.name.clone())).collect(),
        apps: apps.map(|app| (app.client_id.clone(), app.name.clone())).collect(),
        is_self: admin.user_id == id,
        person,
    };
    page(StatusCode::OK, &shown)
}

async fn set_status(
    State(tenant): State<Tenant>,
    Path(id): Path<String>,
    Submitted { admin, fields }: Submitted,
) -> Response {
    let suspends = fields.get("action") == Some("suspend");
    // Nobody locks themselves out of the console.
    let suspended = suspends && admin.user_id != id;
    match tenant.edit_user(&id, |user| user.suspended = suspended) {
        Ok(()) => {
            let notice = if suspended { "suspended" } else { "unsuspended" };
            done(&format!("/admin/people/{id}"), notice)
        }
        Err(_) => not_found(&tenant, &admin),
    }
}
