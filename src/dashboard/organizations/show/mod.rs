//! `/dashboard/{environment_id}/organizations/{organization_id}`: single sign-on and domains.

use askama::Template;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::head::{self, Head, Tab};
use crate::app::App;
use crate::base::Caller;
use crate::base::id::OrganizationId;
use crate::dashboard::connections::{StateBadge, badge, type_label};
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::visit::{Level, Place, Read};
use crate::model::connection::{self, Connection};
use crate::model::organization::{self, Organization};
use crate::model::organization_domain::{OrganizationDomain, State as DomainState};
use crate::web::form::View;
use crate::web::page::page;
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/{environment_id}/organizations/{organization_id}", get(show))
}

#[derive(Template)]
#[template(path = "dashboard/organizations/show/show.html")]
struct ShowPage<'a> {
    frame: Frame<'a>,
    head: Head,
    connections: Vec<Connection>,
    /// The path of all connections of the environment.
    connections_path: String,
    /// Some of its domains.
    domains: Vec<OrganizationDomain>,
    pager: Pager,
    /// The form that adds a domain.
    form: View,
}

impl ShowPage<'_> {
    /// The badge of a domain's state: its class and its word.
    fn domain_state(&self, domain: &OrganizationDomain) -> (&'static str, &'static str) {
        match domain.state {
            DomainState::Verified => ("good", "Verified"),
            DomainState::Pending => ("warn", "Pending"),
            DomainState::Failed => ("bad", "Failed"),
        }
    }

    fn connection_state(&self, connection: &Connection) -> StateBadge {
        badge(connection.state)
    }

    fn connection_type(&self, connection: &Connection) -> &'static str {
        type_label(connection.connection_type)
    }

    fn is_verified(&self, domain: &OrganizationDomain) -> bool {
        domain.state == DomainState::Verified
    }

    fn has_verified(&self) -> bool {
        self.head.organization.domains.iter().any(|domain| self.is_verified(domain))
    }
}

async fn show(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    place: Place<Read>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let found = load(&app, &place.caller, &head::id(&id)?).await?;
    let query = query.unwrap_or_default();
    Ok(shown(&place, found, &query, (StatusCode::OK, View::default())))
}

/// An organization and its connections.
pub(super) type Found = (Organization, Vec<Connection>);

pub(super) async fn load(
    app: &App,
    caller: &Caller,
    id: &OrganizationId,
) -> Result<Found, Refusal> {
    let id = id.clone();
    let read = async move |tx: &mut _| {
        let organization = organization::get(tx, &id).await?;
        let connections = connection::of_organization(tx, &id).await?;
        Ok((organization, connections))
    };
    Ok(app.db.read(caller, read).await?)
}

/// The page, with the form that adds a domain as it is now.
pub(super) fn shown<L: Level>(
    place: &Place<L>,
    (organization, connections): Found,
    query: &str,
    (status, form): (StatusCode, View),
) -> Response {
    let newest_first = organization.domains.iter().rev().cloned().collect();
    let (domains, _) = pager::cut(newest_first, query);
    let head = Head::new(place, organization, Tab::Overview);
    let shown = ShowPage {
        frame: place.frame(Section::Organizations),
        connections,
        connections_path: place.path("/connections"),
        pager: Pager::of(&domains, &head.path, query),
        domains: domains.data,
        head,
        form,
    };
    page(status, &shown)
}
