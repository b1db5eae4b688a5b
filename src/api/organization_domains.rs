//! `/organization_domains`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::Body;
use super::error::{ApiError, ErrorBody};
use super::path::{Id, parse};
use crate::app::App;
use crate::base::id::{OrganizationDomainId, OrganizationId};
use crate::model::organization;
use crate::model::organization_domain::{self, OrganizationDomain};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(get, delete))
        .routes(routes!(verify))
}

/// A domain to add to an organization.
#[derive(Debug, Deserialize, ToSchema)]
struct NewOrganizationDomain {
    /// The domain.
    domain: String,
    /// The organization.
    organization_id: String,
}

/// Add a domain to an organization
///
/// It counts once it is verified, by the TXT record that the answer describes.
#[utoipa::path(
    post, path = "/organization_domains", tag = "organization_domains",
    request_body = NewOrganizationDomain,
    responses(
        (status = 201, description = "The new domain.", body = OrganizationDomain),
        (status = 409, description = "The organization has it, or another one has verified it.",
            body = ErrorBody),
    ),
)]
async fn create(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Body(new): Body<NewOrganizationDomain>,
) -> Result<(StatusCode, Json<OrganizationDomain>), ApiError> {
    let organization_id: OrganizationId = parse(&new.organization_id)?;
    let write = async move |tx: &mut _| {
        organization::get(tx, &organization_id).await?;
        organization_domain::create(tx, &organization_id, &new.domain, false).await
    };
    Ok((StatusCode::CREATED, Json(app.db.write(&caller, write).await?)))
}

/// Get a domain of an organization
#[utoipa::path(
    get, path = "/organization_domains/{id}", tag = "organization_domains",
    params(("id" = OrganizationDomainId, Path, description = "The domain.")),
    responses((status = 200, description = "The domain.", body = OrganizationDomain)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationDomainId>,
) -> Result<Json<OrganizationDomain>, ApiError> {
    Ok(Json(app.db.read(&caller, async move |tx| organization_domain::get(tx, &id).await).await?))
}

/// Verify a domain
///
/// Begins to look for the TXT record again.
#[utoipa::path(
    post, path = "/organization_domains/{id}/verify", tag = "organization_domains",
    params(("id" = OrganizationDomainId, Path, description = "The domain.")),
    responses((status = 201, description = "The domain, pending.", body = OrganizationDomain)),
)]
async fn verify(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationDomainId>,
) -> Result<(StatusCode, Json<OrganizationDomain>), ApiError> {
    let write = async move |tx: &mut _| organization_domain::restart_verification(tx, &id).await;
    Ok((StatusCode::CREATED, Json(app.db.write(&caller, write).await?)))
}

/// Take a domain from its organization
#[utoipa::path(
    delete, path = "/organization_domains/{id}", tag = "organization_domains",
    params(("id" = OrganizationDomainId, Path, description = "The domain.")),
    responses((status = 204, description = "It is deleted.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationDomainId>,
) -> Result<StatusCode, ApiError> {
    app.db.write(&caller, async move |tx| organization_domain::delete(tx, &id).await).await?;
    Ok(StatusCode::NO_CONTENT)
}
