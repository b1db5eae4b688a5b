//! The verification of domains by DNS: on demand, and again and again in the background.
//!
//! A flow of its own beside `setup`: it needs no connection, and the API, the setup portal and the
//! sweep begin it alike. A unit says which proof to look for, DNS is asked with no transaction open,
//! and another unit draws the conclusion, if what was asked about is still what is there.

use tokio::task::JoinSet;

use crate::app::App;
use crate::base::id::OrganizationDomainId;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::dns::Answer;
use crate::model::organization_domain::{
    self, FailureReason, Finding, OrganizationDomain, Settled, settle,
};

/// How many domains one round of the sweep looks at.
const PER_ROUND: usize = 40;
/// How many of them at once.
const AT_ONCE: usize = 8;

/// Begins the verification of a domain again and asks DNS at once. What was found is told whatever
/// it is; if the proof is missing, the domain stays pending and the sweep goes on looking.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such domain, [`Error::Invalid`] if it is verified
/// already, [`Error::Conflict`] if the proof is there but another organization was faster; the
/// verification has failed then.
pub async fn verify(app: &App, caller: &Caller, id: &OrganizationDomainId) -> Result<Settled> {
    let id = id.clone();
    let restart = async move |tx: &mut Tx| organization_domain::restart_verification(tx, &id).await;
    let domain = app.db.write(caller, restart).await?;
    let settled = look(app, caller, domain).await?;
    if settled.failed == Some(FailureReason::VerifiedByOther) {
        return Err(organization_domain::already_exists(&settled.domain.domain));
    }
    Ok(settled)
}

/// Asks DNS about pending domains whose next check is due; returns how many. Each ends verified,
/// failed after 30 days, or is looked at again after a pause that grows.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn sweep(app: &App) -> Result<usize> {
    let nobody = Caller::anonymous();
    let due = app
        .db
        .write(&nobody, async |tx| organization_domain::take_due(tx, PER_ROUND).await)
        .await?;
    let count = due.len();
    let mut running = JoinSet::new();
    for (environment_id, domain) in due {
        if running.len() >= AT_ONCE {
            running.join_next().await;
        }
        let (app, caller) = (app.clone(), Caller::system(environment_id));
        running.spawn(async move {
            let name = domain.domain.clone();
            match look(&app, &caller, domain).await {
                // Somebody deleted it while DNS was asked.
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    let error = error.chain();
                    tracing::warn!(domain = name, error, "a domain was not checked");
                }
            }
        });
    }
    while running.join_next().await.is_some() {}
    Ok(count)
}

/// Asks DNS about one domain and draws the conclusion.
async fn look(app: &App, caller: &Caller, domain: OrganizationDomain) -> Result<Settled> {
    let finding = match app.dns.texts(&domain.domain).await {
        Ok(Answer::Texts(texts)) => Finding::among(&texts, &domain),
        Ok(Answer::Alias(target)) => Finding::alias(&target),
        Ok(Answer::NoName) => Finding::NoName,
        Err(error) => Finding::no_answer(&error.to_string()),
    };
    app.db.write(caller, async move |tx| settle(tx, &domain, &finding).await).await
}
