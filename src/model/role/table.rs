//! Roles in the database.

use super::{NewRole, RankedRole, Role};
use crate::base::Result;
use crate::base::id::{OrganizationId, RoleId};
use crate::db::{Cell, Query, Row, Tx};
use crate::model::field;

/// The default of an organization is its own, or else that of the environment.
const SELECT: &str = "SELECT id, organization_id, slug, name, description, is_default, created_at,
     updated_at FROM roles WHERE environment_id = $1";

/// Adds a role at the bottom of its list, unless its slug is taken.
pub(super) async fn insert(
    tx: &mut Tx,
    id: &RoleId,
    organization_id: Option<&OrganizationId>,
    new: &NewRole,
    is_default: bool,
) -> Result<bool> {
    let priority = next_priority(tx, organization_id).await?;
    let inserted = tx
        .execute(
            "INSERT INTO roles
             (id, environment_id, organization_id, slug, name, description, priority, is_default,
              created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) ON CONFLICT DO NOTHING",
            &[
                id.into(),
                (&tx.environment_id()).into(),
                organization_id.into(),
                (&new.slug).into(),
                (&new.name).into(),
                new.description.as_deref().into(),
                priority.into(),
                is_default.into(),
                tx.now().into(),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

async fn next_priority(tx: &mut Tx, organization_id: Option<&OrganizationId>) -> Result<i64> {
    let mut query = Query::new(
        "SELECT CAST(coalesce(max(priority), -1) + 1 AS BIGINT) FROM roles WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    limit_to(&mut query, organization_id);
    query.fetch_all(tx).await?.pop().map_or(Ok(0), |mut row| row.next())
}

/// The roles of the environment, or an organization's own, in the order of priority.
pub(super) async fn list(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: Option<&str>,
) -> Result<Vec<Role>> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    limit_to(&mut query, organization_id);
    query.and_some("slug = $?", slug);
    query.end(" ORDER BY priority, id");
    let mut roles =
        query.fetch_all(tx).await?.into_iter().map(from_row).collect::<Result<Vec<_>>>()?;
    add_permissions(tx, &mut roles).await?;
    Ok(roles)
}

/// Roles of the environment, then those of the organization, each in the order of priority; with
/// the default that holds in this organization.
pub(super) async fn ranking(
    tx: &mut Tx,
    organization_id: &OrganizationId,
) -> Result<Vec<RankedRole>> {
    tx.fetch_all(
        "SELECT r.id, r.slug, CASE WHEN o.default_role_slug IS NULL THEN r.is_default
                WHEN r.slug = o.default_role_slug THEN 1 ELSE 0 END
         FROM roles r JOIN organizations o ON o.id = $2 AND o.environment_id = r.environment_id
         WHERE r.environment_id = $1 AND (r.organization_id IS NULL OR r.organization_id = $2)
         ORDER BY CASE WHEN r.organization_id IS NULL THEN 0 ELSE 1 END, r.priority, r.id",
        &[(&tx.environment_id()).into(), organization_id.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| Ok(RankedRole { id: row.next()?, slug: row.next()?, is_default: row.next()? }))
    .collect()
}

pub(super) async fn default_slug(
    tx: &mut Tx,
    organization_id: &OrganizationId,
) -> Result<Option<String>> {
    tx.fetch_optional(
        "SELECT default_role_slug FROM organizations WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), organization_id.into()],
    )
    .await?
    .map_or(Ok(None), |mut row| row.next())
}

/// Fills in the slugs of the roles' permissions, in one statement for all.
async fn add_permissions(tx: &mut Tx, roles: &mut [Role]) -> Result<()> {
    if roles.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = roles.iter().map(|role| role.id.to_string()).collect();
    let mut query = Query::new(
        // Not by the index of the environment: each of its permissions would be tried with each role.
        "SELECT rp.role_id, p.slug FROM role_permissions rp
         JOIN permissions p ON p.id = rp.permission_id WHERE coalesce(p.environment_id, '') = $1",
        &[(&tx.environment_id()).into()],
    );
    query.and_in("rp.role_id", &ids);
    for mut row in query.fetch_all(tx).await? {
        let (role_id, slug): (RoleId, String) = (row.next()?, row.next()?);
        if let Some(role) = roles.iter_mut().find(|role| role.id == role_id) {
            role.permissions.push(slug);
        }
    }
    // Not in SQL: each engine has an order of its own for texts.
    for role in roles {
        role.permissions.sort();
    }
    Ok(())
}

/// Replaces the permissions of a role.
pub(super) async fn set_permissions(
    tx: &mut Tx,
    id: &RoleId,
    permission_ids: &[crate::base::id::PermissionId],
) -> Result<()> {
    tx.execute("DELETE FROM role_permissions WHERE role_id = $1", &[id.into()]).await?;
    for permission_id in permission_ids {
        tx.execute(
            "INSERT INTO role_permissions (role_id, permission_id) VALUES ($1, $2)
             ON CONFLICT DO NOTHING",
            &[id.into(), permission_id.into()],
        )
        .await?;
    }
    Ok(())
}

/// Writes name, description and the moment of the change.
pub(super) async fn update(tx: &mut Tx, role: &Role) -> Result<()> {
    tx.execute(
        "UPDATE roles SET name = $1, description = $2, updated_at = $3
         WHERE environment_id = $4 AND id = $5",
        &[
            (&role.name).into(),
            role.description.as_deref().into(),
            tx.now().into(),
            (&tx.environment_id()).into(),
            (&role.id).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn set_priority(tx: &mut Tx, id: &RoleId, priority: i64) -> Result<()> {
    tx.execute(
        "UPDATE roles SET priority = $1 WHERE environment_id = $2 AND id = $3",
        &[priority.into(), (&tx.environment_id()).into(), id.into()],
    )
    .await?;
    Ok(())
}

/// Makes a role the default of the environment, and the one before it not.
pub(super) async fn set_default(tx: &mut Tx, id: &RoleId) -> Result<()> {
    tx.execute(
        "UPDATE roles SET is_default = CASE WHEN id = $1 THEN 1 ELSE 0 END
         WHERE environment_id = $2 AND organization_id IS NULL",
        &[id.into(), (&tx.environment_id()).into()],
    )
    .await?;
    Ok(())
}

/// Makes a role the default of an organization.
pub(super) async fn set_organization_default(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    slug: Option<&str>,
) -> Result<()> {
    tx.execute(
        "UPDATE organizations SET default_role_slug = $1 WHERE environment_id = $2 AND id = $3",
        &[slug.into(), (&tx.environment_id()).into(), organization_id.into()],
    )
    .await?;
    Ok(())
}

pub(super) async fn delete(tx: &mut Tx, id: &RoleId) -> Result<()> {
    tx.execute(
        "DELETE FROM roles WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?;
    Ok(())
}

/// How many groups of identity providers give this role.
pub(super) async fn count_groups(tx: &mut Tx, id: &RoleId) -> Result<i64> {
    tx.fetch_one(
        "SELECT count(*) FROM connection_groups WHERE environment_id = $1 AND role_id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?
    .next()
}

/// How many organizations have chosen the role as their default.
pub(super) async fn count_organizations_by_default(tx: &mut Tx, slug: &str) -> Result<i64> {
    tx.fetch_one(
        "SELECT count(*) FROM organizations WHERE environment_id = $1 AND default_role_slug = $2",
        &[(&tx.environment_id()).into(), slug.into()],
    )
    .await?
    .next()
}

fn limit_to(query: &mut Query, organization_id: Option<&OrganizationId>) {
    match organization_id {
        Some(id) => query.and("organization_id = $?", Cell::from(id)),
        None => query.end(" AND organization_id IS NULL"),
    };
}

fn from_row(mut row: Row) -> Result<Role> {
    let id = row.next()?;
    let organization_id: Option<OrganizationId> = row.next()?;
    Ok(Role {
        slug: row.next()?,
        object: "role",
        id,
        name: row.next()?,
        description: row.next()?,
        kind: super::Kind::of(organization_id.as_ref()),
        resource_type_slug: field::ORGANIZATION,
        permissions: Vec::new(),
        is_default: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
        organization_id,
    })
}
