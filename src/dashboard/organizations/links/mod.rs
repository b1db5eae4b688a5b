//! Inviting an organization's IT administrator: setup links, created, listed and revoked.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::head::{self, Head, Tab};
use crate::app::App;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::dashboard::confirm::Question;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read, Write};
use crate::model::organization;
use crate::model::setup_link::{
    self, Feature, NewSetupLink, Origin, Recipient, SetupLink, State as LinkState,
};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long a link lives: what is sent, what is shown.
const LIFETIMES: &[(&str, &str)] = &[("30", "30 days"), ("7", "7 days"), ("90", "90 days")];

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/organizations/{organization_id}/setup-links";
    Router::new()
        .route(one, get(list).post(create))
        .route(&format!("{one}/{{link_id}}/revoke"), get(ask_revoke).post(revoke))
}

/// A link that was just made: shown this once.
struct Created {
    url: String,
    /// A `mailto:` address with the link in its text.
    mail: String,
}

#[derive(Template)]
#[template(path = "dashboard/organizations/links/links.html")]
struct LinksPage<'a> {
    frame: Frame<'a>,
    head: Head,
    links: Vec<SetupLink>,
    pager: Pager,
    created: Option<Created>,
    form: View,
    now: Timestamp,
}

impl LinksPage<'_> {
    fn state(&self, link: &SetupLink) -> (&'static str, &'static str) {
        match link.state(self.now) {
            LinkState::Open => ("good", "Open"),
            LinkState::Used => ("accent", "In use"),
            LinkState::Finished => ("good", "Finished"),
            LinkState::Revoked => ("", "Revoked"),
            LinkState::Expired => ("", "Expired"),
        }
    }

    fn can_revoke(&self, link: &SetupLink) -> bool {
        matches!(link.state(self.now), LinkState::Open | LinkState::Used)
    }

    fn features(&self, link: &SetupLink) -> String {
        let label = |feature: &Feature| match feature {
            Feature::Sso => "Single Sign-On",
            Feature::DomainVerification => "Domain verification",
        };
        link.features.iter().map(label).collect::<Vec<_>>().join(", ")
    }

    fn recipient(&self, link: &SetupLink) -> String {
        let named = link.recipients.iter().find_map(|it| it.email.clone().or(it.name.clone()));
        named.unwrap_or_default()
    }

    fn lifetimes(&self) -> &'static [(&'static str, &'static str)] {
        LIFETIMES
    }
}

/// What a page shows besides the links.
#[derive(Default)]
struct Extra {
    status: StatusCode,
    form: View,
    created: Option<Created>,
    /// Which page of the list is asked for.
    query: String,
}

async fn list(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let form = View::of([("sso", "on"), ("domain_verification", "on")]);
    let query = query.unwrap_or_default();
    show(&app, &place, &id, Extra { form, query, ..Extra::default() }).await
}

async fn show<L: Level>(
    app: &App,
    place: &Place<L>,
    id: &str,
    extra: Extra,
) -> Result<Response, Refusal> {
    let id = head::id(id)?;
    let request = pager::request(&extra.query);
    let wanted = request.clone();
    let read = async move |tx: &mut _| {
        Ok((organization::get(tx, &id).await?, setup_link::list(tx, &id, &wanted).await?))
    };
    let (organization, links) = app.db.read(&place.caller, read).await?;
    let links = pager::shown(links, &request);
    let head = Head::new(place, organization, Tab::SetupLinks);
    let shown = LinksPage {
        frame: place.frame(Section::Organizations),
        pager: Pager::of(&links, &format!("{}/setup-links", head.path), &extra.query),
        head,
        links: links.data,
        created: extra.created,
        form: extra.form,
        now: app.clock.now(),
    };
    Ok(page(extra.status, &shown))
}

/// Answers with the link itself, not with a redirect: its token is stored nowhere.
async fn create(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let days = LIFETIMES.iter().find(|(days, _)| *days == form.text("lifetime"));
    let days = days.and_then(|(days, _)| days.parse::<i64>().ok());
    let chosen = Feature::ALL.iter().copied().filter(|feature| form.checked(feature.as_str()));
    let email = form.filled("email");
    let recipients = email.iter().map(|it| Recipient { name: None, email: Some(it.clone()) });
    let new = NewSetupLink {
        organization_id: head::id(&id)?,
        origin: Origin::Dashboard,
        features: chosen.collect(),
        lifetime_ms: days.map(|days| days * DAY_MS),
        connection_type: None,
        recipients: recipients.collect(),
        return_url: None,
        success_url: None,
    };
    let write = async move |tx: &mut _| setup_link::create(tx, &new).await;
    let extra = match app.db.write(&place.caller, write).await {
        Ok((_, token)) => {
            let created = Some(created(&app, &token, email.as_deref().unwrap_or_default()));
            let form = View::of([("sso", "on"), ("domain_verification", "on")]);
            Extra { created, form, ..Extra::default() }
        }
        Err(error) => {
            let form = match error {
                crate::base::Error::Invalid {
                    field: Some("it_contact_emails"), message, ..
                } => form.view().with_error("email", message),
                error => form.view().refused(&["features"], error)?,
            };
            Extra { status: StatusCode::UNPROCESSABLE_ENTITY, form, ..Extra::default() }
        }
    };
    show(&app, &place, &id, extra).await
}

fn created(app: &App, token: &Secret, email: &str) -> Created {
    let url = app.url(&setup_link::path(token));
    let encode = |text: &str| {
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        encoded.replace('+', "%20")
    };
    let text = format!("Please open this link to set up single sign-on:\n\n{url}\n");
    let mail = format!(
        "mailto:{}?subject={}&body={}",
        encode(email).replace("%40", "@"),
        encode("Set up single sign-on"),
        encode(&text)
    );
    Created { url, mail }
}

async fn ask_revoke(
    Path((_, id, link)): Path<(String, String, String)>,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let list = place.path(&format!("/organizations/{}/setup-links", head::id(&id)?));
    let link = crate::base::id::SetupLinkId::parse(&link).ok_or_else(Refusal::not_found)?;
    let question = Question {
        frame: place.frame(Section::Organizations),
        title: "Revoke this setup link?".to_owned(),
        consequences: vec![
            "Whoever has it can no longer open it, and whoever is setting up through it is stopped \
             at once. What is set up already stays."
                .to_owned(),
        ],
        action: format!("{list}/{link}/revoke"),
        button: "Revoke link",
        is_dangerous: true,
        cancel: list,
        typed: None,
        form: View::default(),
    };
    Ok(question.ask())
}

async fn revoke(
    State(app): State<App>,
    Path((_, id, link)): Path<(String, String, String)>,
    place: Place<Write>,
    _form: Form,
) -> Result<Response, Refusal> {
    let list = place.path(&format!("/organizations/{}/setup-links", head::id(&id)?));
    app.db.write(&place.caller, async move |tx| setup_link::revoke(tx, &link).await).await?;
    Ok(see_other(&format!("{list}?notice=revoked")))
}
