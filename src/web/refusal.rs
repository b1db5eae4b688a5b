//! Pages for what cannot be shown or done: one sentence, a way on, and a reference number.

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::body::Unread;
use super::page;
use super::request_id::RequestId;
use crate::base::Error;

/// Why there is no other answer. It becomes a page in [`render`].
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The heading.
    pub title: &'static str,
    /// One sentence for the person; nothing of the request is in it.
    pub sentence: String,
    /// Whether the pages that this belongs to are closed to the browser, so that a link back would
    /// only lead here again.
    is_closed: bool,
}

impl Refusal {
    /// With this status, heading and sentence, and a way on.
    pub fn new(status: StatusCode, title: &'static str, sentence: impl Into<String>) -> Self {
        Self { status, title, sentence: sentence.into(), is_closed: false }
    }

    /// The same without a way on.
    #[must_use]
    pub fn closed(self) -> Self {
        Self { is_closed: true, ..self }
    }

    /// There is no such page, or it is somebody else's.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Not found",
            "There is nothing at this address, or it is not yours to see.",
        )
    }

    /// The person may not do this.
    pub fn denied(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Not allowed", sentence)
    }

    /// More was sent than a form of ours can hold.
    pub fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "Too much at once",
            "What was sent is larger than a form of ours can be. Nothing was changed.",
        )
    }

    /// The form does not come from a page that we made for this browser.
    pub fn forged() -> Self {
        Self::denied(
            "The form was not sent from a page of ours, or that page was open for too long. \
             Nothing was changed. Open the page again.",
        )
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::not_found(),
            Error::Denied { reason } => Self::denied(reason),
            Error::Invalid { message, .. } => {
                Self::new(StatusCode::BAD_REQUEST, "That does not work", message)
            }
            Error::Conflict { message, .. } => {
                Self::new(StatusCode::CONFLICT, "That does not work", message)
            }
            Error::RateLimited { message } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "Not so fast", message)
            }
            Error::Unavailable(_) => {
                tracing::warn!(error = error.chain(), "a page met an unavailable part");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Not available just now",
                    "Nothing was changed. Try again in a moment.",
                )
            }
            Error::Internal(_) => {
                tracing::error!(error = error.chain(), "a page met a fault");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Something went wrong",
                    "The fault is ours, and it is in the log.",
                )
            }
        }
    }
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::too_large(),
            Unread::Broken => Self::new(
                StatusCode::BAD_REQUEST,
                "Not complete",
                "What was sent did not arrive whole, or not in time. Nothing was changed.",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Template)]
#[template(path = "web/refused.html")]
struct RefusedPage<'a> {
    title: &'a str,
    sentence: &'a str,
    back: Option<&'a str>,
    back_label: &'a str,
    reference: Option<&'a str>,
}

/// Where the page of a refusal leads: a path of ours and what the link says.
pub type Way = (&'static str, &'static str);

/// The page of a refusal.
pub fn page(refusal: &Refusal, id: Option<&RequestId>, way: Option<Way>) -> Response {
    page::page(
        refusal.status,
        &RefusedPage {
            title: refusal.title,
            sentence: &refusal.sentence,
            back: way.map(|(path, _)| path).filter(|_| !refusal.is_closed),
            back_label: way.map_or("", |(_, label)| label),
            reference: id.map(|id| id.0.as_str()),
        },
    )
}

/// The answer to a request that is refused before any face has seen it: a page without a way on, or
/// JSON.
pub fn outright(refusal: Refusal, wants_page: bool, id: Option<&RequestId>) -> Response {
    if wants_page {
        page(&refusal.closed(), id, None)
    } else {
        page::json(refusal.status, &json!({ "message": refusal.sentence }))
    }
}

/// Makes a page of each [`Refusal`] among the answers, with the name of the request.
pub async fn render(
    axum::extract::State(way): axum::extract::State<Option<Way>>,
    request: Request,
    next: Next,
) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let Some(refusal) = response.extensions().get::<Refusal>() else { return response };
    let mut shown = page(refusal, id.as_ref(), way);
    for (name, value) in response.headers() {
        if name == http::header::SET_COOKIE {
            shown.headers_mut().append(name, value.clone());
        }
    }
    shown
}
