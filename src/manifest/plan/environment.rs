//! Plans an environment: itself, its redirect URIs, permissions and webhook endpoints.

use serde_json::{Map, Value};

use super::{Action, Differences, Planner, Step};
use crate::app::App;
use crate::base::id::{EnvironmentId, Id, RoleId};
use crate::base::{Error, Result};
use crate::manifest::document::{Environment, EnvironmentSettings};
use crate::manifest::known::KnownEnvironment;
use crate::model::environment::{self, Kind, NewEnvironment};
use crate::model::permission::{self, NewPermission};
use crate::model::role::{self, Role};
use crate::model::webhook_endpoint::{self, NewWebhookEndpoint};

/// The environment that the file means, if it is there.
pub(in crate::manifest) fn find<'a>(
    existing: &'a [environment::Environment],
    wanted: &Environment,
) -> Result<Option<&'a environment::Environment>, String> {
    if let Some(id) = &wanted.id {
        return Ok(existing.iter().find(|it| it.id == *id));
    }
    if let Some(client_id) = &wanted.client_id {
        return Ok(existing.iter().find(|it| it.client_id == *client_id));
    }
    let mut of_name = existing.iter().filter(|it| it.name == wanted.name);
    match (of_name.next(), of_name.next()) {
        (found, None) => Ok(found),
        _ => Err(format!("several environments are called `{}`: give the id", wanted.name)),
    }
}

/// An environment that has to be created, as it is right after that.
pub(super) fn made_new(app: &App, wanted: &Environment) -> KnownEnvironment {
    let now = app.clock.now();
    let id = wanted.id.clone();
    let id = id.unwrap_or_else(|| EnvironmentId::from_ulid(app.clock.ulid(now)));
    let role = |slug: &str, name: &str| Role {
        slug: slug.to_owned(),
        object: "role",
        id: RoleId::from_ulid(app.clock.ulid(now)),
        name: name.to_owned(),
        description: None,
        kind: role::Kind::EnvironmentRole,
        resource_type_slug: "organization",
        permissions: Vec::new(),
        is_default: slug == "member",
        created_at: now,
        updated_at: now,
        organization_id: None,
    };
    KnownEnvironment {
        environment: environment::Environment {
            object: "environment",
            client_id: wanted.client_id.clone().unwrap_or_default(),
            id,
            name: wanted.name.clone(),
            kind: wanted.kind.unwrap_or(Kind::Production),
            settings: environment::Settings::default(),
            created_at: now,
            updated_at: now,
        },
        redirect_uris: Vec::new(),
        permissions: Vec::new(),
        roles: vec![role("admin", "Admin"), role("member", "Member")],
        webhook_endpoints: Vec::new(),
        organizations: Vec::new(),
    }
}

/// Steps of now, and deletions that come last.
pub(super) type Lists<'a> = (&'a mut Vec<Step>, &'a mut Vec<Step>);

