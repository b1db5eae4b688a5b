//! The setup portal: an organization's IT administrator connects their identity provider, by a link
//! and without an account.
//!
//! Every handler but those of the entrance takes a [`Guest`], which only a browser gets in which a
//! link was begun; what it may reach is decided by the link, never by what the request says.

mod connection;
mod domains;
mod drawing;
mod entrance;
mod guide;
mod home;
mod roles;
mod steps;
mod visit;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};

use crate::app::App;
use crate::web::refusal::{self, Refusal, Way};
use crate::web::{csrf, page};

/// The cookie of a setup session.
const SESSION: csrf::Session = "setup";
/// Where a page that says no leads.
const WAY: Option<Way> = Some(("/setup/home", "Back to the setup"));

/// All pages below `/setup`.
pub fn router(app: App) -> Router {
    let pages = Router::new()
        .merge(entrance::routes())
        .merge(home::routes())
        .merge(steps::routes())
        .merge(roles::routes())
        .merge(connection::routes())
        .merge(domains::routes())
        .fallback(async || Refusal::not_found())
        .method_not_allowed_fallback(async || Refusal::not_found());
    Router::new()
        .nest("/setup", pages)
        .layer(from_fn_with_state((app.clone(), SESSION), csrf::bind))
        .layer(from_fn_with_state(WAY, refusal::render))
        .layer(map_response(page::strict))
        .with_state(app)
}
