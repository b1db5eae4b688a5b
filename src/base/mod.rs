//! Plain values that every floor may use: they know no database, no network and no page.

pub mod address;
pub mod caller;
pub mod email;
pub mod error;
pub mod failure;
pub mod id;
pub mod page;
pub mod rate;
pub mod redirect_uri;
pub mod secret;
pub mod signing;
pub mod stored;
pub mod time;
pub mod trace;
pub mod unwind;
pub mod webauthn;

pub use caller::Caller;
pub use error::{Error, Result};
