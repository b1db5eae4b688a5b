//! Test sign-ins: a real sign-in through a connection that leaves nothing behind but its session.
//!
//! An administrator tries a connection out, also before it is active or while it is switched off.
//! The sign-in goes through the same checks as a login and comes back to the same redirect URI, but
//! it ends at a page of ours: no code, no profile, no event, and the connection's state stays. What
//! came of it stands in the session (`sso_session::get`): the trace, and a `test_result` as soon as
//! claims arrived.

use super::answer::{Target, percent_encode};
use super::authorize::{Begun, Going, send};
use super::{Refused, refuse_unstarted};
use crate::app::App;
use crate::base::Caller;
use crate::base::failure::{Failure, FailureCode};
use crate::base::id::SsoSessionId;
use crate::base::trace::Trace;
use crate::model::connection::{self, Connection};
use crate::model::sso_session::{self, Browser, Origin, Starter};
use crate::upstream::Wishes;

/// Which page of ours the browser comes back to, and thereby who tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnTo {
    /// The connection's page in the dashboard.
    DashboardConnection,
    /// A page of the setup portal.
    PortalPage(PortalPath),
}

/// The path of a page of the setup portal, behind `/setup/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalPath(String);

impl PortalPath {
    /// How long it may be, in bytes.
    const MAX: usize = 200;

    /// Segments of letters, digits, `-` and `_` between slashes: nothing that leads elsewhere.
    pub fn new(path: &str) -> Option<Self> {
        let fits = |segment: &str| {
            !segment.is_empty()
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        (path.len() <= Self::MAX && path.split('/').all(fits)).then(|| Self(path.to_owned()))
    }
}

impl ReturnTo {
    const fn origin(&self) -> Origin {
        match self {
            Self::DashboardConnection => Origin::DashboardTest,
            Self::PortalPage(_) => Origin::PortalTest,
        }
    }

    /// The page, without the query that [`location`] adds.
    fn path(&self, connection: &Connection) -> String {
        match self {
            Self::DashboardConnection => {
                format!("/dashboard/{}/connections/{}", connection.environment_id, connection.id)
            }
            Self::PortalPage(path) => format!("/setup/{}", path.0),
        }
    }
}

/// Where the browser goes after a test: back to the page that began it, which finds the session by
/// `?test=`.
pub(super) fn location(page: &str, id: &SsoSessionId) -> String {
    format!("{page}?test={}", percent_encode(id.as_str().as_bytes()))
}

/// Begins a test sign-in through a connection that is configured, whatever its state.
///
/// The caller's `actor_id` (the administrator, or the setup link) is recorded as the one who began
/// it. That the connection is one that the caller may see, beyond its environment, is for the face
/// to have checked: a setup link is for one organization.
///
/// # Errors
///
/// [`Refused`]: recorded with the session, and with the way back to the page, once the connection
/// is known.
pub async fn begin(
    app: &App,
    caller: &Caller,
    connection_id: &str,
    return_to: &ReturnTo,
    browser: Browser,
) -> Result<Begun, Refused> {
    let id = connection_id.to_owned();
    let found = app
        .db
        .read(caller, async move |tx| {
            let connection = connection::find(tx, &id).await?;
            Ok(connection.map(|connection| (connection, tx.new_id::<SsoSessionId>())))
        })
        .await?;
    let Some((connection, session_id)) = found else {
        return Err(Refused::unrecorded(FailureCode::ConnectionInvalid));
    };
    let starter = Starter { origin: return_to.origin(), started_by: Some(caller.actor_id.clone()) };
    let page = app.url(&return_to.path(&connection));
    let mut trace = Trace::new(app.clock.clone());
    let going = Going {
        session_id: session_id.clone(),
        target: Target { redirect_uri: page.clone(), app_state: None },
        code_challenge: None,
        browser: browser.clone(),
        starter: starter.clone(),
        wishes: Wishes::default(),
    };
    match depart(app, &connection, going, &mut trace).await {
        Ok(begun) => Ok(begun),
        Err(failure) => {
            let attempt = sso_session::Refusal {
                id: session_id,
                organization_id: Some(connection.organization_id.clone()),
                connection_id: Some(connection.id.clone()),
                redirect_uri: page.clone(),
                browser,
                starter,
            };
            let environment_id = &connection.environment_id;
            let refused = refuse_unstarted(app, environment_id, attempt, (failure, trace)).await;
            let location = refused.session_id.as_ref().map(|id| location(&page, id));
            Err(Refused { location, ..refused })
        }
    }
}

async fn depart(
    app: &App,
    connection: &Connection,
    going: Going,
    trace: &mut Trace,
) -> Result<Begun, Failure> {
    trace.did(
        "test.begun",
        format!("a test, while the connection is {}", connection.state.as_str()),
    );
    // Counted apart from logins, so that tests take no room from them.
    let key = format!("test {}", connection.id);
    app.limits.authorize.check(&key, app.clock.now())?;
    if !connection.is_configured() {
        let detail = "client ID, client secret or discovery endpoint are missing";
        return Err(Failure::with_detail(FailureCode::ConnectionUnlinked, detail));
    }
    send(app, connection, going, trace).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_portal_leads_nowhere_else() {
        for good in ["test", "conn_01ABC/steps/test-sign-in", "a/b_c"] {
            assert!(PortalPath::new(good).is_some(), "{good}");
        }
        for bad in ["", "/", "/x", "x/", "a//b", "..", "a/../b", "a?b", "a#b", "a\\b", "a b", "é"]
        {
            assert_eq!(PortalPath::new(bad), None, "{bad}");
        }
        assert_eq!(PortalPath::new(&"a".repeat(201)), None);
    }
}
