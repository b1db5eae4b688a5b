//! What holds for every request, whichever face it is for: its head is not too large, and a panic
//! costs no more than its answer.

use std::convert::Infallible;

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use super::around::Rest;
use super::browser;
use super::refusal::{self, Refusal};
use super::request_id::RequestId;
use crate::base::{Error, unwind};

/// How long the path and the query may be, in bytes: a `state` of 8 kB fits in whatever way it is
/// encoded.
const MAX_TARGET: usize = 32 * 1024;
/// How large the header fields may be, all together, in bytes.
const MAX_FIELDS: usize = 16 * 1024;
/// How many bytes of a head the server reads at the most.
pub const MAX_HEAD: usize = MAX_TARGET + MAX_FIELDS;

/// Answers a request.
pub(super) fn answer(
    request: Request,
    rest: Rest<'_>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
    let wants_page = browser::wants_page(request.headers());
    let id = request.extensions().get::<RequestId>().cloned();
    let too_large = too_large(&request);
    let answer = rest.answer(request);
    async move {
        let refusal = match too_large {
            Some(refusal) => refusal,
            None => match unwind::catch(answer).await {
                Some(answered) => return answered,
                None => Refusal::from(Error::internal("the request panicked")),
            },
        };
        Ok(refusal::outright(refusal, wants_page, id.as_ref()))
    }
}

/// What is said to a head that is too large (RFC 9110 section 15.5.15, RFC 6585 section 5).
fn too_large(request: &Request) -> Option<Refusal> {
    let target = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
    if target > MAX_TARGET {
        let sentence = "The address is longer than any of ours.";
        return Some(Refusal::new(StatusCode::URI_TOO_LONG, "Too long", sentence));
    }
    let line = |name: &str, value: &[u8]| name.len() + ": ".len() + value.len() + "\r\n".len();
    let fields = request.headers().iter();
    let fields: usize = fields.map(|(name, value)| line(name.as_str(), value.as_bytes())).sum();
    (fields > MAX_FIELDS).then(|| {
        let sentence = "The browser sent more header fields than we take. Delete the cookies of this \
                        site and of its domain, and try again.";
        Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Too much at once", sentence)
    })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::super::around::around;
    use super::*;

    async fn ask(request: http::request::Builder) -> (u16, String) {
        async fn meets_a_fault() -> &'static str {
            tokio::task::yield_now().await;
            panic!("a secret of the panic, meant by the test")
        }
        let router = Router::new()
            .route("/", get(async || "fine"))
            .route("/fault", get(meets_a_fault))
            .layer(around((), |(): &(), request, rest: Rest<'_>| answer(request, rest)));
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), String::from_utf8(text.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn lod_12_a_panic_is_answered_as_a_fault_with_its_reference_and_not_its_words() {
        let id = RequestId("reference-of-the-request".to_owned());
        for (accept, has_reference) in [("text/html,*/*", true), ("application/json", false)] {
            let request = http::Request::get("/fault").header("accept", accept);
            let (status, text) = ask(request.extension(id.clone())).await;
            assert_eq!(status, 500, "{text}");
            assert!(!text.contains("secret"), "{text}");
            assert_eq!(text.contains(&id.0), has_reference, "{text}");
        }
        assert_eq!(ask(http::Request::get("/")).await, (200, "fine".to_owned()));
    }

    #[tokio::test]
    async fn lod_04_heads_end_at_exact_sizes() {
        let target = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
        assert_eq!(ask(http::Request::get(target(MAX_TARGET))).await.0, 404);
        assert_eq!(ask(http::Request::get(target(MAX_TARGET + 1))).await.0, 414);
        let cookie = |bytes: usize| "x".repeat(bytes - "cookie: \r\n".len());
        let with = |bytes: usize| http::Request::get("/").header("cookie", cookie(bytes));
        assert_eq!(ask(with(MAX_FIELDS)).await.0, 200);
        assert_eq!(ask(with(MAX_FIELDS + 1)).await.0, 431);
        let half = MAX_FIELDS / 2 + 1;
        let halves = http::Request::get("/").header("cookie", cookie(half));
        assert_eq!(ask(halves.header("cookie", cookie(half))).await.0, 431);
    }
}
