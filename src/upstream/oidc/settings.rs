//! How an OpenID Connect connection is set up.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::outbound::is_ca_pem;

use super::algorithm::Algorithm;
use super::authorization::is_scope_token;

/// The difference between two clocks that is forgiven unless the connection says otherwise, in
/// seconds.
pub const DEFAULT_LEEWAY_S: u32 = 60;
/// The most that a connection may forgive, in seconds (Okta's own libraries forgive as much).
pub const MAX_LEEWAY_S: u32 = 300;
/// How long before the sign-in an ID token may have been issued, in seconds: Entra dates its
/// tokens back by five minutes.
pub const DEFAULT_MAX_IAT_AGE_S: u32 = 600;

/// Names of a profile that a custom attribute may not have.
const RESERVED_ATTRIBUTES: &[&str] = &[
    "id",
    "object",
    "idp_id",
    "connection_id",
    "connection_type",
    "organization_id",
    "email",
    "first_name",
    "last_name",
    "name",
    "role",
    "roles",
    "groups",
    "raw_attributes",
    "custom_attributes",
];

/// The kinds of OpenID Connect connections; the words are WorkOS's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Okta.
    #[serde(rename = "OktaOIDC")]
    OktaOidc,
    /// Any identity provider that keeps to the standard.
    #[default]
    #[serde(rename = "GenericOIDC")]
    GenericOidc,
    /// Microsoft Entra ID.
    #[serde(rename = "EntraIdOIDC")]
    EntraIdOidc,
    /// Google Workspace.
    #[serde(rename = "GoogleOIDC")]
    GoogleOidc,
}

impl Kind {
    /// Whether client secrets may end by themselves one day. Okta's do not: they are good until
    /// somebody deactivates them. Of all others it is not known.
    pub const fn client_secrets_end(self) -> bool {
        !matches!(self, Self::OktaOidc)
    }
}

/// How we prove to the token endpoint who we are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// What the metadata offer: Basic where they are silent or list it, else in the body.
    #[default]
    Auto,
    /// In the `Authorization` header.
    ClientSecretBasic,
    /// In the body.
    ClientSecretPost,
}

/// Which algorithm ID tokens must be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningAlgorithm {
    /// What the metadata offer: RS256 where they list it, else the first that is accepted.
    Auto,
    /// This one.
    #[serde(untagged)]
    Pinned(Algorithm),
}

impl Default for SigningAlgorithm {
    fn default() -> Self {
        Self::Pinned(Algorithm::Rs256)
    }
}

/// Whether the scope `groups` is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupsScope {
    /// Where the metadata list it: elsewhere Okta refuses the whole sign-in (`invalid_scope`).
    #[default]
    IfSupported,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What becomes of a sign-in when the userinfo endpoint fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserinfoPolicy {
    /// It fails if the ID token has no e-mail address, else it goes on with a warning.
    #[default]
    Auto,
    /// It fails.
    Required,
    /// It goes on with a warning.
    Optional,
    /// The endpoint is never called.
    Off,
}

/// Which claims the members of a profile come from: a name, or a path such as `a.b`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttributeMapping {
    /// The e-mail address.
    pub email: String,
    /// The given name.
    pub first_name: String,
    /// The family name.
    pub last_name: String,
    /// The whole name.
    pub name: String,
}

impl Default for AttributeMapping {
    fn default() -> Self {
        Self {
            email: "email".to_owned(),
            first_name: "given_name".to_owned(),
            last_name: "family_name".to_owned(),
            name: "name".to_owned(),
        }
    }
}

