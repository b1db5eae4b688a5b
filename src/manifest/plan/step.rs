//! One thing to do, what it changes, and what it breaks.

use serde::Serialize;
use serde_json::Value;

use crate::base::id::{
    ConnectionGroupId, ConnectionId, EnvironmentId, OrganizationDomainId, OrganizationId,
    RedirectUriId, WebhookEndpointId,
};
use crate::base::secret::Secret;
use crate::manifest::secret::Fingerprint;
use crate::model::{
    connection, connection_group, environment, organization, permission, profile, role,
    webhook_endpoint,
};
use crate::setup;

/// Steps that are done together or not at all: one unit of work.
#[derive(Debug)]
pub struct Unit {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// What it is about.
    pub scope: Scope,
    /// The path in the file of what it is about.
    pub title: String,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// What a unit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The environment: nothing in it is done if this is not.
    Environment,
    /// One organization.
    Organization,
}

/// One thing to do.
#[derive(Debug, Serialize)]
pub struct Step {
    /// Where in the file it stands, or would.
    pub path: String,
    /// What is done.
    pub operation: Operation,
    /// To what, such as `role editor`.
    pub resource: String,
    /// What is different afterwards.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What no longer works afterwards, each as one sentence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<String>,
    /// How it is done.
    #[serde(skip)]
    pub action: Action,
}

impl Step {
    pub(super) fn create(path: &str, resource: String, action: Action) -> Self {
        Self::new(Operation::Create, path, resource, action)
    }

    pub(super) fn update(
        path: &str,
        resource: String,
        (differences, action): (Differences, Action),
    ) -> Self {
        let differences = differences.0;
        Self { differences, ..Self::new(Operation::Update, path, resource, action) }
    }

    pub(super) fn delete(
        path: &str,
        resource: String,
        (breaks, action): (Vec<String>, Action),
    ) -> Self {
        Self { breaks, ..Self::new(Operation::Delete, path, resource, action) }
    }

    fn new(operation: Operation, path: &str, resource: String, action: Action) -> Self {
        let (differences, breaks) = (Vec::new(), Vec::new());
        Self { path: path.to_owned(), operation, resource, differences, breaks, action }
    }
}

/// What is done to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It is created.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

/// One member that is different afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its name.
    pub member: String,
    /// What it is. Of a secret, a fingerprint.
    pub before: Value,
    /// What it will be.
    pub after: Value,
}

/// Collects what is different.
#[derive(Debug, Default)]
pub(super) struct Differences(Vec<Difference>);

impl Differences {
    /// Compares two values; whether they differ.
    pub(super) fn compare(
        &mut self,
        member: &str,
        before: impl Serialize,
        after: impl Serialize,
    ) -> bool {
        let value = |it: serde_json::Result<Value>| it.unwrap_or_default();
        let before = value(serde_json::to_value(before));
        let after = value(serde_json::to_value(after));
        if before == after {
            return false;
        }
        self.0.push(Difference { member: member.to_owned(), before, after });
        true
    }

    /// The wanted value, if there is one and it differs.
    pub(super) fn wanted<T: Serialize + Clone>(
        &mut self,
        member: &str,
        before: impl Serialize,
        after: Option<&T>,
    ) -> Option<T> {
        after.filter(|after| self.compare(member, before, after)).cloned()
    }

    /// A secret that differs: its fingerprints, `None` where there is no secret.
    pub(super) fn secret(
        &mut self,
        member: &str,
        before: Option<Fingerprint>,
        after: Option<Fingerprint>,
    ) {
        let shown = |it: Option<Fingerprint>| Value::from(it.map(|it| it.to_string()));
        let (before, after) = (shown(before), shown(after));
        self.0.push(Difference { member: member.to_owned(), before, after });
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a step is done: by which operation, with what.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is an operation of a noun, which is documented there")]
pub enum Action {
    CreateEnvironment(environment::Identity, environment::NewEnvironment),
    UpdateEnvironment(environment::Change),
    CreateRedirectUri(String),
    DefaultRedirectUri(String),
    DeleteRedirectUri(RedirectUriId),
    CreatePermission(permission::NewPermission),
    UpdatePermission(String, permission::Change),
    DeletePermission(String),
    CreateRole(Option<OrganizationId>, role::NewRole, Vec<String>),
    UpdateRole(Option<OrganizationId>, String, role::Change, Option<Vec<String>>),
    OrderRoles(Option<OrganizationId>, Vec<String>),
    DefaultRole(String),
    DeleteRole(Option<OrganizationId>, String),
    CreateWebhookEndpoint(
        webhook_endpoint::Identity,
        webhook_endpoint::NewWebhookEndpoint,
        Option<webhook_endpoint::Status>,
    ),
    UpdateWebhookEndpoint(WebhookEndpointId, webhook_endpoint::Change, Option<Secret>),
    DeleteWebhookEndpoint(WebhookEndpointId),
    CreateOrganization(OrganizationId, organization::NewOrganization, organization::Change),
    UpdateOrganization(OrganizationId, organization::Change),
    OrganizationDefaultRole(OrganizationId, Option<String>),
    DeleteOrganization(OrganizationId),
    CreateDomain(OrganizationDomainId, OrganizationId, String, bool),
    VerifyDomain(OrganizationDomainId),
    DeleteDomain(OrganizationDomainId),
    CreateConnection(connection::Identity, Box<connection::NewConnection>, Box<ConnectionChange>),
    UpdateConnection(ConnectionId, Box<ConnectionChange>),
    DeleteConnection(ConnectionId),
    CreateGroup(ConnectionId, connection_group::NewGroup),
    UpdateGroup(ConnectionId, ConnectionGroupId, connection_group::Change),
    DeleteGroup(ConnectionId, ConnectionGroupId),
    ImportProfile(ConnectionId, profile::Imported),
}

/// A change of a connection, and what has to be found out for it.
#[derive(Debug)]
pub struct ConnectionChange {
    /// The change.
    pub change: setup::Change,
    /// How the identity provider was spoken to before.
    pub known: Option<crate::upstream::Settings>,
    /// The issuer that has to be found.
    pub issuer: Option<String>,
}
