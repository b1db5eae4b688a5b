//! Where the value of each setting came from: nobody, the file, the environment or a flag.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IntoDeserializer;
use toml::de::{DeTable, DeValue};

use super::setting::{ENVIRONMENT_PREFIX, SETTINGS, Setting};
use crate::base::secret::Secret;

/// What begins like a variable that is meant for us and is meant for others: the tests, and what
/// Kubernetes tells every pod beside a service called `vestibule`.
const NOT_OURS: [&str; 3] = ["VESTIBULE_TEST_", "VESTIBULE_SERVICE_", "VESTIBULE_PORT_"];
/// The file that is read if none is named and it exists.
pub const DEFAULT_FILE: &str = "vestibule.toml";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, and the line of it.
    File(PathBuf, usize),
    /// This variable of the environment.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "file {}, line {line}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag --{flag}"),
        }
    }
}

/// Why the settings do not hold.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no setting of this name.
    #[error("unknown setting `{name}` ({origin}){}", nearest(.name))]
    Unknown {
        /// What was written.
        name: String,
        /// Where it was written.
        origin: Origin,
    },
    /// A value does not fit.
    #[error("the setting `{name}` ({origin}) {problem}")]
    Malformed {
        /// Which setting.
        name: &'static str,
        /// Where its value came from.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
    },
    /// The file cannot be read.
    #[error("the configuration file {path} cannot be read: {problem}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        problem: String,
    },
}

/// Whether a variable of the environment is meant for us.
fn is_ours(name: &str, value: &str) -> bool {
    name.starts_with(ENVIRONMENT_PREFIX)
        && !NOT_OURS.iter().any(|prefix| name.starts_with(prefix))
        && !(name == "VESTIBULE_PORT" && value.contains("://"))
}

/// Names the nearest known setting, if one is near.
fn nearest(name: &str) -> String {
    SETTINGS
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(name, setting.name), setting.name))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 2)
        .map(|(_, known)| format!("; did you mean `{known}`?"))
        .unwrap_or_default()
}

/// A variable of the process environment that a manifest names as the place of a secret.
pub fn variable(name: &str) -> Option<Secret> {
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
    let value = std::env::var(name);
    value.ok().map(Secret::new)
}

/// What is written where: every setting with its value and origin.
pub struct Sources {
    values: BTreeMap<&'static str, (String, Origin)>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.shown().map(|(setting, value, origin)| (setting.name, (value, origin)));
        f.debug_map().entries(shown).finish()
    }
}

impl Sources {
    /// Collects the values: defaults, the file, the environment, flags (name of the flag, value).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for an unknown name or an unreadable file.
    pub fn collect(file: Option<&Path>, flags: &[(String, String)]) -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the one place where the environment enters")]
        let variables = std::env::vars();
        Self::collect_from(file, variables, flags)
    }

    pub(super) fn collect_from(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigError> {
        let mut values: BTreeMap<_, _> = SETTINGS
            .iter()
            .map(|setting| (setting.name, (setting.default.to_owned(), Origin::Default)))
            .collect();
        let chosen = file.unwrap_or(Path::new(DEFAULT_FILE));
        if file.is_some() || chosen.exists() {
            for Line { number, name, value } in read_file(chosen)? {
                let origin = Origin::File(chosen.to_owned(), number);
                let setting = SETTINGS.iter().find(|setting| setting.name == name);
                let setting =
                    setting.ok_or_else(|| ConfigError::Unknown { name, origin: origin.clone() })?;
                values.insert(setting.name, (value, origin));
            }
        }
        for (variable, value) in variables.filter(|(name, value)| is_ours(name, value)) {
            let setting = SETTINGS.iter().find(|setting| setting.variable() == variable);
            let origin = Origin::Environment(variable.clone());
            let setting = setting.ok_or_else(|| ConfigError::Unknown {
                name: variable[ENVIRONMENT_PREFIX.len()..].to_lowercase(),
                origin: origin.clone(),
            })?;
            values.insert(setting.name, (value, origin));
        }
        for (flag, value) in flags {
            let origin = Origin::Flag(flag.clone());
            let setting = SETTINGS.iter().find(|setting| setting.flag() == *flag);
            let setting = setting.ok_or_else(|| ConfigError::Unknown {
                name: flag.clone(),
                origin: origin.clone(),
            })?;
            values.insert(setting.name, (value.clone(), origin));
        }
        Ok(Self { values })
    }

    /// Every setting with its value, as it may be shown, and its origin.
    pub fn shown(&self) -> impl Iterator<Item = (&'static Setting, &str, &Origin)> {
        SETTINGS.iter().filter_map(|setting| {
            let (value, origin) = self.values.get(setting.name)?;
            let shown = if setting.secret && !value.is_empty() { "********" } else { value };
            Some((setting, shown, origin))
        })
    }

    pub(super) fn text(&self, name: &'static str) -> &str {
        self.values.get(name).map_or("", |(value, _)| value.trim())
    }

    pub(super) fn malformed(&self, name: &'static str, problem: impl Into<String>) -> ConfigError {
        let origin = self.values.get(name).map_or(Origin::Default, |(_, origin)| origin.clone());
        ConfigError::Malformed { name, origin, problem: problem.into() }
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        let items = self.text(name).split(',').map(str::trim);
        items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn days(&self, name: &'static str) -> Result<i64, ConfigError> {
        match self.text(name).parse() {
            Ok(days @ 1..=36_500) => Ok(days),
            _ => Err(self.malformed(name, "must be a number of days, 1 to 36500")),
        }
    }

    pub(super) fn number(&self, name: &'static str) -> Result<u32, ConfigError> {
        self.text(name).parse().map_err(|_| self.malformed(name, "must be a number"))
    }

    pub(super) fn within(
        &self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let number = self.text(name).parse::<u64>().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            self.malformed(name, format!("must be a number, {} to {}", range.start(), range.end()))
        })
    }

    pub(super) fn path(&self, name: &'static str) -> Option<PathBuf> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(PathBuf::from)
    }
}

/// A setting of a file.
struct Line {
    /// Where it begins; the first line is 1.
    number: usize,
    /// Its flat name.
    name: String,
    /// Its value as text; lists joined by commas.
    value: String,
}

fn read_file(path: &Path) -> Result<Vec<Line>, ConfigError> {
    let unreadable =
        |problem: String| ConfigError::File { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let malformed = |error: toml::de::Error| {
        // The error would show the line as it is, and a password may stand in it.
        let place = error.span().map(|span| format!("line {}: ", line_of(&text, span.start)));
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        unreadable(format!("{}{message}", place.unwrap_or_default()))
    };
    let table = DeTable::parse(&text).map_err(malformed)?;
    let mut lines = Vec::new();
    flatten((&text, ""), table.get_ref(), &mut lines).map_err(malformed)?;
    Ok(lines)
}

/// In which line a byte stands; the first one is 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn flatten(
    (text, prefix): (&str, &str),
    table: &DeTable<'_>,
    lines: &mut Vec<Line>,
) -> Result<(), toml::de::Error> {
    for (key, value) in table {
        let number = line_of(text, key.span().start);
        let key = key.get_ref();
        let name = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
        if let DeValue::Table(inner) = value.get_ref() {
            flatten((text, &name), inner, lines)?;
            continue;
        }
        let value = match toml::Value::deserialize(value.clone().into_deserializer())? {
            toml::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
            value => plain(&value),
        };
        lines.push(Line { number, name, value });
    }
    Ok(())
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
