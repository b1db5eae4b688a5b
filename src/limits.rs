//! Rate limits across nodes: what a node counts is told to the others now and then.
//!
//! No request waits for it. How far a limit can be exceeded meanwhile is in
//! `docs/decisions/0041-limits-are-counted-by-each-node.md`.

use crate::app::App;
use crate::base::rate::Told;
use crate::base::{Caller, Result};
use crate::model::rate_count;

/// Tells the other nodes what this one has counted, and learns what they have. A node that has
/// nothing to tell says so once, and then neither writes nor reads.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if the database does not answer.
pub async fn exchange(app: &App) -> Result<()> {
    let now = app.clock.now();
    let mut ours = Told::new();
    for limiter in app.limits.shared() {
        ours.extend(limiter.warm(now));
    }
    let was_silent = app.limits.set_silent(ours.is_empty());
    if ours.is_empty() && was_silent {
        return Ok(());
    }
    let node = app.limits.node().to_owned();
    let exchange = async move |tx: &mut _| rate_count::exchange(tx, &node, &ours).await;
    let told = app.db.write(&Caller::anonymous(), exchange).await?;
    for limiter in app.limits.shared() {
        limiter.learn(&told, app.clock.now());
    }
    Ok(())
}
