//! What stands above every page of one connection.

use super::{StateBadge, badge, type_label};
use crate::app::App;
use crate::base::Caller;
use crate::dashboard::visit::{Level, Place};
use crate::model::connection::{self, Connection};
use crate::model::organization::{self, Organization};
use crate::upstream::Settings;
use crate::upstream::oidc;
use crate::web::refusal::Refusal;

/// The pages of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Tab {
    Configuration,
    Sessions,
    Test,
    Doctor,
}

/// Name, type, state, id and tabs.
pub(in crate::dashboard) struct Head {
    pub(in crate::dashboard) connection: Connection,
    pub(in crate::dashboard) organization: Organization,
    /// The path of the list of organizations.
    pub(in crate::dashboard) list: String,
    /// The path of the connection.
    pub(in crate::dashboard) path: String,
    tab: Tab,
}

impl Head {
    pub(in crate::dashboard) fn new<L: Level>(place: &Place<L>, found: Found, tab: Tab) -> Self {
        let (connection, organization) = found;
        Self {
            list: place.path("/organizations"),
            path: place.path(&format!("/connections/{}", connection.id)),
            connection,
            organization,
            tab,
        }
    }

    /// The tabs: path, label, and whether it is the one that is shown.
    pub(in crate::dashboard) fn tabs(&self) -> [(String, &'static str, bool); 4] {
        [
            (self.path.clone(), "Configuration", self.tab == Tab::Configuration),
            (format!("{}/sessions", self.path), "Sessions", self.tab == Tab::Sessions),
            (format!("{}/test", self.path), "Test sign-in", self.tab == Tab::Test),
            (format!("{}/doctor", self.path), "Doctor", self.tab == Tab::Doctor),
        ]
    }

    pub(in crate::dashboard) fn state(&self) -> StateBadge {
        badge(self.connection.state)
    }

    pub(in crate::dashboard) fn type_label(&self) -> &'static str {
        type_label(self.connection.connection_type)
    }

    /// How the identity provider is spoken to, once that is known.
    pub(in crate::dashboard) fn settings(&self) -> Option<&oidc::Settings> {
        self.connection.settings.as_ref().map(|Settings::Oidc(settings)| settings)
    }
}

/// A connection and its organization.
pub(in crate::dashboard) type Found = (Connection, Organization);

/// The connection of this environment with the id in the path.
pub(in crate::dashboard) async fn load(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<Found, Refusal> {
    let id = id.to_owned();
    let read = async move |tx: &mut _| {
        let connection = connection::get(tx, &id).await?;
        let organization = organization::get(tx, &connection.organization_id).await?;
        Ok((connection, organization))
    };
    Ok(app.db.read(caller, read).await?)
}
