//! A body of a request that has to arrive in time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body, whose end has to be there so long after we first had to wait for some of it.
#[derive(Debug)]
pub(super) struct TimelyBody {
    inner: Incoming,
    patience: Duration,
    late: Option<Pin<Box<Sleep>>>,
}

impl TimelyBody {
    pub(super) fn new(inner: Incoming, patience: Duration) -> Self {
        Self { inner, patience, late: None }
    }
}

impl Body for TimelyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let patience = this.patience;
        let late = this.late.get_or_insert_with(|| Box::pin(sleep(patience)));
        late.as_mut().poll(context).map(|()| Some(Err("the body did not come in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
