//! The steps of a guide: what to do at the identity provider, what to enter here, and whether it
//! works, looked at on the spot.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;

use super::guide::{self, Guide, Kind, Step};
use super::visit::{Frame, Guest};
use crate::app::App;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::doctor::{self, Check, Outcome, Report};
use crate::model::connection::Connection;
use crate::model::connection_group::{self, ConnectionGroup};
use crate::model::role::{self, Role};
use crate::model::setup_link::{self, Step as LinkStep};
use crate::model::setup_progress::{self, State as Mark};
use crate::model::sso_session::{self, Filter, Origin, SsoSession, Status};
use crate::setup::{self, Change, Oidc};
use crate::sso::test_sign_in::{self, PortalPath, ReturnTo};
use crate::upstream::Settings;
use crate::web::browser;
use crate::web::departure::{self, leave};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let one = "/connections/{connection_id}/steps/{step}";
    Router::new()
        .route(one, get(show).post(act))
        .route(&format!("{one}/test"), post(test))
        .route(&format!("{one}/hand-over"), post(hand_over))
}

/// How a step stands, and what its check said.
#[derive(Clone)]
pub(super) struct Standing {
    pub(super) state: Option<Mark>,
    pub(super) note: Option<String>,
}

/// All that a step shows.
pub(super) struct Shown {
    connection: Connection,
    standings: BTreeMap<String, Standing>,
    test: Option<SsoSession>,
    pub(super) groups: Vec<ConnectionGroup>,
    roles: Vec<Role>,
}

/// What a request adds to the page.
#[derive(Default)]
pub(super) struct Extra {
    pub(super) status: StatusCode,
    pub(super) form: Option<View>,
    pub(super) report: Option<Report>,
    pub(super) notes: Vec<String>,
    pub(super) handed_over: Option<String>,
}

#[derive(Template)]
#[template(path = "portal/step.html")]
struct StepPage<'a> {
    frame: Frame<'a>,
    guide: &'static Guide,
    step: &'static Step,
    number: usize,
    next: Option<&'static Step>,
    path: String,
    connection_path: String,
    redirect_uri: String,
    shown: Shown,
    form: View,
    report: Option<Report>,
    notes: Vec<String>,
    handed_over: Option<String>,
    may_map_groups: bool,
}

impl StepPage<'_> {
    fn standing(&self, step: &Step) -> Standing {
        let none = Standing { state: None, note: None };
        self.shown.standings.get(&step.id).cloned().unwrap_or(none)
    }

    fn mark(&self, step: &Step) -> &'static str {
        self.standing(step).state.map_or("", Mark::as_str)
    }

    fn is(&self, kind: &str) -> bool {
        let own = match self.step.kind {
            Kind::Instructions => "instructions",
            Kind::Values => "values",
            Kind::Test => "test",
            Kind::Groups => "groups",
            Kind::Roles => "roles",
        };
        own == kind
    }

    fn is_current(&self, step: &Step) -> bool {
        step.id == self.step.id
    }

    /// A role's slug and name, to choose from.
    fn roles(&self) -> Vec<(&str, &str)> {
        self.shown.roles.iter().map(|role| (role.slug.as_str(), role.name.as_str())).collect()
    }

    fn role(&self, group: &ConnectionGroup) -> String {
        let known = self.shown.roles.iter().find(|role| role.slug == group.role.slug);
        known.map_or_else(|| group.role.slug.clone(), |role| role.name.clone())
    }

    const fn drawing_width(&self) -> i32 {
        super::drawing::WIDTH
    }
}

/// The newest test of a connection through the portal, with its result.
async fn last_test(tx: &mut Tx, connection: &Connection) -> Result<Option<SsoSession>> {
    let filter = Filter {
        connection_id: Some(connection.id.clone()),
        origin: Some(Origin::PortalTest),
        ..Filter::default()
    };
    let request = crate::base::page::PageRequest { limit: 1, ..Default::default() };
    match sso_session::list(tx, &filter, &request).await?.data.pop() {
        Some(session) => sso_session::get(tx, session.id.as_str()).await.map(Some),
        None => Ok(None),
    }
}

