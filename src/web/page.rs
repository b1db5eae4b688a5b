//! What the pages of all faces share: security headers, redirects, cookies.

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// No `form-action`: browsers apply it to the redirects after a form as well, and the redirect
/// after a sign-in leads to another origin.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
/// The policy of pages whose forms lead nowhere else. Scripts may make HTML only by the one policy
/// of `assets/app.js`.
const STRICT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                             img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                             base-uri 'none'; frame-ancestors 'none'; \
                             require-trusted-types-for 'script'; trusted-types vestibule";

/// What pages of ours may do with the device: nothing but passkeys and copying.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), \
                           usb=(), clipboard-write=(self), publickey-credentials-create=(self), \
                           publickey-credentials-get=(self)";

/// A page, which no cache may keep and no other site may frame.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => body(status, "text/html; charset=utf-8", html),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            body(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "The page could not be rendered.")
        }
    }
}

/// Sets the headers that every answer of the dashboard and the portal has, pages and errors alike:
/// [`STRICT_POLICY`], and nothing that another site could hold on to.
pub async fn strict(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(STRICT_POLICY));
    response
}

/// A file that is part of the program: a style sheet or a script.
pub fn file(content_type: &'static str, content: &'static str) -> Response {
    body(StatusCode::OK, content_type, content)
}

/// JSON that no cache may keep.
pub fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    body(status, "application/json", value.to_string())
}

/// Any body, with the headers that every answer has.
pub fn body(status: StatusCode, content_type: &'static str, content: impl Into<Body>) -> Response {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let isolated = HeaderValue::from_static("same-origin");
    headers.insert("cross-origin-opener-policy", isolated.clone());
    headers.insert("cross-origin-resource-policy", isolated);
    headers.insert("permissions-policy", HeaderValue::from_static(PERMISSIONS));
    response
}

/// `302 Found`, as Okta sends the browser on. An address that is no header value is refused.
pub fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => {
            let mut response = body(StatusCode::FOUND, "text/plain", Body::empty());
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Err(_) => body(StatusCode::BAD_REQUEST, "text/plain", "The address is malformed."),
    }
}

/// `303 See Other`: where a form that was accepted leads. `location` is a path of ours.
pub fn see_other(location: &str) -> Response {
    after_post(redirect(location))
}

/// A redirect after a POST: `303 See Other`, so that no browser sends the form on (RFC 9700 section
/// 4.12). Other answers stay as they are.
pub fn after_post(mut response: Response) -> Response {
    if response.status() == StatusCode::FOUND {
        *response.status_mut() = StatusCode::SEE_OTHER;
    }
    response
}

/// Puts a session cookie on the response. Cookies do not know ports, so the name must tell apart
/// whatever runs on this host.
pub fn set_cookie(response: &mut Response, name: &str, value: &str) {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// Takes a cookie away.
pub fn remove_cookie(response: &mut Response, name: &str) {
    set_cookie(response, name, "; Max-Age=0");
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// The address with more query parameters; what was there stays as it was.
pub fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let separator = if address.contains('?') { '&' } else { '?' };
    format!("{address}{separator}{}", query.finish())
}
