//! A WorkOS account, read by its REST API with an API key of one environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Import, Report, SECRETS, short};
use crate::base::id::{ConnectionId, OrganizationDomainId, OrganizationId, WebhookEndpointId};
use crate::base::redirect_uri::check_registration;
use crate::base::secret::Secret;
use crate::base::{Error, Result};
use crate::manifest::document::{
    Connection, Domain, DomainState, Environment, Manifest, Organization, Permission, RedirectUri,
    Role, VERSION, WebhookEndpoint,
};
use crate::manifest::secret::SecretFrom;
use crate::model::connection::ConnectionType;
use crate::model::environment::Kind;
use crate::model::webhook_endpoint::Status;
use crate::model::{event_name, organization_domain};
use crate::outbound::{Outbound, Request};

/// How much one answer may have, in bytes.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// How often a request is sent at the most, where it is answered that there are too many.
const TRIES: u32 = 6;
/// The longest wait between two of them, in seconds.
const MAX_WAIT_S: u64 = 60;

/// The account to read.
#[derive(Debug)]
pub struct WorkOs {
    /// Where its API is.
    pub base_url: Url,
    /// An API key of the environment.
    pub api_key: Secret,
    /// What the environment is to be called here.
    pub name: String,
    /// The client id of the environment, which the API does not tell.
    pub client_id: Option<String>,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    list_metadata: Option<Cursors>,
}

#[derive(Deserialize)]
struct Cursors {
    after: Option<String>,
}

#[derive(Deserialize)]
struct TheirOrganization {
    id: OrganizationId,
    name: String,
    #[serde(default)]
    domains: Vec<TheirDomain>,
    metadata: Option<BTreeMap<String, String>>,
    external_id: Option<String>,
    stripe_customer_id: Option<String>,
    allow_profiles_outside_organization: Option<bool>,
}

#[derive(Deserialize)]
struct TheirDomain {
    id: OrganizationDomainId,
    domain: String,
    state: Option<String>,
}

#[derive(Deserialize)]
struct TheirConnection {
    id: ConnectionId,
    organization_id: Option<OrganizationId>,
    connection_type: String,
    name: String,
    state: Option<String>,
    /// WorkOS shows it in events only; Vestibule here as well.
    external_key: Option<String>,
}

#[derive(Deserialize)]
struct TheirRole {
    slug: String,
    name: String,
    description: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    permissions: Vec<String>,
    #[serde(default)]
    is_default: bool,
}

#[derive(Deserialize)]
struct TheirPermission {
    slug: String,
    name: String,
    description: Option<String>,
    #[serde(default)]
    system: bool,
}

#[derive(Deserialize)]
struct TheirRedirectUri {
    uri: String,
    #[serde(default)]
    default: bool,
}

#[derive(Deserialize)]
struct TheirWebhookEndpoint {
    id: WebhookEndpointId,
    endpoint_url: String,
    secret: Option<String>,
    status: Option<Status>,
    events: Vec<String>,
}

#[derive(Deserialize)]
struct TheirEvent {
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    id: Option<String>,
    external_key: Option<String>,
}

