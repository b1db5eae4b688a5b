//! The REST API, driven in-process; what needs an identity provider, by real HTTP.

mod connections;
mod cors_origins;
mod domain_verification;
mod environment;
mod events;
mod face;
mod idempotency;
mod limits;
mod openapi;
mod organization_api_keys;
mod organizations;
mod redirect_uris;
mod roles;
pub mod workos_schema;
mod world;
