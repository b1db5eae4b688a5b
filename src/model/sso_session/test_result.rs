//! Who began an attempt, and what a test sign-in shows: data of the identity provider, kept as it
//! came. Whoever shows it must escape it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who began an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The application.
    #[default]
    Application,
    /// The identity provider, such as a tile in Okta's dashboard.
    IdentityProvider,
    /// An administrator in the dashboard, as a test.
    DashboardTest,
    /// The customer's IT administrator in the setup portal, as a test.
    PortalTest,
}

impl Origin {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Application, Self::IdentityProvider, Self::DashboardTest, Self::PortalTest];

    /// The word that is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::IdentityProvider => "identity_provider",
            Self::DashboardTest => "dashboard_test",
            Self::PortalTest => "portal_test",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|origin| origin.as_str() == word)
    }

    /// Whether the attempt signs nobody in, whatever comes of it.
    pub const fn is_test(self) -> bool {
        matches!(self, Self::DashboardTest | Self::PortalTest)
    }
}

/// What a test sign-in found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestResult {
    /// What the identity provider says of the person, without claims of the protocol (`aud`, `exp`,
    /// `nonce`, …).
    #[schema(value_type = Object)]
    pub claims: Map<String, Value>,
    /// The profile that they make.
    pub profile: TestProfile,
    /// The groups of the person.
    pub groups: TestGroups,
    /// The roles that they give; `null` where the sign-in was refused before.
    #[schema(required)]
    pub roles: Option<TestRoles>,
}

/// The profile that a login would store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestProfile {
    /// The identity provider's `sub`.
    pub idp_id: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the identity provider has verified it; `null` when it does not say.
    #[schema(required)]
    pub email_verified: Option<bool>,
    /// `given_name`, unless mapped otherwise.
    #[schema(required)]
    pub first_name: Option<String>,
    /// `family_name`, unless mapped otherwise.
    #[schema(required)]
    pub last_name: Option<String>,
    /// `name`, unless mapped otherwise.
    #[schema(required)]
    pub name: Option<String>,
    /// What the connection maps beyond these.
    #[schema(value_type = Object)]
    pub custom_attributes: Map<String, Value>,
}

/// Whether groups came, and which. That none came is not the same as that there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestGroups {
    /// How the groups claim was.
    pub state: GroupsState,
    /// The names, as they came.
    pub names: Vec<String>,
    /// Whether there were more names, or longer ones, than are kept.
    pub is_cut: bool,
}

/// How a groups claim was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupsState {
    /// There was none, or none that can be read.
    Absent,
    /// It was empty.
    Empty,
    /// All groups came.
    Present,
    /// The identity provider is known to cut the list at this length.
    Truncated,
    /// The identity provider says that there are too many groups to list them.
    Overflowed,
}

impl GroupsState {
    /// Whether a groups claim came at all.
    pub const fn came(self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// What it means, in one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Absent => "No groups claim came, or none that can be read.",
            Self::Empty => "The groups claim is empty: the person is in no group that is sent.",
            Self::Present => "All groups came.",
            Self::Truncated => "The identity provider may have cut the list of groups.",
            Self::Overflowed => "There are too many groups for the identity provider to send.",
        }
    }
}

/// How the roles came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestRoles {
    /// Every rule of the connection.
    pub rules: Vec<TestRule>,
    /// The slug of the role of people without a matching group.
    pub default_role: String,
    /// The slugs of the roles that a login would give, the most important first.
    pub given: Vec<String>,
}

impl TestRoles {
    /// Whether a group of the person gave a role.
    pub fn has_match(&self) -> bool {
        self.rules.iter().any(|rule| rule.matched)
    }
}

/// A rule of the connection: who is in the group has the role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TestRule {
    /// The group's name at the identity provider.
    pub group: String,
    /// The role's slug.
    pub role: String,
    /// Whether the person is in the group.
    pub matched: bool,
}
