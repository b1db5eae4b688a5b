//! Domains of organizations: which e-mail addresses an organization may sign in with.
//!
//! A domain counts once it is verified, and of all organizations of an environment one at the most
//! has verified it. Until then any of them may try.

mod name;
mod table;
mod verification;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{environment, event, given};
use crate::base::id::{OrganizationDomainId, OrganizationId};
use crate::base::secret::random_alphanumeric;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;

pub use name::normalize;
pub use verification::{
    Check, FailureReason, Finding, PERIOD_MS, Settled, gives_up_at, last_check, settle, take_due,
};

/// How many domains an organization may have.
pub const MAX_PER_ORGANIZATION: usize = 200;

/// A domain of an organization.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OrganizationDomain {
    /// Always `organization_domain`.
    pub object: &'static str,
    /// Its id.
    pub id: OrganizationDomainId,
    /// The organization.
    pub organization_id: OrganizationId,
    /// The domain, in lower case and punycode.
    pub domain: String,
    /// Whether it is verified.
    pub state: State,
    /// The proof of ownership is a TXT record at the domain itself, with the text
    /// `{verification_prefix}={verification_token}`.
    pub verification_prefix: String,
    /// The part of the proof behind the `=`.
    pub verification_token: String,
    /// How it is, or was, verified.
    pub verification_strategy: Strategy,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl OrganizationDomain {
    /// The text of the TXT record that proves the ownership.
    pub fn proof(&self) -> String {
        format!("{}={}", self.verification_prefix, self.verification_token)
    }
}

/// Whether a domain is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// We look for the proof.
    Pending,
    /// It is verified.
    Verified,
    /// No proof was found in time, or another organization was faster.
    Failed,
}

impl State {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Verified => "verified",
            Self::Failed => "failed",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Verified, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// How a domain is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By a TXT record.
    Dns,
    /// The developer vouches for it.
    Manual,
}

impl Strategy {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Manual => "manual",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Dns, Self::Manual].into_iter().find(|strategy| strategy.as_str() == word)
    }
}

/// Adds a domain to an organization. As `verified`, the caller vouches for it.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no domain that an organization could own, [`Error::Conflict`] if
/// the organization has it already or another one has verified it.
pub async fn create(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    domain: &str,
    verified: bool,
) -> Result<OrganizationDomain> {
    create_as(tx, None, (organization_id, domain, verified)).await
}

/// The same with an id that is given.
///
/// # Errors
///
/// As [`create`], and [`Error::Conflict`] if the id is taken.
pub async fn create_as(
    tx: &mut Tx,
    id: Option<&OrganizationDomainId>,
    (organization_id, domain, verified): (&OrganizationId, &str, bool),
) -> Result<OrganizationDomain> {
    if let Some(id) = id {
        given::check_free(tx, ("organization_domains", "id"), id.as_str()).await?;
    }
    let id = id.cloned().unwrap_or_else(|| tx.new_id());
    let created = add_as(tx, id, (organization_id, normalize(domain)?, verified)).await?;
    record_created(tx, &created).await?;
    Ok(created)
}

/// Adds a domain, which has to be written as [`normalize`] does, without recording it.
pub(super) async fn add(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    domain: String,
    verified: bool,
) -> Result<OrganizationDomain> {
    let id = tx.new_id();
    add_as(tx, id, (organization_id, domain, verified)).await
}

