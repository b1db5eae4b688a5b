//! The rows of SSO sessions.

use super::{
    Filter, Origin, Refusal, SessionError, SsoSession, Start, Status, Taken, Unredeemed, kept_trace,
};
use crate::base::failure::FailureCode;
use crate::base::id::{ConnectionId, EnvironmentId, OrganizationId, SsoSessionId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::trace::Step;
use crate::base::{Error, Result, stored};
use crate::db::{Param, Query, Row, Tx, Update};

const INSERT: &str = "INSERT INTO sso_sessions
    (id, environment_id, organization_id, connection_id, connection_version, status, step,
     redirect_uri, code_challenge, state_hash, browser_hash, memory_sealed, trace, failure_code,
     failure_owner, ip_address, user_agent, expires_at, created_at, updated_at, origin, started_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $19,
     $20, $21)";

pub(super) async fn insert_started(tx: &mut Tx, new: &Start, trace: &str) -> Result<()> {
    tx.send(
        INSERT,
        &[
            (&new.id).into(),
            (&tx.environment_id()).into(),
            (&new.organization_id).into(),
            (&new.connection_id).into(),
            new.connection_version.into(),
            Status::InProgress.as_str().into(),
            "departed".into(),
            (&new.redirect_uri).into(),
            new.code_challenge.as_deref().into(),
            (&new.state_hash).into(),
            (&new.browser_hash).into(),
            (&new.memory_sealed).into(),
            trace.into(),
            Param::Null,
            Param::Null,
            new.browser.ip_address.as_deref().into(),
            new.browser.user_agent.as_deref().into(),
            tx.now().plus_ms(super::LIFETIME_MS).into(),
            tx.now().into(),
            new.starter.origin.as_str().into(),
            new.starter.started_by.as_deref().into(),
        ],
    )
    .await
}

pub(super) async fn insert_refused(
    tx: &mut Tx,
    new: &Refusal,
    code: FailureCode,
    trace: &str,
) -> Result<()> {
    let owner = owner_word(code)?;
    let is_test = new.starter.origin.is_test();
    let status = if is_test { Status::TestFailed } else { Status::Failed };
    tx.execute(
        INSERT,
        &[
            (&new.id).into(),
            (&tx.environment_id()).into(),
            new.organization_id.as_ref().into(),
            new.connection_id.as_ref().into(),
            0_i64.into(),
            status.as_str().into(),
            "refused".into(),
            (&new.redirect_uri).into(),
            Param::Null,
            // No secret has an empty hash, so nobody can take the attempt.
            Param::Bytes(&[]),
            Param::Bytes(&[]),
            Param::Null,
            trace.into(),
            code.as_str().into(),
            (&owner).into(),
            new.browser.ip_address.as_deref().into(),
            new.browser.user_agent.as_deref().into(),
            tx.now().into(),
            tx.now().into(),
            new.starter.origin.as_str().into(),
            new.starter.started_by.as_deref().into(),
        ],
    )
    .await
    .map(drop)
}

/// What is in hand is found by the change itself: of two answers that come at once, one gets the row.
pub(super) async fn take(
    tx: &mut Tx,
    id: &SsoSessionId,
    secret: &SecretHash,
    phase: &'static str,
) -> Result<Option<(EnvironmentId, Taken)>> {
    let update = Update {
        table: "sso_sessions",
        set: "step = 'arrived', updated_at = $2",
        only_if: Some("state_hash = $3 AND step = $4 AND status = 'in_progress'"),
        returning: "environment_id, id, updated_at, organization_id, connection_id,
             connection_version, redirect_uri, origin, code_challenge, browser_hash,
             memory_sealed, trace, expires_at, created_at",
    };
    let params = [id.into(), tx.now().into(), secret.into(), phase.into()];
    let row = update.run(tx, &params).await?;
    stored::one(row.map(taken_from))
}

fn taken_from(mut row: Row) -> Result<(EnvironmentId, Taken)> {
    let environment_id = row.next()?;
    let taken = Taken {
        id: row.next()?,
        taken_at: row.next()?,
        organization_id: row.next()?,
        connection_id: row.next()?,
        connection_version: row.next()?,
        redirect_uri: row.next()?,
        origin: origin(&row.next::<String>()?)?,
        code_challenge: row.next()?,
        browser_hash: row.next()?,
        memory_sealed: row.next()?,
        steps: steps_from(&mut row)?,
        expires_at: row.next()?,
        created_at: row.next()?,
    };
    Ok((environment_id, taken))
}

fn steps_from(row: &mut Row) -> Result<Vec<Step>> {
    kept_trace::read(&row.next::<String>()?)
}

/// The status of an attempt, and since when a request has it in its hands that has not answered.
pub(super) async fn status_by_secret(
    tx: &mut Tx,
    id: &SsoSessionId,
    secret: &SecretHash,
) -> Result<Option<(Status, Option<Timestamp>)>> {
    let row = tx
        .fetch_optional(
            "SELECT status, CASE WHEN step = 'arrived' THEN updated_at END FROM sso_sessions
             WHERE id = $1 AND state_hash = $2",
            &[id.into(), secret.into()],
        )
        .await?;
    stored::one(row.map(|mut row| {
        let status = status(&row.next::<String>()?)?;
        let since: Option<Timestamp> = row.next()?;
        Ok((status, since.filter(|_| status == Status::InProgress)))
    }))
}

pub(super) async fn unredeemed(
    tx: &mut Tx,
    id: &SsoSessionId,
    (secret, browser): (&SecretHash, &SecretHash),
) -> Result<Option<Unredeemed>> {
    let row = tx
        .fetch_optional(
            "SELECT environment_id, redirect_uri, memory_sealed, code_hash FROM sso_sessions
             WHERE id = $1 AND state_hash = $2 AND browser_hash = $3 AND step = 'issued'
                 AND status = 'in_progress' AND request_hash IS NULL
                 AND memory_sealed IS NOT NULL AND expires_at > $4",
            &[id.into(), secret.into(), browser.into(), tx.now().into()],
        )
        .await?;
    stored::one(row.map(|mut row| {
        Ok(Unredeemed {
            environment_id: row.next()?,
            redirect_uri: row.next()?,
            memory_sealed: row.next()?,
            code_hash: row.next()?,
        })
    }))
}

/// What the event of an ending tells.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) organization_id: Option<OrganizationId>,
    pub(super) connection_id: Option<ConnectionId>,
    pub(super) ip_address: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) email: Option<String>,
    pub(super) origin: Origin,
}

