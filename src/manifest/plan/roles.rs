//! Plans roles, of an environment or of an organization.

use super::environment::Lists;
use super::{Action, Differences, Planner, Step};
use crate::base::id::OrganizationId;
use crate::manifest::document;
use crate::model::role::{self, NewRole, Role};

impl Planner<'_> {
    /// `is_new`: the roles that are known were made with the environment, a moment ago.
    pub(super) fn roles(
        &mut self,
        (path, organization_id): (&str, Option<&OrganizationId>),
        (wanted, known): (Option<&[document::Role]>, &[Role]),
        is_new: bool,
        (steps, last): Lists<'_>,
    ) {
        let Some(wanted) = wanted else { return };
        let path = format!("{path}.roles");
        let mut order: Vec<String> = known.iter().map(|role| role.slug.clone()).collect();
        for (i, item) in wanted.iter().enumerate() {
            let here = format!("{path}[{i}]");
            match known.iter().find(|role| role.slug == item.slug) {
                Some(found) => steps.extend(update(&here, organization_id, (item, found))),
                None => {
                    order.push(item.slug.clone());
                    steps.push(create(&here, organization_id, item));
                }
            }
        }
        steps.extend(reorder(&path, organization_id, (&order, wanted)));
        let default = wanted.iter().position(|item| item.default);
        let known_default = known.iter().find(|role| role.is_default).map(|role| &role.slug);
        if let Some(i) = default
            && known_default != Some(&wanted[i].slug)
        {
            let mut differences = Differences::default();
            differences.compare("default", false, true);
            let action = Action::DefaultRole(wanted[i].slug.clone());
            let here = format!("{path}[{i}]");
            steps.push(Step::update(&here, resource(&wanted[i].slug), (differences, action)));
        }
        for extra in known.iter().filter(|it| !wanted.iter().any(|item| item.slug == it.slug)) {
            let action = Action::DeleteRole(organization_id.cloned(), extra.slug.clone());
            let breaks = match is_new {
                true => Vec::new(),
                false => vec!["Who has it loses it with the next sign-in.".to_owned()],
            };
            let step = Step::delete(&path, resource(&extra.slug), (breaks, action));
            if !is_new {
                self.not_in_file(last, step);
            } else if !extra.is_default || default.is_some() {
                // Nobody has seen it yet.
                steps.push(step);
            }
        }
    }
}

fn resource(slug: &str) -> String {
    format!("role {slug}")
}

fn create(path: &str, organization_id: Option<&OrganizationId>, item: &document::Role) -> Step {
    let new = NewRole {
        slug: item.slug.clone(),
        name: item.name.clone(),
        description: item.description.clone().flatten(),
        resource_type_slug: None,
    };
    let permissions = item.permissions.clone().unwrap_or_default();
    let action = Action::CreateRole(organization_id.cloned(), new, permissions);
    Step::create(path, resource(&item.slug), action)
}

fn update(
    path: &str,
    organization_id: Option<&OrganizationId>,
    (item, found): (&document::Role, &Role),
) -> Option<Step> {
    let mut differences = Differences::default();
    let change = role::Change {
        name: differences.wanted("name", &found.name, Some(&item.name)),
        description: differences.wanted(
            "description",
            &found.description,
            item.description.as_ref(),
        ),
    };
    let sorted = item.permissions.clone().map(|mut permissions| {
        permissions.sort();
        permissions.dedup();
        permissions
    });
    let permissions = differences.wanted("permissions", &found.permissions, sorted.as_ref());
    if differences.is_empty() {
        return None;
    }
    let slug = item.slug.clone();
    let action = Action::UpdateRole(organization_id.cloned(), slug, change, permissions);
    Some(Step::update(path, resource(&item.slug), (differences, action)))
}

/// Puts the roles of the file in its order; others come behind them, if that needs to change at all.
fn reorder(
    path: &str,
    organization_id: Option<&OrganizationId>,
    (order, wanted): (&[String], &[document::Role]),
) -> Option<Step> {
    let is_named = |slug: &&String| wanted.iter().any(|item| item.slug == **slug);
    let present: Vec<&String> = order.iter().filter(is_named).collect();
    let named: Vec<&String> = wanted.iter().map(|item| &item.slug).collect();
    if present == named {
        return None;
    }
    let mut differences = Differences::default();
    differences.compare("priority", &present, &named);
    let others = order.iter().filter(|slug| !is_named(slug));
    let all = named.into_iter().chain(others).cloned().collect();
    let action = Action::OrderRoles(organization_id.cloned(), all);
    Some(Step::update(path, "order of the roles".to_owned(), (differences, action)))
}
