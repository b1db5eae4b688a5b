//! **Advanced settings**: how we speak with the identity provider, and what we ask of people.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::head::{Found, Head, Tab, load};
use crate::app::App;
use crate::base::{Error, Result};
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Place, Write};
use crate::model::connection::{Connection, EmailDomains, IncompleteGroups};
use crate::setup::{self, Change, Oidc};
use crate::upstream::Settings;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// Values and labels of a choice.
type Choices = &'static [(&'static str, &'static str)];

const GROUPS_SCOPE: Choices = &[
    ("if_supported", "If the identity provider lists it"),
    ("always", "Always"),
    ("never", "Never"),
];
const CLIENT_AUTHENTICATION: Choices = &[
    ("auto", "As the identity provider offers it"),
    ("client_secret_basic", "In the Authorization header (client_secret_basic)"),
    ("client_secret_post", "In the body (client_secret_post)"),
];
const USERINFO: Choices = &[
    ("auto", "Used where the ID token lacks an e-mail address"),
    ("required", "Required: without it nobody signs in"),
    ("optional", "Optional: if it fails, the sign-in goes on"),
    ("off", "Never called"),
];
const INCOMPLETE_GROUPS: Choices = &[
    ("default_role", "The default role"),
    ("keep_roles", "The roles of the last sign-in stay"),
    ("refuse", "Nobody signs in"),
];
const EMAIL_DOMAINS: Choices = &[
    ("verified", "The organization's verified domains"),
    ("any", "Any: the identity provider is trusted with every address"),
];
const SIGNING_ALGORITHMS: Choices = &[
    ("auto", "As the identity provider offers it"),
    ("RS256", "RS256"),
    ("RS384", "RS384"),
    ("RS512", "RS512"),
    ("PS256", "PS256"),
    ("PS384", "PS384"),
    ("PS512", "PS512"),
    ("ES256", "ES256"),
    ("ES384", "ES384"),
    ("ES512", "ES512"),
    ("EdDSA", "EdDSA"),
];

/// Members of the settings that are boxes to tick, words to choose, and of the policy.
const BOXES: &[&str] = &["pkce"];
const WORDS: &[&str] = &["groups_scope", "client_authentication", "signing_algorithm", "userinfo"];
const POLICY_BOXES: &[&str] =
    &["require_email_verified", "force_reauthentication", "idp_initiated", "raw_attributes"];
const POLICY_WORDS: &[&str] = &["incomplete_groups", "email_domains"];
/// Those of the form's fields at which a message can stand.
const FIELDS: &[&str] = &["scopes", "leeway_s", "extra_ca"];

/// What a policy is called.
pub(in crate::dashboard) fn incomplete_groups_label(policy: IncompleteGroups) -> &'static str {
    INCOMPLETE_GROUPS[policy as usize].1
}

/// What a policy is called.
pub(in crate::dashboard) fn email_domains_label(policy: EmailDomains) -> &'static str {
    EMAIL_DOMAINS[policy as usize].1
}

pub(super) fn routes() -> Router<App> {
    let path = "/{environment_id}/connections/{connection_id}/advanced";
    Router::new().route(path, get(show).post(save))
}

#[derive(Template)]
#[template(path = "dashboard/connections/advanced/advanced.html")]
struct AdvancedPage<'a> {
    frame: Frame<'a>,
    head: Head,
    form: View,
}

fn shown(place: &Place<Write>, found: Found, (status, form): (StatusCode, View)) -> Response {
    let frame = place.frame(Section::Organizations);
    page(status, &AdvancedPage { frame, head: Head::new(place, found, Tab::Configuration), form })
}

type Named = Path<(String, String)>;

async fn show(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    let form = values(&found.0)?;
    Ok(shown(&place, found, (StatusCode::OK, form)))
}

/// What is stored, as the form shows it.
fn values(connection: &Connection) -> Result<View> {
    let mut members = serde_json::to_value(&connection.policy).map_err(Error::internal)?;
    if let Some(Settings::Oidc(settings)) = &connection.settings {
        let settings = serde_json::to_value(settings).map_err(Error::internal)?;
        if let (Some(members), Value::Object(settings)) = (members.as_object_mut(), settings) {
            members.extend(settings);
        }
    }
    let Value::Object(members) = members else { return Ok(View::default()) };
    Ok(View::of(members.into_iter().filter_map(|(name, value)| {
        let text = match value {
            Value::Bool(true) => "on".to_owned(),
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Array(words) => {
                words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
            }
            _ => return None,
        };
        Some((name, text))
    })))
}

async fn save(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &id).await?;
    let mut change = Change { policy: policy(&form), ..Change::default() };
    if found.0.settings.is_some() {
        let Ok(leeway_s) = form.text("leeway_s").parse::<u32>() else {
            let view = form.view().with_error("leeway_s", "Enter seconds: 0 to 300.");
            return Ok(shown(&place, found, (StatusCode::UNPROCESSABLE_ENTITY, view)));
        };
        change.oidc = Some(Oidc { more: settings(&form, leeway_s), ..Oidc::default() });
    }
    match setup::update(&app, &place.caller, &id, change).await {
        Ok(_) => Ok(see_other(&place.path(&format!("/connections/{id}?notice=saved")))),
        Err(error) => {
            let view = form.view().refused(FIELDS, error)?;
            Ok(shown(&place, found, (StatusCode::UNPROCESSABLE_ENTITY, view)))
        }
    }
}

fn policy(form: &Form) -> Map<String, Value> {
    let boxes = POLICY_BOXES.iter().map(|name| (*name, json!(form.checked(name))));
    let words = POLICY_WORDS.iter().map(|name| (*name, json!(form.text(name))));
    boxes.chain(words).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn settings(form: &Form, leeway_s: u32) -> Map<String, Value> {
    let scopes: Vec<&str> = form.text("scopes").split_whitespace().collect();
    let boxes = BOXES.iter().map(|name| (*name, json!(form.checked(name))));
    let words = WORDS.iter().map(|name| (*name, json!(form.text(name))));
    let others = [
        ("scopes", json!(scopes)),
        ("leeway_s", json!(leeway_s)),
        ("extra_ca", json!(form.filled("extra_ca"))),
    ];
    let all = boxes.chain(words).chain(others);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}