/// Ends an attempt that is in progress; `None` if it is not. A test that does not end well has
/// failed, however that came about: it counts as no login, and so as none that failed. With `held_since`
/// only if a request that took it then has it still in hand.
pub(super) async fn end(
    tx: &mut Tx,
    id: &SsoSessionId,
    to: Status,
    code: Option<FailureCode>,
    (email, trace): (Option<&str>, Option<String>),
    held_since: Option<Timestamp>,
) -> Result<Option<Ended>> {
    // What is late by a list must still be so: a code may have been issued meanwhile.
    let only_late = (to == Status::TimedOut).then(|| tx.now());
    let owner = code.map(owner_word).transpose()?;
    let row = tx.fetch_optional(
        "UPDATE sso_sessions
         SET status = CASE WHEN origin IN ('dashboard_test', 'portal_test') AND CAST($1 AS TEXT) <> $9
                 THEN 'test_failed' ELSE CAST($1 AS TEXT) END,
             failure_code = $2,
             failure_owner = $3, memory_sealed = NULL,
             trace = coalesce($4, trace), email = coalesce($5, email), updated_at = $6
         WHERE environment_id = $7 AND id = $8 AND status = 'in_progress'
             AND expires_at <= coalesce(CAST($10 AS BIGINT), expires_at)
             AND (CAST($11 AS BIGINT) IS NULL OR (updated_at = $11 AND step = 'arrived'))
         RETURNING organization_id, connection_id, ip_address, user_agent, email, origin",
        &[
            to.as_str().into(),
            code.map(FailureCode::as_str).into(),
            owner.as_deref().into(),
            trace.as_deref().into(),
            email.into(),
            tx.now().into(),
            (&tx.environment_id()).into(),
            id.into(),
            Status::TestSuccessful.as_str().into(),
            only_late.map(Timestamp::as_ms).into(),
            held_since.map(Timestamp::as_ms).into(),
        ],
    )
    .await?;
    stored::one(row.map(|mut row| ended_from(&mut row)))
}

/// Reads the next columns: organization, connection, address, user agent, e-mail, origin.
pub(super) fn ended_from(row: &mut Row) -> Result<Ended> {
    Ok(Ended {
        organization_id: row.next()?,
        connection_id: row.next()?,
        ip_address: row.next()?,
        user_agent: row.next()?,
        email: row.next()?,
        origin: origin(&row.next::<String>()?)?,
    })
}

pub(super) async fn is_under_way(
    tx: &mut Tx,
    id: &SsoSessionId,
    browser: &SecretHash,
) -> Result<bool> {
    let environment_id = tx.environment_id();
    let found = tx
        .fetch_optional(
            "SELECT id FROM sso_sessions
             WHERE environment_id = $1 AND id = $2 AND browser_hash = $3
                 AND status = 'in_progress'",
            &[(&environment_id).into(), id.into(), browser.into()],
        )
        .await?;
    Ok(found.is_some())
}

/// The trace, and when the person was logged out.
pub(super) async fn steps(
    tx: &mut Tx,
    id: &SsoSessionId,
) -> Result<Option<(Vec<Step>, Option<Timestamp>)>> {
    let environment_id = tx.environment_id();
    let row = tx
        .fetch_optional(
            "SELECT trace, logged_out_at FROM sso_sessions WHERE environment_id = $1 AND id = $2",
            &[(&environment_id).into(), id.into()],
        )
        .await?;
    stored::one(row.map(|mut row| Ok((steps_from(&mut row)?, row.next()?))))
}

