//! A sample application: what a developer writes to sign people in with Vestibule.
//!
//! It keeps its sessions in memory and shows everything that it learns: serve it on loopback only.

mod pages;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::base::secret::{Secret, equal, random_alphanumeric};
use crate::base::time::Clock;

use super::expiring::Expiring;
use super::params::Params;
use crate::web::page::{
    cookie, file, json as json_response, page, redirect, remove_cookie, set_cookie,
};
use pages::{FailurePage, HomePage, ProfilePage};

/// How long a session of the application lasts: eight hours, in milliseconds.
const SESSION_LIFETIME_MS: i64 = 8 * 60 * 60 * 1000;

/// What the developer writes into the application's settings.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where Vestibule is.
    pub vestibule_url: Url,
    /// The client id of the environment.
    pub client_id: String,
    /// An API key of the environment, which is the client secret.
    pub api_key: Secret,
    /// Whose people sign in.
    pub organization_id: String,
    /// Where the application itself is.
    pub base_url: Url,
}

/// A request to Vestibule, by which a code is redeemed or a logout begins: `POST`, with a form as the
/// body.
#[derive(Clone, Debug)]
pub struct ApplicationRequest {
    /// Vestibule's `/sso/token` or `/sso/logout/authorize`.
    pub url: Url,
    /// The body, `application/x-www-form-urlencoded`; that of a token request has the API key in it.
    pub form: Secret,
    /// What goes into the `Authorization` header, where the API key goes there.
    pub bearer: Option<Secret>,
}

/// Sends a request, and says what JSON came back (whatever the status) or why none did.
/// The application has no HTTP client of its own.
pub type Exchange = Arc<dyn Fn(ApplicationRequest) -> Exchanging + Send + Sync>;

/// A request under way.
pub type Exchanging = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// The sample application. A clone is the same application.
#[derive(Clone)]
pub struct Application(Arc<Inner>);

struct Inner {
    configuration: Configuration,
    exchange: Exchange,
    clock: Clock,
    /// The profiles of those who are signed in.
    sessions: Mutex<Expiring<Value>>,
}

/// Why somebody is not signed in, in the words of the callback or the token endpoint.
struct Failure {
    error: String,
    description: String,
    /// The number under which Vestibule's operator finds the attempt, where it came.
    reference: Option<String>,
}

impl Failure {
    fn new(error: &str, description: impl Into<String>) -> Self {
        Self { error: error.to_owned(), description: description.into(), reference: None }
    }
}

impl Application {
    /// An application where nobody is signed in yet.
    pub fn new(configuration: Configuration, exchange: Exchange, clock: Clock) -> Self {
        let sessions = Mutex::new(Expiring::new(SESSION_LIFETIME_MS));
        Self(Arc::new(Inner { configuration, exchange, clock, sessions }))
    }

    /// The redirect URI to register at Vestibule.
    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", base(&self.0.configuration.base_url))
    }

    /// Everything that the application answers, to be served at the root of its base URL.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/login", get(login))
            .route("/callback", get(callback))
            .route("/logout", post(logout))
            .route("/application.css", get(style_sheet))
            .route("/icon.svg", get(icon))
            .with_state(self.clone())
    }

    fn sessions(&self) -> MutexGuard<'_, Expiring<Value>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cookies do not know ports, so the name must.
    fn cookie_name(&self, what: &str) -> String {
        let port = self.0.configuration.base_url.port_or_known_default().unwrap_or_default();
        format!("application_{what}_{port}")
    }

    /// Where a sign-in begins at Vestibule.
    fn authorize_url(&self, state: &str) -> String {
        let configuration = &self.0.configuration;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &configuration.client_id)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("response_type", "code")
            .append_pair("organization", &configuration.organization_id)
            .append_pair("state", state)
            .finish();
        format!("{}/sso/authorize?{query}", base(&configuration.vestibule_url))
    }

    /// The profile that the callback's parameters lead to.
    async fn finish(
        &self,
        params: &Params,
        expected_state: Option<&str>,
    ) -> Result<Value, Failure> {
        if let Some(error) = params.get("error") {
            let description = params.get("error_description").unwrap_or("No more is known.");
            let reference = params.get("sso_session_id").map(str::to_owned);
            return Err(Failure { reference, ..Failure::new(error, description) });
        }
        let state = params.get("state").unwrap_or_default();
        if !expected_state.is_some_and(|expected| equal(expected.as_bytes(), state.as_bytes())) {
            let description = "This sign-in was not started in this browser. Please start again.";
            return Err(Failure::new("wrong_state", description));
        }
        let code = params.get("code").ok_or_else(|| {
            Failure::new("missing_code", "The callback has neither a code nor an error.")
        })?;
        self.redeem(code).await
    }

    async fn redeem(&self, code: &str) -> Result<Value, Failure> {
        let configuration = &self.0.configuration;
        let url = format!("{}/sso/token", base(&configuration.vestibule_url));
        let url =
            Url::parse(&url).map_err(|error| Failure::new("misconfigured", error.to_string()))?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &configuration.client_id)
            .append_pair("client_secret", configuration.api_key.expose())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .finish();
        let form = Secret::new(form);
        let answer = (self.0.exchange)(ApplicationRequest { url, form, bearer: None }).await;
        let answer = answer.map_err(|reason| Failure::new("token_request_failed", reason))?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        match answer.get("profile") {
            Some(profile) if profile.is_object() => Ok(profile.clone()),
            _ => Err(Failure::new(
                text("error").unwrap_or("token_request_failed"),
                text("error_description")
                    .or_else(|| text("message"))
                    .unwrap_or("The answer of the token endpoint has no profile."),
            )),
        }
    }
}

