//! Organizations: the customers of the application.

mod rules;
mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    connection, environment, event, field, given, organization_api_key, organization_domain,
};
use crate::base::id::OrganizationId;
use crate::base::page::{Page, PageRequest};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;
use organization_domain::{OrganizationDomain, State, Strategy};

/// What the application keeps with an organization, for its own purposes.
pub type Metadata = BTreeMap<String, String>;

/// An organization.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Organization {
    /// Always `organization`.
    pub object: &'static str,
    /// Its id.
    pub id: OrganizationId,
    /// What people call it; need not be unique.
    pub name: String,
    /// Its domains.
    pub domains: Vec<OrganizationDomain>,
    /// What the application keeps with it.
    pub metadata: Metadata,
    /// The application's own id for it.
    #[schema(required)]
    pub external_id: Option<String>,
    /// Its id at Stripe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripe_customer_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether people may sign in whose e-mail address is in none of its verified domains.
    pub allow_profiles_outside_organization: bool,
}

/// What a new organization is made of.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
pub struct NewOrganization {
    /// What people call it, 1 to 200 characters.
    pub name: String,
    /// Its domains. As `verified`, the caller vouches for them.
    pub domain_data: Option<Vec<DomainData>>,
    /// Its domains, to be verified: WorkOS's older way to give them.
    pub domains: Option<Vec<String>>,
    /// At most 50 keys of at most 40 ASCII characters; values of at most 600 characters.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub metadata: Option<MetadataChange>,
    /// The application's own id for it, at most 128 ASCII characters.
    pub external_id: Option<String>,
    /// Whether people may sign in whose e-mail address is in none of its verified domains.
    pub allow_profiles_outside_organization: Option<bool>,
}

/// A domain that an organization is to have.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
pub struct DomainData {
    /// The domain.
    pub domain: String,
    /// `verified` if the caller vouches for it, `pending` if it is to be proved.
    pub state: DomainDataState,
}

/// Whether the caller vouches for a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DomainDataState {
    /// It is to be proved.
    Pending,
    /// The caller vouches for it.
    Verified,
}

/// Keys to set, and keys to delete (`null`).
pub type MetadataChange = BTreeMap<String, Option<String>>;

/// What is to be changed of an organization; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// The whole new set of domains.
    pub domains: Option<Vec<DomainData>>,
    /// Keys to set and to delete; nothing at all, or none, clears it.
    pub metadata: Option<Option<MetadataChange>>,
    /// The application's new id for it, or none any more.
    pub external_id: Option<Option<String>>,
    /// The new id at Stripe, or none any more.
    pub stripe_customer_id: Option<Option<String>>,
    /// Whether people outside of its domains may sign in.
    pub allow_profiles_outside_organization: Option<bool>,
}

/// Which organizations a list is to hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// With one of these domains; none means all.
    pub domains: Vec<String>,
    /// With this text in the name.
    pub search: Option<String>,
    /// With this text in the name, in a domain, in the external id or in the id.
    pub anywhere: Option<String>,
}

/// Creates an organization with its domains.
///
/// # Errors
///
/// [`Error::Invalid`] if a member breaks its rule, [`Error::Conflict`] if a domain belongs to
/// another organization.
pub async fn create(tx: &mut Tx, new: &NewOrganization) -> Result<Organization> {
    create_as(tx, None, new).await
}

/// The same with an id that is given.
///
/// # Errors
///
/// As [`create`], and [`Error::Conflict`] if the id is taken.
pub async fn create_as(
    tx: &mut Tx,
    id: Option<&OrganizationId>,
    new: &NewOrganization,
) -> Result<Organization> {
    environment::lock(tx).await?;
    if let Some(id) = id {
        given::check_free(tx, ("organizations", "id"), id.as_str()).await?;
    }
    let mut metadata = Metadata::new();
    rules::apply(&mut metadata, new.metadata.as_ref())?;
    let organization = Organization {
        object: "organization",
        id: id.cloned().unwrap_or_else(|| tx.new_id()),
        name: field::name(&new.name, rules::MAX_NAME)?,
        domains: Vec::new(),
        metadata,
        external_id: rules::external_id(new.external_id.as_deref())?,
        stripe_customer_id: None,
        created_at: tx.now(),
        updated_at: tx.now(),
        allow_profiles_outside_organization: new
            .allow_profiles_outside_organization
            .unwrap_or_default(),
    };
    if !table::insert(tx, &organization).await? {
        return Err(rules::external_id_used(organization.external_id.as_deref()));
    }
    let wanted = domain_data(new.domain_data.as_deref(), new.domains.as_deref());
    let mut created = organization;
    for (domain, verified) in normalize(&wanted.unwrap_or_default())? {
        let domain = organization_domain::add(tx, &created.id, domain, verified).await?;
        created.domains.push(domain);
    }
    // The organization first: who reads the events cannot place its domains before.
    event::record(tx, "organization.created", Some(&created.id), &payload(&created)?).await?;
    for domain in &created.domains {
        organization_domain::record_created(tx, domain).await?;
    }
    Ok(created)
}

/// The domains that a request names, in the new way or the old one.
pub fn domain_data(
    domain_data: Option<&[DomainData]>,
    domains: Option<&[String]>,
) -> Option<Vec<DomainData>> {
    let pending =
        |domain: &String| DomainData { domain: domain.clone(), state: DomainDataState::Pending };
    domain_data
        .map(<[DomainData]>::to_vec)
        .or_else(|| domains.map(|domains| domains.iter().map(pending).collect()))
}

/// The organization with this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization.
pub async fn get(tx: &mut Tx, id: &OrganizationId) -> Result<Organization> {
    table::find(tx, "id = $?", id.as_str())
        .await?
        .ok_or_else(|| Error::not_found("Organization", id.as_str()))
}

