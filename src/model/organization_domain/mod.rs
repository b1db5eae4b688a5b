//! Domains of organizations: which e-mail addresses an organization may sign in with.
//!
//! A domain counts once it is verified, and of all organizations of an environment one at the most
//! has verified it. Until then any of them may try.

mod table;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{environment, event};
use crate::base::id::{OrganizationDomainId, OrganizationId};
use crate::base::secret::random_alphanumeric;
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;

/// How many domains an organization may have.
pub const MAX_PER_ORGANIZATION: usize = 200;

/// Providers of mailboxes: their domains say nothing about who employs somebody.
const PUBLIC_MAIL: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "gmx.com",
    "gmx.de",
    "gmx.net",
    "googlemail.com",
    "hey.com",
    "hotmail.com",
    "icloud.com",
    "libero.it",
    "live.com",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "orange.fr",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rocketmail.com",
    "t-online.de",
    "web.de",
    "yahoo.co.jp",
    "yahoo.co.uk",
    "yahoo.com",
    "yandex.com",
    "yandex.ru",
    "ymail.com",
    "zoho.com",
];

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

/// Why a domain could not be verified (the words of WorkOS's event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// Nobody published the proof in time.
    PeriodExpired,
    /// Another organization of the environment verified the domain first.
    VerifiedByOther,
}

impl FailureReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PeriodExpired => "domain_verification_period_expired",
            Self::VerifiedByOther => "domain_verified_by_other_organization",
        }
    }
}

/// A domain as it is written down: lower case, punycode, without a dot at the end.
///
/// # Errors
///
/// [`Error::Invalid`] if it is no domain that an organization could own.
pub fn normalize(text: &str) -> Result<String> {
    let text = text.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let domain = idna::domain_to_ascii_strict(text)
        .ok()
        .filter(|domain| domain.len() <= 253 && domain.parse::<std::net::IpAddr>().is_err())
        // Neither a public suffix (`co.uk`) nor a host name without a dot.
        .filter(|domain| psl::domain_str(domain).is_some())
        .ok_or_else(|| {
            Error::invalid("invalid_domain", "domain", format!("'{text}' is not a valid domain."))
        })?;
    if PUBLIC_MAIL.contains(&domain.as_str()) {
        let message = format!("'{domain}' is a public mail domain, which nobody can own.");
        return Err(Error::invalid("invalid_domain", "domain", message));
    }
    Ok(domain)
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
    let created = add(tx, organization_id, normalize(domain)?, verified).await?;
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
        id: tx.new_id(),
        organization_id: organization_id.clone(),
        domain,
        state,
        verification_prefix: verification_prefix(&environment.name),
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

/// All domains of the environment that wait for their proof, the oldest first.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list_pending(tx: &mut Tx) -> Result<Vec<OrganizationDomain>> {
    table::list_pending(tx).await
}

/// Begins the verification again: from now on we look for the proof.
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

/// Gives up on a domain that waits for its proof. Nothing happens to one that does not.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such domain.
pub async fn mark_failed(
    tx: &mut Tx,
    id: &OrganizationDomainId,
    reason: FailureReason,
) -> Result<OrganizationDomain> {
    let old = get(tx, id).await?;
    if old.state != State::Pending {
        return Ok(old);
    }
    let new = OrganizationDomain { state: State::Failed, updated_at: tx.now(), ..old };
    table::update_state(tx, &new).await?;
    let data = json!({ "reason": reason.as_str(), "organization_domain": new });
    let organization_id = Some(&new.organization_id);
    event::record(tx, "organization_domain.verification_failed", organization_id, &data).await?;
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

/// `{application}-domain-verification-{6 characters}`, as WorkOS's customers know it.
fn verification_prefix(environment_name: &str) -> String {
    let mut slug = String::new();
    for c in environment_name.chars().flat_map(char::to_lowercase).take(40) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let slug = if slug.is_empty() { "vestibule" } else { slug };
    format!("{slug}-domain-verification-{}", random_alphanumeric(6).to_lowercase())
}

fn already_exists(domain: &str) -> Error {
    let message = format!("An Organization with the domain {domain} already exists.");
    Error::conflict("domain_already_exists", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_spelling() {
        for (text, domain) in [
            ("Example.COM", "example.com"),
            (" example.com. ", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("mail.corp.internal", "mail.corp.internal"),
        ] {
            assert_eq!(normalize(text).unwrap(), domain);
        }
    }

    #[test]
    fn what_nobody_can_own_is_no_domain_of_an_organization() {
        for text in [
            "",
            ".",
            "com",
            "co.uk",
            "localhost",
            "gmail.com",
            "GMAIL.com",
            "1.2.3.4",
            "a b.com",
            "a@b.com",
            "https://a.com",
            "a.com/x",
            "*.a.com",
            "-a.com",
            "a..com",
            "a_b.com",
            "a.com\0",
        ] {
            assert!(normalize(text).is_err(), "{text}");
        }
        assert!(normalize(&format!("{}.com", "a".repeat(64))).is_err());
    }

    #[test]
    fn the_prefix_of_the_proof_names_the_application() {
        let prefix = verification_prefix("Acme App — Production!");
        assert!(prefix.starts_with("acme-app-production-domain-verification-"), "{prefix}");
        assert!(verification_prefix("—").starts_with("vestibule-domain-verification-"));
    }
}
