//! The first half of a login: from the application's request to the identity provider.

use std::sync::Arc;

use super::answer::Target;
use super::{
    Memory, Refused, Ticket, failure_of, memory_place, refuse_unstarted, system, unchanged,
};
use crate::app::App;
use crate::base::email::domain_key;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::{EnvironmentId, OrganizationId, SsoSessionId};
use crate::base::secret::Secret;
use crate::base::trace::Trace;
use crate::base::{Caller, Result};
use crate::db::Tx;
use crate::model::connection::{self, Connection, ConnectionType};
use crate::model::sso_session::{self, Browser, Origin, Starter};
use crate::model::{environment, redirect_uri};
use crate::telemetry::{metrics, request};
use crate::upstream::{self, Ask, Departure, Wishes};

/// How long the application's `state` may be, in bytes.
pub const MAX_STATE: usize = 8192;

/// What the application asks for. Empty parameters count as absent.
#[derive(Clone, Default)]
pub struct Request {
    /// The environment's client id.
    pub client_id: String,
    /// Where the application wants its answer, byte for byte as it came.
    pub redirect_uri: Option<String>,
    /// `code`.
    pub response_type: Option<String>,
    /// The `connection` selector.
    pub connection: Option<String>,
    /// The `organization` selector.
    pub organization: Option<String>,
    /// The `provider` selector.
    pub provider: Option<String>,
    /// The deprecated `domain` selector.
    pub domain: Option<String>,
    /// The application's `state`, as bytes.
    pub state: Option<Vec<u8>>,
    /// A hint at the domain of who signs in.
    pub domain_hint: Option<String>,
    /// A hint at who signs in.
    pub login_hint: Option<String>,
    /// `login` forces a fresh sign-in.
    pub prompt: Option<String>,
    /// Scopes besides those of the connection.
    pub provider_scopes: Vec<String>,
    /// Parameters for the identity provider.
    pub provider_query_params: Vec<(String, String)>,
    /// The application's PKCE challenge (RFC 7636 section 4.3).
    pub code_challenge: Option<String>,
    /// `S256`.
    pub code_challenge_method: Option<String>,
    /// The first parameter that was given twice.
    pub duplicate: Option<String>,
    /// The browser.
    pub browser: Browser,
}

/// A login that has begun.
pub struct Begun {
    /// Where the browser goes: the identity provider.
    pub location: String,
    /// The attempt.
    pub session_id: SsoSessionId,
    /// The secret for the browser's cookie.
    pub browser_secret: Secret,
}

/// What is known of a request before it is judged.
struct Lookup {
    environment_id: EnvironmentId,
    session_id: SsoSessionId,
    redirect_is_registered: bool,
    connection: Result<Arc<Connection>, Failure>,
}

impl Lookup {
    /// Whether a login can begin with what was found.
    fn is_good(&self) -> bool {
        self.redirect_is_registered
            && self.connection.as_ref().is_ok_and(|connection| connection.state.is_usable())
    }
}

/// Begins a login.
///
/// # Errors
///
/// [`Refused`], recorded as a failed attempt once the client is known.
pub async fn begin(app: &App, request: Request) -> Result<Begun, Refused> {
    let lookup = look(app, &request).await?;
    let target = Target {
        redirect_uri: request.redirect_uri.clone().unwrap_or_default(),
        app_state: request.state.as_deref().map(super::answer::percent_encode),
    };
    let mut trace = Trace::new(app.clock.clone());
    match depart(app, &request, (&lookup, &target), &mut trace).await {
        Ok(begun) => Ok(begun),
        Err(failure) => Err(refuse(app, &request, (lookup, target), failure, trace).await),
    }
}

/// Judges a request without beginning a login: for an application that asks for a URL.
///
/// # Errors
///
/// [`Refused`]; nothing is recorded.
pub async fn check(app: &App, request: &Request) -> Result<(), Refused> {
    let lookup = look(app, request).await?;
    let mut trace = Trace::new(app.clock.clone());
    let judged = judge(request, &lookup, &mut trace).and_then(|connection| {
        // The visit of the browser is what counts.
        Ok(app.limits.authorize.ask(connection.id.as_str(), app.clock.now())?)
    });
    judged.map_err(Refused::unrecorded)
}

