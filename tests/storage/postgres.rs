//! What only PostgreSQL does: lost connections, deadlocks, servers that stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error, Result};
use vestibule::db::{Db, Location, Tx};

use super::units::{self, names, put, write};
use crate::support::TestDb;
use crate::support::postgres::{Durability, Server, connect};

/// Makes PostgreSQL report an error of this class.
async fn fail_with(tx: &mut Tx, code: &str) -> Result<()> {
    let sql = format!("DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''{code}''; END'");
    tx.execute(&sql, &[]).await.map(drop)
}

/// Ends all connections of the database but the one that asks.
async fn terminate_all(db: &TestDb) {
    let sql = "SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connect(db.url().unwrap()).await.query(sql, &[]).await.unwrap();
}

#[tokio::test]
async fn sto_09_a_unit_runs_again_after_a_serialization_failure() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    db.write(&Caller::anonymous(), async move |tx| {
        put(tx, "once", b"").await?;
        match count.fetch_add(1, Ordering::Relaxed) {
            0 => fail_with(tx, "40001").await,
            1 => fail_with(tx, "40P01").await,
            _ => Ok(()),
        }
    })
    .await
    .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    assert_eq!(names(&db).await, ["once"]);
}

#[tokio::test]
async fn sto_09_a_unit_that_always_collides_is_refused_in_the_end() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let refused = db
        .write(&Caller::anonymous(), async move |tx| {
            count.fetch_add(1, Ordering::Relaxed);
            fail_with(tx, "40001").await
        })
        .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    assert_eq!(runs.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn sto_09_a_collision_in_a_group_costs_the_others_nothing() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    let mut tasks = JoinSet::new();
    for i in 0..60 {
        let (db, runs) = (db.clone(), AtomicUsize::new(0));
        tasks.spawn(async move {
            db.write(&Caller::anonymous(), async move |tx| {
                put(tx, &format!("unit-{i}"), b"").await?;
                if i % 10 == 0 && runs.fetch_add(1, Ordering::Relaxed) == 0 {
                    fail_with(tx, "40001").await?;
                }
                Ok(())
            })
            .await
        });
    }
    assert!(tasks.join_all().await.iter().all(Result::is_ok));
    assert_eq!(names(&db).await.len(), 60);
}

#[tokio::test]
async fn sto_09_of_two_units_in_a_deadlock_both_succeed() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    write(&db, "a").await.unwrap();
    write(&db, "b").await.unwrap();
    let locked = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let done = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let runs = Arc::new(AtomicUsize::new(0));
    let unit = |first: &'static str, second: &'static str, own: usize| {
        let (db, runs, locked) = (db.clone(), Arc::clone(&runs), locked.clone());
        let (own_done, other_done) = (Arc::clone(&done[own]), Arc::clone(&done[1 - own]));
        tokio::spawn(async move {
            let unit = async move |tx: &mut Tx| {
                let sql = "UPDATE installation SET value = $2 WHERE name = $1";
                let run = runs.fetch_add(1, Ordering::Relaxed);
                if run >= 2 {
                    // The one that was undone could take its first row again before the other
                    // wakes up, and meet it once more.
                    other_done.notified().await;
                }
                tx.execute(sql, &[first.into(), b"1".as_slice().into()]).await?;
                locked[own].notify_one();
                if run < 2 {
                    locked[1 - own].notified().await;
                    locked[1 - own].notify_one();
                }
                tx.execute(sql, &[second.into(), b"2".as_slice().into()]).await
            };
            let outcome = db.write(&Caller::anonymous(), unit).await;
            own_done.notify_one();
            outcome
        })
    };
    let first = unit("a", "b", 0);
    locked[0].notified().await;
    locked[0].notify_one();
    let second = unit("b", "a", 1);
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 3, "one of them ran twice");
}

#[tokio::test]
async fn sto_01_a_connection_lost_between_units_is_not_noticed() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    for i in 0..5 {
        write(&db, &format!("unit-{i}")).await.unwrap();
        assert_eq!(names(&db).await.len(), i + 1);
        terminate_all(&test).await;
    }
}

