//! API keys of organizations: what an application gives to its customers, to call the application's
//! own API with. They open nothing here, however alike they look to keys of an environment.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{event, field, organization, permission};
use crate::base::id::{ApiKeyId, OrganizationId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};

/// How many permissions a key may have.
const MAX_PERMISSIONS: usize = 100;
/// `last_used_at` is written at most once a minute, so that a busy key is read and not written.
const USED_EVERY_MS: i64 = 60_000;

/// An API key of an organization without the key itself: that was shown once.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OrganizationApiKey {
    /// Always `api_key`.
    pub object: &'static str,
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub owner: Owner,
    /// What people call it.
    pub name: String,
    /// How it begins and ends, such as `sk_...3456`.
    pub obfuscated_value: String,
    /// When it was last found good, to the minute.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// The slugs of what it may do.
    pub permissions: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Whose a key is.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ApiKeyOwner)]
pub struct Owner {
    /// Always `organization`.
    pub r#type: &'static str,
    /// Its id.
    pub id: OrganizationId,
}

/// What a new key is made of.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
pub struct NewOrganizationApiKey {
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// The slugs of what it may do; each is a permission of the environment.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// When it is to end by itself.
    pub expires_at: Option<Timestamp>,
}

const SELECT: &str =
    "SELECT id, organization_id, name, last_four, last_used_at, expires_at, created_at, updated_at
     FROM organization_api_keys WHERE environment_id = $1";

