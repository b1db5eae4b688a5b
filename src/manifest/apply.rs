//! Does what a plan says: each of its units in one transaction, in their order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::plan::{Action, ConnectionChange, Plan, Scope, Step, Unit};
use crate::app::App;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::{
    connection, connection_group, environment, organization, organization_domain, permission,
    profile, redirect_uri, role, webhook_endpoint,
};
use crate::seal::Sealer;
use crate::{delivery, setup};

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many steps were done.
    pub done: usize,
    /// What was not done, and why.
    pub failures: Vec<Failure>,
    /// What administrators should know, each with the path of the connection that it is about.
    pub notes: Vec<(String, String)>,
}

/// A unit that was not done: nothing in it was.
#[derive(Debug)]
pub struct Failure {
    /// The path in the file of the step that failed.
    pub path: String,
    /// Why.
    pub error: Error,
    /// How many steps were not done with it.
    pub not_done: usize,
}

/// Does everything in a plan. A unit that fails leaves nothing behind, and the next one goes on,
/// except where it stands on the one that failed. Applying the same manifest again does the rest.
///
/// # Errors
///
/// [`Error::Invalid`] if a secret of the file could not be read; then nothing is done.
pub async fn apply(app: &App, actor_id: &str, plan: Plan) -> Result<Outcome> {
    if !plan.unread.is_empty() {
        let lines = plan.unread.iter().map(|(path, why)| format!("{path}: {why}"));
        let message = lines.collect::<Vec<_>>().join("\n");
        return Err(Error::invalid("secret_missing", "manifest", message));
    }
    let mut outcome = Outcome::default();
    // Environments of which something, or what everything in them stands on, was not done.
    let (mut incomplete, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for unit in plan.units {
        // What is deleted last may still be needed by what was not done.
        let depends = unit.scope == Scope::Environment && incomplete.contains(&unit.environment_id);
        if depends || missing.contains(&unit.environment_id) {
            let path = unit.title.clone();
            let error = Error::conflict("not_reached", "not done, because something failed before");
            outcome.failures.push(Failure { path, error, not_done: unit.steps.len() });
            continue;
        }
        let (id, scope, not_done) = (unit.environment_id.clone(), unit.scope, unit.steps.len());
        match self::unit(app, actor_id, unit, &mut outcome.notes).await {
            Ok(()) => outcome.done += not_done,
            Err((path, error)) => {
                outcome.failures.push(Failure { path, error, not_done });
                if scope == Scope::Environment {
                    missing.insert(id.clone());
                }
                incomplete.insert(id);
            }
        }
    }
    Ok(outcome)
}

/// What was found out for a step before it is done.
type Findings = Vec<Option<setup::Found>>;

/// Does one unit. Fails with the path of the step that did.
async fn unit(
    app: &App,
    actor_id: &str,
    unit: Unit,
    notes: &mut Vec<(String, String)>,
) -> Result<(), (String, Error)> {
    let mut findings: Findings = Vec::with_capacity(unit.steps.len());
    for step in &unit.steps {
        let found = find_out(app, step).await.map_err(|error| (step.path.clone(), error))?;
        for note in found.iter().flat_map(|found| found.notes.iter().chain(&found.warnings)) {
            notes.push((step.path.clone(), note.clone()));
        }
        findings.push(found);
    }
    let environment = Caller::system(unit.environment_id.clone());
    let caller = Caller { actor_id: actor_id.to_owned(), ..environment };
    let changed: Vec<String> = unit.steps.iter().filter_map(changed_connection).collect();
    let steps = Arc::new(unit.steps);
    let reached = Arc::new(AtomicUsize::new(0));
    let (all, at, sealer) = (Arc::clone(&steps), Arc::clone(&reached), Arc::clone(&app.sealer));
    let write = async move |tx: &mut Tx| {
        for (i, (step, found)) in all.iter().zip(&findings).enumerate() {
            // Only to say where it failed.
            at.store(i, Ordering::Relaxed);
            perform(tx, &sealer, (&step.action, found.as_ref())).await?;
        }
        Ok::<(), Error>(())
    };
    let done = app.db.write(&caller, write).await;
    for id in changed {
        app.upstream.forget(&id);
    }
    done.map_err(|error| (steps[reached.load(Ordering::Relaxed)].path.clone(), error))
}

fn changed_connection(step: &Step) -> Option<String> {
    match &step.action {
        Action::UpdateConnection(id, _) => Some(id.to_string()),
        _ => None,
    }
}

/// Asks by network what has to be known before the transaction begins.
async fn find_out(app: &App, step: &Step) -> Result<Option<setup::Found>> {
    let (change, works_here) = match &step.action {
        Action::CreateConnection(_, new, change) => {
            (change, new.connection_type.oidc_kind().is_some())
        }
        Action::UpdateConnection(_, change) => (change, true),
        Action::CreateWebhookEndpoint(_, new, _) => {
            delivery::vet(app, &new.endpoint_url)?;
            return Ok(None);
        }
        Action::UpdateWebhookEndpoint(_, change, _) => {
            if let Some(url) = &change.endpoint_url {
                delivery::vet(app, url)?;
            }
            return Ok(None);
        }
        _ => return Ok(None),
    };
    let ConnectionChange { change, known, issuer } = &**change;
    if !works_here {
        return Ok(Some(setup::Found::default()));
    }
    let found = setup::find_out(app, change, known.as_ref()).await?;
    if let (Some(expected), Some(received)) = (issuer.as_deref(), found.issuer())
        && expected != received
    {
        let message = format!("The issuer is {received}, and the file expects {expected}.");
        return Err(Error::invalid("issuer_mismatch", "oidc.issuer", message));
    }
    Ok(Some(found))
}

/// Does one step, by the operation of its noun.
pub(super) async fn perform(
    tx: &mut Tx,
    sealer: &Sealer,
    (action, found): (&Action, Option<&setup::Found>),
) -> Result<()> {
    let nothing = setup::Found::default();
    match action {
        Action::CreateEnvironment(identity, new) => {
            environment::create_as(tx, identity, new).await.map(drop)
        }
        Action::UpdateEnvironment(change) => environment::update(tx, change).await.map(drop),
        Action::CreateRedirectUri(uri) => redirect_uri::create(tx, uri).await.map(drop),
        Action::DefaultRedirectUri(uri) => {
            let found = redirect_uri::find_match(tx, uri).await?;
            let found = found.ok_or_else(|| Error::not_found("Redirect URI", uri))?;
            redirect_uri::make_default(tx, &found.id).await.map(drop)
        }
        Action::DeleteRedirectUri(id) => redirect_uri::delete(tx, id).await,
        Action::CreatePermission(new) => permission::create(tx, new).await.map(drop),
        Action::UpdatePermission(slug, change) => {
            permission::update(tx, slug, change).await.map(drop)
        }
        Action::DeletePermission(slug) => permission::delete(tx, slug).await,
        Action::CreateWebhookEndpoint(identity, new, status) => {
            let made = webhook_endpoint::create_as(tx, sealer, (identity, new)).await?;
            if *status == Some(webhook_endpoint::Status::Disabled) {
                let change = webhook_endpoint::Change { status: *status, ..Default::default() };
                webhook_endpoint::update(tx, &made.id, &change).await?;
            }
            Ok(())
        }
        Action::UpdateWebhookEndpoint(id, change, secret) => {
            if let Some(secret) = secret {
                webhook_endpoint::set_secret(tx, sealer, (id, secret)).await?;
            }
            webhook_endpoint::update(tx, id, change).await.map(drop)
        }
        Action::DeleteWebhookEndpoint(id) => webhook_endpoint::delete(tx, id).await,
        Action::CreateConnection(identity, new, change) => {
            let found = found.unwrap_or(&nothing);
            let change = (&change.change, found);
            setup::create_in(tx, sealer, (identity, &**new), change).await.map(drop)
        }
        Action::UpdateConnection(id, change) => {
            let found = found.unwrap_or(&nothing);
            let change = (&change.change, found);
            setup::update_in(tx, sealer, id.as_str(), change).await.map(drop)
        }
        Action::DeleteConnection(id) => connection::delete(tx, id.as_str()).await,
        Action::ImportProfile(id, imported) => {
            let connection = connection::get(tx, id.as_str()).await?;
            profile::import(tx, &connection, imported).await
        }
        _ => perform_on_organization(tx, action).await,
    }
}

/// The rest: roles, organizations, domains and groups.
async fn perform_on_organization(tx: &mut Tx, action: &Action) -> Result<()> {
    match action {
        Action::CreateRole(organization_id, new, permissions) => {
            let organization_id = organization_id.as_ref();
            role::create(tx, organization_id, new).await?;
            role::set_permissions(tx, organization_id, &new.slug, permissions).await.map(drop)
        }
        Action::UpdateRole(organization_id, slug, change, permissions) => {
            let organization_id = organization_id.as_ref();
            if let Some(permissions) = permissions {
                role::set_permissions(tx, organization_id, slug, permissions).await?;
            }
            role::update(tx, organization_id, slug, change).await.map(drop)
        }
        Action::OrderRoles(organization_id, slugs) => {
            role::reorder(tx, organization_id.as_ref(), slugs).await.map(drop)
        }
        Action::DefaultRole(slug) => role::make_default(tx, slug).await.map(drop),
        Action::DeleteRole(organization_id, slug) => {
            role::delete(tx, organization_id.as_ref(), slug).await
        }
        Action::CreateOrganization(id, new, change) => {
            organization::create_as(tx, Some(id), new).await?;
            if change.stripe_customer_id.is_some() {
                organization::update(tx, id, change).await?;
            }
            Ok(())
        }
        Action::UpdateOrganization(id, change) => {
            organization::update(tx, id, change).await.map(drop)
        }
        Action::OrganizationDefaultRole(id, slug) => {
            role::make_organization_default(tx, id, slug.as_deref()).await
        }
        Action::DeleteOrganization(id) => organization::delete(tx, id).await,
        Action::CreateDomain(id, organization_id, domain, verified) => {
            let new = (organization_id, domain.as_str(), *verified);
            organization_domain::create_as(tx, Some(id), new).await.map(drop)
        }
        Action::VerifyDomain(id) => {
            let vouched = organization_domain::Strategy::Manual;
            organization_domain::mark_verified(tx, id, vouched).await.map(drop)
        }
        Action::DeleteDomain(id) => organization_domain::delete(tx, id).await,
        Action::CreateGroup(connection_id, new) => {
            connection_group::create(tx, connection_id.as_str(), new).await.map(drop)
        }
        Action::UpdateGroup(connection_id, id, change) => {
            let place = (connection_id.as_str(), id.as_str());
            connection_group::change(tx, place, change).await.map(drop)
        }
        Action::DeleteGroup(connection_id, id) => {
            connection_group::delete(tx, connection_id.as_str(), id.as_str()).await
        }
        _ => Err(Error::internal("a step that nobody does")),
    }
}
