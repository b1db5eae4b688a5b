//! Encryption at rest: values sealed with AES-256-GCM under keys that live outside the database.
//!
//! A sealed value is `version (1) ‖ key id (8) ‖ salt (24) ‖ ciphertext and tag`. Each value has a
//! key of its own, derived from the sealing key and the salt, so that the number of values under one
//! sealing key is not bounded by the size of a nonce. The place of the value (table, row, column,
//! environment) is authenticated, so that a ciphertext moved to another row does not open.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::base::secret::{Secret, hmac_sha256, random_bytes, sha256};
use crate::base::{Error, Result, stored};

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 8;
const SALT_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// The ids of keys that everybody can read: texts in the repository that could be taken for one.
const PUBLISHED: &[&str] = &[
    "1bc1c6806a37825b",
    "320c982cbda4bd3b",
    "669f85cc37328d18",
    "968658aa89343d17",
    "a9ce1c038123bb58",
    "c5acfd130e070841",
    "d2ee4e5db1dd98d2",
    "dfcbf760e8bacd08",
    "e3863b1aab66edf0",
    "fa0823c601e01670",
];
/// How many of its bytes differ at least in a random key: of 32, hardly ever fewer than 20 do.
const MIN_DIFFERENT_BYTES: usize = 16;
/// How long the command that prints the keys may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The id of the row.
    pub row: &'a str,
    /// The column.
    pub column: &'static str,
    /// The environment that the row belongs to.
    pub environment: &'a str,
}

impl Place<'_> {
    fn aad(&self) -> Vec<u8> {
        // Unit separators: none of the parts can hold one.
        [self.table, self.row, self.column, self.environment].join("\u{1f}").into_bytes()
    }
}

/// A column that holds sealed values.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The table.
    pub table: &'static str,
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// The column with what a [`Place`] calls the row; bytes are written as base64url there.
    pub row: &'static str,
    /// The column with the environment that the row belongs to; none belongs to the installation.
    pub environment: Option<&'static str>,
    /// The column with the sealed values.
    pub column: &'static str,
    /// What the column is called in a [`Place`].
    pub place: &'static str,
    /// Which rows may hold one, in SQL: what an index finds, where most rows hold none.
    pub rows: &'static str,
}

/// All columns that hold sealed values. Nothing is sealed for any other, so that what is missing here
/// is noticed before it is missing when the keys are rotated.
pub const COLUMNS: &[Column] = &[
    Column {
        table: "connections",
        key: &["id"],
        row: "id",
        environment: Some("environment_id"),
        column: "client_secret_sealed",
        place: "client_secret",
        rows: "client_secret_sealed IS NOT NULL",
    },
    Column {
        table: "connections",
        key: &["id"],
        row: "id",
        environment: Some("environment_id"),
        column: "next_client_secret_sealed",
        place: "next_client_secret",
        rows: "next_client_secret_sealed IS NOT NULL",
    },
    Column {
        table: "webhook_endpoints",
        key: &["id"],
        row: "id",
        environment: Some("environment_id"),
        column: "secret_sealed",
        place: "secret",
        rows: "1 = 1",
    },
    Column {
        table: "sso_sessions",
        key: &["id"],
        row: "id",
        environment: Some("environment_id"),
        column: "memory_sealed",
        place: "memory",
        rows: "status = 'in_progress' AND memory_sealed IS NOT NULL",
    },
    Column {
        table: "signing_keys",
        key: &["id"],
        row: "id",
        environment: Some("environment_id"),
        column: "private_key_sealed",
        place: "private_key",
        rows: "1 = 1",
    },
    Column {
        table: "id_tokens",
        key: &["profile_id"],
        row: "sso_session_id",
        environment: Some("environment_id"),
        column: "token_sealed",
        place: "token",
        rows: "1 = 1",
    },
    Column {
        table: "idempotency_keys",
        key: &["environment_id", "key_hash"],
        row: "key_hash",
        environment: Some("environment_id"),
        column: "answer_sealed",
        place: "answer_sealed",
        rows: "1 = 1",
    },
    Column {
        table: "installation",
        key: &["name"],
        row: "name",
        environment: None,
        column: "value",
        place: "value",
        rows: "name LIKE 'sealing_key_check%'",
    },
];

