//! `/dashboard/team`: who administers the installation. Everybody sees it, an Admin changes it.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::confirm::Question;
use super::frame::{Frame, Section};
use super::visit::{Govern, Level, Read, Visit};
use crate::app::App;
use crate::base::id::AdministratorId;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::model::administrator::link::{self, Link};
use crate::model::administrator::{self, Administrator, Role};
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

const TEAM: &str = "/dashboard/team";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/team", get(list))
        .route("/team/invite", post(invite))
        .route("/team/invitations/{id}/revoke", post(revoke))
        .route("/team/{id}/role", get(ask_role).post(change_role))
        .route("/team/{id}/remove", get(ask_remove).post(remove))
}

#[derive(Template)]
#[template(path = "dashboard/team/team.html")]
struct TeamPage<'a> {
    frame: Frame<'a>,
    team: Vec<Administrator>,
    invitations: Vec<Link>,
    /// The link that was made just now, and for whom: it is shown once.
    made: Option<(String, String)>,
    form: View,
}

/// The roles, and what each may do.
const ROLES: &[(&str, &str)] = &[
    ("developer", "Developer: changes everything in the environments"),
    ("admin", "Admin: changes the team as well"),
    ("support", "Support: looks, and changes nothing"),
];

impl TeamPage<'_> {
    fn roles(&self) -> &'static [(&'static str, &'static str)] {
        ROLES
    }

    fn governs(&self) -> bool {
        self.frame.administrator.role >= Role::Admin
    }

    fn role(&self, link: &Link) -> &'static str {
        link.role.map_or("", Role::label)
    }
}

#[derive(Template)]
#[template(path = "dashboard/team/role.html")]
struct RolePage<'a> {
    frame: Frame<'a>,
    member: Administrator,
    is_oneself: bool,
    form: View,
}

impl RolePage<'_> {
    fn roles(&self) -> &'static [(&'static str, &'static str)] {
        ROLES
    }
}

async fn list(State(app): State<App>, visit: Visit<Read>) -> Result<Response, Refusal> {
    render(&app, &visit, StatusCode::OK, (View::default(), None)).await
}

async fn render<L: Level>(
    app: &App,
    visit: &Visit<L>,
    status: StatusCode,
    (form, made): (View, Option<(String, String)>),
) -> Result<Response, Refusal> {
    let read =
        async |tx: &mut Tx| Ok((administrator::list(tx).await?, link::list_invitations(tx).await?));
    let (team, invitations) = app.db.read(&visit.caller(), read).await?;
    let frame = visit.frame(Section::Team);
    Ok(page(status, &TeamPage { frame, team, invitations, made, form }))
}

/// The answer holds the link, which is stored nowhere: so this form answers with its page.
async fn invite(
    State(app): State<App>,
    visit: Visit<Govern>,
    form: Form,
) -> Result<Response, Refusal> {
    let email = form.text("email").to_owned();
    let role = Role::parse(form.text("role")).unwrap_or(Role::Support);
    let invite = async move |tx: &mut Tx| link::invite(tx, &email, role).await;
    match app.db.write(&visit.caller(), invite).await {
        Ok((link, token)) => {
            let url = app.link_url(link.kind, &token);
            let made = Some((link.email.unwrap_or_default(), url));
            render(&app, &visit, StatusCode::OK, (View::default(), made)).await
        }
        Err(error) => {
            let view = form.view().refused(&["email", "role"], error)?;
            render(&app, &visit, StatusCode::UNPROCESSABLE_ENTITY, (view, None)).await
        }
    }
}

async fn revoke(
    State(app): State<App>,
    visit: Visit<Govern>,
    Path(id): Path<String>,
    _form: Form,
) -> Result<Response, Refusal> {
    let revoke = async move |tx: &mut Tx| link::revoke_invitation(tx, &id).await;
    app.db.write(&visit.caller(), revoke).await?;
    Ok(see_other("/dashboard/team?notice=removed"))
}

async fn member(app: &App, visit: &Visit<Govern>, id: &str) -> Result<Administrator, Refusal> {
    let id = AdministratorId::parse(id).ok_or_else(Refusal::not_found)?;
    let get = async move |tx: &mut Tx| administrator::get(tx, &id).await;
    Ok(app.db.read(&visit.caller(), get).await?)
}

async fn ask_role(
    State(app): State<App>,
    visit: Visit<Govern>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let member = member(&app, &visit, &id).await?;
    let form = View::of([("role", member.role.as_str())]);
    Ok(role_page(&visit, member, (StatusCode::OK, form)))
}

fn role_page(
    visit: &Visit<Govern>,
    member: Administrator,
    (status, form): (StatusCode, View),
) -> Response {
    let is_oneself = member.id == visit.administrator().id;
    page(status, &RolePage { frame: visit.frame(Section::Team), member, is_oneself, form })
}

async fn change_role(
    State(app): State<App>,
    visit: Visit<Govern>,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Refusal> {
    let member = member(&app, &visit, &id).await?;
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    let Some(role) = Role::parse(form.text("role")) else {
        let view = form.view().with_error("role", "Choose a role.");
        return Ok(role_page(&visit, member, (unprocessable, view)));
    };
    // Only an Admin is here, so any other role is less.
    let is_demotion = member.id == visit.administrator().id && role != Role::Admin;
    if is_demotion && !form.checked("sure") {
        let message = "Tick the box to say that you mean it.";
        return Ok(role_page(&visit, member, (unprocessable, form.view().with_general(message))));
    }
    let member_id = member.id.clone();
    let change = async move |tx: &mut Tx| administrator::change_role(tx, &member_id, role).await;
    match app.db.write(&visit.caller(), change).await {
        Ok(()) => Ok(see_other("/dashboard/team?notice=saved")),
        Err(error) => {
            let view = form.view().refused(&["role"], error)?;
            Ok(role_page(&visit, member, (unprocessable, view)))
        }
    }
}

async fn ask_remove(
    State(app): State<App>,
    visit: Visit<Govern>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let member = member(&app, &visit, &id).await?;
    Ok(question(&visit, &member, View::default()).ask())
}

fn question<'a>(visit: &'a Visit<Govern>, member: &Administrator, form: View) -> Question<'a> {
    let mut consequences = vec![
        format!("{} is signed out at once and cannot sign in any more.", member.email),
        "What they made stays, and the audit trail keeps their name.".to_owned(),
    ];
    if member.id == visit.administrator().id {
        consequences.insert(0, "This is yourself.".to_owned());
    }
    Question {
        frame: visit.frame(Section::Team),
        title: format!("Remove {}?", member.name),
        consequences,
        action: format!("{TEAM}/{}/remove", member.id),
        button: "Remove from the team",
        is_dangerous: true,
        cancel: TEAM.to_owned(),
        typed: None,
        form,
    }
}

async fn remove(
    State(app): State<App>,
    visit: Visit<Govern>,
    Path(id): Path<String>,
    _form: Form,
) -> Result<Response, Refusal> {
    let member = member(&app, &visit, &id).await?;
    let member_id = member.id.clone();
    let remove = async move |tx: &mut Tx| administrator::remove(tx, &member_id).await;
    match app.db.write(&visit.caller(), remove).await {
        Ok(_) => Ok(see_other("/dashboard/team?notice=removed")),
        Err(error @ Error::Conflict { .. }) => {
            let view = View::default().refused(&[], error)?;
            Ok(question(&visit, &member, view).ask_again())
        }
        Err(error) => Err(error.into()),
    }
}
