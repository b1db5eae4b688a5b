//! The login, from the application's request to the profile: flows of several units of work with
//! the network between them, but never within one.

mod access_token;
mod again;
pub mod answer;
pub mod authorize;
pub mod callback;
pub mod consent;
pub mod initiate;
pub mod keys;
pub mod logout;
pub mod profile;
pub mod sign_in;
pub mod sweep;
pub mod test_sign_in;
pub mod token;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::{EnvironmentId, SsoSessionId};
use crate::base::secret::Secret;
use crate::base::trace::Trace;
use crate::base::{Caller, Error, Result, stored};
use crate::model::connection::Connection;
use crate::model::sso_session::{self, Hold, Origin};
use crate::seal::Place;
use crate::telemetry::{self, LoginEnd, metrics, request, spans};
use crate::upstream::Wishes;

/// A login that ended with a failure.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub failure: Failure,
    /// The reference number under which operators find the attempt, if it was recorded.
    pub session_id: Option<SsoSessionId>,
    /// Whose login it was, as far as that is known: our own page carries the branding.
    pub environment_id: Option<EnvironmentId>,
    /// Where the browser goes; `None`: it stays on our own page, since going on would be unsafe.
    pub location: Option<String>,
}

impl Refused {
    /// A failure of which only the log knows: whose attempt it was is not known, or recording it
    /// would be of use to nobody but a flood.
    pub fn unrecorded(failure: impl Into<Failure>) -> Self {
        let failure = failure.into();
        metrics().logins_ended(LoginEnd::Failed(failure.code), 1);
        tracing::info!(reason = failure.code.as_str(), "a login was refused");
        Self { failure, session_id: None, environment_id: None, location: None }
    }
}

impl From<Error> for Refused {
    /// What the database or our own code could not do: told on our own page.
    fn from(error: Error) -> Self {
        Self::unrecorded(failure_of(&error))
    }
}

/// Logs an error of ours and finds the words for it.
fn failure_of(error: &Error) -> Failure {
    match error {
        Error::Unavailable(_) => {
            tracing::warn!(error = error.chain(), "a login met an unavailable part");
            FailureCode::Unavailable.into()
        }
        error if sso_session::is_lost(error) => FailureCode::FlowConsumed.into(),
        _ => {
            tracing::error!(error = error.chain(), "a login met a fault");
            FailureCode::Internal.into()
        }
    }
}

/// What a login remembers while the browser is away. Stored sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory<T> {
    /// The application's `state`, as percent-encoded bytes.
    app_state: Option<String>,
    /// Whether this login began at the identity provider, and so always asks for consent.
    #[serde(default)]
    idp_initiated: bool,
    /// What the application wished, should the browser have to leave once more.
    #[serde(default, skip_serializing_if = "Wishes::is_none")]
    wishes: Wishes,
    /// What the next step needs.
    step: T,
}

impl<T: Serialize + serde::de::DeserializeOwned> Memory<T> {
    fn seal(&self, app: &App, place: Place<'_>) -> Result<Vec<u8>> {
        app.sealer.seal(place, &serde_json::to_vec(self).map_err(Error::internal)?)
    }

    /// `None` if it is of a newer program, which remembers more than this one knows.
    fn open(app: &App, place: Place<'_>, sealed: &[u8]) -> Result<Option<Self>> {
        let opened = app.sealer.open(place, sealed);
        stored::known(opened.and_then(|json| stored::json("the memory of a login", &json[..])))
    }
}

/// The place of a login's memory.
fn memory_place<'a>(id: &'a SsoSessionId, environment_id: &'a EnvironmentId) -> Place<'a> {
    Place {
        table: "sso_sessions",
        row: id.as_str(),
        column: "memory",
        environment: environment_id.as_str(),
    }
}

/// What a login is found by: the session's id, which is no secret, and a secret.
///
/// It goes out as `state`, as the consent form's ticket, as the code and as the opaque access token: the
/// 26 characters of the id's ULID, then 43 of base64url.
#[derive(Debug)]
pub struct Ticket {
    id: SsoSessionId,
    secret: Secret,
}

impl Ticket {
    fn new(id: SsoSessionId) -> Self {
        Self { id, secret: Secret::random("") }
    }

    fn text(&self) -> Secret {
        let ulid = &self.id.as_str()[SsoSessionId::PREFIX.len()..];
        Secret::new(format!("{ulid}{}", self.secret.expose()))
    }

    /// Reads what came back.
    fn parse(text: &str) -> Option<Self> {
        let (ulid, secret) = Self::split(text)?;
        let id = SsoSessionId::parse(&format!("{}{ulid}", SsoSessionId::PREFIX))?;
        Some(Self { id, secret: Secret::new(secret) })
    }

