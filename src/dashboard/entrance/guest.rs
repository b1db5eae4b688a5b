//! Who comes to a page of the entrance, and what they leave it with.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use std::convert::Infallible;
use url::{Url, form_urlencoded};

use super::super::{SESSION, notice};
use crate::admission::passkey::Signed;
use crate::admission::{Admitted, Visitor};
use crate::app::App;
use crate::base::secret::SecretHash;
use crate::model::administrator::SESSION_MS;
use crate::web::csrf::CsrfToken;
use crate::web::form::Form;
use crate::web::page::see_other;
use crate::web::{browser, cookies};

/// The cookie of a browser in which somebody has signed in before.
const KNOWN: &str = "known-browser";
/// How long it lives, in seconds: 180 days.
const KNOWN_S: i64 = 180 * 24 * 60 * 60;

/// A request of somebody who need not be signed in.
pub(in crate::dashboard) struct Guest {
    pub(in crate::dashboard) visitor: Visitor,
    /// The token for the forms of the page, which the challenges of passkeys are bound to as well.
    pub(in crate::dashboard) csrf: String,
    /// The query of the address.
    query: String,
}

impl FromRequestParts<App> for Guest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let session = cookies::get(app, &parts.headers, SESSION).filter(|text| !text.is_empty());
        let csrf = parts.extensions.get::<CsrfToken>().map(|token| token.0.clone());
        Ok(Self {
            visitor: Visitor {
                browser: browser::of(app, parts),
                known: cookies::get(app, &parts.headers, KNOWN).map(str::to_owned),
                session: session.map(SecretHash::of),
            },
            csrf: csrf.unwrap_or_default(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl Guest {
    /// A parameter of the address.
    pub(super) fn param(&self, wanted: &str) -> String {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        let found = pairs.find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// What the page before has done.
    pub(super) fn notice(&self) -> Option<&'static str> {
        notice::of(&self.query)
    }
}

/// Lets somebody in: the cookies, and on to `next`.
pub(in crate::dashboard) fn welcome(app: &App, admitted: &Admitted, next: &str) -> Response {
    let mut response = see_other(&inside(app, next));
    let token = (admitted.session.expose(), SESSION_MS / 1000);
    cookies::set_strict(app, &mut response, SESSION, token);
    cookies::set_strict(app, &mut response, KNOWN, (&admitted.known, KNOWN_S));
    response
}

/// A path of the dashboard, as `next` names it, or the dashboard itself: never another site.
pub(in crate::dashboard) fn inside(app: &App, next: &str) -> String {
    let base = &app.config.base_url;
    let home = || "/dashboard".to_owned();
    let is_plain = next.starts_with('/') && !next.contains('\\') && next.is_ascii();
    let Some(url) = is_plain.then(|| base.join(next).ok()).flatten() else { return home() };
    let path = url.path();
    let is_ours =
        url.origin() == base.origin() && (path == "/dashboard" || path.starts_with("/dashboard/"));
    if is_ours { written(&url) } else { home() }
}

fn written(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// What the script for passkeys put into a form.
pub(in crate::dashboard) fn signed(form: &Form) -> Signed {
    let text = |name: &str| form.text(name).to_owned();
    Signed {
        id: text("credential_id"),
        client_data: text("client_data"),
        authenticator_data: text("authenticator_data"),
        signature: text("signature"),
        user_handle: text("user_handle"),
    }
}
