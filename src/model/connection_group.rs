//! Groups of the identity provider on a connection, and the role that each gives.

use serde::Serialize;
use serde_json::json;

use super::role::{self, Role};
use super::{audit, connection};
use crate::base::id::{ConnectionGroupId, ConnectionId, RoleId};
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};
use crate::model::profile::RoleSlug;

/// A group and its role.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ConnectionGroup {
    /// Always `connection_group`.
    pub object: &'static str,
    /// Its id.
    pub id: ConnectionGroupId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The group as the identity provider names it: Okta's group name, Entra's object id.
    pub idp_id: String,
    /// What people call it.
    #[schema(required)]
    pub name: Option<String>,
    /// The role of its members.
    pub role: RoleSlug,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The role's id.
    #[serde(skip)]
    pub role_id: RoleId,
}

/// What a new group is made of.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// The group as the identity provider names it: compared byte for byte, never trimmed.
    pub idp_id: String,
    /// What people call it.
    pub name: Option<String>,
    /// The slug of the role, of the organization or of the environment.
    pub role: String,
}

/// A change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The group as the identity provider names it.
    pub idp_id: Option<String>,
    /// What people call it; `Some(None)` removes it.
    pub name: Option<Option<String>>,
    /// The slug of the role.
    pub role: Option<String>,
}

const SELECT: &str = "SELECT g.id, g.connection_id, g.idp_id, g.name, r.slug, g.created_at,
    g.updated_at, g.role_id
    FROM connection_groups g JOIN roles r ON r.id = g.role_id WHERE g.environment_id = $1";

/// Adds a group to a connection.
///
/// # Errors
///
/// [`Error::NotFound`] if the connection is not there, [`Error::Invalid`] for a bad value or a role
/// that the organization does not have, [`Error::Conflict`] if the connection has the group already.
pub async fn create(tx: &mut Tx, connection_id: &str, new: &NewGroup) -> Result<ConnectionGroup> {
    let connection = connection::get(tx, connection_id).await?;
    check(&new.idp_id, new.name.as_deref())?;
    let role = find_role(tx, &connection, &new.role).await?;
    let group = ConnectionGroup {
        object: "connection_group",
        id: tx.new_id(),
        connection_id: connection.id,
        idp_id: new.idp_id.clone(),
        name: new.name.clone(),
        role: RoleSlug { slug: role.slug },
        created_at: tx.now(),
        updated_at: tx.now(),
        role_id: role.id,
    };
    let stored = tx
        .execute(
            "INSERT INTO connection_groups
             (id, environment_id, connection_id, idp_id, name, role_id, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
             ON CONFLICT (connection_id, idp_id) DO NOTHING",
            &[
                (&group.id).into(),
                (&tx.environment_id()).into(),
                (&group.connection_id).into(),
                (&group.idp_id).into(),
                group.name.as_deref().into(),
                (&group.role_id).into(),
                tx.now().into(),
            ],
        )
        .await?;
    if stored == 0 {
        return Err(exists());
    }
    let details = described(&group);
    audit::record(tx, "connection_group.created", group.id.as_str(), details).await?;
    Ok(group)
}

/// Changes a group.
///
/// # Errors
///
/// As [`create`].
pub async fn change(
    tx: &mut Tx,
    (connection_id, id): (&str, &str),
    change: &Change,
) -> Result<ConnectionGroup> {
    let connection = connection::get_to_change(tx, connection_id).await?;
    let mut group = get(tx, connection_id, id).await?;
    let before = described(&group);
    if let Some(idp_id) = &change.idp_id {
        group.idp_id.clone_from(idp_id);
    }
    if let Some(name) = &change.name {
        group.name.clone_from(name);
    }
    check(&group.idp_id, group.name.as_deref())?;
    if let Some(slug) = &change.role {
        let role = find_role(tx, &connection, slug).await?;
        (group.role.slug, group.role_id) = (role.slug, role.id);
    }
    group.updated_at = tx.now();
    let taken = tx
        .fetch_optional(
            "SELECT id FROM connection_groups WHERE connection_id = $1 AND idp_id = $2 AND id <> $3",
            &[(&group.connection_id).into(), (&group.idp_id).into(), (&group.id).into()],
        )
        .await?;
    if taken.is_some() {
        return Err(exists());
    }
    tx.execute(
        "UPDATE connection_groups SET idp_id = $1, name = $2, role_id = $3, updated_at = $4
         WHERE environment_id = $5 AND id = $6",
        &[
            (&group.idp_id).into(),
            group.name.as_deref().into(),
            (&group.role_id).into(),
            tx.now().into(),
            (&tx.environment_id()).into(),
            (&group.id).into(),
        ],
    )
    .await?;
    let details = json!({ "before": before, "after": described(&group) });
    audit::record(tx, "connection_group.updated", group.id.as_str(), details).await?;
    Ok(group)
}

/// What the audit trail shows of a group.
fn described(group: &ConnectionGroup) -> serde_json::Value {
    json!({
        "connection_id": group.connection_id,
        "idp_id": group.idp_id,
        "name": group.name,
        "role": group.role.slug,
    })
}

/// Removes a group from a connection.
///
/// # Errors
///
/// [`Error::NotFound`] if the connection has no such group.
pub async fn delete(tx: &mut Tx, connection_id: &str, id: &str) -> Result<()> {
    let group = get(tx, connection_id, id).await?;
    tx.execute(
        "DELETE FROM connection_groups WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), (&group.id).into()],
    )
    .await?;
    let details = json!({ "before": described(&group) });
    audit::record(tx, "connection_group.deleted", group.id.as_str(), details).await
}

/// One group of a connection.
///
/// # Errors
///
/// [`Error::NotFound`] if the connection has no such group.
pub async fn get(tx: &mut Tx, connection_id: &str, id: &str) -> Result<ConnectionGroup> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("g.connection_id = $?", connection_id).and("g.id = $?", id);
    let row = query.fetch_all(tx).await?.pop();
    row.map(from_row).transpose()?.ok_or_else(|| Error::not_found("Group", id))
}