/// Reads an account and makes a manifest of it. Ids stay as they are.
///
/// # Errors
///
/// [`Error::Invalid`] if the API refuses the key, or answers what cannot be read;
/// [`Error::Unavailable`] if it does not answer.
pub async fn from_workos(outbound: &Outbound, account: &WorkOs) -> Result<Import> {
    let source = format!("WorkOS ({})", account.base_url);
    let mut reading = Reading {
        outbound,
        account,
        secrets: BTreeMap::new(),
        permission_slugs: Vec::new(),
        report: Report { source, ..Report::default() },
    };
    reading.report.general.extend(GENERAL.iter().map(|sentence| (*sentence).to_owned()));
    let kind = match account.api_key.expose().starts_with("sk_test_") {
        true => Kind::Sandbox,
        false => Kind::Production,
    };
    let organizations: Vec<TheirOrganization> = reading.pages("organizations", &[]).await?;
    let connections: Vec<TheirConnection> = reading.pages("connections", &[]).await?;
    let keys = reading.external_keys().await?;
    let permissions = reading.permissions().await?;
    let roles = reading.roles("authorization/roles").await?;
    let redirect_uris = reading.redirect_uris(kind).await?;
    let webhook_endpoints = reading.webhook_endpoints().await?;
    let count = |what: &str, n: usize| format!("{n} {what}");
    reading.report.read = vec![
        count("organizations", organizations.len()),
        count("connections", connections.len()),
        count("roles", roles.as_ref().map_or(0, Vec::len)),
        count("permissions", permissions.as_ref().map_or(0, Vec::len)),
        count("redirect URIs", redirect_uris.as_ref().map_or(0, Vec::len)),
        count("webhook endpoints", webhook_endpoints.as_ref().map_or(0, Vec::len)),
    ];
    let organizations = reading.organizations(organizations, (connections, &keys)).await?;
    let environment = Environment {
        name: account.name.clone(),
        id: None,
        client_id: account.client_id.clone(),
        kind: Some(kind),
        settings: None,
        redirect_uris,
        permissions,
        roles,
        webhook_endpoints,
        organizations: Some(organizations),
    };
    Ok(Import {
        manifest: Manifest { version: VERSION, environments: vec![environment] },
        secrets: reading.secrets,
        report: reading.report,
    })
}

/// What WorkOS's API does not give, for everybody.
const GENERAL: &[&str] = &[
    "The API gives no client IDs, client secrets and discovery endpoints of connections: the \
     connections are drafts until each customer has entered theirs by a setup link.",
    "The API gives no groups of identity providers and the roles they give: add `groups` to the \
     connections.",
    "The API does not list profiles. If the application has their ids, add `profiles` (id, idp_id, \
     email) to the connections: then they keep their ids.",
    "API keys are not taken over: `vestibule api-key create` makes one.",
];

struct Reading<'a> {
    outbound: &'a Outbound,
    account: &'a WorkOs,
    secrets: BTreeMap<PathBuf, Secret>,
    /// The slugs of the permissions that are taken over: WorkOS's own are not.
    permission_slugs: Vec<String>,
    report: Report,
}