/// Finds what a request names; of a request without a client nothing is recorded.
async fn look(app: &App, request: &Request) -> Result<Lookup, Refused> {
    if let Some(name) = &request.duplicate {
        let failure = Failure::with_detail(FailureCode::DuplicateParam, name.clone());
        return Err(Refused::unrecorded(failure));
    }
    let nobody = Caller::anonymous();
    // What is in memory may be a little old: that is found out when the attempt is stored, so only what
    // is to be refused is looked up in any case.
    let known = app.db.glance(&nobody, async |tx| look_up(tx, request).await).flatten();
    if let Some(good) = known.filter(Lookup::is_good) {
        return Ok(good);
    }
    let asked = request.clone();
    app.db
        .read(&nobody, async move |tx| look_up(tx, &asked).await)
        .await?
        .ok_or_else(|| Refused::unrecorded(FailureCode::ClientIdInvalid))
}

/// Reads all that a request names, in one unit.
async fn look_up(tx: &mut Tx, request: &Request) -> Result<Option<Lookup>> {
    let client_id = request.client_id.as_str();
    // PostgreSQL knows no NUL, and no client id is that long.
    if client_id.is_empty() || client_id.len() > 128 || client_id.contains('\0') {
        return Ok(None);
    }
    let Some(environment) = environment::recall_by_client_id(tx, client_id).await? else {
        return Ok(None);
    };
    tx.enter(&environment.id);
    let redirect_is_registered = match &request.redirect_uri {
        Some(uri) => redirect_uri::recall_match(tx, uri).await?,
        None => false,
    };
    Ok(Some(Lookup {
        session_id: tx.new_id(),
        redirect_is_registered,
        connection: if redirect_is_registered {
            select(tx, request).await?
        } else {
            Err(FailureCode::RedirectUriInvalid.into())
        },
        environment_id: environment.id.clone(),
    }))
}

/// Finds the connection that the selectors mean.
async fn select(tx: &mut Tx, request: &Request) -> Result<Result<Arc<Connection>, Failure>> {
    let failure = |code, detail: &str| Ok(Err(Failure::with_detail(code, detail)));
    match (&request.connection, &request.organization, &request.provider, &request.domain) {
        (Some(id), None, None, _) => match connection::recall(tx, id).await? {
            Some(connection) => Ok(Ok(connection)),
            None => failure(FailureCode::ConnectionInvalid, "no connection has this id"),
        },
        (None, Some(id), None, _) => of_organization(tx, id).await,
        (None, None, Some(provider), _) if ConnectionType::is_provider(provider) => {
            failure(FailureCode::ConnectionStrategyInvalid, "no provider is set up")
        }
        (None, None, None, Some(domain)) => {
            if !is_known(tx, domain).await? {
                failure(FailureCode::ConnectionDomainInvalid, "no connection for the domain")
            } else {
                failure(FailureCode::DomainSelectorNotAllowed, "use connection or organization")
            }
        }
        (Some(id), Some(organization), None, _) => match connection::find(tx, id).await? {
            Some(connection) if connection.organization_id.as_str() != organization => failure(
                FailureCode::OrganizationInvalid,
                "the connection is another organization's",
            ),
            _ => failure(FailureCode::InvalidConnectionSelector, "two selectors"),
        },
        (None, None, None, None) => failure(FailureCode::InvalidConnectionSelector, "no selector"),
        _ => failure(FailureCode::InvalidConnectionSelector, "two selectors, or no known provider"),
    }
}

/// Whether any connection is for the domain.
async fn is_known(tx: &mut Tx, domain: &str) -> Result<bool> {
    let Some(domain) = domain_key(domain) else { return Ok(false) };
    let filter = connection::Filter { domain: Some(domain), ..Default::default() };
    let page = connection::list(tx, &filter, &Default::default()).await?;
    Ok(!page.data.is_empty())
}

