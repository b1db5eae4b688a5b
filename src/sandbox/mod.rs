//! What `demo` and the tests need around Vestibule: a simulated Okta tenant.
//!
//! It keeps its state in memory and trusts whoever reaches it: serve it on loopback only.

mod expiring;
pub mod okta;
mod page;
