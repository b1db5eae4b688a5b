//! The dashboard: the pages of those who run the installation.
//!
//! A page is a folder: the handler beside its template. A handler takes a [`Visit`] or a [`Place`],
//! which only an administrator of the right role gets, calls one operation and renders.

mod account;
mod api_keys;
mod audit;
mod branding;
mod confirm;
mod connections;
mod entrance;
mod environments;
mod events;
mod frame;
mod notice;
mod organizations;
mod overview;
mod query;
mod redirects;
mod roles;
mod sessions;
mod settings;
mod team;
mod visit;
mod webhooks;

use axum::Router;
use axum::extract::State;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::get;

use crate::app::App;
use crate::web::page::see_other;
use crate::web::refusal::{self, Refusal, Way};
use crate::web::{csrf, page};
use visit::{Read, Visit};

/// The cookie of a session.
const SESSION: csrf::Session = "administrator";
/// Where a page that says no leads.
const WAY: Option<Way> = Some(("/dashboard", "To the dashboard"));

/// All pages below `/dashboard`.
pub fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(home))
        .merge(account::routes())
        .merge(api_keys::routes())
        .merge(audit::routes())
        .merge(entrance::routes())
        .merge(branding::routes())
        .merge(environments::routes())
        .merge(events::routes())
        .merge(organizations::routes())
        .merge(overview::routes())
        .merge(redirects::routes())
        .merge(roles::routes())
        .merge(settings::routes())
        .merge(connections::routes())
        .merge(sessions::routes())
        .merge(team::routes())
        .merge(webhooks::routes())
        .fallback(async || Refusal::not_found())
        .method_not_allowed_fallback(async || Refusal::not_found());
    Router::new()
        .nest("/dashboard", pages)
        .layer(from_fn_with_state((app.clone(), SESSION), csrf::bind))
        .layer(from_fn_with_state(WAY, refusal::render))
        .layer(map_response(page::strict))
        .with_state(app)
}

/// Whoever comes without saying where goes to the first environment.
async fn home(State(app): State<App>, visit: Visit<Read>) -> Result<Response, Refusal> {
    let environments = visit.environments(&app).await?;
    let path = match environments.first() {
        Some(first) => format!("/dashboard/{}/overview", first.id),
        None => "/dashboard/environments".to_owned(),
    };
    Ok(see_other(&path))
}
