//! Who asks: carried by every unit of work, so that no operation has to be told.

use super::id::EnvironmentId;

/// The face that a change came through (WorkOS's `context.actor.source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The REST API.
    Api,
    /// The dashboard.
    Dashboard,
    /// The customer's IT administrator, through a setup link.
    AdminPortal,
    /// The service itself: a login, a background job, the command line.
    System,
}

impl Source {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Dashboard => "dashboard",
            Self::AdminPortal => "admin_portal",
            Self::System => "system",
        }
    }
}

/// Who asks for a unit of work, and in which environment: queries of tenant data filter by it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The environment that the caller may see.
    pub environment_id: EnvironmentId,
    /// The face the caller came through.
    pub source: Source,
    /// Which key, administrator or job it is.
    pub actor_id: String,
}

impl Caller {
    /// Nobody yet: for the units that find the environment. No row belongs to its environment, so
    /// a query of tenant data finds nothing until `Tx::enter` is called.
    pub fn anonymous() -> Self {
        use super::id::Id;
        Self::system(EnvironmentId::from_stored(String::new()))
    }

    /// An administrator, for what belongs to no environment.
    pub fn administrator(id: &super::id::AdministratorId) -> Self {
        Self { source: Source::Dashboard, actor_id: id.to_string(), ..Self::anonymous() }
    }

    /// The service itself, working in one environment.
    pub fn system(environment_id: EnvironmentId) -> Self {
        Self { environment_id, source: Source::System, actor_id: "system".to_owned() }
    }
}