/// How the steps stand: what was noted, and what the last test and the groups show.
async fn load(tx: &mut Tx, connection: Connection, guide: &Guide) -> Result<Shown> {
    let progress = setup_progress::find(tx, &connection.id).await?;
    let progress = progress.filter(|progress| progress.guide == guide.connection_type);
    let mut standings: BTreeMap<String, Standing> = progress
        .map(|progress| progress.steps)
        .unwrap_or_default()
        .into_iter()
        .map(|(id, mark)| (id, Standing { state: Some(mark.state), note: mark.note }))
        .collect();
    let test = last_test(tx, &connection).await?;
    let groups = connection_group::all(tx, &connection.id).await?;
    let mut derive = |kind: Kind, standing: Option<Standing>| {
        if let (Some(step), Some(standing)) = (guide.first(kind), standing) {
            standings.insert(step.id.clone(), standing);
        }
    };
    derive(Kind::Test, test.as_ref().and_then(of_test));
    derive(Kind::Groups, test.as_ref().and_then(|it| of_groups(it, guide)));
    let mapped = Standing { state: Some(Mark::Done), note: None };
    derive(Kind::Roles, (!groups.is_empty()).then_some(mapped));
    let roles = role::for_organization(tx, &connection.organization_id).await?;
    Ok(Shown { connection, standings, test, groups, roles })
}

fn of_test(session: &SsoSession) -> Option<Standing> {
    match session.status {
        Status::TestSuccessful => Some(Standing { state: Some(Mark::Done), note: None }),
        Status::TestFailed => {
            let note = session.error.as_ref().map(|error| error.remedy.to_owned());
            Some(Standing { state: Some(Mark::Failed), note })
        }
        _ => None,
    }
}

/// Whether groups came in the last test.
fn of_groups(session: &SsoSession, guide: &Guide) -> Option<Standing> {
    let groups = &session.test_result.as_ref()?.groups;
    if groups.state.came() {
        return Some(Standing { state: Some(Mark::Done), note: None });
    }
    let note = format!(
        "No `groups` claim was received in the last test: this step is not done yet in {}.",
        guide.name
    );
    Some(Standing { state: Some(Mark::Failed), note: Some(note) })
}

/// The connection, its guide and the step that the path names.
async fn find(
    app: &App,
    guest: &Guest,
    (id, step): (&str, &str),
) -> Result<(Connection, &'static Guide, &'static Step), Refusal> {
    let connection = guest.connection(app, id, Some(step)).await?;
    let guide = Guide::of(connection.connection_type).ok_or_else(Refusal::not_found)?;
    let step = guide.step(step).ok_or_else(Refusal::not_found)?;
    Ok((connection, guide, step))
}

pub(super) async fn render(
    app: &App,
    guest: &Guest,
    (connection, guide, step): (Connection, &'static Guide, &'static Step),
    extra: Extra,
) -> Result<Response, Refusal> {
    let read = async move |tx: &mut Tx| load(tx, connection.clone(), guide).await;
    let shown = app.db.read(&guest.caller, read).await?;
    let form = extra.form.unwrap_or_else(|| match &shown.connection.settings {
        Some(Settings::Oidc(settings)) => View::of([
            ("client_id", settings.client_id.as_str()),
            ("discovery_endpoint", settings.discovery_endpoint.as_str()),
        ]),
        None => View::default(),
    });
    let connection_path = format!("/setup/connections/{}", shown.connection.id);
    let next = guide.behind(&step.id).filter(|_| !guest.is_for_one_step());
    let may_map_groups = guest.environment.settings.portal_group_mapping;
    let next = next.filter(|next| next.kind != Kind::Roles || may_map_groups);
    let shown = StepPage {
        frame: guest.frame(),
        guide,
        step,
        number: guide.steps.iter().position(|it| it.id == step.id).unwrap_or_default() + 1,
        next,
        path: format!("{connection_path}/steps/{}", step.id),
        connection_path,
        redirect_uri: app.callback_uri(&shown.connection),
        shown,
        form,
        report: extra.report,
        notes: extra.notes,
        handed_over: extra.handed_over,
        may_map_groups,
    };
    Ok(page(extra.status, &shown))
}