/// The one usable connection of an organization.
async fn of_organization(tx: &mut Tx, id: &str) -> Result<Result<Arc<Connection>, Failure>> {
    let all = match OrganizationId::parse(id) {
        Some(id) => connection::recall_of_organization(tx, &id).await?,
        None => Vec::new(),
    };
    let unfinished = !all.is_empty();
    let mut usable = all.into_iter().filter(|connection| connection.state.is_usable());
    Ok(match (usable.next(), usable.next()) {
        (Some(connection), None) => Ok(connection),
        (Some(_), Some(_)) => Err(FailureCode::AmbiguousConnectionSelector.into()),
        (None, _) if unfinished => Err(Failure::with_detail(
            FailureCode::ConnectionUnlinked,
            "the organization's connection is not configured, or switched off",
        )),
        (None, _) => Err(FailureCode::OrganizationInvalid.into()),
    })
}

/// The checks of a request, in the order in which their failures may be told.
fn judge<'a>(
    request: &Request,
    lookup: &'a Lookup,
    trace: &mut Trace,
) -> Result<&'a Arc<Connection>, Failure> {
    let offered = request.redirect_uri.as_deref().unwrap_or("nothing");
    if !lookup.redirect_is_registered {
        let expected = "a redirect URI registered in this environment, byte for byte";
        return Err(Failure::mismatch(FailureCode::RedirectUriInvalid, expected, offered));
    }
    trace.passed("authorize.redirect_uri", "a registered redirect URI", offered);
    if request.state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
        return Err(FailureCode::StateTooLong.into());
    }
    match request.response_type.as_deref() {
        Some("code") => {}
        None => return Err(Failure::with_detail(FailureCode::InvalidRequest, "no response_type")),
        Some(other) => {
            return Err(Failure::mismatch(FailureCode::UnsupportedResponseType, "code", other));
        }
    }
    check_challenge(request)?;
    let connection = lookup.connection.as_ref().map_err(Clone::clone)?;
    trace.did("authorize.connection", format!("{} ({})", connection.id, connection.name));
    if !connection.state.is_usable() {
        return Err(Failure::mismatch(
            FailureCode::ConnectionUnlinked,
            "active or validating",
            connection.state.as_str(),
        ));
    }
    Ok(connection)
}

/// PKCE of the application: S256 or none (RFC 7636 section 4.3; `plain` is refused).
fn check_challenge(request: &Request) -> Result<(), Failure> {
    let base64url = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    match (&request.code_challenge, request.code_challenge_method.as_deref()) {
        (None, None) => Ok(()),
        (Some(challenge), Some("S256"))
            if challenge.len() == 43 && challenge.bytes().all(base64url) =>
        {
            Ok(())
        }
        (_, method) => Err(Failure::mismatch(
            FailureCode::PkceMethodInvalid,
            "S256 and 43 characters",
            method.unwrap_or("no method"),
        )),
    }
}

/// Judges the request and sends the browser to the identity provider.
async fn depart(
    app: &App,
    request: &Request,
    (lookup, target): (&Lookup, &Target),
    trace: &mut Trace,
) -> Result<Begun, Failure> {
    let connection = judge(request, lookup, trace)?;
    app.limits.authorize.check(connection.id.as_str(), app.clock.now())?;
    let going = Going {
        session_id: lookup.session_id.clone(),
        target: target.clone(),
        code_challenge: request.code_challenge.clone(),
        browser: request.browser.clone(),
        starter: Starter::default(),
        wishes: Wishes {
            login_hint: request.login_hint.clone(),
            domain_hint: request.domain_hint.clone(),
            prompt_login: request.prompt.as_deref() == Some("login"),
            provider_scopes: request.provider_scopes.clone(),
            provider_query_params: request.provider_query_params.clone(),
        },
    };
    send(app, connection, going, trace).await
}

/// A login about to leave for the identity provider.
pub(super) struct Going {
    pub(super) session_id: SsoSessionId,
    pub(super) target: Target,
    pub(super) code_challenge: Option<String>,
    pub(super) browser: Browser,
    pub(super) starter: Starter,
    pub(super) wishes: Wishes,
}