/// Lists the groups of a connection.
///
/// # Errors
///
/// [`Error::NotFound`] if the connection is not there.
pub async fn list(
    tx: &mut Tx,
    connection_id: &str,
    page: &PageRequest,
) -> Result<Page<ConnectionGroup>> {
    connection::get(tx, connection_id).await?;
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("g.connection_id = $?", connection_id);
    let key = |group: &ConnectionGroup| group.id.to_string();
    query.fetch_page(tx, ("g.id", key), page, from_row).await
}

/// All groups of a connection, for a login.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn all(tx: &mut Tx, connection_id: &ConnectionId) -> Result<Vec<ConnectionGroup>> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("g.connection_id = $?", connection_id);
    query.fetch_all(tx).await?.into_iter().map(from_row).collect()
}

async fn find_role(tx: &mut Tx, connection: &connection::Connection, slug: &str) -> Result<Role> {
    let roles = role::for_organization(tx, &connection.organization_id).await?;
    roles.into_iter().find(|role| role.slug == slug).ok_or_else(|| {
        Error::invalid("role_not_found", "role", format!("The organization has no role '{slug}'."))
    })
}

fn check(idp_id: &str, name: Option<&str>) -> Result<()> {
    if idp_id.is_empty() || idp_id.len() > 1024 || idp_id.chars().any(char::is_control) {
        let message = "A group of the identity provider has 1 to 1024 bytes.";
        return Err(Error::invalid("invalid_idp_id", "idp_id", message));
    }
    if name.is_some_and(|name| name.chars().count() > 200 || name.chars().any(char::is_control)) {
        return Err(Error::invalid("invalid_name", "name", "A name has at most 200 characters."));
    }
    Ok(())
}

fn exists() -> Error {
    Error::conflict("connection_group_conflict", "The connection has a group with this IdP id.")
}

fn from_row(mut row: Row) -> Result<ConnectionGroup> {
    Ok(ConnectionGroup {
        object: "connection_group",
        id: row.next()?,
        connection_id: row.next()?,
        idp_id: row.next()?,
        name: row.next()?,
        role: RoleSlug { slug: row.next()? },
        created_at: row.next()?,
        updated_at: row.next()?,
        role_id: row.next()?,
    })
}
