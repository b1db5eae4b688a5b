//! Plans the connections of an organization, with their groups.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Action, ConnectionChange, Differences, Plan, Planner, Slugs, Step};
use crate::app::App;
use crate::base::id::{ConnectionId, OrganizationId};
use crate::base::secret::Secret;
use crate::base::{Caller, Error, Result};
use crate::manifest::document::{self, Connection, Organization};
use crate::manifest::known::{KnownConnection, KnownEnvironment, KnownOrganization};
use crate::manifest::oidc::{self, Oidc};
use crate::model::connection::{self, ConnectionState, ConnectionType, NewConnection, Policy};
use crate::model::connection_group::{self, ConnectionGroup, NewGroup};
use crate::model::profile;
use crate::setup;
use crate::upstream::Settings;

/// What is lost with a connection, as one sentence.
pub(super) fn loss(known: &KnownConnection) -> String {
    let it = &known.connection;
    format!(
        "Nobody signs in by the connection {} ({}) any more; its {} profiles are lost with their \
         ids, and so is its callback {}.",
        it.name,
        it.id,
        known.profiles,
        it.callback_path()
    )
}

/// What a connection is planned for.
type Context<'a> = (&'a OrganizationId, &'a KnownEnvironment, &'a Slugs);

impl Planner<'_> {
    pub(super) fn connections(
        &mut self,
        path: &str,
        (wanted, found): (&Organization, Option<&KnownOrganization>),
        context: Context<'_>,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let Some(wanted) = &wanted.connections else { return Ok(()) };
        let known = found.map_or(&[][..], |found| found.connections.as_slice());
        let path = format!("{path}.connections");
        let mut named: Vec<&ConnectionId> = Vec::new();
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            if let Some(found) = self.find(&here, item, (known, context)) {
                named.push(&found.connection.id);
                self.existing_connection(&here, (item, found), steps)?;
                self.groups(&here, (item, Some(found)), (&found.connection.id, context.2), steps);
                profiles((&here, item), &found.connection.id, steps);
            } else if let Some(id) = self.new_connection(&here, item, context.0, steps)? {
                self.groups(&here, (item, None), (&id, context.2), steps);
                profiles((&here, item), &id, steps);
            }
        }
        for extra in known.iter().filter(|it| !named.contains(&&it.connection.id)) {
            let it = &extra.connection;
            let resource = format!("connection {} ({})", it.name, it.id);
            let action = Action::DeleteConnection(it.id.clone());
            let step = Step::delete(&path, resource, (vec![loss(extra)], action));
            self.not_in_file(steps, step);
        }
        Ok(())
    }

    /// The connection of the organization that the file means.
    fn find<'k>(
        &mut self,
        path: &str,
        wanted: &Connection,
        (known, (_, environment, _)): (&'k [KnownConnection], Context<'_>),
    ) -> Option<&'k KnownConnection> {
        let is_meant = |it: &&KnownConnection| match (&wanted.id, &wanted.external_key) {
            (Some(id), _) => it.connection.id == *id,
            (None, Some(key)) => it.connection.external_key == *key,
            (None, None) => it.connection.name == wanted.name,
        };
        let found = known.iter().find(is_meant);
        let has_name = wanted.id.is_none() && wanted.external_key.is_none();
        if has_name && known.iter().filter(is_meant).count() > 1 {
            let problem = format!("several connections are called `{}`: give the id", wanted.name);
            self.problem(path, &problem);
        }
        let elsewhere = environment.organizations.iter().flat_map(|it| &it.connections);
        if found.is_none() && !has_name && elsewhere.clone().any(|it| is_meant(&it)) {
            self.problem(path, "the connection belongs to another organization");
        }
        found
    }

    fn new_connection(
        &mut self,
        path: &str,
        item: &Connection,
        organization_id: &OrganizationId,
        steps: &mut Vec<Step>,
    ) -> Result<Option<ConnectionId>> {
        let Some(connection_type) = ConnectionType::parse(&item.connection_type) else {
            let problem = format!("`{}` is no connection type", item.connection_type);
            self.problem(path, &problem);
            return Ok(None);
        };
        let id: ConnectionId = item.id.clone().unwrap_or_else(|| self.new_id());
        let new = NewConnection {
            organization_id: organization_id.clone(),
            connection_type,
            name: item.name.clone(),
            policy: item.policy.clone().unwrap_or_default(),
        };
        let mut change = setup::Change { state: state(item), ..setup::Change::default() };
        if let Some(oidc) = &item.oidc {
            change.oidc = Some(setup::Oidc {
                client_id: Some(oidc.client_id.clone()),
                client_secret: self.secret(path, "client_secret"),
                next_client_secret: self.secret(path, "next_client_secret").map(Some),
                discovery_endpoint: Some(oidc.discovery_endpoint.clone()),
                more: oidc.wanted()?,
            });
        }
        let issuer = item.oidc.as_ref().and_then(|oidc| oidc.issuer.clone());
        let change = Box::new(ConnectionChange { change, known: None, issuer });
        let identity =
            connection::Identity { id: Some(id.clone()), external_key: item.external_key.clone() };
        let action = Action::CreateConnection(identity, Box::new(new), change);
        steps.push(Step::create(path, format!("connection {}", item.name), action));
        Ok(Some(id))
    }

    fn secret(&self, path: &str, member: &str) -> Option<Secret> {
        self.secrets.get(&format!("{path}.oidc.{member}")).cloned()
    }

    fn existing_connection(
        &mut self,
        path: &str,
        (item, found): (&Connection, &KnownConnection),
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let it = &found.connection;
        if item.connection_type != it.connection_type.as_str() {
            self.problem(path, "the `type` of a connection cannot be changed");
        }
        if item.external_key.as_ref().is_some_and(|key| *key != it.external_key) {
            self.problem(path, "the `external_key` of a connection cannot be changed");
        }
        let mut differences = Differences::default();
        let mut change = setup::Change {
            name: differences.wanted("name", &it.name, Some(&item.name)),
            ..setup::Change::default()
        };
        if let Some(oidc) = &item.oidc {
            change.oidc = self.oidc(path, oidc, (it, &mut differences))?;
        }
        if let Some(policy) = &item.policy {
            change.policy = policy_change(&it.policy, policy, &mut differences)?;
        }
        change.state = state(item).filter(|state| differences.compare("state", it.state, *state));
        if !differences.is_empty() {
            let issuer = item.oidc.as_ref().and_then(|oidc| oidc.issuer.clone());
            let known = it.settings.clone();
            let change = Box::new(ConnectionChange { change, known, issuer });
            let action = Action::UpdateConnection(it.id.clone(), change);
            let resource = format!("connection {}", item.name);
            steps.push(Step::update(path, resource, (differences, action)));
        }
        Ok(())
    }

    /// What has to be entered so that the settings are as the block says.
    fn oidc(
        &self,
        path: &str,
        wanted: &Oidc,
        (it, differences): (&connection::Connection, &mut Differences),
    ) -> Result<Option<setup::Oidc>> {
        let mut entered = setup::Oidc::default();
        let before = differences.len();
        let [present, next] = it.secret_slots(&self.app.sealer)?;
        let mut same_provider = false;
        match &it.settings {
            Some(Settings::Oidc(known)) => {
                let client_id =
                    differences.wanted("client_id", &known.client_id, Some(&wanted.client_id));
                entered.client_id = client_id;
                same_provider = wanted.names_same_provider(known);
                if !same_provider {
                    let endpoint = &known.discovery_endpoint;
                    differences.compare("discovery_endpoint", endpoint, &wanted.discovery_endpoint);
                    if let Some(issuer) = &wanted.issuer {
                        differences.compare("issuer", &known.issuer, issuer);
                    }
                }
                let known = oidc::members(known)?;
                for (name, value) in wanted.wanted()? {
                    if differences.compare(&name, known.get(&name), &value) {
                        entered.more.insert(name, value);
                    }
                }
            }
            None => {
                differences.compare("client_id", Value::Null, &wanted.client_id);
                let endpoint = &wanted.discovery_endpoint;
                differences.compare("discovery_endpoint", Value::Null, endpoint);
                entered.client_id = Some(wanted.client_id.clone());
                entered.more = wanted.wanted()?;
            }
        }
        if !same_provider {
            entered.discovery_endpoint = Some(wanted.discovery_endpoint.clone());
        }
        let given = self.secret(path, "client_secret");
        let differs = self.secret_differs("client_secret", (present, given.as_ref()), differences);
        // Another identity provider never gets a secret that was not entered for it.
        entered.client_secret = given.filter(|_| differs || !same_provider);
        match &wanted.next_client_secret {
            Some(None) if next.is_some() => {
                let before = next.map(|secret| self.fingerprint(&secret));
                differences.secret("next_client_secret", before, None);
                entered.next_client_secret = Some(None);
            }
            Some(Some(_)) => {
                let given = self.secret(path, "next_client_secret");
                let secrets = (next, given.as_ref());
                let differs = self.secret_differs("next_client_secret", secrets, differences);
                entered.next_client_secret = given.filter(|_| differs || !same_provider).map(Some);
            }
            _ => {}
        }
        Ok((differences.len() > before).then_some(entered))
    }

    /// Compares a secret of the file, if there is one that could be read, with the stored one.
    fn secret_differs(
        &self,
        member: &str,
        (stored, given): (Option<Secret>, Option<&Secret>),
        differences: &mut Differences,
    ) -> bool {
        let Some(given) = given else { return false };
        let before = stored.map(|secret| self.fingerprint(&secret));
        let after = self.fingerprint(given);
        if before.is_some_and(|before| before.matches(&after)) {
            return false;
        }
        differences.secret(member, before, Some(after));
        true
    }

    fn groups(
        &mut self,
        path: &str,
        (item, found): (&Connection, Option<&KnownConnection>),
        (id, roles): (&ConnectionId, &Slugs),
        steps: &mut Vec<Step>,
    ) {
        let Some(wanted) = &item.groups else { return };
        let known = found.map_or(&[][..], |found| found.groups.as_slice());
        let path = format!("{path}.groups");
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            if !roles.contains(&item.role) {
                let problem = format!("the organization has no role `{}`", item.role);
                self.problem(&here, &problem);
            }
            match known.iter().find(|it| it.idp_id == item.idp_id) {
                Some(found) => steps.extend(group_change(&here, id, (item, found))),
                None => {
                    let new = NewGroup {
                        idp_id: item.idp_id.clone(),
                        name: item.name.clone().flatten(),
                        role: item.role.clone(),
                    };
                    let action = Action::CreateGroup(id.clone(), new);
                    steps.push(Step::create(&here, format!("group {}", item.idp_id), action));
                }
            }
        }
        for extra in known.iter().filter(|it| !wanted.iter().any(|item| item.idp_id == it.idp_id)) {
            let breaks = vec![format!("Its members lose the role {}.", extra.role.slug)];
            let action = Action::DeleteGroup(id.clone(), extra.id.clone());
            let step = Step::delete(&path, format!("group {}", extra.idp_id), (breaks, action));
            self.not_in_file(steps, step);
        }
    }
}

