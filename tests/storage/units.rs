//! Units of work: what is kept, what is undone, and who sees it.

use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error, Result};
use vestibule::db::{Db, Tx};

use crate::support::{TestDb, both_engines};

/// Stores a value under a name, in a table that every database has.
pub async fn put(tx: &mut Tx, name: &str, value: &[u8]) -> Result<()> {
    tx.execute(
        "INSERT INTO installation (name, value) VALUES ($1, $2)",
        &[name.into(), value.into()],
    )
    .await
    .map(drop)
}

/// The names in that table.
pub async fn names(db: &Db) -> Vec<String> {
    db.read(&Caller::anonymous(), async |tx| {
        let rows = tx.fetch_all("SELECT name FROM installation ORDER BY name", &[]).await?;
        rows.into_iter().map(|mut row| row.next()).collect()
    })
    .await
    .unwrap()
}

/// A unit that stores a value.
pub async fn write(db: &Db, name: &str) -> Result<()> {
    let name = name.to_owned();
    db.write(&Caller::anonymous(), async move |tx| put(tx, &name, b"value").await).await
}

both_engines! {
    async fn a_unit_that_fails_leaves_nothing_behind(db: TestDb) {
        let db = db.open(Clock::system()).await;
        write(&db, "kept").await.unwrap();
        let failed: Result<()> = db
            .write(&Caller::anonymous(), async |tx| {
                put(tx, "undone", b"").await?;
                Err(Error::conflict("no", "No."))
            })
            .await;
        assert!(matches!(failed, Err(Error::Conflict { .. })));
        assert_eq!(names(&db).await, ["kept"]);
    }
}
