//! Connection types: WorkOS's words, and which of them work here.

use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::upstream::oidc;

/// A connection type, such as `OktaOIDC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionType(&'static str);

/// The types that an object may have (`ConnectionType` in WorkOS's OpenAPI document).
const ALL: &[&str] = &[
    "Pending",
    "ADFSSAML",
    "AdpOidc",
    "AppleOAuth",
    "Auth0Migration",
    "Auth0SAML",
    "AzureSAML",
    "BitbucketOAuth",
    "CasSAML",
    "ClassLinkSAML",
    "CleverOIDC",
    "CloudflareSAML",
    "CyberArkSAML",
    "DiscordOAuth",
    "DuoSAML",
    "EntraIdOIDC",
    "GenericOIDC",
    "GenericSAML",
    "GitHubOAuth",
    "GitLabOAuth",
    "GoogleOAuth",
    "GoogleOIDC",
    "GoogleSAML",
    "GrokOAuth",
    "IntuitOAuth",
    "JumpCloudSAML",
    "KeycloakSAML",
    "LastPassSAML",
    "LinkedInOAuth",
    "LoginGovOidc",
    "MagicLink",
    "MicrosoftOAuth",
    "MiniOrangeSAML",
    "NetIqSAML",
    "OktaOIDC",
    "OktaSAML",
    "OneLoginSAML",
    "OracleSAML",
    "PingFederateSAML",
    "PingOneSAML",
    "RipplingSAML",
    "SalesforceOAuth",
    "SalesforceSAML",
    "ShibbolethGenericSAML",
    "ShibbolethSAML",
    "SimpleSamlPhpSAML",
    "SlackOAuth",
    "TestIdp",
    "VMwareSAML",
    "VercelMarketplaceOAuth",
    "VercelOAuth",
    "XOAuth",
    "XeroOAuth",
];

/// The providers that `/sso/authorize` knows as selectors.
const PROVIDERS: &[&str] = &[
    "AppleOAuth",
    "BitbucketOAuth",
    "GitHubOAuth",
    "GitLabOAuth",
    "GoogleOAuth",
    "IntuitOAuth",
    "LinkedInOAuth",
    "MicrosoftOAuth",
    "SalesforceOAuth",
    "SlackOAuth",
    "VercelMarketplaceOAuth",
    "VercelOAuth",
    "XeroOAuth",
];

impl ConnectionType {
    /// Reads the word, in the spelling of objects or of list filters (`GithubOAuth`).
    pub fn parse(word: &str) -> Option<Self> {
        let word = if word == "GithubOAuth" { "GitHubOAuth" } else { word };
        ALL.iter().find(|known| **known == word).map(|known| Self(known))
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The kind of OpenID Connect connection that it is, if it is one that works here.
    pub fn oidc_kind(self) -> Option<oidc::Kind> {
        match self.0 {
            "OktaOIDC" => Some(oidc::Kind::OktaOidc),
            "GenericOIDC" => Some(oidc::Kind::GenericOidc),
            "EntraIdOIDC" => Some(oidc::Kind::EntraIdOidc),
            "GoogleOIDC" => Some(oidc::Kind::GoogleOidc),
            _ => None,
        }
    }

    /// Whether the word is a provider by which a connection can be selected.
    pub fn is_provider(word: &str) -> bool {
        PROVIDERS.contains(&word)
    }
}

impl PartialSchema for ConnectionType {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(ALL.iter().copied()))
            .description(Some("OktaOIDC, EntraIdOIDC, GoogleOIDC and GenericOIDC work here."))
            .into()
    }
}

impl ToSchema for ConnectionType {}

impl Serialize for ConnectionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_53_types_are_known_and_four_work() {
        assert_eq!(ALL.len(), 53);
        assert_eq!(ALL.iter().filter(|word| ConnectionType(word).oidc_kind().is_some()).count(), 4);
        assert_eq!(ConnectionType::parse("GithubOAuth"), ConnectionType::parse("GitHubOAuth"));
        assert_eq!(ConnectionType::parse("oktaoidc"), None);
    }
}
