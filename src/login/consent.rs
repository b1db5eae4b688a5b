//! `POST /sso/consent`: the person's answer, remembered by the browser.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};

use super::pages;
use super::params::Params;
use crate::app::App;
use crate::base::failure::FailureCode;
use crate::base::secret::{SecretHash, base64url, equal};
use crate::sso::callback::Finished;
use crate::sso::{Refused, consent};
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
    body: axum::body::Bytes,
) -> Response {
    let form = Params::parse(&String::from_utf8_lossy(&body));
    if !is_same_origin(&headers) {
        return pages::refused(&refusal());
    }
    let ticket = form.text("ticket").unwrap_or_default();
    let agrees = form.text("answer").as_deref() == Some("continue");
    let cookie = |id: &_| cookies::get(&app, &headers, &pages::flow_cookie(id)).map(SecretHash::of);
    match consent::answer(&app, (&ticket, agrees), &cookie).await {
        Ok(agreed) => {
            let Finished::Answered { location, session_id } = agreed.finished else {
                return pages::refused(&refusal());
            };
            let mut response = page::redirect(&location);
            *response.status_mut() = StatusCode::SEE_OTHER;
            cookies::remove(&app, &mut response, &pages::flow_cookie(&session_id));
            remember(&app, &headers, &mut response, &agreed.external_key);
            response
        }
        Err(refused) => {
            let mut response = pages::refused(&refused);
            if response.status().is_redirection() {
                *response.status_mut() = StatusCode::SEE_OTHER;
            }
            response
        }
    }
}

fn refusal() -> Refused {
    Refused { failure: FailureCode::ConsentInvalid.into(), session_id: None, location: None }
}

/// Whether the form was sent from a page of ours, as far as the browser tells.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    site.is_none_or(|site| matches!(site, "same-origin" | "none"))
}

/// Whether this browser has agreed to the connection before.
pub(super) fn has_agreed(app: &App, headers: &HeaderMap, external_key: &str) -> bool {
    let mark = mark(app, external_key);
    marks(app, headers).iter().any(|known| equal(known.as_bytes(), mark.as_bytes()))
}

fn marks(app: &App, headers: &HeaderMap) -> Vec<String> {
    let value = cookies::get(app, headers, AGREED).unwrap_or_default();
    value.split('.').filter(|mark| mark.len() == MARK).map(str::to_owned).collect()
}

/// A mark that only we can make, so that a page elsewhere cannot invent an agreement.
fn mark(app: &App, external_key: &str) -> String {
    let code = app.sealer.authenticate("consent", &[external_key.as_bytes()]);
    base64url(&code)[..MARK].to_owned()
}

fn remember(app: &App, headers: &HeaderMap, response: &mut Response, external_key: &str) {
    let mut all = marks(app, headers);
    all.push(mark(app, external_key));
    let oldest = all.len().saturating_sub(MAX_AGREED);
    cookies::set(app, response, AGREED, (&all[oldest..].join("."), COOKIE_S));
}
