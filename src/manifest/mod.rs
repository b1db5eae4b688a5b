//! The installation as a file: a manifest says what environments, organizations and connections are
//! to be like. It is compared with what is there ([`plan()`]), and what differs is tried out ([`rehearse()`])
//! or done ([`apply()`]) by the operations that all faces use. The way back is an export ([`export`]).
//!
//! What is not in the file is left alone: a resource, a list, a member. A block (`settings`, `oidc`,
//! `policy`, `metadata`) that is in the file is complete.

mod apply;
pub mod document;
pub mod export;
pub mod import;
pub mod known;
mod links;
mod oidc;
mod parse;
pub mod plan;
mod rehearse;
pub mod secret;

pub use apply::{Failure, Outcome, apply};
pub use document::Manifest;
pub use links::{MadeLink, links_as_text, setup_links};
pub use oidc::Oidc;
pub use parse::parse;
pub use plan::{Options, Plan, plan};
pub use rehearse::rehearse;
