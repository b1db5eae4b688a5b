//! Ory Polis (formerly SAML Jackson): its connections, as `GET /api/v1/sso` answers them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::{Import, Report, SECRETS, short};
use crate::base::redirect_uri::{Rules, check_registration, has_wildcard};
use crate::base::secret::{Secret, random_alphanumeric};
use crate::base::{Error, Result};
use crate::manifest::Oidc;
use crate::manifest::document::{
    Connection, ConnectionState, Environment, Manifest, Organization, RedirectUri, VERSION,
};
use crate::manifest::secret::SecretFrom;
use crate::model::connection::{EmailDomains, Policy};
use crate::model::environment::Kind;

/// A connection of Polis, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    tenant: String,
    product: String,
    name: Option<String>,
    default_redirect_url: Option<String>,
    redirect_url: Option<OneOrMany>,
    deactivated: Option<bool>,
    oidc_provider: Option<Provider>,
    idp_metadata: Option<serde::de::IgnoredAny>,
}

/// What Polis knows of an OpenID Connect provider.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    provider: Option<String>,
    friendly_provider_name: Option<String>,
    discovery_url: Option<String>,
    metadata: Option<Metadata>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Metadata that were entered instead of a discovery endpoint.
#[derive(Deserialize)]
struct Metadata {
    issuer: Option<String>,
}

/// A list, or one; a list may be written as the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<String>),
    One(String),
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            Self::Many(list) => list,
            Self::One(text) => serde_json::from_str(&text).unwrap_or_else(|_| vec![text]),
        }
    }
}

/// Makes a manifest from the connections of Polis: a JSON list, or one connection.
///
/// A product becomes an environment, a tenant an organization with the tenant as its external id.
/// `base_url` is where Vestibule will be, for the redirect URIs in the report.
///
/// # Errors
///
/// [`Error::Invalid`] if the file is no such list.
pub fn from_polis(text: &str, base_url: &Url) -> Result<Import> {
    let records: Vec<Record> = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map(|record| vec![record]),
        false => serde_json::from_str(text),
    }
    // The message names what was expected and where, and repeats no value of a member with a secret.
    .map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        let message = format!("This is no list of Polis's connections: {place}.");
        Error::invalid("invalid_import", "file", message)
    })?;
    let mut import = Import {
        manifest: Manifest { version: VERSION, environments: Vec::new() },
        secrets: BTreeMap::new(),
        report: Report { source: "Ory Polis".to_owned(), ..Report::default() },
    };
    import.report.read.push(format!("{} connections", records.len()));
    import.report.general.extend(GENERAL.iter().map(|sentence| (*sentence).to_owned()));
    for record in records {
        add(&mut import, record, base_url);
    }
    Ok(import)
}

/// What is different after Polis, for everybody.
const GENERAL: &[&str] = &[
    "Each connection has a redirect URI of its own here (Polis has one for all). It has to be added \
     at each identity provider before the switch; the lists below name it.",
    "The application signs in with the client ID and an API key of the environment, and selects by \
     `organization` or `connection`, not by `tenant` and `product`. `vestibule environment list` and \
     `vestibule api-key create` show what it needs.",
    "Polis does not ask whether an e-mail address belongs to the tenant, so the connections have \
     `email_domains: any`. Add the organizations' domains, and take that out.",
    "Profiles have new ids; match people by the `idp_id` of their connection.",
];

