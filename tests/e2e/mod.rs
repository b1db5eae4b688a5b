//! The program itself with clients and identity providers that others wrote, and its death.

mod browser;
mod cli;
mod crash;
mod manifest;
mod npm;
mod oidc_provider;
pub mod process;
mod sdk;
mod service;
