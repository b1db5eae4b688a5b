//! The database room, on both engines.

mod beneath;
mod migrations;
mod postgres;
mod sqlite;
mod units;
