//! The program itself with clients and identity providers that others wrote, and its death.

mod backup;
mod browser;
mod cli;
mod crash;
mod metrics;
mod npm;
mod oidc_provider;
pub mod process;
mod sdk;
mod service;
mod set;
mod shutdown;
mod support_bundle;
mod tls;
mod traces;
