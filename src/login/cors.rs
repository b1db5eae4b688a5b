//! What scripts of registered origins may read: the answers of `/sso/token` and `/sso/profile`
//! (Fetch, section 3.2). Cookies and stored credentials never count there.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
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
use crate::web::page;

/// Lets scripts of registered origins read the answer, and answers their browsers' question whether
/// they may ask at all. A request without `Origin` costs nothing.
pub(super) async fn allow(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(ORIGIN).cloned() else {
        return next.run(request).await;
    };
    if !is_registered(&app, &origin).await {
        return next.run(request).await;
    }
    let asks_first = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks_first {
        let mut response = page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        let allowed = HeaderValue::from_static("authorization, content-type, idempotency-key");
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(VARY, HeaderValue::from_static("origin"));
    let exposed = HeaderValue::from_static("x-request-id, retry-after");
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response.headers_mut().remove("cross-origin-resource-policy");
    response
}

async fn is_registered(app: &App, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str().map(str::to_owned) else { return false };
    let read = async move |tx: &mut Tx| cors_origin::is_registered(tx, &origin).await;
    // If the database does not answer, the request itself will say so.
    app.db.read(&Caller::anonymous(), read).await.unwrap_or(false)
}
