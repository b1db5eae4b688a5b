//! How one gets in and out: the only pages that nobody has to be signed in for.

mod guest;
mod links;
mod sign_in;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;

pub(super) use guest::{Guest, inside, signed};
pub(super) use links::{chosen_password, created};
pub(super) use sign_in::said;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::by_password))
        .route("/sign-in/passkey", post(sign_in::by_passkey))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/passkey-challenge", get(sign_in::challenge))
        .route("/first-run", get(links::first_run).post(links::claim))
        .route("/invitation", get(links::invitation).post(links::accept))
        .route("/recovery", get(links::recovery).post(links::recover))
}
