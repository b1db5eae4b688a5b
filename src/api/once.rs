//! `Idempotency-Key`: a POST that is sent again within 24 hours gets the answer of the first.
//!
//! A handler of a POST asks for a [`Post`] and answers by its [`Once`]; the rest is here and in
//! [`idempotency`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::auth::authenticate;
use super::body;
use super::error::ApiError;
use crate::app::App;
use crate::base::secret::{SecretHash, hmac_sha256};
use crate::base::{Caller, Error};
use crate::db::Tx;
use crate::model::idempotency::{self, Answer, Kept};

/// The header that makes a request one of a kind.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Paths with a POST that only looks, and must look anew each time.
pub(super) const ONLY_LOOK: &[&str] = &["/api_keys/validations"];
/// The header that says that an answer is an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A POST: who asks and whether it was asked before, and its body. What was asked before is answered
/// here, and no handler sees it.
///
/// A handler with something in its path asks for an [`ApiKey`](super::auth::ApiKey) first, so that
/// nobody without a key learns what is a path.
#[derive(Debug)]
pub struct Post<T>(pub Once, pub T);

/// A POST that needs no body; whatever it has is ignored.
#[derive(Debug)]
pub struct BarePost(pub Once);

/// Carries a POST out, once.
#[derive(Debug)]
pub struct Once {
    caller: Caller,
    request: Option<idempotency::Request>,
}

/// Why a POST does not get to its handler.
#[derive(Debug)]
pub enum Rejection {
    /// It is refused.
    Refused(ApiError),
    /// It was answered before.
    Answered(Answer),
}

impl<E: Into<ApiError>> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => error.into_response(),
            Self::Answered(answer) => respond(answer, true),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Post<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request, app: &App) -> Result<Self, Rejection> {
        let (once, headers, bytes) = receive(request, app).await?;
        Ok(Self(once, body::parse(&headers, &bytes)?))
    }
}

impl FromRequest<App> for BarePost {
    type Rejection = Rejection;

    async fn from_request(request: Request, app: &App) -> Result<Self, Rejection> {
        let (once, ..) = receive(request, app).await?;
        Ok(Self(once))
    }
}

/// Who asks and whether it was asked before, and what is left of the request: headers and body.
///
/// # Errors
///
/// [`Rejection`]: it is refused, or was answered before.
pub(super) async fn receive(
    request: Request,
    app: &App,
) -> Result<(Once, HeaderMap, Bytes), Rejection> {
    let (mut parts, stream) = request.into_parts();
    let caller = authenticate(&mut parts, app).await?;
    let bytes = body::collect(stream).await?;
    let request = match key(&parts.headers)? {
        Some(key) => {
            let request = idempotency::Request { key, fingerprint: fingerprint(&parts, &bytes) };
            look(app, &caller, &request).await?;
            Some(request)
        }
        None => None,
    };
    Ok((Once { caller, request }, parts.headers, bytes))
}

/// The key of a request, as its hash: it may be anything.
fn key(headers: &HeaderMap) -> Result<Option<SecretHash>, ApiError> {
    let mut all = headers.get_all(KEY).iter();
    let first = all.next().filter(|value| !value.is_empty());
    if all.next().is_some() {
        let message = "There must be at most one Idempotency-Key header.";
        return Err(ApiError::coded(StatusCode::BAD_REQUEST, "bad_request", message));
    }
    Ok(first.map(|value| SecretHash::of_bytes(value.as_bytes())))
}

/// By what a request is told from another one: its method, its path with the query, its body.
fn fingerprint(parts: &Parts, body: &[u8]) -> [u8; 32] {
    let path = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    hmac_sha256(b"idempotency", &[parts.method.as_str().as_bytes(), path.as_bytes(), body])
}

/// Ends a request that was answered before, or whose key belongs to another one.
async fn look(app: &App, caller: &Caller, request: &idempotency::Request) -> Result<(), Rejection> {
    let (sealer, wanted) = (Arc::clone(&app.sealer), request.clone());
    let find = async move |tx: &mut Tx| idempotency::find(tx, &sealer, &wanted).await;
    match app.db.read(caller, find).await? {
        None => Ok(()),
        Some(Kept::Answer(answer)) => Err(Rejection::Answered(answer)),
        Some(Kept::Other) => Err(reused().into()),
    }
}

