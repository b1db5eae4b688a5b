//! A connection from which only requests come whose end is certain, and which is closed so that its last
//! answer arrives.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::heads::{REFUSAL, Refused, Requests};

/// How long what still comes is taken after the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// The connection to a client. Of requests whose end is not certain, nothing is read but [`REFUSAL`].
///
/// It goes on taking for a moment what the other side sends, after it has been shut down. Closed at once,
/// it would be reset, and the answer to a request that is too large might be lost with the rest of the
/// request (RFC 9112 section 9.6).
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    inner: S,
    peer: SocketAddr,
    requests: Requests,
    /// What is still to be read of [`REFUSAL`], once a request was refused: nothing else is.
    refusal: Option<&'static [u8]>,
    end: Option<Pin<Box<Sleep>>>,
}

impl<S> ClientStream<S> {
    pub(super) fn new(inner: S, peer: SocketAddr) -> Self {
        Self { inner, peer, requests: Requests::new(), refusal: None, end: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.refusal.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
            let Err(Refused { at, why }) = this.requests.read(&buffer.filled()[before..]) else {
                return Poll::Ready(Ok(()));
            };
            tracing::debug!(peer = %this.peer, why, "it is not certain where a request ends: refused");
            buffer.set_filled(before + at);
            this.refusal = Some(REFUSAL);
        }
        let refusal = this.refusal.get_or_insert_default();
        let (now, later) = refusal.split_at(refusal.len().min(buffer.remaining()));
        buffer.put_slice(now);
        *refusal = later;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.end.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
        }
        let end = this.end.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut space = [0; 4096];
        while end.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready!(Pin::new(&mut this.inner).poll_read(context, &mut buffer));
            if read.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
