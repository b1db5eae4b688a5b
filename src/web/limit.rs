//! How many requests one address may send, and how many guesses of secrets.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::Request;
use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{Extensions, HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use super::around::Rest;
use super::refusal::Refusal;
use super::{browser, page, refusal};
use crate::app::App;
use crate::base::rate::Wait;

/// The word for it, for programs.
pub const CODE: &str = "rate_limit_exceeded";
/// The sentence for it, for people.
pub const MESSAGE: &str = "Too many requests: wait as long as Retry-After says.";

/// Whom a request is counted for: an IPv4 address, or the network of an IPv6 address, which is what
/// one customer of a provider gets (RFC 6177 section 2). `None` for the machine itself, on which
/// health checks, proxies and jobs of the operator's own run.
#[derive(Clone, Debug)]
pub struct Source(Option<String>);

impl Source {
    /// Whom a request is counted for.
    pub fn of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let address = browser::address(app, extensions, headers);
        Self(address.filter(|address| !address.is_loopback()).map(|address| match address {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        }))
    }

    /// Refuses to hear of secrets from who has guessed too many.
    ///
    /// # Errors
    ///
    /// [`Wait`], if it has.
    pub fn may_guess(&self, app: &App) -> Result<(), Wait> {
        match &self.0 {
            Some(key) => app.limits.guesses.ask(key, app.clock.now()),
            None => Ok(()),
        }
    }

    /// Counts a wrong guess.
    pub fn guessed(&self, app: &App) {
        if let Some(key) = &self.0 {
            app.limits.guesses.count(key, app.clock.now());
        }
    }
}

/// Refuses requests of an address that has sent too many: with a page for a browser, in JSON for an
/// application.
pub fn by_address(
    app: &App,
    request: Request,
    rest: Rest<'_>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
    let refusal = refusal_of(app, &request);
    let answer = rest.answer(request);
    async move {
        match refusal {
            Some(refusal) => Ok(refusal),
            None => answer.await,
        }
    }
}

/// The answer to a request of an address that has sent too many.
fn refusal_of(app: &App, request: &Request) -> Option<Response> {
    let source = Source::of(app, request.extensions(), request.headers());
    let key = source.0.as_ref()?;
    let wait = app.limits.address.check(key, app.clock.now()).err()?;
    tracing::debug!(address = key, "an address has sent too many requests");
    tracing::info!(
        forwarded = request.headers().contains_key("x-forwarded-for"),
        "an address has sent too many requests; if it is a proxy, name it in trusted_proxies \
         (the level debug has the address)"
    );
    Some(if browser::wants_page(request.headers()) {
        let sentence = "More requests came from where you are than we take. Wait a minute.";
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Not so fast", sentence);
        retry_after(refusal::page(&refusal.closed(), request.extensions().get(), None), wait)
    } else {
        refuse(wait)
    })
}

/// The answer to an application that has asked too often.
pub fn refuse(wait: Wait) -> Response {
    let body = json!({ "code": CODE, "message": MESSAGE });
    retry_after(page::json(StatusCode::TOO_MANY_REQUESTS, &body), wait)
}

/// Adds how long to wait.
fn retry_after(mut response: Response, Wait(seconds): Wait) -> Response {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}
