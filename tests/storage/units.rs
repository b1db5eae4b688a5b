//! Units of work: what is kept, what is undone, and who sees it.

use tokio::task::JoinSet;
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error, Result};
use vestibule::db::{Db, Param, Tx, Update};

use crate::support::{TestDb, both_engines};

/// Stores a value under a name, in a table that every database has.
pub async fn put(tx: &mut Tx, name: &str, value: &[u8]) -> Result<()> {
    let sql = "INSERT INTO installation (name, value) VALUES ($1, $2)";
    tx.execute(sql, &[name.into(), value.into()]).await.map(drop)
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

    async fn units_that_fail_in_a_group_leave_the_others_alone(db: TestDb) {
        let db = db.open(Clock::system()).await;
        write(&db, "taken").await.unwrap();
        let mut tasks = JoinSet::new();
        for i in 0..200 {
            let db = db.clone();
            tasks.spawn(async move {
                let unit = async move |tx: &mut Tx| {
                    put(tx, &format!("unit-{i:03}"), b"").await?;
                    match i % 5 {
                        1 => Err(Error::conflict("no", "No.")),
                        2 => put(tx, "taken", b"").await,
                        3 => panic!("a unit of this test panics"),
                        _ => Ok(()),
                    }
                };
                (i, db.write(&Caller::anonymous(), unit).await)
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (i, result) = done.unwrap();
            match i % 5 {
                1 => assert!(matches!(result, Err(Error::Conflict { .. })), "{i}: {result:?}"),
                2 | 3 => assert!(matches!(result, Err(Error::Internal(_))), "{i}: {result:?}"),
                _ => assert!(result.is_ok(), "{i}: {result:?}"),
            }
        }
        let mut expected: Vec<String> =
            (0..200).filter(|i| i % 5 == 0 || i % 5 == 4).map(|i| format!("unit-{i:03}")).collect();
        expected.insert(0, "taken".to_owned());
        assert_eq!(names(&db).await, expected);
    }

    async fn an_update_returns_the_row_as_it_is_then_or_nothing(db: TestDb) {
        const TAKE: Update = Update {
            table: "things",
            set: "state = $2, count = count + 1",
            only_if: Some("state = $3"),
            returning: "state, count",
        };
        let db = db.open(Clock::system()).await;
        let nobody = Caller::anonymous();
        let table = "CREATE TABLE things (id TEXT PRIMARY KEY, state TEXT NOT NULL, count BIGINT NOT NULL)";
        db.write(&nobody, async |tx| tx.execute(table, &[]).await).await.unwrap();
        let two = "INSERT INTO things (id, state, count) VALUES ('one', 'free', 0), ('two', 'free', 0)";
        db.write(&nobody, async |tx| tx.execute(two, &[]).await).await.unwrap();
        let take = async |id: &'static str, was: &'static str| -> Option<(String, i64)> {
            let unit = async move |tx: &mut Tx| {
                let row = TAKE.run(tx, &[id.into(), "taken".into(), was.into()]).await?;
                row.map(|mut row| Ok((row.next()?, row.next()?))).transpose()
            };
            db.write(&Caller::anonymous(), unit).await.unwrap()
        };
        assert_eq!(take("one", "free").await, Some(("taken".to_owned(), 1)));
        assert_eq!(take("one", "free").await, None);
        assert_eq!(take("one", "taken").await, Some(("taken".to_owned(), 2)));
        assert_eq!(take("none", "free").await, None);
        assert_eq!(take("two", "free").await, Some(("taken".to_owned(), 1)));
    }

    async fn sto_03_of_two_units_that_take_one_row_one_gets_it(db: TestDb) {
        let db = db.open(Clock::system()).await;
        for round in 0..10 {
            let name = format!("code-{round}");
            write(&db, &name).await.unwrap();
            let mut tasks = JoinSet::new();
            for _ in 0..20 {
                let (db, name) = (db.clone(), name.clone());
                tasks.spawn(async move {
                    let sql = "DELETE FROM installation WHERE name = $1 RETURNING value";
                    db.write(&Caller::anonymous(), async move |tx| {
                        Ok(tx.fetch_optional(sql, &[(&name).into()]).await?.is_some())
                    })
                    .await
                });
            }
            let taken = tasks.join_all().await.into_iter().filter(|got| *got.as_ref().unwrap());
            assert_eq!(taken.count(), 1);
        }
    }

    async fn a_unit_sees_its_own_changes(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let seen: i64 = db
            .write(&Caller::anonymous(), async move |tx| {
                put(tx, "new", b"").await?;
                tx.fetch_one("SELECT count(*) FROM installation", &[]).await?.next()
            })
            .await
            .unwrap();
        assert_eq!(seen, 1);
    }

    /// PostgreSQL has given the transaction up by then, and would answer COMMIT without an error.
    async fn a_unit_that_goes_on_after_a_failed_statement_is_not_kept(db: TestDb) {
        let db = db.open(Clock::system()).await;
        write(&db, "taken").await.unwrap();
        let stubborn = db
            .write(&Caller::anonymous(), async |tx| {
                put(tx, "before", b"").await?;
                let _ = put(tx, "taken", b"").await;
                let _ = put(tx, "after", b"").await;
                Ok(())
            })
            .await;
        assert!(matches!(stubborn, Err(Error::Internal(_))));
        assert_eq!(names(&db).await, ["taken"]);
    }

    async fn a_unit_that_panics_is_answered_and_the_next_one_works(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let panicked: Result<()> = db
            .write(&Caller::anonymous(), async |tx| {
                put(tx, "undone", b"").await?;
                panic!("a unit of this test panics")
            })
            .await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        let panicked: Result<()> = db
            .read(&Caller::anonymous(), async |_| panic!("a unit of this test panics"))
            .await;
        assert!(matches!(panicked, Err(Error::Internal(_))));
        write(&db, "kept").await.unwrap();
        assert_eq!(names(&db).await, ["kept"]);
    }

    async fn sto_05_what_was_answered_is_there_after_opening_again(db: TestDb) {
        let first = db.open(Clock::system()).await;
        for i in 0..10 {
            write(&first, &format!("unit-{i}")).await.unwrap();
        }
        let second = db.open(Clock::system()).await;
        assert_eq!(names(&second).await.len(), 10);
        drop(first);
        write(&second, "unit-10").await.unwrap();
        drop(second);
        assert_eq!(names(&db.open(Clock::system()).await).await.len(), 11);
    }

    async fn a_commit_that_fails_is_not_answered_as_done(db: TestDb) {
        let db = db.open(Clock::system()).await;
        db.write(&Caller::anonymous(), async |tx| {
            let sql = "CREATE TABLE children (id BIGINT PRIMARY KEY, parent_id BIGINT
                       REFERENCES children (id) DEFERRABLE INITIALLY DEFERRED)";
            tx.execute(sql, &[]).await
        })
        .await
        .unwrap();
        let orphan = db
            .write(&Caller::anonymous(), async |tx| {
                put(tx, "undone", b"").await?;
                tx.execute("INSERT INTO children VALUES (1, 2)", &[]).await
            })
            .await;
        assert!(matches!(orphan, Err(Error::Unavailable(_))), "{orphan:?}");
        write(&db, "kept").await.unwrap();
        assert_eq!(names(&db).await, ["kept"]);
    }

    async fn a_unit_that_reads_cannot_write(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let written = db.read(&Caller::anonymous(), async |tx| put(tx, "new", b"").await).await;
        assert!(written.is_err());
        assert!(names(&db).await.is_empty());
    }

    async fn values_come_back_as_they_went_in(db: TestDb) {
        values(&db.open(Clock::system()).await).await;
    }
}

/// Writes and reads every kind of value, and NULL where each of them may stand.
pub async fn values(db: &Db) {
    db.write(&Caller::anonymous(), async |tx| {
        let sql = "CREATE TABLE everything (n BIGINT, t TEXT, b BYTEA)";
        tx.execute(sql, &[]).await?;
        let insert = "INSERT INTO everything (n, t, b) VALUES ($1, $2, $3)";
        let some: [Param<'_>; 3] = [i64::MIN.into(), "ä'\"$1".into(), Param::Bytes(&[0, 255])];
        assert_eq!(tx.execute(insert, &some).await?, 1);
        assert_eq!(tx.execute(insert, &[Param::Null; 3]).await?, 1);
        let update = "UPDATE everything SET n = coalesce($1, n), t = $2 WHERE n IS NOT NULL";
        assert_eq!(tx.execute(update, &[Param::Null, "x".into()]).await?, 1);
        Ok(())
    })
    .await
    .unwrap();
    let unit = async |tx: &mut Tx| {
        let filtered = "SELECT n, t, b, count(*) FROM everything
                        WHERE (CAST($1 AS TEXT) IS NULL OR t = $1) AND (n < $2 OR $2 IS NULL)
                        GROUP BY n, t, b ORDER BY n LIMIT $3";
        let found = tx.fetch_one(filtered, &["x".into(), 0.into(), 10.into()]).await;
        let mut row = found?;
        assert_eq!(row.next::<Option<i64>>()?, Some(i64::MIN));
        assert_eq!(row.next::<String>()?, "x");
        assert_eq!(row.next::<Vec<u8>>()?, [0, 255]);
        assert_eq!(row.next::<i64>()?, 1);
        let all = tx.fetch_all(filtered, &[Param::Null, Param::Null, 10.into()]).await?;
        assert_eq!(all.len(), 2);
        let nothing = "SELECT n, t, b FROM everything WHERE n IS NULL";
        let mut row = tx.fetch_one(nothing, &[]).await?;
        assert_eq!(row.next::<Option<i64>>()?, None);
        assert_eq!(row.next::<Option<String>>()?, None);
        assert_eq!(row.next::<Option<Vec<u8>>>()?, None);
        Ok(())
    };
    db.read(&Caller::anonymous(), unit).await.unwrap();
}
