//! Looking after an installation: backups, what helps in trouble, and traces for others to collect.

pub mod backup;
pub mod support_bundle;
pub mod traces;
