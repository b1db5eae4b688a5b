//! The pages of the sample application.

use askama::Template;
use serde_json::Value;

/// Nobody is signed in.
#[derive(Template)]
#[template(path = "sandbox/application/home.html")]
pub(super) struct HomePage;

/// A sign-in that did not work.
#[derive(Template)]
#[template(path = "sandbox/application/failure.html")]
pub(super) struct FailurePage {
    pub(super) error: String,
    pub(super) description: String,
    pub(super) reference: Option<String>,
}

/// Who is signed in.
#[derive(Template)]
#[template(path = "sandbox/application/profile.html")]
pub(super) struct ProfilePage {
    name: String,
    initials: String,
    email: String,
    organization_id: String,
    connection_type: String,
    roles: Vec<String>,
    groups: Vec<String>,
    json: String,
}

impl ProfilePage {
    /// Reads a profile as Vestibule sends it; what is missing stays empty.
    pub(super) fn new(profile: &Value) -> Self {
        let text = |name: &str| profile[name].as_str().unwrap_or_default().to_owned();
        let (first, last) = (text("first_name"), text("last_name"));
        let mut name = text("name");
        if name.is_empty() {
            name = format!("{first} {last}").trim().to_owned();
        }
        if name.is_empty() {
            name = text("email");
        }
        let words = name.split_whitespace();
        let initials = words.filter_map(|word| word.chars().next()).take(2).collect::<String>();
        Self {
            initials: initials.to_uppercase(),
            name,
            email: text("email"),
            organization_id: text("organization_id"),
            connection_type: text("connection_type"),
            roles: roles(profile),
            groups: texts(&profile["groups"]),
            json: serde_json::to_string_pretty(profile).unwrap_or_default(),
        }
    }
}

/// The slugs of `roles`, or of `role` where there is no list.
fn roles(profile: &Value) -> Vec<String> {
    let slug = |role: &Value| role["slug"].as_str().map(str::to_owned);
    match profile["roles"].as_array() {
        Some(roles) if !roles.is_empty() => roles.iter().filter_map(slug).collect(),
        _ => slug(&profile["role"]).into_iter().collect(),
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
