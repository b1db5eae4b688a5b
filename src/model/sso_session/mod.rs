//! SSO sessions: one row per login attempt, with its trace.

mod attempt;
mod grant;
mod happening;
mod hold;
mod kept_trace;
mod narrow;
mod table;
mod test_result;

use serde::Serialize;

use crate::base::failure::{Failure, FailureCode, Owner};
use crate::base::id::{ConnectionId, OrganizationId, ProfileId, SsoSessionId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::trace::{Outcome, Step, Trace};
use crate::base::{Error, Result};
use crate::db::Tx;

pub use attempt::{Browser, NewCode, Phase, Refusal, Start, Starter, Take, Taken, Unredeemed};
pub use grant::{
    AuthorizationCode, TOKEN_LIFETIME_S, find_code, find_profile, of_profile, redeem, revoke_token,
    spend, take_back,
};
use happening::{Subject, close};
pub use hold::{Hold, is_lost};
pub use narrow::first_id;
pub use test_result::{
    GroupsState, Origin, TestGroups, TestProfile, TestResult, TestRoles, TestRule,
};

/// How long a login may take until the browser is back, and again until the code is redeemed:
/// 10 minutes, in milliseconds.
pub const LIFETIME_MS: i64 = 10 * 60 * 1000;
/// How long an attempt whose browser came back in time may still wait for its identity provider
/// before it counts as timed out (a node may have died with it): 2 minutes, in milliseconds.
const GRACE_MS: i64 = 2 * 60 * 1000;
/// How many steps a trace may have, those of logouts included.
const MAX_STEPS: usize = 150;

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Somebody is signing in, or the application has not redeemed its code yet.
    InProgress,
    /// The application redeemed its code.
    Success,
    /// A check failed.
    Failed,
    /// Nobody came back in time.
    TimedOut,
    /// A test sign-in went through.
    TestSuccessful,
    /// A check of a test sign-in failed, or nobody came back in time.
    TestFailed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::InProgress,
        Self::Success,
        Self::Failed,
        Self::TimedOut,
        Self::TestSuccessful,
        Self::TestFailed,
    ];

    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::TestSuccessful => "test_successful",
            Self::TestFailed => "test_failed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// A login attempt as it is shown to operators and developers.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SsoSession {
    /// Always `sso_session`.
    pub object: &'static str,
    /// Its id: the reference number on error pages.
    pub id: SsoSessionId,
    /// The organization, where the attempt came so far.
    #[schema(required)]
    pub organization_id: Option<OrganizationId>,
    /// The connection, where the attempt came so far.
    #[schema(required)]
    pub connection_id: Option<ConnectionId>,
    /// How it stands.
    pub status: Status,
    /// Who began it.
    pub origin: Origin,
    /// The administrator or the setup link that began it, where it is a test.
    #[schema(required)]
    pub started_by: Option<String>,
    /// Why it failed.
    #[schema(required)]
    pub error: Option<SessionError>,
    /// The e-mail address that the identity provider sent.
    #[schema(required)]
    pub email: Option<String>,
    /// The profile that signed in.
    #[schema(required)]
    pub profile_id: Option<ProfileId>,
    /// The address of the browser.
    #[schema(required)]
    pub ip_address: Option<String>,
    /// The `User-Agent` of the browser.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// Where the application asked to be answered; the page of ours to which a test returns.
    pub redirect_uri: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last went on.
    pub updated_at: Timestamp,
    /// When the person was logged out of it, if that is known.
    #[schema(required)]
    pub logged_out_at: Option<Timestamp>,
    /// Every step and check, oldest first; only where one session is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<Step>>,
    /// What a test found out; only where one session is asked for, and it came so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_result: Option<TestResult>,
}

/// Why an attempt failed, for its three readers.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SessionError {
    /// The stable code.
    pub code: &'static str,
    /// Who has to mend it.
    pub owner: Owner,
    /// What the developer is told.
    pub message: &'static str,
    /// What the customer's IT administrator is told.
    pub remedy: &'static str,
}

impl From<FailureCode> for SessionError {
    fn from(code: FailureCode) -> Self {
        Self {
            code: code.as_str(),
            owner: code.owner(),
            message: code.for_developer(),
            remedy: code.for_it(),
        }
    }
}

/// Records that a login begins. A test leaves no event, neither here nor when it ends.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn start(tx: &mut Tx, new: &Start, trace: &Trace) -> Result<()> {
    table::insert_started(tx, new, &trace_text(trace)?).await?;
    if new.starter.origin.is_test() {
        return Ok(());
    }
    let subject = Subject {
        organization_id: Some(&new.organization_id),
        connection_id: Some(&new.connection_id),
        session_id: &new.id,
        ip_address: new.browser.ip_address.as_deref(),
        user_agent: new.browser.user_agent.as_deref(),
        email: None,
    };
    subject.record(tx, "authentication.sso_started", "started", None).await
}

