//! The domains of an organization: adding, verifying and removing one.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::{head, show};
use crate::app::App;
use crate::base::id::OrganizationDomainId;
use crate::dashboard::confirm::Question;
use crate::dashboard::frame::Section;
use crate::dashboard::visit::{Place, Write};
use crate::db::Tx;
use crate::domains;
use crate::model::organization_domain::{self, OrganizationDomain, State as DomainState, Strategy};
use crate::web::form::{Form, View};
use crate::web::page::see_other;
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let one = "/{environment_id}/organizations/{organization_id}/domains/{domain_id}";
    Router::new()
        .route("/{environment_id}/organizations/{organization_id}/domains", post(add))
        .route(&format!("{one}/check"), post(check))
        .route(&format!("{one}/verify"), get(ask_verify).post(verify))
        .route(&format!("{one}/remove"), get(ask_remove).post(remove))
}

async fn add(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let id = head::id(&id)?;
    let found = show::load(&app, &place.caller, &id).await?;
    let domain = form.text("domain").to_owned();
    let write = async move |tx: &mut _| organization_domain::create(tx, &id, &domain, false).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(back(&place, found.0.id.as_str(), "domain-added")),
        Err(error) => {
            let view = form.view().refused(&["domain"], error)?;
            Ok(show::shown(&place, found, "", (StatusCode::UNPROCESSABLE_ENTITY, view)))
        }
    }
}

/// What the path names: a domain and its organization.
type Named = Path<(String, String, String)>;

/// The domain, if it is one of this organization.
async fn find(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
) -> crate::base::Result<OrganizationDomain> {
    let missing = || crate::base::Error::not_found("Organization Domain", id);
    let parsed = OrganizationDomainId::parse(id).ok_or_else(missing)?;
    let domain = organization_domain::get(tx, &parsed).await?;
    let is_its = domain.organization_id.as_str() == organization_id;
    if is_its { Ok(domain) } else { Err(missing()) }
}

/// Asks DNS now, and says what was found.
async fn check(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let domain = load(&app, &path, &place).await?;
    let found = match domains::verify(&app, &place.caller, &domain.id).await {
        Ok(settled) if settled.domain.state == DomainState::Verified => {
            return Ok(back(&place, &path.1, "domain-verified"));
        }
        Ok(settled) => form.view().with_general(settled.check.message),
        Err(error) => form.view().refused(&[], error)?,
    };
    let organization = show::load(&app, &place.caller, &head::id(&path.1)?).await?;
    Ok(show::shown(&place, organization, "", (StatusCode::OK, found)))
}

async fn ask_verify(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let domain = load(&app, &path, &place).await?;
    let question = Question {
        title: format!("Verify {} without a proof?", domain.domain),
        consequences: vec![
            format!(
                "You vouch that {} belongs to this organization: its identity provider can then \
                 sign in anybody with an e-mail address in it.",
                domain.domain
            ),
            "No other organization of this environment can have the domain from then on."
                .to_owned(),
        ],
        button: "Verify manually",
        is_dangerous: false,
        ..question(&place, &path, "verify")
    };
    Ok(question.ask())
}

async fn verify(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
    form: Form,
) -> Result<Response, Refusal> {
    let domain = load(&app, &path, &place).await?;
    let id = domain.id.clone();
    let write =
        async move |tx: &mut _| organization_domain::mark_verified(tx, &id, Strategy::Manual).await;
    match app.db.write(&place.caller, write).await {
        Ok(_) => Ok(back(&place, &path.1, "domain-verified")),
        Err(error) => {
            let question = Question {
                title: format!("Verify {} without a proof?", domain.domain),
                button: "Verify manually",
                form: form.view().refused(&[], error)?,
                ..question(&place, &path, "verify")
            };
            Ok(question.ask_again())
        }
    }
}

async fn ask_remove(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
) -> Result<Response, Refusal> {
    let domain = load(&app, &path, &place).await?;
    let question = Question {
        title: format!("Remove {}?", domain.domain),
        consequences: vec![format!(
            "People with an e-mail address in {} cannot sign in any more, unless the organization \
             allows profiles outside of its domains. To have it back, it has to be verified again.",
            domain.domain
        )],
        button: "Remove domain",
        is_dangerous: true,
        ..question(&place, &path, "remove")
    };
    Ok(question.ask())
}

async fn remove(
    State(app): State<App>,
    path: Named,
    place: Place<Write>,
    _: Form,
) -> Result<Response, Refusal> {
    let Path((_, organization_id, id)) = path;
    let of = organization_id.clone();
    let write = async move |tx: &mut _| {
        let domain = find(tx, &of, &id).await?;
        organization_domain::delete(tx, &domain.id).await
    };
    app.db.write(&place.caller, write).await?;
    Ok(back(&place, &organization_id, "domain-removed"))
}

async fn load(
    app: &App,
    Path((_, organization_id, id)): &Named,
    place: &Place<Write>,
) -> Result<OrganizationDomain, Refusal> {
    let (organization_id, id) = (organization_id.clone(), id.clone());
    let read = async move |tx: &mut _| find(tx, &organization_id, &id).await;
    Ok(app.db.read(&place.caller, read).await?)
}

/// What all questions about a domain have in common.
fn question<'a>(
    place: &'a Place<Write>,
    Path((_, organization_id, id)): &Named,
    verb: &str,
) -> Question<'a> {
    let organization = place.path(&format!("/organizations/{organization_id}"));
    Question {
        frame: place.frame(Section::Organizations),
        title: String::new(),
        consequences: Vec::new(),
        action: format!("{organization}/domains/{id}/{verb}"),
        button: "",
        is_dangerous: false,
        cancel: organization,
        typed: None,
        form: View::default(),
    }
}

fn back(place: &Place<Write>, organization_id: &str, notice: &str) -> Response {
    see_other(&place.path(&format!("/organizations/{organization_id}?notice={notice}")))
}
