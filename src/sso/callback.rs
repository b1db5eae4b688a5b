//! The second half of a login: from the identity provider back to the application.

use std::sync::Arc;

use super::answer::Target;
use super::sign_in::{self, Code, Entering};
use super::{
    Exit, Memory, Refused, Ticket, again, consent, memory_place, refuse, test_sign_in, unchanged,
};
use crate::app::App;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::SsoSessionId;
use crate::base::secret::{SecretHash, equal};
use crate::base::time::Timestamp;
use crate::base::trace::Trace;
use crate::base::{Caller, Result};
use crate::db::Tx;
use crate::model::connection::{self, Connection};
use crate::model::environment::{self, Environment};
use crate::model::redirect_uri;
use crate::model::sso_session::{self, Phase, Take, Taken};
use crate::telemetry::request;
use crate::upstream::{self, Arrival, Assertion, oidc};

/// What the browser brings back from the identity provider.
pub struct Return<'a> {
    /// The part of the path that names the connection.
    pub external_key: &'a str,
    /// The query, as it came.
    pub query: &'a str,
    /// Finds the browser's cookie for an attempt.
    pub cookie: &'a (dyn Fn(&SsoSessionId) -> Option<SecretHash> + Sync),
    /// Finds out whether this browser has agreed to the connection before.
    pub agreed: &'a (dyn Fn(&Connection) -> bool + Sync),
    /// The request's `Idempotency-Key`, which a load balancer gives it that may send it again.
    pub key: Option<&'a str>,
}

/// How the second half ended.
pub enum Finished {
    /// The browser goes to the application, with a code; after a test, to the page that began it.
    Answered {
        /// Where it goes.
        location: String,
        /// The attempt, whose cookie is no longer needed.
        session_id: SsoSessionId,
    },
    /// The person is asked whether to continue.
    Asked(consent::Question),
    /// The browser goes to the identity provider again.
    Departed {
        /// Where it goes.
        location: String,
        /// The attempt.
        session_id: SsoSessionId,
    },
}

/// An attempt that was taken, with what is needed to judge it.
pub(super) struct Attempt {
    pub(super) taken: Taken,
    pub(super) environment: Arc<Environment>,
    pub(super) connection: Option<Arc<Connection>>,
    /// A test returns to a page of ours, which needs no registration.
    pub(super) redirect_is_registered: bool,
}

/// Why an attempt is not ours.
pub(super) enum NotTaken {
    /// A request has taken it at this moment, and has not answered yet.
    InHand(Timestamp),
    /// For good.
    Refused(FailureCode),
}

impl From<NotTaken> for Refused {
    fn from(why: NotTaken) -> Self {
        Self::unrecorded(match why {
            NotTaken::InHand(_) => FailureCode::FlowConsumed,
            NotTaken::Refused(code) => code,
        })
    }
}

impl Attempt {
    /// Where the application wants its answer.
    pub(super) fn target<T>(&self, memory: &Memory<T>) -> Target {
        Target {
            redirect_uri: self.taken.redirect_uri.clone(),
            app_state: memory.app_state.clone(),
        }
    }
}

/// Finishes a login.
///
/// # Errors
///
/// [`Refused`]; recorded, once the attempt is known.
pub async fn finish(app: &App, back: Return<'_>) -> Result<Finished, Refused> {
    let (state, arrival) = oidc::Arrival::parse(back.query).map_err(Refused::unrecorded)?;
    let ticket = state.as_deref().and_then(Ticket::parse);
    let ticket = ticket.ok_or_else(|| Refused::unrecorded(FailureCode::StateInvalid))?;
    let (attempt, mut trace) = match take(app, &ticket, Phase::Departed).await? {
        Ok(taken) => taken,
        Err(why) => return again::finish(app, &ticket, &back, why).await,
    };
    let Some(memory) = open(app, &attempt)? else {
        return Err(of_newer_program(app, &attempt, FailureCode::StateInvalid, trace).await);
    };
    let target = attempt.target(&memory);
    let cookie = (back.cookie)(&attempt.taken.id);
    let outcome = match judge(app, &attempt, (back.external_key, cookie), &mut trace) {
        Ok(connection) => {
            let arrival = Arrival::Oidc(arrival);
            let code = Code::of(app, &ticket, back.key);
            let step = Step { memory: &memory, arrival: &arrival, agreed: back.agreed, code };
            go_on(app, (&attempt, connection), step, (&target, &mut trace)).await
        }
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(finished) => Ok(finished),
        Err(failure) if failure.code == FailureCode::FlowConsumed => {
            Err(Refused::unrecorded(failure))
        }
        Err(failure) => {
            let exit = exit(&failure, &attempt, &target);
            let names = (&attempt.environment.id, attempt.taken.hold());
            Err(refuse(app, names, failure, trace, exit).await)
        }
    }
}

