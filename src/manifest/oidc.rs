//! The block `oidc` of a connection in a manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::{nullable, text};
use super::secret::SecretFrom;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::upstream::oidc;
use oidc::{AttributeMapping, ClientAuthentication, GroupsScope, SigningAlgorithm, UserinfoPolicy};

/// How the identity provider of a connection is spoken to. What is absent has its default, except
/// for what is found out (`issuer`, `signing_algorithm`) and what belongs to a secret: that is left
/// alone. The members are those of [`oidc::Settings`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each is described where it is from")]
pub struct Oidc {
    #[serde(deserialize_with = "text")]
    pub client_id: String,
    /// Our client secret at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretFrom>,
    /// The secret that will follow it; `null` empties the slot.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub next_client_secret: Option<Option<SecretFrom>>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<Option<Timestamp>>,
    /// A tenant's domain, an issuer or a discovery endpoint.
    #[serde(deserialize_with = "text")]
    pub discovery_endpoint: String,
    /// The issuer that has to be found there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<SigningAlgorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_scope: Option<GroupsScope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<ClientAuthentication>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkce: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leeway_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_iat_age_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo: Option<UserinfoPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<AttributeMapping>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_attributes: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_claim: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups_delimiter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_audiences: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_acr: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time_optional: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_ca: Option<String>,
}

/// Members of the settings that have a place of their own here, or are found out.
const NOT_COMPARED: &[&str] = &[
    "connection_id",
    "kind",
    "client_id",
    "discovery_endpoint",
    "issuer",
    "signing_algorithm",
    "client_secret_expires_at",
];
/// Members of [`Oidc`] that are none of the settings, or are compared in a way of their own.
const OURS: &[&str] =
    &["client_id", "client_secret", "next_client_secret", "discovery_endpoint", "issuer"];

impl Oidc {
    /// A block with nothing but what it must have.
    pub fn new(client_id: &str, discovery_endpoint: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: None,
            next_client_secret: None,
            client_secret_expires_at: None,
            discovery_endpoint: discovery_endpoint.to_owned(),
            issuer: None,
            signing_algorithm: None,
            scopes: None,
            groups_scope: None,
            client_authentication: None,
            pkce: None,
            leeway_s: None,
            max_iat_age_s: None,
            userinfo: None,
            attributes: None,
            custom_attributes: None,
            groups_claim: None,
            groups_delimiter: None,
            trusted_audiences: None,
            required_acr: None,
            auth_time_optional: None,
            extra_ca: None,
        }
    }

    /// The block that says what the settings are: members that differ from their default.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the settings have a member that this block lacks.
    pub fn of(settings: &oidc::Settings) -> Result<Self> {
        let known = members(settings)?;
        let defaults = members(&oidc::Settings::new("", "", "", ""))?;
        let mut members = Map::new();
        for (name, value) in known {
            let wanted = match name.as_str() {
                "connection_id" | "kind" => false,
                "client_id" | "discovery_endpoint" | "issuer" | "client_secret_expires_at" => true,
                _ => defaults.get(&name) != Some(&value),
            };
            if wanted {
                members.insert(name, value);
            }
        }
        serde_json::from_value(Value::Object(members)).map_err(Error::internal)
    }

    /// What the settings are to be, without what is entered in another way.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if something cannot be written as JSON, which has no reason to happen.
    pub fn wanted(&self) -> Result<Map<String, Value>> {
        let mut wanted = members(&oidc::Settings::new("", "", "", ""))?;
        wanted.retain(|name, _| !NOT_COMPARED.contains(&name.as_str()));
        let bare = Self { client_secret: None, next_client_secret: None, ..self.clone() };
        let given = serde_json::to_value(bare).map_err(Error::internal)?;
        for (name, value) in given.as_object().into_iter().flatten() {
            if !OURS.contains(&name.as_str()) {
                wanted.insert(name.clone(), value.clone());
            }
        }
        Ok(wanted)
    }

    /// Whether what the file says of the discovery endpoint is what was found out before.
    pub fn names_same_provider(&self, known: &oidc::Settings) -> bool {
        let same_issuer = self.issuer.as_ref().is_none_or(|issuer| *issuer == known.issuer);
        let same_place = self.discovery_endpoint == known.discovery_endpoint
            || oidc::normalise(&self.discovery_endpoint).is_ok_and(|candidates| {
                candidates.urls.iter().any(|url| url.as_str() == known.discovery_endpoint)
            });
        same_issuer && same_place
    }
}