async fn add_as(
    tx: &mut Tx,
    id: OrganizationDomainId,
    (organization_id, domain, verified): (&OrganizationId, String, bool),
) -> Result<OrganizationDomain> {
    environment::lock(tx).await?;
    if table::list(tx, std::slice::from_ref(organization_id)).await?.len() >= MAX_PER_ORGANIZATION {
        let message = format!("An organization has at most {MAX_PER_ORGANIZATION} domains.");
        return Err(Error::invalid("too_many_domains", "domain", message));
    }
    if find_verified_owner(tx, &domain).await?.is_some() {
        return Err(already_exists(&domain));
    }
    let environment = environment::current(tx).await?;
    let (state, verification_strategy) = if verified {
        (State::Verified, Strategy::Manual)
    } else {
        (State::Pending, Strategy::Dns)
    };
    let created = OrganizationDomain {
        object: "organization_domain",
        id,
        organization_id: organization_id.clone(),
        domain,
        state,
        verification_prefix: name::verification_prefix(&environment.name),
        verification_token: random_alphanumeric(25),
        verification_strategy,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    if !table::insert(tx, &created).await? {
        return Err(already_exists(&created.domain));
    }
    Ok(created)
}

/// Records what [`add`] did.
pub(super) async fn record_created(tx: &mut Tx, domain: &OrganizationDomain) -> Result<()> {
    let organization_id = Some(&domain.organization_id);
    event::record(tx, "organization_domain.created", organization_id, domain).await?;
    if domain.state == State::Verified {
        event::record(tx, "organization_domain.verified", organization_id, domain).await?;
    }
    Ok(())
}

/// The domain with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such domain.
pub async fn get(tx: &mut Tx, id: &OrganizationDomainId) -> Result<OrganizationDomain> {
    table::find(tx, id).await?.ok_or_else(|| Error::not_found("Organization Domain", id.as_str()))
}

/// The domains of these organizations, the oldest first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(
    tx: &mut Tx,
    organization_ids: &[OrganizationId],
) -> Result<Vec<OrganizationDomain>> {
    table::list(tx, organization_ids).await
}

/// The organization that has verified a domain, which has to be written as [`normalize`] does.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_verified_owner(tx: &mut Tx, domain: &str) -> Result<Option<OrganizationId>> {
    table::find_verified_owner(tx, domain).await
}

/// Begins the verification again: from now on we look for the proof, for [`PERIOD_MS`].
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such domain, [`Error::Invalid`] if it is verified
/// already.
pub async fn restart_verification(
    tx: &mut Tx,
    id: &OrganizationDomainId,
) -> Result<OrganizationDomain> {
    let old = get(tx, id).await?;
    if old.state == State::Verified {
        let message = format!("The domain '{}' is already verified.", old.domain);
        return Err(Error::invalid("domain_already_verified", "state", message));
    }
    let new = OrganizationDomain {
        state: State::Pending,
        verification_strategy: Strategy::Dns,
        updated_at: tx.now(),
        ..old.clone()
    };
    table::update_state(tx, &new).await?;
    table::restart(tx, id).await?;
    if old.state != new.state {
        let previous = json!({ "state": old.state });
        let organization_id = Some(&new.organization_id);
        event::record_change(
            tx,
            "organization_domain.updated",
            organization_id,
            &new,
            Some(previous),
        )
        .await?;
    }
    Ok(new)
}

/// Marks a domain as verified: by the proof that was found, or because the caller vouches for it.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such domain, [`Error::Conflict`] if another
/// organization has verified it.
pub async fn mark_verified(
    tx: &mut Tx,
    id: &OrganizationDomainId,
    strategy: Strategy,
) -> Result<OrganizationDomain> {
    environment::lock(tx).await?;
    let old = get(tx, id).await?;
    if old.state == State::Verified {
        return Ok(old);
    }
    if find_verified_owner(tx, &old.domain).await?.is_some() {
        return Err(already_exists(&old.domain));
    }
    let new = OrganizationDomain {
        state: State::Verified,
        verification_strategy: strategy,
        updated_at: tx.now(),
        ..old
    };
    table::update_state(tx, &new).await?;
    event::record(tx, "organization_domain.verified", Some(&new.organization_id), &new).await?;
    Ok(new)
}

/// Takes a domain from its organization.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such domain.
pub async fn delete(tx: &mut Tx, id: &OrganizationDomainId) -> Result<()> {
    let domain = get(tx, id).await?;
    table::delete(tx, id).await?;
    event::record(tx, "organization_domain.deleted", Some(&domain.organization_id), &domain).await
}

/// That another organization has it.
pub fn already_exists(domain: &str) -> Error {
    let message = format!("An Organization with the domain {domain} already exists.");
    Error::conflict("domain_already_exists", message)
}