#[tokio::test]
async fn sto_01_a_unit_runs_again_if_its_connection_is_lost_before_the_commit() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    db.write(&Caller::anonymous(), async move |tx| {
        put(tx, "once", b"").await?;
        if count.fetch_add(1, Ordering::Relaxed) == 0 {
            tx.fetch_one("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(names(&db).await, ["once"]);
}

/// Whether the commit happened is not known then: a second run might do everything twice.
#[tokio::test]
async fn sto_01_a_unit_does_not_run_again_if_its_connection_is_lost_during_the_commit() {
    let test = TestDb::postgres().await;
    connect(test.url().unwrap())
        .await
        .batch_execute(
            "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER die AFTER INSERT ON installation
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
             WHEN (NEW.name = 'fatal') EXECUTE FUNCTION die()",
        )
        .await
        .unwrap();
    let db = test.open(Clock::system()).await;
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let unknown = db
        .write(&Caller::anonymous(), async move |tx| {
            count.fetch_add(1, Ordering::Relaxed);
            put(tx, "fatal", b"").await
        })
        .await;
    assert!(matches!(unknown, Err(Error::Unavailable(_))));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    write(&db, "kept").await.unwrap();
    assert_eq!(names(&db).await, ["kept"]);
}

#[tokio::test]
async fn sto_10_a_unit_that_finds_no_free_connection_is_refused_after_two_seconds() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    write(&db, "row").await.unwrap();
    let holder = connect(test.url().unwrap()).await;
    holder.batch_execute("BEGIN; DELETE FROM installation WHERE name = 'row'").await.unwrap();
    let mut blocked = JoinSet::new();
    for _ in 0..16 {
        let db = db.clone();
        blocked.spawn(async move {
            let sql = "UPDATE installation SET value = value WHERE name = 'row'";
            db.write(&Caller::anonymous(), async move |tx| tx.execute(sql, &[]).await).await
        });
        // Apart, so that they do not share a connection.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    let refused = write(&db, "late").await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
    assert!((1500..3500).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    // Reading goes on.
    assert_eq!(names(&db).await, ["row"]);
    holder.batch_execute("ROLLBACK").await.unwrap();
    let done = blocked.join_all().await.into_iter().filter(Result::is_ok).count();
    assert!((1..16).contains(&done), "{done}");
    write(&db, "later").await.unwrap();
}

#[tokio::test]
async fn sto_01_a_server_that_stops_is_unavailable_and_found_again() {
    let server = Server::start(Durability::None).await;
    let test = TestDb::on_server(server).await;
    let db = test.open(Clock::system()).await;
    write(&db, "before").await.unwrap();
    server.stop();
    let began = Instant::now();
    assert!(matches!(write(&db, "during").await, Err(Error::Unavailable(_))));
    let read = db.read(&Caller::anonymous(), async |tx| tx.fetch_all("SELECT 1", &[]).await).await;
    assert!(matches!(read, Err(Error::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    server.start_again().await;
    // The next attempt to connect may be a second away: the unit waits for it.
    write(&db, "after").await.unwrap();
    assert_eq!(names(&db).await, ["after", "before"]);
}

#[tokio::test]
async fn opening_a_server_that_is_not_there_is_unavailable() {
    let nowhere = Location::Postgres("postgres://vestibule:secret@127.0.0.1:1/none".to_owned());
    assert!(matches!(Db::open(&nowhere, Clock::system()).await, Err(Error::Unavailable(_))));
    let server = Server::shared().await;
    let wrong = Location::Postgres(server.url("postgres").replace("secret", "wrong"));
    let refused = Db::open(&wrong, Clock::system()).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))));
}

/// As a pooler forgets them that gives each transaction another session.
#[tokio::test]
async fn a_prepared_statement_that_the_server_forgot_is_prepared_again() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    for i in 0..3 {
        write(&db, &format!("unit-{i}")).await.unwrap();
        db.write(&Caller::anonymous(), async |tx| tx.execute("DEALLOCATE ALL", &[]).await)
            .await
            .unwrap();
    }
    assert_eq!(names(&db).await.len(), 3);
}

#[tokio::test]
async fn values_come_back_as_they_went_in_without_prepared_statements() {
    let test = TestDb::postgres().await;
    let url = format!("{}?prepared_statements=off", test.url().unwrap());
    let db = Db::open(&Location::Postgres(url), Clock::system()).await.unwrap();
    units::values(&db).await;
    let prepared = db
        .read(&Caller::anonymous(), async |tx| {
            tx.fetch_all("SELECT name FROM pg_prepared_statements WHERE name <> ''", &[]).await
        })
        .await
        .unwrap();
    assert!(prepared.is_empty());
}

#[tokio::test]
async fn the_detail_of_an_error_which_quotes_the_row_stays_out_of_the_log() {
    let test = TestDb::postgres().await;
    let db = test.open(Clock::system()).await;
    write(&db, "person@example.com").await.unwrap();
    let error = write(&db, "person@example.com").await.unwrap_err();
    assert!(error.chain().contains("23505"), "{}", error.chain());
    assert!(!error.chain().contains("person"), "{}", error.chain());
}