/// The members of settings as JSON.
pub(super) fn members(settings: &oidc::Settings) -> Result<Map<String, Value>> {
    match serde_json::to_value(settings).map_err(Error::internal)? {
        Value::Object(members) => Ok(members),
        _ => Err(Error::internal("settings that are no object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unusual() -> oidc::Settings {
        oidc::Settings {
            scopes: vec!["openid".to_owned(), "email".to_owned()],
            groups_scope: GroupsScope::Always,
            client_secret_expires_at: Timestamp::parse("2030-01-01T00:00:00.000Z"),
            client_authentication: ClientAuthentication::ClientSecretPost,
            pkce: false,
            signing_algorithm: SigningAlgorithm::Auto,
            leeway_s: 7,
            max_iat_age_s: 8,
            userinfo: UserinfoPolicy::Off,
            attributes: AttributeMapping { email: "upn".to_owned(), ..Default::default() },
            custom_attributes: BTreeMap::from([("a".to_owned(), "b.c".to_owned())]),
            groups_claim: "roles".to_owned(),
            groups_delimiter: Some(";".to_owned()),
            trusted_audiences: vec!["x".to_owned()],
            required_acr: vec!["mfa".to_owned()],
            auth_time_optional: true,
            extra_ca: Some("pem".to_owned()),
            ..oidc::Settings::new("conn_1", "client", "https://a/.well-known/x", "https://a")
        }
    }

    #[test]
    fn every_setting_has_a_place_in_the_file() {
        let settings = unusual();
        let block = Oidc::of(&settings).unwrap();
        let mut known = members(&settings).unwrap();
        known.retain(|name, _| !["connection_id", "kind"].contains(&name.as_str()));
        assert_eq!(members_of(&block), known);
        let mut wanted = block.wanted().unwrap();
        for name in ["client_id", "discovery_endpoint", "issuer"] {
            wanted.insert(name.to_owned(), known[name].clone());
        }
        assert_eq!(wanted, known);
    }

    fn members_of(block: &Oidc) -> Map<String, Value> {
        serde_json::to_value(block).unwrap().as_object().unwrap().clone()
    }

    #[test]
    fn what_is_usual_is_not_written_and_what_is_absent_is_usual() {
        let settings = oidc::Settings::new("conn_1", "client", "https://a/d", "https://a");
        let block = Oidc::of(&settings).unwrap();
        let names: Vec<String> = members_of(&block).keys().cloned().collect();
        assert_eq!(names, ["client_id", "discovery_endpoint", "issuer"]);
        let wanted = block.wanted().unwrap();
        assert_eq!(wanted["pkce"], true);
        assert_eq!(wanted["leeway_s"], 60);
        assert!(!wanted.contains_key("signing_algorithm") && !wanted.contains_key("issuer"));
    }

    #[test]
    fn a_tenant_may_be_named_in_short() {
        let issuer = "https://acme.okta.com";
        let found = format!("{issuer}/.well-known/openid-configuration");
        let known = oidc::Settings::new("conn_1", "client", &found, issuer);
        for (short, same) in [
            ("acme.okta.com", true),
            ("https://acme-admin.okta.com/admin", true),
            (found.as_str(), true),
            ("other.okta.com", false),
        ] {
            assert_eq!(Oidc::new("client", short).names_same_provider(&known), same, "{short}");
        }
        let pinned = Oidc { issuer: Some("https://x".to_owned()), ..Oidc::new("c", &found) };
        assert!(!pinned.names_same_provider(&known));
    }
}
