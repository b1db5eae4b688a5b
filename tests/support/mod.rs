//! What the tests stand on: databases, and later whole services.

#![allow(dead_code, reason = "what one test needs, another does not")]

pub mod canary;
mod database;
pub mod dns;
pub mod http;
pub mod pages;
pub mod postgres;
pub mod routes;
mod world;

pub use database::{Fixture, Folder, TestDb};
pub use world::World;

/// Whether the long campaigns are wanted.
pub fn is_full() -> bool {
    #[expect(clippy::disallowed_methods, reason = "no setting of the program, but of the tests")]
    let full = std::env::var("VESTIBULE_TEST_FULL").is_ok_and(|value| value == "1");
    full
}

/// Says that a test does less than it could, past the harness, which keeps to itself what is printed
/// by tests that pass.
pub fn skipped(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "\nskipped: {why}");
}

/// Runs each test on SQLite and again on PostgreSQL, as `name::sqlite` and `name::postgres`.
///
/// The argument is a [`TestDb`] or whatever else is made from one (see [`Fixture`]).
macro_rules! both_engines {
    ($(
        $(#[$attribute:meta])*
        async fn $name:ident($($argument:ident)+: $fixture:ty) $body:block
    )+) => {$(
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn story($($argument)+: $fixture) $body

            #[tokio::test]
            async fn sqlite() {
                let db = $crate::support::TestDb::sqlite();
                story(<$fixture as $crate::support::Fixture>::on(db).await).await;
            }

            #[tokio::test]
            async fn postgres() {
                let db = $crate::support::TestDb::postgres().await;
                story(<$fixture as $crate::support::Fixture>::on(db).await).await;
            }
        }
    )+};
}
pub(crate) use both_engines;
