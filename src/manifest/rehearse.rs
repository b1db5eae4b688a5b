//! Tries a plan out: each step by the operation that will do it, in units that are taken back. So a plan
//! tells what would be refused, and nothing is done.
//!
//! Nobody but the database is asked: what an identity provider would say is not known here.

use std::sync::{Arc, Mutex, PoisonError};

use super::apply::perform;
use super::plan::{Action, ConnectionChange, Plan, Scope, Unit};
use crate::app::App;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::seal::Sealer;
use crate::{delivery, setup};

/// How many organizations are tried out in one transaction: whoever signs in meanwhile waits for it, on
/// PostgreSQL for the row of the environment.
const TOGETHER: usize = 10;
/// How many refusals are enough to tell.
const ENOUGH: usize = 50;
/// What ends a unit that is to be taken back.
const TAKEN_BACK: &str = "taken_back";

/// What of a plan would be refused: path and reason.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn rehearse(app: &App, plan: Plan) -> Result<Vec<(String, String)>> {
    let units: Vec<Arc<Unit>> = plan.units.into_iter().map(Arc::new).collect();
    let mut refused = Vec::new();
    for units in units.chunk_by(|one, next| one.environment_id == next.environment_id) {
        let is_environment = |unit: &&Arc<Unit>| unit.scope == Scope::Environment;
        let (before, rest) = units.split_at(units.iter().take_while(is_environment).count());
        let organizations = rest.iter().take_while(|unit| !is_environment(unit)).count();
        let (organizations, after) = rest.split_at(organizations);
        let whole = organizations.len() <= TOGETHER;
        let mut chunks: Vec<&[Arc<Unit>]> = organizations.chunks(TOGETHER).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for chunk in chunks {
            // What is deleted at the end may stand on all organizations.
            let after = if whole { after } else { &[] };
            let tried = [before, chunk, after].concat();
            if !try_out(app, tried, &mut refused).await? || refused.len() >= ENOUGH {
                break;
            }
        }
    }
    Ok(refused)
}

/// Tries units out, without those that turn out to be refused; `false` if the environment itself is.
async fn try_out(
    app: &App,
    mut units: Vec<Arc<Unit>>,
    refused: &mut Vec<(String, String)>,
) -> Result<bool> {
    while !units.is_empty() {
        let Some((at, path, why)) = first_refusal(app, units.clone()).await? else { break };
        refused.push((path, why));
        if units.remove(at).scope == Scope::Environment {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first refusal: the place of its unit, its path and the reason.
async fn first_refusal(
    app: &App,
    units: Vec<Arc<Unit>>,
) -> Result<Option<(usize, String, String)>> {
    let caller = Caller::system(units[0].environment_id.clone());
    let (found, service) = (Arc::new(Mutex::new(None)), app.clone());
    let noted = Arc::clone(&found);
    let unit = async move |tx: &mut Tx| {
        for (at, unit) in units.iter().enumerate() {
            for step in &unit.steps {
                let refusal = match vet(&service, &step.action) {
                    Ok(()) => try_step(tx, &service.sealer, &step.action).await.err(),
                    Err(refusal) => Some(refusal),
                };
                match refusal {
                    None => {}
                    Some(error @ (Error::Unavailable(_) | Error::Internal(_))) => {
                        return Err(error);
                    }
                    Some(error) => {
                        let refusal = (at, step.path.clone(), error.to_string());
                        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
                        return Err(Error::conflict(TAKEN_BACK, ""));
                    }
                }
            }
        }
        Err::<(), _>(Error::conflict(TAKEN_BACK, ""))
    };
    match app.db.write(&caller, unit).await {
        Err(Error::Conflict { code: TAKEN_BACK, .. }) => {
            Ok(found.lock().unwrap_or_else(PoisonError::into_inner).take())
        }
        Err(error) => Err(error),
        Ok(()) => Err(Error::internal("what was tried out was not taken back")),
    }
}

/// The rules of the outbound client for a webhook endpoint, which need no network.
fn vet(app: &App, action: &Action) -> Result<()> {
    match action {
        Action::CreateWebhookEndpoint(_, new, _) => delivery::vet(app, &new.endpoint_url),
        Action::UpdateWebhookEndpoint(_, change, _) => {
            change.endpoint_url.as_deref().map_or(Ok(()), |url| delivery::vet(app, url))
        }
        _ => Ok(()),
    }
}

/// One step, of a connection without what its identity provider has to say.
async fn try_step(tx: &mut Tx, sealer: &Sealer, action: &Action) -> Result<()> {
    let found = setup::Found::default();
    match action {
        Action::CreateConnection(identity, new, change) => {
            let change = without_provider(change);
            setup::create_in(tx, sealer, (identity, &**new), (&change, &found)).await.map(drop)
        }
        Action::UpdateConnection(id, change) => {
            let change = without_provider(change);
            setup::update_in(tx, sealer, id.as_str(), (&change, &found)).await.map(drop)
        }
        _ => perform(tx, sealer, (action, None)).await,
    }
}

fn without_provider(ConnectionChange { change, .. }: &ConnectionChange) -> setup::Change {
    setup::Change {
        name: change.name.clone(),
        oidc: None,
        policy: change.policy.clone(),
        // It may be on only once its identity provider was asked.
        state: if change.oidc.is_some() { None } else { change.state },
    }
}