/// The key of another request. (draft-ietf-httpapi-idempotency-key-header-07 section 2.7)
fn reused() -> ApiError {
    let message = "The Idempotency-Key was sent with another request in the last 24 hours.";
    ApiError::coded(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message)
}

/// What a unit that carries a request out ends with.
enum Outcome {
    Done(Answer),
    Before(Kept),
}

impl Once {
    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Carries the request out in one unit of work, which also keeps its answer: `status`, and what
    /// the unit returns, as JSON. If an equal request was faster, its answer is given instead. A
    /// refusal is kept as well, but no fault of ours.
    ///
    /// # Errors
    ///
    /// What the unit returns; 422 if the key belongs to another request.
    pub async fn write<T, F>(
        self,
        app: &App,
        status: StatusCode,
        unit: F,
    ) -> Result<Response, ApiError>
    where
        T: Serialize,
        F: AsyncFn(&mut Tx) -> Result<T, Error> + Send + 'static,
    {
        let (sealer, request) = (Arc::clone(&app.sealer), self.request.clone());
        let carry_out = async move |tx: &mut Tx| {
            if let Some(request) = &request
                && let Some(kept) = idempotency::claim(tx, &sealer, request).await?
            {
                return Ok(Outcome::Before(kept));
            }
            let answer = answer(status, &unit(tx).await?)?;
            if let Some(request) = &request {
                idempotency::keep(tx, &sealer, request, &answer).await?;
            }
            Ok(Outcome::Done(answer))
        };
        match app.db.write(&self.caller, carry_out).await {
            Ok(outcome) => finish(outcome),
            Err(error) => self.refuse(app, error.into()).await,
        }
    }

    /// Answers a request that was carried out in more than one unit of work, or in none, and keeps
    /// the answer. Should the process end between the two, the request can be carried out again: so
    /// only what does no harm the second time is answered in this way.
    ///
    /// # Errors
    ///
    /// The outcome's; 422 if the key belongs to another request.
    pub async fn keep<T, E>(
        self,
        app: &App,
        status: StatusCode,
        outcome: Result<T, E>,
    ) -> Result<Response, ApiError>
    where
        T: Serialize,
        E: Into<ApiError>,
    {
        match outcome {
            Ok(value) => self.keep_answer(app, answer(status, &value)?).await,
            Err(error) => self.refuse(app, error.into()).await,
        }
    }

    /// Answers so, whatever it says, and keeps it: as [`keep`](Self::keep), for errors in another shape
    /// than ours.
    ///
    /// # Errors
    ///
    /// 422 if the key belongs to another request.
    pub async fn keep_as(
        self,
        app: &App,
        status: StatusCode,
        body: &impl Serialize,
    ) -> Result<Response, ApiError> {
        self.keep_answer(app, answer(status, body)?).await
    }

    /// Keeps a refusal that the request has earned: what it asked for was not done, so that may be a
    /// unit of its own.
    async fn refuse(self, app: &App, error: ApiError) -> Result<Response, ApiError> {
        let passes = [StatusCode::TOO_MANY_REQUESTS, StatusCode::UNAUTHORIZED];
        if self.request.is_none()
            || !error.status().is_client_error()
            || passes.contains(&error.status())
        {
            return Err(error);
        }
        self.keep_answer(app, answer(error.status(), error.body())?).await
    }

    async fn keep_answer(self, app: &App, answer: Answer) -> Result<Response, ApiError> {
        let Some(request) = self.request else { return Ok(respond(answer, false)) };
        let sealer = Arc::clone(&app.sealer);
        let keep = async move |tx: &mut Tx| match idempotency::claim(tx, &sealer, &request).await? {
            Some(kept) => Ok(Outcome::Before(kept)),
            None => {
                idempotency::keep(tx, &sealer, &request, &answer).await?;
                Ok(Outcome::Done(answer.clone()))
            }
        };
        finish(app.db.write(&self.caller, keep).await?)
    }
}

fn finish(outcome: Outcome) -> Result<Response, ApiError> {
    match outcome {
        Outcome::Done(answer) => Ok(respond(answer, false)),
        Outcome::Before(Kept::Answer(answer)) => Ok(respond(answer, true)),
        Outcome::Before(Kept::Other) => Err(reused()),
    }
}

fn answer(status: StatusCode, value: &impl Serialize) -> Result<Answer, Error> {
    let body = serde_json::to_vec(value).map_err(Error::internal)?;
    Ok(Answer { status: status.as_u16(), body })
}

fn respond(answer: Answer, replayed: bool) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
