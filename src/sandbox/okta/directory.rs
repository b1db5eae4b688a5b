//! What an administrator of the tenant sees: people, groups, app integrations.

use std::collections::BTreeSet;

use crate::base::secret::Secret;

use super::fault::Fault;
use super::groups_claim::GroupsClaim;

/// A person.
#[derive(Clone, Debug)]
pub struct User {
    /// `00u…`; becomes `sub`.
    pub id: String,
    /// The address, which is the username as well.
    pub email: String,
    /// What they type.
    pub password: Secret,
    /// `given_name`.
    pub given_name: String,
    /// `family_name`.
    pub family_name: String,
    /// `email_verified`.
    pub email_verified: bool,
    /// Suspended people cannot sign in.
    pub suspended: bool,
    /// Administrators may use the admin console.
    pub is_admin: bool,
}

impl User {
    /// Both names.
    pub fn name(&self) -> String {
        format!("{} {}", self.given_name, self.family_name)
    }
}

/// A person to create.
#[derive(Clone, Copy, Debug)]
pub struct NewUser<'a> {
    /// The address, which is the username as well.
    pub email: &'a str,
    /// What they will type.
    pub password: &'a str,
    /// `given_name`.
    pub given_name: &'a str,
    /// `family_name`.
    pub family_name: &'a str,
}

/// A group.
#[derive(Clone, Debug)]
pub struct Group {
    /// `00g…`; never leaves the tenant: the groups claim has names.
    pub id: String,
    /// The name.
    pub name: String,
    /// The ids of its people.
    pub members: BTreeSet<String>,
    /// Whether it is the built-in group that everybody is in.
    pub is_everyone: bool,
}

/// An OpenID Connect web application, as the tenant's administrator set it up.
#[derive(Clone, Debug)]
pub struct AppIntegration {
    /// `0oa…`.
    pub client_id: String,
    /// The name, as the sign-in page shows it.
    pub name: String,
    /// The active secrets: one, or two during a rotation.
    pub secrets: Vec<Secret>,
    /// Secrets that were deactivated and not yet deleted.
    pub inactive_secrets: Vec<Secret>,
    /// "Sign-in redirect URIs".
    pub redirect_uris: Vec<String>,
    /// "Sign-out redirect URIs".
    pub post_logout_redirect_uris: Vec<String>,
    /// "Logout request URL": where the tenant says that a session has ended. ID tokens carry `sid` then.
    pub logout_request_url: Option<String>,
    /// The ids of the people it is assigned to.
    pub users: BTreeSet<String>,
    /// The ids of the groups it is assigned to.
    pub groups: BTreeSet<String>,
    /// "Require PKCE as additional verification".
    pub require_pkce: bool,
    /// "Require Demonstrating Proof of Possession (DPoP) header in token requests".
    pub require_dpop: bool,
    /// "Groups claim filter".
    pub groups_claim: Option<GroupsClaim>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl AppIntegration {
    /// Whether this fault is switched on.
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

/// An app integration to create.
#[derive(Clone, Debug, Default)]
pub struct NewApp {
    /// The name, as the sign-in page shows it.
    pub name: String,
    /// "Sign-in redirect URIs".
    pub redirect_uris: Vec<String>,
    /// "Sign-out redirect URIs".
    pub post_logout_redirect_uris: Vec<String>,
    /// The ids of the people it is assigned to.
    pub users: Vec<String>,
    /// The ids of the groups it is assigned to.
    pub groups: Vec<String>,
}

/// What the tenant's administrator copies into the relying party.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// `0oa…`.
    pub client_id: String,
    /// The first secret.
    pub client_secret: Secret,
}

/// The tenant's people, groups and app integrations.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) users: Vec<User>,
    pub(super) groups: Vec<Group>,
    pub(super) apps: Vec<AppIntegration>,
}

impl Directory {
    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// Usernames ignore case, as at Okta.
    pub(super) fn user_by_email(&self, email: &str) -> Option<&User> {
        self.users.iter().find(|user| user.email.eq_ignore_ascii_case(email.trim()))
    }

    pub(super) fn app(&self, client_id: &str) -> Option<&AppIntegration> {
        self.apps.iter().find(|app| app.client_id == client_id)
    }

    /// The names of a person's groups, in order.
    pub(super) fn group_names(&self, user_id: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .groups
            .iter()
            .filter(|group| group.members.contains(user_id))
            .map(|group| group.name.clone())
            .collect();
        names.sort();
        names
    }

    /// Whether the app is assigned to the person, or to one of their groups.
    pub(super) fn is_assigned(&self, app: &AppIntegration, user_id: &str) -> bool {
        app.users.contains(user_id)
            || self
                .groups
                .iter()
                .any(|group| app.groups.contains(&group.id) && group.members.contains(user_id))
    }
}
