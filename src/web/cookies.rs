//! Our cookies: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax` or `Strict`.
//!
//! Only where the service itself is reached by plain http (on a developer's machine) they go without
//! `Secure` and so without the prefix: browsers would drop them.

use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use super::page;
use crate::app::App;

/// The name of a cookie, with the prefix that browsers enforce.
pub fn name(app: &App, name: &str) -> String {
    if is_secure(app) { format!("__Host-vestibule-{name}") } else { format!("vestibule-{name}") }
}

/// The value of one of our cookies.
pub fn get<'a>(app: &App, headers: &'a HeaderMap, short: &str) -> Option<&'a str> {
    page::cookie(headers, &name(app, short))
}

/// The rest of the names of our cookies that begin with `prefix`.
pub fn names_after(app: &App, headers: &HeaderMap, prefix: &str) -> Vec<String> {
    let prefix = name(app, prefix);
    let headers = headers.get_all(http::header::COOKIE).iter();
    headers
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('=')?.0.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

/// Sets a cookie for so many seconds.
pub fn set(app: &App, response: &mut Response, short: &str, value: (&str, i64)) {
    write(app, response, short, value, "Lax");
}

/// Sets a cookie that browsers send only with requests that begin at a page of ours: for sessions
/// of administrators.
pub fn set_strict(app: &App, response: &mut Response, short: &str, value: (&str, i64)) {
    write(app, response, short, value, "Strict");
}

fn write(
    app: &App,
    response: &mut Response,
    short: &str,
    (value, max_age_s): (&str, i64),
    same_site: &str,
) {
    let secure = if is_secure(app) { "; Secure" } else { "" };
    let name = name(app, short);
    let text = format!(
        "{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}"
    );
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Takes a cookie away.
pub fn remove(app: &App, response: &mut Response, short: &str) {
    set(app, response, short, ("", 0));
}

fn is_secure(app: &App) -> bool {
    app.config.base_url.scheme() == "https"
}