/// Records an attempt that failed at once.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn refuse(tx: &mut Tx, new: &Refusal, failure: &Failure, trace: &Trace) -> Result<()> {
    table::insert_refused(tx, new, failure.code, &trace_text(trace)?).await?;
    if new.starter.origin.is_test() {
        return Ok(());
    }
    let subject = Subject {
        organization_id: new.organization_id.as_ref(),
        connection_id: new.connection_id.as_ref(),
        session_id: &new.id,
        ip_address: new.browser.ip_address.as_deref(),
        user_agent: new.browser.user_agent.as_deref(),
        email: None,
    };
    subject.record(tx, "authentication.sso_failed", "failed", Some(failure.code)).await
}

/// Takes an attempt in the phase, by its id and the secret in `state`, so that nobody can take it
/// again, but who takes it over ([`take_over`]). Finds the environment, so it is not limited to one.
///
/// Commit this before judging the attempt: a refusal must not bring it back to life.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn take(
    tx: &mut Tx,
    id: &SsoSessionId,
    secret: &SecretHash,
    phase: Phase,
) -> Result<Take> {
    if let Some((environment_id, taken)) = table::take(tx, id, secret, phase.as_str()).await? {
        tx.enter(&environment_id);
        return Ok(Take::Taken(Box::new(taken)));
    }
    Ok(match table::status_by_secret(tx, id, secret).await? {
        None => Take::Unknown,
        Some((Status::TimedOut, _)) => Take::TimedOut,
        Some((_, Some(since))) => Take::InHand(since),
        Some(_) => Take::Consumed,
    })
}

/// Since when a request has the attempt of this browser in its hands and has not answered yet; `None`: there
/// is no such attempt, or none has it. Not limited to an environment, as [`take`].
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn in_hand(
    tx: &mut Tx,
    id: &SsoSessionId,
    secrets: (&SecretHash, &SecretHash),
) -> Result<Option<Timestamp>> {
    hold::in_hand(tx, id, secrets).await
}

/// What a repeated answer needs of an attempt of this browser whose code nobody has redeemed. Not limited to
/// an environment, as [`take`].
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn unredeemed(
    tx: &mut Tx,
    id: &SsoSessionId,
    secrets: (&SecretHash, &SecretHash),
) -> Result<Option<Unredeemed>> {
    table::unredeemed(tx, id, secrets).await
}

/// Takes an attempt over from a request that took it at `since` and has not answered: its node may be
/// gone. Only for the browser that began the login, by the hash of the secret in its cookie. The answer of
/// the identity provider may have been used: send the browser there again ([`depart_again`]).
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn take_over(
    tx: &mut Tx,
    id: &SsoSessionId,
    (secret, browser): (&SecretHash, &SecretHash),
    since: Timestamp,
) -> Result<Take> {
    if !hold::give_back(tx, id, (secret, browser), since).await? {
        return Ok(Take::Consumed);
    }
    take(tx, id, secret, Phase::Departed).await
}

/// Sends an attempt to the identity provider once more: a new secret takes it when the browser comes back,
/// what is remembered is replaced.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored; one that [`is_lost`] knows.
pub async fn depart_again(
    tx: &mut Tx,
    hold: &Hold,
    remembered: (&SecretHash, &[u8]),
    trace: &Trace,
) -> Result<()> {
    hold::to_departed(tx, hold, remembered, &trace_text(trace)?).await
}

/// Keeps the trace so far of an attempt that goes on.
///
/// # Errors
///
/// As [`depart_again`].
pub async fn keep_trace(tx: &mut Tx, hold: &Hold, trace: &Trace) -> Result<()> {
    hold::set_trace(tx, hold, &trace_text(trace)?).await
}

/// Hands the attempt to the consent page: a new secret takes it, what is remembered is replaced.
///
/// # Errors
///
/// As [`depart_again`].
pub async fn ask_consent(
    tx: &mut Tx,
    hold: &Hold,
    remembered: (&SecretHash, &[u8]),
    trace: &Trace,
) -> Result<()> {
    hold::to_consent(tx, hold, remembered, &trace_text(trace)?).await
}

/// Issues a code for the attempt: it stands for the profile, and is good for [`LIFETIME_MS`], the most
/// that RFC 6749 section 4.1.2 recommends.
///
/// # Errors
///
/// As [`depart_again`].
pub async fn issue_code(
    tx: &mut Tx,
    hold: &Hold,
    code: &NewCode,
    person: (&str, &ProfileId),
    trace: &Trace,
) -> Result<()> {
    hold::to_issued(tx, hold, code, person, &trace_text(trace)?).await
}

