//! Logging out: the application sends the browser here, and it goes on to the identity provider and
//! back (OpenID Connect RP-Initiated Logout 1.0); or the identity provider says by itself that it has
//! logged somebody out (Back-Channel Logout 1.0).

use url::Url;

use super::{Ticket, system};
use crate::app::App;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::{EnvironmentId, Id, LogoutId, SsoSessionId};
use crate::base::secret::{Secret, SecretHash};
use crate::base::trace::Trace;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::connection::{self, Connection};
use crate::model::logout::{self, Away, Ending, Found, IdpSession, KeptIdToken, Logout, Scope};
use crate::model::profile::{self, Profile};
use crate::model::{environment, sso_session};
use crate::upstream::{self, LoggedOut, LogoutAsk};

/// How many logins under way a logout ends in its browser: as many as a browser can have.
const MAX_ABORTED: usize = 8;

/// A login that is under way in a browser: its id, and the hash of the secret in its cookie.
pub type UnderWay = (SsoSessionId, SecretHash);

/// Where the browser goes.
#[derive(Debug)]
pub struct Departed {
    /// Whose logout it is: our own page carries the branding.
    pub environment_id: EnvironmentId,
    /// The identity provider, or the application at once; `None`: it stays on our own page.
    pub location: Option<String>,
    /// The secret for the browser's cookie, if it is to come back.
    pub browser_secret: Option<Secret>,
}

/// Why a browser is not logged out.
#[derive(Debug)]
pub enum LogoutRefused {
    /// No application asked for it.
    Unknown,
    /// The token was used before, or is too old; whose logout it was.
    Over(EnvironmentId),
    /// The database or something else does not answer now.
    Unavailable,
}

impl From<Error> for LogoutRefused {
    fn from(error: Error) -> Self {
        super::failure_of(&error);
        Self::Unavailable
    }
}

/// Logs the person out of what a token names, and sends the browser on.
///
/// What ends here ends in one unit, before the browser leaves. The identity provider's metadata are
/// fetched before that unit: a token is not spent on a logout that cannot be told how to go on.
///
/// # Errors
///
/// [`LogoutRefused`]; nothing was ended then.
pub async fn depart(
    app: &App,
    token: &Secret,
    under_way: Vec<UnderWay>,
) -> Result<Departed, LogoutRefused> {
    let hash = token.hash();
    let nobody = Caller::anonymous();
    let found = app.db.read(&nobody, async move |tx| look(tx, &hash).await).await??;
    let (logout, connection) = found;
    let destination = destination(app, connection.as_ref()).await;
    let returning = destination.endpoint.as_ref().map(|_| Returning::new(&logout.id));
    let away = returning.as_ref().map(Returning::away);
    let by = destination.by;
    let ended = app
        .db
        .write(&nobody, async move |tx| {
            let Some(logout) = logout::take(tx, &hash, away.as_ref()).await? else {
                return Ok(None);
            };
            tx.enter(&logout.environment_id);
            abort(tx, &under_way).await?;
            let kept = logout::take_id_token(tx, &logout.profile_id, None).await?;
            let profile = profile::get(tx, &logout.profile_id).await?;
            let ending = Ending { profile: &profile, scope: Scope::Profile, by };
            logout::end(tx, &ending).await?;
            Ok(Some((registered(tx, &logout).await?, kept)))
        })
        .await?;
    let environment_id = logout.environment_id.clone();
    let (return_to, kept) = ended.ok_or_else(|| LogoutRefused::Over(environment_id.clone()))?;
    tracing::info!(logout = logout.id.as_str(), ?by, "a person was logged out");
    let (Some(endpoint), Some(returning), Some(connection)) =
        (destination.endpoint, returning, connection)
    else {
        return Ok(Departed { environment_id, location: return_to, browser_secret: None });
    };
    let ask = LogoutAsk {
        id_token_hint: open(app, &logout, kept),
        post_logout_redirect_uri: app.url(&connection.post_logout_path()),
        state: Secret::new(returning.state()),
    };
    let settings = connection.settings.as_ref();
    let location = settings.map(|settings| upstream::logout_url(&endpoint, settings, &ask));
    Ok(Departed { environment_id, location, browser_secret: Some(returning.browser_secret) })
}

async fn look(
    tx: &mut Tx,
    token: &SecretHash,
) -> Result<Result<(Logout, Option<Connection>), LogoutRefused>> {
    Ok(match logout::find(tx, token).await? {
        Found::Unknown => Err(LogoutRefused::Unknown),
        Found::Over(environment_id) => Err(LogoutRefused::Over(environment_id)),
        Found::Ready(logout) => {
            tx.enter(&logout.environment_id);
            let connection = connection::find(tx, logout.connection_id.as_str()).await?;
            Ok((logout, connection))
        }
    })
}

