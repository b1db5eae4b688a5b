//! Domains of organizations in the database.

use super::{OrganizationDomain, State, Strategy};
use crate::base::id::{OrganizationDomainId, OrganizationId};
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};

const SELECT: &str = "SELECT id, organization_id, domain, state, verification_prefix,
     verification_token, verification_strategy, created_at, updated_at
     FROM organization_domains WHERE environment_id = $1";

/// Adds a domain, unless the organization has it, or another one has verified it: of two that do
/// so at once, the index lets one win.
pub(super) async fn insert(tx: &mut Tx, domain: &OrganizationDomain) -> Result<bool> {
    let inserted = tx
        .execute(
            "INSERT INTO organization_domains
             (id, environment_id, organization_id, domain, state, verification_strategy,
              verification_prefix, verification_token, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT DO NOTHING",
            &[
                (&domain.id).into(),
                (&tx.environment_id()).into(),
                (&domain.organization_id).into(),
                (&domain.domain).into(),
                domain.state.as_str().into(),
                domain.verification_strategy.as_str().into(),
                (&domain.verification_prefix).into(),
                (&domain.verification_token).into(),
                domain.created_at.into(),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

pub(super) async fn find(
    tx: &mut Tx,
    id: &OrganizationDomainId,
) -> Result<Option<OrganizationDomain>> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("id = $?", id);
    query.fetch_all(tx).await?.pop().map(from_row).transpose()
}

/// The domains of these organizations, the oldest first.
pub(super) async fn list(
    tx: &mut Tx,
    organization_ids: &[OrganizationId],
) -> Result<Vec<OrganizationDomain>> {
    if organization_ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = organization_ids.iter().map(ToString::to_string).collect();
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and_in("organization_id", &ids).end(" ORDER BY id");
    query.fetch_all(tx).await?.into_iter().map(from_row).collect()
}

pub(super) async fn find_verified_owner(
    tx: &mut Tx,
    domain: &str,
) -> Result<Option<OrganizationId>> {
    tx.fetch_optional(
        "SELECT organization_id FROM organization_domains
         WHERE environment_id = $1 AND domain = $2 AND state = 'verified'",
        &[(&tx.environment_id()).into(), domain.into()],
    )
    .await?
    .map(|mut row| row.next())
    .transpose()
}

pub(super) async fn update_state(tx: &mut Tx, domain: &OrganizationDomain) -> Result<()> {
    tx.execute(
        "UPDATE organization_domains
         SET state = $1, verification_strategy = $2, updated_at = $3
         WHERE environment_id = $4 AND id = $5",
        &[
            domain.state.as_str().into(),
            domain.verification_strategy.as_str().into(),
            domain.updated_at.into(),
            (&tx.environment_id()).into(),
            (&domain.id).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut Tx, id: &OrganizationDomainId) -> Result<()> {
    tx.execute(
        "DELETE FROM organization_domains WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?;
    Ok(())
}

fn from_row(mut row: Row) -> Result<OrganizationDomain> {
    let unknown = || Error::internal("a domain in an unknown state");
    Ok(OrganizationDomain {
        object: "organization_domain",
        id: row.next()?,
        organization_id: row.next()?,
        domain: row.next()?,
        state: State::parse(&row.next::<String>()?).ok_or_else(unknown)?,
        verification_prefix: row.next()?,
        verification_token: row.next()?,
        verification_strategy: Strategy::parse(&row.next::<String>()?).ok_or_else(unknown)?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}
