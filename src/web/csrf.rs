//! Forms are ours: each carries a token that is bound to a cookie of the browser it was made for,
//! and must be sent from our own pages (OWASP ASVS 5.0, 3.5.1).

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::header::ORIGIN;

use super::cookies;
use crate::app::App;
use crate::base::secret::{Secret, base64url, equal};

/// The cookie of a browser in which nobody is signed in.
const VISITOR: &str = "visitor";
/// How long it lives, in seconds: 30 days. Nothing but forms hangs on it.
const VISITOR_S: i64 = 30 * 24 * 60 * 60;

/// What keeps these codes apart from others under the same keys.
const PURPOSE: &str = "csrf";

/// The token for the forms of the page that is being made; an extension of every request that
/// passed [`bind`].
#[derive(Clone)]
pub struct CsrfToken(pub String);

/// Whose forms these are: the name of the cookie of its sessions.
pub type Session = &'static str;

/// Gives the request the token for its forms, and the browser a cookie to bind it to if it has
/// none. `session` is the cookie of the face, which counts before the visitor's.
pub async fn bind(
    State((app, session)): State<(App, Session)>,
    mut request: Request,
    next: Next,
) -> Response {
    let (token, fresh) = match binding(&app, session, request.headers()) {
        Some((name, value)) => (token(&app, name, value), None),
        None => {
            let value = Secret::random("");
            (token(&app, VISITOR, value.expose()), Some(value))
        }
    };
    request.extensions_mut().insert(CsrfToken(token));
    request.extensions_mut().insert(Face(session));
    let mut response = next.run(request).await;
    if let Some(value) = fresh {
        cookies::set(&app, &mut response, VISITOR, (value.expose(), VISITOR_S));
    }
    response
}

/// The face that a request came to, for the check of its form.
#[derive(Clone, Copy)]
pub(super) struct Face(pub(super) Session);

/// Whether a form with this token comes from a page that we made for this browser.
pub(super) fn is_ours(app: &App, Face(session): Face, headers: &HeaderMap, sent: &str) -> bool {
    let bound = binding(app, session, headers).is_some_and(|(name, value)| {
        let codes = app.sealer.authenticate_by_each(PURPOSE, &[name.as_bytes(), value.as_bytes()]);
        codes.iter().any(|code| equal(base64url(code).as_bytes(), sent.as_bytes()))
    });
    bound && is_same_origin(app, headers)
}

/// Whether the browser says that a page of ours sent the request. `Sec-Fetch-Site` cannot be forged
/// by a page; where a browser does not send it, `Origin` must be ours.
fn is_same_origin(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin == app.config.base_url.origin().ascii_serialization(),
        (None, None) => true,
    }
}

/// The cookie that the forms of this browser are bound to.
fn binding<'a>(
    app: &App,
    session: Session,
    headers: &'a HeaderMap,
) -> Option<(&'static str, &'a str)> {
    [session, VISITOR]
        .into_iter()
        .find_map(|name| Some((name, cookies::get(app, headers, name)?)))
        .filter(|(_, value)| !value.is_empty())
}

fn token(app: &App, cookie: &str, value: &str) -> String {
    base64url(&app.sealer.authenticate(PURPOSE, &[cookie.as_bytes(), value.as_bytes()]))
}
