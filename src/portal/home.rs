//! The first page behind the entrance: what there is to do, and which identity provider it is.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::guide::Guide;
use super::visit::{Frame, Guest};
use crate::app::App;
use crate::model::connection::{
    self, Connection, ConnectionState, ConnectionType, NewConnection, Policy,
};
use crate::model::organization_domain::{OrganizationDomain, State as DomainState};
use crate::model::redirect_uri;
use crate::model::setup_link::{self, Feature};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// Identity providers that cannot be connected yet.
const NOT_YET: &[&str] = &["Okta SAML", "Entra ID SAML", "Google SAML", "OneLogin", "JumpCloud"];

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/home", get(show))
        .route("/connections", post(choose))
        .route("/finish", post(finish))
}

#[derive(Template)]
#[template(path = "portal/home.html")]
struct HomePage<'a> {
    frame: Frame<'a>,
    has_sso: bool,
    has_domains: bool,
    connections: Vec<Connection>,
    domains: &'a [OrganizationDomain],
    form: View,
}

#[derive(Template)]
#[template(path = "portal/done.html")]
struct DonePage<'a> {
    frame: Frame<'a>,
}

impl HomePage<'_> {
    fn guides(&self) -> &'static [Guide] {
        Guide::all()
    }

    fn not_yet(&self) -> &'static [&'static str] {
        NOT_YET
    }

    fn is_live(&self, connection: &Connection) -> bool {
        connection.state == ConnectionState::Active
    }

    fn is_verified(&self, domain: &OrganizationDomain) -> bool {
        domain.state == DomainState::Verified
    }

    /// Whether everything that the link is for is done.
    fn is_complete(&self) -> bool {
        let sso = !self.has_sso || self.connections.iter().any(|it| self.is_live(it));
        let domains = !self.has_domains || self.domains.iter().any(|it| self.is_verified(it));
        sso && domains
    }
}

async fn show(State(app): State<App>, guest: Guest) -> Result<Response, Refusal> {
    render(&app, &guest, (StatusCode::OK, View::default())).await
}

async fn render(
    app: &App,
    guest: &Guest,
    (status, form): (StatusCode, View),
) -> Result<Response, Refusal> {
    if let Some(step) = &guest.session.link.step {
        let path = format!("/setup/connections/{}/steps/{}", step.connection_id, step.id);
        return Ok(see_other(&path));
    }
    let id = guest.organization.id.clone();
    let read = async move |tx: &mut _| connection::of_organization(tx, &id).await;
    let connections = app.db.read(&guest.caller, read).await?;
    let shown = HomePage {
        frame: guest.frame(),
        has_sso: guest.session.link.allows(Feature::Sso),
        has_domains: guest.session.link.allows(Feature::DomainVerification),
        connections,
        domains: &guest.organization.domains,
        form,
    };
    Ok(page(status, &shown))
}

async fn choose(State(app): State<App>, guest: Guest, form: Form) -> Result<Response, Refusal> {
    guest.needs(Feature::Sso)?;
    let chosen = ConnectionType::parse(form.text("connection_type"));
    let Some((kind, guide)) = chosen.and_then(|kind| Some((kind, Guide::of(kind)?))) else {
        let view = form.view().with_general("Choose one of these identity providers.");
        return render(&app, &guest, (StatusCode::UNPROCESSABLE_ENTITY, view)).await;
    };
    let new = NewConnection {
        organization_id: guest.organization.id.clone(),
        connection_type: kind,
        name: format!(
            "{} {}",
            guest.organization.name.chars().take(60).collect::<String>(),
            guide.name
        ),
        policy: Policy::default(),
    };
    let write = async move |tx: &mut _| connection::create(tx, &new).await;
    let created = app.db.write(&guest.caller, write).await?;
    let first = guide.steps.first().map_or("", |step| step.id.as_str());
    Ok(see_other(&format!("/setup/connections/{}/steps/{first}", created.id)))
}

/// Ends the link, with all its sessions.
async fn finish(State(app): State<App>, guest: Guest, _form: Form) -> Result<Response, Refusal> {
    if guest.is_for_one_step() {
        return Err(Refusal::denied("This link is for one step of the setup."));
    }
    let link = guest.session.link.clone();
    let finish = async move |tx: &mut _| {
        setup_link::finish(tx, &link).await?;
        redirect_uri::still_allowed(tx, link.success_url.as_deref()).await
    };
    match app.db.write(&guest.caller, finish).await? {
        // Browsers apply `form-action` to redirects after a form, so the page goes there by itself.
        Some(url) => Ok(crate::web::departure::leave(&Response::default(), &url)),
        None => Ok(page(StatusCode::OK, &DonePage { frame: guest.frame() })),
    }
}
