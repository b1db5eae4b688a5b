//! Logins that begin at the identity provider: a tile in Okta's dashboard (OpenID Connect Core
//! section 4). They start a login of our own, with its own `state`; nobody is signed in by a link.

use super::answer::Target;
use super::authorize::{Begun, Going, send};
use super::{Refused, refuse_unstarted};
use crate::app::App;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::SsoSessionId;
use crate::base::trace::Trace;
use crate::base::{Caller, Result};
use crate::model::connection::{self, Connection};
use crate::model::redirect_uri;
use crate::model::sso_session::{self, Browser, Origin, Starter};
use crate::upstream::{Settings, Wishes};

/// What the identity provider sends.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The connection's callback key.
    pub external_key: String,
    /// Who sends the person here: must be the connection's issuer.
    pub iss: Option<String>,
    /// Who is likely to sign in.
    pub login_hint: Option<String>,
    /// Where the person wants to go; used only if it is registered.
    pub target_link_uri: Option<String>,
    /// The browser.
    pub browser: Browser,
}

/// Begins a login of ours.
///
/// # Errors
///
/// [`Refused`]: on our own page for a wrong issuer; to the default redirect URI with
/// `idp_initiated_sso_disabled` where the connection does not allow it.
pub async fn begin(app: &App, request: Request) -> Result<Begun, Refused> {
    let (key, wanted) = (request.external_key.clone(), request.target_link_uri.clone());
    let found = app
        .db
        .read(&Caller::anonymous(), async move |tx| {
            let Some(connection) = connection::find_by_external_key(tx, &key).await? else {
                return Ok(None);
            };
            tx.enter(&connection.environment_id);
            let asked = match &wanted {
                Some(uri) if redirect_uri::find_match(tx, uri).await?.is_some() => wanted.clone(),
                _ => redirect_uri::find_default(tx).await?.map(|default| default.uri),
            };
            Ok(Some((connection, asked, tx.new_id::<SsoSessionId>())))
        })
        .await?;
    let Some((connection, Some(redirect_uri), session_id)) = found else {
        return Err(Refused::unrecorded(FailureCode::InitiateInvalid));
    };
    if !is_from(&connection, request.iss.as_deref()) {
        return Err(Refused::unrecorded(FailureCode::InitiateInvalid));
    }
    let target = Target { redirect_uri, app_state: None };
    let mut trace = Trace::new(app.clock.clone());
    match depart(app, &request, (&connection, &target, &session_id), &mut trace).await {
        Ok(begun) => Ok(begun),
        Err(failure) => {
            let attempt = sso_session::Refusal {
                id: session_id,
                organization_id: Some(connection.organization_id.clone()),
                connection_id: Some(connection.id.clone()),
                redirect_uri: target.redirect_uri.clone(),
                browser: request.browser,
                starter: starter(),
            };
            let environment_id = &connection.environment_id;
            let refused = refuse_unstarted(app, environment_id, attempt, (failure, trace)).await;
            let location = location(&connection, &target, &refused);
            Err(Refused { location, ..refused })
        }
    }
}

fn starter() -> Starter {
    Starter { origin: Origin::IdentityProvider, started_by: None }
}

/// Whether the one who sends the person is the connection's own identity provider.
fn is_from(connection: &Connection, iss: Option<&str>) -> bool {
    match &connection.settings {
        Some(Settings::Oidc(settings)) => iss == Some(settings.issuer.as_str()),
        None => false,
    }
}

async fn depart(
    app: &App,
    request: &Request,
    (connection, target, session_id): (&Connection, &Target, &SsoSessionId),
    trace: &mut Trace,
) -> Result<Begun, Failure> {
    trace.did("authorize.initiate", "the login begins at the identity provider");
    if !connection.state.is_usable() {
        return Err(FailureCode::ConnectionUnlinked.into());
    }
    if !connection.policy.idp_initiated {
        return Err(FailureCode::IdpInitiatedSsoDisabled.into());
    }
    app.limits.authorize.check(connection.id.as_str(), app.clock.now())?;
    let going = Going {
        session_id: session_id.clone(),
        target: target.clone(),
        code_challenge: None,
        browser: request.browser.clone(),
        starter: starter(),
        wishes: Wishes { login_hint: request.login_hint.clone(), ..Wishes::default() },
    };
    send(app, connection, going, trace).await
}

/// WorkOS's answer names the connection and the organization, so that the application can begin the
/// login itself.
fn location(connection: &Connection, target: &Target, refused: &Refused) -> Option<String> {
    let failure = &refused.failure;
    if failure.code != FailureCode::IdpInitiatedSsoDisabled {
        return target.refusal(failure, refused.session_id.as_ref());
    }
    Some(target.location(&[
        ("error_description", failure.code.for_developer()),
        ("error", failure.code.as_str()),
        ("connection_id", connection.id.as_str()),
        ("organization_id", connection.organization_id.as_str()),
    ]))
}
