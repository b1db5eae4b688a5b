//! The database room, on both engines.

mod beneath;
mod memory;
mod migrations;
mod postgres;
mod sqlite;
mod units;
