//! `POST /sso/consent`: the person's answer, remembered by the browser.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::body::Content;
use super::pages;
use super::params::Params;
use crate::app::App;
use crate::base::failure::FailureCode;
use crate::base::secret::{SecretHash, base64url, equal};
use crate::sso::{Refused, consent};
use crate::web::departure::flow_cookie;
use crate::web::{cookies, page};

/// The cookie with the connections that this browser has agreed to.
const AGREED: &str = "agreed";
/// How many connections it remembers; the oldest give way.
const MAX_AGREED: usize = 50;
/// How long it lives, in seconds: a year.
const COOKIE_S: i64 = 365 * 24 * 60 * 60;
/// How much of a mark is kept, in characters of base64url: 96 bits.
const MARK: usize = 16;

/// The form of the consent page comes back.
pub(super) async fn answer(
    State(app): State<App>,
    headers: HeaderMap,
    Content(body): Content,
) -> Response {
    let form = Params::parse(&String::from_utf8_lossy(&body));
    if !is_same_origin(&headers) {
        let refused = Refused::unrecorded(FailureCode::ConsentInvalid);
        return pages::refused(&app, &refused).await;
    }
    let ticket = form.text("ticket").unwrap_or_default();
    let agrees = form.text("answer").as_deref() == Some("continue");
    let cookie = |id: &_| cookies::get(&app, &headers, &flow_cookie(id)).map(SecretHash::of);
    let (mut response, session_id) = match consent::answer(&app, (&ticket, agrees), &cookie).await {
        Ok(agreed) => {
            let mut response = page::redirect(&agreed.location);
            remember(&app, &headers, &mut response, &agreed.external_key);
            (response, Some(agreed.session_id))
        }
        Err(refused) => (pages::refused(&app, &refused).await, refused.session_id),
    };
    if let Some(id) = session_id {
        cookies::remove(&app, &mut response, &flow_cookie(&id));
    }
    page::after_post(response)
}

/// Whether the form was sent from a page of ours, as far as the browser tells.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    site.is_none_or(|site| matches!(site, "same-origin" | "none"))
}

/// Whether this browser has agreed to the connection before.
pub(super) fn has_agreed(app: &App, headers: &HeaderMap, external_key: &str) -> bool {
    let codes = app.sealer.authenticate_by_each("consent", &[external_key.as_bytes()]);
    let good: Vec<String> = codes.iter().map(shortened).collect();
    let known = marks(app, headers);
    good.iter().any(|mark| known.iter().any(|it| equal(it.as_bytes(), mark.as_bytes())))
}

fn marks(app: &App, headers: &HeaderMap) -> Vec<String> {
    let value = cookies::get(app, headers, AGREED).unwrap_or_default();
    value.split('.').filter(|mark| mark.len() == MARK).map(str::to_owned).collect()
}

/// A mark that only we can make, so that a page elsewhere cannot invent an agreement.
fn mark(app: &App, external_key: &str) -> String {
    shortened(&app.sealer.authenticate("consent", &[external_key.as_bytes()]))
}

fn shortened(code: &[u8; 32]) -> String {
    base64url(code)[..MARK].to_owned()
}

fn remember(app: &App, headers: &HeaderMap, response: &mut Response, external_key: &str) {
    let new = mark(app, external_key);
    let mut all = marks(app, headers);
    all.retain(|known| *known != new);
    all.push(new);
    let oldest = all.len().saturating_sub(MAX_AGREED);
    cookies::set(app, response, AGREED, (&all[oldest..].join("."), COOKIE_S));
}
