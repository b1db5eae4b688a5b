//! Migrations: numbered SQL files, forward only, each in a transaction of its own.
//!
//! A migration that was interrupted has not happened; of nodes that start at once, one applies it and
//! the others wait.

use std::collections::BTreeMap;

use super::{Db, Tx};
use crate::base::time::Timestamp;
use crate::base::{Caller, Error, Result};

/// One file of `migrations/`.
struct Migration {
    /// Its number.
    version: i64,
    /// Its name without number and ending.
    name: &'static str,
    /// Its statements, in what both engines understand.
    sql: &'static str,
    /// Whether it is about something that SQLite does not do: there it is only noted.
    is_for_postgres: bool,
}

/// All of them, oldest first. A test holds the list against the folder.
const MIGRATIONS: &[Migration] = &[
    both(1, "init", include_str!("../../migrations/0001_init.sql")),
    both(2, "dashboard", include_str!("../../migrations/0002_dashboard.sql")),
    both(3, "webhooks", include_str!("../../migrations/0003_webhooks.sql")),
    both(4, "page_indexes", include_str!("../../migrations/0004_page_indexes.sql")),
    both(5, "logout", include_str!("../../migrations/0005_logout.sql")),
    both(6, "limits", include_str!("../../migrations/0006_limits.sql")),
    both(7, "api_keys_and_origins", include_str!("../../migrations/0007_api_keys_and_origins.sql")),
    both(8, "read_keys", include_str!("../../migrations/0008_read_keys.sql")),
    Migration {
        is_for_postgres: true,
        ..both(9, "hot_rows", include_str!("../../migrations/0009_hot_rows.sql"))
    },
    Migration {
        is_for_postgres: true,
        ..both(10, "profile_rows", include_str!("../../migrations/0010_profile_rows.sql"))
    },
    both(11, "grants", include_str!("../../migrations/0011_grants.sql")),
    both(12, "event_moments", include_str!("../../migrations/0012_event_moments.sql")),
];

/// A migration for both engines.
const fn both(version: i64, name: &'static str, sql: &'static str) -> Migration {
    Migration { version, name, sql, is_for_postgres: false }
}

/// How the name of a migration begins after which older programs do not work any more. All others
/// only add, so that nodes of the release before go on while the new ones start.
const BREAKING: &str = "breaking_";
/// The table in which a database says which migrations it has.
pub(super) const TABLE: &str = "schema_migrations";

/// A migration, and whether the database has it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Its statements; `None` if this program does not know it.
    pub sql: Option<&'static str>,
    /// When it was applied; `None`: it was not.
    pub applied_at: Option<Timestamp>,
}

/// All migrations: those that this program knows, and those that a newer one has applied.
///
/// # Errors
///
/// [`Error::Unavailable`] if the database does not answer.
pub async fn steps(db: &Db) -> Result<Vec<Step>> {
    Ok(beside(applied(db).await?))
}

/// All migrations that this program knows, of a place where there is no database yet.
pub fn none_applied() -> Vec<Step> {
    beside(Applied::new())
}

fn beside(mut applied: Applied) -> Vec<Step> {
    let mut steps: Vec<Step> = MIGRATIONS
        .iter()
        .map(|known| Step {
            version: known.version,
            name: known.name.to_owned(),
            sql: Some(known.sql),
            applied_at: applied.remove(&known.version).map(|(_, moment)| moment),
        })
        .collect();
    steps.extend(applied.into_iter().map(|(version, (name, moment))| Step {
        version,
        name,
        sql: None,
        applied_at: Some(moment),
    }));
    steps
}

/// The newest of the migrations that was applied; 0: none.
pub fn schema(steps: &[Step]) -> i64 {
    let applied = steps.iter().filter(|step| step.applied_at.is_some());
    applied.map(|step| step.version).max().unwrap_or(0)
}

/// The number of the newest migration that this program knows.
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Brings the schema up to date, as far as this program knows it.
///
/// # Errors
///
/// As [`to`].
pub(super) async fn run(db: &Db) -> Result<()> {
    to(db, newest()).await
}

