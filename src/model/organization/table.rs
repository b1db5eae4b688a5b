//! Organizations in the database.

use super::{Filter, Metadata, Organization};
use crate::base::id::OrganizationId;
use crate::base::page::{Page, PageRequest};
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};
use crate::model::organization_domain;

const SELECT: &str = "SELECT id, name, metadata, external_id, stripe_customer_id, created_at,
     updated_at, allow_profiles_outside_organization FROM organizations WHERE environment_id = $1";

/// Adds an organization, unless its external id is taken.
pub(super) async fn insert(tx: &mut Tx, organization: &Organization) -> Result<bool> {
    let inserted = tx
        .execute(
            "INSERT INTO organizations
             (id, environment_id, name, external_id, metadata,
              allow_profiles_outside_organization, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING",
            &[
                (&organization.id).into(),
                (&tx.environment_id()).into(),
                (&organization.name).into(),
                organization.external_id.as_deref().into(),
                (&text(&organization.metadata)?).into(),
                organization.allow_profiles_outside_organization.into(),
                tx.now().into(),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// The organization that meets a condition, with its domains.
pub(super) async fn find(
    tx: &mut Tx,
    condition: &'static str,
    param: &str,
) -> Result<Option<Organization>> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and(condition, param);
    let mut found = match query.fetch_all(tx).await?.pop() {
        Some(row) => vec![from_row(row)?],
        None => return Ok(None),
    };
    add_domains(tx, &mut found).await?;
    Ok(found.pop())
}

pub(super) async fn list(
    tx: &mut Tx,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Page<Organization>> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    if !filter.domains.is_empty() {
        query
            .and_in(
                "id IN (SELECT organization_id FROM organization_domains
                        WHERE environment_id = $1 AND domain",
                &filter.domains,
            )
            .end(")");
    }
    query.and_contains("name", filter.search.as_deref());
    query.and_like(
        "(lower(name) LIKE lower($?) ESCAPE '!' OR lower(external_id) LIKE lower($?) ESCAPE '!'
          OR lower(id) LIKE lower($?) ESCAPE '!'
          OR id IN (SELECT organization_id FROM organization_domains
                    WHERE environment_id = $1 AND domain LIKE lower($?) ESCAPE '!'))",
        filter.anywhere.as_deref(),
    );
    let key = |organization: &Organization| organization.id.to_string();
    let mut page = query.fetch_page(tx, ("id", key), request, from_row).await?;
    add_domains(tx, &mut page.data).await?;
    Ok(page)
}

/// Fills in the domains, in one statement for all.
async fn add_domains(tx: &mut Tx, organizations: &mut [Organization]) -> Result<()> {
    let ids: Vec<OrganizationId> = organizations.iter().map(|o| o.id.clone()).collect();
    for domain in organization_domain::list(tx, &ids).await? {
        if let Some(owner) = organizations.iter_mut().find(|o| o.id == domain.organization_id) {
            owner.domains.push(domain);
        }
    }
    Ok(())
}

/// Writes all members that can be changed.
pub(super) async fn update(tx: &mut Tx, organization: &Organization) -> Result<()> {
    tx.execute(
        "UPDATE organizations SET name = $1, external_id = $2, stripe_customer_id = $3,
         metadata = $4, allow_profiles_outside_organization = $5, updated_at = $6
         WHERE environment_id = $7 AND id = $8",
        &[
            (&organization.name).into(),
            organization.external_id.as_deref().into(),
            organization.stripe_customer_id.as_deref().into(),
            (&text(&organization.metadata)?).into(),
            organization.allow_profiles_outside_organization.into(),
            tx.now().into(),
            (&tx.environment_id()).into(),
            (&organization.id).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut Tx, id: &OrganizationId) -> Result<()> {
    tx.execute(
        "DELETE FROM organizations WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?;
    Ok(())
}

fn text(metadata: &Metadata) -> Result<String> {
    serde_json::to_string(metadata).map_err(Error::internal)
}

fn from_row(mut row: Row) -> Result<Organization> {
    Ok(Organization {
        object: "organization",
        id: row.next()?,
        name: row.next()?,
        domains: Vec::new(),
        metadata: serde_json::from_str(&row.next::<String>()?).map_err(Error::internal)?,
        external_id: row.next()?,
        stripe_customer_id: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
        allow_profiles_outside_organization: row.next()?,
    })
}
