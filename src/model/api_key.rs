//! API keys of an environment: the application's secret, and the OAuth client secret.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{audit, field};
use crate::base::id::{ApiKeyId, EnvironmentId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Query, Row, Tx};

/// What a key may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everything in its environment.
    #[default]
    Full,
    /// To look at what is no secret. No login is finished with it.
    Read,
}

impl Access {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Read => "read",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Full, Self::Read].into_iter().find(|access| access.as_str() == word)
    }

    fn from_stored(word: &str) -> Result<Self> {
        Self::parse(word).ok_or_else(|| stored::unknown("the access of an API key"))
    }
}

/// An API key without the key itself: that was shown once.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ApiKey {
    /// Always `environment_api_key`.
    pub object: &'static str,
    /// Its id.
    pub id: ApiKeyId,
    /// What people call it.
    pub name: String,
    /// How it begins and ends, such as `sk_...3456`.
    pub obfuscated_value: String,
    /// What it may do.
    pub access: Access,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
}

/// What a new key is made of.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
pub struct NewApiKey {
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// When it is to end by itself.
    pub expires_at: Option<Timestamp>,
    /// What it may do; everything, if nobody says.
    #[serde(default)]
    pub access: Access,
}

impl NewApiKey {
    /// A key of this name that may do everything, until it is revoked.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), expires_at: None, access: Access::Full }
    }
}

/// Creates a key; the secret is returned here and never again.
///
/// # Errors
///
/// [`Error::Invalid`] if the name is empty or too long, or the expiry has passed.
pub async fn create(tx: &mut Tx, new: &NewApiKey) -> Result<(ApiKey, Secret)> {
    let name = field::name(&new.name, 100)?;
    if new.expires_at.is_some_and(|moment| moment <= tx.now()) {
        return Err(Error::invalid("invalid_expiry", "expires_at", "The expiry has passed."));
    }
    let secret = Secret::random("sk_");
    let last_four = &secret.expose()[secret.expose().len() - 4..];
    let key = ApiKey {
        object: "environment_api_key",
        id: tx.new_id(),
        name,
        obfuscated_value: format!("sk_...{last_four}"),
        access: new.access,
        created_at: tx.now(),
        expires_at: new.expires_at,
        revoked_at: None,
    };
    tx.execute(
        "INSERT INTO api_keys
         (id, environment_id, name, key_hash, last_four, created_at, expires_at, access)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            (&key.id).into(),
            (&tx.environment_id()).into(),
            (&key.name).into(),
            (&secret.hash()).into(),
            last_four.into(),
            tx.now().into(),
            new.expires_at.into(),
            new.access.as_str().into(),
        ],
    )
    .await?;
    let details = json!({ "name": key.name, "expires_at": key.expires_at, "access": key.access });
    audit::record(tx, "api_key.created", key.id.as_str(), details).await?;
    Ok((key, secret))
}

/// A key that can be used.
#[derive(Debug)]
pub struct ValidKey {
    /// The environment that it is a key of.
    pub environment_id: EnvironmentId,
    /// Its id.
    pub id: ApiKeyId,
    /// What it may do.
    pub access: Access,
    expires_at: Option<Timestamp>,
}

/// A key that is valid now, from memory as long as the configuration is the same. Finds the environment,
/// so it is not limited to one.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn recall_by_hash(tx: &mut Tx, hash: &SecretHash) -> Result<Option<Arc<ValidKey>>> {
    let load = async |tx: &mut Tx| {
        let sql = "SELECT environment_id, id, access, expires_at FROM api_keys
             WHERE key_hash = $1 AND revoked_at IS NULL";
        let row = tx.fetch_optional(sql, &[hash.into()]).await?;
        stored::one(row.map(|mut row| {
            Ok(ValidKey {
                environment_id: row.next()?,
                id: row.next()?,
                access: Access::from_stored(&row.next::<String>()?)?,
                expires_at: row.next()?,
            })
        }))
    };
    let known = tx.recall("API key", hash.as_bytes(), load).await?;
    let now = tx.now();
    Ok(known.filter(|key| key.expires_at.is_none_or(|moment| moment > now)))
}

/// Lists the keys of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<ApiKey>> {
    Query::new(
        "SELECT id, name, last_four, created_at, expires_at, revoked_at, access FROM api_keys
         WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    )
    .fetch_page(tx, ("id", |key: &ApiKey| key.id.to_string()), request, from_row)
    .await
}

/// Revokes a key: from the commit on, no request with it succeeds.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such key.
pub async fn revoke(tx: &mut Tx, id: &str) -> Result<()> {
    let changed = tx
        .execute(
            "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $1)
             WHERE environment_id = $2 AND id = $3",
            &[tx.now().into(), (&tx.environment_id()).into(), id.into()],
        )
        .await?;
    if changed == 0 {
        return Err(Error::not_found("API Key", id));
    }
    audit::record(tx, "api_key.revoked", id, json!({})).await
}

fn from_row(mut row: Row) -> Result<ApiKey> {
    Ok(ApiKey {
        object: "environment_api_key",
        id: row.next()?,
        name: row.next()?,
        obfuscated_value: format!("sk_...{}", row.next::<String>()?),
        created_at: row.next()?,
        expires_at: row.next()?,
        revoked_at: row.next()?,
        access: Access::from_stored(&row.next::<String>()?)?,
    })
}
