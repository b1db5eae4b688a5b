//! Databases that earlier programs wrote are opened by this one, on both engines.
//!
//! Each file of the folder holds all rows of an installation that the demo made, the key that opens
//! its secrets, and what the API said of it then. With `UPDATE_FIXTURES=1` this program adds its own,
//! if there is none of its schema: that is done for each release, and the file is kept for good.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};

use vestibule::app::KEY_FILE;
use vestibule::base::Caller;
use vestibule::base::time::Clock;
use vestibule::db::{Db, Location, Param, Tx, migrate};

use super::process::{Process, run, vestibule};
use super::service::Service;
use crate::support::Folder;
use crate::support::postgres::Server;

/// What the API is asked, then and now.
const ASKED: [&str; 9] = [
    "/environment",
    "/organizations",
    "/connections",
    "/events?limit=100",
    "/sso_sessions",
    "/authorization/roles",
    "/authorization/permissions",
    "/user_management/redirect_uris",
    "/webhook_endpoints",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/fixtures")
}

fn fixtures() -> Vec<(String, Value)> {
    let mut found: Vec<_> = std::fs::read_dir(folder())
        .expect("fixtures: UPDATE_FIXTURES=1 makes the first")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), serde_json::from_str(&text).unwrap())
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// Puts the rows of a fixture into a database of its schema.
async fn fill(location: &Location, fixture: &Value) {
    let db = Db::connect(location, Clock::system()).await.unwrap();
    migrate::to(&db, fixture["schema"].as_i64().unwrap()).await.unwrap();
    for table in fixture["tables"].as_array().unwrap() {
        let table = table.clone();
        let unit = async move |tx: &mut Tx| {
            let columns: Vec<&str> = table["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it.as_str().unwrap())
                .collect();
            let values: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
            let name = table["table"].as_str().unwrap();
            let (columns, values) = (columns.join(", "), values.join(", "));
            let sql = format!("INSERT INTO {name} ({columns}) VALUES ({values})");
            for row in table["rows"].as_array().unwrap() {
                let cells = row.as_array().unwrap();
                let bytes: Vec<Vec<u8>> = cells
                    .iter()
                    .map(|cell| cell["hex"].as_str().map(unhex).unwrap_or_default())
                    .collect();
                let params = cells.iter().zip(&bytes).map(|(cell, bytes)| match cell {
                    Value::Null => Param::Null,
                    Value::Number(int) => Param::Int(int.as_i64().unwrap()),
                    Value::String(text) => Param::Text(text),
                    _ => Param::Bytes(bytes),
                });
                tx.execute(&sql, &params.collect::<Vec<_>>()).await?;
            }
            Ok(())
        };
        db.write(&Caller::anonymous(), unit).await.unwrap();
    }
}

/// Opens it with this program, and holds what the API says against what it said then.
async fn check(setting: &str, name: &str, fixture: &Value) {
    let folder = Folder::new();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join(KEY_FILE), fixture["key"].as_str().unwrap()).unwrap();
    let key = fixture["api_key"].as_str().unwrap();
    let service =
        Service::existing(folder.path(), &[("--database", setting.to_owned())], key).await;
    for (path, then) in fixture["answers"].as_object().unwrap() {
        let now = ask(&service, path).await;
        assert_within(then, &now, &format!("{name} {path}"));
    }
    // Every secret opens.
    let listed = run(service.command(&["keys", "rotate"])).await.json();
    assert!(listed["keys"][0]["values"].as_i64() > Some(0), "{listed}");
    let connection = &fixture["answers"]["/connections"]["data"][0]["id"];
    let secret = run(service.command(&["doctor", connection.as_str().unwrap(), "--json"])).await;
    let report: Value = serde_json::from_str(&secret.stdout).unwrap();
    assert_eq!(report["connection_id"], *connection, "{report}");
}

/// Restores a backup that an earlier program made of it.
async fn check_backup(name: &str, fixture: &Value) {
    let folder = Folder::new();
    let (data, file) = (folder.path().join("data"), folder.path().join("old.db"));
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join(KEY_FILE), fixture["key"].as_str().unwrap()).unwrap();
    fill(&Location::Sqlite(file.clone()), fixture).await;
    let backup = folder.path().join("backup.db");
    let mut command = vestibule(folder.path());
    command.arg("backup").arg(&backup);
    command.args(["--database", &format!("sqlite://{}", file.display())]);
    run(command).await.json();
    let mut command = vestibule(folder.path());
    command.arg("restore").arg(&backup).arg("--data").arg(&data);
    run(command).await.json();
    let service = Service::existing(folder.path(), &[], fixture["api_key"].as_str().unwrap()).await;
    let path = "/sso_sessions";
    let now = ask(&service, path).await;
    assert_within(&fixture["answers"][path], &now, &format!("{name} restored"));
}

