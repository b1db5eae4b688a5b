//! `GET /sso/oidc/{external_key}/callback`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};

use super::{consent, idempotency_key, pages};
use crate::app::App;
use crate::base::id::SsoSessionId;
use crate::base::secret::SecretHash;
use crate::sso::callback::{self, Finished, Return};
use crate::web::departure::{COOKIE_S, flow_cookie};
use crate::web::{cookies, page};

/// The identity provider sends the browser back.
pub(super) async fn callback(
    State(app): State<App>,
    Path(external_key): Path<String>,
    parts: Parts,
) -> Response {
    if parts.method == Method::HEAD {
        return page::body(StatusCode::NO_CONTENT, "text/plain", Body::empty());
    }
    let back = Return {
        external_key: &external_key,
        query: parts.uri.query().unwrap_or_default(),
        cookie: &|id| cookies::get(&app, &parts.headers, &flow_cookie(id)).map(SecretHash::of),
        agreed: &|connection| consent::has_agreed(&app, &parts.headers, &connection.external_key),
        key: idempotency_key(&parts.headers),
    };
    match callback::finish(&app, back).await {
        Ok(Finished::Answered { location, session_id }) => {
            let mut response = page::redirect(&location);
            cookies::remove(&app, &mut response, &flow_cookie(&session_id));
            response
        }
        Ok(Finished::Departed { location, session_id }) => {
            let mut response = page::redirect(&location);
            prolong_cookie(&app, &parts, &session_id, &mut response);
            response
        }
        Ok(Finished::Asked(question)) => {
            let mut response = pages::question(&app, &question).await;
            prolong_cookie(&app, &parts, &question.session_id, &mut response);
            response
        }
        Err(refused) => {
            let mut response = pages::refused(&app, &refused).await;
            if let Some(id) = &refused.session_id {
                cookies::remove(&app, &mut response, &flow_cookie(id));
            }
            response
        }
    }
}

/// Lets the cookie of a login that goes on live as long as it did until now: at the identity provider again, or
/// before the question whether to continue.
fn prolong_cookie(app: &App, parts: &Parts, id: &SsoSessionId, response: &mut Response) {
    let cookie = flow_cookie(id);
    if let Some(secret) = cookies::get(app, &parts.headers, &cookie) {
        cookies::set(app, response, &cookie, (secret, COOKIE_S));
    }
}
