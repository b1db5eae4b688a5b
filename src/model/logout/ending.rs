//! What ends when a person is logged out: codes that nobody redeemed, access tokens, and in the words
//! of an event what the application made of them.

use serde_json::json;

use super::idp_session::IdpSession;
use super::take_id_token;
use crate::base::Result;
use crate::base::id::SsoSessionId;
use crate::db::Tx;
use crate::model::profile::Profile;
use crate::model::{event, sso_session};

/// How many logins get a line in their trace; of all of them what they gave is revoked.
const MAX_TRACED: usize = 50;

/// Who is logged out of what, and at whose word.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// Who.
    pub profile: &'a Profile,
    /// Of what.
    pub scope: Scope<'a>,
    /// At whose word.
    pub by: Upstream,
}

/// What a person is logged out of.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// Everything that logins of the profile gave.
    Profile,
    /// What these logins gave.
    Logins(&'a [IdpSession]),
}

/// At whose word a person is logged out, and what that means for the session at the identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The application's; the browser is sent to the identity provider to end the session there.
    Asked,
    /// The application's; the identity provider has no logout, so its session goes on.
    NotOffered,
    /// The application's; the identity provider could not be asked, so its session goes on.
    Unreachable,
    /// The identity provider's: it ended its session itself.
    Told,
}

impl Upstream {
    /// Who began it, as the event says it.
    const fn initiated_by(self) -> &'static str {
        match self {
            Self::Asked | Self::NotOffered | Self::Unreachable => "application",
            Self::Told => "identity_provider",
        }
    }

    /// What becomes of the session at the identity provider, as the event says it.
    const fn idp_session(self) -> &'static str {
        match self {
            Self::Asked => "logout_requested",
            Self::NotOffered => "logout_not_supported",
            Self::Unreachable => "unreachable",
            Self::Told => "ended",
        }
    }

    /// The step of the trace, and what it says.
    const fn step(self) -> (&'static str, &'static str) {
        match self {
            Self::Asked => {
                ("logout.application", "logged out; the browser leaves for the identity provider")
            }
            Self::NotOffered => {
                ("logout.application", "logged out here; the identity provider has no logout")
            }
            Self::Unreachable => (
                "logout.application",
                "logged out here; the identity provider could not be asked to do the same",
            ),
            Self::Told => {
                ("logout.identity_provider", "the identity provider logged the person out")
            }
        }
    }
}

/// What was ended.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// The logins, as far as they are remembered; the newest first.
    pub sso_session_ids: Vec<SsoSessionId>,
    /// How many access tokens were good until now.
    pub access_tokens: u64,
}

/// Logs a person out: codes and access tokens are not good any more from the commit on, the kept ID
/// token is forgotten, and an event says so, unless all of it had ended before.
///
/// # Errors
///
/// [`Error::Unavailable`](crate::base::Error::Unavailable) if it could not be stored.
pub async fn end(tx: &mut Tx, ending: &Ending<'_>) -> Result<Ended> {
    let profile = ending.profile;
    let logins = match ending.scope {
        Scope::Profile => sso_session::of_profile(tx, &profile.id).await?,
        Scope::Logins(logins) => logins.iter().map(|it| it.sso_session_id.clone()).collect(),
    };
    let mut ended = Ended::default();
    let mut is_news = logins.is_empty() || ending.by != Upstream::Told;
    for sso_session_id in logins {
        ended.access_tokens += u64::from(sso_session::take_back(tx, &sso_session_id).await?);
        if ended.sso_session_ids.len() < MAX_TRACED {
            is_news |= sso_session::log_out(tx, &sso_session_id, ending.by.step()).await?;
        }
        ended.sso_session_ids.push(sso_session_id);
    }
    let only = match ending.scope {
        Scope::Profile => None,
        Scope::Logins(_) => Some(&ended.sso_session_ids[..]),
    };
    take_id_token(tx, &profile.id, only).await?;
    if !is_news {
        // The identity provider says what the application has made it do.
        return Ok(ended);
    }
    let data = json!({
        "object": "logout",
        "initiated_by": ending.by.initiated_by(),
        "idp_session": ending.by.idp_session(),
        "profile_id": profile.id,
        "organization_id": profile.organization_id,
        "connection_id": profile.connection_id,
        "connection_type": profile.connection_type,
        "idp_id": profile.idp_id,
        "email": profile.email,
        "sso_session_ids": ended.sso_session_ids,
    });
    event::record(tx, "profile.logged_out", Some(&profile.organization_id), &data).await?;
    Ok(ended)
}