fn state(item: &Connection) -> Option<ConnectionState> {
    item.state.map(|state| match state {
        document::ConnectionState::Active => ConnectionState::Active,
        document::ConnectionState::Inactive => ConnectionState::Inactive,
    })
}

fn policy_change(
    known: &Policy,
    wanted: &Policy,
    differences: &mut Differences,
) -> Result<Map<String, Value>> {
    let json = |policy: &Policy| serde_json::to_value(policy).map_err(Error::internal);
    let (known, wanted) = (json(known)?, json(wanted)?);
    let mut change = Map::new();
    for (name, value) in wanted.as_object().into_iter().flatten() {
        if differences.compare(&format!("policy.{name}"), known.get(name), value) {
            change.insert(name.clone(), value.clone());
        }
    }
    Ok(change)
}

fn group_change(
    path: &str,
    id: &ConnectionId,
    (item, found): (&document::Group, &ConnectionGroup),
) -> Option<Step> {
    let mut differences = Differences::default();
    let change = connection_group::Change {
        idp_id: None,
        name: differences.wanted("name", &found.name, item.name.as_ref()),
        role: differences.wanted("role", &found.role.slug, Some(&item.role)),
    };
    if differences.is_empty() {
        return None;
    }
    let action = Action::UpdateGroup(id.clone(), found.id.clone(), change);
    Some(Step::update(path, format!("group {}", item.idp_id), (differences, action)))
}