/// What an attempt that was taken remembers; `None` if it is of a newer program.
pub(super) fn open(app: &App, attempt: &Attempt) -> Result<Option<Memory<upstream::Memory>>> {
    let place = memory_place(&attempt.taken.id, &attempt.environment.id);
    Memory::open(app, place, &attempt.taken.memory_sealed)
}

/// Where a failure may be told: not at a redirect URI that is gone, and not at a page of ours that
/// another browser began the test from.
pub(super) fn exit<'a>(failure: &Failure, attempt: &Attempt, target: &'a Target) -> Exit<'a> {
    match failure.code {
        FailureCode::RedirectRevoked => Exit::Nowhere,
        FailureCode::BrowserBindingFailed if attempt.taken.origin.is_test() => Exit::Nowhere,
        _ if attempt.taken.origin.is_test() => Exit::TestPage(&target.redirect_uri),
        _ if attempt.redirect_is_registered => Exit::Application(target),
        _ => Exit::Nowhere,
    }
}

/// Takes the attempt, with its trace so far, and commits that before anything is judged: whatever
/// follows, who comes with the same ticket again can at the most begin once more (`again.rs`).
pub(super) async fn take(
    app: &App,
    ticket: &Ticket,
    phase: Phase,
) -> Result<Result<(Attempt, Trace), NotTaken>> {
    let (id, secret) = (ticket.id.clone(), ticket.secret.hash());
    let unit = async move |tx: &mut _| {
        let took = sso_session::take(tx, &id, &secret, phase).await?;
        taken(tx, took).await
    };
    let taken = app.db.write(&Caller::anonymous(), unit).await?;
    Ok(taken.map(|mut attempt| {
        request::belongs_to(&attempt.taken.id);
        let trace = Trace::resume(app.clock.clone(), std::mem::take(&mut attempt.taken.steps));
        (attempt, trace)
    }))
}

/// What an attempt that was taken is judged by, read in the unit that took it.
pub(super) async fn taken(tx: &mut Tx, took: Take) -> Result<Result<Attempt, NotTaken>> {
    Ok(match took {
        Take::Taken(taken) => Ok(Attempt {
            environment: environment::recall_current(tx).await?,
            connection: connection::recall(tx, taken.connection_id.as_str()).await?,
            redirect_is_registered: taken.origin.is_test()
                || redirect_uri::recall_match(tx, &taken.redirect_uri).await?,
            taken: *taken,
        }),
        Take::InHand(since) => Err(NotTaken::InHand(since)),
        Take::Unknown => Err(NotTaken::Refused(FailureCode::StateInvalid)),
        Take::Consumed => Err(NotTaken::Refused(FailureCode::FlowConsumed)),
        Take::TimedOut => Err(NotTaken::Refused(FailureCode::FlowExpired)),
    })
}

/// Ends an attempt whose memory only a newer program knows: it counts as none that began here.
pub(super) async fn of_newer_program(
    app: &App,
    attempt: &Attempt,
    code: FailureCode,
    trace: Trace,
) -> Refused {
    let failure = Failure::with_detail(code, "a newer program remembers more of this attempt");
    let names = (&attempt.environment.id, attempt.taken.hold());
    refuse(app, names, failure, trace, Exit::Nowhere).await
}

