//! Looking after an installation: backups of the embedded database, and putting one back.

pub mod backup;