impl Application {
    /// Where the browser has to go so that a person is logged out at the identity provider as well.
    async fn logout_url(&self, profile_id: &str) -> Option<String> {
        let configuration = &self.0.configuration;
        let url = format!("{}/sso/logout/authorize", base(&configuration.vestibule_url));
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("profile_id", profile_id)
            .finish();
        let request = ApplicationRequest {
            url: Url::parse(&url).ok()?,
            form: Secret::new(form),
            bearer: Some(configuration.api_key.clone()),
        };
        let answer = (self.0.exchange)(request).await.ok()?;
        answer.get("logout_url").and_then(Value::as_str).map(str::to_owned)
    }
}

/// An address without the slash at its end.
fn base(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

async fn home(State(application): State<Application>, headers: HeaderMap) -> Response {
    let key = cookie(&headers, &application.cookie_name("session"));
    let now = application.0.clock.now();
    let profile = key.and_then(|key| application.sessions().find(now, key).cloned());
    match profile {
        Some(profile) => page(StatusCode::OK, &ProfilePage::new(&profile)),
        None => page(StatusCode::OK, &HomePage),
    }
}

async fn login(State(application): State<Application>) -> Response {
    let state = random_alphanumeric(32);
    let mut response = redirect(&application.authorize_url(&state));
    set_cookie(&mut response, &application.cookie_name("state"), &state);
    response
}

async fn callback(
    State(application): State<Application>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let state_cookie = application.cookie_name("state");
    let result = application.finish(&params, cookie(&headers, &state_cookie)).await;
    let mut response = match (result, wants_json(&headers)) {
        (Ok(profile), true) => json_response(StatusCode::OK, &profile),
        (Ok(profile), false) => {
            // Not the page itself: with the code in its address it could not be loaded again.
            let mut response = redirect("/");
            let key = application.sessions().insert(application.0.clock.now(), profile);
            set_cookie(&mut response, &application.cookie_name("session"), &key);
            response
        }
        (Err(Failure { error, description, .. }), true) => json_response(
            StatusCode::BAD_REQUEST,
            &json!({ "error": error, "error_description": description }),
        ),
        (Err(Failure { error, description, reference }), false) => {
            page(StatusCode::BAD_REQUEST, &FailurePage { error, description, reference })
        }
    };
    remove_cookie(&mut response, &state_cookie);
    response
}

/// Whether JSON is wanted: by a program, since browsers ask for HTML.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}

async fn logout(State(application): State<Application>, headers: HeaderMap) -> Response {
    let name = application.cookie_name("session");
    let key = cookie(&headers, &name);
    let now = application.0.clock.now();
    let profile = key.and_then(|key| application.sessions().take(now, key));
    let id = profile.as_ref().and_then(|profile| profile["id"].as_str());
    let location = match id {
        Some(id) => application.logout_url(id).await,
        None => None,
    };
    let mut response = redirect(location.as_deref().unwrap_or("/"));
    remove_cookie(&mut response, &name);
    response
}

async fn icon() -> Response {
    file("image/svg+xml", include_str!("icon.svg"))
}

async fn style_sheet() -> Response {
    file("text/css; charset=utf-8", include_str!("application.css"))
}
