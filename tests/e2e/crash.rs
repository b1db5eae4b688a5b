//! The service is killed in the middle of many logins. What it has answered must hold afterwards,
//! and what it has not answered must have happened once or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;

use vestibule::db::Location;

use super::logins::{Customer, Login, Redeems, STEPS, SplitMix, Steps, judge};
use super::service::{REDIRECT_URI, Service};
use crate::support::{Folder, TestDb, both_engines, is_full};

/// How many people sign in at once.
const LOGINS: usize = 200;
/// How many tenants they are spread over: so many at once at one tenant would be turned away, lest
/// one slow tenant take the service from all others.
const TENANTS: usize = 4;
/// How long all logins may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the moments of death are drawn from.
const SEED: u64 = 0x5eed_0fde_ad10_61f5;

both_engines! {
    async fn sto_04_what_was_answered_survives_a_kill_and_no_code_is_good_twice(db: TestDb) {
        let mut random = SplitMix(SEED);
        println!("the seed is {SEED:#x}");
        let folder = Folder::new();
        let database = db.setting();
        let mut service = Service::first_start(folder.path(), &[("--database", database)]).await;
        let redirect_uri = json!({ "uri": REDIRECT_URI });
        let path = "/user_management/redirect_uris";
        service.application.api("POST", path, &redirect_uri).await;
        let mut customers = Vec::new();
        for n in 0..TENANTS {
            customers.push(Customer::set_up(&service.application, n).await);
        }
        let mut ids = BTreeMap::new();
        for round in 0..rounds() {
            let death = 1 + random.below(LOGINS * STEPS);
            println!("round {round}: killed at step {death}");
            let steps = Steps::new(death);
            let mut logins = JoinSet::new();
            for n in 0..LOGINS {
                let customer = Arc::clone(&customers[n % TENANTS]);
                let login = Login {
                    application: service.application.clone(),
                    email: customer.email(n / TENANTS),
                    customer,
                    redeems: [Redeems::Twice, Redeems::WithKey, Redeems::Once][n % 3],
                    steps: Arc::clone(&steps),
                };
                logins.spawn(login.make());
            }
            let reached = tokio::time::timeout(PATIENCE, steps.reached.notified()).await;
            service.process.kill();
            let attempts = logins.join_all().await;
            reached.expect("the logins do not get that far");

            service.start_again().await;
            if let Location::Sqlite(path) = db.location() {
                check_integrity(path);
            }
            judge(&service.application, &attempts, &mut ids).await;
            for customer in &customers {
                let email = customer.email(round);
                service.login(&customer.okta, &customer.connection, &email).await;
            }
        }
    }
}

/// Kills per engine.
fn rounds() -> usize {
    if is_full() { 60 } else { 5 }
}

fn check_integrity(path: &std::path::Path) {
    let connection = rusqlite::Connection::open(path).expect("the database opens");
    let check = "PRAGMA integrity_check";
    let verdict: String = connection.query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let check = "SELECT count(*) FROM pragma_foreign_key_check";
    let orphans: i64 = connection.query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(orphans, 0);
}
