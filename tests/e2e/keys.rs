//! Keys are exchanged while people sign in: in what order, under which interruptions, and what is
//! left of the old one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use vestibule::app::KEY_FILE;
use vestibule::base::secret::Secret;
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error};
use vestibule::db::{Db, Location, Tx};
use vestibule::model::{connection, environment, sealed_value};
use vestibule::seal::Sealer;

use super::logins::Customer;
use super::process::{Process, run};
use super::service::{REDIRECT_URI, Service};
use crate::support::http::{Browser, Request};
use crate::support::{Folder, TestDb, both_engines};

/// How many connections there are besides those that people sign in by: enough to be interrupted.
const CONNECTIONS: usize = 3000;

/// Makes many connections that have a secret, by the operations of the program itself.
async fn make_connections(db: &Db, sealer: &Arc<Sealer>, organization: &str) -> Vec<String> {
    let caller = Caller::system(
        db.read(&Caller::anonymous(), async |tx| environment::list_all(tx).await).await.unwrap()[0]
            .id
            .clone(),
    );
    let mut made = Vec::new();
    for portion in 0..CONNECTIONS / 100 {
        let (sealer, organization) = (Arc::clone(sealer), organization.to_owned());
        let unit = async move |tx: &mut Tx| {
            let mut ids = Vec::new();
            for n in 0..100 {
                let new = connection::NewConnection {
                    organization_id: organization.parse().map_err(|_| Error::internal("no id"))?,
                    connection_type: connection::ConnectionType::parse("OktaOIDC").unwrap(),
                    name: format!("{portion}-{n}"),
                    policy: connection::Policy::default(),
                };
                let made = connection::create(tx, &new).await?;
                let change = connection::Change {
                    client_secret: Some(secret_of(made.id.as_str())),
                    ..connection::Change::default()
                };
                connection::change(tx, made.id.as_str(), &sealer, change).await?;
                ids.push(made.id.to_string());
            }
            Ok(ids)
        };
        made.extend(db.write(&caller, unit).await.unwrap());
    }
    made
}

