//! Reading a manifest: what is wrong is told with its line and the nearest known name.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::{
    Connection, Environment, Manifest, Organization, Role, VERSION, WebhookEndpoint,
};
use super::secret::{SecretFrom, Secrets};
use crate::base::{Error, Result};

/// Reads a manifest.
///
/// # Errors
///
/// [`Error::Invalid`] with the path, the line and the column of what is wrong; or with all members
/// that name something twice, or something that is not there.
pub fn parse(text: &str) -> Result<Manifest> {
    let manifest: Manifest = yaml_serde::from_str(text).map_err(|error| {
        let message = error.to_string();
        let near = nearest(&message).map(|name| format!(" (did you mean `{name}`?)"));
        invalid(format!("{message}{}", near.unwrap_or_default()))
    })?;
    if manifest.version != VERSION {
        return Err(invalid(format!("version: it is {VERSION}, not {}", manifest.version)));
    }
    let mut check = Check::default();
    for (i, environment) in manifest.environments.iter().enumerate() {
        check.environment(&format!("environments[{i}]"), environment);
    }
    match check.problems.is_empty() {
        true => Ok(manifest),
        false => Err(invalid(check.problems.join("\n"))),
    }
}

fn invalid(message: String) -> Error {
    Error::invalid("invalid_manifest", "manifest", message)
}

/// Of the names that a message says are known, the one that is nearest to the one that it says is
/// not.
fn nearest(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown field `").or_else(|| {
        let (_, rest) = message.split_once("unknown variant `")?;
        Some(("", rest))
    })?;
    let mut words = rest.split('`').step_by(2);
    let written = words.next()?;
    let known = words.map(|name| (strsim::damerau_levenshtein(written, name), name));
    let (distance, name) = known.min()?;
    (distance <= name.len().div_ceil(2)).then_some(name)
}

/// Looks for what is named twice.
#[derive(Default)]
struct Check {
    problems: Vec<String>,
    /// Everything that may be named once in the whole file, with where that was.
    named: BTreeMap<(&'static str, String), String>,
}

impl Check {
    /// Notes that something is named here that may be named once in `scope`.
    fn once(&mut self, kind: &'static str, scope: &str, name: &str, path: &str) {
        let key = (kind, format!("{scope}\u{1f}{name}"));
        if let Some(before) = self.named.insert(key, path.to_owned()) {
            self.problems.push(format!("{path}: the {kind} `{name}` is named in {before} already"));
        }
    }

    fn environment(&mut self, path: &str, environment: &Environment) {
        match (&environment.id, &environment.client_id) {
            (Some(id), _) => self.once("id", "", id.as_str(), path),
            (None, Some(client_id)) => self.once("client ID", "", client_id, path),
            (None, None) => self.once("environment", "", &environment.name, path),
        }
        for (i, item) in environment.redirect_uris.iter().flatten().enumerate() {
            self.once("redirect URI", path, &item.uri, &format!("{path}.redirect_uris[{i}]"));
        }
        for (i, item) in environment.permissions.iter().flatten().enumerate() {
            self.once("permission", path, &item.slug, &format!("{path}.permissions[{i}]"));
        }
        for (i, item) in environment.webhook_endpoints.iter().flatten().enumerate() {
            let here = format!("{path}.webhook_endpoints[{i}]");
            self.once("endpoint URL", path, &item.endpoint_url, &here);
            if let Some(id) = &item.id {
                self.once("id", "", id.as_str(), &here);
            }
        }
        let roles = environment.roles.as_deref().unwrap_or_default();
        self.roles(path, roles);
        self.one_default(path, "roles", roles.iter().map(|role| role.default));
        let uris = environment.redirect_uris.iter().flatten();
        self.one_default(path, "redirect_uris", uris.map(|uri| uri.default));
        for (i, item) in environment.organizations.iter().flatten().enumerate() {
            self.organization(path, &format!("{path}.organizations[{i}]"), item);
        }
    }

    fn one_default(&mut self, path: &str, list: &str, defaults: impl Iterator<Item = bool>) {
        if defaults.filter(|is_default| *is_default).count() > 1 {
            self.problems.push(format!("{path}.{list}: more than one is the default"));
        }
    }

    fn roles(&mut self, path: &str, roles: &[Role]) {
        for (i, role) in roles.iter().enumerate() {
            self.once("role", path, &role.slug, &format!("{path}.roles[{i}]"));
        }
    }

    fn organization(&mut self, environment: &str, path: &str, organization: &Organization) {
        let external_id = organization.external_id.as_ref().and_then(Option::as_ref);
        if let Some(external_id) = external_id {
            self.once("external ID", environment, external_id, path);
        }
        match &organization.id {
            Some(id) => self.once("id", "", id.as_str(), path),
            None if external_id.is_none() => {
                self.once("organization", environment, &organization.name, path);
            }
            None => {}
        }
        for (i, item) in organization.domains.iter().flatten().enumerate() {
            let here = format!("{path}.domains[{i}]");
            self.once("domain", path, &item.domain.to_lowercase(), &here);
            if let Some(id) = &item.id {
                self.once("id", "", id.as_str(), &here);
            }
        }
        let roles = organization.roles.as_deref().unwrap_or_default();
        self.roles(path, roles);
        if roles.iter().any(|role| role.default) {
            let problem = "the default of an organization is named by its `default_role`";
            self.problems.push(format!("{path}.roles: {problem}"));
        }
        for (i, item) in organization.connections.iter().flatten().enumerate() {
            self.connection(path, &format!("{path}.connections[{i}]"), item);
        }
    }

    fn connection(&mut self, organization: &str, path: &str, connection: &Connection) {
        if let Some(key) = &connection.external_key {
            self.once("external key", "", key, path);
        }
        match &connection.id {
            Some(id) => self.once("id", "", id.as_str(), path),
            None if connection.external_key.is_none() => {
                self.once("connection", organization, &connection.name, path);
            }
            None => {}
        }
        for (i, item) in connection.groups.iter().flatten().enumerate() {
            self.once("group", path, &item.idp_id, &format!("{path}.groups[{i}]"));
        }
        for (i, item) in connection.profiles.iter().flatten().enumerate() {
            let here = format!("{path}.profiles[{i}]");
            self.once("IdP id", path, &item.idp_id, &here);
            self.once("id", "", item.id.as_str(), &here);
        }
    }
}

/// Reads all secrets that a manifest names; files stand beside it, in `folder`.
pub fn read_secrets(manifest: &Manifest, folder: &Path) -> Secrets {
    let mut secrets = Secrets::default();
    let mut read = |path: String, from: Option<&SecretFrom>| {
        if let Some(from) = from {
            secrets.insert(path, from.read(folder));
        }
    };
    for (i, environment) in manifest.environments.iter().enumerate() {
        let path = format!("environments[{i}]");
        for (i, WebhookEndpoint { secret, .. }) in
            environment.webhook_endpoints.iter().flatten().enumerate()
        {
            read(format!("{path}.webhook_endpoints[{i}].secret"), secret.as_ref());
        }
        for (i, organization) in environment.organizations.iter().flatten().enumerate() {
            let path = format!("{path}.organizations[{i}]");
            for (i, connection) in organization.connections.iter().flatten().enumerate() {
                let Some(oidc) = &connection.oidc else { continue };
                let path = format!("{path}.connections[{i}].oidc");
                read(format!("{path}.client_secret"), oidc.client_secret.as_ref());
                let next = oidc.next_client_secret.as_ref().and_then(Option::as_ref);
                read(format!("{path}.next_client_secret"), next);
            }
        }
    }
    secrets
}
