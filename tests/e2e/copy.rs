//! A whole installation moves from SQLite to PostgreSQL.

use serde_json::{Value, json};

use vestibule::base::Caller;
use vestibule::base::time::Clock;

use super::logins::Customer;
use super::process::run;
use super::service::{Application, REDIRECT_URI, Service};
use crate::support::postgres::{Server, connect};
use crate::support::{Folder, TestDb};

/// What is compared of the API before and after.
const LISTS: [&str; 8] = [
    "/organizations?limit=100",
    "/connections?limit=100",
    "/user_management/redirect_uris",
    "/webhook_endpoints",
    "/events?limit=100",
    "/sso_sessions?limit=100",
    "/authorization/roles",
    "/environment",
];

async fn lists(application: &Application) -> Vec<Value> {
    let mut all = Vec::new();
    for path in LISTS {
        all.push(application.api("GET", path, &Value::Null).await);
    }
    all
}

/// A database without any table on the server of the tests.
async fn nothing(name: &str) -> (&'static Server, String) {
    let server = Server::shared().await;
    let sql = format!("CREATE DATABASE {name}");
    server.connect("postgres").await.batch_execute(&sql).await.unwrap();
    (server, server.url(name))
}

#[tokio::test]
async fn an_installation_is_copied_and_people_sign_in_through_the_copy() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let path = "/user_management/redirect_uris";
    service.application.api("POST", path, &json!({ "uri": REDIRECT_URI })).await;
    let customer = Customer::set_up(&service.application, 0).await;
    let hook =
        json!({ "endpoint_url": "https://hooks.example.com/x", "events": ["connection.deleted"] });
    service.application.api("POST", "/webhook_endpoints", &hook).await;
    for n in 0..3 {
        customer.sign_in(&service.application, &customer.email(n)).await;
    }
    // More than one portion, and what is not ASCII.
    for n in 0..600 {
        let organization = json!({ "name": format!("Ørsted № {n}") });
        service.application.api("POST", "/organizations", &organization).await;
    }
    let before = lists(&service.application).await;
    service.process.terminate().await;

    let source = format!("sqlite://{}", folder.path().join("data/vestibule.db").display());
    let (server, target) = nothing("copy_target").await;
    // The key file stays where it is.
    service.set("--database", &target);
    let copied = run(service.command(&["copy", &source])).await.json();
    let tables = copied["tables"].as_array().unwrap();
    let rows = |table: &str| {
        let found = tables.iter().find(|it| it["table"] == table);
        found.unwrap_or_else(|| panic!("{table}: {copied}"))["rows"].as_u64().unwrap()
    };
    assert_eq!(rows("organizations"), 601);
    assert_eq!(rows("profiles"), 3);
    assert_eq!(rows("sso_sessions"), 3);
    assert!(tables.iter().all(|it| it["verified"] == true), "{copied}");
    let order = |table: &str| tables.iter().position(|it| it["table"] == table).unwrap();
    assert!(order("environments") < order("organizations"));
    assert!(order("organizations") < order("connections"));

    service.start_again().await;
    let after = lists(&service.application).await;
    for (path, (before, after)) in LISTS.iter().zip(before.iter().zip(&after)) {
        assert_eq!(before, after, "{path}");
    }
    customer.sign_in(&service.application, &customer.email(0)).await;
    customer.sign_in(&service.application, &customer.email(5)).await;
    let admin = connect(&target).await;
    let count = "SELECT count(*) FROM profiles";
    assert_eq!(admin.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 4);

    // What is not empty is not written to.
    let refused = run(service.command(&["copy", &source])).await;
    assert!(refused.failure().contains("the target is not empty"), "{refused:?}");
    service.process.terminate().await;
    server.drop_database("copy_target");
}

#[tokio::test]
async fn half_a_copy_and_a_foreign_file_start_no_node() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    service.process.terminate().await;
    let db = TestDb::postgres().await;
    let node = db.open(Clock::system()).await;
    node.write(&Caller::anonymous(), async |tx| {
        let sql = "INSERT INTO installation (name, value) VALUES ('copy_unfinished', $1)";
        tx.execute(sql, &[b"".as_slice().into()]).await
    })
    .await
    .unwrap();
    service.set("--database", db.url().unwrap());
    let refused = run(service.command(&["serve"])).await;
    assert!(refused.failure().contains("copying into this database was not finished"));
    let source = format!("sqlite://{}", folder.path().join("data/vestibule.db").display());
    let refused = run(service.command(&["copy", &source])).await;
    assert!(refused.failure().contains("the target is not empty"), "{refused:?}");
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    let foreign = format!("sqlite://{}", foreign.display());
    let (server, target) = nothing("copy_of_nothing").await;
    service.set("--database", &target);
    let refused = run(service.command(&["copy", &foreign])).await;
    assert!(refused.failure().contains("no database of Vestibule"), "{refused:?}");
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: i64 = connect(&target).await.query_one(tables, &[]).await.unwrap().get(0);
    assert_eq!(tables, 0, "the target was touched");
    server.drop_database("copy_of_nothing");
}
