//! What can stand in a manifest: the shape of the file, member by member.
//!
//! A member that is `None` is not in the file, and what it stands for is left alone. Of a member that
//! can be taken away, `Some(None)` is `null`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::secret::SecretFrom;
use crate::base::id::{
    ConnectionId, EnvironmentId, OrganizationDomainId, OrganizationId, ProfileId, WebhookEndpointId,
};
use crate::model::connection::Policy;
use crate::model::environment::{Kind, Settings};
use crate::model::webhook_endpoint::Status;

/// The only version of the shape there is.
pub const VERSION: u32 = 1;

/// A whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the shape: 1.
    pub version: u32,
    /// The environments; others are left alone.
    pub environments: Vec<Environment>,
}

/// An environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// What people call it. Without an id, it is found by this.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its id.
    #[serde(default, deserialize_with = "given_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<EnvironmentId>,
    /// The client id of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What it is for; cannot be changed. A new one is `production`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What can be chosen, complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<EnvironmentSettings>,
    /// Where logins may end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uris: Option<Vec<RedirectUri>>,
    /// What roles may allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<Permission>>,
    /// The roles, the most important first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// Where the application is told of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_endpoints: Option<Vec<WebhookEndpoint>>,
    /// The organizations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organizations: Option<Vec<Organization>>,
}

impl Environment {
    /// Whether somebody who says this means it: its id, its client id or its name.
    pub fn is(&self, word: &str) -> bool {
        self.id.as_ref().is_some_and(|id| id.as_str() == word)
            || self.client_id.as_deref() == Some(word)
            || self.name == word
    }
}

/// What can be chosen for an environment; what is absent has its default. The members are those of
/// [`Settings`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct EnvironmentSettings(pub Settings);

impl<'de> Deserialize<'de> for EnvironmentSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SettingsReader)
    }
}

/// Refuses unknown settings: the stored ones may have members that this version does not know.
struct SettingsReader;

impl<'de> Visitor<'de> for SettingsReader {
    type Value = EnvironmentSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EnvironmentSettings, A::Error> {
        let known = serde_json::to_value(Settings::default()).map_err(A::Error::custom)?;
        let known: Vec<&str> =
            known.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if !known.contains(&name.as_str()) {
                let known = known.join("`, `");
                let message = format!("unknown field `{name}`, expected one of `{known}`");
                return Err(A::Error::custom(message));
            }
            let mut value: Value = map.next_value()?;
            if name.ends_with("_url")
                && let Some(url) = value.as_str().and_then(|text| url::Url::parse(text).ok())
            {
                // As it is stored, so that the two can be compared.
                value = String::from(url).into();
            }
            members.insert(name, value);
        }
        serde_json::from_value(Value::Object(members))
            .map(EnvironmentSettings)
            .map_err(A::Error::custom)
    }
}

/// A redirect URI.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectUri {
    /// The URI, compared byte for byte.
    #[serde(deserialize_with = "text")]
    pub uri: String,
    /// Whether it is used where a request names none; of one at the most.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
}

/// A permission.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The word that the application knows it by.
    #[serde(deserialize_with = "text")]
    pub slug: String,
    /// What people call it.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// What it allows.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
}

/// A role of the environment, or of an organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// The word that the application knows it by.
    #[serde(deserialize_with = "text")]
    pub slug: String,
    /// What people call it.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// What it is for.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub description: Option<Option<String>>,
    /// Whether people without a matching group get it; of one of the environment's at the most.
    #[serde(default, skip_serializing_if = "is_false")]
    pub default: bool,
    /// The slugs of its permissions, complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
}

/// A webhook endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookEndpoint {
    /// Where deliveries go. Without an id, it is found by this.
    #[serde(deserialize_with = "text")]
    pub endpoint_url: String,
    /// Its id.
    #[serde(default, deserialize_with = "given_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<WebhookEndpointId>,
    /// The names of the events it wants.
    pub events: Vec<String>,
    /// Whether anything is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What signs its deliveries. Without it, a new endpoint has a new secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFrom>,
}