/// Records that an attempt failed that a request has in hand. Does nothing if it is not any more.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn fail(
    tx: &mut Tx,
    hold: &Hold,
    failure: &Failure,
    (email, trace): (Option<&str>, &Trace),
) -> Result<()> {
    let ending = (email, Some(trace_text(trace)?));
    end_failed(tx, &hold.id, failure.code, ending, Some(hold.taken_at)).await
}

/// Records that the attempt failed, whoever has it in hand. Does nothing if it has ended already.
async fn end_failed(
    tx: &mut Tx,
    id: &SsoSessionId,
    code: FailureCode,
    ending: (Option<&str>, Option<String>),
    held_since: Option<Timestamp>,
) -> Result<()> {
    let ended = table::end(tx, id, Status::Failed, Some(code), ending, held_since).await?;
    close(tx, id, ended.as_ref(), "authentication.sso_failed", Some(code)).await
}

/// Ends an attempt in progress because its browser logged out meanwhile; whether there was such an
/// attempt of this browser.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn abort(tx: &mut Tx, id: &SsoSessionId, browser: &SecretHash) -> Result<bool> {
    if !table::is_under_way(tx, id, browser).await? {
        return Ok(false);
    }
    end_failed(tx, id, FailureCode::LoggedOut, (None, None), None).await?;
    Ok(true)
}

/// Records in the trace that the person was logged out of what the attempt gave: the name of the step,
/// and what it says; whether that is news. Does nothing if the attempt is forgotten.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn log_out(tx: &mut Tx, id: &SsoSessionId, step: (&str, &str)) -> Result<bool> {
    let Some((mut steps, logged_out_at)) = table::steps(tx, id).await? else { return Ok(true) };
    let is_news = logged_out_at.is_none();
    steps.push(Step {
        at_ms: tx.now().as_ms(),
        name: step.0.to_owned().into(),
        outcome: Outcome::Passed,
        expected: None,
        received: None,
        note: Some(step.1.to_owned().into()),
    });
    // Whoever is logged out of the same login again and again does not make its trace longer.
    if steps.len() <= MAX_STEPS {
        let trace = kept_trace::write(steps.iter())?;
        table::set_logged_out(tx, id, &trace).await?;
    }
    Ok(is_news)
}

/// Keeps what a test found out, whether or not the sign-in would be refused.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn keep_test_result(tx: &mut Tx, hold: &Hold, result: &TestResult) -> Result<()> {
    let text = serde_json::to_string(result).map_err(Error::internal)?;
    hold::set_test_result(tx, hold, (&result.profile.email, &text)).await
}

/// Records that a test went through.
///
/// # Errors
///
/// [`Error::Unavailable`] if it could not be stored.
pub async fn pass_test(tx: &mut Tx, hold: &Hold, trace: &Trace) -> Result<()> {
    let ending = (None, Some(trace_text(trace)?));
    let since = Some(hold.taken_at);
    let ended = table::end(tx, &hold.id, Status::TestSuccessful, None, ending, since).await?;
    ended.map(drop).ok_or_else(hold::lost)
}

/// Closes attempts that nobody finished in time, at the most `limit`; returns how many. Goes through
/// all environments.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn time_out(tx: &mut Tx, limit: usize) -> Result<usize> {
    let late = table::late(tx, GRACE_MS, limit).await?;
    for (environment_id, id) in &late {
        tx.enter(environment_id);
        let code = Some(FailureCode::TimedOut);
        let ended = table::end(tx, id, Status::TimedOut, code, (None, None), None).await?;
        close(tx, id, ended.as_ref(), "authentication.sso_timed_out", code).await?;
    }
    Ok(late.len())
}

/// Forgets attempts that began before `moment`, at the most `limit`; returns how many. Goes through
/// all environments.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    table::purge(tx, before, limit).await
}

/// Which attempts a list is to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this connection.
    pub connection_id: Option<ConnectionId>,
    /// Of this organization.
    pub organization_id: Option<OrganizationId>,
    /// With this status.
    pub status: Option<Status>,
    /// Begun by these.
    pub origin: Option<Origin>,
    /// With this e-mail address.
    pub email: Option<String>,
    /// Begun at this moment or later.
    pub range_start: Option<Timestamp>,
    /// Begun before this moment.
    pub range_end: Option<Timestamp>,
}

/// Lists attempts, without their traces.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn list(tx: &mut Tx, filter: &Filter, page: &PageRequest) -> Result<Page<SsoSession>> {
    table::list(tx, filter, page).await
}

/// One attempt with its trace.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such attempt.
pub async fn get(tx: &mut Tx, id: &str) -> Result<SsoSession> {
    table::find(tx, id).await?.ok_or_else(|| Error::not_found("SSO Session", id))
}

fn trace_text(trace: &Trace) -> Result<String> {
    kept_trace::write(trace.steps())
}
