//! Asking the person whether to continue: who signs in through an identity provider that could be
//! anybody's sees once per browser whose it is.

use super::answer::Target;
use super::callback::{judge, of_newer_program, take};
use super::sign_in::{self, Code, Entering};
use super::{Exit, Memory, Refused, Ticket, failure_of, memory_place, refuse, system};
use crate::app::App;
use crate::base::Result;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::{EnvironmentId, SsoSessionId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::trace::Trace;
use crate::model::connection::Connection;
use crate::model::environment::SigninConsent;
use crate::model::sso_session::{self, Hold, Phase};
use crate::upstream::Wishes;
use crate::upstream::oidc::Kind;

/// What the person is asked.
#[derive(Debug)]
pub struct Question {
    /// The attempt.
    pub session_id: SsoSessionId,
    /// Whose login it is: the page carries the branding.
    pub environment_id: EnvironmentId,
    /// What the form sends back.
    pub ticket: Secret,
    /// Who is about to be signed in.
    pub email: String,
    /// Who vouches for it.
    pub issuer: String,
    /// What the connection is called.
    pub connection_name: String,
}

/// An answer that lets the person in, and the connection that this browser has now agreed to.
pub struct Agreed {
    /// Where the browser goes: to the application, with a code.
    pub location: String,
    /// The attempt, whose cookie is no longer needed.
    pub session_id: SsoSessionId,
    /// The connection's callback key.
    pub external_key: String,
}

/// Whether the environment wants people of this connection to be asked.
pub(super) fn is_needed(
    consent: SigninConsent,
    connection: &Connection,
    idp_initiated: bool,
) -> bool {
    let generic = connection.connection_type.oidc_kind() == Some(Kind::GenericOidc);
    match consent {
        _ if idp_initiated => true,
        SigninConsent::Always => true,
        SigninConsent::GenericConnections => generic,
        SigninConsent::Never => false,
    }
}

/// Keeps the person's entry, sealed, until the form comes back.
pub(super) async fn ask(
    app: &App,
    connection: &Connection,
    (hold, entering): (Hold, Entering),
    trace: &mut Trace,
) -> Result<Question, Failure> {
    let ticket = Ticket::new(entering.session_id.clone());
    let question = Question {
        session_id: entering.session_id.clone(),
        environment_id: entering.environment_id.clone(),
        ticket: ticket.text(),
        email: entering.assertion.profile.email.as_str().to_owned(),
        issuer: entering.assertion.issuer.clone(),
        connection_name: connection.name.clone(),
    };
    let environment_id = entering.environment_id.clone();
    let place = memory_place(&ticket.id, &environment_id);
    let memory = Memory {
        app_state: entering.target.app_state.clone(),
        idp_initiated: false,
        wishes: Wishes::default(),
        step: entering.clone(),
    };
    let sealed = memory.seal(app, place).map_err(|error| failure_of(&error))?;
    trace.did("consent.asked", "the person is asked whether to continue");
    let (trace, secret) = (trace.share(), ticket.secret.hash());
    app.db
        .write(&system(&environment_id), async move |tx| {
            sso_session::ask_consent(tx, &hold, (&secret, &sealed), &trace).await
        })
        .await
        .map_err(|error| failure_of(&error))?;
    Ok(question)
}

/// What is wrong with the browser or the time is wrong with the form.
fn of_the_form(failure: Failure) -> Failure {
    match failure.code {
        FailureCode::BrowserBindingFailed | FailureCode::FlowExpired => {
            Failure { code: FailureCode::ConsentInvalid, ..failure }
        }
        _ => failure,
    }
}

/// Goes on with the person's answer.
///
/// # Errors
///
/// [`Refused`] if the person declined, or the form is not ours, not this browser's or too late.
pub async fn answer(
    app: &App,
    (ticket, agrees): (&str, bool),
    cookie: &(dyn Fn(&SsoSessionId) -> Option<SecretHash> + Sync),
) -> Result<Agreed, Refused> {
    let ticket =
        Ticket::parse(ticket).ok_or_else(|| Refused::unrecorded(FailureCode::ConsentInvalid))?;
    let (attempt, mut trace) = take(app, &ticket, Phase::Consent)
        .await?
        .map_err(|_| Refused::unrecorded(FailureCode::ConsentInvalid))?;
    let place = memory_place(&attempt.taken.id, &attempt.environment.id);
    let memory = Memory::<Entering>::open(app, place, &attempt.taken.memory_sealed)?;
    let Some(memory) = memory else {
        return Err(of_newer_program(app, &attempt, FailureCode::ConsentInvalid, trace).await);
    };
    let target: Target = memory.step.target.clone();
    let external_key = match &attempt.connection {
        Some(connection) => connection.external_key.clone(),
        None => String::new(),
    };
    let names = (attempt.environment.id.clone(), attempt.taken.id.clone());
    let outcome = match judge(app, &attempt, (&external_key, cookie(&names.1)), &mut trace) {
        Ok(_) if agrees => {
            trace.did("consent.given", "the person continues");
            let code = Code::of(app, &ticket, None);
            sign_in::enter(app, (attempt.taken.hold(), memory.step), code, &mut trace).await
        }
        Ok(_) => Err(FailureCode::SigninConsentDenied.into()),
        Err(failure) => Err(of_the_form(failure)),
    };
    match outcome {
        Ok(location) => Ok(Agreed { location, session_id: names.1, external_key }),
        Err(failure) if failure.code == FailureCode::FlowConsumed => {
            Err(Refused::unrecorded(FailureCode::ConsentInvalid))
        }
        Err(failure) => {
            let exit = match attempt.redirect_is_registered {
                true => Exit::Application(&target),
                false => Exit::Nowhere,
            };
            let names = (&names.0, attempt.taken.hold());
            Err(refuse(app, names, failure, trace, exit).await)
        }
    }
}
