//! Hashing passwords beside the runtime, a few at a time.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::base::{Error, Result};
use crate::model::administrator::password::{self, PasswordHash};

/// How many passwords are hashed at once; each needs 19 MiB and a core.
static ROOM: Semaphore = Semaphore::const_new(2);
/// How long to wait for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether this is the password.
pub(super) async fn verify(password: &str, hash: Option<PasswordHash>) -> Result<bool> {
    let password = zeroize::Zeroizing::new(password.to_owned());
    apart(move || Ok(password::verify(&password, hash.as_ref()))).await
}

/// The hash of a new password.
pub(super) async fn hash(password: &str) -> Result<PasswordHash> {
    let password = zeroize::Zeroizing::new(password.to_owned());
    apart(move || password::hash(&password)).await
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let busy = || Error::unavailable("too many passwords are being hashed");
    let room = tokio::time::timeout(PATIENCE, ROOM.acquire()).await.map_err(|_| busy())?;
    let room = room.map_err(|_| busy())?;
    let done = tokio::task::spawn_blocking(move || {
        // Held until the work is done, even if nobody waits for it any more.
        let _room = room;
        work()
    });
    done.await.map_err(Error::internal)?
}
