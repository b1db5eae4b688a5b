//! A browser that is back from the identity provider with an answer that was taken already: mostly
//! because the node that took it has died, and the load balancer asks the next.
//!
//! If that node had not issued a code, the identity provider's answer may have been used all the same, so the
//! browser goes there again; where the person is signed in, they see nothing of it. If it had, the same
//! request gets the same code: the load balancer has given it a key.

use std::time::Duration;

use super::answer::Target;
use super::callback::{
    Attempt, Finished, NotTaken, Return, exit, judge, of_newer_program, open, taken,
};
use super::sign_in::Code;
use super::{Memory, Refused, Ticket, authorize, failure_of, memory_place, refuse, system};
use crate::app::App;
use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::{SecretHash, equal};
use crate::base::time::Timestamp;
use crate::base::trace::Trace;
use crate::base::{Caller, Result};
use crate::db::Tx;
use crate::model::connection::Connection;
use crate::model::{redirect_uri, sso_session};
use crate::telemetry::request;
use crate::upstream;

/// How long a request is waited for that has the login in hand.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is asked whether it has answered.
const ROUNDS: u32 = 8;
/// The step that says so.
const STEP: &str = "callback.taken_over";
/// How often a login is taken over: it may be what nodes die of.
const TIMES: usize = 3;

/// Finishes a login that could not be taken.
///
/// # Errors
///
/// [`Refused`]; a login that this browser has not in hand stays as it is.
pub(super) async fn finish(
    app: &App,
    ticket: &Ticket,
    back: &Return<'_>,
    why: NotTaken,
) -> Result<Finished, Refused> {
    let since = match why {
        NotTaken::InHand(since) => Some(since),
        NotTaken::Refused(FailureCode::FlowConsumed) => None,
        NotTaken::Refused(_) => return Err(why.into()),
    };
    let browser = (back.cookie)(&ticket.id).ok_or_else(consumed)?;
    let session_id = ticket.id.clone();
    if let Some(since) = since
        && let Some(location) = take_over(app, ticket, (back, browser), since).await?
    {
        return Ok(Finished::Departed { location, session_id });
    }
    // Who had it in hand has answered, or died before it could tell.
    let key = back.key.ok_or_else(consumed)?;
    let location = repeat(app, ticket, browser, key).await?;
    Ok(Finished::Answered { location, session_id })
}

fn consumed() -> Refused {
    Refused::unrecorded(FailureCode::FlowConsumed)
}

/// The answer that this very request has got already, as long as nobody has redeemed the code in it.
async fn repeat(
    app: &App,
    ticket: &Ticket,
    browser: SecretHash,
    key: &str,
) -> Result<String, Refused> {
    let codes = Code::all(app, ticket, key);
    let (id, secret) = (ticket.id.clone(), ticket.secret.hash());
    let find = async move |tx: &mut Tx| {
        let found = sso_session::unredeemed(tx, &id, (&secret, &browser)).await?;
        let Some(found) = found else { return Ok(None) };
        tx.enter(&found.environment_id);
        let is_registered = redirect_uri::recall_match(tx, &found.redirect_uri).await?;
        Ok(Some(found).filter(|_| is_registered))
    };
    let found = app.db.read(&Caller::anonymous(), find).await?.ok_or_else(consumed)?;
    let place = memory_place(&ticket.id, &found.environment_id);
    let memory = Memory::<upstream::Memory>::open(app, place, &found.memory_sealed)?;
    let app_state = memory.ok_or_else(consumed)?.app_state;
    let fits = |code: &Ticket| equal(code.secret.hash().as_bytes(), &found.code_hash);
    let code = codes.into_iter().find(fits).ok_or_else(consumed)?.text();
    request::belongs_to(&ticket.id);
    Ok(Target { redirect_uri: found.redirect_uri, app_state }.code(&code))
}

