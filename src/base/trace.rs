//! The trace of one login: every step and check, what was expected and what came.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::time::{Clock, Timestamp};

/// How many steps a trace keeps; a login that works has about forty.
const MAX_STEPS: usize = 120;
/// How long an expected or received value may be, in characters; longer ones are cut.
const MAX_VALUE: usize = 400;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The check held, or the step was done.
    Passed,
    /// The login goes on, but somebody should look at this.
    Warning,
    /// The login ended here.
    Failed,
}

impl Outcome {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One step or check of a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// When, as Unix milliseconds.
    pub at_ms: i64,
    /// Its name, such as `id_token.nonce`; stable, so that it can be searched for.
    pub name: Cow<'static, str>,
    /// How it ended.
    pub outcome: Outcome,
    /// What had to come, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expected: Option<String>,
    /// What came. Never a secret, code or token.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received: Option<String>,
    /// What else helps to understand it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<Cow<'static, str>>,
}

impl Step {
    /// How long after the first of its steps it was, in milliseconds.
    pub fn since_ms(&self, steps: &[Self]) -> i64 {
        self.at_ms - steps.first().map_or(self.at_ms, |first| first.at_ms)
    }
}

/// Collects the steps of one login. Writing to it cannot fail, so it cannot fail a login.
#[derive(Clone, Debug)]
pub struct Trace {
    clock: Clock,
    /// Steps that clones have in common ([`Trace::share`]).
    shared: Vec<Arc<Vec<Step>>>,
    /// Those after them.
    steps: Vec<Step>,
}

impl Trace {
    /// An empty trace whose steps are stamped by `clock`.
    pub fn new(clock: Clock) -> Self {
        Self::resume(clock, Vec::new())
    }

    /// Goes on where an earlier half of the login stopped.
    pub fn resume(clock: Clock, steps: Vec<Step>) -> Self {
        Self { clock, shared: Vec::new(), steps }
    }

    /// A clone that shares the steps so far, and whose clones do.
    pub fn share(&mut self) -> Self {
        if !self.steps.is_empty() {
            self.shared.push(Arc::new(std::mem::take(&mut self.steps)));
        }
        self.clone()
    }

    /// The steps so far, oldest first.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &Step> {
        self.shared.iter().flat_map(|steps| steps.iter()).chain(&self.steps)
    }

    /// What came at the check of this name, if it was made and held.
    pub fn received(&self, name: &str) -> Option<&str> {
        let held = |step: &&Step| step.name == name && step.outcome == Outcome::Passed;
        self.steps().rfind(held)?.received.as_deref()
    }

    /// The moment of the next step.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A step that was done; `note` says what came of it.
    pub fn did(&mut self, name: &'static str, note: impl Into<Cow<'static, str>>) {
        self.push(name, Outcome::Passed, None, None, Some(note.into()));
    }

    /// A check that held.
    pub fn passed(
        &mut self,
        name: &'static str,
        expected: impl Into<String>,
        received: impl Into<String>,
    ) {
        self.push(name, Outcome::Passed, Some(expected.into()), Some(received.into()), None);
    }

    /// Something that does not stop the login but that somebody should look at.
    pub fn warned(&mut self, name: &'static str, note: impl Into<Cow<'static, str>>) {
        self.push(name, Outcome::Warning, None, None, Some(note.into()));
    }

    /// The failure that ended the login.
    pub fn failed(&mut self, failure: &Failure) {
        let step = failure.code.step();
        self.push(
            step,
            Outcome::Failed,
            failure.expected.clone(),
            failure.received.clone(),
            failure.detail.clone().map(Cow::from),
        );
    }

    fn push(
        &mut self,
        name: &'static str,
        outcome: Outcome,
        expected: Option<String>,
        received: Option<String>,
        note: Option<Cow<'static, str>>,
    ) {
        let shared: usize = self.shared.iter().map(|steps| steps.len()).sum();
        if shared + self.steps.len() < MAX_STEPS || outcome == Outcome::Failed {
            self.steps.push(Step {
                at_ms: self.clock.now().as_ms(),
                name: name.into(),
                outcome,
                expected: expected.map(|text| cut(text.into()).into_owned()),
                received: received.map(|text| cut(text.into()).into_owned()),
                note: note.map(cut),
            });
        }
    }
}

/// Cuts a value that a stranger may have made long, and takes NUL out: PostgreSQL refuses it.
fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    let clean = if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text };
    // As most are: a character has at least one byte.
    if clean.len() <= MAX_VALUE {
        return clean;
    }
    match clean.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", &clean[..end]).into(),
        None => clean,
    }
}
