//! Sending the browser to an identity provider, bound to the attempt by a cookie: one cookie an
//! attempt, so that several logins may be under way.

use askama::Template;
use axum::response::Response;
use http::HeaderMap;

use super::{cookies, page};
use crate::app::App;
use crate::base::id::SsoSessionId;
use crate::base::secret::SecretHash;
use crate::sso::authorize::Begun;
use crate::sso::logout::UnderWay;

/// How the names of these cookies begin.
const FLOW: &str = "login-";
/// How many logins a browser may have under way; the oldest cookie gives way.
const MAX_FLOWS: usize = 8;
/// How long the cookie of a login lives, in seconds: a little longer than the login.
pub const COOKIE_S: i64 = 900;

/// The name of the cookie that binds a login, or a test, to its browser.
pub fn flow_cookie(id: &SsoSessionId) -> String {
    format!("{FLOW}{}", &id.as_str()[SsoSessionId::PREFIX.len()..])
}

/// The logins that are under way in a browser: their ids, and the hashes of the secrets in its cookies.
pub fn under_way(app: &App, headers: &HeaderMap) -> Vec<UnderWay> {
    let names = cookies::names_after(app, headers, FLOW);
    let under_way = names.iter().filter_map(|ulid| {
        let id = SsoSessionId::parse(&format!("{}{ulid}", SsoSessionId::PREFIX))?;
        let secret = cookies::get(app, headers, &format!("{FLOW}{ulid}"))?;
        Some((id, SecretHash::of(secret)))
    });
    under_way.collect()
}

/// The redirect to the identity provider, with the cookie. After a POST, wrap it in
/// [`page::after_post`].
pub fn depart(app: &App, headers: &HeaderMap, begun: &Begun) -> Response {
    let mut response = page::redirect(&begun.location);
    let mut flows = cookies::names_after(app, headers, FLOW);
    // Names end in ULIDs, so the first in order is the oldest.
    flows.sort_unstable();
    let excess = (flows.len() + 1).saturating_sub(MAX_FLOWS);
    for old in flows.iter().take(excess) {
        cookies::remove(app, &mut response, &format!("{FLOW}{old}"));
    }
    let value = (begun.browser_secret.expose(), COOKIE_S);
    cookies::set(app, &mut response, &flow_cookie(&begun.session_id), value);
    response
}

#[derive(Template)]
#[template(path = "web/leaving.html")]
struct LeavingPage<'a> {
    location: &'a str,
}

/// The answer to a form that leads to another site: a page that goes to `location` by itself, with
/// the cookies of `departing`. Browsers apply `form-action` to the redirects after a form, so a
/// redirect would be stopped (Content Security Policy Level 3, section 6.4.1).
pub fn leave(departing: &Response, location: &str) -> Response {
    let mut response = page::page(http::StatusCode::OK, &LeavingPage { location });
    for cookie in departing.headers().get_all(http::header::SET_COOKIE) {
        response.headers_mut().append(http::header::SET_COOKIE, cookie.clone());
    }
    response
}
