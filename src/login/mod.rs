//! The login face: what browsers and applications call at `/sso/…`.

mod authorize;
mod body;
mod callback;
mod consent;
mod cors;
mod logout;
mod pages;
mod params;
mod profile;
mod token;

use axum::Router;
use axum::routing::{get, post};
use http::HeaderMap;

use crate::app::App;
use crate::web::around::around;

/// All routes below `/sso`, and a page for whoever opens the base URL.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(async || pages::welcome()))
        .route("/sso/authorize", get(authorize::authorize))
        .route("/sso/oidc/{external_key}/callback", get(callback::callback))
        .route(
            "/sso/oidc/{external_key}/initiate",
            get(authorize::initiate).post(authorize::initiate),
        )
        .route("/sso/oidc/{external_key}/logout/callback", get(logout::callback))
        .route(
            "/sso/oidc/idp-logout/{external_key}",
            get(logout::front_channel).post(logout::back_channel),
        )
        .route("/sso/logout", get(logout::logout))
        .route("/sso/consent", post(consent::answer))
        .merge(for_scripts(&app))
        .with_state(app)
}

/// By which a repetition of this very request is known; `None`: it is like no other.
fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    let key = headers.get("idempotency-key")?.to_str().ok()?;
    (1..=255).contains(&key.len()).then_some(key)
}

/// What scripts of registered origins may call from within a browser.
fn for_scripts(app: &App) -> Router<App> {
    Router::new()
        .route("/sso/token", post(token::token))
        .route("/sso/profile", get(profile::profile))
        .route_layer(around(app.clone(), cors::allow))
}
