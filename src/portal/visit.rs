//! Who is here, and what they may reach: the organization and the scope of their link.

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use url::form_urlencoded;

use super::SESSION;
use crate::app::App;
use crate::base::caller::Source;
use crate::base::secret::SecretHash;
use crate::base::{Caller, Error, Result};
use crate::model::connection::{self, Connection};
use crate::model::environment::{self, Environment};
use crate::model::organization::{self, Organization};
use crate::model::setup_link::{self, Ended, Feature, Session};
use crate::web::brand::Brand;
use crate::web::cookies;
use crate::web::csrf::CsrfToken;
use crate::web::refusal::Refusal;

/// What a page says of the one before it: words and sentences.
const NOTICES: &[(&str, &str)] = &[
    ("saved", "Your changes are saved."),
    ("removed", "It was removed."),
    ("live", "Single sign-on is live."),
    ("promoted", "The new client secret is the one that counts now."),
    ("verified", "The domain is verified."),
    ("reset", "The connection was removed. You can start over."),
];

/// A browser in which a setup link was begun.
pub(super) struct Guest {
    pub(super) session: Session,
    pub(super) environment: Environment,
    /// The organization of the link. Nothing of another one can be reached.
    pub(super) organization: Organization,
    pub(super) brand: Brand,
    /// Who asks, for units of work.
    pub(super) caller: Caller,
    /// The token for the forms of the page.
    pub(super) csrf: String,
    /// What the page before this one has done.
    pub(super) notice: Option<&'static str>,
}

/// Why a link or a session does not work, in one sentence, and what to do.
pub(super) fn ended(ended: Ended) -> Refusal {
    let (title, sentence) = match ended {
        Ended::Unknown => (
            "This link is not valid",
            "Open the setup link again that you were sent, whole. If it still does not work, ask \
             whoever sent it for another.",
        ),
        Ended::Used => (
            "This link was used already",
            "It works in one browser only, and was begun in another. Go back to the application \
             and open the setup from there again.",
        ),
        Ended::Expired => (
            "This link has expired",
            "Nothing that was set up is lost. Ask whoever sent it for another.",
        ),
        Ended::Revoked => {
            ("This link was revoked", "Ask whoever sent it whether there is another.")
        }
        Ended::Finished => (
            "The setup is finished",
            "There is nothing left to do. To change something later, ask for another link.",
        ),
    };
    Refusal::new(StatusCode::FORBIDDEN, title, sentence).closed()
}

impl FromRequestParts<App> for Guest {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let token = cookies::get(app, &parts.headers, SESSION).filter(|token| !token.is_empty());
        let token = SecretHash::of(token.ok_or_else(|| ended(Ended::Unknown))?);
        let found = app
            .db
            .read(&Caller::anonymous(), async move |tx| {
                Ok(match setup_link::enter(tx, &token).await? {
                    Err(ended) => Err(ended),
                    Ok(session) => {
                        let environment = environment::current(tx).await?;
                        let id = session.link.organization_id.clone();
                        let organization = organization::get(tx, &id).await?;
                        Ok((session, environment, organization))
                    }
                })
            })
            .await?;
        let (session, environment, organization) = found.map_err(ended)?;
        let caller = Caller {
            environment_id: session.environment_id.clone(),
            source: Source::AdminPortal,
            actor_id: session.link.id.to_string(),
        };
        if session.is_stale(app.clock.now()) {
            let id = session.id.clone();
            app.db.write(&caller, async move |tx| setup_link::saw(tx, &id).await).await?;
        }
        let query = parts.uri.query().unwrap_or_default();
        let word = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "notice");
        let notice = word.and_then(|(_, word)| NOTICES.iter().find(|(known, _)| *known == word));
        let csrf = parts.extensions.get::<CsrfToken>().map(|token| token.0.clone());
        Ok(Self {
            brand: Brand::of(app, &environment.id).await,
            session,
            environment,
            organization,
            caller,
            csrf: csrf.unwrap_or_default(),
            notice: notice.map(|(_, sentence)| *sentence),
        })
    }
}

impl Guest {
    /// Lets nobody on whose link is for one step only, or not for this.
    pub(super) fn needs(&self, feature: Feature) -> Result<(), Refusal> {
        if self.session.link.step.is_some() || !self.session.link.allows(feature) {
            return Err(Refusal::denied("This link is not for that part of the setup."));
        }
        Ok(())
    }

    /// A connection of the organization of the link, for this step of its guide (or for all of it).
    ///
    /// What is another organization's is not found, whatever was asked for.
    pub(super) async fn connection(
        &self,
        app: &App,
        id: &str,
        step: Option<&str>,
    ) -> Result<Connection, Refusal> {
        if !self.session.link.allows(Feature::Sso) {
            return Err(Refusal::denied("This link is not for single sign-on."));
        }
        let wanted = id.to_owned();
        let read = async move |tx: &mut _| connection::get(tx, &wanted).await;
        let connection = app.db.read(&self.caller, read).await?;
        if connection.organization_id != self.organization.id {
            return Err(Error::not_found("Connection", id).into());
        }
        match &self.session.link.step {
            None => Ok(connection),
            Some(only) if only.connection_id == connection.id && Some(&*only.id) == step => {
                Ok(connection)
            }
            Some(_) => Err(Refusal::denied("This link is for another step of the setup.")),
        }
    }

    /// Whether the link is for one step only.
    pub(super) fn is_for_one_step(&self) -> bool {
        self.session.link.step.is_some()
    }

    /// What surrounds a page.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            brand: &self.brand,
            organization: &self.organization.name,
            csrf: &self.csrf,
            notice: self.notice,
            return_url: self.session.link.return_url.as_deref(),
            is_for_one_step: self.is_for_one_step(),
        }
    }
}

/// What surrounds a page: `frame` in `portal/layout.html`.
pub(super) struct Frame<'a> {
    pub(super) brand: &'a Brand,
    pub(super) organization: &'a str,
    pub(super) csrf: &'a str,
    pub(super) notice: Option<&'static str>,
    /// Where the way back leads.
    pub(super) return_url: Option<&'a str>,
    pub(super) is_for_one_step: bool,
}
