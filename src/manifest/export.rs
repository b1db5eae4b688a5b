//! An installation as a manifest: everything that can be set, and no secret.

use super::document::{
    Connection, ConnectionState, Domain, DomainState, Environment, EnvironmentSettings, Group,
    Manifest, Organization, Permission, RedirectUri, Role, VERSION, WebhookEndpoint,
};
use super::known::{KnownConnection, KnownEnvironment, KnownOrganization};
use super::oidc::Oidc;
use super::secret::SecretFrom;
use crate::base::{Error, Result};
use crate::model;
use crate::upstream::Settings;

/// What stands above an exported manifest.
const HEADER: &str = "\
# The configuration of a Vestibule installation: docs/guides/configuration-as-code.md
# Secrets are not in it. Where one belongs, a variable is named: set it, or name a file.
";

/// These environments as a manifest; `with_ids` keeps the ids by which they are found again.
///
/// # Errors
///
/// [`Error::Internal`] if settings cannot be written, which has no reason to happen.
pub fn manifest(known: &[KnownEnvironment], with_ids: bool) -> Result<Manifest> {
    let environments = known.iter().map(|it| environment(it, with_ids)).collect::<Result<_>>()?;
    Ok(Manifest { version: VERSION, environments })
}

/// The text of a manifest.
///
/// # Errors
///
/// [`Error::Internal`] if it holds a secret: those are never written.
pub fn text(manifest: &Manifest) -> Result<String> {
    let body = yaml_serde::to_string(manifest).map_err(Error::internal)?;
    Ok(format!("{HEADER}{body}"))
}

fn environment(known: &KnownEnvironment, with_ids: bool) -> Result<Environment> {
    let it = &known.environment;
    let organizations = known.organizations.iter().map(|it| organization(it, with_ids));
    Ok(Environment {
        name: it.name.clone(),
        id: with_ids.then(|| it.id.clone()),
        client_id: with_ids.then(|| it.client_id.clone()),
        kind: Some(it.kind),
        settings: Some(EnvironmentSettings(it.settings.clone())),
        redirect_uris: Some(known.redirect_uris.iter().map(redirect_uri).collect()),
        permissions: Some(known.permissions.iter().map(permission).collect()),
        roles: Some(known.roles.iter().map(role).collect()),
        webhook_endpoints: Some(
            known.webhook_endpoints.iter().map(|it| webhook_endpoint(it, with_ids)).collect(),
        ),
        organizations: Some(organizations.collect::<Result<_>>()?),
    })
}

fn redirect_uri(known: &model::redirect_uri::RedirectUri) -> RedirectUri {
    RedirectUri { uri: known.uri.clone(), default: known.is_default }
}

fn permission(known: &model::permission::Permission) -> Permission {
    Permission {
        slug: known.slug.clone(),
        name: known.name.clone(),
        description: Some(known.description.clone()),
    }
}

fn role(known: &model::role::Role) -> Role {
    Role {
        slug: known.slug.clone(),
        name: known.name.clone(),
        description: Some(known.description.clone()),
        // What applies in an organization is its `default_role`.
        default: known.organization_id.is_none() && known.is_default,
        permissions: Some(known.permissions.clone()),
    }
}

fn webhook_endpoint(
    known: &model::webhook_endpoint::WebhookEndpoint,
    with_ids: bool,
) -> WebhookEndpoint {
    WebhookEndpoint {
        endpoint_url: known.endpoint_url.clone(),
        id: with_ids.then(|| known.id.clone()),
        events: known.events.clone(),
        status: Some(known.status),
        secret: Some(variable("WEBHOOK_SECRET", known.id.as_str())),
    }
}

fn organization(known: &KnownOrganization, with_ids: bool) -> Result<Organization> {
    let it = &known.organization;
    let connections = known.connections.iter().map(|it| connection(it, with_ids));
    let mut domains: Vec<Domain> = Vec::new();
    for domain in &it.domains {
        domains.push(Domain {
            domain: domain.domain.clone(),
            id: with_ids.then(|| domain.id.clone()),
            state: match domain.state {
                model::organization_domain::State::Verified => DomainState::Verified,
                _ => DomainState::Pending,
            },
        });
    }
    Ok(Organization {
        name: it.name.clone(),
        id: with_ids.then(|| it.id.clone()),
        external_id: Some(it.external_id.clone()),
        stripe_customer_id: Some(it.stripe_customer_id.clone()),
        allow_profiles_outside_organization: Some(it.allow_profiles_outside_organization),
        metadata: Some(it.metadata.clone()),
        default_role: Some(known.default_role.clone()),
        domains: Some(domains),
        roles: Some(known.roles.iter().map(role).collect()),
        connections: Some(connections.collect::<Result<_>>()?),
    })
}

fn connection(known: &KnownConnection, with_ids: bool) -> Result<Connection> {
    let it = &known.connection;
    let oidc = match &it.settings {
        Some(Settings::Oidc(settings)) => {
            let mut block = Oidc::of(settings)?;
            let secret = |what| Some(variable(what, it.id.as_str()));
            block.client_secret = it.has_client_secret().then(|| secret("CLIENT_SECRET")).flatten();
            if it.has_next_client_secret() {
                block.next_client_secret = Some(secret("NEXT_CLIENT_SECRET"));
            }
            Some(block)
        }
        None => None,
    };
    Ok(Connection {
        name: it.name.clone(),
        id: with_ids.then(|| it.id.clone()),
        external_key: with_ids.then(|| it.external_key.clone()),
        connection_type: it.connection_type.as_str().to_owned(),
        state: match it.state {
            model::connection::ConnectionState::Active => Some(ConnectionState::Active),
            model::connection::ConnectionState::Inactive => Some(ConnectionState::Inactive),
            // Found out by the service, not set.
            _ => None,
        },
        oidc,
        policy: Some(it.policy.clone()),
        groups: Some(known.groups.iter().map(group).collect()),
        profiles: None,
    })
}

fn group(known: &model::connection_group::ConnectionGroup) -> Group {
    Group {
        idp_id: known.idp_id.clone(),
        name: Some(known.name.clone()),
        role: known.role.slug.clone(),
    }
}

/// A variable for a secret: of the kind and the id of what it belongs to.
fn variable(kind: &str, id: &str) -> SecretFrom {
    let id = id.trim_start_matches(char::is_lowercase).trim_start_matches('_');
    SecretFrom::Env(format!("{kind}_{}", id.to_uppercase()))
}
