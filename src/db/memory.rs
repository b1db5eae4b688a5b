//! The configuration that logins read again and again, kept in memory: environments, their keys and
//! redirect URIs, organizations, connections, roles.
//!
//! Each transaction that changes any of it leaves a new mark in the database ([`AsOf`]), whoever
//! changes what: [`is_change`] reads the statements. What was read is good as long as the mark is the
//! same, so a unit never acts on what another node has changed. And it is read again after
//! [`LIFETIME`] in any case, for changes that leave no mark: of programs that do not know about it,
//! or of people with a database client.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use super::tx::Tx;
use crate::base::secret::random_bytes;
use crate::base::{Error, Result};

/// How long anything is good.
const LIFETIME: Duration = Duration::from_secs(5);
/// How much is kept, in bytes as they came from the database.
const CAPACITY: u64 = 8 * 1024 * 1024;
/// How much one entry costs beside its own bytes.
const OVERHEAD: usize = 512;
/// How long an entry may be: those of tenants who store more are read each time.
const MAX_BYTES: usize = 64 * 1024;
/// About how many entries there are.
const ENTRIES: usize = 4096;

/// The tables that may be read into memory.
const TABLES: &[&str] = &[
    "api_keys",
    "connection_groups",
    "connections",
    "environments",
    "organization_domains",
    "organizations",
    "redirect_uris",
    "roles",
];
/// What is counted in a row of the configuration is no part of it.
const COUNTED: &str = "environments SET event_position";
/// Where the mark stands.
const NAME: &str = "configuration_as_of";

/// The mark that a change of the configuration leaves: another random one each time, so that none
/// comes back when a database is set back to an older state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AsOf([u8; 16]);

/// Whether a statement changes the configuration.
pub(super) fn is_change(sql: &str) -> bool {
    let sql = sql.trim_start();
    let changed = ["INSERT INTO ", "UPDATE ", "DELETE FROM "];
    changed
        .iter()
        .find_map(|verb| sql.strip_prefix(verb))
        .is_some_and(|rest| TABLES.contains(&first_word(rest)) && !rest.starts_with(COUNTED))
}

/// Whether a query reads nothing but the configuration.
fn reads_configuration(sql: &str) -> bool {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let reads = |word: &str| word.eq_ignore_ascii_case("FROM") || word.eq_ignore_ascii_case("JOIN");
    words.iter().enumerate().filter(|(_, word)| reads(word)).all(|(i, _)| {
        // Neither a query within, nor a second table behind a comma.
        let (table, alias) = (words.get(i + 1), words.get(i + 2));
        table.is_some_and(|table| TABLES.contains(table))
            && !alias.is_some_and(|alias| alias.starts_with(',') || alias.ends_with(','))
    })
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// The mark, as a unit sees it.
pub(super) async fn read(tx: &mut Tx) -> Result<AsOf> {
    let sql = "SELECT value FROM installation WHERE name = $1";
    let row = tx.fetch_optional(sql, &[NAME.into()]).await?;
    let Some(mut row) = row else { return Ok(AsOf::default()) };
    let mark: Vec<u8> = row.next()?;
    mark.try_into()
        .map(AsOf)
        .map_err(|_| Error::internal("the mark of the configuration is broken"))
}

/// Leaves a new mark.
pub(super) async fn renew(tx: &mut Tx) -> Result<AsOf> {
    let mark = AsOf(random_bytes());
    tx.execute(
        "INSERT INTO installation (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[NAME.into(), mark.0.as_slice().into()],
    )
    .await?;
    Ok(mark)
}

/// What is being read into memory.
#[derive(Debug, Default)]
pub(super) struct Reading {
    bytes: usize,
}

impl Reading {
    /// Looks at a query before it is run.
    pub(super) fn check(&self, sql: &str) -> Result<()> {
        if reads_configuration(sql) {
            return Ok(());
        }
        Err(Error::internal("only the configuration may be kept in memory"))
    }

    /// Counts a row that was read.
    pub(super) const fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What an entry is found by: what it is, the environment of the unit that asks (no other gets to see
/// it), and which one.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Name<'a> {
    pub(super) what: &'static str,
    pub(super) environment: &'a str,
    pub(super) which: &'a [u8],
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    what: &'static str,
    environment: Box<str>,
    which: Box<[u8]>,
}

impl Equivalent<Key> for Name<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.what == key.what && *self.environment == *key.environment && *self.which == *key.which
    }
}