/// Brings the schema to this version, unless it is there or further.
///
/// # Errors
///
/// [`Error::Internal`] if a migration fails, or if a newer program has changed what this one relies
/// on: then nothing was written.
pub async fn to(db: &Db, version: i64) -> Result<()> {
    let nobody = Caller::anonymous();
    let applied = applied(db).await?;
    check_newer(&applied)?;
    let missing = |migration: &&Migration| {
        migration.version <= version && !applied.contains_key(&migration.version)
    };
    let missing: Vec<&'static Migration> = MIGRATIONS.iter().filter(missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if let Err(Error::Internal(_)) = create_table(db, &nobody).await {
        // On PostgreSQL, IF NOT EXISTS does not see the table that another node is about to
        // commit, and fails when it does. Now it is there.
        create_table(db, &nobody).await?;
    }
    for migration in missing {
        db.write(&nobody, async |tx| apply(tx, migration).await).await?;
    }
    Ok(())
}

/// Whether this program works on a schema with these migrations.
fn check_newer(applied: &Applied) -> Result<()> {
    let newer = applied.range(newest() + 1..);
    let breaking: Vec<String> = newer
        .filter(|(_, (name, _))| name.starts_with(BREAKING))
        .map(|(version, (name, _))| format!("{version} ({name})"))
        .collect();
    if breaking.is_empty() {
        return Ok(());
    }
    Err(Error::internal(format!(
        "a newer Vestibule has changed the database in a way that this program cannot work with: it \
         knows the schema up to {}, and migration {} breaks with it. Start the newer program, or \
         restore a backup from before",
        newest(),
        breaking.join(", ")
    )))
}

/// Number of a migration, its name, and when it was applied.
type Applied = BTreeMap<i64, (String, Timestamp)>;

async fn applied(db: &Db) -> Result<Applied> {
    if !db.has_table(TABLE).await? {
        return Ok(Applied::new());
    }
    db.read(&Caller::anonymous(), async |tx| noted(tx).await).await
}

async fn noted(tx: &mut Tx) -> Result<Applied> {
    tx.fetch_all("SELECT version, name, applied_at FROM schema_migrations", &[])
        .await?
        .into_iter()
        .map(|mut row| Ok((row.next()?, (row.next()?, row.next()?))))
        .collect()
}

/// Applies all that are missing, in the transaction of the caller, which nobody else waits for.
pub(super) async fn all(tx: &mut Tx) -> Result<()> {
    let applied = noted(tx).await?;
    for missing in MIGRATIONS.iter().filter(|it| !applied.contains_key(&it.version)) {
        apply(tx, missing).await?;
    }
    Ok(())
}

/// The number of the newest migration that was applied, if this program works on what it made.
pub(super) async fn check_known(tx: &mut Tx) -> Result<i64> {
    let applied = noted(tx).await?;
    check_newer(&applied)?;
    Ok(applied.keys().next_back().copied().unwrap_or(0))
}

/// Makes the table in which migrations are noted, if there is none.
async fn create_table(db: &Db, nobody: &Caller) -> Result<()> {
    db.write(nobody, async |tx| {
        tx.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations
             (version BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)",
            &[],
        )
        .await
        .map(drop)
    })
    .await
}

/// Applies one migration, unless another node was faster: the insert waits for that node.
async fn apply(tx: &mut Tx, migration: &Migration) -> Result<()> {
    let taken = tx
        .execute_patiently(
            "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)
             ON CONFLICT (version) DO NOTHING",
            &[migration.version.into(), migration.name.into(), tx.now().into()],
        )
        .await?;
    if taken == 1 {
        tracing::info!(version = migration.version, name = migration.name, "migrating");
        if tx.is_on_postgres() || !migration.is_for_postgres {
            tx.execute_batch(migration.sql).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|m| format!("{:04}_{}.sql", m.version, m.name)).collect();
        assert_eq!(files, listed);
        assert!(MIGRATIONS.is_sorted_by(|a, b| a.version < b.version));
    }
}
