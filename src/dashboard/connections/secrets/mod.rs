//! The two slots of the client secret: the end of a rotation, and taking one back.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::post;

use crate::app::App;
use crate::dashboard::visit::{Place, Write};
use crate::setup::{self, Change, Oidc};
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::refusal::Refusal;

pub(super) fn routes() -> Router<App> {
    let secrets = "/{environment_id}/connections/{connection_id}/secrets";
    Router::new()
        .route(&format!("{secrets}/promote"), post(promote))
        .route(&format!("{secrets}/remove-next"), post(remove_next))
}

type Named = Path<(String, String)>;

async fn promote(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    _: Form,
) -> Result<Response, Refusal> {
    setup::promote_next_client_secret(&app, &place.caller, &id).await?;
    Ok(back(&place, &id, "secret-promoted"))
}

async fn remove_next(
    State(app): State<App>,
    Path((_, id)): Named,
    place: Place<Write>,
    _: Form,
) -> Result<Response, Refusal> {
    let oidc = Oidc { next_client_secret: Some(None), ..Oidc::default() };
    let change = Change { oidc: Some(oidc), ..Change::default() };
    setup::update(&app, &place.caller, &id, change).await?;
    Ok(back(&place, &id, "secret-removed"))
}

fn back(place: &Place<Write>, id: &str, notice: &str) -> Response {
    see_other(&place.path(&format!("/connections/{id}?notice={notice}")))
}
