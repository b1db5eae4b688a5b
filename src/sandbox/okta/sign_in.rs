//! The person's part: sign-in page, consent page, session; and the code at the end of it.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::base::secret::random_alphanumeric;
use crate::sandbox::params::Params;
use crate::web::page::{cookie, page, remove_cookie, set_cookie};

use super::Tenant;
use super::authorize::{AuthorizationRequest, Grant, Prompt, Refusal, redirect_to, refuse};
use super::groups_claim::Evaluation;
use super::pages::{ConsentPage, ErrorPage, SignInPage};
use super::server::Server;

/// Somebody who is signed in at the tenant.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) user_id: String,
    /// When they typed their password, in seconds since 1970.
    auth_time_s: i64,
    /// `sid`.
    pub(super) sid: String,
    /// Where they have signed in with it: authorization servers and client ids.
    pub(super) visited: Vec<(Server, String)>,
}

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/login/sign-in", post(submit_password))
        .route("/login/consent", post(submit_consent))
}

/// Goes on with a request that is in order: silently, or with a page.
pub(super) fn begin(
    tenant: &Tenant,
    request: AuthorizationRequest,
    headers: &HeaderMap,
) -> Response {
    let now_s = tenant.now().as_s();
    let is_fresh = |session: &Session| {
        request.max_age_s.is_none_or(|max_age_s| now_s - session.auth_time_s < max_age_s)
    };
    let session = find_session(tenant, headers).filter(is_fresh);
    match (session, request.prompt) {
        (Some(session), Prompt::None | Prompt::Needed) => issue_code(tenant, request, &session),
        (Some(_), Prompt::Consent) => ask_for_consent(tenant, request),
        (None, Prompt::None) => tell(
            tenant,
            &request,
            "login_required",
            "The client specified not to prompt, but the user is not logged in.",
        ),
        (_, Prompt::Login) | (None, Prompt::Needed | Prompt::Consent) => {
            ask_for_password(tenant, request, StatusCode::OK, None)
        }
    }
}

/// The session that the browser's cookie names.
fn find_session(tenant: &Tenant, headers: &HeaderMap) -> Option<Session> {
    let key = cookie(headers, &tenant.cookie_name())?;
    tenant.state().sessions.find(tenant.now(), key).cloned()
}

/// Ends the session that the browser's cookie names.
pub(super) fn end_session(
    tenant: &Tenant,
    headers: &HeaderMap,
    response: &mut Response,
) -> Option<Session> {
    let name = tenant.cookie_name();
    let key = cookie(headers, &name);
    let ended = key.and_then(|key| tenant.state().sessions.take(tenant.now(), key));
    remove_cookie(response, &name);
    ended
}

/// The username that a person typed, and why it did not work.
struct Attempt {
    username: String,
    reason: &'static str,
}

fn ask_for_password(
    tenant: &Tenant,
    request: AuthorizationRequest,
    status: StatusCode,
    failed: Option<Attempt>,
) -> Response {
    let mut state = tenant.state();
    let app_name = state.directory.app(&request.back.client_id).map(|app| app.name.clone());
    let (username, error) = match failed {
        Some(attempt) => (attempt.username, Some(attempt.reason)),
        None => (request.login_hint.clone().unwrap_or_default(), None),
    };
    let transaction = state.pending.insert(tenant.now(), request);
    drop(state);
    let app_name = app_name.unwrap_or_default();
    page(status, &SignInPage { app_name, username, error, transaction })
}