/// Where the browser can be logged out at the identity provider.
struct Destination {
    endpoint: Option<Url>,
    by: logout::Upstream,
}

/// Asks for the metadata of the identity provider. A connection that was switched off is not spoken
/// to, and one that cannot be reached does not keep anybody signed in here.
async fn destination(app: &App, connection: Option<&Connection>) -> Destination {
    let usable = connection.filter(|connection| connection.state.is_usable());
    let Some(settings) = usable.and_then(|connection| connection.settings.as_ref()) else {
        return Destination { endpoint: None, by: logout::Upstream::Unreachable };
    };
    let mut trace = Trace::new(app.clock.clone());
    match upstream::logout_endpoint(&app.upstream, settings, &mut trace).await {
        Ok(Some(endpoint)) => Destination { endpoint: Some(endpoint), by: logout::Upstream::Asked },
        Ok(None) => Destination { endpoint: None, by: logout::Upstream::NotOffered },
        Err(failure) => {
            let reason = failure.code.as_str();
            tracing::warn!(reason, "the identity provider could not be asked to log a person out");
            Destination { endpoint: None, by: logout::Upstream::Unreachable }
        }
    }
}

/// Ends the logins that are under way in the browser, in the environment of the logout.
async fn abort(tx: &mut Tx, under_way: &[UnderWay]) -> Result<()> {
    for (id, browser) in under_way.iter().take(MAX_ABORTED) {
        sso_session::abort(tx, id, browser).await?;
    }
    Ok(())
}

/// Where a logout ends, if that is still registered.
async fn registered(tx: &mut Tx, logout: &Logout) -> Result<Option<String>> {
    let Some(uri) = &logout.return_to else { return Ok(None) };
    let environment = environment::current(tx).await?;
    Ok(environment.settings.logout_uris.contains(uri).then(|| uri.clone()))
}

/// The ID token; without one the identity provider asks the person.
fn open(app: &App, logout: &Logout, kept: Option<KeptIdToken>) -> Option<Secret> {
    kept?.open(&app.sealer, &logout.environment_id).map_err(|error| super::failure_of(&error)).ok()
}

/// What a browser is known by when it comes back from the identity provider.
struct Returning {
    id: LogoutId,
    state_secret: Secret,
    browser_secret: Secret,
}

impl Returning {
    fn new(id: &LogoutId) -> Self {
        let (state_secret, browser_secret) = (Secret::random(""), Secret::random(""));
        Self { id: id.clone(), state_secret, browser_secret }
    }

    fn away(&self) -> Away {
        Away { state_hash: self.state_secret.hash(), browser_hash: self.browser_secret.hash() }
    }

    /// The `state`: the characters of the id's ULID, then the secret, as [`Ticket`] has them.
    fn state(&self) -> String {
        format!("{}{}", &self.id.text()[LogoutId::PREFIX.len()..], self.state_secret.expose())
    }
}

/// The browser is back from the identity provider: where it goes on to. `None`: it stays on our own
/// page, whatever the reason; a `state` that is absent, foreign or used leads nowhere.
pub async fn land(
    app: &App,
    external_key: &str,
    (state, browser): (&str, Option<SecretHash>),
) -> Option<String> {
    let (ulid, secret) = Ticket::split(state)?;
    let id = LogoutId::parse(&format!("{}{ulid}", LogoutId::PREFIX))?;
    let away = Away { state_hash: SecretHash::of(secret), browser_hash: browser? };
    let key = external_key.to_owned();
    let landed = app
        .db
        .write(&Caller::anonymous(), async move |tx| {
            let Some(logout) = logout::land(tx, &id, &away).await? else { return Ok(None) };
            tx.enter(&logout.environment_id);
            match connection::find(tx, logout.connection_id.as_str()).await? {
                Some(connection) if connection.external_key == key => registered(tx, &logout).await,
                _ => Ok(None),
            }
        })
        .await;
    landed.unwrap_or_else(|error| {
        super::failure_of(&error);
        None
    })
}

/// What a stranger's request to log out at the identity provider's word can do (Front-Channel Logout
/// 1.0 carries nothing that proves who sends it): it ends the logins under way in this very browser, on
/// this connection's environment, and nothing else.
pub async fn front_channel(app: &App, external_key: &str, under_way: Vec<UnderWay>) {
    if under_way.is_empty() {
        return;
    }
    let key = external_key.to_owned();
    let aborted = app
        .db
        .write(&Caller::anonymous(), async move |tx| {
            if let Some(connection) = connection::find_by_external_key(tx, &key).await? {
                tx.enter(&connection.environment_id);
                abort(tx, &under_way).await?;
            }
            Ok(())
        })
        .await;
    if let Err(error) = aborted {
        super::failure_of(&error);
    }
}

