//! An attempt on its way: what it begins with, and what is taken to go on with.

use super::{Hold, Origin};
use crate::base::id::{ConnectionId, EnvironmentId, OrganizationId, SsoSessionId};
use crate::base::secret::SecretHash;
use crate::base::time::Timestamp;
use crate::base::trace::Step;

/// The browser that signs in, as far as it tells.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    /// Its address.
    pub ip_address: Option<String>,
    /// Its `User-Agent`, cut to 512 bytes.
    pub user_agent: Option<String>,
}

/// What an attempt begins with.
#[derive(Debug)]
pub struct Start {
    /// Its id, which the `state` towards the identity provider carries.
    pub id: SsoSessionId,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The version of the connection's settings that the login began with.
    pub connection_version: i64,
    /// Where the application wants its answer: a registered URI, byte for byte.
    pub redirect_uri: String,
    /// The application's PKCE challenge.
    pub code_challenge: Option<String>,
    /// The hash of the secret in `state`.
    pub state_hash: SecretHash,
    /// The hash of the secret in the browser's cookie.
    pub browser_hash: SecretHash,
    /// What must be remembered until the end, sealed.
    pub memory_sealed: Vec<u8>,
    /// The browser.
    pub browser: Browser,
    /// Who began it.
    pub starter: Starter,
}

/// Who began an attempt.
#[derive(Clone, Debug, Default)]
pub struct Starter {
    /// The kind.
    pub origin: Origin,
    /// The administrator or the setup link, where it is a test.
    pub started_by: Option<String>,
}

/// An attempt that failed before anybody was sent to an identity provider.
#[derive(Debug)]
pub struct Refusal {
    /// Its id.
    pub id: SsoSessionId,
    /// The organization, if it was found.
    pub organization_id: Option<OrganizationId>,
    /// The connection, if it was found.
    pub connection_id: Option<ConnectionId>,
    /// What the application sent, cut to 512 bytes.
    pub redirect_uri: String,
    /// The browser.
    pub browser: Browser,
    /// Who began it.
    pub starter: Starter,
}

/// An attempt that was taken to go on with.
#[derive(Debug)]
pub struct Taken {
    /// Its id.
    pub id: SsoSessionId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The connection.
    pub connection_id: ConnectionId,
    /// The version of the connection's settings that the login began with.
    pub connection_version: i64,
    /// Where the application wants its answer; the page of ours to which a test returns.
    pub redirect_uri: String,
    /// Who began it.
    pub origin: Origin,
    /// The application's PKCE challenge.
    pub code_challenge: Option<String>,
    /// The hash of the secret in the browser's cookie.
    pub browser_hash: Vec<u8>,
    /// What had to be remembered, sealed.
    pub memory_sealed: Vec<u8>,
    /// The steps so far.
    pub steps: Vec<Step>,
    /// When it is too late to go on.
    pub expires_at: Timestamp,
    /// When it began.
    pub created_at: Timestamp,
}

impl Taken {
    /// The right to go on.
    pub fn hold(&self) -> Hold {
        Hold { id: self.id.clone(), taken_at: self.taken_at }
    }
}

/// A code to issue.
#[derive(Debug)]
pub struct NewCode {
    /// The hash of its secret.
    pub hash: SecretHash,
    /// Whether the request that gets it may come again, and gets it again: then what the login remembers
    /// is kept until the code is redeemed.
    pub is_repeatable: bool,
}

/// An attempt whose code waits to be redeemed, and whose answer can be given again.
#[derive(Debug)]
pub struct Unredeemed {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// Where the application wants its answer.
    pub redirect_uri: String,
    /// What had to be remembered, sealed.
    pub memory_sealed: Vec<u8>,
    /// The hash of the code.
    pub code_hash: Vec<u8>,
}

/// What came of trying to take an attempt.
#[derive(Debug)]
pub enum Take {
    /// It is ours: nobody else can take it again.
    Taken(Box<Taken>),
    /// There is none with this id and this secret.
    Unknown,
    /// A request has taken it at this moment, and has not answered yet.
    InHand(Timestamp),
    /// It was taken before and answered, or has ended.
    Consumed,
    /// Nobody came in time, and it was closed.
    TimedOut,
}

/// Where an attempt stands, between what is taken and what takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The browser is at the identity provider.
    Departed,
    /// The person is asked whether to continue.
    Consent,
}

impl Phase {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Departed => "departed",
            Self::Consent => "consent",
        }
    }
}