async fn submit_password(State(tenant): State<Tenant>, form: Bytes) -> Response {
    let params = Params::parse(&form);
    let Some(request) = take_pending(&tenant, &params) else {
        return expired();
    };
    let username = params.owned("username").unwrap_or_default();
    let password = params.get("password").unwrap_or_default();
    let now = tenant.now();
    let user_id = {
        let state = tenant.state();
        let user = state.directory.user_by_email(&username);
        user.filter(|user| !user.suspended && user.password.matches(password))
            .map(|user| user.id.clone())
    };
    let Some(user_id) = user_id else {
        let attempt = Attempt { username, reason: "Unable to sign in" };
        return ask_for_password(&tenant, request, StatusCode::UNAUTHORIZED, Some(attempt));
    };
    let sid = random_alphanumeric(25);
    let session = Session { user_id, auth_time_s: now.as_s(), sid, visited: Vec::new() };
    let key = tenant.state().sessions.insert(now, session.clone());
    let mut response = match request.prompt {
        Prompt::Consent => ask_for_consent(&tenant, request),
        Prompt::Needed | Prompt::None | Prompt::Login => issue_code(&tenant, request, &session),
    };
    set_cookie(&mut response, &tenant.cookie_name(), &key);
    response
}

fn ask_for_consent(tenant: &Tenant, request: AuthorizationRequest) -> Response {
    let mut state = tenant.state();
    let app_name = state.directory.app(&request.back.client_id).map(|app| app.name.clone());
    let scopes = request.scopes.clone();
    let transaction = state.pending.insert(tenant.now(), request);
    drop(state);
    let app_name = app_name.unwrap_or_default();
    page(StatusCode::OK, &ConsentPage { app_name, scopes, transaction })
}

async fn submit_consent(State(tenant): State<Tenant>, headers: HeaderMap, form: Bytes) -> Response {
    let params = Params::parse(&form);
    let session = find_session(&tenant, &headers);
    let (Some(request), Some(session)) = (take_pending(&tenant, &params), session) else {
        return expired();
    };
    match params.get("decision") {
        Some("allow") => issue_code(&tenant, request, &session),
        _ => tell(&tenant, &request, "access_denied", "The resource owner denied the request."),
    }
}

fn take_pending(tenant: &Tenant, params: &Params) -> Option<AuthorizationRequest> {
    tenant.state().pending.take(tenant.now(), params.get("transaction")?)
}

fn expired() -> Response {
    let description = "This sign-in page has expired. Go back to the application and try again.";
    page(StatusCode::BAD_REQUEST, &ErrorPage { error: "session_expired", description })
}

/// Tells the relying party why there is no code.
fn tell(
    tenant: &Tenant,
    request: &AuthorizationRequest,
    error: &'static str,
    description: &str,
) -> Response {
    let back = Box::new(request.back.clone());
    refuse(tenant, &Refusal::Redirect(back, error, description.to_owned()))
}

/// Sends the browser back with a code, if the app is assigned to the person.
fn issue_code(tenant: &Tenant, request: AuthorizationRequest, session: &Session) -> Response {
    let mut state = tenant.state();
    let directory = &state.directory;
    let Some(app) = directory.app(&request.back.client_id) else {
        return expired();
    };
    let is_assigned = directory.is_assigned(app, &session.user_id);
    let claim = app.groups_claim.as_ref();
    let has_groups = request.back.server == Server::Org && request.grants("groups");
    let too_many_groups = claim.filter(|_| has_groups).is_some_and(|claim| {
        claim.evaluate(&directory.group_names(&session.user_id)) == Evaluation::Failed
    });
    if !is_assigned || too_many_groups {
        drop(state);
        let (error, description) = if is_assigned {
            ("server_error", "The 'groups' user claim could not be evaluated.")
        } else {
            ("access_denied", "User is not assigned to the client application.")
        };
        return tell(tenant, &request, error, description);
    }
    let back = request.back.clone();
    let grant = Grant {
        request,
        user_id: session.user_id.clone(),
        auth_time_s: session.auth_time_s,
        sid: session.sid.clone(),
    };
    let place = (back.server, back.client_id.clone());
    state.sessions.each_mut(|known| {
        if known.sid == session.sid && !known.visited.contains(&place) {
            known.visited.push(place.clone());
        }
    });
    let code = state.codes.insert(tenant.now(), grant);
    drop(state);
    redirect_to(tenant, &back, &[("code", &code)])
}
