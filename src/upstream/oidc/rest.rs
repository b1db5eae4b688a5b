//! A token endpoint that says again and again that it is asked too much is left alone for a while:
//! one connection at a time, since tenants share nothing.

use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;

use crate::base::failure::{Failure, FailureCode};
use crate::base::rate::Wait;
use crate::base::time::Timestamp;

/// How many connections are remembered; beyond that the least used are forgotten.
const CAPACITY: usize = 4096;
/// After so many refusals in a row it is left alone.
const PATIENCE: u32 = 3;
/// For how long, in seconds: as long as it says (`Retry-After`), else `USUAL`, never longer than `MOST`.
const USUAL: u32 = 10;
const MOST: u32 = 60;

/// What the token endpoints of connections said last.
pub(super) struct Rests {
    of: Cache<String, Arc<Mutex<Rest>>>,
}

#[derive(Default)]
struct Rest {
    refusals: u32,
    until: Option<Timestamp>,
}

impl Rests {
    pub(super) fn new() -> Self {
        Self { of: Cache::new(CAPACITY) }
    }

    /// Whether the connection's token endpoint may be asked now. When its pause is over, one is let
    /// through, and the others once that one was answered, or after another pause if it never is.
    ///
    /// # Errors
    ///
    /// [`FailureCode::TokenEndpointRateLimited`] while it is left alone.
    pub(super) fn check(&self, connection_id: &str, now: Timestamp) -> Result<(), Failure> {
        let Some(rest) = self.of.get(connection_id) else { return Ok(()) };
        let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = rest.until else { return Ok(()) };
        if now >= until {
            rest.until = Some(now.plus_ms(i64::from(USUAL) * 1000));
            return Ok(());
        }
        let seconds = (until.as_ms() - now.as_ms() + 999) / 1000;
        let detail = format!(
            "not asked: it has refused {} times in a row; it is asked again in {seconds} s",
            rest.refusals
        );
        let wait = u32::try_from(seconds).ok().map(Wait);
        Err(Failure { wait, ..Failure::with_detail(FailureCode::TokenEndpointRateLimited, detail) })
    }

    /// Forgets what a connection's token endpoint said.
    pub(super) fn forget(&self, connection_id: &str) {
        self.of.remove(connection_id);
    }

    /// Notes what it said.
    pub(super) fn note<T>(&self, connection_id: &str, said: &Result<T, Failure>, now: Timestamp) {
        let refusal = said.as_ref().err();
        let refusal =
            refusal.filter(|failure| failure.code == FailureCode::TokenEndpointRateLimited);
        let Some(refusal) = refusal else {
            return self.forget(connection_id);
        };
        let rest = self.of.get(connection_id).unwrap_or_else(|| {
            let new = Arc::default();
            self.of.insert(connection_id.to_owned(), Arc::clone(&new));
            new
        });
        let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.refusals += 1;
        if rest.refusals >= PATIENCE {
            let seconds = refusal.wait.map_or(USUAL, |Wait(seconds)| seconds).clamp(1, MOST);
            rest.until = Some(now.plus_ms(i64::from(seconds) * 1000));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idp_03_after_the_pause_one_is_let_through_and_the_others_wait_for_its_answer() {
        let rests = Rests::new();
        let refused: Result<(), Failure> = Err(FailureCode::TokenEndpointRateLimited.into());
        let at = |seconds: i64| Timestamp::from_ms(seconds * 1000);
        for _ in 0..PATIENCE {
            assert!(rests.check("conn_1", at(0)).is_ok());
            rests.note("conn_1", &refused, at(0));
        }
        assert_eq!(rests.check("conn_1", at(9)).unwrap_err().wait, Some(Wait(1)));
        assert!(rests.check("conn_2", at(9)).is_ok(), "it is another connection's");
        assert!(rests.check("conn_1", at(10)).is_ok());
        assert!(rests.check("conn_1", at(10)).is_err(), "one is under way");
        assert!(rests.check("conn_1", at(20)).is_ok(), "it never came back");
        rests.note("conn_1", &Ok(()), at(20));
        assert!(rests.check("conn_1", at(20)).is_ok() && rests.check("conn_1", at(20)).is_ok());
    }
}
