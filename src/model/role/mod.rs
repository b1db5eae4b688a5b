//! Roles: of the whole environment, or of one organization.
//!
//! A list of roles is in the order of priority. In an organization the roles of the environment
//! come first, then its own.

mod happening;
mod slug;
mod table;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{environment, field, permission};
use crate::base::id::{OrganizationId, RoleId};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;
use happening::{Happening, record};

pub use slug::from_name as slug_from_name;

/// How many roles an environment, or one organization, may have.
const MAX_ROLES: usize = 200;

/// A role with its permissions.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Role {
    /// The word that the application knows it by.
    pub slug: String,
    /// Always `role`.
    pub object: &'static str,
    /// Its id.
    pub id: RoleId,
    /// What people call it.
    pub name: String,
    /// What it is for.
    #[schema(required)]
    pub description: Option<String>,
    /// Whose role it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Always `organization`.
    pub resource_type_slug: &'static str,
    /// The slugs of its permissions, sorted.
    pub permissions: Vec<String>,
    /// Whether people without a matching group get it. (Not in WorkOS's API.)
    pub is_default: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The organization whose own role it is.
    #[serde(skip)]
    pub organization_id: Option<OrganizationId>,
}

/// Whose role it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub enum Kind {
    /// A role of the environment, which every organization has.
    EnvironmentRole,
    /// A role of one organization only.
    OrganizationRole,
}

impl Kind {
    fn of(organization_id: Option<&OrganizationId>) -> Self {
        if organization_id.is_some() { Self::OrganizationRole } else { Self::EnvironmentRole }
    }
}

/// As much of a role as a login needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankedRole {
    /// Its id.
    pub id: RoleId,
    /// The word that the application knows it by.
    pub slug: String,
    /// Whether people without a matching group get it in this organization.
    pub is_default: bool,
}

/// What a new role is made of.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
pub struct NewRole {
    /// 1 to 48 characters: a–z, 0–9, `-` and `_`; with `org-` in front if it is an organization's.
    pub slug: String,
    /// 1 to 48 characters.
    pub name: String,
    /// At most 150 characters.
    pub description: Option<String>,
    /// Only `organization`.
    pub resource_type_slug: Option<String>,
}

/// What is to be changed of a role; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// The new description, or none any more.
    pub description: Option<Option<String>>,
}

/// Creates the two roles that every environment begins with: `admin`, and `member`, the default.
///
/// # Errors
///
/// As [`Tx::execute`].
pub(super) async fn create_first(tx: &mut Tx) -> Result<()> {
    for (slug, name) in [("admin", "Admin"), ("member", "Member")] {
        let id = tx.new_id();
        let new = NewRole {
            slug: slug.to_owned(),
            name: name.to_owned(),
            description: None,
            resource_type_slug: None,
        };
        table::insert(tx, &id, None, &new, slug == "member").await?;
    }
    Ok(())
}

/// Creates a role of the environment, or of an organization, at the bottom of the priority order.
///
/// # Errors
///
/// [`Error::Invalid`] if a member breaks its rule, [`Error::Conflict`] if the slug is taken.
pub async fn create(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    new: &NewRole,
) -> Result<Role> {
    slug::check(&new.slug, organization_id)?;
    field::resource_type(new.resource_type_slug.as_deref())?;
    let new = NewRole {
        slug: new.slug.clone(),
        name: field::name(&new.name, 48)?,
        description: field::description(new.description.as_deref(), 150)?,
        resource_type_slug: None,
    };
    if table::list(tx, organization_id, None).await?.len() >= MAX_ROLES {
        let message = format!("There are at most {MAX_ROLES} roles.");
        return Err(Error::invalid("too_many_roles", "slug", message));
    }
    let id = tx.new_id();
    if !table::insert(tx, &id, organization_id, &new, false).await? {
        let code = match organization_id {
            Some(_) => "organization_role_slug_conflict",
            None => "role_slug_conflict",
        };
        let message = format!("A role with the slug '{}' already exists.", new.slug);
        return Err(Error::conflict(code, message));
    }
    let role = get(tx, organization_id, &new.slug).await?;
    record(tx, Happening::Created, &role, None).await?;
    Ok(role)
}