async fn show(
    State(app): State<App>,
    Path((id, step)): Path<(String, String)>,
    guest: Guest,
) -> Result<Response, Refusal> {
    let found = find(&app, &guest, (&id, &step)).await?;
    render(&app, &guest, found, Extra::default()).await
}

/// What was done in a step, looked at.
async fn act(
    State(app): State<App>,
    Path((id, step)): Path<(String, String)>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    let (connection, guide, step) = find(&app, &guest, (&id, &step)).await?;
    let on = |guide: &Guide| match guide.behind(&step.id) {
        Some(next) if !guest.is_for_one_step() => {
            format!("/setup/connections/{id}/steps/{}", next.id)
        }
        _ => format!("/setup/connections/{id}/steps/{}", step.id),
    };
    if step.optional && form.text("action") == "skip" {
        note(&app, &guest, (&connection, guide), (step, Mark::Skipped, None)).await?;
        return Ok(see_other(&match guide.behind(&step.id) {
            Some(_) => on(guide),
            None => format!("/setup/connections/{id}"),
        }));
    }
    match step.kind {
        Kind::Values => save(&app, &guest, (connection, guide, step), &form).await,
        Kind::Instructions => {
            let (mark, text) = followed(&app, &guest, &connection, step).await?;
            note(&app, &guest, (&connection, guide), (step, mark, text)).await?;
            let stays = format!("/setup/connections/{id}/steps/{}", step.id);
            Ok(see_other(&if mark == Mark::Failed { stays } else { on(guide) }))
        }
        Kind::Test | Kind::Groups | Kind::Roles => Ok(see_other(&on(guide))),
    }
}

