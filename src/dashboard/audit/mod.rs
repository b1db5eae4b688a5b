//! `/dashboard/audit`: who changed what in the installation.

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;

use super::frame::{Frame, Section};
use super::visit::{Govern, Visit};
use crate::app::App;
use crate::base::page::Page;
use crate::db::Tx;
use crate::model::audit::{self, Entry};
use crate::web::page::page;
use crate::web::pager::{self, Pager};
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/audit", get(list))
}

#[derive(Template)]
#[template(path = "dashboard/audit/audit.html")]
struct AuditPage<'a> {
    frame: Frame<'a>,
    entries: Page<Entry>,
    days: i64,
    pager: Pager,
}

impl AuditPage<'_> {
    fn face(&self, entry: &Entry) -> &'static str {
        match (entry.source.as_str(), entry.actor_id.as_str()) {
            ("dashboard", _) => "Dashboard",
            ("admin_portal", _) => "Setup portal",
            ("api", _) => "API",
            (_, "command line") => "Command line",
            _ => "Service",
        }
    }

    /// Who it was behind the face; the service and the command line are nobody in particular.
    fn actor<'e>(&self, entry: &'e Entry) -> Option<&'e str> {
        let id = Some(entry.actor_id.as_str()).filter(|_| entry.source != "system");
        entry.actor_name.as_deref().or(id)
    }

    fn details(&self, entry: &Entry) -> Option<String> {
        let is_empty = entry.details.as_object().is_none_or(serde_json::Map::is_empty);
        (!is_empty).then(|| entry.details.to_string())
    }
}

async fn list(
    State(app): State<App>,
    visit: Visit<Govern>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let request = pager::request(&query);
    let wanted = request.clone();
    let read = async move |tx: &mut Tx| audit::list(tx, &wanted).await;
    let entries = pager::shown(app.db.read(&visit.caller(), read).await?, &request);
    let pager = Pager::of(&entries, "/dashboard/audit", &query);
    let days = app.config.audit_retention_days;
    let frame = visit.frame(Section::Audit);
    Ok(page(StatusCode::OK, &AuditPage { frame, entries, days, pager }))
}
