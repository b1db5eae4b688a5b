//! What stands above every page of one organization.

use crate::base::id::OrganizationId;
use crate::dashboard::visit::{Level, Place};
use crate::model::organization::Organization;
use crate::web::refusal::Refusal;

/// The pages of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    SetupLinks,
    Roles,
    Settings,
}

/// Name, id and tabs.
pub(super) struct Head {
    pub(super) organization: Organization,
    /// The path of the list.
    pub(super) list: String,
    /// The path of the organization.
    pub(super) path: String,
    pub(super) tab: Tab,
}

impl Head {
    pub(super) fn new<L: Level>(place: &Place<L>, organization: Organization, tab: Tab) -> Self {
        let list = place.path("/organizations");
        Self { path: format!("{list}/{}", organization.id), list, organization, tab }
    }

    /// The tabs: path, label, and whether it is the one that is shown.
    pub(super) fn tabs(&self) -> [(String, &'static str, bool); 4] {
        [
            (self.path.clone(), "Overview", self.tab == Tab::Overview),
            (format!("{}/setup-links", self.path), "Setup links", self.tab == Tab::SetupLinks),
            (format!("{}/roles", self.path), "Roles", self.tab == Tab::Roles),
            (format!("{}/settings", self.path), "Settings", self.tab == Tab::Settings),
        ]
    }
}

/// The id in the path.
pub(super) fn id(text: &str) -> Result<OrganizationId, Refusal> {
    OrganizationId::parse(text).ok_or_else(Refusal::not_found)
}
