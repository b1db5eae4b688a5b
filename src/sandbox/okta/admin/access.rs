//! Who may use the console: sign-in, session, and the proof that a form came from its own page.

use askama::Template;
use axum::Router;
use axum::extract::{FromRequest, FromRequestParts, RawQuery, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::NOTICES;
use crate::base::secret::{equal, random_alphanumeric};
use crate::sandbox::okta::Tenant;
use crate::sandbox::params::Params;
use crate::web::page::{
    after_post, body, cookie, page, redirect, remove_cookie, set_cookie, with_query,
};

/// Where the console begins.
const HOME: &str = "/admin/dashboard";

/// An administrator who is signed in to the console.
#[derive(Clone)]
pub(in crate::sandbox::okta) struct AdminSession {
    user_id: String,
    /// What the forms of this session carry.
    csrf: String,
}

/// The administrator who asks. Whoever is none is sent to the sign-in page.
pub(super) struct Admin {
    pub(super) user_id: String,
    pub(super) email: String,
    pub(super) csrf: String,
    /// What the last form did.
    pub(super) notice: Option<&'static str>,
}

impl FromRequestParts<Tenant> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, tenant: &Tenant) -> Result<Self, Response> {
        let query = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let word = query.get("notice");
        let notice = NOTICES.iter().find(|(known, _)| Some(*known) == word);
        find(tenant, &parts.headers)
            .map(|admin| Self { notice: notice.map(|(_, sentence)| *sentence), ..admin })
            .ok_or_else(|| {
                let asked = parts.uri.path_and_query().map_or(HOME, |asked| asked.as_str());
                let to = if parts.method == http::Method::GET { asked } else { HOME };
                after_post(redirect(&with_query("/admin/sign-in", &[("to", to)])))
            })
    }
}

/// The fields of a form that an administrator sent from a page of this console.
pub(super) struct Submitted {
    pub(super) admin: Admin,
    pub(super) fields: Params,
}

impl FromRequest<Tenant> for Submitted {
    type Rejection = Response;

    async fn from_request(request: Request, tenant: &Tenant) -> Result<Self, Response> {
        let (mut parts, stream) = request.into_parts();
        let admin = Admin::from_request_parts(&mut parts, tenant).await?;
        let headers = parts.headers.clone();
        let form = Bytes::from_request(Request::from_parts(parts, stream), tenant).await;
        let form = form.map_err(|_| forbidden())?;
        let fields = Params::parse(&form);
        let token = fields.get("csrf").unwrap_or_default();
        if is_foreign(&headers) || !equal(token.as_bytes(), admin.csrf.as_bytes()) {
            return Err(forbidden());
        }
        Ok(Self { admin, fields })
    }
}

/// Whether the browser says that another site sent this. (`Origin` tells nothing: with our referrer
/// policy it is `null` even for our own forms.)
fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

fn forbidden() -> Response {
    let text = "This form has expired or came from another site. Go back, reload the page and try \
                again.";
    body(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", text)
}

/// The administrator that the browser's cookie stands for, as long as they are one.
fn find(tenant: &Tenant, headers: &HeaderMap) -> Option<Admin> {
    let key = cookie(headers, &cookie_name(tenant))?;
    let state = tenant.state();
    let session = state.admin_sessions.find(tenant.now(), key)?;
    let user = state.directory.user(&session.user_id)?;
    (user.is_admin && !user.suspended).then(|| Admin {
        user_id: user.id.clone(),
        email: user.email.clone(),
        csrf: session.csrf.clone(),
        notice: None,
    })
}

fn cookie_name(tenant: &Tenant) -> String {
    format!("{}_admin", tenant.cookie_name())
}

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/admin/sign-in", get(show_sign_in).post(sign_in))
        .route("/admin/sign-out", post(sign_out))
}

#[derive(Template)]
#[template(path = "sandbox/okta/admin/sign_in.html")]
struct SignInPage {
    username: String,
    /// Where to go afterwards.
    to: String,
    error: Option<&'static str>,
}

async fn show_sign_in(
    State(tenant): State<Tenant>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let to = destination(&params);
    if find(&tenant, &headers).is_some() {
        return redirect(&to);
    }
    page(StatusCode::OK, &SignInPage { username: String::new(), to, error: None })
}

async fn sign_in(State(tenant): State<Tenant>, headers: HeaderMap, form: Bytes) -> Response {
    if is_foreign(&headers) {
        return forbidden();
    }
    let params = Params::parse(&form);
    let username = params.owned("username").unwrap_or_default();
    let to = destination(&params);
    let password = params.get("password").unwrap_or_default();
    let found = {
        let state = tenant.state();
        let user = state.directory.user_by_email(&username);
        user.filter(|user| !user.suspended && user.password.matches(password))
            .map(|user| (user.id.clone(), user.is_admin))
    };
    let error = match found {
        Some((user_id, true)) => {
            let session = AdminSession { user_id, csrf: random_alphanumeric(43) };
            let key = tenant.state().admin_sessions.insert(tenant.now(), session);
            let mut response = after_post(redirect(&to));
            set_cookie(&mut response, &cookie_name(&tenant), &key);
            return response;
        }
        Some((_, false)) => "This person is not an administrator of the tenant.",
        None => "Unable to sign in. Check the username and the password.",
    };
    page(StatusCode::UNAUTHORIZED, &SignInPage { username, to, error: Some(error) })
}

async fn sign_out(State(tenant): State<Tenant>, headers: HeaderMap, _: Submitted) -> Response {
    let name = cookie_name(&tenant);
    if let Some(key) = cookie(&headers, &name) {
        tenant.state().admin_sessions.take(tenant.now(), key);
    }
    let mut response = after_post(redirect("/admin/sign-in"));
    remove_cookie(&mut response, &name);
    response
}

/// A page of the console, never another site.
fn destination(params: &Params) -> String {
    let to = params.get("to").filter(|to| {
        to.starts_with("/admin/") && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    });
    to.unwrap_or(HOME).to_owned()
}
