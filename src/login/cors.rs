//! What scripts of registered origins may read: the answers of `/sso/token` and `/sso/profile`
//! (Fetch, section 3.2). Cookies and stored credentials never count there.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderValue, Method, StatusCode};

use crate::app::App;
use crate::base::Caller;
use crate::db::Tx;
use crate::model::cors_origin;
use crate::web::around::Rest;
use crate::web::page;

/// Lets scripts of registered origins read the answer, and answers their browsers' question whether
/// they may ask at all. A request without `Origin` costs nothing.
pub(super) fn allow(
    app: &App,
    request: Request,
    rest: Rest<'_>,
) -> impl Future<Output = Result<Response, Infallible>> + Send + use<> {
    let origin = request.headers().get(ORIGIN).cloned();
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let (app, answer) = (origin.is_some().then(|| app.clone()), rest.answer(request));
    async move {
        let (Some(app), Some(origin)) = (app, origin) else { return answer.await };
        if !is_registered(&app, &origin).await {
            return answer.await;
        }
        let mut response = if asks_first { before_the_request() } else { answer.await? };
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(VARY, HeaderValue::from_static("origin"));
        let exposed = HeaderValue::from_static("x-request-id, retry-after");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        headers.remove("cross-origin-resource-policy");
        Ok(response)
    }
}

/// The answer to a browser that asks before its request (Fetch, section 3.2.2).
fn before_the_request() -> Response {
    let mut response = page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    let allowed = HeaderValue::from_static("authorization, content-type, idempotency-key");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

async fn is_registered(app: &App, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str().map(str::to_owned) else { return false };
    let read = async move |tx: &mut Tx| cors_origin::is_registered(tx, &origin).await;
    // If the database does not answer, the request itself will say so.
    app.db.read_briefly(&Caller::anonymous(), read).await.unwrap_or(false)
}
