//! Plans an organization with what belongs to it.

use std::collections::BTreeMap;

use super::environment::Lists;
use super::{Action, Differences, Planner, Slugs, Step, role_slugs};
use crate::base::Result;
use crate::base::id::OrganizationId;
use crate::manifest::document::{DomainState, Organization};
use crate::manifest::known::{KnownEnvironment, KnownOrganization};
use crate::model::organization::{self, MetadataChange, NewOrganization};
use crate::model::organization_domain::{self, State};

/// The organization that the file means, if it is there.
pub(in crate::manifest) fn find<'a>(
    existing: &'a [KnownOrganization],
    wanted: &Organization,
) -> Result<Option<&'a KnownOrganization>, String> {
    if let Some(id) = &wanted.id {
        return Ok(existing.iter().find(|it| it.organization.id == *id));
    }
    if let Some(Some(external_id)) = &wanted.external_id {
        let has_it =
            |it: &&KnownOrganization| it.organization.external_id.as_ref() == Some(external_id);
        return Ok(existing.iter().find(has_it));
    }
    let mut of_name = existing.iter().filter(|it| it.organization.name == wanted.name);
    match (of_name.next(), of_name.next()) {
        (found, None) => Ok(found),
        _ => {
            let name = &wanted.name;
            Err(format!("several organizations are called `{name}`: give the id or external id"))
        }
    }
}

pub(super) fn deletion(path: &str, known: &KnownOrganization) -> Step {
    let it = &known.organization;
    let mut breaks: Vec<String> = known.connections.iter().map(super::connection::loss).collect();
    if !it.domains.is_empty() {
        let domains: Vec<&str> = it.domains.iter().map(|domain| domain.domain.as_str()).collect();
        breaks.push(format!("Its domains are free for others: {}.", domains.join(", ")));
    }
    let resource = format!("organization {} ({})", it.name, it.id);
    Step::delete(path, resource, (breaks, Action::DeleteOrganization(it.id.clone())))
}

