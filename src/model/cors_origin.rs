//! CORS origins: of which pages the scripts may redeem codes and read profiles, from within a
//! browser. Without one, no script of another origin is told anything.

use serde::Serialize;
use serde_json::json;
use url::{Host, Origin, Url};

use super::{audit, environment};
use crate::base::id::CorsOriginId;
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::{Query, Row, Tx};

/// How many origins an environment may have.
const MAX_PER_ENVIRONMENT: i64 = 1000;
/// How long an origin may be, in bytes: a name of DNS with scheme and port.
const MAX_BYTES: usize = 300;

/// An origin whose scripts may call from within a browser.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct CorsOrigin {
    /// Always `cors_origin`.
    pub object: &'static str,
    /// Its id.
    pub id: CorsOriginId,
    /// The origin as browsers write it, such as `https://app.example.com`.
    pub origin: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

const SELECT: &str =
    "SELECT id, origin, created_at, updated_at FROM cors_origins WHERE environment_id = $1";

/// Registers an origin.
///
/// # Errors
///
/// [`Error::Invalid`] if it is none, or no https where that is needed; [`Error::Conflict`] if it is
/// registered already, or there are too many.
pub async fn create(tx: &mut Tx, text: &str) -> Result<CorsOrigin> {
    let is_production = environment::current(tx).await?.kind == environment::Kind::Production;
    let origin = normalize(text, is_production)?;
    let count: i64 = tx
        .fetch_one(
            "SELECT count(*) FROM cors_origins WHERE environment_id = $1",
            &[(&tx.environment_id()).into()],
        )
        .await?
        .next()?;
    if count >= MAX_PER_ENVIRONMENT {
        let message = format!("An environment has at most {MAX_PER_ENVIRONMENT} CORS origins.");
        return Err(Error::conflict("too_many_cors_origins", message));
    }
    let created = CorsOrigin {
        object: "cors_origin",
        id: tx.new_id(),
        origin,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    let inserted = tx
        .execute(
            "INSERT INTO cors_origins (id, environment_id, origin, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING",
            &[
                (&created.id).into(),
                (&tx.environment_id()).into(),
                (&created.origin).into(),
                tx.now().into(),
            ],
        )
        .await?;
    if inserted == 0 {
        return Err(Error::conflict("duplicate_cors_origin", "CORS origin already exists."));
    }
    let details = json!({ "origin": created.origin });
    audit::record(tx, "cors_origin.created", created.id.as_str(), details).await?;
    Ok(created)
}

/// Lists the origins of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(tx: &mut Tx, request: &PageRequest) -> Result<Page<CorsOrigin>> {
    Query::new(SELECT, &[(&tx.environment_id()).into()])
        .fetch_page(tx, ("id", |it: &CorsOrigin| it.id.to_string()), request, from_row)
        .await
}

/// Takes an origin back: from the commit on, its scripts are told nothing.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such origin.
pub async fn delete(tx: &mut Tx, id: &CorsOriginId) -> Result<()> {
    let row = tx
        .fetch_optional(
            "DELETE FROM cors_origins WHERE environment_id = $1 AND id = $2 RETURNING origin",
            &[(&tx.environment_id()).into(), id.into()],
        )
        .await?;
    let mut row = row.ok_or_else(|| Error::not_found("CORS Origin", id.as_str()))?;
    let details = json!({ "origin": row.next::<String>()? });
    audit::record(tx, "cors_origin.deleted", id.as_str(), details).await
}

/// Whether an environment has registered an origin, written as a browser writes it. Not limited to
/// one environment: a browser asks before it says whom it asks for, and what it is told is only
/// that it may read an answer for which it has a code or a token anyway.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn is_registered(tx: &mut Tx, origin: &str) -> Result<bool> {
    if origin.len() > MAX_BYTES || origin.contains('\0') {
        return Ok(false);
    }
    let found = tx
        .fetch_optional("SELECT id FROM cors_origins WHERE origin = $1", &[origin.into()])
        .await?;
    Ok(found.is_some())
}

/// The origin as browsers write it (RFC 6454 section 6.1): https, or in a sandbox also http.
fn normalize(text: &str, is_production: bool) -> Result<String> {
    let invalid = |message: &str| Error::invalid("invalid_origin", "origin", message);
    let url = Url::parse(text.trim()).map_err(|_| invalid("The origin is no URL."))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || text.contains('*')
        || text.len() > MAX_BYTES
    {
        return Err(invalid("An origin is a scheme, a host and maybe a port, and nothing else."));
    }
    let Origin::Tuple(scheme, host, _) = url.origin() else {
        return Err(invalid("The origin is none of the web."));
    };
    let is_loopback = match &host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(_) => false,
    };
    match scheme.as_str() {
        "https" => {}
        "http" if !is_production || is_loopback => {}
        _ => return Err(invalid("The origin of a production environment begins with https://.")),
    }
    Ok(url.origin().ascii_serialization())
}

fn from_row(mut row: Row) -> Result<CorsOrigin> {
    Ok(CorsOrigin {
        object: "cors_origin",
        id: row.next()?,
        origin: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_write_it() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            ("https://APP.example.com:443/", "https://app.example.com"),
            ("https://app.example.com:8443", "https://app.example.com:8443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(normalize(text, true).unwrap(), origin);
        }
        assert_eq!(normalize("http://localhost:3000", false).unwrap(), "http://localhost:3000");
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        for text in [
            "null",
            "*",
            "https://*.example.com",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https://user@app.example.com",
            "http://app.example.com",
            "http://localhost:3000",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/html,x",
            "chrome-extension://abc",
            "",
        ] {
            assert!(normalize(text, true).is_err(), "{text}");
        }
    }
}
