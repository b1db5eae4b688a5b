//! The database room, on both engines.

mod units;