/// What the API says, whatever address it has.
async fn ask(service: &Service, path: &str) -> Value {
    let application = &service.application;
    let said = application.api("GET", path, &Value::Null).await.to_string();
    let base = application.base_url.as_str().trim_end_matches('/');
    serde_json::from_str(&said.replace(base, "https://sso.example.com")).unwrap()
}

/// Newer programs may say more, but not other things.
fn assert_within(then: &Value, now: &Value, place: &str) {
    match (then, now) {
        (Value::Object(then), Value::Object(now)) => {
            for (member, value) in then {
                let place = format!("{place} {member}");
                assert_within(value, now.get(member).unwrap_or(&Value::Null), &place);
            }
        }
        (Value::Array(then), Value::Array(now)) => {
            assert_eq!(then.len(), now.len(), "{place}");
            for (then, now) in then.iter().zip(now) {
                assert_within(then, now, place);
            }
        }
        _ => assert_eq!(then, now, "{place}"),
    }
}

#[tokio::test]
async fn upg_03_databases_of_earlier_programs_are_opened_on_sqlite() {
    update().await;
    let all = fixtures();
    assert!(!all.is_empty());
    for (name, fixture) in all {
        let folder = Folder::new();
        let file = folder.path().join("x.db");
        fill(&Location::Sqlite(file.clone()), &fixture).await;
        check(&format!("sqlite://{}", file.display()), &name, &fixture).await;
        check_backup(&name, &fixture).await;
    }
}

#[tokio::test]
async fn upg_03_databases_of_earlier_programs_are_opened_on_postgres() {
    let server = Server::shared().await;
    for (n, (name, fixture)) in fixtures().iter().enumerate() {
        let database = format!("fixture_{n}");
        let sql = format!("CREATE DATABASE {database}");
        server.connect("postgres").await.batch_execute(&sql).await.unwrap();
        let url = server.url(&database);
        fill(&Location::Postgres(url.clone()), fixture).await;
        check(&url, name, fixture).await;
        server.drop_database(&database);
    }
}

/// Adds a fixture of this program, if it is asked for and there is none of its schema.
async fn update() {
    #[expect(clippy::disallowed_methods, reason = "no setting of the program, but of the tests")]
    let wanted = std::env::var("UPDATE_FIXTURES").is_ok_and(|value| value == "1");
    let file = folder().join(format!("schema-{:04}.json", migrate::newest()));
    if !wanted || file.exists() {
        return;
    }
    std::fs::create_dir_all(folder()).unwrap();
    let work = Folder::new();
    let data = work.path().join("data");
    let mut demo = vestibule(work.path());
    demo.args(["demo", "--json", "--data"]).arg(&data);
    let mut demo = Process::start(demo);
    let seeded: Value = serde_json::from_str(&demo.line().await).unwrap();
    demo.terminate().await;
    let mut login = vestibule(work.path());
    login.args(["demo", "--login", "--data"]).arg(&data);
    run(login).await.json();
    let api_key = seeded["api_key"].as_str().unwrap_or_else(|| panic!("{seeded}"));
    let mut service = Service::existing(work.path(), &[], api_key).await;
    let mut answers = Map::new();
    for path in ASKED {
        answers.insert(path.to_owned(), ask(&service, path).await);
    }
    service.process.terminate().await;
    let fixture = json!({
        "schema": migrate::newest(),
        "key": std::fs::read_to_string(data.join(KEY_FILE)).unwrap(),
        "api_key": api_key,
        "answers": answers,
        "tables": dump(&data.join("vestibule.db")),
    });
    std::fs::write(&file, format!("{fixture:#}\n")).unwrap();
}

/// All rows, in an order in which they can be put in again.
fn dump(file: &Path) -> Vec<Value> {
    let connection = rusqlite::Connection::open(file).unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
                 AND name <> 'schema_migrations' ORDER BY rowid";
    let mut names = connection.prepare(names).unwrap();
    // A table is made after those that it refers to.
    let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
    names.map(|name| dump_table(&connection, &name.unwrap())).collect()
}

fn dump_table(connection: &rusqlite::Connection, name: &str) -> Value {
    let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        let cell = |n: usize| match row.get_ref(n).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(int) => json!(int),
            ValueRef::Text(text) => json!(std::str::from_utf8(text).unwrap()),
            ValueRef::Blob(bytes) => json!({ "hex": vestibule::seal::hex(bytes) }),
            ValueRef::Real(_) => unreachable!("no column holds fractions"),
        };
        Ok((0..columns.len()).map(cell).collect::<Vec<_>>())
    });
    let rows: Vec<Vec<Value>> = rows.unwrap().collect::<Result<_, _>>().unwrap();
    json!({ "table": name, "columns": columns, "rows": rows })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}
