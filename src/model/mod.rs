//! The nouns: types, rules and SQL. Each operation is one part of a unit of work.
//!
//! Every query of tenant data filters by [`Tx::environment_id`](crate::db::Tx::environment_id);
//! the few that find the environment are named `find_by_…` after what they are found by.

pub mod api_key;
pub mod environment;
pub mod event;
mod field;
pub mod permission;
pub mod redirect_uri;
pub mod role;
