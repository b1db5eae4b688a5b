//! What a unit of work costs: `cargo bench --bench units`.
//!
//! Each task does, over and over: a row into each of two tables in one unit, a select by id, and a
//! delete that takes the row once; or inserts and raises a counter that all tasks share, as every
//! unit does that records an event; or only selects. Both engines sync what they commit.
//!
//! The tables stay small, which flatters both. Compare only lines with a like `fsync µs` (measured
//! before and after the line): a virtual disk may be thirty times slower from one minute to the next.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postgres::{Durability, Server};
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Result};
use vestibule::db::{Db, Location, Tx};

/// How long each line of the table is measured.
const MEASURED: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let folder = std::env::temp_dir().join(format!("vestibule-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    println!("engine    units                tasks    units/s  our CPU µs/unit   fsync µs");
    let sqlite = Location::Sqlite(folder.join("bench.db"));
    measure("SQLite", &sqlite).await;
    let server = Server::start(Durability::Full).await;
    let (_, url) = server.create_database().await;
    measure("Postgres", &Location::Postgres(url.clone())).await;
    let unnamed = Location::Postgres(format!("{url}?prepared_statements=off"));
    measure("unnamed", &unnamed).await;
    let _ = std::fs::remove_dir_all(&folder);
}

async fn measure(engine: &str, location: &Location) {
    let db = Db::open(location, Clock::system()).await.expect("the database opens");
    db.write(&Caller::anonymous(), async |tx| {
        for sql in [
            "DROP TABLE IF EXISTS bench_children",
            "DROP TABLE IF EXISTS bench_parents",
            "DROP TABLE IF EXISTS bench_counters",
            "CREATE TABLE bench_parents (id TEXT PRIMARY KEY, data TEXT NOT NULL)",
            "CREATE TABLE bench_children (id TEXT PRIMARY KEY, parent_id TEXT NOT NULL
             REFERENCES bench_parents (id) ON DELETE CASCADE)",
            "CREATE TABLE bench_counters (id TEXT PRIMARY KEY, n BIGINT NOT NULL)",
            "INSERT INTO bench_counters VALUES ('events', 0)",
        ] {
            tx.execute(sql, &[]).await?;
        }
        Ok(())
    })
    .await
    .expect("the tables are made");
    for kind in [Kind::Mixed, Kind::Event, Kind::Select] {
        for tasks in [1, 16, 128] {
            line(engine, kind, tasks, &db).await;
        }
    }
}

/// What a task does over and over.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Mixed,
    Event,
    Select,
}

/// Measures one line of the table.
async fn line(engine: &str, kind: Kind, tasks: usize, db: &Db) {
    let fsync_before = fsync_us();
    let (units, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (db, units, stop) = (db.clone(), Arc::clone(&units), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let id = format!("{kind:?}-{tasks}-{task}-{n}");
                    let done = round(&db, kind, id).await.expect("a unit works");
                    units.fetch_add(done, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(MEASURED / 6).await;
    let (before, cpu_before, began) = (units.load(Ordering::Relaxed), cpu(), Instant::now());
    tokio::time::sleep(MEASURED).await;
    let done = (units.load(Ordering::Relaxed) - before) as f64;
    let (cpu, elapsed) = (cpu() - cpu_before, began.elapsed());
    stop.store(true, Ordering::Relaxed);
    for task in running {
        task.await.expect("a task ends");
    }
    let (rate, cost) = (done / elapsed.as_secs_f64(), cpu.as_secs_f64() * 1e6 / done);
    let name = match kind {
        Kind::Mixed => "insert, select, delete",
        Kind::Event => "insert with event",
        Kind::Select => "select",
    };
    println!(
        "{engine:<9} {name:<23} {tasks:>5} {rate:>10.0} {cost:>14.0} {fsync_before:>10}-{}",
        fsync_us()
    );
    check(db, kind, units.load(Ordering::Relaxed)).await;
}

/// Holds what was counted against what is in the database, and makes the tables empty again.
async fn check(db: &Db, kind: Kind, units: u64) {
    let counted = db
        .write(&Caller::anonymous(), async |tx| {
            let mut rows = tx.fetch_one("SELECT count(*) FROM bench_children", &[]).await?;
            let mut events = tx.fetch_one("SELECT n FROM bench_counters", &[]).await?;
            tx.execute("DELETE FROM bench_children", &[]).await?;
            tx.execute("DELETE FROM bench_parents", &[]).await?;
            tx.execute("UPDATE bench_counters SET n = 0", &[]).await?;
            Ok((rows.next::<i64>()?.unsigned_abs(), events.next::<i64>()?.unsigned_abs()))
        })
        .await
        .expect("the tables are read");
    let expected = if matches!(kind, Kind::Event) { (units, units) } else { (0, 0) };
    assert_eq!(counted, expected, "the database disagrees with the count");
}

/// One round of a task; how many units it was.
async fn round(db: &Db, kind: Kind, id: String) -> Result<u64> {
    let nobody = Caller::anonymous();
    match kind {
        Kind::Mixed => {
            let (new, taken) = (id.clone(), id.clone());
            db.write(&nobody, async move |tx| insert(tx, &new).await).await?;
            db.read(&nobody, async move |tx| select(tx, &id).await).await?;
            db.write(&nobody, async move |tx| {
                let sql = "DELETE FROM bench_parents WHERE id = $1 RETURNING data";
                tx.fetch_one(sql, &[(&taken).into()]).await.map(drop)
            })
            .await?;
            Ok(3)
        }
        Kind::Event => {
            db.write(&nobody, async move |tx| {
                insert(tx, &id).await?;
                let sql = "UPDATE bench_counters SET n = n + 1 WHERE id = 'events' RETURNING n";
                tx.fetch_one(sql, &[]).await.map(drop)
            })
            .await?;
            Ok(1)
        }
        Kind::Select => {
            db.read(&nobody, async move |tx| select(tx, &id).await).await?;
            Ok(1)
        }
    }
}

async fn insert(tx: &mut Tx, id: &str) -> Result<()> {
    let parent = "INSERT INTO bench_parents (id, data) VALUES ($1, $2)";
    tx.execute(parent, &[id.into(), DATA.into()]).await?;
    let child = "INSERT INTO bench_children (id, parent_id) VALUES ($1, $2)";
    tx.execute(child, &[id.into(), id.into()]).await.map(drop)
}

async fn select(tx: &mut Tx, id: &str) -> Result<()> {
    let sql = "SELECT data FROM bench_parents WHERE id = $1";
    tx.fetch_optional(sql, &[id.into()]).await.map(drop)
}

/// What a row carries besides its id.
const DATA: &str = "{\"email\":\"somebody@example.com\",\"groups\":[\"staff\",\"admins\"]}";

/// How long the disk takes to sync a page now, in microseconds: the median of 21 times.
fn fsync_us() -> u128 {
    use std::io::Write;
    let path = std::env::temp_dir().join(format!("vestibule-fsync-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a file");
    let mut times: Vec<u128> = (0..21)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[7; 4096]).expect("a page is written");
            file.sync_data().expect("a page is synced");
            began.elapsed().as_micros()
        })
        .collect();
    let _ = std::fs::remove_file(&path);
    times.sort_unstable();
    times[10]
}

/// The processor time of this process: SQLite included, PostgreSQL's server not.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit_once(')').expect("a name").1;
    // Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
    let ticks = after_name.split_whitespace().skip(11).take(2);
    Duration::from_millis(ticks.map(|t| t.parse::<u64>().expect("a number") * 10).sum())
}