/// Creates a key; the secret is returned here and never again.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization, [`Error::Invalid`] if a member
/// breaks its rule.
pub async fn create(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    new: &NewOrganizationApiKey,
) -> Result<(OrganizationApiKey, Secret)> {
    organization::get(tx, organization_id).await?;
    if new.expires_at.is_some_and(|moment| moment <= tx.now()) {
        return Err(Error::invalid("invalid_expiry", "expires_at", "The expiry has passed."));
    }
    if new.permissions.len() > MAX_PERMISSIONS {
        let message = format!("A key has at most {MAX_PERMISSIONS} permissions.");
        return Err(Error::invalid("too_many_permissions", "permissions", message));
    }
    let secret = Secret::random("sk_");
    let last_four = &secret.expose()[secret.expose().len() - 4..];
    let mut permissions = new.permissions.clone();
    permissions.sort();
    permissions.dedup();
    let key = OrganizationApiKey {
        object: "api_key",
        id: tx.new_id(),
        owner: Owner { r#type: "organization", id: organization_id.clone() },
        name: field::name(&new.name, 100)?,
        obfuscated_value: format!("sk_...{last_four}"),
        last_used_at: None,
        expires_at: new.expires_at,
        permissions,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    tx.execute(
        "INSERT INTO organization_api_keys
         (id, environment_id, organization_id, name, key_hash, last_four, expires_at, created_at,
          updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        &[
            (&key.id).into(),
            (&tx.environment_id()).into(),
            organization_id.into(),
            (&key.name).into(),
            (&secret.hash()).into(),
            last_four.into(),
            new.expires_at.into(),
            tx.now().into(),
        ],
    )
    .await?;
    for slug in &key.permissions {
        allow(tx, &key.id, slug).await?;
    }
    event::record(tx, "api_key.created", Some(organization_id), &key).await?;
    Ok((key, secret))
}

/// Gives a key a permission.
async fn allow(tx: &mut Tx, id: &ApiKeyId, slug: &str) -> Result<()> {
    let found = permission::get(tx, slug).await.map_err(|error| match error {
        Error::NotFound { .. } => {
            let message = format!("There is no permission '{slug}'.");
            Error::invalid("unknown_permission", "permissions", message)
        }
        error => error,
    })?;
    tx.execute(
        "INSERT INTO organization_api_key_permissions (api_key_id, permission_id) VALUES ($1, $2)",
        &[id.into(), (&found.id).into()],
    )
    .await
    .map(drop)
}

/// The key with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such key.
pub async fn get(tx: &mut Tx, id: &ApiKeyId) -> Result<OrganizationApiKey> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("id = $?", id);
    let key = query.fetch_all(tx).await?.pop().map(from_row).transpose()?;
    let mut key = key.ok_or_else(|| Error::not_found("API Key", id.as_str()))?;
    fill(tx, std::slice::from_mut(&mut key)).await?;
    Ok(key)
}

/// Lists the keys of an organization.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization.
pub async fn list(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    request: &PageRequest,
) -> Result<Page<OrganizationApiKey>> {
    organization::get(tx, organization_id).await?;
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("organization_id = $?", organization_id);
    let key = ("id", |key: &OrganizationApiKey| key.id.to_string());
    let mut page = query.fetch_page(tx, key, request, from_row).await?;
    fill(tx, &mut page.data).await?;
    Ok(page)
}

/// The key that a value is, if it is good now.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn validate(tx: &mut Tx, hash: &SecretHash) -> Result<Option<OrganizationApiKey>> {
    let found = tx
        .fetch_optional(
            "SELECT id FROM organization_api_keys
             WHERE key_hash = $1 AND environment_id = $2
             AND (expires_at IS NULL OR expires_at > $3)",
            &[hash.into(), (&tx.environment_id()).into(), tx.now().into()],
        )
        .await?;
    match found {
        Some(mut row) => get(tx, &row.next()?).await.map(Some),
        None => Ok(None),
    }
}

/// Whether it is time to note that a key was used, by [`used`].
pub fn is_use_due(key: &OrganizationApiKey, now: Timestamp) -> bool {
    key.last_used_at.is_none_or(|last| last.plus_ms(USED_EVERY_MS) <= now)
}

/// Notes that a key was used.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn used(tx: &mut Tx, id: &ApiKeyId) -> Result<()> {
    tx.execute(
        "UPDATE organization_api_keys SET last_used_at = $1 WHERE environment_id = $2 AND id = $3",
        &[tx.now().into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

/// Changes when a key ends by itself: `None` for never; a moment that has passed for now.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such key, [`Error::Conflict`] if it has ended.
pub async fn expire(
    tx: &mut Tx,
    id: &ApiKeyId,
    expires_at: Option<Timestamp>,
) -> Result<OrganizationApiKey> {
    let old = get(tx, id).await?;
    if old.expires_at.is_some_and(|moment| moment <= tx.now()) {
        let message = "The API key is already expired.";
        return Err(Error::conflict("api_key_already_expired", message));
    }
    let expires_at = expires_at.map(|moment| moment.max(tx.now()));
    if expires_at == old.expires_at {
        return Ok(old);
    }
    tx.execute(
        "UPDATE organization_api_keys SET expires_at = $1, updated_at = $2
         WHERE environment_id = $3 AND id = $4",
        &[expires_at.into(), tx.now().into(), (&tx.environment_id()).into(), id.into()],
    )
    .await?;
    let previous = json!({ "expires_at": old.expires_at });
    let new = OrganizationApiKey { expires_at, updated_at: tx.now(), ..old };
    // WorkOS has it in both places in this event.
    let mut payload = serde_json::to_value(&new).map_err(Error::internal)?;
    payload["previous_attributes"] = previous.clone();
    let organization_id = Some(&new.owner.id);
    event::record_change(tx, "api_key.updated", organization_id, &payload, Some(previous)).await?;
    Ok(new)
}

/// Deletes a key: from the commit on it is not good any more.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such key.
pub async fn delete(tx: &mut Tx, id: &ApiKeyId) -> Result<()> {
    let key = get(tx, id).await?;
    tx.execute(
        "DELETE FROM organization_api_keys WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?;
    event::record(tx, "api_key.revoked", Some(&key.owner.id), &key).await
}

/// Deletes the keys of an organization that is being deleted.
///
/// # Errors
///
/// As [`Tx::execute`].
pub(super) async fn delete_of(tx: &mut Tx, organization_id: &OrganizationId) -> Result<()> {
    let mut query = Query::new(SELECT, &[(&tx.environment_id()).into()]);
    query.and("organization_id = $?", organization_id);
    for row in query.fetch_all(tx).await? {
        delete(tx, &from_row(row)?.id).await?;
    }
    Ok(())
}

/// Adds what the keys may do.
async fn fill(tx: &mut Tx, keys: &mut [OrganizationApiKey]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = keys.iter().map(|key| key.id.to_string()).collect();
    let mut query = Query::new(
        "SELECT api_key_id, slug FROM organization_api_key_permissions
         JOIN permissions ON permissions.id = permission_id WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    query.and_in("api_key_id", &ids).end(" ORDER BY slug");
    for mut row in query.fetch_all(tx).await? {
        let (id, slug): (String, String) = (row.next()?, row.next()?);
        if let Some(key) = keys.iter_mut().find(|key| key.id.as_str() == id) {
            key.permissions.push(slug);
        }
    }
    Ok(())
}

fn from_row(mut row: Row) -> Result<OrganizationApiKey> {
    Ok(OrganizationApiKey {
        object: "api_key",
        id: row.next()?,
        owner: Owner { r#type: "organization", id: row.next()? },
        name: row.next()?,
        obfuscated_value: format!("sk_...{}", row.next::<String>()?),
        last_used_at: row.next()?,
        expires_at: row.next()?,
        permissions: Vec::new(),
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}