fn profiles((path, item): (&str, &Connection), id: &ConnectionId, steps: &mut Vec<Step>) {
    for (i, it) in item.profiles.iter().flatten().enumerate() {
        let here = format!("{path}.profiles[{i}]");
        let imported = profile::Imported {
            id: it.id.clone(),
            idp_id: it.idp_id.clone(),
            email: it.email.clone(),
        };
        let action = Action::ImportProfile(id.clone(), imported);
        steps.push(Step::create(&here, format!("profile {}", it.id), action));
    }
}

/// Takes the profiles out of a plan that are there already.
pub(super) async fn drop_known_profiles(app: &App, plan: &mut Plan) -> Result<()> {
    for unit in &mut plan.units {
        let wanted: Vec<(ConnectionId, profile::Imported)> = unit
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::ImportProfile(id, imported) => Some((id.clone(), imported.clone())),
                _ => None,
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let caller = Caller::system(unit.environment_id.clone());
        let wanted = Arc::new(wanted);
        let read = async move |tx: &mut crate::db::Tx| {
            let mut there = std::collections::BTreeSet::new();
            for (id, imported) in wanted.iter() {
                let found = profile::find_by_idp_id(tx, id, &imported.idp_id).await?;
                there.extend(found.map(|found| found.id).filter(|id| *id == imported.id));
            }
            Ok::<_, Error>(there)
        };
        let there = app.db.read(&caller, read).await?;
        unit.steps.retain(|step| match &step.action {
            Action::ImportProfile(_, imported) => !there.contains(&imported.id),
            _ => true,
        });
    }
    Ok(())
}