/// The role of the environment, or an organization's own role, with this slug.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none.
pub async fn get(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: &str,
) -> Result<Role> {
    table::list(tx, organization_id, Some(slug))
        .await?
        .pop()
        .ok_or_else(|| Error::not_found("Role", slug))
}

/// The role with this slug that applies in an organization: its own, or one of the environment.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none.
pub async fn get_for_organization(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    slug: &str,
) -> Result<Role> {
    let roles = for_organization(tx, organization_id).await?;
    roles.into_iter().find(|role| role.slug == slug).ok_or_else(|| Error::not_found("Role", slug))
}

/// The roles of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx) -> Result<Vec<Role>> {
    table::list(tx, None, None).await
}

/// The roles that apply in an organization. `is_default` says what holds there.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn for_organization(tx: &mut Tx, organization_id: &OrganizationId) -> Result<Vec<Role>> {
    let mut roles = table::list(tx, None, None).await?;
    roles.extend(table::list(tx, Some(organization_id), None).await?);
    if let Some(default) = table::default_slug(tx, organization_id).await? {
        for role in &mut roles {
            role.is_default = role.slug == default;
        }
    }
    Ok(roles)
}

/// The roles that apply in an organization, as a login needs them: one statement.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn ranking(tx: &mut Tx, organization_id: &OrganizationId) -> Result<Vec<RankedRole>> {
    table::ranking(tx, organization_id).await
}

/// Changes a role of the environment, or an organization's own.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none, [`Error::Invalid`] if a member breaks its rule.
pub async fn update(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: &str,
    change: &Change,
) -> Result<Role> {
    environment::lock(tx).await?;
    let old = get(tx, organization_id, slug).await?;
    let mut new = Role { updated_at: tx.now(), ..old.clone() };
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
    table::update(tx, &new).await?;
    record(tx, Happening::Updated, &new, Some(previous.into())).await?;
    Ok(new)
}

/// Makes a role of the environment the one that people without a matching group get.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such role.
pub async fn make_default(tx: &mut Tx, slug: &str) -> Result<Role> {
    environment::lock(tx).await?;
    let role = get(tx, None, slug).await?;
    if !role.is_default {
        table::set_default(tx, &role.id).await?;
    }
    get(tx, None, slug).await
}

/// Makes a role the default of one organization, whatever the environment's is; `None` goes back
/// to the environment's.
///
/// # Errors
///
/// [`Error::NotFound`] if no such role applies in the organization.
pub async fn make_organization_default(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    slug: Option<&str>,
) -> Result<()> {
    environment::lock(tx).await?;
    if let Some(slug) = slug {
        get_for_organization(tx, organization_id, slug).await?;
    }
    table::set_organization_default(tx, organization_id, slug).await
}

/// The slug of the role that an organization has made its default, if it has.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn organization_default(
    tx: &mut Tx,
    organization_id: &OrganizationId,
) -> Result<Option<String>> {
    table::default_slug(tx, organization_id).await
}

/// Puts the roles of the environment, or an organization's own, in a new order of priority.
///
/// # Errors
///
/// [`Error::Invalid`] unless each of these roles is named exactly once.
pub async fn reorder(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slugs: &[String],
) -> Result<Vec<Role>> {
    environment::lock(tx).await?;
    let roles = table::list(tx, organization_id, None).await?;
    if slugs.len() != roles.len() {
        return Err(invalid_order());
    }
    rearrange(tx, &roles, 0, slugs).await?;
    table::list(tx, organization_id, None).await
}

/// Orders some neighbours anew: the roles of the environment from the place `first` on, 0 being that
/// of the most important. The others stay where they are.
///
/// # Errors
///
/// [`Error::Invalid`] if the roles at these places are others than those that are named.
pub async fn reorder_part(tx: &mut Tx, first: usize, slugs: &[String]) -> Result<()> {
    environment::lock(tx).await?;
    let roles = table::list(tx, None, None).await?;
    rearrange(tx, &roles, first, slugs).await
}