/// Takes over a login that a request of this browser took at `since`, if that does not answer; says where the
/// browser goes. `None`: it has answered meanwhile.
async fn take_over(
    app: &App,
    ticket: &Ticket,
    (back, browser): (&Return<'_>, SecretHash),
    since: Timestamp,
) -> Result<Option<String>, Refused> {
    if !is_given_up(app, ticket, browser, since).await? {
        return Ok(None);
    }
    let Some((attempt, mut trace)) = take(app, ticket, browser, since).await? else {
        return Ok(None);
    };
    let Some(memory) = open(app, &attempt)? else {
        return Err(of_newer_program(app, &attempt, FailureCode::StateInvalid, trace).await);
    };
    let target = attempt.target(&memory);
    let times = trace.steps().filter(|step| step.name == STEP).count();
    let outcome = match judge(app, &attempt, (back.external_key, Some(browser)), &mut trace) {
        Ok(_) if times > TIMES => Err(FailureCode::FlowConsumed.into()),
        Ok(connection) => depart(app, (&attempt, connection), memory, &mut trace).await,
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(location) => Ok(Some(location)),
        Err(failure) => {
            let exit = exit(&failure, &attempt, &target);
            let names = (&attempt.environment.id, attempt.taken.hold());
            Err(refuse(app, names, failure, trace, exit).await)
        }
    }
}

/// Waits for the request that has this browser's login in hand; whether it has still not answered.
async fn is_given_up(
    app: &App,
    ticket: &Ticket,
    browser: SecretHash,
    since: Timestamp,
) -> Result<bool> {
    for _ in 0..ROUNDS {
        let (id, secret) = (ticket.id.clone(), ticket.secret.hash());
        let asked =
            async move |tx: &mut _| sso_session::in_hand(tx, &id, (&secret, &browser)).await;
        if app.db.read_briefly(&Caller::anonymous(), asked).await? != Some(since) {
            return Ok(false);
        }
        tokio::time::sleep(PATIENCE / ROUNDS).await;
    }
    Ok(true)
}

/// Takes it, and says so in its trace before anything else is done: it may be what nodes die of.
async fn take(
    app: &App,
    ticket: &Ticket,
    browser: SecretHash,
    since: Timestamp,
) -> Result<Option<(Attempt, Trace)>> {
    let (id, secret, clock) = (ticket.id.clone(), ticket.secret.hash(), app.clock.clone());
    let unit = async move |tx: &mut Tx| {
        let took = sso_session::take_over(tx, &id, (&secret, &browser), since).await?;
        let Ok(mut attempt) = taken(tx, took).await? else { return Ok(None) };
        let mut trace = Trace::resume(clock.clone(), std::mem::take(&mut attempt.taken.steps));
        trace.did(
            STEP,
            "who had the login in hand did not answer: the identity provider is asked again",
        );
        sso_session::keep_trace(tx, &attempt.taken.hold(), &trace).await?;
        Ok(Some((attempt, trace)))
    };
    let taken = app.db.write(&Caller::anonymous(), unit).await?;
    if taken.is_some() {
        request::belongs_to(&ticket.id);
    }
    Ok(taken)
}

/// Sends the browser to the identity provider again, with a new secret.
async fn depart(
    app: &App,
    (attempt, connection): (&Attempt, &Connection),
    memory: Memory<upstream::Memory>,
    trace: &mut Trace,
) -> Result<String, Failure> {
    let ticket = Ticket::new(attempt.taken.id.clone());
    let departure = authorize::ask(app, connection, (&ticket, &memory.wishes), trace).await?;
    let place = memory_place(&ticket.id, &attempt.environment.id);
    let memory = Memory { step: departure.memory, ..memory };
    let sealed = memory.seal(app, place).map_err(|error| failure_of(&error))?;
    trace.did("authorize.departed", "the browser leaves for the identity provider");
    let (steps, hold) = (trace.share(), attempt.taken.hold());
    app.db
        .write(&system(&attempt.environment.id), async move |tx| {
            let remembered = (&ticket.secret.hash(), &sealed[..]);
            sso_session::depart_again(tx, &hold, remembered, &steps).await
        })
        .await
        .map_err(|error| failure_of(&error))?;
    Ok(departure.url)
}
