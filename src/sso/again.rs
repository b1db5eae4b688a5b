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
use super::sign_in::NewCode;
use super::{Memory, Refused, Ticket, authorize, failure_of, memory_place, refuse, system};
use crate::app::App;
use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::{SecretHash, equal};
use crate::base::time::Timestamp;
use crate::base::trace::Trace;
use crate::base::{Caller, Result};
use crate::model::connection::Connection;
use crate::model::sso_session;
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
/// [`Refused`]; what could not be taken stays as it is.
pub(super) async fn finish(
    app: &App,
    ticket: &Ticket,
    back: &Return<'_>,
    why: NotTaken,
) -> Result<Finished, Refused> {
    let session_id = ticket.id.clone();
    match (why, back.key) {
        (NotTaken::InHand(since), _) => {
            let location = take_over(app, ticket, back, since).await?;
            Ok(Finished::Departed { location, session_id })
        }
        (NotTaken::Refused(FailureCode::FlowConsumed), Some(key)) => {
            let location = repeat(app, ticket, back, key).await?;
            Ok(Finished::Answered { location, session_id })
        }
        (why, _) => Err(why.into()),
    }
}

fn consumed() -> Refused {
    Refused::unrecorded(FailureCode::FlowConsumed)
}

/// The answer that this very request has got already, as long as nobody has redeemed the code in it.
async fn repeat(
    app: &App,
    ticket: &Ticket,
    back: &Return<'_>,
    key: &str,
) -> Result<String, Refused> {
    let browser = (back.cookie)(&ticket.id).ok_or_else(consumed)?;
    let codes = NewCode::all(app, ticket, key);
    let hashes: Vec<SecretHash> = codes.iter().map(|code| code.secret.hash()).collect();
    let (id, secret) = (ticket.id.clone(), ticket.secret.hash());
    let find = async move |tx: &mut _| {
        sso_session::unredeemed(tx, &id, (&secret, &browser), &hashes).await
    };
    let found = app.db.read(&Caller::anonymous(), find).await?.ok_or_else(consumed)?;
    let place = memory_place(&ticket.id, &found.environment_id);
    let memory = Memory::<upstream::Memory>::open(app, place, &found.memory_sealed)?;
    let app_state = memory.ok_or_else(consumed)?.app_state;
    let code =
        codes.into_iter().find(|code| equal(code.secret.hash().as_bytes(), &found.code_hash));
    let code = code.ok_or_else(consumed)?.text();
    request::belongs_to(&ticket.id);
    Ok(Target { redirect_uri: found.redirect_uri, app_state }.code(&code))
}

/// Takes over a login that a request took at `since`, if that does not answer; says where the browser goes.
async fn take_over(
    app: &App,
    ticket: &Ticket,
    back: &Return<'_>,
    since: Timestamp,
) -> Result<String, Refused> {
    let browser = (back.cookie)(&ticket.id).ok_or_else(consumed)?;
    if !is_given_up(app, ticket, browser, since).await? {
        return Err(consumed());
    }
    let (attempt, mut trace) = take(app, ticket, browser, since).await?;
    let Some(memory) = open(app, &attempt)? else {
        return Err(of_newer_program(app, &attempt, FailureCode::StateInvalid, trace).await);
    };
    let target = attempt.target(&memory);
    let outcome = match judge(app, &attempt, (back.external_key, Some(browser)), &mut trace) {
        Ok(connection) => depart(app, (&attempt, connection), memory, &mut trace).await,
        Err(failure) => Err(failure),
    };
    match outcome {
        Ok(location) => Ok(location),
        Err(failure) => {
            let exit = exit(&failure, &attempt, &target);
            let names = (&attempt.environment.id, &ticket.id);
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

async fn take(
    app: &App,
    ticket: &Ticket,
    browser: SecretHash,
    since: Timestamp,
) -> Result<(Attempt, Trace), Refused> {
    let (id, secret) = (ticket.id.clone(), ticket.secret.hash());
    let unit = async move |tx: &mut _| {
        let took = sso_session::take_over(tx, &id, (&secret, &browser), since).await?;
        taken(tx, took).await
    };
    let taken = app.db.write(&Caller::anonymous(), unit).await?;
    let taken = taken.map_err(|_| FailureCode::FlowConsumed);
    Ok(Attempt::resume(app, taken.map_err(Refused::unrecorded)?))
}

/// Sends the browser to the identity provider again, with a new secret.
async fn depart(
    app: &App,
    (attempt, connection): (&Attempt, &Connection),
    memory: Memory<upstream::Memory>,
    trace: &mut Trace,
) -> Result<String, Failure> {
    if trace.steps().filter(|step| step.name == STEP).count() >= TIMES {
        return Err(FailureCode::FlowConsumed.into());
    }
    trace.did(
        STEP,
        "who had the login in hand did not answer: the identity provider is asked again",
    );
    let ticket = Ticket::new(attempt.taken.id.clone());
    let departure = authorize::ask(app, connection, (&ticket, &memory.wishes), trace).await?;
    let place = memory_place(&ticket.id, &attempt.environment.id);
    let memory = Memory { step: departure.memory, ..memory };
    let sealed = memory.seal(app, place).map_err(|error| failure_of(&error))?;
    trace.did("authorize.departed", "the browser leaves for the identity provider");
    let steps = trace.share();
    app.db
        .write(&system(&attempt.environment.id), async move |tx| {
            let remembered = (&ticket.secret.hash(), &sealed[..]);
            sso_session::depart_again(tx, &ticket.id, remembered, &steps).await
        })
        .await
        .map_err(|error| failure_of(&error))?;
    Ok(departure.url)
}
