//! Vestibule: the enterprise single sign-on service you run yourself.
//!
//! The floors, lowest first. A room uses only rooms on lower floors; `tests/layering.rs` sees to it.

// Floor 0: plain values.
pub mod base;

// Floor 1: settings.
pub mod config;

// Floor 2: the way out, and encryption at rest.
pub mod outbound;
pub mod seal;

// Floor 3: the database, and the protocols spoken to identity providers.
pub mod db;
pub mod upstream;

// Floor 4: the nouns, and the bundle of handles.
pub mod app;
pub mod model;

// Floor 5: flows of several units of work with network between them.
pub mod setup;
pub mod sso;

// Floor 6: what the faces share.
pub mod web;

// Floor 7: the faces, which never see one another.
pub mod api;
pub mod cli;
pub mod login;
pub mod sandbox;

// Floor 8: assembly.
pub mod demo;
pub mod server;
