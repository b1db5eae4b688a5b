//! Migrations: numbered SQL files, forward only, each in a transaction of its own.

use super::{Db, Tx};
use crate::base::{Caller, Error, Result};

/// One file of `migrations/`.
struct Migration {
    /// Its number, from 1 without gaps.
    version: i64,
    /// Its name without number and ending.
    name: &'static str,
    /// Its statements, in what both engines understand.
    sql: &'static str,
}

/// All of them, oldest first. A test holds the list against the folder.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "init", sql: include_str!("../../migrations/0001_init.sql") },
    Migration {
        version: 2,
        name: "dashboard",
        sql: include_str!("../../migrations/0002_dashboard.sql"),
    },
    Migration {
        version: 3,
        name: "webhooks",
        sql: include_str!("../../migrations/0003_webhooks.sql"),
    },
    Migration {
        version: 4,
        name: "page_indexes",
        sql: include_str!("../../migrations/0004_page_indexes.sql"),
    },
];

/// Brings the schema up to date.
///
/// # Errors
///
/// [`Error::Internal`] if a migration fails, or if the schema is newer than this program.
pub(super) async fn run(db: &Db) -> Result<()> {
    let nobody = Caller::anonymous();
    if let Err(Error::Internal(_)) = create_table(db, &nobody).await {
        // On PostgreSQL, IF NOT EXISTS does not see the table that another node is about to
        // commit, and fails when it does. Now it is there.
        create_table(db, &nobody).await?;
    }
    let applied = db.read(&nobody, async |tx| version(tx).await).await?;
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if applied > newest {
        return Err(Error::internal(format!(
            "the database has schema {applied}, but this program knows only up to {newest}: \
             it was written by a newer Vestibule"
        )));
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > applied) {
        db.write(&nobody, async |tx| apply(tx, migration).await).await?;
    }
    Ok(())
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

/// The number of the newest migration that was applied, 0 if none was.
async fn version(tx: &mut Tx) -> Result<i64> {
    tx.fetch_one("SELECT CAST(coalesce(max(version), 0) AS BIGINT) FROM schema_migrations", &[])
        .await?
        .next()
}

/// Applies one migration, unless another node was faster: the insert waits for that node.
async fn apply(tx: &mut Tx, migration: &Migration) -> Result<()> {
    let taken = tx
        .execute(
            "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)
             ON CONFLICT (version) DO NOTHING",
            &[migration.version.into(), migration.name.into(), tx.now().into()],
        )
        .await?;
    if taken == 1 {
        tracing::info!(version = migration.version, name = migration.name, "migrating");
        tx.execute_batch(migration.sql).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_listed_in_order_without_gaps() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let listed: Vec<String> =
            MIGRATIONS.iter().map(|m| format!("{:04}_{}.sql", m.version, m.name)).collect();
        assert_eq!(files, listed);
        assert!((1..).zip(MIGRATIONS).all(|(n, migration)| migration.version == n));
    }
}
