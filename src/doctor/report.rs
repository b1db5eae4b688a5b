//! What the doctor says: one type for every face. No secret is ever in it, and every text of a
//! stranger in it is cut and free of control characters.

use serde::Serialize;

use super::Problem;
use crate::base::failure::Owner;
use crate::base::id::ConnectionId;
use crate::base::time::Timestamp;
use crate::model::connection::ConnectionType;
use crate::upstream::oidc::Kind;

/// How many characters of a stranger's text are kept.
const MAX_CHARS: usize = 300;

/// What was found out about a connection.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = DoctorReport)]
pub struct Report {
    /// Always `doctor_report`.
    pub object: &'static str,
    /// The connection.
    pub connection_id: ConnectionId,
    /// Its type.
    pub connection_type: ConnectionType,
    /// When it was looked at.
    pub checked_at: Timestamp,
    /// How long that took, in milliseconds.
    pub duration_ms: i64,
    /// Whether nothing failed and nothing needs attention.
    pub healthy: bool,
    /// What was found, in the order in which one thing depends on another.
    pub findings: Vec<Finding>,
}

impl Report {
    /// What needs attention.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.problem.is_some())
    }

    /// The finding of a check, if it was made.
    pub fn of(&self, check: Check) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.name == check)
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = DoctorFinding)]
pub struct Finding {
    /// The check.
    pub name: Check,
    /// How it ended.
    pub outcome: Outcome,
    /// The stable word for what is wrong.
    #[schema(required)]
    pub problem: Option<&'static str>,
    /// Who has to mend it.
    #[schema(required)]
    pub owner: Option<Owner>,
    /// What should have come.
    #[schema(required)]
    pub expected: Option<String>,
    /// What came.
    #[schema(required)]
    pub received: Option<String>,
    /// What else there is to say, such as why the check was skipped.
    #[schema(required)]
    pub note: Option<String>,
    /// What to do, in the words of the identity provider.
    #[schema(required)]
    pub remedy: Option<&'static str>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DoctorOutcome)]
pub enum Outcome {
    /// It holds.
    Ok,
    /// People can sign in, but somebody should look at this.
    Warning,
    /// People cannot sign in.
    Failed,
    /// There is no way to find out without a person, or the answer said neither yes nor no.
    CannotTell,
    /// It was not made: it depends on another that failed, or does not apply.
    Skipped,
}

impl Outcome {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::CannotTell => "cannot_tell",
            Self::Skipped => "skipped",
        }
    }

    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "Good",
            Self::Warning => "Needs attention",
            Self::Failed => "Failed",
            Self::CannotTell => "Cannot tell",
            Self::Skipped => "Skipped",
        }
    }
}

macro_rules! checks {
    ($($name:ident: $word:literal, $label:literal;)+) => {
        /// A check of a connection.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[schema(as = DoctorCheck)]
        pub enum Check {
            $(#[doc = $label] $name,)+
        }

        impl Check {
            /// All of them, in the order of a report.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$name),+];

            /// The stable word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What people call it.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)+ }
            }
        }
    };
}

checks! {
    Configuration: "configuration", "Configuration is complete";
    Address: "address", "Address is allowed";
    Dns: "dns", "Host name has an address";
    Tcp: "tcp", "Server can be reached";
    Tls: "tls", "Certificate is trusted";
    CertificateExpiry: "certificate_expiry", "Certificate is not about to expire";
    Proxy: "proxy", "Nothing answers in between";
    Discovery: "discovery", "Discovery endpoint answers";
    Issuer: "issuer", "Issuer is the connection's";
    Clock: "clock", "Clocks agree";
    Algorithms: "algorithms", "Signing algorithm is offered";
    Keys: "keys", "Signing keys can be used";
    Pkce: "pkce", "PKCE is used";
    AuthenticationMethods: "authentication_methods", "Client secret can be sent";
    Scopes: "scopes", "Scopes are offered";
    GroupsClaim: "groups_claim", "Groups claim is advertised";
    Userinfo: "userinfo", "Userinfo endpoint answers";
    AuthorizationEndpoint: "authorization_endpoint", "Sign-in page can be reached";
    ClientId: "client_id", "Client ID is known";
    RedirectUri: "redirect_uri", "Redirect URI is registered";
    TokenEndpoint: "token_endpoint", "Token endpoint answers";
    ClientSecret: "client_secret", "Client secret is right";
    NextClientSecret: "next_client_secret", "Next client secret is right";
    SecretExpiry: "secret_expiry", "Client secret is not about to expire";
}

impl Finding {
    fn plain(name: Check, outcome: Outcome, note: Option<String>) -> Self {
        let (expected, received) = (None, None);
        let note = note.filter(|text| !text.is_empty()).map(|text| safe(&text));
        Self { name, outcome, problem: None, owner: None, expected, received, note, remedy: None }
    }

    /// The check holds.
    pub(super) fn ok(name: Check, note: impl Into<String>) -> Self {
        Self::plain(name, Outcome::Ok, Some(note.into()))
    }

    /// There was no way to find out.
    pub(super) fn cannot_tell(name: Check, note: impl Into<String>) -> Self {
        Self::plain(name, Outcome::CannotTell, Some(note.into()))
    }

    /// The check was not made.
    pub(super) fn skipped(name: Check, note: impl Into<String>) -> Self {
        Self::plain(name, Outcome::Skipped, Some(note.into()))
    }

    /// The check was not made, because another one failed.
    pub(super) fn depends(name: Check, on: Check) -> Self {
        Self::skipped(name, format!("depends on {}", on.as_str()))
    }

    /// Something is wrong.
    pub(super) fn problem(problem: Problem, kind: Kind) -> Self {
        Self {
            problem: Some(problem.as_str()),
            owner: Some(problem.owner()),
            remedy: Some(problem.remedy(kind)),
            ..Self::plain(problem.check(), problem.outcome(), None)
        }
    }

    /// With what should have come and what came.
    #[must_use]
    pub(super) fn compared(self, expected: impl AsRef<str>, received: impl AsRef<str>) -> Self {
        Self {
            expected: Some(safe(expected.as_ref())),
            received: Some(safe(received.as_ref())),
            ..self
        }
    }

    /// With what else there is to say.
    #[must_use]
    pub(super) fn noted(self, note: impl AsRef<str>) -> Self {
        Self { note: Some(safe(note.as_ref())), ..self }
    }

    /// With another owner.
    #[must_use]
    pub(super) fn owned_by(self, owner: Owner) -> Self {
        Self { owner: Some(owner), ..self }
    }
}

/// A text that may be a stranger's: cut, and without characters that change how text is shown.
pub(super) fn safe(text: &str) -> String {
    let disturbs = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut clean: String =
        text.chars().take(MAX_CHARS).map(|c| if disturbs(c) { ' ' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_cut_and_cannot_disturb() {
        assert_eq!(safe("a\r\n\u{1b}[31mb\u{202e}c\0"), "a   [31mb c ");
        assert_eq!(safe(&"é".repeat(400)).chars().count(), 301);
    }

    #[test]
    fn the_words_are_those_of_the_json() {
        for check in Check::ALL {
            assert_eq!(serde_json::to_value(check).unwrap(), check.as_str());
        }
    }
}
