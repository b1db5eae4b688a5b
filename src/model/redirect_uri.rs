//! Redirect URIs: where an application may have its people sent back to.

use serde::Serialize;
use serde_json::json;

use super::{audit, environment};
use crate::base::id::RedirectUriId;
use crate::base::page::{Page, PageRequest};
use crate::base::redirect_uri::{
    check_registration, has_wildcard, leaving_address, matches, matches_origin,
};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};

/// How many redirect URIs an environment may have.
const MAX_PER_ENVIRONMENT: i64 = 1000;

/// A registered redirect URI.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RedirectUri {
    /// Always `redirect_uri`.
    pub object: &'static str,
    /// Its id.
    pub id: RedirectUriId,
    /// The URI, compared byte for byte; `*` in the left-most label of its host or as its port is
    /// a wildcard.
    pub uri: String,
    /// Whether it is used where a request names none.
    #[serde(rename = "default")]
    pub is_default: bool,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Registers a redirect URI. The first one without a wildcard becomes the default.
///
/// # Errors
///
/// [`Error::Invalid`] if it breaks a rule of the environment's kind, [`Error::Conflict`] if it is
/// registered already.
pub async fn create(tx: &mut Tx, uri: &str) -> Result<RedirectUri> {
    environment::lock(tx).await?;
    let environment = environment::current(tx).await?;
    check_registration(uri, environment.kind.redirect_rules())?;
    check_count(tx).await?;
    let is_default = !has_wildcard(uri) && find_default(tx).await?.is_none();
    let created = insert(tx, uri, is_default).await?.ok_or_else(|| {
        let message = format!("Redirect URI '{uri}' already exists.");
        Error::conflict("redirect_uri_already_exists", message)
    })?;
    let details = json!({ "uri": uri, "default": is_default });
    audit::record(tx, "redirect_uri.created", created.id.as_str(), details).await?;
    Ok(created)
}

/// The redirect URI with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such redirect URI.
pub async fn get(tx: &mut Tx, id: &RedirectUriId) -> Result<RedirectUri> {
    find(tx, "id = $2", id.as_str()).await?.ok_or_else(|| not_found(id))
}

/// Lists the redirect URIs of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<RedirectUri>> {
    Query::new(
        "SELECT id, uri, is_default, created_at, updated_at FROM redirect_uris
         WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    )
    .fetch_page(tx, ("id", |uri: &RedirectUri| uri.id.to_string()), request, from_row)
    .await
}

/// The registered redirect URI that allows a request for `requested`: the one with the same bytes,
/// or else one whose wildcard covers it.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_match(tx: &mut Tx, requested: &str) -> Result<Option<RedirectUri>> {
    // PostgreSQL knows no NUL, and nothing that long is registered.
    if requested.len() > crate::base::redirect_uri::MAX_BYTES || requested.contains('\0') {
        return Ok(None);
    }
    if !has_wildcard(requested)
        && let Some(exact) = find(tx, "uri = $2", requested).await?
    {
        return Ok(Some(exact));
    }
    let with_wildcard = tx
        .fetch_all(
            "SELECT id, uri, is_default, created_at, updated_at FROM redirect_uris
             WHERE environment_id = $1 AND uri LIKE '%*%' ORDER BY id",
            &[(&tx.environment_id()).into()],
        )
        .await?;
    for row in with_wildcard {
        let registered = from_row(row)?;
        if matches(&registered.uri, requested) {
            return Ok(Some(registered));
        }
    }
    Ok(None)
}

/// Whether a registered redirect URI allows a request for `requested`, from memory as long as the
/// configuration is the same.
///
/// # Errors
///
/// As [`find_match`].
pub async fn recall_match(tx: &mut Tx, requested: &str) -> Result<bool> {
    let load = async |tx: &mut Tx| find_match(tx, requested).await;
    Ok(tx.recall("redirect URI", requested.as_bytes(), load).await?.is_some())
}

/// An address that the browser may be sent to when it leaves a page of ours; the empty one is none.
///
/// It must be on an origin where the application has registered a redirect URI: else a link of ours
/// would lead to any page of anybody (an open redirector, RFC 9700 section 4.11).
///
/// # Errors
///
/// [`Error::Invalid`] for `field` if it is not.
pub async fn check_address(
    tx: &mut Tx,
    field: &'static str,
    address: Option<&str>,
) -> Result<Option<String>> {
    let Some(address) = address.filter(|address| !address.is_empty()) else { return Ok(None) };
    let refuse = |reason: &str| {
        let message = format!("{field} is invalid. {reason}");
        Err(Error::invalid("invalid_url", field, message))
    };
    let rules = environment::current(tx).await?.kind.redirect_rules();
    let url = match leaving_address(address, rules) {
        Ok(url) => url,
        Err(reason) => return refuse(reason),
    };
    if !has_origin(tx, &url.origin().ascii_serialization()).await? {
        return refuse("Register a redirect URI of the same origin first.");
    }
    Ok(Some(url.into()))
}