/// Gives the roles from a place on the order of the slugs.
async fn rearrange(tx: &mut Tx, roles: &[Role], first: usize, slugs: &[String]) -> Result<()> {
    let end = first.saturating_add(slugs.len());
    let part = roles.get(first..end).ok_or_else(invalid_order)?;
    let named = |role: &Role| slugs.iter().filter(|slug| **slug == role.slug).count() == 1;
    if !part.iter().all(named) {
        return Err(invalid_order());
    }
    let arranged = slugs.iter().filter_map(|slug| part.iter().find(|role| role.slug == *slug));
    let all = roles[..first].iter().chain(arranged).chain(&roles[end..]);
    // All of them: a role that was deleted has left a gap.
    for (priority, role) in (0..).zip(all) {
        table::set_priority(tx, &role.id, priority).await?;
    }
    Ok(())
}

fn invalid_order() -> Error {
    let message = "The order must name every role exactly once.";
    Error::invalid("invalid_role_order", "slugs", message)
}

/// Gives a role exactly these permissions.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such role, or no such permission.
pub async fn set_permissions(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: &str,
    permissions: &[String],
) -> Result<Role> {
    environment::lock(tx).await?;
    let old = get(tx, organization_id, slug).await?;
    let mut ids = Vec::new();
    for permission in permissions {
        ids.push(permission::get(tx, permission).await?.id);
    }
    let mut sorted = permissions.to_vec();
    sorted.sort();
    sorted.dedup();
    if sorted == old.permissions {
        return Ok(old);
    }
    let new = Role { permissions: sorted, updated_at: tx.now(), ..old.clone() };
    table::set_permissions(tx, &old.id, &ids).await?;
    table::update(tx, &new).await?;
    let previous = json!({ "permissions": old.permissions });
    record(tx, Happening::Updated, &new, Some(previous)).await?;
    Ok(new)
}

/// Gives a role one more permission; nothing happens if it has it.
///
/// # Errors
///
/// As [`set_permissions`].
pub async fn add_permission(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: &str,
    permission: &str,
) -> Result<Role> {
    environment::lock(tx).await?;
    let mut permissions = get(tx, organization_id, slug).await?.permissions;
    permissions.push(permission.to_owned());
    set_permissions(tx, organization_id, slug, &permissions).await
}

/// Takes a permission from a role.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such role, or it has no such permission.
pub async fn remove_permission(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: &str,
    permission: &str,
) -> Result<Role> {
    environment::lock(tx).await?;
    let mut permissions = get(tx, organization_id, slug).await?.permissions;
    let before = permissions.len();
    permissions.retain(|known| known != permission);
    if permissions.len() == before {
        return Err(Error::not_found("Permission", permission));
    }
    set_permissions(tx, organization_id, slug, &permissions).await
}

/// Deletes a role of the environment, or an organization's own.
///
/// # Errors
///
/// [`Error::NotFound`] if there is none; [`Error::Conflict`] if it is a default, or groups of
/// identity providers give it.
pub async fn delete(
    tx: &mut Tx,
    organization_id: Option<&OrganizationId>,
    slug: &str,
) -> Result<()> {
    environment::lock(tx).await?;
    let role = get(tx, organization_id, slug).await?;
    let is_default = match organization_id {
        Some(id) => table::default_slug(tx, id).await?.as_deref() == Some(slug),
        None => role.is_default || table::count_organizations_by_default(tx, slug).await? > 0,
    };
    if is_default {
        let message =
            format!("The role '{slug}' is a default: make another role the default first.");
        return Err(Error::conflict("role_is_default", message));
    }
    if table::count_groups(tx, &role.id).await? > 0 {
        let message = format!("The role '{slug}' is mapped to groups of a connection.");
        return Err(Error::conflict("role_has_group_role_mappings", message));
    }
    table::delete(tx, &role.id).await?;
    record(tx, Happening::Deleted, &role, None).await
}
