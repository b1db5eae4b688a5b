//! The program itself with clients and identity providers that others wrote, and its death.

mod browser;
mod cli;
mod controls;
mod crash;
mod npm;
mod oidc_provider;
pub mod process;
mod sdk;
mod service;