#[derive(Clone)]
struct Entry {
    as_of: AsOf,
    read_at: Instant,
    bytes: usize,
    value: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Entry> for Bytes {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        (OVERHEAD + key.environment.len() + key.which.len() + entry.bytes) as u64
    }
}

/// What is in memory, for all units of a database.
pub(super) struct Memory {
    entries: Cache<Key, Entry, Bytes>,
    latest: Mutex<Option<AsOf>>,
}

impl Memory {
    pub(super) fn new() -> Self {
        let entries = Cache::with_weighter(ENTRIES, CAPACITY, Bytes);
        Self { entries, latest: Mutex::default() }
    }

    /// The mark that was seen last, here: another node may have left another since.
    pub(super) fn latest(&self) -> Option<AsOf> {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A unit has seen this mark, or left it.
    pub(super) fn saw(&self, as_of: AsOf) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(as_of);
    }

    /// An entry, if it is as of this mark, and not too old at this moment.
    pub(super) fn find<T>(
        &self,
        name: &Name<'_>,
        as_of: AsOf,
        now: Instant,
    ) -> Result<Option<Arc<T>>>
    where
        T: Send + Sync + 'static,
    {
        let found = self.entries.get(name);
        let Some(entry) =
            found.filter(|entry| entry.as_of == as_of && now < entry.read_at + LIFETIME)
        else {
            return Ok(None);
        };
        let value =
            entry.value.downcast().map_err(|_| Error::internal("two things of one name"))?;
        Ok(Some(value))
    }

    pub(super) fn keep<T>(&self, name: &Name<'_>, as_of: AsOf, (value, bytes): (&Arc<T>, usize))
    where
        T: Send + Sync + 'static,
    {
        if bytes > MAX_BYTES {
            return;
        }
        let (environment, which) = (name.environment.into(), name.which.into());
        let value: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(value);
        let entry = Entry { as_of, read_at: Instant::now(), bytes, value };
        self.entries.insert(Key { what: name.what, environment, which }, entry);
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_configuration_is_seen_in_the_statement() {
        for sql in [
            "INSERT INTO connections (id) VALUES ($1)",
            "UPDATE environments SET name = $1",
            "\n  DELETE FROM organizations WHERE id = $1",
            "UPDATE api_keys SET revoked_at = $1 RETURNING id",
        ] {
            assert!(is_change(sql), "{sql}");
        }
        for sql in [
            "UPDATE environments SET event_position = event_position + 1 WHERE id = $1",
            "SELECT id FROM connections",
            "INSERT INTO connections_of_others (id) VALUES ($1)",
            "UPDATE sso_sessions SET connection_id = $1",
        ] {
            assert!(!is_change(sql), "{sql}");
        }
    }

    #[test]
    fn what_else_is_read_is_seen_in_the_query() {
        assert!(reads_configuration(
            "SELECT id FROM roles r\n JOIN organizations o ON o.id = r.id"
        ));
        assert!(reads_configuration("SELECT id FROM connections"));
        assert!(!reads_configuration(
            "SELECT id FROM connections c JOIN profiles p ON p.id = c.id"
        ));
        assert!(!reads_configuration("SELECT id FROM (SELECT id FROM roles)"));
        assert!(!reads_configuration("SELECT id from profiles"));
        assert!(!reads_configuration("SELECT 1 FROM roles, profiles"));
        assert!(!reads_configuration("SELECT 1 FROM roles r, profiles"));
    }

    #[test]
    fn an_entry_is_found_by_its_environment_and_its_mark_only_and_for_seconds() {
        let (memory, now) = (Memory::new(), Instant::now());
        let name = |environment| Name { what: "thing", environment, which: b"1" };
        let (old, new) = (AsOf([1; 16]), AsOf([2; 16]));
        memory.keep(&name("a"), old, (&Arc::new(7_u32), 4));
        assert_eq!(memory.find::<u32>(&name("a"), old, now).unwrap().as_deref(), Some(&7));
        assert!(memory.find::<u32>(&name("a"), new, now).unwrap().is_none());
        assert!(memory.find::<u32>(&name("b"), old, now).unwrap().is_none());
        assert!(memory.find::<u64>(&name("a"), old, now).is_err());
        let later = Instant::now() + LIFETIME;
        assert!(memory.find::<u32>(&name("a"), old, later).unwrap().is_none());
        memory.keep(&name("b"), old, (&Arc::new(8_u32), MAX_BYTES + 1));
        assert!(memory.find::<u32>(&name("b"), old, now).unwrap().is_none());
    }
}