/// The sealing keys, the newest first: it seals, all of them open.
pub struct Sealer {
    keys: Vec<(KeyId, Zeroizing<[u8; 32]>)>,
}

type KeyId = [u8; KEY_ID_LEN];

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| hex(id))).finish()
    }
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A line is not 43 characters of base64url.
    #[error(
        "a sealing key must be 43 characters of base64url (with - and _, without + / =); key number {0} \
         is not"
    )]
    Malformed(usize),
    /// There is no key.
    #[error("there is no sealing key")]
    None,
    /// The key that seals is one that others know.
    #[error(
        "the sealing key {0} is no secret: it stands in Vestibule's own files, or anybody would guess \
         it. Make another one, put it in front, and run `vestibule keys rotate` if anything was sealed \
         with this one"
    )]
    Published(String),
    /// The command that prints the keys does not.
    #[error("the command of the setting `keys_command` {0}")]
    Command(String),
    /// The key file is gone, and with it what opens the secrets that are there.
    #[error(
        "there is no key file {path}, but the secrets in the database are sealed with the key \
         {key_id}: put its file back, or give the key by the setting `keys`"
    )]
    Lost {
        /// Which file.
        path: String,
        /// The id of the key that is needed.
        key_id: String,
    },
    /// The key file cannot be read or written.
    #[error("the key file {path} cannot be used")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Sealer {
    /// Reads keys: 43 characters of base64url each, separated by commas, spaces or lines.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if one is malformed or there is none.
    pub fn from_text(text: &Secret) -> Result<Self, KeyError> {
        let words =
            text.expose().split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty());
        let mut keys = Vec::new();
        for (i, word) in words.enumerate() {
            let bytes = URL_SAFE_NO_PAD.decode(word).map(Zeroizing::new);
            let bytes = bytes.map_err(|_| KeyError::Malformed(i + 1))?;
            let key = <[u8; 32]>::try_from(&bytes[..]).map_err(|_| KeyError::Malformed(i + 1))?;
            keys.push((key_id(&key), Zeroizing::new(key)));
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self { keys }) }
    }

    /// Runs a command that prints the keys, by `sh -c`, and waits for it; what it says on standard
    /// error is shown as it is.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it fails, takes longer than 30 seconds, or prints no keys.
    pub fn from_command(command: &str) -> Result<Self, KeyError> {
        let failed = |error: std::io::Error| KeyError::Command(format!("does not run: {error}"));
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = shell.spawn().map_err(failed)?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if began.elapsed() > COMMAND_TIMEOUT {
                let _ = child.kill();
                return Err(KeyError::Command("does not end".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if !status.success() {
            return Err(KeyError::Command(format!("failed: {status}")));
        }
        let mut text = Zeroizing::new(String::new());
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut text).map_err(failed)?;
        }
        Self::from_text(&Secret::new(text.as_str()))
    }

    /// Reads the key file. If there is none it makes one with a new key, unless something was
    /// `sealed_with` a key before, which a new one would not open.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it cannot be read or written, or holds no keys.
    pub fn from_file(path: &Path, sealed_with: Option<&str>) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.display().to_string(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_text(&Secret::new(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if let Some(key_id) = sealed_with {
                    let (path, key_id) = (path.display().to_string(), key_id.to_owned());
                    return Err(KeyError::Lost { path, key_id });
                }
                let key = Secret::random("");
                let mut options = std::fs::OpenOptions::new();
                let mut file =
                    options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
                writeln!(file, "{}", key.expose()).map_err(failed)?;
                file.sync_all().map_err(failed)?;
                Self::from_text(&key)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the place is in none of the [`COLUMNS`], or if the cipher refuses, which
    /// it has no reason to.
    pub fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>> {
        if !COLUMNS.iter().any(|it| it.table == place.table && it.place == place.column) {
            let (table, column) = (place.table, place.column);
            return Err(Error::internal(format!(
                "{table}.{column} holds no sealed values: it is not listed in src/seal.rs"
            )));
        }
        let (id, key) = self.keys.first().ok_or_else(|| Error::internal("no sealing key"))?;
        let salt = random_bytes::<SALT_LEN>();
        let mut sealed = Vec::with_capacity(1 + KEY_ID_LEN + SALT_LEN + value.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(&salt);
        let mut body = value.to_vec();
        cipher(key, &salt)?
            .seal_in_place_append_tag(zero_nonce(), Aad::from(place.aad()), &mut body)
            .map_err(|_| Error::internal("sealing failed"))?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens a value that was sealed for this place.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`], naming the key id, if the key is not there, or if the value is not what
    /// was sealed for this place.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = || {
            Error::internal(format!(
                "the sealed value in {}.{} of {} does not open: it was changed or moved",
                place.table, place.column, place.row
            ))
        };
        let (head, body) =
            sealed.split_at_checked(1 + KEY_ID_LEN + SALT_LEN).ok_or_else(damaged)?;
        if head[0] != VERSION {
            return Err(stored::unknown("a sealed value"));
        }
        let (id, salt) = head[1..].split_at(KEY_ID_LEN);
        let key = self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key);
        let key = key.ok_or_else(|| {
            let (needed, given) = (hex(id), self.key_ids().collect::<Vec<_>>().join(", "));
            Error::internal(format!(
                "the sealing key {needed} is missing: secrets in the database are sealed with it, \
                 and the keys that were given are {given}"
            ))
        })?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = cipher(key, salt)?
            .open_in_place(zero_nonce(), Aad::from(place.aad()), &mut body)
            .map_err(|_| damaged())?
            .len();
        body.truncate(length);
        Ok(body)
    }

    /// A message authentication code under the newest key, for values that must be made again from
    /// what they belong to. `purpose` keeps the uses apart.
    pub fn authenticate(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        self.authenticate_by_each(purpose, parts).first().copied().unwrap_or([0; 32])
    }

    /// The codes of [`Self::authenticate`] under each key, the newest first: what was made before a
    /// new key came, or on a node that does not have it in front yet, is still good.
    pub fn authenticate_by_each(&self, purpose: &str, parts: &[&[u8]]) -> Vec<[u8; 32]> {
        let mut all = vec![purpose.as_bytes()];
        all.extend_from_slice(parts);
        self.keys.iter().map(|(_, key)| hmac_sha256(&key[..], &all)).collect()
    }

    /// The ids of the keys, the newest first.
    pub fn key_ids(&self) -> impl Iterator<Item = String> {
        self.keys.iter().map(|(id, _)| hex(id))
    }

    /// The id of the key that seals, as it stands in what it sealed.
    pub fn newest_bytes(&self) -> [u8; 8] {
        self.keys.first().map_or([0; KEY_ID_LEN], |(id, _)| *id)
    }

    /// Makes sure that the key that seals is no example and no guess. Older ones still open, so that
    /// they can be exchanged.
    ///
    /// # Errors
    ///
    /// [`KeyError::Published`] if it is one.
    pub fn check_is_secret(&self) -> Result<(), KeyError> {
        let Some((id, key)) = self.keys.first() else { return Err(KeyError::None) };
        let different = key.iter().collect::<std::collections::BTreeSet<_>>().len();
        let id = hex(id);
        if different < MIN_DIFFERENT_BYTES || PUBLISHED.contains(&id.as_str()) {
            return Err(KeyError::Published(id));
        }
        Ok(())
    }

    /// The id of the key that seals.
    pub fn newest(&self) -> String {
        self.key_ids().next().unwrap_or_default()
    }
}

/// The id of the key that a value was sealed with.
pub fn sealed_with(sealed: &[u8]) -> String {
    sealed.get(1..1 + KEY_ID_LEN).map(hex).unwrap_or_default()
}

/// Each salt has a key of its own, so its only nonce may be zero.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn cipher(key: &[u8; 32], salt: &[u8]) -> Result<LessSafeKey> {
    let derived = Zeroizing::new(hmac_sha256(key, &[b"seal", salt]));
    UnboundKey::new(&AES_256_GCM, &derived[..])
        .map(LessSafeKey::new)
        .map_err(|_| Error::internal("the cipher refuses its key"))
}

fn key_id(key: &[u8; 32]) -> KeyId {
    let mut id = [0; KEY_ID_LEN];
    id.copy_from_slice(&sha256(key)[..KEY_ID_LEN]);
    id
}

/// Bytes as the ids of keys are written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        table: "connections",
        row: "conn_1",
        column: "client_secret",
        environment: "environment_1",
    };

    fn sealer() -> Sealer {
        Sealer::from_text(&Secret::random("")).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_in_its_place_only() {
        let sealer = sealer();
        let sealed = sealer.seal(PLACE, b"canary").unwrap();
        assert_eq!(&sealer.open(PLACE, &sealed).unwrap()[..], b"canary");
        assert!(!sealed.windows(6).any(|window| window == b"canary"));
        for place in [
            Place { row: "conn_2", ..PLACE },
            Place { environment: "environment_2", ..PLACE },
            Place { column: "next_client_secret", ..PLACE },
        ] {
            assert!(sealer.open(place, &sealed).is_err());
        }
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(sealer.open(PLACE, &changed).is_err(), "byte {i}");
        }
    }

    #[test]
    fn sec_10_keys_are_wiped_when_they_are_dropped_and_print_as_their_ids() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let text = Secret::random("");
        let sealer = Sealer::from_text(&text).unwrap();
        is_wiped(&sealer.keys[0].1);
        assert_eq!(format!("{sealer:?}"), format!("[\"{}\"]", sealer.newest()));
        is_wiped(&sealer.open(PLACE, &sealer.seal(PLACE, b"canary").unwrap()).unwrap());
    }

    #[test]
    fn nothing_is_sealed_for_a_column_that_is_not_listed() {
        let place = Place { column: "comment", ..PLACE };
        let error = sealer().seal(place, b"x").unwrap_err();
        assert!(error.chain().contains("connections.comment holds no sealed values"));
    }

    #[test]
    fn a_command_prints_the_keys_or_nothing_starts() {
        let (old, new) = (Secret::random(""), Secret::random(""));
        let command = format!("printf '%s\\n%s\\n' {} {}", new.expose(), old.expose());
        let keys = Sealer::from_command(&command).unwrap();
        assert_eq!(keys.newest(), Sealer::from_text(&new).unwrap().newest());
        assert_eq!(keys.key_ids().count(), 2);
        for (command, problem) in [
            ("exit 3", "failed: exit status: 3"),
            ("true", "there is no sealing key"),
            ("echo short", "key number 1"),
        ] {
            let error = Sealer::from_command(command).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_code_of_an_older_key_is_among_those_of_all() {
        let (old, new) = (Secret::random(""), Secret::random(""));
        let code = Sealer::from_text(&old).unwrap().authenticate("forms", &[b"x"]);
        let both = Secret::new(format!("{},{}", new.expose(), old.expose()));
        let both = Sealer::from_text(&both).unwrap();
        assert!(both.authenticate_by_each("forms", &[b"x"]).contains(&code));
        assert!(!both.authenticate_by_each("doors", &[b"x"]).contains(&code));
    }

    #[test]
    fn an_older_key_opens_and_a_foreign_one_does_not() {
        let (old, new) = (Secret::random(""), Secret::random(""));
        let sealed = Sealer::from_text(&old).unwrap().seal(PLACE, b"x").unwrap();
        let both = Secret::new(format!("{},{}", new.expose(), old.expose()));
        assert!(Sealer::from_text(&both).unwrap().open(PLACE, &sealed).is_ok());
        let error = Sealer::from_text(&new).unwrap().open(PLACE, &sealed).unwrap_err();
        assert!(error.chain().contains("is missing"), "{}", error.chain());
    }
}