    /// The characters of the id, and those of the secret.
    fn split(text: &str) -> Option<(&str, &str)> {
        let (ulid, secret) = text.split_at_checked(26)?;
        let fits = secret.len() == 43
            && secret.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        fits.then_some((ulid, secret))
    }
}

/// Whether the connection can still be used, and is what the login began with. A test may be made
/// while the connection is switched off or was never on.
fn unchanged(connection: &Connection, version: i64, origin: Origin) -> Result<(), Failure> {
    if !connection.state.is_usable() && !origin.is_test() {
        return Err(Failure::mismatch(
            FailureCode::ConnectionUnlinked,
            "active or validating",
            connection.state.as_str(),
        ));
    }
    // The first of several sign-ins at once activates the connection without a new version.
    if connection.version != version {
        return Err(Failure::mismatch(
            FailureCode::ConnectionChanged,
            format!("version {version}"),
            format!("version {}", connection.version),
        ));
    }
    Ok(())
}

/// Who goes on with a login: the environment is known, the person is not.
fn system(environment_id: &EnvironmentId) -> Caller {
    Caller::system(environment_id.clone())
}

/// Where the browser may go when an attempt ends with a failure.
enum Exit<'a> {
    /// It stays on our own page.
    Nowhere,
    /// To the application, if the failure may be told there.
    Application(&'a answer::Target),
    /// To the page of ours that began a test.
    TestPage(&'a str),
}

impl Exit<'_> {
    fn location(&self, failure: &Failure, id: &SsoSessionId) -> Option<String> {
        match self {
            Self::Nowhere => None,
            Self::Application(target) => target.refusal(failure, Some(id)),
            Self::TestPage(page) => Some(test_sign_in::location(page, id)),
        }
    }
}

/// Counts a login that failed, and ends its trace.
fn count_failure(app: &App, id: &SsoSessionId, code: FailureCode) {
    metrics().logins_ended(LoginEnd::Failed(code), 1);
    let why = (code.as_str(), telemetry::owner(code.owner()));
    spans::login_ended(id, app.clock.now(), Some(why));
}

/// Ends an attempt with a failure: in the trace, in an event, and in the answer.
async fn refuse(
    app: &App,
    (environment_id, hold): (&EnvironmentId, Hold),
    failure: Failure,
    mut trace: Trace,
    exit: Exit<'_>,
) -> Refused {
    trace.failed(&failure);
    let id = &hold.id.clone();
    if !matches!(exit, Exit::TestPage(_)) {
        count_failure(app, id, failure.code);
    }
    tracing::info!(reason = failure.code.as_str(), "a login was refused");
    let recorded = failure.clone();
    let stored = app
        .db
        .write(&system(environment_id), async move |tx| {
            let email = trace.received("profile.email");
            sso_session::fail(tx, &hold, &recorded, (email, &trace)).await
        })
        .await;
    if let Err(error) = stored {
        tracing::error!(error = error.chain(), "a failure was not recorded");
    }
    let location = exit.location(&failure, id);
    let environment_id = Some(environment_id.clone());
    Refused { failure, session_id: Some(id.clone()), environment_id, location }
}

/// Records an attempt that failed before anybody was sent to an identity provider, unless there are
/// so many that somebody must be doing it on purpose: whoever knows a client id can.
async fn refuse_unstarted(
    app: &App,
    environment_id: &EnvironmentId,
    attempt: sso_session::Refusal,
    (failure, mut trace): (Failure, Trace),
) -> Refused {
    let is_passing = matches!(failure.code, FailureCode::RateLimited | FailureCode::Unavailable);
    if is_passing || !app.limits.authorize.admit(environment_id.as_str(), app.clock.now()) {
        return Refused::unrecorded(failure);
    }
    trace.failed(&failure);
    let id = attempt.id.clone();
    request::belongs_to(&id);
    if !attempt.starter.origin.is_test() {
        count_failure(app, &id, failure.code);
    }
    tracing::info!(reason = failure.code.as_str(), "a login was refused");
    let recorded = failure.clone();
    let stored = app
        .db
        .write(&system(environment_id), async move |tx| {
            sso_session::refuse(tx, &attempt, &recorded, &trace).await
        })
        .await;
    let session_id = match stored {
        Ok(()) => Some(id),
        Err(error) => {
            tracing::error!(error = error.chain(), "a failure was not recorded");
            None
        }
    };
    Refused { failure, session_id, environment_id: Some(environment_id.clone()), location: None }
}
