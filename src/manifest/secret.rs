//! Secrets of a manifest: where they come from, and how they are compared.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::secret::{Secret, equal};
use crate::config;
use crate::seal::Sealer;

/// Where a secret comes from.
#[derive(Clone, Debug)]
pub enum SecretFrom {
    /// A variable of the process environment: `{ env: NAME }`.
    Env(String),
    /// A file, beside the manifest unless its path is absolute: `{ file: PATH }`. Line ends at its
    /// end are not part of the secret.
    File(PathBuf),
    /// The manifest itself.
    Literal(Secret),
}

impl SecretFrom {
    /// The secret.
    ///
    /// # Errors
    ///
    /// Why it cannot be had, as one sentence.
    pub fn read(&self, folder: &Path) -> Result<Secret, String> {
        let found = match self {
            Self::Literal(secret) => secret.clone(),
            Self::Env(name) => {
                config::variable(name).ok_or_else(|| format!("the variable {name} is not set"))?
            }
            Self::File(path) => {
                let path = folder.join(path);
                let text = std::fs::read_to_string(&path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
        };
        match found.expose().is_empty() {
            true => Err(format!("the secret in {self} is empty")),
            false => Ok(found),
        }
    }
}

impl fmt::Display for SecretFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Literal(_) => f.write_str("the manifest"),
        }
    }
}

impl Serialize for SecretFrom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Env(name) => map.serialize_entry("env", name)?,
            Self::File(path) => map.serialize_entry("file", path)?,
            Self::Literal(_) => {
                return Err(serde::ser::Error::custom("a secret is never written"));
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SecretFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Where)
    }
}

/// Reads a secret. No message may repeat what it read.
struct Where;

impl<'de> Visitor<'de> for Where {
    type Value = SecretFrom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`env: NAME`, `file: PATH` or a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretFrom, E> {
        Ok(SecretFrom::Literal(Secret::new(text)))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<SecretFrom, E> {
        Err(E::custom(QUOTES))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretFrom, E> {
        Err(E::custom(QUOTES))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretFrom, E> {
        Err(E::custom(QUOTES))
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<SecretFrom, E> {
        Err(E::custom(QUOTES))
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<SecretFrom, E> {
        Err(E::custom(QUOTES))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretFrom, E> {
        Err(E::custom(QUOTES))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretFrom, A::Error> {
        let known = match map.next_key::<Key>()? {
            Some(Key::Env) => SecretFrom::Env(map.next_value::<Word>()?.0),
            Some(Key::File) => SecretFrom::File(map.next_value::<Word>()?.0.into()),
            None => return Err(de::Error::custom("name `env` or `file`")),
        };
        match map.next_key::<Key>()? {
            Some(_) => Err(de::Error::custom("name `env` or `file`, not both")),
            None => Ok(known),
        }
    }
}

/// A secret that looks like a number is a number to YAML.
const QUOTES: &str = "a secret has to stand in quotation marks";

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    Env,
    File,
}

#[derive(Deserialize)]
struct Word(String);

/// What two secrets have in common if and only if they are the same. It is made with the sealing
/// key, so that who reads it cannot try guesses.
#[derive(Clone, Copy)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a secret.
    pub fn of(sealer: &Sealer, secret: &Secret) -> Self {
        Self(sealer.authenticate("secret of a manifest", &[secret.expose().as_bytes()]))
    }

    /// Whether it is of the same secret.
    pub fn matches(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl fmt::Display for Fingerprint {
    /// Enough to tell two apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start: String = self.0[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "(secret {start})")
    }
}

/// The secrets of a manifest, read: by the path of their member.
#[derive(Debug, Default)]
pub struct Secrets {
    read: BTreeMap<String, Result<Secret, String>>,
}

impl Secrets {
    /// Remembers what was read for a member.
    pub fn insert(&mut self, path: String, read: Result<Secret, String>) {
        self.read.insert(path, read);
    }

    /// The secret of a member; `None` if it has none or it could not be read.
    pub fn get(&self, path: &str) -> Option<&Secret> {
        self.read.get(path).and_then(|read| read.as_ref().ok())
    }

    /// Those that could not be read: path and reason.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.read
            .iter()
            .filter_map(|(path, read)| read.as_ref().err().map(|why| (path.as_str(), why.as_str())))
    }
}