pub(super) async fn set_logged_out(tx: &mut Tx, id: &SsoSessionId, trace: &str) -> Result<()> {
    tx.execute(
        "UPDATE sso_sessions SET logged_out_at = coalesce(logged_out_at, $1), trace = $2
         WHERE environment_id = $3 AND id = $4",
        &[tx.now().into(), trace.into(), (&tx.environment_id()).into(), id.into()],
    )
    .await
    .map(drop)
}

pub(super) async fn late(
    tx: &mut Tx,
    grace_ms: i64,
    limit: usize,
) -> Result<Vec<(EnvironmentId, SsoSessionId)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    tx.fetch_all(
        "SELECT environment_id, id FROM sso_sessions
         WHERE status = 'in_progress' AND expires_at <= $1
             AND (step <> 'arrived' OR expires_at <= $2)
         ORDER BY expires_at LIMIT $3",
        &[tx.now().into(), tx.now().plus_ms(-grace_ms).into(), limit.into()],
    )
    .await?
    .into_iter()
    .map(|mut row| Ok((row.next()?, row.next()?)))
    .collect()
}

/// Ids sort by the moment they were made, so the oldest rows come first without another index.
pub(super) async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM sso_sessions WHERE id IN
         (SELECT id FROM sso_sessions WHERE created_at < $1 AND status <> 'in_progress'
          ORDER BY id LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

const SHOWN: &str = "SELECT id, organization_id, connection_id, status, failure_code, email,
    profile_id, ip_address, user_agent, redirect_uri, created_at, updated_at, logged_out_at, origin,
    started_by, trace, test_result FROM sso_sessions WHERE environment_id = $1";
/// Without what is long: a list shows neither.
const LISTED: &str = "SELECT id, organization_id, connection_id, status, failure_code, email,
    profile_id, ip_address, user_agent, redirect_uri, created_at, updated_at, logged_out_at, origin,
    started_by FROM sso_sessions WHERE environment_id = $1";

pub(super) async fn list(
    tx: &mut Tx,
    filter: &Filter,
    page: &PageRequest,
) -> Result<Page<SsoSession>> {
    let mut query = Query::new(LISTED, &[(&tx.environment_id()).into()]);
    query.and_some("organization_id = $?", filter.organization_id.as_ref());
    query.and_some("status = $?", filter.status.map(Status::as_str));
    query.and_some("lower(email) = lower($?)", filter.email.as_deref());
    query.and_some("created_at >= $?", filter.range_start.map(Timestamp::as_ms));
    query.and_some("created_at < $?", filter.range_end.map(Timestamp::as_ms));
    super::narrow::apply(&mut query, filter, tx.now());
    let key = |session: &SsoSession| session.id.to_string();
    query.fetch_page(tx, ("id", key), page, |row| from_row(row, false)).await
}

pub(super) async fn find(tx: &mut Tx, id: &str) -> Result<Option<SsoSession>> {
    let mut query = Query::new(SHOWN, &[(&tx.environment_id()).into()]);
    query.and("id = $?", id);
    stored::one(query.fetch_all(tx).await?.pop().map(|row| from_row(row, true)))
}

fn from_row(mut row: Row, with_trace: bool) -> Result<SsoSession> {
    let mut session = SsoSession {
        object: "sso_session",
        id: row.next()?,
        organization_id: row.next()?,
        connection_id: row.next()?,
        status: status(&row.next::<String>()?)?,
        error: row
            .next::<Option<String>>()?
            .and_then(|code| FailureCode::parse(&code).map(SessionError::from)),
        email: row.next()?,
        profile_id: row.next()?,
        ip_address: row.next()?,
        user_agent: row.next()?,
        redirect_uri: row.next()?,
        created_at: row.next()?,
        updated_at: row.next()?,
        logged_out_at: row.next()?,
        origin: origin(&row.next::<String>()?)?,
        started_by: row.next()?,
        trace: None,
        test_result: None,
    };
    if with_trace {
        session.trace = Some(steps_from(&mut row)?);
        let result = row.next::<Option<String>>()?;
        let result = result.map(|text| stored::json("the result of a test sign-in", text));
        session.test_result = result.transpose()?;
    }
    Ok(session)
}

pub(super) fn status(word: &str) -> Result<Status> {
    Status::parse(word).ok_or_else(|| stored::unknown("the status of an SSO session"))
}

fn origin(word: &str) -> Result<Origin> {
    Origin::parse(word).ok_or_else(|| stored::unknown("the origin of an SSO session"))
}

/// The owner as the API writes it.
fn owner_word(code: FailureCode) -> Result<String> {
    match serde_json::to_value(code.owner()) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(Error::internal("an owner without a word")),
    }
}
