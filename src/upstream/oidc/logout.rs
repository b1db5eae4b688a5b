//! Logging a person out at the identity provider (OpenID Connect RP-Initiated Logout 1.0).

use url::Url;

use crate::base::failure::Failure;
use crate::base::trace::Trace;
use crate::upstream::{IdToken, LogoutAsk, Upstream};

use super::discovery;
use super::settings::Settings;

/// The parameters of the request: an `end_session_endpoint` may not bring its own.
pub(super) const PARAMETERS: &[&str] =
    &["client_id", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "state"];
/// How many bytes an ID token may have to go into a URL; common servers take 8 kB.
const MAX_HINT_BYTES: usize = 6 * 1024;

/// The ID token to keep for the logout, unless it is too long for a URL.
pub(super) fn hint(id_token: &str) -> Option<IdToken> {
    (id_token.len() <= MAX_HINT_BYTES).then(|| IdToken(id_token.to_owned()))
}

/// Where browsers are sent to log out, if there is such a place.
pub(in crate::upstream) async fn endpoint(
    upstream: &Upstream,
    settings: &Settings,
    trace: &mut Trace,
) -> Result<Option<Url>, Failure> {
    let metadata = discovery::metadata(upstream, settings, trace).await?;
    Ok(metadata.end_session_endpoint.clone())
}

/// The logout request (section 2). `client_id` goes along with the hint: providers that encrypt or
/// forget theirs need it, and those that do not must compare it.
pub(in crate::upstream) fn url(endpoint: &Url, settings: &Settings, ask: &LogoutAsk) -> String {
    let mut url = endpoint.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(hint) = &ask.id_token_hint {
            query.append_pair("id_token_hint", hint.expose());
        }
        query
            .append_pair("client_id", &settings.client_id)
            .append_pair("post_logout_redirect_uri", &ask.post_logout_redirect_uri)
            .append_pair("state", ask.state.expose());
    }
    url.into()
}