impl Reading<'_> {
    /// All pages of a list.
    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        params: &[(&str, &str)],
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut url = self.url(path)?;
            url.query_pairs_mut().extend_pairs(params).extend_pairs([("limit", "100")]);
            url.query_pairs_mut().append_pair("order", "asc");
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let list: List<T> = self.get(path, url).await?;
            all.extend(list.data);
            let next = list.list_metadata.and_then(|cursors| cursors.after);
            match next {
                Some(next) if after.as_ref() != Some(&next) => after = Some(next),
                _ => return Ok(all),
            }
        }
    }

    fn url(&self, path: &str) -> Result<Url> {
        self.account.base_url.join(path).map_err(Error::internal)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, url: Url) -> Result<T> {
        let mut request = Request::get(url, MAX_ANSWER);
        let bearer = format!("Bearer {}", self.account.api_key.expose());
        let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| {
            Error::invalid("invalid_api_key", "api_key_file", "The API key is malformed.")
        })?;
        bearer.set_sensitive(true);
        request.headers.insert(http::header::AUTHORIZATION, bearer);
        let mut tries = 1;
        let answer = loop {
            let answer = self.outbound.send(request.clone()).await;
            let answer = answer
                .map_err(|error| Error::unavailable(format!("/{path} does not answer: {error}")))?;
            if answer.status != StatusCode::TOO_MANY_REQUESTS || tries == TRIES {
                break answer;
            }
            let after = answer.headers.get(http::header::RETRY_AFTER);
            let after = after.and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(1);
            tokio::time::sleep(Duration::from_secs(after.clamp(1, MAX_WAIT_S))).await;
            tries += 1;
        };
        if answer.status != StatusCode::OK {
            let message = format!("/{path} answers {}.", answer.status);
            let code = match answer.status {
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => NOT_OFFERED,
                _ => "import_refused",
            };
            return Err(Error::invalid(code, "base_url", message));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            let message = format!("What /{path} answers cannot be read: {error}.");
            Error::invalid("import_unreadable", "base_url", message)
        })
    }

    /// A list that not every account has: `None` where the API refuses or does not know it.
    fn optional<T>(&mut self, what: &str, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Error::Invalid { code: NOT_OFFERED, message, .. }) => {
                self.report.general.push(format!("The {what} could not be read: {message}"));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The external keys that events tell, by connection.
    async fn external_keys(&mut self) -> Result<BTreeMap<String, String>> {
        let names = "connection.activated,connection.deactivated";
        let events = self.pages::<TheirEvent>("events", &[("events", names)]).await;
        let events = self.optional("events", events)?.unwrap_or_default();
        let pairs = events.into_iter().filter_map(|it| it.data.id.zip(it.data.external_key));
        Ok(pairs.collect())
    }

    async fn permissions(&mut self) -> Result<Option<Vec<Permission>>> {
        let read = self.pages::<TheirPermission>("authorization/permissions", &[]).await;
        let read = self.optional("permissions", read)?;
        let made = |it: TheirPermission| Permission {
            slug: it.slug,
            name: short(&it.name, 48),
            description: Some(it.description),
        };
        let own = |read: Vec<TheirPermission>| read.into_iter().filter(|it| !it.system).map(made);
        let made: Option<Vec<Permission>> = read.map(|read| own(read).collect());
        self.permission_slugs = made.iter().flatten().map(|it| it.slug.clone()).collect();
        Ok(made)
    }

    /// The roles at a path, without those of another level.
    async fn roles(&mut self, path: &str) -> Result<Option<Vec<Role>>> {
        let url = self.url(path)?;
        let read = self.get::<List<TheirRole>>(path, url).await;
        let Some(read) = self.optional("roles", read)? else { return Ok(None) };
        let wanted = match path.contains("organizations") {
            true => "OrganizationRole",
            false => "EnvironmentRole",
        };
        let roles =
            read.data.into_iter().filter(|it| it.kind.as_deref().is_none_or(|it| it == wanted));
        let made = |it: TheirRole| Role {
            slug: it.slug,
            name: short(&it.name, 48),
            description: Some(it.description),
            default: it.is_default && wanted == "EnvironmentRole",
            permissions: Some(
                it.permissions
                    .into_iter()
                    .filter(|slug| self.permission_slugs.contains(slug))
                    .collect(),
            ),
        };
        Ok(Some(roles.map(made).collect()))
    }

    async fn redirect_uris(&mut self, kind: Kind) -> Result<Option<Vec<RedirectUri>>> {
        let read = self.pages::<TheirRedirectUri>("user_management/redirect_uris", &[]).await;
        let Some(read) = self.optional("redirect URIs", read)? else { return Ok(None) };
        let mut made = Vec::new();
        for TheirRedirectUri { uri, default } in read {
            match check_registration(&uri, kind.redirect_rules()) {
                Ok(()) => made.push(RedirectUri { uri, default }),
                Err(error) => {
                    let sentence = format!("The redirect URI {uri} cannot be taken over: {error}");
                    self.report.general.push(sentence);
                }
            }
        }
        Ok(Some(made))
    }

    async fn webhook_endpoints(&mut self) -> Result<Option<Vec<WebhookEndpoint>>> {
        let read = self.pages::<TheirWebhookEndpoint>("webhook_endpoints", &[]).await;
        let Some(read) = self.optional("webhook endpoints", read)? else { return Ok(None) };
        let mut made = Vec::new();
        for it in read {
            let (known, unknown): (Vec<String>, Vec<String>) =
                it.events.into_iter().partition(|name| event_name::is_known(name));
            let url = it.endpoint_url;
            if !unknown.is_empty() {
                let names = unknown.join(", ");
                let sentence = format!("The webhook endpoint {url} wants unknown events: {names}.");
                self.report.general.push(sentence);
            }
            if known.is_empty() {
                continue;
            }
            let secret = it.secret.map(|secret| {
                let path = PathBuf::from(SECRETS).join(it.id.as_str());
                self.secrets.insert(path.clone(), Secret::new(secret));
                SecretFrom::File(path)
            });
            let (endpoint_url, id) = (url, Some(it.id));
            made.push(WebhookEndpoint {
                endpoint_url,
                id,
                events: known,
                status: it.status,
                secret,
            });
        }
        Ok(Some(made))
    }

    async fn organizations(
        &mut self,
        theirs: Vec<TheirOrganization>,
        (connections, keys): (Vec<TheirConnection>, &BTreeMap<String, String>),
    ) -> Result<Vec<Organization>> {
        let mut by_organization: BTreeMap<OrganizationId, Vec<TheirConnection>> = BTreeMap::new();
        for connection in connections {
            match connection.organization_id.clone() {
                Some(id) => by_organization.entry(id).or_default().push(connection),
                None => self.report.general.push(format!(
                    "The connection {} ({}) belongs to no organization: left out.",
                    connection.name, connection.id
                )),
            }
        }
        // A domain may be verified in several of WorkOS's organizations, and in one here.
        let mut owners = BTreeMap::new();
        let mut made = Vec::new();
        for it in theirs {
            let title = format!("{} ({})", it.name, it.id);
            let path = format!("authorization/organizations/{}/roles", it.id);
            let roles = self.roles(&path).await?;
            let domains = self.domains(&title, it.domains, &mut owners);
            let list = by_organization.remove(&it.id).unwrap_or_default();
            let connections = self.connections(&title, list, keys);
            made.push(Organization {
                name: short(&it.name, 200),
                id: Some(it.id),
                external_id: Some(it.external_id),
                stripe_customer_id: Some(it.stripe_customer_id),
                allow_profiles_outside_organization: it.allow_profiles_outside_organization,
                metadata: it.metadata,
                default_role: None,
                domains: Some(domains),
                roles,
                connections: Some(connections),
            });
        }
        Ok(made)
    }

    fn domains(
        &mut self,
        title: &str,
        theirs: Vec<TheirDomain>,
        owners: &mut BTreeMap<String, String>,
    ) -> Vec<Domain> {
        let mut made: Vec<Domain> = Vec::new();
        for it in theirs {
            let domain = match organization_domain::normalize(&it.domain) {
                Ok(domain) => domain,
                Err(error) => {
                    self.report.about(title, format!("The domain {}: {error}", it.domain));
                    continue;
                }
            };
            let verified = matches!(it.state.as_deref(), Some("verified" | "legacy_verified"));
            let owner = verified.then(|| owners.get(&domain).cloned()).flatten();
            if let Some(owner) = owner {
                let sentence = format!("The domain {domain} is verified by {owner}: left out.");
                self.report.about(title, sentence);
                continue;
            }
            if made.iter().any(|known| known.domain == domain) {
                continue;
            }
            let mut state = DomainState::Pending;
            if verified {
                owners.insert(domain.clone(), title.to_owned());
                state = DomainState::Verified;
            }
            made.push(Domain { domain, id: Some(it.id), state });
        }
        made
    }

    fn connections(
        &mut self,
        title: &str,
        theirs: Vec<TheirConnection>,
        keys: &BTreeMap<String, String>,
    ) -> Vec<Connection> {
        let mut made = Vec::new();
        for it in theirs {
            let state = it.state.as_deref().unwrap_or("unknown");
            let what = format!("{} ({}, {}, {state})", it.name, it.id, it.connection_type);
            let works_here = ConnectionType::parse(&it.connection_type)
                .is_some_and(|kind| kind.oidc_kind().is_some());
            if !works_here {
                let sentence =
                    format!("{what}: connections of this type are not served: left out.");
                self.report.about(title, sentence);
                continue;
            }
            let external_key = it.external_key.or_else(|| keys.get(it.id.as_str()).cloned());
            let redirect_uri = match &external_key {
                Some(_) => "the path of its redirect URI stays",
                None => "its redirect URI is new, since the API does not tell the old one",
            };
            let sentence = format!(
                "{what}: client ID, client secret and discovery endpoint are missing; {redirect_uri}."
            );
            self.report.about(title, sentence);
            made.push(Connection {
                name: short(&it.name, 100),
                id: Some(it.id),
                external_key,
                connection_type: it.connection_type,
                state: None,
                oidc: None,
                policy: None,
                groups: None,
                profiles: None,
            });
        }
        made
    }
}

/// That the API refuses or does not know a list.
const NOT_OFFERED: &str = "import_not_offered";
