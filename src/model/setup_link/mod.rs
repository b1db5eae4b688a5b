//! Setup links: how an organization's IT administrator gets into the setup portal.
//!
//! Looking at a link changes nothing that matters, because scanners of mail look at it too. Only
//! [`begin`] binds it to a browser, by a setup session of its own.

mod session;
mod table;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connection::{self, ConnectionType};
use super::{audit, environment, organization, redirect_uri};
use crate::base::email::EmailAddress;
use crate::base::id::{ConnectionId, OrganizationId, SetupLinkId};
use crate::base::page::{Page, PageRequest};
use crate::base::secret::{Secret, SecretHash};
use crate::base::time::Timestamp;
use crate::base::{Error, Result};
use crate::db::Tx;

pub use session::{Ended, SESSION_MS, Session, begin, enter, leave, purge_sessions, saw};

/// How long a link of the API can be begun if nobody says: 5 minutes, in milliseconds (as WorkOS's).
pub const API_LIFETIME_MS: i64 = 5 * 60 * 1000;
/// How long a link of the dashboard lives if nobody says: 30 days, in milliseconds.
pub const DASHBOARD_LIFETIME_MS: i64 = 30 * DAY_MS;
/// The longest life of a link: 90 days, in milliseconds.
pub const MAX_LIFETIME_MS: i64 = 90 * DAY_MS;
/// How long a step can be done that was handed over: 7 days, in milliseconds.
pub const STEP_LIFETIME_MS: i64 = 7 * DAY_MS;
/// How long a link still works after the connection went live through it: a day, in milliseconds.
const AFTER_LIVE_MS: i64 = DAY_MS;
/// How many links of one organization may be open at once.
const MAX_OPEN: i64 = 100;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A setup link without its token: that was shown once.
#[derive(Clone, Debug, Serialize)]
pub struct SetupLink {
    /// Its id.
    pub id: SetupLinkId,
    /// The organization that is set up through it.
    pub organization_id: OrganizationId,
    /// Where it comes from, which says how often it can be begun.
    pub kind: Kind,
    /// What may be done through it.
    pub features: Vec<Feature>,
    /// The one step that it is for, if it is for one.
    pub step: Option<Step>,
    /// The identity provider that is chosen already.
    pub connection_type: Option<ConnectionType>,
    /// For whom it was made, as a note.
    pub recipients: Vec<Recipient>,
    /// Where the way back leads.
    pub return_url: Option<String>,
    /// Where who has finished is sent.
    pub success_url: Option<String>,
    /// How often it was looked at, by people and by the scanners of their mail.
    pub opened_count: i64,
    /// In how many browsers it was begun.
    pub begun_count: i64,
    /// When it was last begun.
    pub last_begun_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When the setup was finished.
    pub finished_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The link that the step was handed over from.
    #[serde(skip)]
    pub parent_id: Option<SetupLinkId>,
}

/// Where a link comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The application asked for it and sends its administrator there at once: begun once.
    Api,
    /// An operator made it for somebody, who may pass it on: begun in any number of browsers.
    Dashboard,
    /// One step, handed over to a colleague by somebody who is setting up.
    Step,
}

impl Kind {
    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Dashboard => "dashboard",
            Self::Step => "step",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Api, Self::Dashboard, Self::Step].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What may be done through a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Setting up single sign-on.
    Sso,
    /// Proving that domains belong to the organization.
    DomainVerification,
}

impl Feature {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Sso, Self::DomainVerification];

    /// The word that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sso => "sso",
            Self::DomainVerification => "domain_verification",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|feature| feature.as_str() == word)
    }
}

/// One step of one connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The connection.
    pub connection_id: ConnectionId,
    /// The step of the connection's guide.
    pub id: String,
}

/// For whom a link was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// How a link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It can be begun.
    Open,
    /// It is of the API and was begun: it works on in that browser.
    Used,
    /// The setup was finished.
    Finished,
    /// Somebody took it back.
    Revoked,
    /// Its time is over.
    Expired,
}

