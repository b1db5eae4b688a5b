//! Pages for what cannot be shown or done: one sentence, a way on, and a reference number.

use askama::Template;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

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
}

impl Refusal {
    /// There is no such page, or it is somebody else's.
    pub fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            title: "Not found",
            sentence: "There is nothing at this address, or it is not yours to see.".to_owned(),
        }
    }

    /// The person may not do this.
    pub fn denied(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, title: "Not allowed", sentence: sentence.into() }
    }

    /// More was sent than a form of ours can hold.
    pub fn too_large() -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            title: "Too much at once",
            sentence: "What was sent is larger than a form of ours can be. Nothing was changed."
                .to_owned(),
        }
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
            Error::Invalid { message, .. } => Self {
                status: StatusCode::BAD_REQUEST,
                title: "That does not work",
                sentence: message,
            },
            Error::Conflict { message, .. } => Self {
                status: StatusCode::CONFLICT,
                title: "That does not work",
                sentence: message,
            },
            Error::RateLimited { message } => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                title: "Not so fast",
                sentence: message,
            },
            Error::Unavailable(_) => {
                tracing::warn!(error = error.chain(), "a page met an unavailable part");
                Self {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    title: "Not available just now",
                    sentence: "Nothing was changed. Try again in a moment.".to_owned(),
                }
            }
            Error::Internal(_) => {
                tracing::error!(error = error.chain(), "a page met a fault");
                Self {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                    title: "Something went wrong",
                    sentence: "The fault is ours, and it is in the log.".to_owned(),
                }
            }
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

/// Makes a page of each [`Refusal`] among the answers, with the name of the request.
pub async fn render(
    axum::extract::State(way): axum::extract::State<Option<Way>>,
    request: Request,
    next: Next,
) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let response = next.run(request).await;
    let Some(refusal) = response.extensions().get::<Refusal>() else { return response };
    let reference = id.as_ref().map(|id| id.0.as_str());
    let mut shown = page::page(
        refusal.status,
        &RefusedPage {
            title: refusal.title,
            sentence: &refusal.sentence,
            back: way.map(|(path, _)| path),
            back_label: way.map_or("", |(_, label)| label),
            reference,
        },
    );
    for (name, value) in response.headers() {
        if name == http::header::SET_COOKIE {
            shown.headers_mut().append(name, value.clone());
        }
    }
    shown
}
