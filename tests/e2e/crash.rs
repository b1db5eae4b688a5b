//! The service is killed in the middle of many logins. What it has answered must hold afterwards,
//! and what it has not answered must have happened once or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use url::Url;

use vestibule::db::Location;

use super::service::{Application, Okta, REDIRECT_URI, Service};
use crate::support::http::{Answer, Browser, Request};
use crate::support::{Folder, TestDb, both_engines};

/// How many people sign in at once.
const LOGINS: usize = 200;
/// How many different people they are, at each tenant.
const PEOPLE: usize = 20;
/// How many tenants they are spread over: so many at once at one tenant would be turned away, lest
/// one slow tenant take the service from all others.
const TENANTS: usize = 4;
/// Steps of a login that are counted: departure, arrival, redemption.
const STEPS: usize = 3;
/// How long all logins may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the moments of death are drawn from.
const SEED: u64 = 0x5eed_0fde_ad10_61f5;

both_engines! {
    async fn sto_04_what_was_answered_survives_a_kill_and_no_code_is_good_twice(db: TestDb) {
        let mut random = SplitMix(SEED);
        println!("the seed is {SEED:#x}");
        let folder = Folder::new();
        let database = match db.location() {
            Location::Sqlite(path) => format!("sqlite://{}", path.display()),
            Location::Postgres(url) => url.clone(),
        };
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
            let steps = Arc::new(Steps { left: AtomicUsize::new(death), reached: Notify::new() });
            let mut logins = JoinSet::new();
            for n in 0..LOGINS {
                let customer = Arc::clone(&customers[n % TENANTS]);
                let login = Login {
                    application: service.application.clone(),
                    email: customer.email(n / TENANTS),
                    customer,
                    // Some applications are clumsy.
                    redeems_twice: n % 5 == 0,
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
    #[expect(clippy::disallowed_methods, reason = "no setting of the program, but of the tests")]
    let full = std::env::var("VESTIBULE_TEST_FULL").is_ok_and(|value| value == "1");
    if full { 60 } else { 5 }
}

/// An organization with a tenant of its own.
struct Customer {
    domain: String,
    okta: Okta,
    connection: String,
}

impl Customer {
    async fn set_up(application: &Application, n: usize) -> Arc<Self> {
        let domain = format!("customer-{n}.example");
        let people: Vec<String> = (0..PEOPLE).map(|n| format!("p{n}@{domain}")).collect();
        let okta = Okta::start(&people).await;
        let domains = json!([{ "domain": domain, "state": "verified" }]);
        let organization = json!({ "name": domain, "domain_data": domains });
        let organization = application.api("POST", "/organizations", &organization).await;
        let connection = json!({
            "organization_id": organization["id"],
            "connection_type": "OktaOIDC",
            "name": domain,
            "state": "active",
            "oidc": {
                "client_id": okta.credentials.client_id,
                "client_secret": okta.credentials.client_secret.expose(),
                "discovery_endpoint": okta.tenant.base_url(),
            },
        });
        let connection = application.api("POST", "/connections", &connection).await;
        okta.allow(connection["redirect_uri"].as_str().unwrap());
        let connection = connection["id"].as_str().unwrap().to_owned();
        Arc::new(Self { domain, okta, connection })
    }

    fn email(&self, n: usize) -> String {
        format!("p{}@{}", n % PEOPLE, self.domain)
    }
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

/// Counts the answers of the service, up to the one after which it is killed.
struct Steps {
    left: AtomicUsize,
    reached: Notify,
}

impl Steps {
    fn count(&self, steps: usize) {
        let left = self.left.fetch_sub(steps, Ordering::Relaxed);
        if (1..=steps).contains(&left) {
            self.reached.notify_one();
        }
    }
}

/// A login to make.
struct Login {
    application: Application,
    customer: Arc<Customer>,
    email: String,
    redeems_twice: bool,
    steps: Arc<Steps>,
}

/// What came of a login before the service was gone.
struct Attempt {
    /// Who signs in.
    email: String,
    browser: Browser,
    /// Where the tenant sent the browser back to, if that was not answered.
    unanswered_arrival: Option<Url>,
    code: Option<String>,
    /// The answers to its redemptions; `None` where there was none.
    redemptions: Vec<Option<Answer>>,
}

impl Login {
    /// Goes as far as the service lives. An answer that is not the right one is a failure at once.
    async fn make(self) -> Attempt {
        let mut attempt = Attempt {
            email: self.email.clone(),
            browser: Browser::default(),
            unanswered_arrival: None,
            code: None,
            redemptions: Vec::new(),
        };
        let departure = Request::get(&self.application.authorize_url(&self.customer.connection));
        let Some(departed) = answered(attempt.browser.try_send(departure).await) else {
            self.steps.count(STEPS);
            return attempt;
        };
        self.steps.count(1);
        let back = self.customer.okta.tenant.sign_in(&departed.location(), &self.email).await;
        let back = back.unwrap_or_else(|error| panic!("{error} {}", departed.text()));
        let back = Url::parse(&back).unwrap();
        let Some(arrived) = answered(attempt.browser.try_send(Request::get(&back)).await) else {
            attempt.unanswered_arrival = Some(back);
            self.steps.count(STEPS - 1);
            return attempt;
        };
        self.steps.count(1);
        // The tenant is alive: only the death of the service may end a login.
        let code = arrived.param("code");
        let code = code.unwrap_or_else(|| panic!("{} {}", arrived.location(), arrived.text()));
        attempt.code = Some(code.clone());
        let redeem = async || answered(self.application.redemption(&code).try_send().await);
        if self.redeems_twice {
            let (first, second) = tokio::join!(redeem(), redeem());
            attempt.redemptions = vec![first, second];
        } else {
            attempt.redemptions = vec![redeem().await];
        }
        self.steps.count(1);
        attempt
    }
}

/// What a service says that is neither dead nor, on a machine that is too slow for so many at once,
/// unavailable for a moment: that is no answer either, since it may or may not have happened.
fn answered<E>(answer: Result<Answer, E>) -> Option<Answer> {
    answer.ok().filter(|answer| answer.status != 503)
}

/// Holds what the service says now against what it has said before.
async fn judge(application: &Application, attempts: &[Attempt], ids: &mut BTreeMap<String, Value>) {
    let mut told = BTreeMap::from([("granted", 0), ("refused", 0), ("lost", 0), ("unused", 0)]);
    for attempt in attempts {
        if let Some(back) = &attempt.unanswered_arrival {
            // It may have been spent or not; but the service is at no loss.
            let answer = attempt.browser.clone().get(back).await;
            assert!(!answer.status.is_server_error(), "{}", answer.text());
        }
        let Some(code) = &attempt.code else { continue };
        let answered = |status: u16| {
            let answers = attempt.redemptions.iter().flatten();
            answers.filter(|answer| answer.status == status).collect::<Vec<_>>()
        };
        let (granted, refused) = (answered(200), answered(400));
        assert_eq!(granted.len() + refused.len(), attempt.redemptions.iter().flatten().count());
        assert!(granted.len() <= 1, "one code, two tokens");
        if let Some(token) = granted.first().map(|answer| answer.json()) {
            remember(ids, &attempt.email, &token["profile"]);
            if attempt.redemptions.len() == 1 {
                let profile = application.profile(token["access_token"].as_str().unwrap()).await;
                assert_eq!(profile.status, 200, "a token is gone: {}", profile.text());
                // Raw attributes may be those of a later sign-in.
                assert_eq!(profile.json()["id"], token["profile"]["id"]);
            }
        }
        let again = application.redemption(code).send().await;
        let spent = !granted.is_empty() || !refused.is_empty();
        match again.status.as_u16() {
            200 => {
                assert!(!spent, "a spent code came back to life");
                remember(ids, &attempt.email, &again.json()["profile"]);
                let third = application.redemption(code).send().await;
                assert_eq!(third.status, 400, "one code, two tokens");
            }
            400 => {
                assert_eq!(again.json()["error"], "invalid_grant");
                assert!(!attempt.redemptions.is_empty(), "a code that was handed out is gone");
            }
            _ => panic!("{}", again.text()),
        }
        let what = match (granted.is_empty(), refused.is_empty(), attempt.redemptions.len()) {
            (false, ..) => "granted",
            (_, false, _) => "refused",
            (.., 0) => "unused",
            _ => "lost",
        };
        *told.get_mut(what).unwrap() += 1;
    }
    println!("codes before the kill: {told:?}");
}

/// A person is one profile, whenever the service dies.
fn remember(ids: &mut BTreeMap<String, Value>, email: &str, profile: &Value) {
    assert_eq!(profile["email"], email);
    let known = ids.entry(email.to_owned()).or_insert_with(|| profile["id"].clone());
    assert_eq!(*known, profile["id"]);
}

/// Sebastiano Vigna's generator, since the same seed must give the same moments everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}
