//! Panics that end what panicked and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// Waits for a future; `None` if it panicked. What it shares with others has to bear that it was
/// broken off anywhere, as it has to bear a future that is dropped.
pub async fn catch<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_in_nothing_and_all_else_in_its_output() {
        let waits = async {
            tokio::task::yield_now().await;
            7
        };
        assert_eq!(catch(waits).await, Some(7));
        let panics = async {
            tokio::task::yield_now().await;
            panic!("meant by the test");
        };
        assert_eq!(catch(panics).await, None::<()>);
    }
}
