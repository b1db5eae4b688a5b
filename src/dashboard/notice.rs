//! What a page says of the one before it. The address carries a word, the sentence stands here: so
//! nobody can make a page of ours say something by a link.

use url::form_urlencoded;

/// Words and sentences.
const NOTICES: &[(&str, &str)] = &[
    ("created", "It was created."),
    ("saved", "Your changes are saved."),
    ("deleted", "It was deleted."),
    ("revoked", "It was revoked: it works no longer."),
    ("domain-added", "The domain was added. Its owner proves it by the TXT record below."),
    ("domain-verified", "The domain is verified: people with addresses in it may sign in."),
    ("domain-pending", "The TXT record is not there yet. We go on looking for it."),
    ("domain-removed", "The domain was removed."),
    ("connection-created", "The connection was created. Its redirect URI is below."),
    ("secret-promoted", "The next client secret is the present one now."),
    ("secret-removed", "The next client secret was removed."),
    ("activated", "The connection is active: people can sign in by it."),
    ("deactivated", "The connection is inactive: nobody signs in by it."),
    ("group-created", "The group was created. It counts from the next sign-in on."),
    ("group-removed", "The group was removed. It counts from the next sign-in on."),
    ("webhook-enabled", "The endpoint is enabled: it gets what happens from now on."),
    ("webhook-disabled", "The endpoint is disabled: nothing is sent to it."),
    ("replay", "What happened in that time is being delivered again."),
    ("replay-nothing", "Nothing is kept of that time that this endpoint could get again."),
    ("signed-out", "You are signed out."),
    ("password", "Your password is changed. All other browsers are signed out."),
    ("passkey", "The passkey is added."),
    ("removed", "It was removed."),
    ("ended", "The session has ended."),
    ("others-ended", "All other browsers are signed out."),
];

/// The sentence for the `notice` of a query.
pub(super) fn of(query: &str) -> Option<&'static str> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, word) = pairs.find(|(name, _)| name == "notice")?;
    NOTICES.iter().find(|(known, _)| *known == word).map(|(_, sentence)| *sentence)
}
