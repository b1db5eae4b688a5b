//! Answers that are kept, so that a request which is sent again is not carried out again.
//!
//! The unit of work that carries a request out begins with [`claim`] and ends with [`keep`]: what it
//! does, the claim and the answer are committed together or not at all. Of two equal requests the
//! second waits at the claim, on whatever node it is, and then finds the answer of the first.

use crate::base::secret::{SecretHash, base64url, equal};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;
use crate::seal::{Place, Sealer};

/// How long an answer is kept: 24 hours, in milliseconds.
pub const MEMORY_MS: i64 = 24 * 60 * 60 * 1000;
/// The length of a fingerprint, in bytes.
const FINGERPRINT: usize = 32;
/// The length of a status, in bytes.
const STATUS: usize = 2;

/// Which request it is.
#[derive(Clone, Debug)]
pub struct Request {
    /// The hash of its `Idempotency-Key`.
    pub key: SecretHash,
    /// By which it is told from another request with that key.
    pub fingerprint: [u8; FINGERPRINT],
}

/// An answer. It may hold a secret, such as a new API key.
#[derive(Clone)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// What is kept under a key.
#[derive(Clone, Debug)]
pub enum Kept {
    /// The answer to this very request.
    Answer(Answer),
    /// The answer to another one.
    Other,
}

/// What is kept under the key of a request, if anything is.
///
/// # Errors
///
/// [`Error::Internal`] if the answer does not open.
pub async fn find(tx: &mut Tx, sealer: &Sealer, request: &Request) -> Result<Option<Kept>> {
    let environment_id = tx.environment_id();
    let row = tx
        .fetch_optional(
            "SELECT answer_sealed FROM idempotency_keys
             WHERE environment_id = $1 AND key_hash = $2 AND created_at > $3",
            &[(&environment_id).into(), (&request.key).into(), tx.now().plus_ms(-MEMORY_MS).into()],
        )
        .await?;
    let Some(mut row) = row else { return Ok(None) };
    let sealed: Vec<u8> = row.next()?;
    let name = base64url(request.key.as_bytes());
    let opened = sealer.open(place(&name, environment_id.as_str()), &sealed)?;
    let damaged = || Error::internal("a kept answer is too short");
    let (fingerprint, rest) = opened.split_at_checked(FINGERPRINT).ok_or_else(damaged)?;
    let (status, body) = rest.split_at_checked(STATUS).ok_or_else(damaged)?;
    if !equal(fingerprint, &request.fingerprint) {
        return Ok(Some(Kept::Other));
    }
    let status = u16::from_be_bytes([status[0], status[1]]);
    Ok(Some(Kept::Answer(Answer { status, body: body.to_vec() })))
}

/// Takes the key of a request for this unit, which then has to [`keep`] its answer; or says what is
/// kept under it already. Waits for another unit that has taken it and is not finished.
///
/// # Errors
///
/// As [`find`].
pub async fn claim(tx: &mut Tx, sealer: &Sealer, request: &Request) -> Result<Option<Kept>> {
    let taken = tx
        .execute(
            "INSERT INTO idempotency_keys (environment_id, key_hash, answer_sealed, created_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (environment_id, key_hash)
             DO UPDATE SET answer_sealed = excluded.answer_sealed, created_at = excluded.created_at
             WHERE idempotency_keys.created_at <= $5",
            &[
                (&tx.environment_id()).into(),
                (&request.key).into(),
                (&[][..]).into(),
                tx.now().into(),
                tx.now().plus_ms(-MEMORY_MS).into(),
            ],
        )
        .await?;
    if taken == 1 {
        return Ok(None);
    }
    match find(tx, sealer, request).await? {
        Some(kept) => Ok(Some(kept)),
        None => Err(Error::unavailable("the key of a request was taken and is free again")),
    }
}

/// Keeps the answer to a request whose key this unit has taken.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn keep(tx: &mut Tx, sealer: &Sealer, request: &Request, answer: &Answer) -> Result<()> {
    let environment_id = tx.environment_id();
    let name = base64url(request.key.as_bytes());
    let text = [&request.fingerprint[..], &answer.status.to_be_bytes(), &answer.body].concat();
    let text = zeroize::Zeroizing::new(text);
    let sealed = sealer.seal(place(&name, environment_id.as_str()), &text)?;
    tx.execute(
        "UPDATE idempotency_keys SET answer_sealed = $1
         WHERE environment_id = $2 AND key_hash = $3",
        &[(&sealed[..]).into(), (&environment_id).into(), (&request.key).into()],
    )
    .await
    .map(drop)
}

/// Forgets answers older than this, at most so many; returns how many. Not limited to an environment.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    tx.execute(
        "DELETE FROM idempotency_keys WHERE (environment_id, key_hash) IN
         (SELECT environment_id, key_hash FROM idempotency_keys
          WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
        &[before.into(), limit.into()],
    )
    .await
}

fn place<'a>(row: &'a str, environment: &'a str) -> Place<'a> {
    Place { table: "idempotency_keys", row, column: "answer_sealed", environment }
}
