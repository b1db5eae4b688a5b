//! The error of every operation: as many kinds as a caller can act on.

use std::error::Error as StdError;

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation did not happen, sorted by what the caller can do about it.
///
/// `code` is the wire's word: clients switch on it, so it never changes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or it belongs to somebody else: the two look alike on purpose.
    #[error("{entity} not found: '{id}'.")]
    NotFound {
        /// The noun as WorkOS writes it, such as `Organization`.
        entity: &'static str,
        /// What was asked for.
        id: String,
    },
    /// The input breaks a rule; the same input will break it again.
    #[error("{message}")]
    Invalid {
        /// The wire's word for the rule, such as `invalid_metadata`.
        code: &'static str,
        /// The member of the input that breaks it, where there is one.
        field: Option<&'static str>,
        /// One sentence for the person who wrote the input.
        message: String,
    },
    /// The input is fine, but something that exists stands in its way.
    #[error("{message}")]
    Conflict {
        /// The wire's word for the conflict, such as `role_slug_conflict`.
        code: &'static str,
        /// One sentence for the person who wrote the input.
        message: String,
    },
    /// The caller may not do this.
    #[error("{reason}")]
    Denied {
        /// One sentence saying why.
        reason: String,
    },
    /// The caller did this too often: wait a minute.
    #[error("{message}")]
    RateLimited {
        /// One sentence for the caller.
        message: String,
    },
    /// The database or something else that we need does not answer now: try again.
    #[error("temporarily unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
    /// A fault of ours. The source goes to the log, never to the wire.
    #[error("internal error")]
    Internal(#[source] Box<dyn StdError + Send + Sync>),
}

// Cold, so that what is done for errors lies apart from what is done each time.
impl Error {
    /// A fault of ours, from whatever caused it.
    #[cold]
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// Something that we need does not answer now.
    #[cold]
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// No `entity` has this id where the caller may look.
    #[cold]
    pub fn not_found(entity: &'static str, id: impl Into<String>) -> Self {
        Self::NotFound { entity, id: id.into() }
    }

    /// Input that breaks a rule of the member `field`.
    #[cold]
    pub fn invalid(code: &'static str, field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { code, field: Some(field), message: message.into() }
    }

    /// Something that exists stands in the way.
    #[cold]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    /// Something was done too often in the last minute.
    #[cold]
    pub fn rate_limited(message: impl Into<String>) -> Self {
        Self::RateLimited { message: message.into() }
    }

    /// The same, saying of what it is an error where that is not plain from it: `place` stands in front of
    /// its causes. What is the caller's own fault stays as it is.
    #[must_use]
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Unavailable(cause) => Self::unavailable(format!("{place}: {}", causes(&*cause))),
            Self::Internal(cause) => Self::internal(format!("{place}: {}", causes(&*cause))),
            other => other,
        }
    }

    /// The whole chain of causes in one line, for the log.
    pub fn chain(&self) -> String {
        causes(self)
    }

    /// The causes in one line, for an operator at a terminal, who needs no word for the kind of error.
    pub fn told(&self) -> String {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => causes(&**cause),
            other => causes(other),
        }
    }
}

/// An error with what caused it, in one line.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
