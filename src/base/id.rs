//! Identifiers: WorkOS's prefix and a ULID. Each noun has a type of its own, so ids do not mix.

/// Declares the id of one noun.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[derive(utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Reads an id that somebody sent: the prefix and 26 characters of a ULID.
            pub fn parse(text: &str) -> Option<Self> {
                let ulid = text.strip_prefix(Self::PREFIX)?;
                is_ulid(ulid).then(|| Self(text.to_owned()))
            }

            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Id for $name {
            fn from_stored(text: String) -> Self {
                Self(text)
            }
            fn from_ulid(ulid: ulid::Ulid) -> Self {
                Self(format!("{}{ulid}", Self::PREFIX))
            }
            fn text(&self) -> &str {
                &self.0
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom(NotAnId))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Self::parse(text).ok_or(NotAnId)
            }
        }
    )+};
}

/// What all ids have in common; used by the database room.
pub trait Id: Sized {
    /// An id that was read back from our own database.
    fn from_stored(text: String) -> Self;
    /// A new id.
    fn from_ulid(ulid: ulid::Ulid) -> Self;
    /// The id as it is written.
    fn text(&self) -> &str;
}

/// The text has another prefix, or no ULID behind it.
#[derive(Debug, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

ids! {
    /// An environment, which owns everything else.
    EnvironmentId = "environment_";
    /// An API key (its id; the key itself begins with `sk_`).
    ApiKeyId = "api_key_";
    /// A registered redirect URI.
    RedirectUriId = "redir_";
    /// An origin whose scripts may call from within a browser.
    CorsOriginId = "cors_origin_";
    /// An organization.
    OrganizationId = "org_";
    /// A domain of an organization.
    OrganizationDomainId = "org_domain_";
    /// A connection.
    ConnectionId = "conn_";
    /// A group of the identity provider on a connection, and the role it gives.
    ConnectionGroupId = "conn_group_";
    /// A role, of an environment or of an organization.
    RoleId = "role_";
    /// A permission.
    PermissionId = "perm_";
    /// A profile.
    ProfileId = "prof_";
    /// An SSO session: one login attempt and its trace.
    SsoSessionId = "sess_";
    /// A logout that an application asked for.
    LogoutId = "logout_";
    /// An event.
    EventId = "event_";
    /// A webhook endpoint.
    WebhookEndpointId = "we_";
    /// An event that was handed over to a webhook endpoint.
    WebhookDeliveryId = "webhook_delivery_";
    /// An administrator of the installation.
    AdministratorId = "administrator_";
    /// A browser in which an administrator is signed in.
    AdministratorSessionId = "administrator_session_";
    /// A one-time link for an administrator.
    AdministratorLinkId = "administrator_link_";
    /// A passkey of an administrator.
    PasskeyId = "passkey_";
    /// A line of the audit trail.
    AuditEntryId = "audit_";
    /// A setup link.
    SetupLinkId = "setup_link_";
    /// A browser in which a setup link was begun.
    SetupSessionId = "setup_session_";
}

/// Whether the text is 26 upper-case characters of Crockford's base 32 that fit 128 bits.
fn is_ulid(text: &str) -> bool {
    text.len() == 26
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'Z') && !b"ILOU".contains(&b))
        && text.as_bytes()[0] <= b'7'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_10_an_id_of_another_kind_is_no_id() {
        let id = OrganizationId::from_ulid(ulid::Ulid::from_parts(1, 2));
        assert_eq!(OrganizationId::parse(id.as_str()), Some(id.clone()));
        assert_eq!(ConnectionId::parse(id.as_str()), None);
        assert_eq!(OrganizationId::parse("org_domain_01E2RJ4C05B52KKZ8FSRDAP23J"), None);
        assert_eq!(OrganizationId::parse("org_01e2rj4c05b52kkz8fsrdap23j"), None);
        assert_eq!(OrganizationId::parse("org_' OR 1=1 --"), None);
    }
}
