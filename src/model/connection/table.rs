//! The rows of connections.

use super::{Connection, ConnectionDomain, ConnectionState, ConnectionType, EmailRules, Filter};
use crate::base::id::{ConnectionId, OrganizationId};
use crate::base::page::{Page, PageRequest};
use crate::base::{Error, Result, stored};
use crate::db::{Query, Row, Tx};

const SELECT: &str = "SELECT id, environment_id, organization_id, connection_type, name, state,
    external_key, version, settings, policy, client_secret_sealed, next_client_secret_sealed,
    created_at, updated_at FROM connections WHERE ";

pub(super) async fn insert(tx: &mut Tx, new: &Connection) -> Result<()> {
    tx.execute(
        "INSERT INTO connections
         (id, environment_id, organization_id, connection_type, name, state, external_key, version,
          policy, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
        &[
            (&new.id).into(),
            (&new.environment_id).into(),
            (&new.organization_id).into(),
            new.connection_type.as_str().into(),
            (&new.name).into(),
            new.state.as_str().into(),
            (&new.external_key).into(),
            new.version.into(),
            (&serde_json::to_string(&new.policy).map_err(Error::internal)?).into(),
            tx.now().into(),
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn update(tx: &mut Tx, changed: &Connection) -> Result<()> {
    let settings = changed.settings.as_ref().map(serde_json::to_string).transpose();
    let settings = settings.map_err(Error::internal)?;
    tx.execute(
        "UPDATE connections
         SET name = $1, state = $2, version = $3, settings = $4, policy = $5,
             client_secret_sealed = $6, next_client_secret_sealed = $7, updated_at = $8
         WHERE environment_id = $9 AND id = $10",
        &[
            (&changed.name).into(),
            changed.state.as_str().into(),
            changed.version.into(),
            settings.as_deref().into(),
            (&serde_json::to_string(&changed.policy).map_err(Error::internal)?).into(),
            changed.client_secret_sealed.as_ref().into(),
            changed.next_client_secret_sealed.as_ref().into(),
            changed.updated_at.into(),
            (&tx.environment_id()).into(),
            (&changed.id).into(),
        ],
    )
    .await
    .map(drop)
}

pub(super) async fn delete(tx: &mut Tx, id: &ConnectionId) -> Result<()> {
    tx.execute(
        "DELETE FROM connections WHERE environment_id = $1 AND id = $2",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn find(tx: &mut Tx, id: &ConnectionId) -> Result<Option<Connection>> {
    let sql = format!("{SELECT} id = $1 AND environment_id = $2");
    let environment_id = tx.environment_id();
    let row = tx.fetch_optional(&sql, &[id.into(), (&environment_id).into()]).await?;
    stored::one(row.map(from_row))
}

pub(super) async fn find_by_external_key(tx: &mut Tx, key: &str) -> Result<Option<Connection>> {
    let sql = format!("{SELECT} external_key = $1");
    stored::one(tx.fetch_optional(&sql, &[key.into()]).await?.map(from_row))
}

pub(super) async fn of_organization(tx: &mut Tx, id: &OrganizationId) -> Result<Vec<Connection>> {
    let sql = format!("{SELECT} organization_id = $1 AND environment_id = $2 ORDER BY id");
    let environment_id = tx.environment_id();
    let rows = tx.fetch_all(&sql, &[id.into(), (&environment_id).into()]).await?;
    stored::all(rows.into_iter().map(from_row))
}

pub(super) async fn list(
    tx: &mut Tx,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<Connection>> {
    let mut query = Query::new(
        "SELECT id, environment_id, organization_id, connection_type, name, state, external_key,
             version, settings, policy, client_secret_sealed, next_client_secret_sealed,
             created_at, updated_at
         FROM connections WHERE environment_id = $1",
        &[(&tx.environment_id()).into()],
    );
    query.and_some("connection_type = $?", filter.connection_type.map(ConnectionType::as_str));
    query.and_some("organization_id = $?", filter.organization_id.as_ref());
    query.and_some(
        "organization_id IN (SELECT organization_id FROM organization_domains WHERE domain = $?)",
        filter.domain.as_deref().map(str::to_lowercase),
    );
    query.and_contains("name", filter.search.as_deref());
    query.fetch_page(tx, ("id", |item: &Connection| item.id.to_string()), page, from_row).await
}

pub(super) async fn names(
    tx: &mut Tx,
    ids: &[ConnectionId],
) -> Result<Vec<(ConnectionId, String)>> {
    let sql = "SELECT id, name FROM connections WHERE environment_id = $1";
    let mut query = Query::new(sql, &[(&tx.environment_id()).into()]);
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows = query.and_in("id", &ids).fetch_all(tx).await?;
    rows.into_iter().map(|mut row| Ok((row.next()?, row.next()?))).collect()
}

pub(super) async fn states(
    tx: &mut Tx,
    organization_ids: &[OrganizationId],
) -> Result<Vec<(OrganizationId, ConnectionState)>> {
    let sql = "SELECT organization_id, state FROM connections WHERE environment_id = $1";
    let mut query = Query::new(sql, &[(&tx.environment_id()).into()]);
    let ids: Vec<String> = organization_ids.iter().map(ToString::to_string).collect();
    let rows = query.and_in("organization_id", &ids).fetch_all(tx).await?;
    stored::all(rows.into_iter().map(|mut row| Ok((row.next()?, state(&row.next::<String>()?)?))))
}

pub(super) async fn domains(tx: &mut Tx, id: &OrganizationId) -> Result<Vec<ConnectionDomain>> {
    tx.fetch_all(
        "SELECT id, domain FROM organization_domains
         WHERE environment_id = $1 AND organization_id = $2 ORDER BY id",
        &[(&tx.environment_id()).into(), id.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| {
        Ok(ConnectionDomain { object: "connection_domain", id: row.next()?, domain: row.next()? })
    })
    .collect()
}

pub(super) async fn email_rules(tx: &mut Tx, id: &OrganizationId) -> Result<Option<EmailRules>> {
    let rows = tx
        .fetch_all(
            "SELECT o.allow_profiles_outside_organization, d.domain FROM organizations o
             LEFT JOIN organization_domains d ON d.organization_id = o.id AND d.state = 'verified'
             WHERE o.environment_id = $1 AND o.id = $2",
            &[(&tx.environment_id()).into(), id.into()],
        )
        .await?;
    let mut rules: Option<EmailRules> = None;
    for mut row in rows {
        let rules = rules.get_or_insert_default();
        rules.allow_outside = row.next()?;
        rules.verified_domains.extend(row.next::<Option<String>>()?);
    }
    Ok(rules)
}

fn state(word: &str) -> Result<ConnectionState> {
    ConnectionState::parse(word).ok_or_else(|| stored::unknown("the state of a connection"))
}

fn from_row(mut row: Row) -> Result<Connection> {
    Ok(Connection {
        id: row.next()?,
        environment_id: row.next()?,
        organization_id: row.next()?,
        connection_type: ConnectionType::parse(&row.next::<String>()?)
            .ok_or_else(|| stored::unknown("the type of a connection"))?,
        name: row.next()?,
        state: state(&row.next::<String>()?)?,
        external_key: row.next()?,
        version: row.next()?,
        settings: row
            .next::<Option<String>>()?
            .map(|text| stored::json("the settings of a connection", text))
            .transpose()?,
        policy: stored::json("the policy of a connection", row.next::<String>()?)?,
        client_secret_sealed: row.next()?,
        next_client_secret_sealed: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
    })
}
