//! The program itself with clients and identity providers that others wrote, and its death.

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
mod migrate;
mod nodes;
mod npm;
mod oidc_provider;
mod pooler;
pub mod process;
mod sdk;
mod service;
