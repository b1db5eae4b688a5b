//! A PostgreSQL primary dies, and another one is cut off, while people sign in. Not part of a plain
//! run: it takes minutes, root and network namespaces. `e2e/failover/run` does it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::logins::{Attempt, Customer, Login, Redeems, Steps, judge};
use super::process::run;
use super::service::{Application, REDIRECT_URI, Service};
use crate::support::http::Request;
use crate::support::{Folder, is_full, skipped};

/// How many people sign in at once, again and again.
const PEOPLE: usize = 16;
/// How many tenants they are spread over.
const TENANTS: usize = 4;
/// How long a failover of Patroni may take, with the times that e2e/failover/cluster sets.
const FAILOVER: Duration = Duration::from_secs(90);
/// How long logins may fail after there is a new primary.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// The machines of the database.
struct Machines {
    folder: Folder,
    script: PathBuf,
    url: String,
}

impl Machines {
    async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/failover/cluster");
        let mut machines = Self { folder: Folder::new(), script, url: String::new() };
        let folder = machines.folder.path().display().to_string();
        machines.url = machines.does(&["up", &folder]).await;
        machines
    }

    async fn does(&self, words: &[&str]) -> String {
        let mut command = Command::new(&self.script);
        command.args(words);
        let outcome = run(command).await;
        assert!(outcome.status.success(), "{words:?}: {outcome:?}");
        outcome.stdout.trim().to_owned()
    }

    /// Waits until another machine than this one is the primary; returns how long that took.
    async fn succeeded(&self, old: &str) -> Duration {
        let since = Instant::now();
        while since.elapsed() < FAILOVER {
            let mut command = Command::new(&self.script);
            command.arg("primary");
            let outcome = run(command).await;
            if outcome.status.success() && outcome.stdout.trim() != old {
                return since.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody follows {old}");
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).arg("down").status();
    }
}

/// What goes on while the machines fail: logins, and changes by the API.
struct Load {
    stop: Arc<AtomicBool>,
    people: JoinSet<Vec<Attempt>>,
    changes: tokio::task::JoinHandle<Changes>,
    /// When somebody last signed in, from the first to the last request.
    last_login: Arc<Mutex<Instant>>,
}

/// What the API has answered.
#[derive(Default)]
struct Changes {
    organizations: Vec<Value>,
    /// The secrets of the endpoint; `None` stands for a change that was not answered.
    secrets: Vec<Option<String>>,
}

impl Load {
    fn start(application: &Application, customers: &[Arc<Customer>], endpoint: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let last_login = Arc::new(Mutex::new(Instant::now()));
        let mut people = JoinSet::new();
        for n in 0..PEOPLE {
            let customer = Arc::clone(&customers[n % TENANTS]);
            let (application, stop) = (application.clone(), Arc::clone(&stop));
            let last_login = Arc::clone(&last_login);
            people.spawn(async move {
                let mut attempts = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let login = Login {
                        application: application.clone(),
                        email: customer.email(n / TENANTS),
                        customer: Arc::clone(&customer),
                        redeems: [Redeems::Twice, Redeems::WithKey, Redeems::Once]
                            [attempts.len() % 3],
                        steps: Steps::new(usize::MAX),
                    };
                    let attempt = login.make().await;
                    if attempt.is_granted() {
                        *last_login.lock().unwrap() = Instant::now();
                    } else {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    attempts.push(attempt);
                }
                attempts
            });
        }
        let changes = tokio::spawn(change(application.clone(), Arc::clone(&stop), endpoint.into()));
        Self { stop, people, changes, last_login }
    }

    async fn end(self) -> (Vec<Attempt>, Changes) {
        self.stop.store(true, Ordering::Relaxed);
        let attempts = self.people.join_all().await.into_iter().flatten().collect();
        (attempts, self.changes.await.unwrap())
    }

