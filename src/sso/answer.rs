//! The answer to the application: a redirect to its registered URI.

use serde::{Deserialize, Serialize};

use crate::base::failure::{Channel, Failure};
use crate::base::id::SsoSessionId;
use crate::base::secret::Secret;

/// Where the application wants its answer, verified, and its `state`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Target {
    /// A registered redirect URI, byte for byte as the application sent it.
    pub redirect_uri: String,
    /// The application's `state`, percent-encoded byte for byte.
    pub app_state: Option<String>,
}

impl Target {
    /// The location with a code (RFC 6749 section 4.1.2).
    pub fn code(&self, code: &Secret) -> String {
        self.location(&[("code", code.expose())])
    }

    /// The location with an error (RFC 6749 section 4.1.2.1), if it may be told to the application.
    pub fn refusal(&self, failure: &Failure, id: Option<&SsoSessionId>) -> Option<String> {
        let Channel::Redirect(error) = failure.code.channel() else { return None };
        let description = failure.code.for_developer();
        let mut params = vec![("error_description", description), ("error", error)];
        if let Some(id) = id {
            params.push(("sso_session_id", id.as_str()));
        }
        Some(self.location(&params))
    }

    /// The redirect URI with these parameters and the `state`.
    pub fn location(&self, params: &[(&str, &str)]) -> String {
        let mut location = self.redirect_uri.clone();
        let mut separator = if location.contains('?') { '&' } else { '?' };
        for (name, value) in params {
            location.push(separator);
            location.push_str(name);
            location.push('=');
            location.push_str(&percent_encode(value.as_bytes()));
            separator = '&';
        }
        if let Some(state) = &self.app_state {
            location.push(separator);
            location.push_str("state=");
            location.push_str(state);
        }
        location
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3).
pub fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 4);
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                text.push('%');
                text.push(char::from(HEX[usize::from(byte >> 4)]));
                text.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::FailureCode;

    #[test]
    fn auz_20_the_state_comes_last_and_unchanged() {
        let target = Target {
            redirect_uri: "https://app.example.com/cb".to_owned(),
            app_state: Some(percent_encode(b"a b+c&d=\0\xff%")),
        };
        let refused = target.refusal(&FailureCode::AccessDenied.into(), None).unwrap();
        assert_eq!(
            refused,
            "https://app.example.com/cb?error_description=The%20identity%20provider%20refused%20the\
             %20user%20access%20to%20the%20application.&error=access_denied\
             &state=a%20b%2Bc%26d%3D%00%FF%25"
        );
    }

    #[test]
    fn a_failure_for_our_own_page_is_never_a_redirect() {
        let target = Target { redirect_uri: "https://a".to_owned(), app_state: None };
        assert_eq!(target.refusal(&FailureCode::StateInvalid.into(), None), None);
    }
}
