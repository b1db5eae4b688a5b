//! Migrations as operators meet them: planned, in steps, interrupted, and by programs of two releases.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_postgres::Client;

use vestibule::base::Caller;
use vestibule::base::time::Clock;
use vestibule::db::{Db, Location};

use super::logins::{Customer, SplitMix};
use super::process::{Outcome, Process, run, vestibule};
use super::service::{REDIRECT_URI, Service};
use crate::support::postgres::{Server, connect};
use crate::support::{Folder, TestDb, both_engines, is_full};

/// How many rows the database has whose migration is interrupted.
const ROWS: usize = 150_000;
/// What the moments of death are drawn from.
const SEED: u64 = 0x0009_5eed_0bad_d15c;

async fn migrate(folder: &Path, database: &str, arguments: &[&str]) -> Outcome {
    let mut command = vestibule(folder);
    command.arg("migrate").args(arguments).args(["--database", database]);
    run(command).await
}

fn versions(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|it| it["version"].as_i64().unwrap()).collect()
}

/// Plans, goes one step, and then the rest, on a database without tables.
async fn in_steps(database: &str) {
    let folder = Folder::new();
    let plan = migrate(folder.path(), database, &["--plan"]).await.json();
    let all = versions(&plan["pending"]);
    assert!(all.len() > 2 && all[0] == 1, "{plan}");
    let sql = plan["pending"][0]["sql"].as_str().unwrap();
    assert!(sql.contains("CREATE TABLE environments"), "{sql}");

    let before = migrate(folder.path(), database, &["--status"]).await.json();
    assert_eq!(before["schema"], 0, "the plan has changed something");
    let first = migrate(folder.path(), database, &["--to", "1"]).await.json();
    assert_eq!((&first["applied"], &first["schema"]), (&json!([1]), &json!(1)));
    let plan = migrate(folder.path(), database, &["--plan", "--to", "2"]).await.json();
    assert_eq!(versions(&plan["pending"]), [2]);
    let rest = migrate(folder.path(), database, &[]).await.json();
    assert_eq!(rest["applied"], json!(all[1..]));
    assert_eq!(rest["schema"], rest["newest"]);
    let states = rest["migrations"].as_array().unwrap();
    assert!(states.iter().all(|it| it["state"] == "applied" && it["applied_at"].is_string()));
    let again = migrate(folder.path(), database, &[]).await.json();
    assert_eq!(again["applied"], json!([]));
    let unknown = migrate(folder.path(), database, &["--to", "9999"]).await;
    assert!(unknown.failure().contains("knows the migrations 1 to"), "{unknown:?}");
}

#[tokio::test]
async fn migrations_are_planned_and_run_in_steps_on_sqlite() {
    let folder = Folder::new();
    in_steps(&format!("sqlite://{}", folder.path().join("x.db").display())).await;
}

#[tokio::test]
async fn migrations_are_planned_and_run_in_steps_on_postgres() {
    let server = Server::shared().await;
    let admin = server.connect("postgres").await;
    admin.batch_execute("CREATE DATABASE in_steps").await.unwrap();
    in_steps(&server.url("in_steps")).await;
    server.drop_database("in_steps");
}

/// What the next release might do, in a way that this one can live with.
pub const ADDITIVE: &str = "
    ALTER TABLE sso_sessions ADD COLUMN of_the_next_release TEXT;
    ALTER TABLE connections ADD COLUMN of_the_next_release BIGINT NOT NULL DEFAULT 7;
    CREATE TABLE of_the_next_release (id TEXT PRIMARY KEY, x BIGINT NOT NULL);
    CREATE INDEX of_the_next_release_by_x ON of_the_next_release (x);
";

/// Does what a migration of a newer program does.
pub async fn apply(node: &Db, sql: &'static str, version: i64, name: &'static str) {
    let unit = async move |tx: &mut vestibule::db::Tx| {
        for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
            tx.execute(statement, &[]).await?;
        }
        let note = "INSERT INTO schema_migrations VALUES ($1, $2, 0)";
        tx.execute(note, &[version.into(), name.into()]).await
    };
    node.write(&Caller::anonymous(), unit).await.unwrap();
}