/// The organization that the application knows by this id.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization.
pub async fn get_by_external_id(tx: &mut Tx, external_id: &str) -> Result<Organization> {
    table::find(tx, "external_id = $?", external_id)
        .await?
        .ok_or_else(|| Error::not_found("Organization", external_id))
}

/// Lists the organizations of the environment.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(
    tx: &mut Tx,
    filter: &Filter,
    request: &PageRequest,
) -> Result<Page<Organization>> {
    table::list(tx, filter, request).await
}

/// Changes an organization.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization, otherwise as [`create`].
pub async fn update(tx: &mut Tx, id: &OrganizationId, change: &Change) -> Result<Organization> {
    environment::lock(tx).await?;
    let old = get(tx, id).await?;
    let mut new = Organization { updated_at: tx.now(), ..old.clone() };
    if let Some(name) = &change.name {
        new.name = field::name(name, rules::MAX_NAME)?;
    }
    match &change.metadata {
        Some(Some(change)) if !change.is_empty() => rules::apply(&mut new.metadata, Some(change))?,
        Some(_) => new.metadata.clear(),
        None => {}
    }
    if let Some(external_id) = &change.external_id {
        new.external_id = rules::external_id(external_id.as_deref())?;
    }
    if let Some(stripe_customer_id) = &change.stripe_customer_id {
        new.stripe_customer_id = rules::stripe_customer_id(stripe_customer_id.as_deref())?;
    }
    if let Some(allow) = change.allow_profiles_outside_organization {
        new.allow_profiles_outside_organization = allow;
    }
    check_external_id(tx, &new).await?;
    if let Some(domains) = &change.domains {
        set_domains(tx, &old, domains).await?;
    }
    table::update(tx, &new).await?;
    let new = get(tx, id).await?;
    let previous = differences(&old, &new);
    if !previous.is_empty() {
        let payload = payload(&new)?;
        event::record_change(tx, "organization.updated", Some(id), &payload, Some(previous.into()))
            .await?;
    }
    Ok(new)
}

/// Deletes an organization and everything that belongs to it: connections, profiles, domains, keys.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization.
pub async fn delete(tx: &mut Tx, id: &OrganizationId) -> Result<()> {
    let organization = get(tx, id).await?;
    for connection in connection::of_organization(tx, id).await? {
        connection::delete(tx, connection.id.as_str()).await?;
    }
    for domain in &organization.domains {
        organization_domain::delete(tx, &domain.id).await?;
    }
    organization_api_key::delete_of(tx, id).await?;
    table::delete(tx, id).await?;
    event::record(tx, "organization.deleted", Some(id), &payload(&organization)?).await
}

/// Gives an organization exactly these domains. One that it has keeps its id and its proof, and
/// stays verified if it is.
async fn set_domains(
    tx: &mut Tx,
    organization: &Organization,
    wanted: &[DomainData],
) -> Result<()> {
    let normalized = normalize(wanted)?;
    for domain in &organization.domains {
        if !normalized.iter().any(|(wanted, _)| *wanted == domain.domain) {
            organization_domain::delete(tx, &domain.id).await?;
        }
    }
    for (domain, verified) in normalized {
        match organization.domains.iter().find(|known| known.domain == domain) {
            None => {
                organization_domain::create(tx, &organization.id, &domain, verified).await?;
            }
            Some(known) if verified && known.state != State::Verified => {
                organization_domain::mark_verified(tx, &known.id, Strategy::Manual).await?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The domains as they are written down, and whether the caller vouches for them.
fn normalize(wanted: &[DomainData]) -> Result<Vec<(String, bool)>> {
    let mut normalized: Vec<(String, bool)> = Vec::with_capacity(wanted.len());
    for data in wanted {
        let domain = organization_domain::normalize(&data.domain)?;
        if normalized.iter().any(|(known, _)| *known == domain) {
            let message = format!("The domain {domain} is given more than once.");
            return Err(Error::invalid("duplicate_domain", "domain_data", message));
        }
        normalized.push((domain, data.state == DomainDataState::Verified));
    }
    Ok(normalized)
}

/// Whether another organization has the same external id.
async fn check_external_id(tx: &mut Tx, organization: &Organization) -> Result<()> {
    let Some(external_id) = &organization.external_id else {
        return Ok(());
    };
    match table::find(tx, "external_id = $?", external_id).await? {
        Some(other) if other.id != organization.id => {
            Err(rules::external_id_used(Some(external_id)))
        }
        _ => Ok(()),
    }
}

/// The old values of what is different now.
fn differences(old: &Organization, new: &Organization) -> Map<String, Value> {
    let mut previous = Map::new();
    let mut compare = |name: &str, old: Value, new: Value| {
        if old != new {
            previous.insert(name.to_owned(), old);
        }
    };
    compare("name", json!(old.name), json!(new.name));
    compare("domains", json!(old.domains), json!(new.domains));
    compare("metadata", json!(old.metadata), json!(new.metadata));
    compare("external_id", json!(old.external_id), json!(new.external_id));
    compare("stripe_customer_id", json!(old.stripe_customer_id), json!(new.stripe_customer_id));
    compare(
        "allow_profiles_outside_organization",
        json!(old.allow_profiles_outside_organization),
        json!(new.allow_profiles_outside_organization),
    );
    previous
}

/// The shape in events, which lacks a member of the API's.
fn payload(organization: &Organization) -> Result<Value> {
    let mut data = serde_json::to_value(organization).map_err(Error::internal)?;
    if let Some(members) = data.as_object_mut() {
        members.remove("allow_profiles_outside_organization");
    }
    Ok(data)
}
