//! The events of attempts, as WorkOS shapes them.

use serde::Serialize;

use super::table;
use crate::base::Result;
use crate::base::failure::FailureCode;
use crate::base::id::{ConnectionId, OrganizationId, SsoSessionId};
use crate::db::Tx;
use crate::model::event;

/// Records the event of an ending, if it was this call that ended the attempt.
pub(super) async fn close(
    tx: &mut Tx,
    id: &SsoSessionId,
    ended: Option<&table::Ended>,
    name: &'static str,
    code: Option<FailureCode>,
) -> Result<()> {
    let Some(ended) = ended.filter(|ended| !ended.origin.is_test()) else { return Ok(()) };
    let status = name.trim_start_matches("authentication.sso_");
    let subject = Subject {
        organization_id: ended.organization_id.as_ref(),
        connection_id: ended.connection_id.as_ref(),
        session_id: id,
        ip_address: ended.ip_address.as_deref(),
        user_agent: ended.user_agent.as_deref(),
        email: ended.email.as_deref(),
    };
    subject.record(tx, name, status, code).await
}

/// The data of the event.
#[derive(Serialize)]
struct Data<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'a str,
    ip_address: Option<&'a str>,
    user_agent: Option<&'a str>,
    /// WorkOS's user management, which is not ours.
    user_id: Option<&'a str>,
    email: Option<&'a str>,
    sso: Sso<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Reason>,
}

#[derive(Serialize)]
struct Sso<'a> {
    organization_id: Option<&'a OrganizationId>,
    connection_id: Option<&'a ConnectionId>,
    session_id: &'a SsoSessionId,
}

#[derive(Serialize)]
struct Reason {
    code: &'static str,
    message: &'static str,
}

/// Whom an `authentication.sso_…` event is about.
pub(super) struct Subject<'a> {
    pub(super) organization_id: Option<&'a OrganizationId>,
    pub(super) connection_id: Option<&'a ConnectionId>,
    pub(super) session_id: &'a SsoSessionId,
    pub(super) ip_address: Option<&'a str>,
    pub(super) user_agent: Option<&'a str>,
    pub(super) email: Option<&'a str>,
}

impl Subject<'_> {
    pub(super) async fn record(
        &self,
        tx: &mut Tx,
        name: &'static str,
        status: &str,
        error: Option<FailureCode>,
    ) -> Result<()> {
        let data = Data {
            kind: "sso",
            status,
            ip_address: self.ip_address,
            user_agent: self.user_agent,
            user_id: None,
            email: self.email,
            sso: Sso {
                organization_id: self.organization_id,
                connection_id: self.connection_id,
                session_id: self.session_id,
            },
            error: error.map(|code| Reason { code: code.as_str(), message: code.for_developer() }),
        };
        event::record(tx, name, self.organization_id, &data).await
    }
}