    /// Waits until somebody has signed in who began after this moment.
    async fn logs_in_after(&self, moment: Instant) -> Duration {
        while moment.elapsed() < 12 * AFTERWARDS {
            if *self.last_login.lock().unwrap() > moment {
                return moment.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody signs in any more");
    }
}

async fn change(application: Application, stop: Arc<AtomicBool>, endpoint: String) -> Changes {
    let mut changes = Changes::default();
    while !stop.load(Ordering::Relaxed) {
        let name = format!("Organization {}", changes.organizations.len());
        let request = Request::new("POST", &application.url("/organizations"));
        let request = request.bearer(&application.api_key).json(&json!({ "name": name }));
        if let Some(made) = request.try_send().await.ok().filter(|made| made.status == 201) {
            changes.organizations.push(made.json()["id"].clone());
        }
        let path = format!("/webhook_endpoints/{endpoint}/rotate_secret");
        let request = Request::new("POST", &application.url(&path)).bearer(&application.api_key);
        let answer = request.json(&json!({})).try_send().await.ok();
        let answer = answer.filter(|answer| answer.status.is_success());
        changes.secrets.push(answer.map(|it| it.json()["secret"].as_str().unwrap().to_owned()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    changes
}

#[tokio::test]
async fn sto_15_a_failover_revives_no_code_and_loses_nothing_that_was_answered() {
    if !is_full() {
        return skipped("the failover of PostgreSQL takes minutes: e2e/failover/run does it");
    }
    let machines = Machines::start().await;
    let folder = Folder::new();
    let settings =
        [("--database", machines.url.clone()), ("--limits-authorize-per-minute", "0".to_owned())];
    let service = Service::first_start(folder.path(), &settings).await;
    let application = &service.application;
    let path = "/user_management/redirect_uris";
    application.api("POST", path, &json!({ "uri": REDIRECT_URI })).await;
    let mut customers = Vec::new();
    for n in 0..TENANTS {
        customers.push(Customer::set_up(application, n).await);
    }
    let hook =
        json!({ "endpoint_url": "https://hooks.example.com/x", "events": ["connection.deleted"] });
    let hook = application.api("POST", "/webhook_endpoints", &hook).await;
    let hook = hook["id"].as_str().unwrap();
    let mut ids = BTreeMap::new();
    for fault in ["kill", "cut"] {
        machines.does(&["synchronous"]).await;
        let primary = machines.does(&["primary"]).await;
        let load = Load::start(application, &customers, hook);
        tokio::time::sleep(Duration::from_secs(5)).await;
        load.logs_in_after(Instant::now()).await;
        machines.does(&[fault, &primary]).await;
        let without = machines.succeeded(&primary).await;
        let after = load.logs_in_after(Instant::now()).await;
        println!("{fault} {primary}: a new primary after {without:?}, logins {after:?} later");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let (attempts, changes) = load.end().await;
        println!("{} logins begun, {} organizations", attempts.len(), changes.organizations.len());
        judge(application, &attempts, &mut ids).await;
        hold(application, &changes, hook).await;
        assert!(after <= AFTERWARDS, "logins did not work for {after:?} after the failover");

        // The old primary comes back, as a standby, and what it alone knew is gone.
        match fault {
            "kill" => {
                let folder = machines.folder.path().display().to_string();
                machines.does(&["start", &folder, &primary]).await;
            }
            _ => drop(machines.does(&["heal", &primary]).await),
        }
        machines.does(&["synchronous"]).await;
        judge(application, &[], &mut ids).await;
    }
}

/// Holds what is stored against what was answered.
async fn hold(application: &Application, changes: &Changes, endpoint: &str) {
    assert!(!changes.organizations.is_empty());
    for id in &changes.organizations {
        let path = format!("/organizations/{}", id.as_str().unwrap());
        application.api("GET", &path, &Value::Null).await;
    }
    let path = format!("/webhook_endpoints/{endpoint}");
    let stored =
        application.api("GET", &path, &Value::Null).await["secret"].as_str().unwrap().to_owned();
    let last = changes.secrets.last().unwrap();
    let answered = changes.secrets.iter().rev().flatten().next().unwrap();
    let is_last = stored == *answered;
    // A change that was not answered may have happened; an earlier secret may not come back.
    let is_newer = last.is_none() && !changes.secrets.iter().flatten().any(|it| *it == stored);
    assert!(is_last || is_newer, "the secret that was answered last is gone");
}