/// Prepares the departure, and stores the attempt before the browser leaves.
pub(super) async fn send(
    app: &App,
    connection: &Connection,
    going: Going,
    trace: &mut Trace,
) -> Result<Begun, Failure> {
    let ticket = Ticket::new(going.session_id);
    let is_test = going.starter.origin.is_test();
    let departure = ask(app, connection, (&ticket, &going.wishes), trace).await?;
    let memory = Memory {
        app_state: going.target.app_state,
        idp_initiated: going.starter.origin == Origin::IdentityProvider,
        wishes: going.wishes,
        step: departure.memory,
    };
    let browser_secret = Secret::random("");
    let place = memory_place(&ticket.id, &connection.environment_id);
    let start = sso_session::Start {
        id: ticket.id.clone(),
        organization_id: connection.organization_id.clone(),
        connection_id: connection.id.clone(),
        connection_version: connection.version,
        redirect_uri: going.target.redirect_uri,
        code_challenge: going.code_challenge,
        state_hash: ticket.secret.hash(),
        browser_hash: browser_secret.hash(),
        memory_sealed: memory.seal(app, place).map_err(|error| failure_of(&error))?,
        browser: going.browser,
        starter: going.starter,
    };
    trace.did("authorize.departed", "the browser leaves for the identity provider");
    let steps = trace.share();
    app.db
        .write(&system(&connection.environment_id), async move |tx| {
            if let Err(failure) = still_as_judged(tx, &start).await? {
                return Ok(Err(failure));
            }
            sso_session::start(tx, &start, &steps).await.map(Ok)
        })
        .await
        .map_err(|error| failure_of(&error))??;
    request::belongs_to(&ticket.id);
    if !is_test {
        metrics().login_began();
    }
    Ok(Begun { location: departure.url, session_id: ticket.id, browser_secret })
}

/// Prepares the request to the identity provider.
pub(super) async fn ask(
    app: &App,
    connection: &Connection,
    (ticket, wishes): (&Ticket, &Wishes),
    trace: &mut Trace,
) -> Result<Departure, Failure> {
    let settings = connection.settings.as_ref().ok_or(FailureCode::ConnectionUnlinked)?;
    let mut wishes = wishes.clone();
    wishes.prompt_login |= connection.policy.force_reauthentication;
    let ask = Ask {
        state: ticket.text().expose().to_owned(),
        redirect_uri: app.callback_uri(connection),
        wishes,
    };
    upstream::begin(&app.upstream, settings, &ask, trace).await
}

/// Whether what a login was judged by a moment ago holds when it begins.
async fn still_as_judged(tx: &mut Tx, start: &sso_session::Start) -> Result<Result<(), Failure>> {
    let is_test = start.starter.origin.is_test();
    if !is_test && !redirect_uri::recall_match(tx, &start.redirect_uri).await? {
        return Ok(Err(FailureCode::RedirectUriInvalid.into()));
    }
    let connection = connection::recall(tx, start.connection_id.as_str()).await?;
    Ok(match connection {
        Some(now) => unchanged(&now, start.connection_version, start.starter.origin),
        None => Err(FailureCode::ConnectionUnlinked.into()),
    })
}

/// Records the failed attempt, and says where its answer goes.
async fn refuse(
    app: &App,
    request: &Request,
    (lookup, target): (Lookup, Target),
    failure: Failure,
    trace: Trace,
) -> Refused {
    let offered = request.redirect_uri.as_deref().unwrap_or_default();
    let attempt = sso_session::Refusal {
        id: lookup.session_id,
        organization_id: lookup.connection.as_ref().ok().map(|it| it.organization_id.clone()),
        connection_id: lookup.connection.ok().map(|it| it.id.clone()),
        redirect_uri: offered.chars().filter(|c| !c.is_control()).take(512).collect(),
        browser: request.browser.clone(),
        starter: Starter::default(),
    };
    let mut refused =
        refuse_unstarted(app, &lookup.environment_id, attempt, (failure, trace)).await;
    if lookup.redirect_is_registered {
        refused.location = target.refusal(&refused.failure, refused.session_id.as_ref());
    }
    refused
}
