//! The program itself with clients and identity providers that others wrote, and its death.

mod backup;
mod browser;
mod canary;
mod cli;
mod cluster;
mod copy;
mod crash;
mod failover;
mod faults;
mod fixtures;
mod keys;
mod logins;
mod manifest;
mod metrics;
mod migrate;
mod nodes;
mod npm;
mod oidc_provider;
mod pooler;
pub mod process;
mod sdk;
mod service;
mod set;
mod shutdown;
mod support_bundle;
mod tls;
mod traces;
