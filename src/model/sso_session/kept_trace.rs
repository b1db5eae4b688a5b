//! Traces as they are stored. Each login writes its own several times, and what it writes is mostly the
//! trace: so members have short names, times are counted from the step before, and what is as usual
//! is left out.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::base::trace::{Outcome, Step};
use crate::base::{Error, Result, stored};

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    /// Milliseconds since the step before; of the first step, since 1970.
    #[serde(rename = "t", default, skip_serializing_if = "is_zero")]
    after_ms: i64,
    #[serde(rename = "n", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    not_passed: Option<Outcome>,
    #[serde(rename = "e", default, borrow, skip_serializing_if = "Option::is_none")]
    expected: Option<Cow<'a, str>>,
    #[serde(rename = "r", default, borrow, skip_serializing_if = "Option::is_none")]
    received: Option<Cow<'a, str>>,
    /// What was expected came: it is not written twice.
    #[serde(rename = "s", default, skip_serializing_if = "is_false")]
    as_expected: bool,
    #[serde(rename = "m", default, borrow, skip_serializing_if = "Option::is_none")]
    note: Option<Cow<'a, str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The text to store.
///
/// # Errors
///
/// [`Error::Internal`] if it cannot be written.
pub(super) fn write<'a>(steps: impl Iterator<Item = &'a Step>) -> Result<String> {
    let mut before_ms = 0;
    let kept: Vec<Kept<'_>> = steps
        .map(|step| {
            let as_expected = step.received.is_some() && step.expected == step.received;
            let after_ms = step.at_ms - std::mem::replace(&mut before_ms, step.at_ms);
            Kept {
                after_ms,
                name: Cow::Borrowed(&step.name),
                not_passed: Some(step.outcome).filter(|outcome| *outcome != Outcome::Passed),
                expected: step.expected.as_deref().map(Cow::from),
                received: step.received.as_deref().filter(|_| !as_expected).map(Cow::from),
                as_expected,
                note: step.note.as_deref().map(Cow::from),
            }
        })
        .collect();
    serde_json::to_string(&kept).map_err(Error::internal)
}

/// The steps of a stored text.
///
/// # Errors
///
/// As [`stored::json`].
pub(super) fn read(text: &str) -> Result<Vec<Step>> {
    let kept: Vec<Kept<'_>> = match serde_json::from_str(text) {
        Ok(kept) => kept,
        // As the first versions wrote it: with all members, as the API shows them.
        Err(_) => return stored::json("the trace of an SSO session", text),
    };
    let mut at_ms = 0_i64;
    let step = |kept: Kept<'_>| {
        at_ms = at_ms.saturating_add(kept.after_ms);
        let expected = kept.expected.map(Cow::into_owned);
        Step {
            at_ms,
            name: kept.name.into_owned().into(),
            outcome: kept.not_passed.unwrap_or(Outcome::Passed),
            received: if kept.as_expected {
                expected.clone()
            } else {
                kept.received.map(Cow::into_owned)
            },
            expected,
            note: kept.note.map(|note| note.into_owned().into()),
        }
    };
    Ok(kept.into_iter().map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        let step = |at_ms, outcome, expected: Option<&str>, received: Option<&str>, note| Step {
            at_ms,
            name: "id_token.\"aud\"".into(),
            outcome,
            expected: expected.map(str::to_owned),
            received: received.map(str::to_owned),
            note,
        };
        vec![
            step(1_795_693_447_066, Outcome::Passed, Some("a"), Some("a"), None),
            step(1_795_693_447_066, Outcome::Warning, Some("a"), None, Some("x\n".into())),
            // A clock may go back.
            step(1_795_693_447_060, Outcome::Failed, Some("a"), Some("b"), None),
            step(1_795_693_449_060, Outcome::Passed, None, Some("b"), None),
        ]
    }

    #[test]
    fn what_is_stored_is_read_as_it_was() {
        let text = write(steps().iter()).unwrap();
        assert_eq!(read(&text).unwrap(), steps());
        assert_eq!(read("[]").unwrap(), []);
    }

    #[test]
    fn a_trace_of_the_first_versions_is_read() {
        assert_eq!(read(&serde_json::to_string(&steps()).unwrap()).unwrap(), steps());
        assert!(read("[{\"x\": 1}]").is_err());
    }
}