impl Planner<'_> {
    pub(super) fn environment_itself(
        &mut self,
        path: &str,
        wanted: &Environment,
        (known, is_new): (&KnownEnvironment, bool),
        steps: &mut Vec<Step>,
    ) {
        let it = &known.environment;
        let resource = || format!("environment {}", wanted.name);
        if is_new {
            let id = Some(it.id.clone());
            let identity = environment::Identity { id, client_id: wanted.client_id.clone() };
            let new = NewEnvironment { name: wanted.name.clone(), kind: it.kind };
            steps.push(Step::create(path, resource(), Action::CreateEnvironment(identity, new)));
        }
        if wanted.kind.is_some_and(|kind| kind != it.kind) {
            self.problem(path, "the `kind` of an environment cannot be changed");
        }
        if wanted.client_id.as_ref().is_some_and(|wanted| *wanted != it.client_id) {
            self.problem(path, "the `client_id` of an environment cannot be changed");
        }
        let mut differences = Differences::default();
        if let Some(name) = differences.wanted("name", &it.name, Some(&wanted.name)) {
            let change = environment::Change { name: Some(name), settings: None };
            let action = Action::UpdateEnvironment(change);
            steps.push(Step::update(path, resource(), (differences, action)));
        }
    }

    /// After the redirect URIs: addresses of the settings have to be on the origin of one.
    pub(super) fn settings(
        &mut self,
        path: &str,
        wanted: &Environment,
        known: &KnownEnvironment,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let Some(EnvironmentSettings(settings)) = &wanted.settings else { return Ok(()) };
        let json = |it: &environment::Settings| serde_json::to_value(it).map_err(Error::internal);
        let (before, after) = (json(&known.environment.settings)?, json(settings)?);
        let mut differences = Differences::default();
        let mut change = Map::new();
        for (name, value) in after.as_object().into_iter().flatten() {
            if differences.compare(&format!("settings.{name}"), before.get(name), value) {
                // To change something to nothing is to change it to the empty text.
                let value = if value.is_null() { Value::from("") } else { value.clone() };
                change.insert(name.clone(), value);
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        let settings = serde_json::from_value(change.into()).map_err(Error::internal)?;
        let change = environment::Change { name: None, settings: Some(settings) };
        let resource = format!("environment {}", wanted.name);
        let action = Action::UpdateEnvironment(change);
        steps.push(Step::update(path, resource, (differences, action)));
        Ok(())
    }

    pub(super) fn redirect_uris(
        &mut self,
        path: &str,
        wanted: &Environment,
        known: &KnownEnvironment,
        (steps, last): Lists<'_>,
    ) {
        let Some(wanted) = &wanted.redirect_uris else { return };
        let path = format!("{path}.redirect_uris");
        let resource = |uri: &str| format!("redirect URI {uri}");
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            let found = known.redirect_uris.iter().find(|it| it.uri == item.uri);
            if found.is_none() {
                let action = Action::CreateRedirectUri(item.uri.clone());
                steps.push(Step::create(&here, resource(&item.uri), action));
            }
            if item.default && !found.is_some_and(|found| found.is_default) {
                let mut differences = Differences::default();
                differences.compare("default", false, true);
                let action = Action::DefaultRedirectUri(item.uri.clone());
                steps.push(Step::update(&here, resource(&item.uri), (differences, action)));
            }
        }
        for extra in &known.redirect_uris {
            if !wanted.iter().any(|item| item.uri == extra.uri) {
                let breaks = vec!["Logins that end there are refused.".to_owned()];
                let action = Action::DeleteRedirectUri(extra.id.clone());
                let step = Step::delete(&path, resource(&extra.uri), (breaks, action));
                self.not_in_file(last, step);
            }
        }
    }

    pub(super) fn permissions(
        &mut self,
        path: &str,
        wanted: &Environment,
        known: &KnownEnvironment,
        (steps, last): Lists<'_>,
    ) {
        let Some(wanted) = &wanted.permissions else { return };
        let path = format!("{path}.permissions");
        let resource = |slug: &str| format!("permission {slug}");
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            let Some(found) = known.permissions.iter().find(|it| it.slug == item.slug) else {
                let action = Action::CreatePermission(NewPermission {
                    slug: item.slug.clone(),
                    name: item.name.clone(),
                    description: item.description.clone().flatten(),
                    resource_type_slug: None,
                });
                steps.push(Step::create(&here, resource(&item.slug), action));
                continue;
            };
            let mut differences = Differences::default();
            let change = permission::Change {
                name: differences.wanted("name", &found.name, Some(&item.name)),
                description: differences.wanted(
                    "description",
                    &found.description,
                    item.description.as_ref(),
                ),
            };
            if !differences.is_empty() {
                let action = Action::UpdatePermission(item.slug.clone(), change);
                steps.push(Step::update(&here, resource(&item.slug), (differences, action)));
            }
        }
        for extra in known.permissions.iter().filter(|it| !it.system) {
            if !wanted.iter().any(|item| item.slug == extra.slug) {
                let roles = known.organizations.iter().flat_map(|it| &it.roles).chain(&known.roles);
                let with_it = roles.filter(|role| role.permissions.contains(&extra.slug));
                let breaks = with_it.map(|role| format!("The role {} loses it.", role.slug));
                let action = Action::DeletePermission(extra.slug.clone());
                let step = Step::delete(&path, resource(&extra.slug), (breaks.collect(), action));
                self.not_in_file(last, step);
            }
        }
    }

    /// Whether all permissions that roles name are there, or will be.
    pub(super) fn check_permissions(
        &mut self,
        path: &str,
        wanted: &Environment,
        known: &KnownEnvironment,
    ) {
        let mut there: Vec<&str> = known.permissions.iter().map(|it| it.slug.as_str()).collect();
        there.extend(wanted.permissions.iter().flatten().map(|it| it.slug.as_str()));
        let mut lists = vec![(format!("{path}.roles"), wanted.roles.as_deref())];
        for (i, it) in wanted.organizations.iter().flatten().enumerate() {
            lists.push((format!("{path}.organizations[{i}].roles"), it.roles.as_deref()));
        }
        for (path, roles) in lists {
            for (i, role) in roles.unwrap_or_default().iter().enumerate() {
                for slug in role.permissions.iter().flatten() {
                    if !there.contains(&slug.as_str()) {
                        let problem = format!("there is no permission `{slug}`");
                        self.problem(&format!("{path}[{i}].permissions"), &problem);
                    }
                }
            }
        }
    }

    pub(super) fn webhook_endpoints(
        &mut self,
        path: &str,
        wanted: &Environment,
        known: &KnownEnvironment,
        (steps, last): Lists<'_>,
    ) -> Result<()> {
        let Some(wanted) = &wanted.webhook_endpoints else { return Ok(()) };
        let path = format!("{path}.webhook_endpoints");
        let resource = |url: &str| format!("webhook endpoint {url}");
        let mut named = Vec::new();
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            let secret = self.secrets.get(&format!("{here}.secret")).cloned();
            let found = known.webhook_endpoints.iter().find(|it| match &item.id {
                Some(id) => it.id == *id,
                None => it.endpoint_url == item.endpoint_url,
            });
            let Some(found) = found else {
                let identity = webhook_endpoint::Identity { id: item.id.clone(), secret };
                let new = NewWebhookEndpoint {
                    endpoint_url: item.endpoint_url.clone(),
                    events: item.events.clone(),
                };
                let action = Action::CreateWebhookEndpoint(identity, new, item.status);
                steps.push(Step::create(&here, resource(&item.endpoint_url), action));
                continue;
            };
            named.push(&found.id);
            let mut differences = Differences::default();
            let url = &item.endpoint_url;
            let change = webhook_endpoint::Change {
                endpoint_url: differences.wanted("endpoint_url", &found.endpoint_url, Some(url)),
                status: differences.wanted("status", found.status, item.status.as_ref()),
                events: differences.wanted("events", &found.events, Some(&item.events)),
            };
            let before = self.fingerprint(&found.secret(&self.app.sealer)?);
            let secret = secret.filter(|secret| !self.fingerprint(secret).matches(&before));
            if let Some(secret) = &secret {
                differences.secret("secret", Some(before), Some(self.fingerprint(secret)));
            }
            if !differences.is_empty() {
                let action = Action::UpdateWebhookEndpoint(found.id.clone(), change, secret);
                steps.push(Step::update(
                    &here,
                    resource(&item.endpoint_url),
                    (differences, action),
                ));
            }
        }
        for extra in &known.webhook_endpoints {
            if !named.contains(&&extra.id) {
                let breaks = vec!["What waits for it is dropped.".to_owned()];
                let action = Action::DeleteWebhookEndpoint(extra.id.clone());
                let step = Step::delete(&path, resource(&extra.endpoint_url), (breaks, action));
                self.not_in_file(last, step);
            }
        }
        Ok(())
    }
}
