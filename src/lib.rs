//! Vestibule: the enterprise single sign-on service you run yourself.
//!
//! The floors, lowest first. A room uses only rooms on lower floors; `tests/layering.rs` sees to it.

// Floor 0: plain values.
pub mod base;

// Floor 1: settings, and what is told of the running service.
pub mod config;
pub mod telemetry;

// Floor 2: the ways out, and encryption at rest.
pub mod dns;
pub mod outbound;
pub mod seal;

// Floor 3: the database, and the protocols spoken to identity providers.
pub mod db;
pub mod upstream;

// Floor 4: the nouns.
pub mod model;

// Floor 5: the bundle of handles.
pub mod app;

// Floor 6: flows of several units of work with network between them.
pub mod admission;
pub mod delivery;
pub mod doctor;
pub mod domains;
pub mod limits;
pub mod setup;
pub mod sso;

// Floor 7: what the faces share.
pub mod manifest;
pub mod upkeep;
pub mod web;

// Floor 8: the faces, which never see one another.
pub mod api;
pub mod cli;
pub mod dashboard;
pub mod login;
pub mod portal;
pub mod sandbox;

// Floors 9 and 10: assembly; the program itself, `main.rs`, is above them.
pub mod server;

pub mod demo;
