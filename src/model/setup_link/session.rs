//! Setup sessions: the browsers in which a link was begun.

use super::{Kind, SetupLink, State, table};
use crate::base::Result;
use crate::base::id::{EnvironmentId, SetupSessionId};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::db::Tx;

/// How long a browser may go on: 8 hours, in milliseconds.
pub const SESSION_MS: i64 = 8 * 60 * 60 * 1000;
/// How exactly it is noted when a browser was last seen: a minute, in milliseconds.
const SEEN_EVERY_MS: i64 = 60_000;

/// A browser in which a link was begun.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: SetupSessionId,
    /// The environment of the link.
    pub environment_id: EnvironmentId,
    /// The link.
    pub link: SetupLink,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// When it was last seen, to a minute.
    pub last_seen_at: Timestamp,
}

impl Session {
    /// Whether it is time to note that the browser was seen.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.last_seen_at.plus_ms(SEEN_EVERY_MS) <= now
    }
}

/// Why a link cannot be begun, or why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There is no such link or session.
    Unknown,
    /// It was begun in another browser.
    Used,
    /// Its time is over.
    Expired,
    /// Somebody took it back.
    Revoked,
    /// The setup is finished.
    Finished,
}

impl From<State> for Ended {
    fn from(state: State) -> Self {
        match state {
            State::Used => Self::Used,
            State::Finished => Self::Finished,
            State::Revoked => Self::Revoked,
            // One that is open was not when it was asked for: its time ran out in between.
            State::Expired | State::Open => Self::Expired,
        }
    }
}

/// Begins a link in the browser that holds the secret of `browser`. Finds the environment, so it is
/// not limited to one.
///
/// One statement takes the link: of two browsers that begin a link of the API at once, one gets it.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn begin(
    tx: &mut Tx,
    token: &SecretHash,
    browser: &SecretHash,
) -> Result<std::result::Result<Session, Ended>> {
    let Some((environment_id, link)) = table::begin(tx, token).await? else {
        let known = table::find_by_hash(tx, token).await?;
        return Ok(Err(known.map_or(Ended::Unknown, |(_, link)| link.state(tx.now()).into())));
    };
    tx.enter(&environment_id);
    if let Some(ended) = ended_parent(tx, &link).await? {
        return Ok(Err(ended));
    }
    let mut expires_at = tx.now().plus_ms(SESSION_MS);
    if link.kind != Kind::Api {
        expires_at = expires_at.min(link.expires_at);
    }
    let (id, last_seen_at) = (tx.new_id(), tx.now());
    let session = Session { id, environment_id, link, expires_at, last_seen_at };
    table::insert_session(tx, &session, browser).await?;
    Ok(Ok(session))
}

/// The session of the browser that holds this secret, if it is not over. Finds the environment, so
/// it is not limited to one.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn enter(
    tx: &mut Tx,
    browser: &SecretHash,
) -> Result<std::result::Result<Session, Ended>> {
    let Some(session) = table::find_session(tx, browser).await? else {
        return Ok(Err(Ended::Unknown));
    };
    tx.enter(&session.environment_id);
    let now = tx.now();
    // A link of the API ends for others once it was begun; its session goes on.
    let ended = match session.link.state(now) {
        State::Open => None,
        State::Used if session.link.kind == Kind::Api => None,
        state => Some(state.into()),
    };
    if let Some(ended) = ended {
        return Ok(Err(ended));
    }
    if session.expires_at <= now {
        return Ok(Err(Ended::Expired));
    }
    if let Some(ended) = ended_parent(tx, &session.link).await? {
        return Ok(Err(ended));
    }
    Ok(Ok(session))
}

/// Notes that a browser was seen.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn saw(tx: &mut Tx, id: &SetupSessionId) -> Result<()> {
    table::saw_session(tx, id).await
}

/// Ends the session of one browser; the link stays.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn leave(tx: &mut Tx, id: &SetupSessionId) -> Result<()> {
    table::delete_session(tx, id).await
}

/// Forgets sessions that ended before `moment`, at the most `limit`; returns how many. Goes through
/// all environments.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn purge_sessions(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    table::purge_sessions(tx, before, limit).await
}

/// Why the link that a step was handed over from is over, if it is.
async fn ended_parent(tx: &mut Tx, link: &SetupLink) -> Result<Option<Ended>> {
    let Some(parent_id) = &link.parent_id else { return Ok(None) };
    let Some(parent) = table::find(tx, parent_id).await? else { return Ok(Some(Ended::Revoked)) };
    Ok(match parent.state(tx.now()) {
        State::Open | State::Used => None,
        // Its own minutes were for beginning; whoever handed the step over had begun.
        State::Expired if parent.kind == Kind::Api => None,
        state => Some(state.into()),
    })
}
