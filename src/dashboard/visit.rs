//! Who is here, and what they may do: decided before a handler runs, by the type that it asks for.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use url::form_urlencoded;

use super::SESSION;
use super::frame::{Frame, Section};
use super::notice;
use crate::app::App;
use crate::base::caller::Source;
use crate::base::id::EnvironmentId;
use crate::base::secret::SecretHash;
use crate::base::{Caller, Result};
use crate::model::administrator::{self, Administrator, Role, Session};
use crate::model::environment::{self, Environment};
use crate::web::csrf::CsrfToken;
use crate::web::refusal::Refusal;
use crate::web::{cookies, page};

/// How exact the time of the last request of a session is, in milliseconds.
const SEEN_EVERY_MS: i64 = 60 * 1000;

/// What a handler needs its administrator to be allowed to do.
pub(super) trait Level: Send + Sync + 'static {
    /// The least powerful role that may.
    const ROLE: Role;
}

/// Looking at what is no secret.
pub(super) struct Read;
/// Changing what belongs to an environment.
pub(super) struct Write;
/// Changing who administers, and seeing the audit trail.
pub(super) struct Govern;

impl Level for Read {
    const ROLE: Role = Role::Support;
}
impl Level for Write {
    const ROLE: Role = Role::Developer;
}

/// A request of an administrator who may do this.
pub(super) struct Visit<L: Level> {
    pub(super) session: Session,
    /// The token for the forms of the page.
    pub(super) csrf: String,
    /// What the page before this one has done.
    pub(super) notice: Option<&'static str>,
    level: PhantomData<fn() -> L>,
}

/// A request of an administrator who may do this in an environment: the one in the path.
pub(super) struct Place<L: Level> {
    pub(super) visit: Visit<L>,
    pub(super) environment: Environment,
    /// All environments, for the switcher.
    pub(super) environments: Vec<Environment>,
    /// Who asks, for units of work in the environment.
    pub(super) caller: Caller,
}

/// Why a request is not let in.
pub(super) enum Closed {
    /// Nobody is signed in: to the sign-in, and back here afterwards.
    SignIn(String),
    /// The browser came from another site and so without its cookie: it shall come again from here.
    Again,
    /// There is no such thing, or they may not do it.
    Refused(Refusal),
}

impl IntoResponse for Closed {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(path) => page::see_other(&path),
            Self::Again => {
                let mut response = page::body(StatusCode::OK, "text/html; charset=utf-8", AGAIN);
                response.headers_mut().insert("refresh", http::HeaderValue::from_static("0"));
                response
            }
            Self::Refused(refusal) => refusal.into_response(),
        }
    }
}

const AGAIN: &str = "<!doctype html><html lang=\"en\"><title>One moment</title>\
                     <p>One moment. If nothing happens, reload this page.</p></html>";

impl From<crate::base::Error> for Closed {
    fn from(error: crate::base::Error) -> Self {
        Self::Refused(error.into())
    }
}

impl Level for Govern {
    const ROLE: Role = Role::Admin;
}

impl<L: Level> FromRequestParts<App> for Visit<L> {
    type Rejection = Closed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Closed> {
        let session = match cookies::get(app, &parts.headers, SESSION) {
            Some(token) => find(app, SecretHash::of(token)).await?,
            None => None,
        };
        let Some(session) = session else {
            let is_get = parts.method == Method::GET;
            if is_get && came_from_elsewhere(&parts.headers) {
                return Err(Closed::Again);
            }
            let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |it| &it.0);
            let next = uri.path_and_query().map_or("/dashboard", |it| it.as_str());
            let mut query = form_urlencoded::Serializer::new(String::new());
            if is_get {
                query.append_pair("next", next);
            }
            return Err(Closed::SignIn(format!("/dashboard/sign-in?{}", query.finish())));
        };
        if session.administrator.role < L::ROLE {
            let sentence = format!(
                "This needs the role {}; yours is {}. Somebody of the team can change that.",
                L::ROLE.label(),
                session.administrator.role.label()
            );
            return Err(Closed::Refused(Refusal::denied(sentence)));
        }
        let csrf = parts.extensions.get::<CsrfToken>().map(|token| token.0.clone());
        Ok(Self {
            session,
            csrf: csrf.unwrap_or_default(),
            notice: notice::of(parts.uri.query().unwrap_or_default()),
            level: PhantomData,
        })
    }
}

/// The session, noting now and then that it is in use.
async fn find(app: &App, token: SecretHash) -> Result<Option<Session>> {
    let nobody = Caller::anonymous();
    let read = async move |tx: &mut _| administrator::find_session(tx, &token).await;
    let session = app.db.read(&nobody, read).await?;
    if let Some(session) = &session
        && app.clock.now() >= session.last_seen_at.plus_ms(SEEN_EVERY_MS)
    {
        let id = session.id.clone();
        app.db.write(&nobody, async move |tx| administrator::touch_session(tx, &id).await).await?;
    }
    Ok(session)
}

/// Whether a link of another site brought the browser here.
fn came_from_elsewhere(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    matches!(site, Some("cross-site" | "same-site"))
}

impl<L: Level> FromRequestParts<App> for Place<L> {
    type Rejection = Closed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Closed> {
        let visit = Visit::<L>::from_request_parts(parts, app).await?;
        let params = RawPathParams::from_request_parts(parts, app).await;
        let wanted = params.ok().and_then(|params| {
            let id = params.iter().find(|(name, _)| *name == "environment_id");
            id.and_then(|(_, text)| EnvironmentId::parse(text))
        });
        let environments = visit.environments(app).await?;
        let environment = environments.iter().find(|known| Some(&known.id) == wanted.as_ref());
        let environment =
            environment.cloned().ok_or_else(|| Closed::Refused(Refusal::not_found()))?;
        let caller = Caller {
            environment_id: environment.id.clone(),
            source: Source::Dashboard,
            actor_id: visit.administrator().id.to_string(),
        };
        Ok(Self { visit, environment, environments, caller })
    }
}

impl<L: Level> Visit<L> {
    /// Who is here.
    pub(super) fn administrator(&self) -> &Administrator {
        &self.session.administrator
    }

    /// All environments, the oldest first.
    pub(super) async fn environments(&self, app: &App) -> Result<Vec<Environment>> {
        let nobody = Caller::anonymous();
        app.db.read(&nobody, async |tx| environment::list_all(tx).await).await
    }

    /// What surrounds a page that belongs to no environment.
    pub(super) fn frame(&self, section: Section) -> Frame<'_> {
        Frame {
            environment: None,
            environments: &[],
            administrator: self.administrator(),
            section,
            notice: self.notice,
            csrf: &self.csrf,
        }
    }
}

impl<L: Level> Place<L> {
    /// What surrounds a page of the environment.
    pub(super) fn frame(&self, section: Section) -> Frame<'_> {
        Frame {
            environment: Some(&self.environment),
            environments: &self.environments,
            ..self.visit.frame(section)
        }
    }

    /// A path below the environment's, such as `/organizations`.
    pub(super) fn path(&self, below: &str) -> String {
        format!("/dashboard/{}{below}", self.environment.id)
    }
}