async fn note(
    app: &App,
    guest: &Guest,
    (connection, guide): (&Connection, &'static Guide),
    (step, mark, text): (&Step, Mark, Option<String>),
) -> Result<()> {
    let (id, step) = (connection.id.clone(), step.id.clone());
    let guide = (guide.connection_type.as_str(), guide.version);
    let write = async move |tx: &mut Tx| {
        setup_progress::note(tx, &id, guide, (&step, mark, text.clone())).await
    };
    app.db.write(&guest.caller, write).await.map(drop)
}

/// Whether instructions were followed, as far as it can be seen from here.
async fn followed(
    app: &App,
    guest: &Guest,
    connection: &Connection,
    step: &Step,
) -> Result<(Mark, Option<String>)> {
    if step.check != Some(guide::Check::RedirectUri) {
        return Ok((Mark::Done, None));
    }
    if connection.settings.is_none() {
        let text = "The redirect URI is checked as soon as the client ID is known.".to_owned();
        return Ok((Mark::Done, Some(text)));
    }
    let checks = [Check::RedirectUri];
    match doctor::only(app, &guest.caller, connection.id.as_str(), &checks).await {
        Ok(report) => Ok(verdict(&report, Check::RedirectUri)),
        Err(error @ Error::RateLimited { .. }) => Ok((Mark::Failed, Some(error.to_string()))),
        Err(error) => Err(error),
    }
}

/// What a report says of one check.
fn verdict(report: &Report, check: Check) -> (Mark, Option<String>) {
    match report.of(check) {
        Some(finding) if finding.outcome == Outcome::Failed => {
            (Mark::Failed, finding.remedy.map(str::to_owned))
        }
        Some(finding) if finding.outcome == Outcome::Ok => (Mark::Done, None),
        _ => (Mark::Done, Some("This could not be checked from here; the test will tell.".into())),
    }
}

/// Saves what was entered, and proves it.
async fn save(
    app: &App,
    guest: &Guest,
    (connection, guide, step): (Connection, &'static Guide, &'static Step),
    form: &Form,
) -> Result<Response, Refusal> {
    let oidc = Oidc {
        client_id: form.filled("client_id"),
        client_secret: Some(form.raw("client_secret").trim())
            .filter(|secret| !secret.is_empty())
            .map(crate::base::secret::Secret::new),
        discovery_endpoint: form.filled("discovery_endpoint"),
        ..Oidc::default()
    };
    let refused = |view: View| Extra {
        status: StatusCode::UNPROCESSABLE_ENTITY,
        form: Some(view),
        ..Extra::default()
    };
    if oidc.client_secret.is_none() && !connection.has_client_secret() {
        let view = form.view().with_error("client_secret", "Enter the client secret.");
        return render(app, guest, (connection, guide, step), refused(view)).await;
    }
    let change = Change { oidc: Some(oidc), ..Change::default() };
    let saved = match setup::update(app, &guest.caller, connection.id.as_str(), change).await {
        Ok(saved) => saved,
        Err(error) => {
            let fields = ["client_id", "client_secret", "discovery_endpoint"];
            let view = form.view().refused(&fields, error)?;
            return render(app, guest, (connection, guide, step), refused(view)).await;
        }
    };
    let report = match doctor::run(app, &guest.caller, connection.id.as_str()).await {
        Ok(report) => Some(report),
        Err(Error::RateLimited { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(report) = &report {
        let failed = |finding: &&doctor::Finding| {
            finding.outcome == Outcome::Failed && finding.name != Check::RedirectUri
        };
        let (mark, text) = match report.findings.iter().find(failed) {
            Some(finding) => (Mark::Failed, finding.remedy.map(str::to_owned)),
            None => (Mark::Done, None),
        };
        note(app, guest, (&connection, guide), (step, mark, text)).await?;
        let registers = |step: &&Step| step.check == Some(guide::Check::RedirectUri);
        if let Some(step) = guide.steps.iter().find(registers) {
            let (mark, text) = verdict(report, Check::RedirectUri);
            note(app, guest, (&connection, guide), (step, mark, text)).await?;
        }
    }
    let notes = saved.notes.into_iter().chain(saved.warnings).collect();
    let extra = Extra { report, notes, ..Extra::default() };
    render(app, guest, (saved.connection, guide, step), extra).await
}

/// Begins a test sign-in that comes back to this step.
async fn test(
    State(app): State<App>,
    Path((id, step)): Path<(String, String)>,
    guest: Guest,
    parts: Parts,
    _form: Form,
) -> Result<Response, Refusal> {
    let (connection, _, step) = find(&app, &guest, (&id, &step)).await?;
    if !matches!(step.kind, Kind::Test | Kind::Groups) {
        return Err(Refusal::not_found());
    }
    let path = PortalPath::new(&format!("connections/{}/steps/{}", connection.id, step.id));
    let return_to = ReturnTo::PortalPage(path.ok_or_else(Refusal::not_found)?);
    let browser = browser::of(&app, &parts);
    let id = connection.id.as_str();
    match test_sign_in::begin(&app, &guest.caller, id, &return_to, browser).await {
        Ok(begun) => Ok(leave(&departure::depart(&app, &parts.headers, &begun), &begun.location)),
        Err(refused) if refused.session_id.is_some() => {
            Ok(see_other(&format!("/setup/connections/{id}/steps/{}", step.id)))
        }
        Err(refused) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "The test could not begin",
            refused.failure.code.for_it(),
        )),
    }
}

/// A link for a colleague, who does this step and no other.
async fn hand_over(
    State(app): State<App>,
    Path((id, step)): Path<(String, String)>,
    guest: Guest,
    _form: Form,
) -> Result<Response, Refusal> {
    let found = find(&app, &guest, (&id, &step)).await?;
    let only = LinkStep { connection_id: found.0.id.clone(), id: found.2.id.clone() };
    let link = guest.session.link.clone();
    let write = async move |tx: &mut Tx| setup_link::hand_over(tx, &link, only.clone()).await;
    let (_, token) = app.db.write(&guest.caller, write).await?;
    let handed_over = Some(app.url(&setup_link::path(&token)));
    render(&app, &guest, found, Extra { handed_over, ..Extra::default() }).await
}