/// Makes the database take its time over each secret of a connection that is sealed anew, a
/// millisecond or more, so that the work can be interrupted however fast the machine is.
async fn slow_down(node: &Db, is_sqlite: bool) {
    let nobody = Caller::anonymous();
    let statements: &[&str] = if is_sqlite {
        &["CREATE TRIGGER slow BEFORE UPDATE OF client_secret_sealed ON connections BEGIN
               SELECT count(*) FROM (
                   WITH RECURSIVE step(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM step LIMIT 20000)
                   SELECT n FROM step);
           END"]
    } else {
        &[
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN PERFORM pg_sleep(0.002); RETURN NEW; END'",
            "CREATE TRIGGER slow BEFORE UPDATE OF client_secret_sealed ON connections
             FOR EACH ROW EXECUTE FUNCTION slow()",
        ]
    };
    for statement in statements {
        node.write(&nobody, async |tx| tx.execute(statement, &[]).await).await.unwrap();
    }
}

/// Undoes [`slow_down`].
async fn speed_up(node: &Db, is_sqlite: bool) {
    let statement = if is_sqlite { "DROP TRIGGER slow" } else { "DROP FUNCTION slow() CASCADE" };
    let nobody = Caller::anonymous();
    node.write(&nobody, async |tx| tx.execute(statement, &[]).await).await.unwrap();
}

fn secret_of(connection: &str) -> Secret {
    Secret::new(format!("the secret of {connection}"))
}

/// How many values are sealed with a key.
async fn sealed_by(db: &Db, key_id: &str) -> i64 {
    let nobody = Caller::anonymous();
    let counts = db.read(&nobody, async |tx| sealed_value::count(tx).await).await.unwrap();
    counts.iter().filter(|count| count.key_id == key_id).map(|count| count.values).sum()
}

fn values_of(listed: &Value, key_id: &str) -> Value {
    let keys = listed["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["id"] == key_id);
    key.unwrap_or_else(|| panic!("{listed}"))["values"].clone()
}

both_engines! {
    async fn upg_05_sto_12_keys_are_rotated_under_load_although_it_is_killed(db: TestDb) {
        let folder = Folder::new();
        let database = db.setting();
        let settings =
            [("--database", database), ("--limits-authorize-per-minute", "0".to_owned())];
        let mut service = Service::first_start(folder.path(), &settings).await;
        let path = "/user_management/redirect_uris";
        service.application.api("POST", path, &json!({ "uri": REDIRECT_URI })).await;
        let customer = Customer::set_up(&service.application, 0).await;
        let hook = json!({ "endpoint_url": "https://hooks.example.com/x", "events": ["connection.deleted"] });
        service.application.api("POST", "/webhook_endpoints", &hook).await;
        let organization = json!({ "name": "Many" });
        let organization = service.application.api("POST", "/organizations", &organization).await;

        let file = folder.path().join("data").join(KEY_FILE);
        let old_text = std::fs::read_to_string(&file).unwrap();
        let old = Arc::new(Sealer::from_text(&Secret::new(&old_text)).unwrap());
        let node = db.open(Clock::system()).await;
        let organization = organization["id"].as_str().unwrap();
        let connections = make_connections(&node, &old, organization).await;
        let before = sealed_by(&node, &old.newest()).await;
        assert!(before > i64::try_from(CONNECTIONS).unwrap(), "{before}");

        // Somebody is at the identity provider all the while.
        let mut traveller = Browser::default();
        let departed = traveller.get(&service.application.authorize_url(&customer.connection)).await;

        // The new key in front, and the service knows it.
        let new_text = Secret::random("");
        let new = Sealer::from_text(&new_text).unwrap();
        std::fs::write(&file, format!("{}\n{old_text}", new_text.expose())).unwrap();
        service.start_again().await;
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut people = JoinSet::new();
        for n in 0..4 {
            let (application, customer) = (service.application.clone(), Arc::clone(&customer));
            let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
            people.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    customer.sign_in(&application, &customer.email(n)).await;
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }

        // Killed while it is at it, three times, as soon as it has done something.
        let is_sqlite = matches!(db.location(), Location::Sqlite(_));
        slow_down(&node, is_sqlite).await;
        for _ in 0..3 {
            let start = sealed_by(&node, &old.newest()).await;
            let mut rotation = Process::start(service.command(&["keys", "rotate"]));
            while sealed_by(&node, &old.newest()).await == start && rotation.is_running() {}
            assert!(rotation.is_running(), "it ended before it was killed");
            rotation.kill();
        }
        speed_up(&node, is_sqlite).await;
        let left = sealed_by(&node, &old.newest()).await;
        assert!(0 < left && left < before, "{left} of {before}");
        let listed = run(service.command(&["keys", "list"])).await.json();
        assert!(values_of(&listed, &old.newest()).as_i64() > Some(0), "{listed}");

        let rotated = run(service.command(&["keys", "rotate"])).await.json();
        stop.store(true, Ordering::Relaxed);
        people.join_all().await;
        println!("{} logins meanwhile", made.load(Ordering::Relaxed));
        assert!(made.load(Ordering::Relaxed) > 0);
        assert_eq!(values_of(&rotated, &old.newest()), 0, "{rotated}");
        let all = values_of(&rotated, &new.newest()).as_i64();
        assert!(all >= Some(before - 1), "{rotated} {before}");

        // The old key goes, and nobody misses it: not who was away, and no secret.
        std::fs::write(&file, format!("{}\n", new_text.expose())).unwrap();
        service.start_again().await;
        let back = customer.okta.tenant.sign_in(&departed.location(), &customer.email(7)).await;
        let arrived = traveller.get(&Url::parse(&back.unwrap()).unwrap()).await;
        let code = arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()));
        assert_eq!(service.application.redemption(&code).send().await.status, 200);
        customer.sign_in(&service.application, &customer.email(8)).await;
        check_secrets(&node, &new, connections).await;

        // The new one may not go.
        service.process.terminate().await;
        std::fs::write(&file, old_text).unwrap();
        let refused = run(service.command(&["serve"])).await;
        let expected = format!("the sealing key {} is missing", new.newest());
        assert!(refused.failure().contains(&expected), "{refused:?}");
    }

    async fn sto_11_a_value_that_was_swapped_is_told_and_no_key_goes_meanwhile(db: TestDb) {
        let folder = Folder::new();
        let service = Service::first_start(folder.path(), &[("--database", db.setting())]).await;
        for name in ["a", "b"] {
            let hook = format!("https://{name}.example.com/x");
            let hook = json!({ "endpoint_url": hook, "events": ["connection.deleted"] });
            service.application.api("POST", "/webhook_endpoints", &hook).await;
        }
        let node = db.open(Clock::system()).await;
        node.write(&Caller::anonymous(), async |tx| {
            let sql = "UPDATE webhook_endpoints SET secret_sealed = (SELECT secret_sealed
                       FROM webhook_endpoints ORDER BY id LIMIT 1)";
            tx.execute(sql, &[]).await
        })
        .await
        .unwrap();
        let file = folder.path().join("data").join(KEY_FILE);
        let old = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{}\n{old}", Secret::random("").expose())).unwrap();
        let refused = run(service.command(&["keys", "rotate"])).await;
        let refused = refused.failure();
        assert!(refused.contains("1 in webhook_endpoints.secret_sealed"), "{refused}");
        assert!(refused.contains("does not open: it was changed or moved"), "{refused}");
        // Nothing of it opens with the new key alone.
        let new = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, new.lines().next().unwrap()).unwrap();
        let refused = run(service.command(&["keys", "list"])).await;
        assert!(refused.failure().contains("is missing"), "{refused:?}");
    }
}

