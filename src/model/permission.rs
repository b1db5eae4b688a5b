//! Permissions: what a role may allow in the application. Only their slugs mean something here.

use serde::Serialize;
use serde_json::json;

use super::{environment, event, field};
use crate::base::id::PermissionId;
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};

/// A permission.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Permission {
    /// Always `permission`.
    pub object: &'static str,
    /// Its id.
    pub id: PermissionId,
    /// The word that the application knows it by.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// What it allows.
    #[schema(required)]
    pub description: Option<String>,
    /// Whether the service made it, so that it cannot be changed.
    pub system: bool,
    /// Always `organization`.
    pub resource_type_slug: &'static str,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// What a new permission is made of.
#[derive(Clone, Debug, serde::Deserialize, utoipa::ToSchema)]
pub struct NewPermission {
    /// 1 to 48 characters: a–z, 0–9 and `-_:.*`.
    pub slug: String,
    /// 1 to 48 characters.
    pub name: String,
    /// At most 150 characters.
    pub description: Option<String>,
    /// Only `organization`.
    pub resource_type_slug: Option<String>,
}

/// What is to be changed of a permission; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// The new description, or none any more.
    pub description: Option<Option<String>>,
}

const SELECT: &str = "SELECT id, slug, name, description, is_system, created_at, updated_at
     FROM permissions WHERE environment_id = $1";

/// Creates a permission.
///
/// # Errors
///
/// [`Error::Invalid`] if a member breaks its rule, [`Error::Conflict`] if the slug is taken.
pub async fn create(tx: &mut Tx, new: &NewPermission) -> Result<Permission> {
    field::slug(&new.slug, "-_:.*")?;
    field::resource_type(new.resource_type_slug.as_deref())?;
    let permission = Permission {
        object: "permission",
        id: tx.new_id(),
        slug: new.slug.clone(),
        name: field::name(&new.name, 48)?,
        description: field::description(new.description.as_deref(), 150)?,
        system: false,
        resource_type_slug: field::ORGANIZATION,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let inserted = tx
        .execute(
            "INSERT INTO permissions
             (id, environment_id, slug, name, description, is_system, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, 0, $6, $6) ON CONFLICT DO NOTHING",
            &[
                (&permission.id).into(),
                (&tx.environment_id()).into(),
                (&permission.slug).into(),
                (&permission.name).into(),
                permission.description.as_deref().into(),
                tx.now().into(),
            ],
        )
        .await?;
    if inserted == 0 {
        let message = format!("A permission with the slug '{}' already exists.", new.slug);
        return Err(Error::conflict("permission_slug_conflict", message));
    }
    event::record(tx, "permission.created", None, &permission).await?;
    Ok(permission)
}

/// The permission with this slug.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such permission.
pub async fn get(tx: &mut Tx, slug: &str) -> Result<Permission> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("slug = $?", slug);
    query
        .fetch_all(tx)
        .await?
        .pop()
        .map(from_row)
        .transpose()?
        .ok_or_else(|| Error::not_found("Permission", slug))
}

/// Lists the permissions of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<Permission>> {
    Query::new(SELECT, &[(&tx.environment_id()).into()])
        .fetch_page(tx, ("id", |item: &Permission| item.id.to_string()), request, from_row)
        .await
}

/// Changes a permission.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such permission, [`Error::Denied`] if the service
/// made it, [`Error::Invalid`] if a member breaks its rule.
pub async fn update(tx: &mut Tx, slug: &str, change: &Change) -> Result<Permission> {
    environment::lock(tx).await?;
    let old = get(tx, slug).await?;
    check_not_system(&old)?;
    let mut new = Permission { updated_at: tx.now(), ..old.clone() };
    let mut previous = serde_json::Map::new();
    if let Some(name) = &change.name {
        new.name = field::name(name, 48)?;
    }
    if let Some(description) = &change.description {
        new.description = field::description(description.as_deref(), 150)?;
    }
    if new.name != old.name {
        previous.insert("name".to_owned(), json!(old.name));
    }
    if new.description != old.description {
        previous.insert("description".to_owned(), json!(old.description));
    }
    if previous.is_empty() {
        return Ok(old);
    }
    tx.execute(
        "UPDATE permissions SET name = $1, description = $2, updated_at = $3
         WHERE environment_id = $4 AND id = $5",
        &[
            (&new.name).into(),
            new.description.as_deref().into(),
            tx.now().into(),
            (&tx.environment_id()).into(),
            (&new.id).into(),
        ],
    )
    .await?;
    event::record_change(tx, "permission.updated", None, &new, Some(previous.into())).await?;
    Ok(new)
}

/// Deletes a permission and takes it from all roles.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such permission, [`Error::Denied`] if the service
/// made it.
pub async fn delete(tx: &mut Tx, slug: &str) -> Result<()> {
    let permission = get(tx, slug).await?;
    check_not_system(&permission)?;
    tx.execute(
        "DELETE FROM permissions WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), (&permission.id).into()],
    )
    .await?;
    event::record(tx, "permission.deleted", None, &permission).await
}

fn check_not_system(permission: &Permission) -> Result<()> {
    if permission.system {
        return Err(Error::Denied { reason: "A system permission cannot be changed.".to_owned() });
    }
    Ok(())
}

fn from_row(mut row: Row) -> Result<Permission> {
    Ok(Permission {
        object: "permission",
        id: row.next()?,
        slug: row.next()?,
        name: row.next()?,
        description: row.next()?,
        system: row.next()?,
        resource_type_slug: field::ORGANIZATION,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}
