//! The two kinds of authorization server that an Okta tenant has.

use serde::{Deserialize, Serialize};

/// An authorization server of the tenant: each has its own issuer, endpoints, keys and scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// The org authorization server. Its issuer is the tenant itself; `groups` is built in.
    Org,
    /// The custom authorization server `default`. Its issuer has a path; it knows no `groups`.
    Default,
}

impl Server {
    /// What its endpoints begin with.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Org => "/oauth2",
            Self::Default => "/oauth2/default",
        }
    }

    /// `iss`.
    pub(super) fn issuer(self, base_url: &str) -> String {
        match self {
            Self::Org => base_url.to_owned(),
            Self::Default => format!("{base_url}/oauth2/default"),
        }
    }

    /// `scopes_supported`.
    pub(super) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Org => {
                &["openid", "email", "profile", "address", "phone", "offline_access", "groups"]
            }
            Self::Default => {
                &["openid", "profile", "email", "address", "phone", "offline_access", "device_sso"]
            }
        }
    }

    /// How it refuses a scope that it does not have.
    pub(super) const fn scope_refusal(self) -> &'static str {
        match self {
            Self::Org => "Custom scopes are not allowed for this request.",
            Self::Default => {
                "One or more scopes are not configured for the authorization server resource."
            }
        }
    }
}
