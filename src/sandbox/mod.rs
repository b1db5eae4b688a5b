//! What `demo` and the tests need around Vestibule: a simulated Okta tenant, and an application
//! that signs people in.
//!
//! Both keep their state in memory and trust whoever reaches them: serve them on loopback only.

pub mod application;
mod expiring;
pub mod okta;
mod params;