impl Planner<'_> {
    /// `early` are deletions that make room for what other organizations get.
    pub(super) fn organization(
        &mut self,
        path: &str,
        (wanted, found): (&Organization, Option<&KnownOrganization>),
        (environment, roles): (&KnownEnvironment, &Slugs),
        (early, steps): Lists<'_>,
    ) -> Result<()> {
        let id = match found {
            Some(found) => {
                self.existing(path, wanted, found, steps);
                found.organization.id.clone()
            }
            None => self.new_organization(path, wanted, steps),
        };
        self.domains(path, (wanted, found), &id, (&mut *early, &mut *steps));
        let mut last = Vec::new();
        let known_roles = found.map_or(&[][..], |found| found.roles.as_slice());
        let lists = (wanted.roles.as_deref(), known_roles);
        self.roles((path, Some(&id)), lists, false, (&mut *steps, &mut last));
        let mut all_roles = role_slugs(wanted.roles.as_deref(), known_roles);
        all_roles.extend(roles.iter().cloned());
        self.default_role(path, (wanted, found), (&id, &all_roles), steps);
        self.connections(path, (wanted, found), (&id, environment, &all_roles), steps)?;
        steps.append(&mut last);
        Ok(())
    }

    fn new_organization(
        &mut self,
        path: &str,
        wanted: &Organization,
        steps: &mut Vec<Step>,
    ) -> OrganizationId {
        let id: OrganizationId = wanted.id.clone().unwrap_or_else(|| self.new_id());
        let metadata = wanted.metadata.clone().map(|metadata| {
            metadata.into_iter().map(|(name, value)| (name, Some(value))).collect()
        });
        let new = NewOrganization {
            name: wanted.name.clone(),
            metadata,
            external_id: wanted.external_id.clone().flatten(),
            allow_profiles_outside_organization: wanted.allow_profiles_outside_organization,
            ..NewOrganization::default()
        };
        let change = organization::Change {
            stripe_customer_id: wanted.stripe_customer_id.clone().filter(Option::is_some),
            ..organization::Change::default()
        };
        let action = Action::CreateOrganization(id.clone(), new, change);
        steps.push(Step::create(path, format!("organization {}", wanted.name), action));
        id
    }

    fn existing(
        &mut self,
        path: &str,
        wanted: &Organization,
        found: &KnownOrganization,
        steps: &mut Vec<Step>,
    ) {
        let it = &found.organization;
        let mut differences = Differences::default();
        let change = organization::Change {
            name: differences.wanted("name", &it.name, Some(&wanted.name)),
            domains: None,
            metadata: wanted
                .metadata
                .as_ref()
                .filter(|wanted| differences.compare("metadata", &it.metadata, wanted))
                .map(|wanted| Some(metadata_change(&it.metadata, wanted))),
            external_id: differences.wanted(
                "external_id",
                &it.external_id,
                wanted.external_id.as_ref(),
            ),
            stripe_customer_id: differences.wanted(
                "stripe_customer_id",
                &it.stripe_customer_id,
                wanted.stripe_customer_id.as_ref(),
            ),
            allow_profiles_outside_organization: differences.wanted(
                "allow_profiles_outside_organization",
                it.allow_profiles_outside_organization,
                wanted.allow_profiles_outside_organization.as_ref(),
            ),
        };
        if !differences.is_empty() {
            let action = Action::UpdateOrganization(it.id.clone(), change);
            let resource = format!("organization {}", wanted.name);
            steps.push(Step::update(path, resource, (differences, action)));
        }
    }

    fn domains(
        &mut self,
        path: &str,
        (wanted, found): (&Organization, Option<&KnownOrganization>),
        id: &OrganizationId,
        (early, steps): Lists<'_>,
    ) {
        let Some(wanted) = &wanted.domains else { return };
        let known = found.map_or(&[][..], |found| found.organization.domains.as_slice());
        let path = format!("{path}.domains");
        let mut named = Vec::new();
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            let domain = match organization_domain::normalize(&item.domain) {
                Ok(domain) => domain,
                Err(error) => {
                    self.problem(&here, &error.to_string());
                    continue;
                }
            };
            let resource = format!("domain {domain}");
            let vouched = item.state == DomainState::Verified;
            match known.iter().find(|it| it.domain == domain) {
                None => {
                    let new = item.id.clone().unwrap_or_else(|| self.new_id());
                    let action = Action::CreateDomain(new, id.clone(), domain.clone(), vouched);
                    steps.push(Step::create(&here, resource, action));
                }
                Some(it) if vouched && it.state != State::Verified => {
                    let mut differences = Differences::default();
                    differences.compare("state", it.state, State::Verified);
                    let action = Action::VerifyDomain(it.id.clone());
                    steps.push(Step::update(&here, resource, (differences, action)));
                }
                Some(_) => {}
            }
            named.push(domain);
        }
        for extra in known.iter().filter(|it| !named.contains(&it.domain)) {
            let mut breaks = Vec::new();
            if extra.state == State::Verified {
                breaks.push(format!("Addresses at {} no longer sign in by it.", extra.domain));
            }
            let action = Action::DeleteDomain(extra.id.clone());
            let step = Step::delete(&path, format!("domain {}", extra.domain), (breaks, action));
            self.not_in_file(early, step);
        }
    }

    fn default_role(
        &mut self,
        path: &str,
        (wanted, found): (&Organization, Option<&KnownOrganization>),
        (id, roles): (&OrganizationId, &Slugs),
        steps: &mut Vec<Step>,
    ) {
        let Some(slug) = &wanted.default_role else { return };
        if slug.as_ref().is_some_and(|slug| !roles.contains(slug)) {
            self.problem(&format!("{path}.default_role"), "there is no such role");
        }
        let before = found.and_then(|found| found.default_role.as_ref());
        let mut differences = Differences::default();
        if differences.compare("default_role", before, slug) {
            let action = Action::OrganizationDefaultRole(id.clone(), slug.clone());
            let resource = format!("organization {}", wanted.name);
            steps.push(Step::update(path, resource, (differences, action)));
        }
    }
}

/// Sets what is wanted and deletes the rest.
fn metadata_change(
    known: &organization::Metadata,
    wanted: &BTreeMap<String, String>,
) -> MetadataChange {
    let gone = known.keys().filter(|name| !wanted.contains_key(*name));
    let gone = gone.map(|name| (name.clone(), None));
    let set = wanted.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    gone.chain(set).collect()
}
