//! The pages of a login: what went wrong, and whether to continue.

use askama::Template;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::app::App;
use crate::base::failure::{Channel, Failure, FailureCode};
use crate::base::rate::Wait;
use crate::sso::Refused;
use crate::sso::consent::Question;
use crate::telemetry::request;
use crate::web::brand::Brand;
use crate::web::page;

/// How long to wait for a database that does not answer, in seconds.
const UNAVAILABLE_S: u32 = 10;

#[derive(Template)]
#[template(path = "login/refused.html")]
struct RefusedPage<'a> {
    brand: Brand,
    sentence: &'a str,
    reference: Option<String>,
}

#[derive(Template)]
#[template(path = "login/consent.html")]
struct ConsentPage<'a> {
    brand: Brand,
    ticket: &'a str,
    email: &'a str,
    issuer: &'a str,
    connection: &'a str,
}

#[derive(Template)]
#[template(path = "login/message.html")]
struct MessagePage<'a> {
    brand: Brand,
    title: &'a str,
    sentence: &'a str,
    reference: Option<String>,
}

#[derive(Template)]
#[template(path = "login/welcome.html")]
struct WelcomePage;

/// What whoever opens the base URL sees.
pub(super) fn welcome() -> Response {
    page::page(StatusCode::OK, &WelcomePage)
}

/// A page that says one thing: a heading and a sentence.
pub(super) fn message(
    status: StatusCode,
    brand: Brand,
    (title, sentence): (&str, &str),
) -> Response {
    let reference = of_fault(status);
    page::page(status, &MessagePage { brand, title, sentence, reference })
}

/// The reference number of a page about a fault of ours of which no login knows: the name of the
/// request, by which the log has it.
fn of_fault(status: StatusCode) -> Option<String> {
    status.is_server_error().then(request::name).flatten()
}

/// The status of our own page for a failure.
pub(super) fn status(code: FailureCode) -> StatusCode {
    match code.channel() {
        Channel::Page(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
        Channel::Redirect("server_error") => StatusCode::INTERNAL_SERVER_ERROR,
        Channel::Redirect(_) => StatusCode::BAD_REQUEST,
    }
}

/// The answer to a login that failed: to the application where that is safe, else a page of ours
/// with one sentence and the reference number. Nothing of the request is shown.
pub(super) async fn refused(app: &App, refused: &Refused) -> Response {
    if let Some(location) = &refused.location {
        return page::redirect(location);
    }
    let code = refused.failure.code;
    let brand = match &refused.environment_id {
        Some(id) => Brand::of(app, id).await,
        None => Brand::default(),
    };
    let status = status(code);
    let reference = refused.session_id.as_ref().map(ToString::to_string);
    let reference = reference.or_else(|| of_fault(status));
    let shown = RefusedPage { brand, sentence: code.for_person(), reference };
    let mut response = page::page(status, &shown);
    retry_after(&mut response, &refused.failure);
    response
}

/// Says when to try again, where that may help.
pub(super) fn retry_after(response: &mut Response, failure: &Failure) {
    let wait = match (failure.wait, failure.code) {
        (Some(Wait(seconds)), _) => seconds,
        (None, FailureCode::Unavailable) => UNAVAILABLE_S,
        (None, _) => return,
    };
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
}

/// The page that asks whether to continue.
pub(super) async fn question(app: &App, question: &Question) -> Response {
    page::page(
        StatusCode::OK,
        &ConsentPage {
            brand: Brand::of(app, &question.environment_id).await,
            ticket: question.ticket.expose(),
            email: &question.email,
            issuer: &question.issuer,
            connection: &question.connection_name,
        },
    )
}
