//! An attempt in the hands of a request: what that request may still write, and how it loses the right to.

use super::NewCode;
use crate::base::id::{ProfileId, SsoSessionId};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::{Error, Result, stored};
use crate::db::{Param, Tx};

/// What a unit is told whose request has lost its hold on an attempt: nothing of the unit may stay.
const LOST: &str = "login_not_in_hand";

/// The right of a request to go on with an attempt that it took. It is lost to who takes the attempt over, and
/// with the attempt's end.
#[derive(Clone, Debug)]
pub struct Hold {
    /// The attempt.
    pub id: SsoSessionId,
    /// When it was taken.
    pub taken_at: Timestamp,
}

/// The error of who has lost the hold.
pub(super) fn lost() -> Error {
    Error::conflict(LOST, "Another request has taken this login over, or it has ended.")
}

/// Whether a unit failed because its request has lost its hold on the attempt.
pub fn is_lost(error: &Error) -> bool {
    matches!(error, Error::Conflict { code, .. } if *code == LOST)
}

pub(super) async fn in_hand(
    tx: &mut Tx,
    id: &SsoSessionId,
    (secret, browser): (&SecretHash, &SecretHash),
) -> Result<Option<Timestamp>> {
    let row = tx
        .fetch_optional(
            "SELECT updated_at FROM sso_sessions
             WHERE id = $1 AND state_hash = $2 AND browser_hash = $3 AND step = 'arrived'
                 AND status = 'in_progress'",
            &[id.into(), secret.into(), browser.into()],
        )
        .await?;
    stored::one(row.map(|mut row| row.next()))
}

/// Gives an attempt back that a request took at this moment and has not answered; whether it was so.
pub(super) async fn give_back(
    tx: &mut Tx,
    id: &SsoSessionId,
    (secret, browser): (&SecretHash, &SecretHash),
    taken_at: Timestamp,
) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE sso_sessions SET step = 'departed'
             WHERE id = $1 AND state_hash = $2 AND browser_hash = $3 AND step = 'arrived'
                 AND updated_at = $4 AND status = 'in_progress'",
            &[id.into(), secret.into(), browser.into(), taken_at.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Changes an attempt that is in hand: `set` is SQL whose parameters begin with `$4`.
async fn change(tx: &mut Tx, hold: &Hold, set: &str, params: &[Param<'_>]) -> Result<()> {
    let environment_id = tx.environment_id();
    let sql = format!(
        "UPDATE sso_sessions SET {set} WHERE environment_id = $1 AND id = $2 AND updated_at = $3
             AND step = 'arrived' AND status = 'in_progress'"
    );
    let first = [(&environment_id).into(), (&hold.id).into(), hold.taken_at.into()];
    let params = [&first[..], params].concat();
    if tx.execute(&sql, &params).await? == 1 { Ok(()) } else { Err(lost()) }
}

pub(super) async fn to_departed(
    tx: &mut Tx,
    hold: &Hold,
    (secret, memory_sealed): (&SecretHash, &[u8]),
    trace: &str,
) -> Result<()> {
    let set = "step = 'departed', state_hash = $4, memory_sealed = $5, trace = $6, updated_at = $7";
    let now = tx.now();
    change(tx, hold, set, &[secret.into(), memory_sealed.into(), trace.into(), now.into()]).await
}

pub(super) async fn set_trace(tx: &mut Tx, hold: &Hold, trace: &str) -> Result<()> {
    change(tx, hold, "trace = $4", &[trace.into()]).await
}

pub(super) async fn to_consent(
    tx: &mut Tx,
    hold: &Hold,
    (secret, memory_sealed): (&SecretHash, &[u8]),
    trace: &str,
) -> Result<()> {
    let set = "step = 'consent', state_hash = $4, memory_sealed = $5, trace = $6, updated_at = $7,
         expires_at = $8";
    let (now, end) = (tx.now(), tx.now().plus_ms(super::LIFETIME_MS));
    let params = [secret.into(), memory_sealed.into(), trace.into(), now.into(), end.into()];
    change(tx, hold, set, &params).await
}

pub(super) async fn to_issued(
    tx: &mut Tx,
    hold: &Hold,
    code: &NewCode,
    (email, profile_id): (&str, &ProfileId),
    trace: &str,
) -> Result<()> {
    let set = "step = 'issued', code_hash = $4, email = $5, profile_id = $6, trace = $7,
         memory_sealed = CASE WHEN CAST($8 AS BIGINT) = 1 THEN memory_sealed END,
         updated_at = $9, expires_at = $10";
    let (now, end) = (tx.now(), tx.now().plus_ms(super::LIFETIME_MS));
    let params = [
        (&code.hash).into(),
        email.into(),
        profile_id.into(),
        trace.into(),
        code.is_repeatable.into(),
        now.into(),
        end.into(),
    ];
    change(tx, hold, set, &params).await
}

pub(super) async fn set_test_result(
    tx: &mut Tx,
    hold: &Hold,
    (email, result): (&str, &str),
) -> Result<()> {
    change(tx, hold, "test_result = $4, email = $5", &[result.into(), email.into()]).await
}
