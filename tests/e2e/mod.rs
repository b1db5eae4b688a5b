//! The program itself with clients and identity providers that others wrote, and its death.

mod npm;
pub mod process;
mod sdk;
