//! What the service tells its operator while it runs: numbers, and what belongs to one request.
//!
//! The numbers are those of the process. Their labels are words of ours only: nothing that a tenant,
//! an identity provider or a stranger chooses becomes a label, so there are only so many series.

mod metrics;
mod process;
pub mod request;
pub mod spans;

pub use metrics::{Call, Hop, Kind, LoginEnd, Metrics, described, encode, metrics, owner};
pub use process::{count_panics, max_open_files};