/// Why the word of an identity provider is not obeyed.
#[derive(Debug)]
pub enum BackChannelRefused {
    /// No connection has this key.
    Unknown,
    /// It came too often.
    RateLimited,
    /// A check did not hold, or could not be made.
    Invalid(Failure),
    /// The database does not answer now.
    Unavailable,
}

impl From<Error> for BackChannelRefused {
    fn from(error: Error) -> Self {
        super::failure_of(&error);
        Self::Unavailable
    }
}

/// Obeys a logout token: ends what logins gave that came from the session, or all of the person's.
///
/// A token that names nobody who ever signed in here is obeyed as well: there is nothing to end.
///
/// # Errors
///
/// [`BackChannelRefused`]; nothing was ended then.
pub async fn back_channel(
    app: &App,
    external_key: &str,
    token: &str,
) -> Result<(), BackChannelRefused> {
    let (nobody, key) = (Caller::anonymous(), external_key.to_owned());
    let read = async move |tx: &mut Tx| connection::find_by_external_key(tx, &key).await;
    let connection = app.db.read(&nobody, read).await?.ok_or(BackChannelRefused::Unknown)?;
    if !app.limits.logout.admit(connection.id.as_str(), app.clock.now()) {
        return Err(BackChannelRefused::RateLimited);
    }
    let outcome = obey(app, &connection, token).await;
    let connection_id = connection.id.as_str();
    match &outcome {
        Ok(ended) => {
            tracing::info!(connection_id, ended, "the identity provider logged people out")
        }
        Err(BackChannelRefused::Invalid(failure)) => {
            let (reason, detail) = (failure.code.as_str(), failure.detail.as_deref());
            let expected = failure.expected.as_deref();
            tracing::warn!(connection_id, reason, detail, expected, "a logout token was refused");
            // It may be a claim, and so about somebody.
            tracing::debug!(received = failure.received, "what came instead");
        }
        Err(_) => {}
    }
    outcome.map(drop)
}

/// The part behind the limits; returns how many profiles were logged out.
async fn obey(
    app: &App,
    connection: &Connection,
    token: &str,
) -> Result<usize, BackChannelRefused> {
    let unlinked = || BackChannelRefused::Invalid(FailureCode::ConnectionUnlinked.into());
    let usable = connection.state.is_usable();
    let settings = connection.settings.as_ref().filter(|_| usable).ok_or_else(unlinked)?;
    let mut trace = Trace::new(app.clock.clone());
    let said = upstream::logged_out(&app.upstream, settings, token, &mut trace).await;
    let said = said.map_err(BackChannelRefused::Invalid)?;
    let caller = system(&connection.environment_id);
    let id = connection.id.clone();
    let ended = app
        .db
        .write(&caller, async move |tx| {
            let known = connection::find(tx, id.as_str()).await?;
            let Some(connection) = known.filter(|known| known.state.is_usable()) else {
                return Ok(Err(FailureCode::ConnectionUnlinked.into()));
            };
            let jti = SecretHash::of(&said.token_id);
            if !logout::spend_token(tx, &connection.id, &jti, said.stale_at).await? {
                let detail = "jti: the token came before";
                return Ok(Err(Failure::with_detail(FailureCode::LogoutTokenInvalid, detail)));
            }
            end_all(tx, &connection, &said).await.map(Ok)
        })
        .await?;
    ended.map_err(BackChannelRefused::Invalid)
}

/// Ends what a logout token names (section 2.7): the logins of its session, or all of its person.
async fn end_all(tx: &mut Tx, connection: &Connection, said: &LoggedOut) -> Result<usize> {
    let by = logout::Upstream::Told;
    let person = match &said.subject {
        Some(subject) => profile::find_by_idp_id(tx, &connection.id, subject).await?,
        None => None,
    };
    let Some(sid) = &said.session_id else {
        let Some(profile) = person else { return Ok(0) };
        logout::end(tx, &Ending { profile: &profile, scope: Scope::Profile, by }).await?;
        return Ok(1);
    };
    let logins = logout::find_idp_sessions(tx, &connection.id, sid).await?;
    let mut concerned: Vec<(Profile, Vec<IdpSession>)> = Vec::new();
    for login in logins {
        let known = concerned.iter_mut().find(|(profile, _)| profile.id == login.profile_id);
        if let Some((_, logins)) = known {
            logins.push(login);
            continue;
        }
        let profile = profile::get(tx, &login.profile_id).await?;
        if said.subject.as_ref().is_none_or(|subject| profile.idp_id == *subject) {
            concerned.push((profile, vec![login]));
        }
    }
    // A session from before we remembered it: nothing to revoke, but the application may still have it.
    if let (true, Some(profile)) = (concerned.is_empty(), person) {
        concerned.push((profile, Vec::new()));
    }
    for (profile, logins) in &concerned {
        logout::end(tx, &Ending { profile, scope: Scope::Logins(logins), by }).await?;
    }
    Ok(concerned.len())
}
