//! The protocols spoken to identity providers: how a login departs, and what comes back of it.
//!
//! This room knows no database and no page. It is given the settings of a connection and its
//! secrets, and returns what the identity provider vouches for; each check stands in the trace.
//! A failure is returned, not written into the trace: the caller does that once, at the end
//! ([`Trace::failed`]).

mod fetched;
pub mod oidc;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroize;

use crate::base::email::EmailAddress;
use crate::base::failure::Failure;
use crate::base::secret::Secret;
use crate::base::time::{Clock, Timestamp};
use crate::base::trace::Trace;
use crate::outbound::Outbound;

/// How many groups of a person are worth storing ([`Groups::to_store`]).
pub const MAX_STORED_GROUPS: usize = 2000;
/// How long the name of a group may be to be stored, in characters.
pub const MAX_STORED_GROUP_CHARS: usize = 256;

/// Speaks to identity providers. A clone shares the connections and the caches.
#[derive(Clone)]
pub struct Upstream {
    outbound: Outbound,
    clock: Clock,
    oidc: Arc<oidc::Caches>,
}

impl Upstream {
    /// With empty caches.
    pub fn new(outbound: Outbound, clock: Clock) -> Self {
        Self { outbound, clock, oidc: Arc::new(oidc::Caches::new()) }
    }

    /// The HTTP client.
    pub fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Forgets what was fetched for a connection: it was changed or deleted, or somebody asks for
    /// fresh metadata and keys.
    pub fn forget(&self, connection_id: &str) {
        self.oidc.forget(connection_id);
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}

/// How a connection is set up, without its secrets. Stored with the connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Settings {
    /// OpenID Connect.
    Oidc(oidc::Settings),
}

/// What has to be remembered between the halves of a login. It holds secrets: store it sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
pub enum Memory {
    /// OpenID Connect.
    Oidc(oidc::Memory),
}

/// What the identity provider is asked for.
#[derive(Clone, Default)]
pub struct Ask {
    /// The `state` that the identity provider hands back.
    pub state: String,
    /// Where the identity provider sends the browser back to: the connection's own redirect URI.
    pub redirect_uri: String,
    /// What the application wishes.
    pub wishes: Wishes,
}

/// What the application wishes of the identity provider, of what it may (OpenID Connect Core 1.0 section
/// 3.1.2.1).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wishes {
    /// Who is likely to sign in. Dropped when longer than 512 bytes or with control characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// The domain of who signs in; dropped like `login_hint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_hint: Option<String>,
    /// Whether the person must sign in afresh.
    pub prompt_login: bool,
    /// Scopes besides those of the connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider_scopes: Vec<String>,
    /// Parameters for the identity provider that the protocol does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provider_query_params: Vec<(String, String)>,
}

impl Wishes {
    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Where to send the browser, and what to remember until it comes back.
#[derive(Clone)]
pub struct Departure {
    /// The URL at the identity provider.
    pub url: String,
    /// What [`finish`] needs.
    pub memory: Memory,
}

// State, nonce and challenge are good for one sign-in; they have no place in a log.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.url.split('?').next();
        f.debug_struct("Departure").field("endpoint", &endpoint).finish_non_exhaustive()
    }
}

/// What the browser brought back.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// OpenID Connect.
    Oidc(oidc::Arrival),
}

/// What the identity provider vouches for, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    /// Who vouches, byte for byte as in the connection's settings.
    pub issuer: String,
    /// Whom for: stable and unique within the issuer, 1 to 255 printable ASCII characters.
    pub subject: String,
    /// The person.
    pub profile: Profile,
    /// The person's groups.
    pub groups: Groups,
    /// All claims, those of the userinfo endpoint merged in. Without the groups claim when that
    /// would make it too large.
    pub claims: Map<String, Value>,
    /// The custom attributes of the connection's mapping; null where no claim came.
    pub custom_attributes: Map<String, Value>,
    /// Google's `hd` (the hosted domain). A connection to Google must compare it with the
    /// verified domains of its organization, since Google's issuer is that of the whole world.
    pub hosted_domain: Option<String>,
    /// The identity provider's session (`sid`), for logout.
    pub session_id: Option<String>,
    /// The `acr` that was reached.
    pub acr: Option<String>,
    /// The ID token itself, where the identity provider has a logout that can be asked with it.
    #[serde(default)]
    pub id_token: Option<IdToken>,
}

/// An ID token that is kept to be shown to the identity provider again (`id_token_hint`). It does not
/// print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdToken(String);

impl IdToken {
    /// The token itself, to be sealed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[ID token]")
    }
}

impl Drop for IdToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A person is to be logged out at the identity provider.
#[derive(Clone, Debug)]
pub struct LogoutAsk {
    /// The ID token of their last login, if it is still there.
    pub id_token_hint: Option<Secret>,
    /// Where the identity provider sends the browser back to: a URI of ours, registered there.
    pub post_logout_redirect_uri: String,
    /// The `state` that it hands back.
    pub state: Secret,
}

