//! `/organization_domains`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::error::{ApiError, ErrorBody};
use super::once::{BarePost, Post};
use super::path::{Id, parse};
use crate::app::App;
use crate::base::id::{OrganizationDomainId, OrganizationId};
use crate::db::Tx;
use crate::domains;
use crate::model::organization;
use crate::model::organization_domain::{self, Check, OrganizationDomain, Settled};

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
    Post(once, new): Post<NewOrganizationDomain>,
) -> Result<Response, ApiError> {
    let organization_id: OrganizationId = parse(&new.organization_id)?;
    let write = async move |tx: &mut Tx| {
        organization::get(tx, &organization_id).await?;
        organization_domain::create(tx, &organization_id, &new.domain, false).await
    };
    once.write(&app, StatusCode::CREATED, write).await
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

/// A domain after DNS was asked about it.
#[derive(Debug, Serialize, ToSchema)]
struct CheckedOrganizationDomain {
    #[serde(flatten)]
    domain: OrganizationDomain,
    /// What DNS said.
    verification_check: Check,
}

/// Verify a domain
///
/// Asks DNS for the TXT record at once. If it is not there, the domain stays pending, and we look
/// again and again for 30 days.
#[utoipa::path(
    post, path = "/organization_domains/{id}/verify", tag = "organization_domains",
    params(("id" = OrganizationDomainId, Path, description = "The domain.")),
    responses(
        (status = 201, description = "The domain, verified or pending, and what was found.",
            body = CheckedOrganizationDomain),
        (status = 409, description = "The record is there, but another organization was faster.",
            body = ErrorBody),
    ),
)]
async fn verify(
    State(app): State<App>,
    _: ApiKey,
    Id(id): Id<OrganizationDomainId>,
    BarePost(once): BarePost,
) -> Result<Response, ApiError> {
    let checked = domains::verify(&app, once.caller(), &id).await.map(|settled| {
        let Settled { domain, check, .. } = settled;
        CheckedOrganizationDomain { domain, verification_check: check }
    });
    once.keep(&app, StatusCode::CREATED, checked).await
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