impl State {
    /// The word that is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Used => "used",
            Self::Finished => "finished",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl SetupLink {
    /// How it stands at this moment.
    pub fn state(&self, now: Timestamp) -> State {
        if self.revoked_at.is_some() {
            State::Revoked
        } else if self.finished_at.is_some() {
            State::Finished
        } else if self.kind == Kind::Api && self.begun_count > 0 {
            State::Used
        } else if self.expires_at <= now {
            State::Expired
        } else {
            State::Open
        }
    }

    /// Whether this may be done through it.
    pub fn allows(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

/// The path of the link with this token, at our base URL.
pub fn path(token: &Secret) -> String {
    format!("/setup?token={}", token.expose())
}

/// What a new link is made of.
#[derive(Clone, Debug)]
pub struct NewSetupLink {
    /// The organization.
    pub organization_id: OrganizationId,
    /// Where it comes from.
    pub origin: Origin,
    /// What may be done through it; at least one thing.
    pub features: Vec<Feature>,
    /// How long it lives, in milliseconds, where it is not the usual time.
    pub lifetime_ms: Option<i64>,
    /// The identity provider that is chosen already.
    pub connection_type: Option<ConnectionType>,
    /// For whom it is.
    pub recipients: Vec<Recipient>,
    /// Where the way back leads; `None`: where the environment's settings say.
    pub return_url: Option<String>,
    /// Where who has finished is sent; `None`: where the environment's settings say.
    pub success_url: Option<String>,
}

/// Who asks for a new link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The application, by the API.
    Api,
    /// An operator, in the dashboard.
    Dashboard,
}

/// Creates a link; its token is returned here and never again.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such organization, [`Error::Invalid`] if a member
/// breaks its rule, [`Error::Conflict`] if the organization has too many open links.
pub async fn create(tx: &mut Tx, new: &NewSetupLink) -> Result<(SetupLink, Secret)> {
    organization::get(tx, &new.organization_id).await?;
    if new.features.is_empty() {
        return Err(Error::invalid("invalid_features", "features", "Choose at least one feature."));
    }
    let (kind, usual_ms) = match new.origin {
        Origin::Api => (Kind::Api, API_LIFETIME_MS),
        Origin::Dashboard => (Kind::Dashboard, DASHBOARD_LIFETIME_MS),
    };
    let lifetime_ms = new.lifetime_ms.unwrap_or(usual_ms);
    if !(60_000..=MAX_LIFETIME_MS).contains(&lifetime_ms) {
        let message = "A setup link lives from one minute to 90 days.";
        return Err(Error::invalid("invalid_expires_in", "expires_in", message));
    }
    check_recipients(&new.recipients)?;
    let (return_url, success_url) = addresses(tx, new).await?;
    if table::count_open(tx, &new.organization_id).await? >= MAX_OPEN {
        let message = format!("The organization has {MAX_OPEN} open setup links: revoke some.");
        return Err(Error::conflict("too_many_setup_links", message));
    }
    let link = SetupLink {
        id: tx.new_id(),
        organization_id: new.organization_id.clone(),
        kind,
        features: new.features.clone(),
        step: None,
        connection_type: new.connection_type,
        recipients: new.recipients.clone(),
        return_url,
        success_url,
        opened_count: 0,
        begun_count: 0,
        last_begun_at: None,
        expires_at: tx.now().plus_ms(lifetime_ms),
        revoked_at: None,
        finished_at: None,
        created_at: tx.now(),
        parent_id: None,
    };
    let token = Secret::random("setup_");
    table::insert(tx, &link, &token.hash()).await?;
    let details = json!({ "organization_id": link.organization_id, "expires_at": link.expires_at });
    audit::record(tx, "setup_link.created", link.id.as_str(), details).await?;
    Ok((link, token))
}

/// Where the browser goes when it leaves: what was asked for, else what the environment's settings
/// say, as far as that is still allowed.
async fn addresses(tx: &mut Tx, new: &NewSetupLink) -> Result<(Option<String>, Option<String>)> {
    let usual = environment::current(tx).await?.settings;
    let entered = new.return_url.as_deref();
    let return_url = match redirect_uri::check_address(tx, "return_url", entered).await? {
        None => redirect_uri::still_allowed(tx, usual.portal_return_url.as_deref()).await?,
        entered => entered,
    };
    let entered = new.success_url.as_deref();
    let success_url = match redirect_uri::check_address(tx, "success_url", entered).await? {
        None => redirect_uri::still_allowed(tx, usual.portal_success_url.as_deref()).await?,
        entered => entered,
    };
    Ok((return_url, success_url))
}

/// Hands one step over: a link that does this step of this connection and nothing else. It ends
/// with the link that it came from.
///
/// # Errors
///
/// [`Error::NotFound`] if the connection is not of the link's organization, [`Error::Denied`] if
/// the link is itself for one step only, [`Error::Conflict`] as [`create`].
pub async fn hand_over(tx: &mut Tx, from: &SetupLink, step: Step) -> Result<(SetupLink, Secret)> {
    if from.step.is_some() {
        let reason = "This link is for one step and cannot hand over another.".to_owned();
        return Err(Error::Denied { reason });
    }
    let connection = connection::get(tx, step.connection_id.as_str()).await?;
    if connection.organization_id != from.organization_id {
        return Err(Error::not_found("Connection", step.connection_id.as_str()));
    }
    if table::count_open(tx, &from.organization_id).await? >= MAX_OPEN {
        let message = format!("The organization has {MAX_OPEN} open setup links: revoke some.");
        return Err(Error::conflict("too_many_setup_links", message));
    }
    let mut expires_at = tx.now().plus_ms(STEP_LIFETIME_MS);
    // A link of the API can be begun for minutes only, but what was begun goes on.
    if from.kind == Kind::Dashboard {
        expires_at = expires_at.min(from.expires_at);
    }
    let link = SetupLink {
        id: tx.new_id(),
        kind: Kind::Step,
        features: vec![Feature::Sso],
        step: Some(step),
        recipients: Vec::new(),
        return_url: None,
        success_url: None,
        opened_count: 0,
        begun_count: 0,
        last_begun_at: None,
        expires_at,
        created_at: tx.now(),
        parent_id: Some(from.id.clone()),
        ..from.clone()
    };
    let token = Secret::random("setup_");
    table::insert(tx, &link, &token.hash()).await?;
    let details = json!({ "organization_id": link.organization_id, "expires_at": link.expires_at });
    audit::record(tx, "setup_link.created", link.id.as_str(), details).await?;
    Ok((link, token))
}

/// Lists the links of an organization, without those of single steps.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn list(
    tx: &mut Tx,
    organization_id: &OrganizationId,
    request: &PageRequest,
) -> Result<Page<SetupLink>> {
    table::list(tx, organization_id, request).await
}

/// Takes a link back: from the commit on it cannot be begun, and its sessions are dead.
///
/// # Errors
///
/// [`Error::NotFound`] if the environment has no such link.
pub async fn revoke(tx: &mut Tx, id: &str) -> Result<()> {
    let found = match SetupLinkId::parse(id) {
        Some(id) => table::revoke(tx, &id).await?,
        None => false,
    };
    if !found {
        return Err(Error::not_found("Setup Link", id));
    }
    audit::record(tx, "setup_link.revoked", id, json!({})).await
}

/// Ends a link because the setup is finished, with its sessions and the steps handed over from it.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn finish(tx: &mut Tx, link: &SetupLink) -> Result<()> {
    table::finish(tx, &link.id).await?;
    audit::record(tx, "setup_link.finished", link.id.as_str(), json!({})).await
}

