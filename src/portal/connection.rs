//! A connection as a whole: how far its setup is, going live, and afterwards its state, its last
//! sign-ins, a new secret, starting over.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::guide::{Guide, Kind};
use super::visit::{Frame, Guest};
use crate::app::App;
use crate::base::Error;
use crate::base::page::PageRequest;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::db::Tx;
use crate::doctor::{self, Report};
use crate::model::connection::{self, Connection, ConnectionState};
use crate::model::setup_link;
use crate::model::sso_session::{self, Filter, SsoSession, Status};
use crate::setup::{self, Change, Oidc};
use crate::upstream::Settings;
use crate::upstream::oidc::Kind as OidcKind;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// How many sign-ins are shown.
const SHOWN: usize = 20;

pub(super) fn routes() -> Router<App> {
    let one = "/connections/{connection_id}";
    Router::new()
        .route(one, get(show))
        .route(&format!("{one}/live"), post(go_live))
        .route(&format!("{one}/check"), post(check))
        .route(&format!("{one}/last-day"), post(last_day))
        .route(&format!("{one}/secret"), post(rotate))
        .route(&format!("{one}/secret/promote"), post(promote))
        .route(&format!("{one}/reset"), get(ask_reset).post(reset))
}

#[derive(Template)]
#[template(path = "portal/connection.html")]
struct ConnectionPage<'a> {
    frame: Frame<'a>,
    connection: Connection,
    path: String,
    guide: &'static Guide,
    first: String,
    sessions: Vec<SsoSession>,
    has_verified_domain: bool,
    /// What the doctor found just now.
    report: Option<Report>,
    form: View,
}

#[derive(Template)]
#[template(path = "portal/reset.html")]
struct ResetPage<'a> {
    frame: Frame<'a>,
    path: String,
    name: String,
}

impl ConnectionPage<'_> {
    fn state(&self) -> (&'static str, &'static str) {
        match self.connection.state {
            ConnectionState::Draft => ("", "Not configured"),
            ConnectionState::Validating => ("accent", "Ready"),
            ConnectionState::Active => ("good", "Live"),
            ConnectionState::Inactive => ("bad", "Switched off"),
        }
    }

    /// When the client secret ends, as far as anybody has said.
    fn end(&self) -> Option<Timestamp> {
        match &self.connection.settings {
            Some(Settings::Oidc(settings)) => settings.client_secret_expires_at,
            None => None,
        }
    }

    /// Whether the provider's client secrets end some day.
    fn secrets_end(&self) -> bool {
        self.connection.connection_type.oidc_kind().is_some_and(OidcKind::client_secrets_end)
    }

    fn is_live(&self) -> bool {
        self.connection.state == ConnectionState::Active
    }

    fn status(&self, session: &SsoSession) -> (&'static str, &'static str) {
        match session.status {
            Status::InProgress => ("", "Under way"),
            Status::Success => ("good", "Signed in"),
            Status::Failed => ("bad", "Failed"),
            Status::TimedOut => ("warn", "Not finished"),
            Status::TestSuccessful => ("good", "Test succeeded"),
            Status::TestFailed => ("bad", "Test failed"),
        }
    }
}

async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    render(&app, &guest, connection, (StatusCode::OK, None, View::default())).await
}

/// The values of the forms as they are stored: what was not typed is shown so.
fn configuration(connection: &Connection) -> View {
    match &connection.settings {
        Some(Settings::Oidc(settings)) => View::of([(
            "client_secret_expires_at",
            settings.client_secret_expires_at.map(Timestamp::day).unwrap_or_default(),
        )]),
        None => View::default(),
    }
}

