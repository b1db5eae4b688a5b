//! `/dashboard/{environment_id}/api-keys`: the secrets of the application.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::confirm::Question;
use super::frame::{Frame, Section};
use super::visit::{Level, Place, Read, Write};
use crate::app::App;
use crate::base::id::ApiKeyId;
use crate::base::page::Page;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::model::api_key::{self, Access, ApiKey, NewApiKey};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// When a new key ends: what is sent, what is shown.
const LIFETIMES: &[(&str, &str)] =
    &[("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")];
/// What a new key may do: what is sent, what is shown.
const ACCESSES: &[(&str, &str)] = &[("full", "Everything"), ("read", "Only read")];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/{environment_id}/api-keys", get(list).post(create))
        .route("/{environment_id}/api-keys/{id}/revoke", get(ask_revoke).post(revoke))
}

#[derive(Template)]
#[template(path = "dashboard/api_keys/api_keys.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    base: String,
    client_id: &'a str,
    keys: Page<ApiKey>,
    pager: Pager,
    form: View,
    /// The key that this request created: shown this once.
    created: Option<Secret>,
    now: Timestamp,
}

impl ListPage<'_> {
    /// Whether the key works: the class and the word of its badge.
    fn state(&self, key: &ApiKey) -> (&'static str, &'static str) {
        match (key.revoked_at, key.expires_at) {
            (Some(_), _) => ("", "Revoked"),
            (None, Some(end)) if end <= self.now => ("", "Expired"),
            _ => ("good dot", "Active"),
        }
    }

    fn lifetimes(&self) -> &'static [(&'static str, &'static str)] {
        LIFETIMES
    }

    fn accesses(&self) -> &'static [(&'static str, &'static str)] {
        ACCESSES
    }

    /// What a key may do, as the form has it.
    fn access(&self, key: &ApiKey) -> &'static str {
        let known = ACCESSES.iter().find(|(word, _)| *word == key.access.as_str());
        known.map_or("", |(_, label)| label)
    }
}

/// What a list shows besides its rows.
#[derive(Default)]
struct Extra {
    status: StatusCode,
    form: View,
    created: Option<Secret>,
}

async fn list(
    State(app): State<App>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    show(&app, &place, Extra::default(), &query.unwrap_or_default()).await
}

async fn show<L: Level>(
    app: &App,
    place: &Place<L>,
    extra: Extra,
    query: &str,
) -> Result<Response, Refusal> {
    let request = pager::request(query);
    let wanted = request.clone();
    let read = async move |tx: &mut _| api_key::list(tx, &wanted).await;
    let keys = pager::shown(app.db.read(&place.caller, read).await?, &request);
    let base = place.path("/api-keys");
    let shown = ListPage {
        frame: place.frame(Section::ApiKeys),
        client_id: &place.environment.client_id,
        pager: Pager::of(&keys, &base, query),
        base,
        keys,
        form: extra.form,
        created: extra.created,
        now: app.clock.now(),
    };
    Ok(page(extra.status, &shown))
}

/// Answers with the key itself, not with a redirect: it is stored nowhere, so no other page could
/// show it.
async fn create(
    State(app): State<App>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let days = LIFETIMES.iter().find(|(days, _)| *days == form.text("lifetime"));
    let days = days.and_then(|(days, _)| days.parse::<i64>().ok());
    let new = NewApiKey {
        name: form.text("name").to_owned(),
        expires_at: days.map(|days| app.clock.now().plus_ms(days * DAY_MS)),
        access: Access::parse(form.text("access")).unwrap_or_default(),
    };
    let write = async move |tx: &mut _| api_key::create(tx, &new).await;
    let extra = match app.db.write(&place.caller, write).await {
        Ok((_, secret)) => Extra { created: Some(secret), ..Extra::default() },
        Err(error) => Extra {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            form: form.view().refused(&["name"], error)?,
            created: None,
        },
    };
    show(&app, &place, extra, "").await
}

async fn ask_revoke(
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let id = ApiKeyId::parse(&id).ok_or_else(Refusal::not_found)?;
    let question = Question {
        frame: place.frame(Section::ApiKeys),
        title: "Revoke this API key?".to_owned(),
        consequences: vec![
            "Whatever uses it is refused from now on: calls of the API, and applications that \
             redeem their codes with it, so that nobody can sign in to them."
                .to_owned(),
            "This cannot be undone.".to_owned(),
        ],
        action: place.path(&format!("/api-keys/{id}/revoke")),
        button: "Revoke API key",
        is_dangerous: true,
        cancel: place.path("/api-keys"),
        typed: None,
        form: View::default(),
    };
    Ok(question.ask())
}

async fn revoke(
    State(app): State<App>,
    place: Place<Write>,
    Path((_, id)): Path<(String, String)>,
    _form: Form,
) -> Result<Response, Refusal> {
    app.db.write(&place.caller, async move |tx| api_key::revoke(tx, &id).await).await?;
    Ok(see_other(&place.path("/api-keys?notice=revoked")))
}