/// Whom an identity provider has logged out, by its own word; checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// The person (`sub`); at least this or the session is there.
    pub subject: Option<String>,
    /// The session (`sid`); `None`: all of the person's.
    pub session_id: Option<String>,
    /// What tells this message from all others of the issuer.
    pub token_id: String,
    /// From when on the same message would be refused for its age.
    pub stale_at: Timestamp,
}

/// A person, as far as the identity provider tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The e-mail address.
    pub email: EmailAddress,
    /// Whether the identity provider has verified the address; `None` when it does not say.
    pub email_verified: Option<bool>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The whole name.
    pub name: Option<String>,
}

/// The groups of a person. That none came is not the same as that there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Groups {
    /// No groups claim, or one that cannot be read.
    Absent,
    /// A groups claim that is empty.
    Empty,
    /// All groups, in the order in which they came, each once.
    Present(Vec<String>),
    /// Some groups: the identity provider is known to cut the list at this length.
    Truncated(Vec<String>),
    /// The identity provider says that there are too many groups to list them.
    Overflowed,
}

impl Groups {
    /// The names that came; roles are computed from these.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Present(names) | Self::Truncated(names) => names,
            Self::Absent | Self::Empty | Self::Overflowed => &[],
        }
    }

    /// Whether the list is all of the person's groups.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Empty | Self::Present(_))
    }

    /// The names worth storing, and whether some were left out.
    pub fn to_store(&self) -> (Vec<&str>, bool) {
        let names = self.names();
        let kept: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| name.chars().count() <= MAX_STORED_GROUP_CHARS)
            .take(MAX_STORED_GROUPS)
            .collect();
        let cut = kept.len() < names.len();
        (kept, cut)
    }

    /// The word for the state, for traces and pages.
    pub const fn state(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Empty => "empty",
            Self::Present(_) => "present",
            Self::Truncated(_) => "truncated",
            Self::Overflowed => "overflowed",
        }
    }
}

/// The first half of a login: where to send the browser.
///
/// # Errors
///
/// The metadata cannot be had or are not the connection's, or the application asks for something
/// that it may not ask for.
pub async fn begin(
    upstream: &Upstream,
    settings: &Settings,
    ask: &Ask,
    trace: &mut Trace,
) -> Result<Departure, Failure> {
    match settings {
        Settings::Oidc(settings) => oidc::begin(upstream, settings, ask, trace).await,
    }
}

/// What the second half of a login starts from.
#[derive(Clone, Copy, Debug)]
pub struct Return<'a> {
    /// What [`begin`] gave to remember.
    pub memory: &'a Memory,
    /// What the browser brought.
    pub arrival: &'a Arrival,
    /// The redirect URI that [`begin`] was asked with.
    pub redirect_uri: &'a str,
    /// The client secrets: the present one and, where there is one, the next.
    pub secrets: &'a [Secret],
}

/// The second half of a login: what the identity provider vouches for.
///
/// # Errors
///
/// The first check that does not hold, or what kept us from making one.
pub async fn finish(
    upstream: &Upstream,
    settings: &Settings,
    back: Return<'_>,
    trace: &mut Trace,
) -> Result<Assertion, Failure> {
    match (settings, back.memory, back.arrival) {
        (Settings::Oidc(settings), Memory::Oidc(memory), Arrival::Oidc(arrival)) => {
            let back = oidc::Return {
                memory,
                arrival,
                redirect_uri: back.redirect_uri,
                secrets: back.secrets,
            };
            oidc::finish(upstream, settings, back, trace).await
        }
    }
}

/// Where browsers are sent to log out at the identity provider; `None` if it has no such place.
///
/// # Errors
///
/// The metadata cannot be had or are not the connection's.
pub async fn logout_endpoint(
    upstream: &Upstream,
    settings: &Settings,
    trace: &mut Trace,
) -> Result<Option<Url>, Failure> {
    match settings {
        Settings::Oidc(settings) => oidc::logout_endpoint(upstream, settings, trace).await,
    }
}

/// The URL at [`logout_endpoint`] that logs a person out.
pub fn logout_url(endpoint: &Url, settings: &Settings, ask: &LogoutAsk) -> String {
    match settings {
        Settings::Oidc(settings) => oidc::logout_url(endpoint, settings, ask),
    }
}

/// Reads what an identity provider says of its own accord: that it has logged somebody out.
///
/// That the same message did not come before is for the caller to find out, by its id.
///
/// # Errors
///
/// [`FailureCode::LogoutTokenInvalid`](crate::base::failure::FailureCode::LogoutTokenInvalid) with the
/// first check that does not hold, or what kept us from making one.
pub async fn logged_out(
    upstream: &Upstream,
    settings: &Settings,
    message: &str,
    trace: &mut Trace,
) -> Result<LoggedOut, Failure> {
    match settings {
        Settings::Oidc(settings) => oidc::logged_out(upstream, settings, message, trace).await,
    }
}
