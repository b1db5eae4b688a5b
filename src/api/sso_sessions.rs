//! `/sso_sessions`: login attempts and their traces. Not in WorkOS's API.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::error::ApiError;
use super::list::List;
use super::path::Id;
use super::query::{PageParams, Query, invalid};
use crate::app::App;
use crate::base::id::{ConnectionId, OrganizationId, SsoSessionId};
use crate::model::sso_session::{self, Filter, Origin, SsoSession, Status};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// List login attempts
///
/// Without their traces.
#[utoipa::path(
    get, path = "/sso_sessions", tag = "sso_sessions",
    params(
        PageParams,
        ("connection_id" = Option<ConnectionId>, Query, description = "By this connection."),
        ("organization_id" = Option<OrganizationId>, Query, description = "Of this organization."),
        ("status" = Option<Status>, Query, description = "That stand so."),
        ("origin" = Option<Origin>, Query, description = "Begun by these."),
        ("email" = Option<String>, Query, description = "Of this e-mail address."),
        ("range_start" = Option<String>, Query,
            description = "Begun at this ISO 8601 moment or later."),
        ("range_end" = Option<String>, Query, description = "Begun before this ISO 8601 moment."),
    ),
    responses((status = 200, description = "The attempts.", body = List<SsoSession>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<SsoSession>>, ApiError> {
    let request = query.page::<SsoSessionId>()?;
    let status = query.one("status")?.map(|word| {
        Status::parse(word).ok_or_else(|| {
            invalid(
                "status",
                "must be in_progress, success, failed, timed_out, \
                 test_successful or test_failed.",
            )
        })
    });
    let origin = query.one("origin")?.map(|word| {
        Origin::parse(word).ok_or_else(|| {
            invalid(
                "origin",
                "must be application, identity_provider, dashboard_test or \
                 portal_test.",
            )
        })
    });
    let filter = Filter {
        connection_id: query.id::<ConnectionId>("connection_id")?,
        organization_id: query.id::<OrganizationId>("organization_id")?,
        status: status.transpose()?,
        origin: origin.transpose()?,
        email: query.one("email")?.map(str::to_owned),
        range_start: query.moment("range_start")?,
        range_end: query.moment("range_end")?,
    };
    let read = async move |tx: &mut _| sso_session::list(tx, &filter, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Get a login attempt with its trace
#[utoipa::path(
    get, path = "/sso_sessions/{id}", tag = "sso_sessions",
    params(("id" = SsoSessionId, Path, description = "The attempt.")),
    responses((status = 200, description = "The attempt.", body = SsoSession)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<SsoSessionId>,
) -> Result<Json<SsoSession>, ApiError> {
    let read = async move |tx: &mut _| sso_session::get(tx, id.as_str()).await;
    Ok(Json(app.db.read(&caller, read).await?))
}
