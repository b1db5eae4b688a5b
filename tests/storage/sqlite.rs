//! What only SQLite does: full disks, locks of other processes, its log.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio::task::JoinSet;
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error};
use vestibule::db::{Location, Tx};

use super::units::{names, put, write};
use crate::support::TestDb;

/// As if the disk had room for so many pages of 4 KiB.
async fn limit_pages(db: &vestibule::db::Db, pages: u32) {
    let sql = format!("PRAGMA max_page_count = {pages}");
    db.write(&Caller::anonymous(), async move |tx: &mut Tx| tx.fetch_all(&sql, &[]).await)
        .await
        .unwrap();
}

#[tokio::test]
async fn sto_02_a_full_disk_refuses_writes_and_goes_on_reading() {
    let test = TestDb::sqlite();
    let db = test.open(Clock::system()).await;
    write(&db, "before").await.unwrap();
    limit_pages(&db, 1).await;
    let mut tasks = JoinSet::new();
    let large = Arc::new(vec![7; 100_000]);
    for i in 0..20 {
        let (db, large) = (db.clone(), Arc::clone(&large));
        tasks.spawn(async move {
            let unit = async move |tx: &mut Tx| put(tx, &format!("large-{i}"), &large).await;
            db.write(&Caller::anonymous(), unit).await
        });
    }
    for result in tasks.join_all().await {
        assert!(matches!(result, Err(Error::Unavailable(_))), "{result:?}");
    }
    assert_eq!(names(&db).await, ["before"]);
    limit_pages(&db, 1_000_000).await;
    write(&db, "after").await.unwrap();
    assert_eq!(names(&db).await, ["after", "before"]);
}

#[tokio::test]
async fn reads_that_take_long_keep_nobody_else_waiting() {
    const LONG: usize = 8;
    let test = TestDb::sqlite();
    let db = test.open(Clock::system()).await;
    let mut reads = JoinSet::new();
    let mut go_on = Vec::new();
    for _ in 0..LONG {
        let (go, told) = mpsc::channel();
        let (told, db) = (Mutex::new(told), db.clone());
        go_on.push(go);
        reads.spawn(async move {
            let wait = async move |_: &mut Tx| {
                Ok(told.lock().unwrap().recv_timeout(Duration::from_secs(20)).is_ok())
            };
            db.read(&Caller::anonymous(), wait).await
        });
    }
    write(&db, "kept").await.unwrap();
    let count = async |tx: &mut Tx| {
        let sql = "SELECT count(*) FROM installation WHERE name = 'kept'";
        tx.fetch_one(sql, &[]).await?.next::<i64>()
    };
    assert_eq!(db.read_briefly(&Caller::anonymous(), count).await.unwrap(), 1);
    for go in go_on {
        go.send(()).unwrap();
    }
    let told: Vec<bool> = reads.join_all().await.into_iter().map(Result::unwrap).collect();
    assert_eq!(told, [true; LONG], "the others had to wait for a long read");
}

#[tokio::test]
async fn sto_14_the_log_does_not_grow_without_end() {
    let test = TestDb::sqlite();
    let db = test.open(Clock::system()).await;
    let Location::Sqlite(path) = test.location() else { unreachable!() };
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    for i in 0..400 {
        db.write(&Caller::anonymous(), async move |tx| {
            put(tx, &format!("unit-{i}"), &[7; 200_000]).await
        })
        .await
        .unwrap();
    }
    let bytes = std::fs::metadata(&log).unwrap().len();
    assert!(bytes < 32 * 1024 * 1024, "{bytes}");
}

#[tokio::test]
async fn sto_14_a_lock_of_another_process_is_waited_for() {
    let test = TestDb::sqlite();
    let db = test.open(Clock::system()).await;
    let Location::Sqlite(path) = test.location() else { unreachable!() };
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = tokio::spawn(async move {
        write(&db, "late").await.unwrap();
        names(&db).await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(waiting.await.unwrap(), ["late"]);
}
