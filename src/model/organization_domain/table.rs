//! Domains of organizations in the database.

use super::{OrganizationDomain, State, Strategy};
use crate::base::id::{EnvironmentId, OrganizationDomainId, OrganizationId};
use crate::base::time::Timestamp;
use crate::base::{Result, stored};
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
    stored::one(query.fetch_all(tx).await?.pop().map(from_row))
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
    stored::all(query.fetch_all(tx).await?.into_iter().map(from_row))
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

/// Lets the period and the pauses between the checks begin anew.
pub(super) async fn restart(tx: &mut Tx, id: &OrganizationDomainId) -> Result<()> {
    tx.execute(
        "UPDATE organization_domains
         SET pending_since = $1, check_at = $1, check_count = 0, checked_at = NULL, check_result = NULL
         WHERE environment_id = $2 AND id = $3",
        &[tx.now().into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

/// A domain whose next check is due.
pub(super) struct Due {
    pub(super) environment_id: EnvironmentId,
    pub(super) check_at: Timestamp,
    pub(super) check_count: i64,
    pub(super) domain: OrganizationDomain,
}

pub(super) async fn due(tx: &mut Tx, limit: usize) -> Result<Vec<Due>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = tx
        .fetch_all(
            "SELECT environment_id, check_at, check_count,
                 id, organization_id, domain, state, verification_prefix,
                 verification_token, verification_strategy, created_at, updated_at
             FROM organization_domains
             WHERE state = 'pending' AND check_at <= $1 ORDER BY check_at LIMIT $2",
            &[tx.now().into(), limit.into()],
        )
        .await?;
    stored::all(rows.into_iter().map(|mut row| {
        let (environment_id, check_at, check_count) = (row.next()?, row.next()?, row.next()?);
        Ok(Due { environment_id, check_at, check_count, domain: from_row(row)? })
    }))
}

/// Puts off the next check; `false` if another node has taken this one. Not limited to an
/// environment, as [`due`] is not.
pub(super) async fn put_off(tx: &mut Tx, due: &Due, next: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE organization_domains SET check_at = $1, check_count = check_count + 1
             WHERE id = $2 AND state = 'pending' AND check_at = $3",
            &[next.into(), (&due.domain.id).into(), due.check_at.into()],
        )
        .await?;
    Ok(changed == 1)
}

pub(super) async fn note_check(tx: &mut Tx, id: &OrganizationDomainId, text: &str) -> Result<()> {
    tx.execute(
        "UPDATE organization_domains SET checked_at = $1, check_result = $2
         WHERE environment_id = $3 AND id = $4",
        &[tx.now().into(), text.into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn last_check(
    tx: &mut Tx,
    id: &OrganizationDomainId,
) -> Result<Option<(Timestamp, String)>> {
    tx.fetch_optional(
        "SELECT checked_at, check_result FROM organization_domains
         WHERE environment_id = $1 AND id = $2
             AND checked_at IS NOT NULL AND check_result IS NOT NULL",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?
    .map(|mut row| Ok((row.next()?, row.next()?)))
    .transpose()
}

/// When the verification began: with the domain, or when it was last begun again.
pub(super) async fn pending_since(tx: &mut Tx, id: &OrganizationDomainId) -> Result<Timestamp> {
    tx.fetch_one(
        "SELECT CASE WHEN pending_since > created_at THEN pending_since ELSE created_at END
         FROM organization_domains WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?
    .next()
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
    let unknown = || stored::unknown("the state of a domain");
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