/// The checks that need no network: of the browser, the time and the connection.
pub(super) fn judge<'a>(
    app: &App,
    attempt: &'a Attempt,
    (external_key, cookie): (&str, Option<SecretHash>),
    trace: &mut Trace,
) -> Result<&'a Connection, Failure> {
    let taken = &attempt.taken;
    if !cookie.is_some_and(|hash| equal(hash.as_bytes(), &taken.browser_hash)) {
        return Err(Failure::mismatch(
            FailureCode::BrowserBindingFailed,
            "the browser that began the login",
            "another one, or one without its cookie",
        ));
    }
    trace.did("callback.browser", "the browser that began the login came back");
    if app.clock.now() >= taken.expires_at {
        return Err(Failure::mismatch(
            FailureCode::FlowExpired,
            format!("before {}", taken.expires_at),
            app.clock.now().to_string(),
        ));
    }
    let connection = attempt.connection.as_ref().ok_or_else(|| {
        Failure::with_detail(FailureCode::ConnectionUnlinked, "the connection was deleted")
    })?;
    if connection.external_key != external_key {
        return Err(Failure::mismatch(
            FailureCode::ConnectionStateMismatch,
            connection.callback_path(),
            "the redirect URI of another connection",
        ));
    }
    if !attempt.redirect_is_registered {
        return Err(FailureCode::RedirectRevoked.into());
    }
    unchanged(connection, taken.connection_version, taken.origin)?;
    trace.did("callback.connection", "the connection is as it was when the login began");
    Ok(connection)
}

/// What the browser brought, and what was remembered.
struct Step<'a> {
    memory: &'a Memory<upstream::Memory>,
    arrival: &'a Arrival,
    agreed: &'a (dyn Fn(&Connection) -> bool + Sync),
    code: Code,
}

/// Asks the identity provider, and lets the person in or asks whether to continue.
async fn go_on(
    app: &App,
    (attempt, connection): (&Attempt, &Connection),
    step: Step<'_>,
    (target, trace): (&Target, &mut Trace),
) -> Result<Finished, Failure> {
    let assertion = assert(app, connection, &step, trace).await?;
    let entering = Entering {
        session_id: attempt.taken.id.clone(),
        environment_id: attempt.environment.id.clone(),
        connection_id: connection.id.clone(),
        connection_version: attempt.taken.connection_version,
        code_challenge: attempt.taken.code_challenge.clone(),
        role_mode: attempt.environment.settings.role_mode,
        target: target.clone(),
        origin: attempt.taken.origin,
        assertion,
    };
    if entering.origin.is_test() {
        sign_in::rehearse(app, attempt.taken.hold(), entering, trace).await?;
        let session_id = attempt.taken.id.clone();
        let location = test_sign_in::location(&target.redirect_uri, &session_id);
        return Ok(Finished::Answered { location, session_id });
    }
    let idp_initiated = step.memory.idp_initiated;
    let consent = attempt.environment.settings.signin_consent;
    let needed = consent::is_needed(consent, connection, idp_initiated);
    if needed && (idp_initiated || !(step.agreed)(connection)) {
        let hold = attempt.taken.hold();
        return consent::ask(app, connection, (hold, entering), trace).await.map(Finished::Asked);
    }
    let location = sign_in::enter(app, (attempt.taken.hold(), entering), step.code, trace).await?;
    Ok(Finished::Answered { location, session_id: attempt.taken.id.clone() })
}

/// The part with the network: what the identity provider vouches for. No transaction is open.
async fn assert(
    app: &App,
    connection: &Connection,
    step: &Step<'_>,
    trace: &mut Trace,
) -> Result<Assertion, Failure> {
    let settings = connection.settings.as_ref().ok_or(FailureCode::ConnectionUnlinked)?;
    let secrets = connection.secrets(&app.sealer).map_err(|error| super::failure_of(&error))?;
    let redirect_uri = app.callback_uri(connection);
    let back = upstream::Return {
        memory: &step.memory.step,
        arrival: step.arrival,
        redirect_uri: &redirect_uri,
        secrets: &secrets,
    };
    upstream::finish(&app.upstream, settings, back, trace).await
}
