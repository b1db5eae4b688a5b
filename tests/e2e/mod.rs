//! The program itself with clients and identity providers that others wrote, and its death.

mod npm;
mod process;
mod sdk;