async fn check_secrets(node: &Db, sealer: &Sealer, connections: Vec<String>) {
    let all = node.read(&Caller::anonymous(), async |tx| environment::list_all(tx).await).await;
    let caller = Caller::system(all.unwrap()[0].id.clone());
    for id in connections {
        let get = id.clone();
        let found = node.read(&caller, async move |tx: &mut Tx| connection::get(tx, &get).await);
        let secrets = found.await.unwrap().secrets(sealer).unwrap();
        assert_eq!(secrets[0].expose(), secret_of(&id).expose());
    }
}

#[tokio::test]
async fn the_keys_may_come_from_a_command() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    service.process.terminate().await;
    let kept = folder.path().join("elsewhere");
    std::fs::rename(folder.path().join("data").join(KEY_FILE), &kept).unwrap();
    let command = format!("cat {}", kept.display());
    let with = |command: &str| service.command(&["keys", "list", "--keys-command", command]);
    let listed = run(with(&command)).await.json();
    assert_eq!(listed["keys"][0]["seals"], true, "{listed}");
    let failed = run(with("exit 4")).await;
    let expected = "the command of the setting `keys_command` failed: exit status: 4";
    assert!(failed.failure().contains(expected), "{failed:?}");
    let mut both = with(&command);
    both.args(["--keys", &"A".repeat(43)]);
    let both = run(both).await;
    assert!(both.failure().contains("is set beside `keys`"), "{both:?}");
}

/// A new sealed column that nobody lists would stay behind when keys are rotated.
#[tokio::test]
async fn sec_03_every_sealed_column_of_the_schema_is_listed() {
    let db = TestDb::sqlite();
    drop(db.open(Clock::system()).await);
    let Location::Sqlite(path) = db.location() else { unreachable!() };
    let connection = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT t.name || '.' || c.name FROM pragma_table_list t, pragma_table_info(t.name) c
               WHERE c.name LIKE '%sealed%' ORDER BY 1";
    let mut statement = connection.prepare(sql).unwrap();
    let found = statement.query_map([], |row| row.get(0)).unwrap();
    let found: Vec<String> = found.collect::<Result<_, _>>().unwrap();
    assert!(!found.is_empty());
    let mut listed: Vec<String> =
        sealed_value::columns().map(|it| format!("{}.{}", it.table, it.column)).collect();
    listed.sort();
    assert_eq!(found, listed, "src/seal.rs lists the columns that hold sealed values");
}

#[tokio::test]
async fn sec_03_no_value_is_sealed_where_rotation_does_not_look() {
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let path = "/user_management/redirect_uris";
    service.application.api("POST", path, &json!({ "uri": REDIRECT_URI })).await;
    let customer = Customer::set_up(&service.application, 0).await;
    let departed = Request::get(&service.application.authorize_url(&customer.connection));
    departed.send().await;
    customer.sign_in(&service.application, &customer.email(0)).await;
    let connection = rusqlite::Connection::open(folder.path().join("data/vestibule.db")).unwrap();
    for column in sealed_value::columns() {
        let (table, name) = (column.table, column.column);
        let count = |condition: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table} WHERE {name} IS NOT NULL{condition}");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count(""), count(&format!(" AND {}", column.rows)), "{table}.{name}");
    }
}
