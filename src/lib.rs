//! Vestibule: the enterprise single sign-on service you run yourself.
//!
//! The floors, lowest first. A room uses only rooms on lower floors; `tests/layering.rs` sees to it.

// Floor 0: plain values.
pub mod base;

// Floor 1: settings.
pub mod config;

// Floor 7: the faces, which never see one another.
pub mod sandbox;
