//! Domains: a TXT record proves that one belongs to the organization.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::visit::{Frame, Guest};
use crate::app::App;
use crate::base::id::OrganizationDomainId;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::domains;
use crate::model::organization_domain::{
    self, Check, OrganizationDomain, State as DomainState, last_check,
};
use crate::model::setup_link::Feature;
use crate::web::form::{Form, View};
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/domains", get(show).post(add)).route("/domains/{id}/check", post(check))
}

/// A domain, and what DNS said of it last.
struct Line {
    domain: OrganizationDomain,
    check: Option<Check>,
}

#[derive(Template)]
#[template(path = "portal/domains.html")]
struct DomainsPage<'a> {
    frame: Frame<'a>,
    lines: Vec<Line>,
    form: View,
}

impl DomainsPage<'_> {
    fn state(&self, domain: &OrganizationDomain) -> (&'static str, &'static str) {
        match domain.state {
            DomainState::Verified => ("good", "Verified"),
            DomainState::Pending => ("warn", "Pending"),
            DomainState::Failed => ("bad", "Failed"),
        }
    }

    /// Whether the background may still find a record.
    fn waits(&self) -> bool {
        self.lines.iter().any(|line| line.domain.state == DomainState::Pending)
    }

    fn is_verified(&self, domain: &OrganizationDomain) -> bool {
        domain.state == DomainState::Verified
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
    guest.needs(Feature::DomainVerification)?;
    let id = guest.organization.id.clone();
    let read = async move |tx: &mut Tx| {
        let mut lines = Vec::new();
        for domain in organization_domain::list(tx, std::slice::from_ref(&id)).await? {
            let check = last_check(tx, &domain).await?;
            lines.push(Line { domain, check });
        }
        Ok(lines)
    };
    let lines = app.db.read(&guest.caller, read).await?;
    Ok(page(status, &DomainsPage { frame: guest.frame(), lines, form }))
}

async fn add(State(app): State<App>, guest: Guest, form: Form) -> Result<Response, Refusal> {
    guest.needs(Feature::DomainVerification)?;
    let (id, domain) = (guest.organization.id.clone(), form.text("domain").to_owned());
    let write = async move |tx: &mut _| organization_domain::create(tx, &id, &domain, false).await;
    match app.db.write(&guest.caller, write).await {
        Ok(_) => Ok(see_other("/setup/domains")),
        Err(error) => {
            let view = match error {
                Error::Conflict { message, .. } => form.view().with_error("domain", message),
                error => form.view().refused(&["domain"], error)?,
            };
            render(&app, &guest, (StatusCode::UNPROCESSABLE_ENTITY, view)).await
        }
    }
}

async fn check(
    State(app): State<App>,
    Path(id): Path<String>,
    guest: Guest,
    form: Form,
) -> Result<Response, Refusal> {
    guest.needs(Feature::DomainVerification)?;
    let id = OrganizationDomainId::parse(&id).ok_or_else(Refusal::not_found)?;
    if !guest.organization.domains.iter().any(|domain| domain.id == id) {
        return Err(Refusal::not_found());
    }
    match domains::verify(&app, &guest.caller, &id).await {
        Ok(settled) if settled.domain.state == DomainState::Verified => {
            Ok(see_other("/setup/domains?notice=verified"))
        }
        Ok(_) => Ok(see_other("/setup/domains")),
        Err(error) => {
            let view = form.view().refused(&[], error)?;
            render(&app, &guest, (StatusCode::UNPROCESSABLE_ENTITY, view)).await
        }
    }
}
