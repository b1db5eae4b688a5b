//! What nobody swept for a month, and what is left of logins that nobody finished.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use vestibule::base::Caller;
use vestibule::db::{Location, Tx};
use vestibule::sso::sweep;

use crate::support::http::Request;
use crate::support::{World, both_engines};

/// How many attempts nobody finished, and how many rows are long over.
const ROWS: i64 = 5000;
const MONTH_MS: i64 = 31 * 24 * 60 * 60 * 1000;
/// How long a login may take meanwhile, on a machine that does much else.
const LOGIN: Duration = Duration::from_secs(5);

const MANY: &str = "WITH RECURSIVE n (i) AS
    (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT";

/// Attempts of a month ago that are still open, and codes and tokens of then.
async fn neglect(world: &World) {
    let code = world.code().await;
    assert_eq!(world.redeem(&code, &[]).await.status, 200);
    let then = world.clock.now().plus_ms(-MONTH_MS);
    let unit = async move |tx: &mut Tx| {
        let bytes: &[u8] = b"x";
        let attempts = format!(
            "INSERT INTO sso_sessions (id, environment_id, connection_id, connection_version,
                 status, step, redirect_uri, state_hash, browser_hash, memory_sealed, trace,
                 expires_at, created_at, updated_at)
             {MANY} 'sso_session_0' || CAST(100000 + i AS TEXT), e.environment_id, e.connection_id,
                 1, 'in_progress', 'departed', 'https://x', $2, $2, $2, '[]', $3 + i, $3, $3
             FROM n, (SELECT environment_id, connection_id FROM sso_sessions LIMIT 1) e"
        );
        let params = [ROWS.into(), bytes.into(), then.into()];
        tx.execute(&attempts, &params).await?;
        // What an earlier build left. A hash is 32 bytes, but nobody looks at these.
        let codes = format!(
            "INSERT INTO authorization_codes (code_hash, environment_id, connection_id, profile_id,
                 sso_session_id, redirect_uri, expires_at)
             {MANY} CAST(CAST(i AS TEXT) AS BYTEA), c.environment_id, c.connection_id,
                 c.profile_id, 'x', 'https://x', $2 + i
             FROM n, (SELECT environment_id, connection_id, profile_id
                      FROM sso_sessions WHERE profile_id IS NOT NULL LIMIT 1) c"
        );
        tx.execute(&codes, &[ROWS.into(), then.into()]).await
    };
    world.app().db.write(&Caller::anonymous(), unit).await.unwrap();
}

/// How many rows each table has.
async fn rows(world: &World) -> BTreeMap<String, i64> {
    let names = match world.db.location() {
        Location::Sqlite(_) => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        }
        Location::Postgres(_) => {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables
             WHERE table_schema = 'public'"
        }
    };
    let unit = async move |tx: &mut Tx| {
        let mut rows = BTreeMap::<String, i64>::new();
        for mut row in tx.fetch_all(names, &[]).await? {
            let name: String = row.next()?;
            let sql = format!("SELECT count(*) FROM {name}");
            rows.insert(name, tx.fetch_one(&sql, &[]).await?.next()?);
        }
        Ok(rows)
    };
    world.app().db.read(&Caller::anonymous(), unit).await.unwrap()
}

async fn count(world: &World, condition: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {condition}");
    let unit = async move |tx: &mut Tx| tx.fetch_one(&sql, &[]).await?.next();
    world.app().db.read(&Caller::anonymous(), unit).await.unwrap()
}

both_engines! {
    async fn sto_16_what_nobody_swept_for_a_month_is_swept_while_people_sign_in(world: World) {
        neglect(&world).await;
        let open = "sso_sessions WHERE status = 'in_progress'";
        assert_eq!(count(&world, open).await, ROWS);
        let done = AtomicBool::new(false);
        let sweep = async {
            let closed = sweep::time_out(world.app()).await.unwrap();
            assert_eq!(i64::try_from(closed), Ok(ROWS));
            let purged = sweep::purge(world.app()).await.unwrap();
            done.store(true, Ordering::Relaxed);
            purged
        };
        let log_in = async {
            let (mut slowest, mut logins) = (Duration::ZERO, 0);
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                let code = world.code().await;
                assert_eq!(world.redeem(&code, &[]).await.status, 200);
                slowest = slowest.max(began.elapsed());
                logins += 1;
            }
            (slowest, logins)
        };
        let (purged, (slowest, logins)) = tokio::join!(sweep, log_in);
        println!("{purged} rows forgotten during {logins} logins, the slowest took {slowest:?}");
        assert!(purged >= ROWS.unsigned_abs(), "{purged}");
        assert!(logins > 0 && slowest < LOGIN, "{logins} logins, {slowest:?}");
        assert_eq!(count(&world, open).await, 0);
        assert_eq!(count(&world, "authorization_codes").await, 0);
    }

    async fn lod_11_of_logins_that_nobody_finished_nothing_is_left_in_the_end(world: World) {
        const ROUNDS: i64 = 40;
        const ABANDONED: i64 = 50;
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        // What a login leaves for good, such as the profile, is there before.
        let login = async || {
            let code = world.code().await;
            assert_eq!(world.redeem(&code, &[]).await.status, 200);
        };
        login().await;
        let before = rows(&world).await;
        assert!(before.len() > 20, "{before:?}");
        for _ in 0..ROUNDS {
            // More than a connection may begin in a minute.
            world.clock.advance_ms(10_000);
            let mut visits = JoinSet::new();
            for _ in 0..ABANDONED {
                visits.spawn(Request::get(&world.authorize_url(&[])).send());
            }
            for visit in visits.join_all().await {
                assert_eq!(visit.status, 302, "{}", visit.text());
            }
            login().await;
        }
        let during = rows(&world).await;
        assert!(during["sso_sessions"] >= before["sso_sessions"] + ROUNDS * ABANDONED);
        world.clock.advance_ms(DAY_MS);
        let closed = sweep::time_out(world.app()).await.unwrap();
        assert_eq!(i64::try_from(closed), Ok(ROUNDS * ABANDONED));
        world.clock.advance_ms(400 * DAY_MS);
        sweep::purge(world.app()).await.unwrap();
        let after = rows(&world).await;
        assert_eq!(after["sso_sessions"], 0);
        for (table, count) in &after {
            assert!(*count <= before[table], "{table}: {} rows, then {count}", before[table]);
        }
    }
}