/// Whether the browser may still be sent to the address: the redirect URI that allowed it may be
/// gone by now.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn still_allowed(tx: &mut Tx, address: Option<&str>) -> Result<Option<String>> {
    match check_address(tx, "return_url", address).await {
        Err(Error::Invalid { .. }) => Ok(None),
        other => other,
    }
}

/// Whether a redirect URI is registered on this origin, such as `https://app.example.com`.
async fn has_origin(tx: &mut Tx, origin: &str) -> Result<bool> {
    let rows = tx
        .fetch_all(
            "SELECT uri FROM redirect_uris WHERE environment_id = $1",
            &[(&tx.environment_id()).into()],
        )
        .await?;
    for mut row in rows {
        if matches_origin(&row.next::<String>()?, origin) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The redirect URI that is used where a request names none.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_default(tx: &mut Tx) -> Result<Option<RedirectUri>> {
    tx.fetch_optional(
        "SELECT id, uri, is_default, created_at, updated_at FROM redirect_uris
         WHERE environment_id = $1 AND is_default = 1",
        &[(&tx.environment_id()).into()],
    )
    .await?
    .map(from_row)
    .transpose()
}

/// Makes a redirect URI the default.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such redirect URI, [`Error::Invalid`] if it has a
/// wildcard.
pub async fn make_default(tx: &mut Tx, id: &RedirectUriId) -> Result<RedirectUri> {
    environment::lock(tx).await?;
    let uri = get(tx, id).await?;
    if has_wildcard(&uri.uri) {
        return Err(Error::invalid(
            "invalid_redirect_uri",
            "default",
            "A redirect URI with a wildcard cannot be the default.",
        ));
    }
    if uri.is_default {
        return Ok(uri);
    }
    let environment_id = tx.environment_id();
    tx.execute(
        "UPDATE redirect_uris SET is_default = 0, updated_at = $1
         WHERE environment_id = $2 AND is_default = 1",
        &[tx.now().into(), (&environment_id).into()],
    )
    .await?;
    tx.execute(
        "UPDATE redirect_uris SET is_default = 1, updated_at = $1
         WHERE environment_id = $2 AND id = $3",
        &[tx.now().into(), (&environment_id).into(), id.into()],
    )
    .await?;
    audit::record(tx, "redirect_uri.made_default", id.as_str(), json!({ "uri": uri.uri })).await?;
    get(tx, id).await
}

/// Takes a redirect URI back: from the commit on, no login ends there.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such redirect URI, [`Error::Conflict`] if it is
/// the default and not the only one.
pub async fn delete(tx: &mut Tx, id: &RedirectUriId) -> Result<()> {
    environment::lock(tx).await?;
    let uri = get(tx, id).await?;
    if uri.is_default && count(tx).await? > 1 {
        return Err(Error::conflict(
            "redirect_uri_is_default",
            "The default redirect URI cannot be deleted: make another one the default first.",
        ));
    }
    tx.execute(
        "DELETE FROM redirect_uris WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?;
    audit::record(tx, "redirect_uri.deleted", id.as_str(), json!({ "uri": uri.uri })).await
}

/// Adds the row, unless the URI is there already.
async fn insert(tx: &mut Tx, uri: &str, is_default: bool) -> Result<Option<RedirectUri>> {
    let id: RedirectUriId = tx.new_id();
    tx.fetch_optional(
        "INSERT INTO redirect_uris (id, environment_id, uri, is_default, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING
         RETURNING id, uri, is_default, created_at, updated_at",
        &[
            (&id).into(),
            (&tx.environment_id()).into(),
            uri.into(),
            is_default.into(),
            tx.now().into(),
        ],
    )
    .await?
    .map(from_row)
    .transpose()
}

async fn check_count(tx: &mut Tx) -> Result<()> {
    if count(tx).await? < MAX_PER_ENVIRONMENT {
        return Ok(());
    }
    Err(Error::conflict(
        "too_many_redirect_uris",
        format!("An environment has at most {MAX_PER_ENVIRONMENT} redirect URIs."),
    ))
}

async fn count(tx: &mut Tx) -> Result<i64> {
    tx.fetch_one(
        "SELECT count(*) FROM redirect_uris WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    )
    .await?
    .next()
}

async fn find(tx: &mut Tx, condition: &'static str, param: &str) -> Result<Option<RedirectUri>> {
    let sql = format!(
        "SELECT id, uri, is_default, created_at, updated_at FROM redirect_uris
         WHERE environment_id = $1 AND {condition}"
    );
    tx.fetch_optional(&sql, &[(&tx.environment_id()).into(), param.into()])
        .await?
        .map(from_row)
        .transpose()
}

fn not_found(id: &RedirectUriId) -> Error {
    Error::not_found("Redirect URI", id.as_str())
}

fn from_row(mut row: Row) -> Result<RedirectUri> {
    Ok(RedirectUri {
        object: "redirect_uri",
        id: row.next()?,
        uri: row.next()?,
        is_default: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}
