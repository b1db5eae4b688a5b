//! What surrounds every page: navigation, environment, who is signed in.

use crate::model::administrator::{Administrator, Role};
use crate::model::environment::{Environment, Kind};

/// The part of the navigation that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// Logins over time.
    Overview,
    /// Organizations, and all connections of one.
    Organizations,
    /// What happened.
    Events,
    /// Login attempts.
    Sessions,
    /// Where the application may be answered.
    Redirects,
    /// The secrets of the application.
    ApiKeys,
    /// Where the application is told of events.
    Webhooks,
    /// Roles and permissions.
    Roles,
    /// What the portal looks like.
    Branding,
    /// What can be chosen for the environment.
    Settings,
    /// All environments.
    Environments,
    /// All administrators.
    Team,
    /// Who changed what.
    Audit,
    /// The one who is here.
    Account,
}

/// One line of the navigation.
pub(super) struct Entry {
    pub(super) section: Section,
    pub(super) label: &'static str,
    pub(super) icon: &'static str,
    /// The end of its path.
    pub(super) path: &'static str,
}

/// The pages of an environment, in the order of the navigation.
const OF_ENVIRONMENT: &[Entry] = &[
    Entry { section: Section::Overview, label: "Overview", icon: "overview", path: "overview" },
    Entry {
        section: Section::Organizations,
        label: "Organizations",
        icon: "organization",
        path: "organizations",
    },
    Entry { section: Section::Sessions, label: "Sessions", icon: "session", path: "sessions" },
    Entry { section: Section::Events, label: "Events", icon: "event", path: "events" },
    Entry { section: Section::Redirects, label: "Redirects", icon: "redirect", path: "redirects" },
    Entry { section: Section::ApiKeys, label: "API Keys", icon: "key", path: "api-keys" },
    Entry { section: Section::Webhooks, label: "Webhooks", icon: "webhook", path: "webhooks" },
    Entry { section: Section::Roles, label: "Roles & Permissions", icon: "role", path: "roles" },
    Entry { section: Section::Branding, label: "Branding", icon: "branding", path: "branding" },
    Entry { section: Section::Settings, label: "Settings", icon: "settings", path: "settings" },
];

/// The pages of the installation.
const OF_INSTALLATION: &[Entry] = &[
    Entry {
        section: Section::Environments,
        label: "Environments",
        icon: "environment",
        path: "environments",
    },
    Entry { section: Section::Team, label: "Team", icon: "team", path: "team" },
    Entry { section: Section::Audit, label: "Audit trail", icon: "clock", path: "audit" },
    Entry { section: Section::Account, label: "Your account", icon: "account", path: "account" },
];

/// What surrounds a page: `frame` in `dashboard/layout.html`.
pub(super) struct Frame<'a> {
    pub(super) environment: Option<&'a Environment>,
    pub(super) environments: &'a [Environment],
    pub(super) administrator: &'a Administrator,
    pub(super) section: Section,
    pub(super) notice: Option<&'static str>,
    pub(super) csrf: &'a str,
}

impl Frame<'_> {
    pub(super) fn of_environment(&self) -> &'static [Entry] {
        OF_ENVIRONMENT
    }

    pub(super) fn of_installation(&self) -> &'static [Entry] {
        OF_INSTALLATION
    }

    /// Whether the administrator may open the page of this line.
    pub(super) fn may_open(&self, entry: &Entry) -> bool {
        entry.section != Section::Audit || self.administrator.role >= Role::Admin
    }

    /// Whether the page belongs to this line of the navigation.
    pub(super) fn is_in(&self, entry: &Entry) -> bool {
        self.section == entry.section
    }

    /// Whether changes of an environment may be offered; the handlers decide in any case.
    pub(super) fn may_write(&self) -> bool {
        self.administrator.role >= Role::Developer
    }

    /// The badge of an environment's kind: its class and its word.
    pub(super) fn kind(&self, environment: &Environment) -> (&'static str, &'static str) {
        match environment.kind {
            Kind::Production => ("good", "Production"),
            Kind::Sandbox => ("warn", "Sandbox"),
        }
    }
}