/// An organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organization {
    /// What people call it. Without an id and an external id, it is found by this.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its id.
    #[serde(default, deserialize_with = "given_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<OrganizationId>,
    /// The application's own id for it. Without an id, it is found by this.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Option<String>>,
    /// Its id at Stripe.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub stripe_customer_id: Option<Option<String>>,
    /// Whether people outside of its domains may sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_profiles_outside_organization: Option<bool>,
    /// What the application keeps with it, complete.
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<BTreeMap<String, String>>,
    /// The slug of its default role, where it is another than the environment's.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub default_role: Option<Option<String>>,
    /// Its domains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domains: Option<Vec<Domain>>,
    /// Its own roles, the most important first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// Its connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Vec<Connection>>,
}

/// A domain of an organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The domain.
    #[serde(deserialize_with = "text")]
    pub domain: String,
    /// Its id.
    #[serde(default, deserialize_with = "given_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<OrganizationDomainId>,
    /// Whether you vouch for it.
    #[serde(default)]
    pub state: DomainState,
}

/// Whether a domain is vouched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainState {
    /// It is to be proved by DNS; one that is verified already stays so.
    #[default]
    Pending,
    /// Whoever applies the file vouches for it.
    Verified,
}

/// A connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// What people call it. Without an id and an external key, it is found by this.
    #[serde(deserialize_with = "text")]
    pub name: String,
    /// Its id.
    #[serde(default, deserialize_with = "given_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<ConnectionId>,
    /// The part of its callback path that tells it from others; cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<String>,
    /// Its type, such as `OktaOIDC`; cannot be changed.
    #[serde(rename = "type", deserialize_with = "text")]
    pub connection_type: String,
    /// Whether people can sign in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ConnectionState>,
    /// How the identity provider is spoken to, complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<super::oidc::Oidc>,
    /// What is done with the claims, complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Groups of the identity provider and the roles they give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// People who signed in elsewhere before, so that their profiles keep their ids. Never exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<Profile>>,
}

/// Whether people can sign in by a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// They can.
    Active,
    /// It is switched off.
    Inactive,
}

/// A group of the identity provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The group as the identity provider names it.
    #[serde(deserialize_with = "text")]
    pub idp_id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// The slug of the role of its members.
    #[serde(deserialize_with = "text")]
    pub role: String,
}

/// Somebody who signed in elsewhere before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The id of their profile.
    #[serde(deserialize_with = "id")]
    pub id: ProfileId,
    /// The identity provider's `sub`.
    #[serde(deserialize_with = "text")]
    pub idp_id: String,
    /// Their e-mail address.
    #[serde(deserialize_with = "text")]
    pub email: String,
}

/// Tells `null` from a member that is not there.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Reads a text that has to be there. YAML has `null` and `~` for nothing, which would be read as these
/// words.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }

        fn visit_none<E: Error>(self) -> Result<String, E> {
            Err(E::custom("a text is needed here, and there is null"))
        }

        fn visit_unit<E: Error>(self) -> Result<String, E> {
            self.visit_none()
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
            String::deserialize(deserializer)
        }
    }

    deserializer.deserialize_option(Reader)
}

/// Reads texts by name; what is `null` is not there.
fn texts<'de, D>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error>
where
    D: Deserializer<'de>,
{
    let all = Option::<BTreeMap<String, Option<String>>>::deserialize(deserializer)?;
    Ok(all.map(|all| all.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()))
}

/// Reads an id. It is judged while it is read, so that a refusal has its own place in the file.
fn id<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    struct Reader<T>(PhantomData<T>);

    impl<T: FromStr> Visitor<'_> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an id")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(|_| E::custom(format!("`{text}` is no id of this kind")))
        }
    }

    deserializer.deserialize_str(Reader(PhantomData))
}

fn given_id<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
{
    id(deserializer).map(Some)
}

fn is_false(value: &bool) -> bool {
    !*value
}
