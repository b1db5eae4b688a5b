//! What is done around every request, such as counting it: as axum's `from_fn`, which copies the rest of
//! the router several times for each request, and this one does not.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use axum::routing::Route;
use axum::routing::future::RouteFuture;
use tower::{Layer, Service};

/// A layer that hands each request to `answer`, with `state` and with what else would answer it.
pub fn around<T, F>(state: T, answer: F) -> Around<T, F> {
    Around { state, answer }
}

/// See [`around`].
#[derive(Clone)]
pub struct Around<T, F> {
    state: T,
    answer: F,
}

/// What else answers a request.
pub struct Rest<'a>(&'a mut Route);

impl Rest<'_> {
    /// The answer. Nothing is done for it before it is waited for.
    pub fn answer(self, request: Request) -> RouteFuture<Infallible> {
        self.0.call(request)
    }
}

impl<T, F> Layer<Route> for Around<T, F>
where
    Self: Clone,
{
    type Service = Within<T, F>;

    fn layer(&self, rest: Route) -> Within<T, F> {
        Within { around: self.clone(), rest }
    }
}

/// A service with something around it.
#[derive(Clone)]
pub struct Within<T, F> {
    around: Around<T, F>,
    rest: Route,
}

impl<T, F, A> Service<Request> for Within<T, F>
where
    F: for<'a> Fn(&'a T, Request, Rest<'a>) -> A,
    A: Future<Output = Result<Response, Infallible>> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = A;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A route always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> A {
        (self.around.answer)(&self.around.state, request, Rest(&mut self.rest))
    }
}