async fn render(
    app: &App,
    guest: &Guest,
    connection: Connection,
    (status, report, form): (StatusCode, Option<Report>, View),
) -> Result<Response, Refusal> {
    let guide = Guide::of(connection.connection_type).ok_or_else(Refusal::not_found)?;
    let form = form.over(configuration(&connection));
    let filter = Filter { connection_id: Some(connection.id.clone()), ..Filter::default() };
    let request = PageRequest { limit: SHOWN, ..PageRequest::default() };
    let read = async move |tx: &mut Tx| sso_session::list(tx, &filter, &request).await;
    let sessions = app.db.read(&guest.caller, read).await?.data;
    let path = format!("/setup/connections/{}", connection.id);
    let wanted = if connection.is_configured() { Kind::Test } else { Kind::Instructions };
    let first = guide.first(wanted).map_or("", |step| step.id.as_str()).to_owned();
    let outside = guest.organization.allow_profiles_outside_organization;
    let verified = crate::model::organization_domain::State::Verified;
    let has_verified_domain =
        outside || guest.organization.domains.iter().any(|domain| domain.state == verified);
    let frame = guest.frame();
    let shown = ConnectionPage {
        frame,
        connection,
        path,
        guide,
        first,
        sessions,
        has_verified_domain,
        report,
        form,
    };
    Ok(page(status, &shown))
}

async fn go_live(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    let (wanted, link) = (connection.id.to_string(), guest.session.link.clone());
    let write = async move |tx: &mut Tx| {
        connection::activate(tx, &wanted).await?;
        setup_link::went_live(tx, &link).await
    };
    match app.db.write(&guest.caller, write).await {
        Ok(()) => Ok(see_other(&format!("/setup/connections/{id}?notice=live"))),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            render(&app, &guest, connection, refused(view)).await
        }
    }
}

/// The answer to a form that was not accepted.
const fn refused(view: View) -> (StatusCode, Option<Report>, View) {
    (StatusCode::UNPROCESSABLE_ENTITY, None, view)
}

/// Looks at the connection now. The answer is the page itself: a report is not kept.
async fn check(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    _form: Form,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    match doctor::run(&app, &guest.caller, connection.id.as_str()).await {
        Ok(report) => {
            let shown = (StatusCode::OK, Some(report), View::default());
            render(&app, &guest, connection, shown).await
        }
        Err(error @ Error::RateLimited { .. }) => {
            let form = View::default().with_general(error.to_string());
            render(&app, &guest, connection, (StatusCode::TOO_MANY_REQUESTS, None, form)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Stores on which day the client secret ends.
async fn last_day(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    let oidc = Oidc::default().with_last_day(form.text("client_secret_expires_at"));
    store(&app, &guest, connection, (oidc, &form, "client_secret_expires_at")).await
}

/// Stores what was entered in one field, if it is sound.
async fn store(
    app: &App,
    guest: &Guest,
    connection: Connection,
    (oidc, form, field): (Result<Oidc, Error>, &Form, &str),
) -> Result<Response, Refusal> {
    let id = connection.id.as_str();
    let saved = match oidc {
        Ok(oidc) => {
            let change = Change { oidc: Some(oidc), ..Change::default() };
            setup::update(app, &guest.caller, id, change).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(_) => Ok(see_other(&format!("/setup/connections/{id}?notice=saved"))),
        Err(error) => {
            let view = form.view().refused(&[field], error)?;
            render(app, guest, connection, refused(view)).await
        }
    }
}

/// Stores the secret that will follow the present one: both work until it is promoted.
async fn rotate(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    let secret = form.raw("next_client_secret").trim();
    if secret.is_empty() {
        let view = form.view().with_error("next_client_secret", "Enter the new client secret.");
        return render(&app, &guest, connection, refused(view)).await;
    }
    let oidc = Oidc { next_client_secret: Some(Some(Secret::new(secret))), ..Oidc::default() };
    store(&app, &guest, connection, (Ok(oidc), &form, "next_client_secret")).await
}

async fn promote(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    _form: Form,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    setup::promote_next_client_secret(&app, &guest.caller, connection.id.as_str()).await?;
    Ok(see_other(&format!("/setup/connections/{id}?notice=promoted")))
}

async fn ask_reset(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    let path = format!("/setup/connections/{}", connection.id);
    Ok(page(StatusCode::OK, &ResetPage { frame: guest.frame(), path, name: connection.name }))
}

async fn reset(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    _form: Form,
) -> Result<Response, Refusal> {
    let connection = guest.connection(&app, &id, None).await?;
    let wanted = connection.id.to_string();
    app.db.write(&guest.caller, async move |tx| connection::delete(tx, &wanted).await).await?;
    app.upstream.forget(connection.id.as_str());
    Ok(see_other("/setup/home?notice=reset"))
}