both_engines! {
    async fn upg_02_an_older_program_runs_on_what_a_newer_one_added(db: TestDb) {
        let folder = Folder::new();
        let mut service =
            Service::first_start(folder.path(), &[("--database", db.setting())]).await;
        let path = "/user_management/redirect_uris";
        service.application.api("POST", path, &json!({ "uri": REDIRECT_URI })).await;
        let customer = Customer::set_up(&service.application, 0).await;
        customer.sign_in(&service.application, &customer.email(0)).await;

        // While it runs, and when it starts again.
        let node = db.open(Clock::system()).await;
        apply(&node, ADDITIVE, 9001, "more").await;
        customer.sign_in(&service.application, &customer.email(0)).await;
        customer.sign_in(&service.application, &customer.email(1)).await;
        service.start_again().await;
        customer.sign_in(&service.application, &customer.email(1)).await;
        let status = run(service.command(&["migrate", "--status"])).await.json();
        let last = status["migrations"].as_array().unwrap().last().unwrap();
        assert_eq!(last["state"], "applied by a newer program", "{status}");
        // And it migrates nothing behind the newer one's back.
        let migrated = run(service.command(&["migrate"])).await.json();
        assert_eq!(migrated["applied"], json!([]));

        apply(&node, "", 9002, "breaking_other_columns").await;
        service.process.terminate().await;
        let refused = run(service.command(&["serve"])).await;
        let refused = refused.failure();
        assert!(refused.contains("migration 9002 (breaking_other_columns) breaks"), "{refused}");
        assert!(!refused.contains("9001"), "{refused}");
    }
}