/// Lets a link end a day after a connection went live through it, if nobody finishes it before.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn went_live(tx: &mut Tx, link: &SetupLink) -> Result<()> {
    let latest = tx.now().plus_ms(AFTER_LIVE_MS);
    table::shorten(tx, &link.id, latest).await
}

/// The link with this token, whatever its state. Finds the environment, so it is not limited to one.
///
/// # Errors
///
/// As [`Tx::fetch_all`].
pub async fn find_by_hash(tx: &mut Tx, token: &SecretHash) -> Result<Option<SetupLink>> {
    let Some((environment_id, link)) = table::find_by_hash(tx, token).await? else {
        return Ok(None);
    };
    tx.enter(&environment_id);
    Ok(Some(link))
}

/// Counts that somebody, or the scanner of somebody's mail, looked at a link. Nothing depends on it.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn count_opened(tx: &mut Tx, token: &SecretHash) -> Result<()> {
    table::count_opened(tx, token).await
}

/// Forgets links that ended before `moment`, at the most `limit`; returns how many. Goes through
/// all environments.
///
/// # Errors
///
/// As [`Tx::execute`].
pub async fn purge(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64> {
    table::purge(tx, before, limit).await
}

fn check_recipients(recipients: &[Recipient]) -> Result<()> {
    if recipients.len() > 20 {
        let message = "A setup link is for 20 people at the most.";
        return Err(Error::invalid("too_many_recipients", "it_contact_emails", message));
    }
    for Recipient { name, email } in recipients {
        if email.as_deref().is_some_and(|email| EmailAddress::parse(email).is_none()) {
            let message = "This is no e-mail address.";
            return Err(Error::invalid("invalid_email", "it_contact_emails", message));
        }
        if let Some(name) = name {
            super::field::name(name, 100)?;
        }
    }
    Ok(())
}