fn add(import: &mut Import, record: Record, base_url: &Url) {
    let Import { manifest, secrets, report } = import;
    let environment = environment(manifest, &record.product);
    let title = format!("{} ({})", record.tenant, record.product);
    for uri in record.redirect_url.map(OneOrMany::list).unwrap_or_default() {
        redirect_uri(environment, (&uri, false), report);
    }
    if let Some(uri) = record.default_redirect_url {
        redirect_uri(environment, (&uri, true), report);
    }
    let organization = organization(environment, &record.tenant);
    let Some(provider) = record.oidc_provider else {
        let kind = if record.idp_metadata.is_some() { "a SAML" } else { "an unknown" };
        let name = record.name.unwrap_or_default();
        report.about(&title, format!("The connection “{name}” is {kind} connection: left out."));
        return;
    };
    let list = organization.connections.get_or_insert_default();
    let names = [record.name, provider.friendly_provider_name, provider.provider];
    let name = names.into_iter().flatten().find(|name| !name.trim().is_empty());
    let mut name = short(&name.unwrap_or_else(|| "OpenID Connect".to_owned()), 90);
    if list.iter().any(|other| other.name == name) {
        name = format!("{name} {}", list.len() + 1);
    }
    let external_key = random_alphanumeric(25);
    let place = provider.discovery_url.or(provider.metadata.and_then(|it| it.issuer));
    let oidc = match (provider.client_id, place) {
        (Some(client_id), Some(place)) => {
            let mut oidc = Oidc::new(&client_id, &place);
            if let Some(secret) = provider.client_secret.filter(|it| !it.is_empty()) {
                let path = PathBuf::from(SECRETS).join(&external_key);
                secrets.insert(path.clone(), Secret::new(secret));
                oidc.client_secret = Some(SecretFrom::File(path));
            }
            Some(oidc)
        }
        _ => {
            report.about(&title, format!("“{name}” has no client ID or discovery endpoint."));
            None
        }
    };
    let path = format!("sso/oidc/{external_key}/callback");
    let callback = base_url.join(&path).map_or(path, Into::into);
    report.about(&title, format!("“{name}”: add the redirect URI {callback}"));
    let state = match record.deactivated.unwrap_or_default() {
        true => Some(ConnectionState::Inactive),
        false => oidc
            .as_ref()
            .and_then(|oidc| oidc.client_secret.as_ref())
            .map(|_| ConnectionState::Active),
    };
    list.push(Connection {
        name,
        id: None,
        external_key: Some(external_key),
        connection_type: connection_type(oidc.as_ref()).to_owned(),
        state,
        oidc,
        policy: Some(Policy { email_domains: EmailDomains::Any, ..Policy::default() }),
        groups: None,
        profiles: None,
    });
}

fn environment<'a>(manifest: &'a mut Manifest, product: &str) -> &'a mut Environment {
    let name = short(product, 100);
    let list = &mut manifest.environments;
    let i = list.iter().position(|it| it.name == name).unwrap_or_else(|| {
        list.push(Environment {
            name,
            id: None,
            client_id: None,
            kind: Some(Kind::Production),
            settings: None,
            redirect_uris: Some(Vec::new()),
            permissions: None,
            roles: None,
            webhook_endpoints: None,
            organizations: Some(Vec::new()),
        });
        list.len() - 1
    });
    &mut list[i]
}

fn organization<'a>(environment: &'a mut Environment, tenant: &str) -> &'a mut Organization {
    let list = environment.organizations.get_or_insert_default();
    let external_id = Some(Some(tenant.to_owned()));
    let i = list.iter().position(|it| it.external_id == external_id).unwrap_or_else(|| {
        list.push(Organization {
            name: short(tenant, 200),
            id: None,
            external_id,
            stripe_customer_id: None,
            allow_profiles_outside_organization: None,
            metadata: None,
            default_role: None,
            domains: None,
            roles: None,
            connections: None,
        });
        list.len() - 1
    });
    &mut list[i]
}

/// The first default is the environment's.
fn redirect_uri(
    environment: &mut Environment,
    (uri, is_default): (&str, bool),
    report: &mut Report,
) {
    let list = environment.redirect_uris.get_or_insert_default();
    let default = is_default && !has_wildcard(uri) && !list.iter().any(|known| known.default);
    if let Some(known) = list.iter_mut().find(|known| known.uri == uri) {
        known.default |= default;
        return;
    }
    match check_registration(uri, Rules::Production) {
        Ok(()) => list.push(RedirectUri { uri: uri.to_owned(), default }),
        Err(error) => {
            let sentence = format!("The redirect URI {uri} cannot be taken over: {error}");
            if !report.general.contains(&sentence) {
                report.general.push(sentence);
            }
        }
    }
}

/// The connection type of an address.
fn connection_type(oidc: Option<&Oidc>) -> &'static str {
    let url = oidc.and_then(|oidc| Url::parse(&oidc.discovery_endpoint).ok());
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    let is_below = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    if ["okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com"].into_iter().any(is_below) {
        "OktaOIDC"
    } else if is_below("login.microsoftonline.com") || is_below("login.microsoftonline.us") {
        "EntraIdOIDC"
    } else if is_below("accounts.google.com") {
        "GoogleOIDC"
    } else {
        "GenericOIDC"
    }
}