/// All tables with their columns and indexes, and what is noted of migrations.
async fn schema(client: &Client) -> Vec<String> {
    let sql = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
               FROM information_schema.columns WHERE table_schema = 'public'
               UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
               UNION ALL SELECT version || ' ' || name FROM schema_migrations
               ORDER BY 1";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Holds the migration after so many statements that define something, for ever.
const HOLD: &str = "
    CREATE SCHEMA held;
    CREATE TABLE held.after (n BIGINT);
    INSERT INTO held.after VALUES (0);
    CREATE SEQUENCE held.count;
    CREATE FUNCTION held.hold() RETURNS event_trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('held.count') = (SELECT n FROM held.after) THEN
            PERFORM pg_sleep(600);
        END IF;
    END $$;
    CREATE EVENT TRIGGER hold ON ddl_command_end EXECUTE FUNCTION held.hold();
";

#[tokio::test]
async fn sto_07_a_migration_killed_after_any_statement_has_not_happened_on_postgres() {
    let server = Server::shared().await;
    let admin = server.connect("postgres").await;
    for name in ["held", "reference"] {
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    }
    let held = server.connect("held").await;
    held.batch_execute(HOLD).await.unwrap();
    drop(held);
    let folder = Folder::new();
    migrate(folder.path(), &server.url("reference"), &[]).await.json();
    let expected = schema(&server.connect("reference").await).await;
    let (mut after, mut killed) = (1_i64, 0);
    loop {
        let name = format!("held_{after}");
        // Whoever was connected to it last may not be gone yet.
        let sql = format!("CREATE DATABASE {name} TEMPLATE held");
        while admin.batch_execute(&sql).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let client = server.connect(&name).await;
        client.execute("UPDATE held.after SET n = $1", &[&after]).await.unwrap();
        let mut command = vestibule(folder.path());
        command.args(["migrate", "--database", &server.url(&name)]);
        let mut process = Process::start(command);
        let is_held = is_held(&client, &mut process).await;
        process.kill();
        if is_held {
            killed += 1;
            // The server goes on for as long as its statement takes, and then finds nobody.
            let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            client.query(end, &[]).await.unwrap();
            client.execute("UPDATE held.after SET n = 0", &[]).await.unwrap();
            migrate(folder.path(), &server.url(&name), &[]).await.json();
        }
        assert_eq!(schema(&client).await, expected, "killed after statement {after}");
        drop(client);
        server.drop_database(&name);
        if !is_held {
            break;
        }
        after += if is_full() { 1 } else { 9 };
    }
    println!("killed {killed} times, after up to {after} statements");
    assert!(killed > 4);
    server.drop_database("held");
    server.drop_database("reference");
}

/// Whether the migration came to where it is held, before it ended.
async fn is_held(client: &Client, process: &mut Process) -> bool {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event = 'PgSleep'";
    loop {
        let is_running = process.is_running();
        if client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            return true;
        }
        if !is_running {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn sto_07_a_migration_killed_at_any_moment_has_not_happened_on_sqlite() {
    let folder = Folder::new();
    let file = folder.path().join("x.db");
    let database = format!("sqlite://{}", file.display());
    migrate(folder.path(), &database, &["--to", "1"]).await.json();
    let connection = rusqlite::Connection::open(&file).unwrap();
    let rows = format!(
        "INSERT INTO environments VALUES ('environment_1', 'e', 'sandbox', 'c', '{{}}', 0, 0, 0);
         INSERT INTO sso_sessions (id, environment_id, connection_version, status, step,
             redirect_uri, state_hash, browser_hash, trace, email, expires_at, created_at,
             updated_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
         SELECT 'sso_session_' || i, 'environment_1', 1, 'failed', 'departed', 'https://x', x'00',
             x'00', '[]', 'p' || i || '@example.com', 0, 0, 0 FROM n"
    );
    connection.execute_batch(&rows).unwrap();
    drop(connection);
    let mut random = SplitMix(SEED);
    println!("the seed is {SEED:#x}");
    let (mut killed, mut longest) = (0, 40);
    loop {
        let mut command = vestibule(folder.path());
        command.args(["migrate", "--database", &database]);
        let mut process = Process::start(command);
        tokio::time::sleep(Duration::from_millis(random.below(longest) as u64)).await;
        let is_running = process.is_running();
        process.kill();
        check(&file);
        if !is_running {
            break;
        }
        killed += 1;
        longest += longest / 4;
    }
    println!("killed {killed} times");
    assert!(killed > 0);
    let status = migrate(folder.path(), &database, &["--status"]).await.json();
    assert_eq!(status["schema"], status["newest"]);
    assert_eq!(columns(&file), columns(&fresh(folder.path()).await));
}

/// A database of today's schema.
async fn fresh(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("fresh.db");
    drop(Db::open(&Location::Sqlite(file.clone()), Clock::system()).await.unwrap());
    file
}

fn columns(file: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let sql = "SELECT coalesce(sql, name) FROM sqlite_master ORDER BY 1";
    let mut statement = connection.prepare(sql).unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

/// Nothing is damaged or lost, and each migration happened as a whole or not at all.
fn check(file: &Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    let one = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    let verdict: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    assert_eq!(one("SELECT count(*) FROM sso_sessions"), i64::try_from(ROWS).unwrap());
    let second = one("SELECT count(*) FROM schema_migrations WHERE version = 2");
    let first_of_it = one("SELECT count(*) FROM sqlite_master WHERE name = 'administrators'");
    let last_of_it =
        one("SELECT count(*) FROM sqlite_master WHERE name = 'sso_sessions_by_origin'");
    assert_eq!((first_of_it, last_of_it), (second, second));
}

/// A node that waits for another one's migration waits longer than for any other statement.
#[tokio::test]
async fn sto_07_a_node_waits_for_the_migration_of_another() {
    let server = Server::shared().await;
    let admin = server.connect("postgres").await;
    admin.batch_execute("CREATE DATABASE waiting").await.unwrap();
    let folder = Folder::new();
    let url = server.url("waiting");
    migrate(folder.path(), &url, &["--to", "1"]).await.json();
    let other = connect(&url).await;
    let begin = "BEGIN; INSERT INTO schema_migrations VALUES (2, 'dashboard', 0)";
    other.batch_execute(begin).await.unwrap();
    let mut command = vestibule(folder.path());
    command.args(["migrate", "--database", &url]);
    let mut waiting = Process::start(command);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(waiting.is_running(), "{}", waiting.stderr());
    // The other node dies, and this one does it.
    other.batch_execute("ROLLBACK").await.unwrap();
    assert!(waiting.ended().await.success(), "{}", waiting.stderr());
    let status = migrate(folder.path(), &url, &["--status"]).await.json();
    assert_eq!(status["schema"], status["newest"]);
    server.drop_database("waiting");
}
