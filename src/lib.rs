//! Vestibule: the enterprise single sign-on service you run yourself.
//!
//! The floors, lowest first. A room uses only rooms on lower floors; `tests/layering.rs` sees to it.

// Floor 0: plain values.
pub mod base;

// Floor 1: settings.
pub mod config;

// Floor 2: encryption at rest.
pub mod seal;

// Floor 3: the database.
pub mod db;

// Floor 4: the nouns, and the bundle of handles.
pub mod app;
pub mod model;
