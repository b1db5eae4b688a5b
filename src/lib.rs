//! Vestibule: the enterprise single sign-on service you run yourself.
//!
//! The floors, lowest first. A room uses only rooms on lower floors; `tests/layering.rs` sees to it.

// Floor 0: plain values.
pub mod base;

// Floor 1: settings.
pub mod config;

// Floor 2: the way out, and encryption at rest.
pub mod outbound;

// Floor 3: the protocols spoken to identity providers.
pub mod upstream;
