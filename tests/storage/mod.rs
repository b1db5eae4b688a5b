//! The database room, on both engines.

mod migrations;
mod postgres;
mod sqlite;
mod units;
