//! The link is opened, and begun. Opening changes nothing: scanners of mail open links as well.

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;
use url::form_urlencoded;

use super::SESSION;
use super::visit::ended;
use crate::app::App;
use crate::base::Caller;
use crate::base::secret::{Secret, SecretHash};
use crate::model::setup_link::{self, Ended, SetupLink, State as LinkState};
use crate::model::{environment, organization};
use crate::web::brand::Brand;
use crate::web::cookies;
use crate::web::csrf::CsrfToken;
use crate::web::form::Form;
use crate::web::page::{page, see_other};
use crate::web::refusal::Refusal;

/// How long a token is, prefix included; longer texts are none of ours.
const MAX_TOKEN: usize = 100;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/", get(open)).route("/begin", post(begin))
}

#[derive(Template)]
#[template(path = "portal/entrance.html")]
struct EntrancePage<'a> {
    brand: Brand,
    organization: String,
    link: SetupLink,
    token: &'a str,
    csrf: String,
}

/// Looks at a link. The browser in which a link of the API was begun goes on where it was.
async fn open(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    request: axum::extract::Request,
) -> Result<Response, Refusal> {
    let query = query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let token = pairs.find(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
    let Some(token) = token.filter(|token| token.len() <= MAX_TOKEN) else {
        return Err(ended(Ended::Unknown));
    };
    let hash = SecretHash::of(&token);
    let own = cookies::get(&app, request.headers(), SESSION).map(SecretHash::of);
    let found = app
        .db
        .read(&Caller::anonymous(), async move |tx| {
            let Some(link) = setup_link::find_by_hash(tx, &hash).await? else { return Ok(None) };
            let organization = organization::get(tx, &link.organization_id).await?;
            let environment = environment::current(tx).await?;
            let session = match &own {
                Some(own) => setup_link::enter(tx, own).await?.ok(),
                None => None,
            };
            let is_begun_here = session.is_some_and(|session| session.link.id == link.id);
            Ok(Some((link, organization.name, environment, is_begun_here)))
        })
        .await?;
    let (link, organization, environment, is_begun_here) =
        found.ok_or_else(|| ended(Ended::Unknown))?;
    let state = link.state(app.clock.now());
    if state == LinkState::Used && is_begun_here {
        return Ok(see_other("/setup/home"));
    }
    if state != LinkState::Open {
        return Err(ended(state.into()));
    }
    // A counter for the operator, and nothing hangs on it.
    let count = async move |tx: &mut _| setup_link::count_opened(tx, &hash).await;
    if let Err(error) = app.db.write(&Caller::anonymous(), count).await {
        tracing::warn!(error = error.chain(), "an opened setup link was not counted");
    }
    let csrf = request.extensions().get::<CsrfToken>().map(|token| token.0.clone());
    let brand = Brand::of(&app, &environment.id).await;
    let csrf = csrf.unwrap_or_default();
    Ok(page(StatusCode::OK, &EntrancePage { brand, organization, link, token: &token, csrf }))
}

/// Binds the link to this browser, and goes on at an address without the token.
async fn begin(State(app): State<App>, form: Form) -> Result<Response, Refusal> {
    let token = form.text("token");
    if token.len() > MAX_TOKEN {
        return Err(ended(Ended::Unknown));
    }
    let (hash, browser) = (SecretHash::of(token), Secret::random(""));
    let browser_hash = browser.hash();
    let begin = async move |tx: &mut _| setup_link::begin(tx, &hash, &browser_hash).await;
    let session = match app.db.write(&Caller::anonymous(), begin).await? {
        Ok(session) => session,
        Err(why) => {
            tracing::info!(reason = ?why, "a setup link was not begun");
            return Err(ended(why));
        }
    };
    let path = match &session.link.step {
        Some(step) => format!("/setup/connections/{}/steps/{}", step.connection_id, step.id),
        None => "/setup/home".to_owned(),
    };
    let mut response = see_other(&path);
    // Lax: a test sign-in comes back from another site.
    let value = (browser.expose(), setup_link::SESSION_MS / 1000);
    cookies::set(&app, &mut response, SESSION, value);
    Ok(response)
}
