//! The nouns: types, rules and SQL. Each operation is one part of a unit of work.
//!
//! Every query of tenant data filters by [`Tx::environment_id`](crate::db::Tx::environment_id);
//! the few that do not say so.

pub mod administrator;
pub mod api_key;
pub mod audit;
pub mod branding;
pub mod census;
pub mod connection;
pub mod connection_group;
pub mod cors_origin;
pub mod environment;
pub mod event;
pub mod event_name;
mod field;
pub mod former;
mod given;
pub mod idempotency;
pub mod installation;
pub mod logout;
pub mod organization;
pub mod organization_api_key;
pub mod organization_domain;
pub mod overview;
pub mod permission;
pub mod profile;
pub mod rate_count;
pub mod redirect_uri;
pub mod role;
pub mod role_decision;
pub mod sealed_value;
pub mod setup_link;
pub mod setup_progress;
pub mod signing_key;
pub mod sso_session;
pub mod webhook_delivery;
pub mod webhook_endpoint;
