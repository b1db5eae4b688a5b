//! The tenant's pages and files, and the bodies of its failures.

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::StatusCode;
use hyper::body::Frame;
use serde_json::json;

use crate::base::secret::random_alphanumeric;
use crate::web::page::{body, file, json as json_response, page};

use super::Tenant;
use super::server::Server;

/// How much an oversize answer weighs, in bytes.
const OVERSIZE_BYTES: usize = 8 * 1024 * 1024;

/// Where the person types username and password.
#[derive(Template)]
#[template(path = "sandbox/okta/sign_in.html")]
pub(super) struct SignInPage {
    pub(super) app_name: String,
    pub(super) username: String,
    pub(super) error: Option<&'static str>,
    pub(super) transaction: String,
}

/// Where the person allows what the application wants.
#[derive(Template)]
#[template(path = "sandbox/okta/consent.html")]
pub(super) struct ConsentPage {
    pub(super) app_name: String,
    pub(super) scopes: Vec<String>,
    pub(super) transaction: String,
}

/// Okta's own "400 Bad Request".
#[derive(Template)]
#[template(path = "sandbox/okta/error.html")]
pub(super) struct ErrorPage<'a> {
    pub(super) error: &'a str,
    pub(super) description: &'a str,
}

/// `response_mode=form_post`: a form that a script submits, and a button where there is no script.
#[derive(Template)]
#[template(path = "sandbox/okta/form_post.html")]
pub(super) struct FormPostPage<'a> {
    pub(super) action: &'a str,
    pub(super) fields: &'a [(&'a str, &'a str)],
}

/// A heading and a sentence.
#[derive(Template)]
#[template(path = "sandbox/okta/message.html")]
pub(super) struct MessagePage {
    title: &'static str,
    text: String,
}

impl MessagePage {
    pub(super) fn new(title: &'static str, text: impl Into<String>) -> Self {
        Self { title, text: text.into() }
    }
}

pub(super) fn routes() -> Router<Tenant> {
    Router::new()
        .route("/", get(home))
        .route("/sandbox/okta.css", get(style_sheet))
        .route("/sandbox/icon.svg", get(icon))
        .route("/sandbox/form_post.js", get(form_post_script))
}

async fn home(State(tenant): State<Tenant>) -> Response {
    let endpoint = tenant.discovery_endpoint(Server::Org);
    let text = format!("This is a simulated Okta tenant. Its discovery endpoint is {endpoint}");
    page(StatusCode::OK, &MessagePage::new("Okta sandbox", text))
}

async fn style_sheet() -> Response {
    file("text/css; charset=utf-8", include_str!("okta.css"))
}

async fn icon() -> Response {
    file("image/svg+xml", include_str!("icon.svg"))
}

async fn form_post_script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("form_post.js"))
}

/// A failure as Okta's API words it.
pub(super) fn error_json(status: StatusCode) -> Response {
    let (code, summary) = match status {
        StatusCode::TOO_MANY_REQUESTS => {
            ("E0000047", "API call exceeded rate limit due to too many requests.")
        }
        _ => ("E0000009", "Internal Server Error"),
    };
    let answer = json!({
        "errorCode": code,
        "errorSummary": summary,
        "errorLink": code,
        "errorId": format!("oae{}", random_alphanumeric(20)),
        "errorCauses": [],
    });
    json_response(status, &answer)
}

/// An HTML page where JSON is due, as a proxy in between would send it.
pub(super) fn garbage() -> Response {
    body(StatusCode::OK, "text/html", "<!doctype html><title>Welcome</title><h1>Welcome</h1>")
}

/// A JSON text that is too large, and that does not say so before.
pub(super) fn oversize() -> Response {
    body(StatusCode::OK, "application/json", Body::new(Spaces { left: OVERSIZE_BYTES }))
}

/// A body of spaces whose length is not announced.
struct Spaces {
    left: usize,
}

impl hyper::body::Body for Spaces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        const CHUNK: &[u8] = &[b' '; 16 * 1024];
        let length = self.left.min(CHUNK.len());
        self.left -= length;
        let frame = (length > 0).then(|| Ok(Frame::data(Bytes::from_static(&CHUNK[..length]))));
        std::task::Poll::Ready(frame)
    }
}
