//! `/organizations`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::ApiKey;
use super::body::{Body, nullable};
use super::error::ApiError;
use super::list::List;
use super::once::Post;
use super::path::{Id, Path};
use super::query::{PageParams, Query};
use crate::app::App;
use crate::base::id::OrganizationId;
use crate::db::Tx;
use crate::model::organization::{
    self, Change, DomainData, Filter, MetadataChange, NewOrganization, Organization,
};
use crate::model::role::{self, Role};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(get_by_external_id))
        .routes(routes!(list_roles))
}

/// List organizations
#[utoipa::path(
    get, path = "/organizations", tag = "organizations",
    params(
        PageParams,
        ("domains" = Option<Vec<String>>, Query, style = Form, explode = false,
            description = "With one of these domains."),
        ("search" = Option<String>, Query, description = "With this text in the name."),
    ),
    responses((status = 200, description = "The organizations.", body = List<Organization>)),
)]
async fn list(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    query: Query,
) -> Result<Json<List<Organization>>, ApiError> {
    let request = query.page::<OrganizationId>()?;
    let domains = query.many("domains")?.iter().map(|domain| domain.to_lowercase()).collect();
    let filter =
        Filter { domains, search: query.one("search")?.map(str::to_owned), ..Filter::default() };
    let read = async move |tx: &mut _| organization::list(tx, &filter, &request).await;
    Ok(Json(app.db.read(&caller, read).await?.into()))
}

/// Create an organization
#[utoipa::path(
    post, path = "/organizations", tag = "organizations",
    request_body = NewOrganization,
    responses((status = 201, description = "The new organization.", body = Organization)),
)]
async fn create(
    State(app): State<App>,
    Post(once, new): Post<NewOrganization>,
) -> Result<Response, ApiError> {
    let write = async move |tx: &mut Tx| organization::create(tx, &new).await;
    once.write(&app, StatusCode::CREATED, write).await
}

/// Get an organization
#[utoipa::path(
    get, path = "/organizations/{id}", tag = "organizations",
    params(("id" = OrganizationId, Path, description = "The organization.")),
    responses((status = 200, description = "The organization.", body = Organization)),
)]
async fn get(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationId>,
) -> Result<Json<Organization>, ApiError> {
    Ok(Json(app.db.read(&caller, async move |tx| organization::get(tx, &id).await).await?))
}

/// Get an organization by the application's own id
#[utoipa::path(
    get, path = "/organizations/external_id/{external_id}", tag = "organizations",
    params(("external_id" = String, Path, description = "The application's own id.")),
    responses((status = 200, description = "The organization.", body = Organization)),
)]
async fn get_by_external_id(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Path(external_id): Path<String>,
) -> Result<Json<Organization>, ApiError> {
    let read = async move |tx: &mut _| organization::get_by_external_id(tx, &external_id).await;
    Ok(Json(app.db.read(&caller, read).await?))
}

/// What is to be changed; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
struct UpdateOrganization {
    /// The new name.
    name: Option<String>,
    /// The whole new set of domains.
    domain_data: Option<Vec<DomainData>>,
    /// The whole new set of domains, to be verified: WorkOS's older way to give them.
    domains: Option<Vec<String>>,
    /// Keys to set, and keys to delete (`null`); `{}` or `null` clears it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<MetadataChange>)]
    metadata: Option<Option<MetadataChange>>,
    /// The application's own id for it; `null` for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    external_id: Option<Option<String>>,
    /// Its id at Stripe; `null` for none.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    stripe_customer_id: Option<Option<String>>,
    /// Whether people may sign in whose e-mail address is in none of its verified domains.
    allow_profiles_outside_organization: Option<bool>,
}

/// Update an organization
#[utoipa::path(
    put, path = "/organizations/{id}", tag = "organizations",
    params(("id" = OrganizationId, Path, description = "The organization.")),
    request_body = UpdateOrganization,
    responses((status = 200, description = "The organization as it is now.", body = Organization)),
)]
async fn update(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationId>,
    Body(body): Body<UpdateOrganization>,
) -> Result<Json<Organization>, ApiError> {
    let change = Change {
        name: body.name,
        domains: organization::domain_data(body.domain_data.as_deref(), body.domains.as_deref()),
        metadata: body.metadata,
        external_id: body.external_id,
        stripe_customer_id: body.stripe_customer_id,
        allow_profiles_outside_organization: body.allow_profiles_outside_organization,
    };
    let write = async move |tx: &mut _| organization::update(tx, &id, &change).await;
    Ok(Json(app.db.write(&caller, write).await?))
}

/// Delete an organization
///
/// With everything that belongs to it: connections, profiles, domains.
#[utoipa::path(
    delete, path = "/organizations/{id}", tag = "organizations",
    params(("id" = OrganizationId, Path, description = "The organization.")),
    responses((status = 200, description = "It is deleted.")),
)]
async fn delete(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationId>,
) -> Result<StatusCode, ApiError> {
    app.limits.delete_organization.check(&caller.actor_id, app.clock.now())?;
    app.db.write(&caller, async move |tx| organization::delete(tx, &id).await).await?;
    Ok(StatusCode::OK)
}

/// List the roles of an organization (the older path)
#[utoipa::path(
    get, path = "/organizations/{id}/roles", tag = "organizations",
    params(("id" = OrganizationId, Path, description = "The organization.")),
    responses((status = 200, description = "Its roles, in the order of priority.", body = List<Role>)),
)]
async fn list_roles(
    State(app): State<App>,
    ApiKey(caller): ApiKey,
    Id(id): Id<OrganizationId>,
) -> Result<Json<List<Role>>, ApiError> {
    let read = async move |tx: &mut _| {
        organization::get(tx, &id).await?;
        role::for_organization(tx, &id).await
    };
    Ok(Json(app.db.read(&caller, read).await?.into()))
}