/// An OpenID Connect connection, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The connection: what is fetched is kept under it and never shared with another.
    pub connection_id: String,
    /// The kind of identity provider.
    pub kind: Kind,
    /// Our client id at the identity provider.
    pub client_id: String,
    /// Where its metadata are, in full.
    pub discovery_endpoint: String,
    /// Its issuer, byte for byte: pinned when the connection was saved.
    pub issuer: String,
    /// The scopes asked for.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// Whether `groups` is one of them.
    #[serde(default)]
    pub groups_scope: GroupsScope,
    /// When the client secret expires, if the administrator says so: nothing else tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<Timestamp>,
    /// How we prove who we are.
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// Whether PKCE is used (S256). On even where the metadata do not mention it: who does not
    /// know it must ignore it (RFC 6749 section 3.1).
    #[serde(default = "yes")]
    pub pkce: bool,
    /// What ID tokens are signed with.
    #[serde(default)]
    pub signing_algorithm: SigningAlgorithm,
    /// The difference between the clocks that is forgiven, in seconds.
    #[serde(default = "default_leeway_s")]
    pub leeway_s: u32,
    /// How long before the sign-in an ID token may have been issued, in seconds.
    #[serde(default = "default_max_iat_age_s")]
    pub max_iat_age_s: u32,
    /// What becomes of a sign-in when userinfo fails.
    #[serde(default)]
    pub userinfo: UserinfoPolicy,
    /// The claims of the profile.
    #[serde(default)]
    pub attributes: AttributeMapping,
    /// Custom attributes: their names, and the claims they come from.
    #[serde(default)]
    pub custom_attributes: BTreeMap<String, String>,
    /// The claim with the groups: a name, or a path such as `realm_access.roles`.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// What separates groups that come as one text; `None` takes the text for one group.
    #[serde(default)]
    pub groups_delimiter: Option<String>,
    /// Audiences besides ourselves that ID tokens may have.
    #[serde(default)]
    pub trusted_audiences: Vec<String>,
    /// The authentication contexts of which one must be reached; empty for no such rule.
    #[serde(default)]
    pub required_acr: Vec<String>,
    /// Whether a fresh sign-in that was asked for is believed without `auth_time`.
    #[serde(default)]
    pub auth_time_optional: bool,
    /// Certification authorities trusted for this connection besides everybody's, as PEM.
    #[serde(default)]
    pub extra_ca: Option<String>,
}

impl Settings {
    /// The settings of a connection that leaves everything at its default.
    pub fn new(
        connection_id: &str,
        client_id: &str,
        discovery_endpoint: &str,
        issuer: &str,
    ) -> Self {
        Self {
            connection_id: connection_id.to_owned(),
            kind: Kind::default(),
            client_id: client_id.to_owned(),
            discovery_endpoint: discovery_endpoint.to_owned(),
            issuer: issuer.to_owned(),
            scopes: default_scopes(),
            groups_scope: GroupsScope::default(),
            client_secret_expires_at: None,
            client_authentication: ClientAuthentication::default(),
            pkce: true,
            signing_algorithm: SigningAlgorithm::default(),
            leeway_s: DEFAULT_LEEWAY_S,
            max_iat_age_s: DEFAULT_MAX_IAT_AGE_S,
            userinfo: UserinfoPolicy::default(),
            attributes: AttributeMapping::default(),
            custom_attributes: BTreeMap::new(),
            groups_claim: default_groups_claim(),
            groups_delimiter: None,
            trusted_audiences: Vec::new(),
            required_acr: Vec::new(),
            auth_time_optional: false,
            extra_ca: None,
        }
    }

    /// Checks what can be checked without asking the identity provider. Called when a connection
    /// is saved.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with the member that breaks a rule.
    pub fn check(&self) -> Result<()> {
        let invalid =
            |field, message: &str| Err(Error::invalid("invalid_settings", field, message));
        if self.client_id.is_empty() || self.client_id.len() > 512 || has_control(&self.client_id) {
            return invalid("client_id", "The client ID is empty or malformed.");
        }
        if !self.scopes.iter().all(|scope| is_scope_token(scope)) {
            return invalid("scopes", "A scope may not contain spaces or quotation marks.");
        }
        if self.leeway_s > MAX_LEEWAY_S {
            return invalid("leeway_s", "At most 300 seconds may be forgiven.");
        }
        if self.max_iat_age_s > 86_400 {
            return invalid("max_iat_age_s", "An ID token may be at most a day old.");
        }
        let AttributeMapping { email, first_name, last_name, name } = &self.attributes;
        for claim in [email, first_name, last_name, name, &self.groups_claim] {
            if !is_claim_path(claim) {
                return invalid("attributes", "The name of a claim is empty or malformed.");
            }
        }
        if self.groups_delimiter.as_deref().is_some_and(|text| text.is_empty() || text.len() > 8) {
            return invalid("groups_delimiter", "The delimiter must have 1 to 8 bytes.");
        }
        for (name, claim) in &self.custom_attributes {
            if name.is_empty() || name.len() > 128 || has_control(name) || !is_claim_path(claim) {
                return invalid("custom_attributes", "A name is empty or malformed.");
            }
            if RESERVED_ATTRIBUTES.contains(&name.as_str()) {
                return invalid("custom_attributes", "This name is a member of every profile.");
            }
        }
        if self.extra_ca.as_deref().is_some_and(|pem| !is_ca_pem(pem)) {
            return invalid("extra_ca", "This is not a PEM certificate.");
        }
        Ok(())
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn is_claim_path(path: &str) -> bool {
    !path.is_empty() && path.len() <= 256 && !has_control(path)
}

const fn yes() -> bool {
    true
}

const fn default_leeway_s() -> u32 {
    DEFAULT_LEEWAY_S
}

const fn default_max_iat_age_s() -> u32 {
    DEFAULT_MAX_IAT_AGE_S
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}
