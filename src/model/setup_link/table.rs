//! The rows of setup links and their sessions.

use super::session::Session;
use super::{Kind, SetupLink, Step};
use crate::base::id::{EnvironmentId, OrganizationId, SetupLinkId, SetupSessionId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Query, Row, Tx};
use crate::model::connection::ConnectionType;

/// The columns of a link, in the order in which [`link_from`] reads them.
macro_rules! columns {
    () => {
        "l.id, l.organization_id, l.kind, l.features, l.parent_id, l.connection_id,
         l.step, l.connection_type, l.recipients, l.return_url, l.success_url, l.opened_count,
         l.begun_count, l.last_begun_at, l.expires_at, l.revoked_at, l.finished_at, l.created_at"
    };
}
const COLUMNS: &str = columns!();

/// The links that are listed: without those of single steps.
const LISTED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM setup_links l WHERE l.environment_id = $1 AND l.parent_id IS NULL"
);

pub(super) async fn insert(tx: &mut Tx, link: &SetupLink, token: &SecretHash) -> Result<()> {
    let features = serde_json::to_string(&link.features).map_err(Error::internal)?;
    let recipients = serde_json::to_string(&link.recipients).map_err(Error::internal)?;
    tx.execute(
        "INSERT INTO setup_links
         (id, environment_id, organization_id, token_hash, kind, features, parent_id, connection_id,
          step, connection_type, recipients, return_url, success_url, opened_count, begun_count,
          expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, 0, $14, $15)",
        &[
            (&link.id).into(),
            (&tx.environment_id()).into(),
            (&link.organization_id).into(),
            token.into(),
            link.kind.as_str().into(),
            (&features).into(),
            link.parent_id.as_ref().into(),
            link.step.as_ref().map(|step| &step.connection_id).into(),
            link.step.as_ref().map(|step| &step.id).into(),
            link.connection_type.map(ConnectionType::as_str).into(),
            (&recipients).into(),
            link.return_url.as_ref().into(),
            link.success_url.as_ref().into(),
            link.expires_at.into(),
            link.created_at.into(),
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn find(tx: &mut Tx, id: &SetupLinkId) -> Result<Option<SetupLink>> {
    let sql =
        format!("SELECT {COLUMNS} FROM setup_links l WHERE l.environment_id = $1 AND l.id = $2");
    let environment_id = tx.environment_id();
    let row = tx.fetch_optional(&sql, &[(&environment_id).into(), id.into()]).await?;
    stored::one(row.map(|mut row| link_from(&mut row)))
}

/// Finds the environment, so it is not limited to one.
pub(super) async fn find_by_hash(
    tx: &mut Tx,
    token: &SecretHash,
) -> Result<Option<(EnvironmentId, SetupLink)>> {
    let sql =
        format!("SELECT l.environment_id, {COLUMNS} FROM setup_links l WHERE token_hash = $1");
    let row = tx.fetch_optional(&sql, &[token.into()]).await?;
    stored::one(row.map(|mut row| Ok((row.next()?, link_from(&mut row)?))))
}

/// One statement on purpose: of two browsers that begin a link of the API at once, one gets it.
pub(super) async fn begin(
    tx: &mut Tx,
    token: &SecretHash,
) -> Result<Option<(EnvironmentId, SetupLink)>> {
    let taken = tx
        .execute(
            "UPDATE setup_links SET begun_count = begun_count + 1, last_begun_at = $1
             WHERE token_hash = $2 AND expires_at > $1 AND revoked_at IS NULL
                 AND finished_at IS NULL AND (kind <> 'api' OR begun_count = 0)",
            &[tx.now().into(), token.into()],
        )
        .await?;
    if taken == 0 { Ok(None) } else { find_by_hash(tx, token).await }
}

pub(super) async fn count_opened(tx: &mut Tx, token: &SecretHash) -> Result<()> {
    tx.execute(
        "UPDATE setup_links SET opened_count = opened_count + 1 WHERE token_hash = $1",
        &[token.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn count_open(tx: &mut Tx, organization_id: &OrganizationId) -> Result<i64> {
    tx.fetch_one(
        "SELECT count(*) FROM setup_links
         WHERE environment_id = $1 AND organization_id = $2 AND expires_at > $3
             AND revoked_at IS NULL AND finished_at IS NULL AND (kind <> 'api' OR begun_count = 0)",
        &[(&tx.environment_id()).into(), organization_id.into(), tx.now().into()],
    )
    .await?
    .next()
}

pub(super) async fn list(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    request: &PageRequest,
) -> Result<Page<SetupLink>> {
    let mut query = Query::new(LISTED, &[(&tx.environment_id()).into()]);
    query.and("l.organization_id = $?", organization_id);
    let key = |link: &SetupLink| link.id.to_string();
    query.fetch_page(tx, ("l.id", key), request, |mut row| link_from(&mut row)).await
}

/// Whether there is such a link. Its sessions stay, so that their browsers learn why they are over.
pub(super) async fn revoke(tx: &mut Tx, id: &SetupLinkId) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE setup_links SET revoked_at = coalesce(revoked_at, $1)
             WHERE environment_id = $2 AND (id = $3 OR parent_id = $3)",
            &[tx.now().into(), (&tx.environment_id()).into(), id.into()],
        )
        .await?;
    Ok(changed > 0)
}

/// Its sessions stay, as of one that is revoked.
pub(super) async fn finish(tx: &mut Tx, id: &SetupLinkId) -> Result<()> {
    tx.execute(
        "UPDATE setup_links SET finished_at = coalesce(finished_at, $1)
         WHERE environment_id = $2 AND (id = $3 OR parent_id = $3)",
        &[tx.now().into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn shorten(tx: &mut Tx, id: &SetupLinkId, latest: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE setup_links SET expires_at = $1
         WHERE environment_id = $2 AND (id = $3 OR parent_id = $3) AND expires_at > $1",
        &[latest.into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

/// Goes through all environments.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    // One that was begun in time is needed by its sessions.
    tx.execute(
        "DELETE FROM setup_links WHERE id IN
         (SELECT id FROM setup_links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

pub(super) async fn insert_session(
    tx: &mut Tx,
    session: &Session,
    browser: &SecretHash,
) -> Result<()> {
    tx.execute(
        "INSERT INTO setup_sessions
         (id, environment_id, link_id, token_hash, created_at, last_seen_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
        &[
            (&session.id).into(),
            (&session.environment_id).into(),
            (&session.link.id).into(),
            browser.into(),
            tx.now().into(),
            session.expires_at.into(),
        ],
    )
    .await
    .map(drop)
}

/// Finds the environment, so it is not limited to one.
pub(super) async fn find_session(tx: &mut Tx, browser: &SecretHash) -> Result<Option<Session>> {
    let sql = format!(
        "SELECT s.id, s.environment_id, s.expires_at, s.last_seen_at, {COLUMNS}
         FROM setup_sessions s JOIN setup_links l ON l.id = s.link_id WHERE s.token_hash = $1"
    );
    let row = tx.fetch_optional(&sql, &[browser.into()]).await?;
    stored::one(row.map(|mut row| {
        let (id, environment_id, expires_at) = (row.next()?, row.next()?, row.next()?);
        let last_seen_at = row.next()?;
        let link = link_from(&mut row)?;
        Ok(Session { id, environment_id, link, expires_at, last_seen_at })
    }))
}

pub(super) async fn saw_session(tx: &mut Tx, id: &SetupSessionId) -> Result<()> {
    tx.execute(
        "UPDATE setup_sessions SET last_seen_at = $1 WHERE environment_id = $2 AND id = $3",
        &[tx.now().into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn delete_session(tx: &mut Tx, id: &SetupSessionId) -> Result<()> {
    tx.execute(
        "DELETE FROM setup_sessions WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

/// Goes through all environments.
pub(super) async fn purge_sessions(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM setup_sessions WHERE id IN
         (SELECT id FROM setup_sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn link_from(row: &mut Row) -> Result<SetupLink> {
    let (id, organization_id) = (row.next()?, row.next()?);
    let kind = Kind::parse(&row.next::<String>()?)
        .ok_or_else(|| stored::unknown("the kind of a setup link"))?;
    let features = stored::json("the features of a setup link", row.next::<String>()?)?;
    let parent_id = row.next()?;
    let step = match (row.next()?, row.next()?) {
        (Some(connection_id), Some(id)) => Some(Step { connection_id, id }),
        _ => None,
    };
    let connection_type = row.next::<Option<String>>()?.map(|word| {
        ConnectionType::parse(&word)
            .ok_or_else(|| stored::unknown("the connection type of a setup link"))
    });
    Ok(SetupLink {
        id,
        organization_id,
        kind,
        features,
        step,
        connection_type: connection_type.transpose()?,
        recipients: stored::json("the recipients of a setup link", row.next::<String>()?)?,
        return_url: row.next()?,
        success_url: row.next()?,
        opened_count: row.next()?,
        begun_count: row.next()?,
        last_begun_at: row.next()?,
        expires_at: row.next()?,
        revoked_at: row.next()?,
        finished_at: row.next()?,
        created_at: row.next()?,
        parent_id,
    })
}
