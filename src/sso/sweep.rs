//! What time ends: attempts that nobody finished, and rows that nobody needs any more. In small
//! units, so that no login waits for them.

use crate::app::App;
use crate::base::time::Timestamp;
use crate::base::{Caller, Result};
use crate::db::Tx;
use crate::model::administrator::{self, attempt, link, passkey};
use crate::model::{
    audit, environment, event, former, idempotency, logout, overview, rate_count, setup_link,
    signing_key, sso_session, webhook_delivery,
};
use crate::telemetry::{LoginEnd, metrics};

/// How many rows one unit ends or forgets.
const BATCH: i64 = 500;
/// A day, in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Closes attempts that nobody finished in time; returns how many.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn time_out(app: &App) -> Result<usize> {
    let mut closed = 0;
    loop {
        let batch = app
            .db
            .write(&Caller::anonymous(), async |tx| sso_session::time_out(tx, 100).await)
            .await?;
        closed += batch;
        metrics().logins_ended(LoginEnd::TimedOut, batch as u64);
        if batch < 100 {
            return Ok(closed);
        }
    }
}

/// Counts the logins of hours that are over, and looks for connections that need attention, for the
/// overview of each environment.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn take_stock(app: &App) -> Result<()> {
    let nobody = Caller::anonymous();
    let environments = app.db.read(&nobody, async |tx| environment::list_all(tx).await).await?;
    for id in environments.into_iter().map(|environment| environment.id) {
        let counted = id.clone();
        while app
            .db
            .write(&nobody, {
                let counted = counted.clone();
                async move |tx| overview::count(tx, &counted).await
            })
            .await?
        {}
        // Looking is a long read, so it is no part of the unit that writes.
        let looked = id.clone();
        let found = app
            .db
            .read(&nobody, async move |tx| {
                if overview::is_attention_due(tx, &looked).await? {
                    overview::find_attention(tx, &looked).await.map(Some)
                } else {
                    Ok(None)
                }
            })
            .await?;
        if let Some(found) = found {
            app.db
                .write(&nobody, async move |tx| overview::keep_attention(tx, &id, &found).await)
                .await?;
        }
    }
    Ok(())
}

/// Forgets attempts, kept answers and events whose time is over; returns how many rows.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge(app: &App) -> Result<u64> {
    let now = app.clock.now();
    let ago = |ms: i64| now.plus_ms(-ms);
    let mut purged = 0;
    let plan: [(Kind, Timestamp); 19] = [
        (Kind::FormerCodes, ago(DAY_MS)),
        (Kind::FormerTokens, ago(DAY_MS)),
        (Kind::Sessions, ago(app.config.sso_session_retention_days * DAY_MS)),
        (Kind::Events, ago(app.config.event_retention_days * DAY_MS)),
        (Kind::Deliveries, ago(app.config.event_retention_days * DAY_MS)),
        (Kind::IdempotencyKeys, ago(idempotency::MEMORY_MS)),
        (Kind::RateCounts, ago(DAY_MS)),
        (Kind::AdministratorSessions, now),
        (Kind::Links, now),
        (Kind::Challenges, now),
        (Kind::Attempts, ago(attempt::MEMORY_MS)),
        (Kind::SetupSessions, now),
        (Kind::SetupLinks, ago(app.config.audit_retention_days * DAY_MS)),
        (Kind::Audit, ago(app.config.audit_retention_days * DAY_MS)),
        (Kind::Logouts, ago(logout::MEMORY_MS)),
        (Kind::IdTokens, now),
        (Kind::IdpSessions, now),
        (Kind::LogoutTokens, now),
        (Kind::SigningKeys, now),
    ];
    for (kind, before) in plan {
        loop {
            let count = app
                .db
                .write(&Caller::anonymous(), async move |tx| kind.purge(tx, before).await)
                .await?;
            purged += count;
            if count < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    let before = ago(app.config.sso_session_retention_days * DAY_MS);
    let forget = async move |tx: &mut Tx| overview::purge(tx, before).await;
    Ok(purged + app.db.write(&Caller::anonymous(), forget).await?)
}

#[derive(Clone, Copy)]
enum Kind {
    FormerCodes,
    FormerTokens,
    Sessions,
    Events,
    Deliveries,
    IdempotencyKeys,
    RateCounts,
    AdministratorSessions,
    Links,
    Challenges,
    Attempts,
    SetupSessions,
    SetupLinks,
    Audit,
    Logouts,
    IdTokens,
    IdpSessions,
    LogoutTokens,
    SigningKeys,
}

impl Kind {
    async fn purge(self, tx: &mut Tx, before: Timestamp) -> Result<u64> {
        match self {
            Self::FormerCodes => former::purge_codes(tx, before, BATCH).await,
            Self::FormerTokens => former::purge_tokens(tx, before, BATCH).await,
            Self::Sessions => sso_session::purge(tx, before, BATCH).await,
            Self::Events => event::purge(tx, before, BATCH).await,
            Self::Deliveries => webhook_delivery::purge(tx, before, BATCH).await,
            Self::IdempotencyKeys => idempotency::purge(tx, before, BATCH).await,
            Self::RateCounts => rate_count::purge(tx, before, BATCH).await,
            Self::AdministratorSessions => administrator::purge_sessions(tx, before, BATCH).await,
            Self::Links => link::purge(tx, before, BATCH).await,
            Self::Challenges => passkey::purge_challenges(tx, before, BATCH).await,
            Self::Attempts => attempt::purge(tx, before, BATCH).await,
            Self::SetupSessions => setup_link::purge_sessions(tx, before, BATCH).await,
            Self::SetupLinks => setup_link::purge(tx, before, BATCH).await,
            Self::Audit => audit::purge(tx, before, BATCH).await,
            Self::Logouts => logout::purge(tx, before, BATCH).await,
            Self::IdTokens => logout::purge_id_tokens(tx, before, BATCH).await,
            Self::IdpSessions => logout::purge_idp_sessions(tx, before, BATCH).await,
            Self::LogoutTokens => logout::purge_spent_tokens(tx, before, BATCH).await,
            Self::SigningKeys => signing_key::purge(tx, before, BATCH).await,
        }
    }
}
