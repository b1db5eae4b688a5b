//! Several nodes on one database: each step of a login on another one, nodes that die, and nodes that
//! are started again, one after the other, while people sign in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use url::Url;

use vestibule::base::Caller;
use vestibule::base::time::Clock;

use super::cluster::{Cluster, NODE};
use super::logins::{Customer, Login, Redeems, STEPS, SplitMix, Steps, judge};
use super::migrate::{ADDITIVE, apply};
use super::service::{Application, REDIRECT_URI};
use crate::support::http::{Browser, Request};
use crate::support::{Folder, TestDb, is_full};

/// How many nodes there are.
const NODES: usize = 3;
/// How many people sign in at once while nodes die.
const LOGINS: usize = 200;
/// How many tenants they are spread over.
const TENANTS: usize = 4;
/// How long all logins of a round may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// After how long what a dead node had in hand was taken over, and a little more.
const TAKEN_OVER: Duration = Duration::from_millis(2500);
/// What the moments of death are drawn from.
const SEED: u64 = 0x00de_adbe_a75e_ed01;

/// A cluster on a database of its own, and customers whose people can sign in.
struct Stage {
    cluster: Cluster,
    customers: Vec<Arc<Customer>>,
    db: TestDb,
    _folder: Folder,
}

impl Stage {
    async fn set(tenants: usize) -> Self {
        let (db, folder) = (TestDb::postgres().await, Folder::new());
        let cluster = Cluster::start(folder.path(), db.url().unwrap(), NODES).await;
        let redirect_uri = json!({ "uri": REDIRECT_URI });
        let path = "/user_management/redirect_uris";
        cluster.application.api("POST", path, &redirect_uri).await;
        let mut customers = Vec::new();
        for n in 0..tenants {
            customers.push(Customer::set_up(&cluster.application, n).await);
        }
        Self { cluster, customers, db, _folder: folder }
    }

    /// How many logins were taken over from a node that was gone.
    async fn taken_over(&self) -> i64 {
        let node = self.db.open(Clock::system()).await;
        let sql = "SELECT count(*) FROM sso_sessions WHERE trace LIKE '%callback.taken_over%'";
        let nobody = Caller::anonymous();
        let count = node.read(&nobody, async |tx| tx.fetch_one(sql, &[]).await?.next()).await;
        count.unwrap()
    }

    /// One whole login with each of these requests sent to a node of its own: departure, arrival,
    /// redemption, profile.
    async fn login_on(&self, nodes: [usize; 4]) -> Value {
        let (application, customer) = (&self.cluster.application, &self.customers[0]);
        let [departure, arrival, redemption, profile] = nodes.map(|n| self.cluster.node_url(n));
        let mut browser = Browser::default();
        let request = Request::get(&application.authorize_url(&customer.connection));
        let departed = browser.send(request.via(departure)).await;
        let back = customer.okta.tenant.sign_in(&departed.location(), &customer.email(0)).await;
        let back = Url::parse(&back.unwrap()).unwrap();
        let arrived = browser.send(Request::get(&back).via(arrival)).await;
        let code = arrived.param("code").unwrap_or_else(|| panic!("{nodes:?} {}", arrived.text()));
        let token = application.redemption(&code).via(redemption).send().await;
        assert_eq!(token.status, 200, "{nodes:?} {}", token.text());
        let token = token.json();
        let url = application.url("/sso/profile");
        let request = Request::get(&url).bearer(token["access_token"].as_str().unwrap());
        let shown = request.via(profile).send().await;
        assert_eq!(shown.status, 200, "{nodes:?} {}", shown.text());
        assert_eq!(shown.json()["id"], token["profile"]["id"]);
        // What is spent on one node is spent on all.
        for n in 0..NODES {
            let again = application.redemption(&code).via(self.cluster.node_url(n)).send().await;
            assert_eq!(again.status, 400, "{nodes:?} {n} {}", again.text());
        }
        token["profile"]["id"].clone()
    }
}

#[tokio::test]
async fn each_step_of_a_login_may_be_answered_by_another_node() {
    let stage = Stage::set(1).await;
    let mut profiles = Vec::new();
    for nodes in
        [[0, 1, 2, 0], [1, 2, 0, 1], [2, 0, 1, 2], [2, 1, 0, 1], [1, 0, 2, 2], [0, 2, 1, 0]]
    {
        profiles.push(stage.login_on(nodes).await);
    }
    profiles.dedup();
    assert_eq!(profiles.len(), 1, "one person, one profile");

    // And as the balancer deals them out: three requests, three nodes.
    let (application, customer) = (&stage.cluster.application, &stage.customers[0]);
    let mut browser = Browser::default();
    let departed = browser.get(&application.authorize_url(&customer.connection)).await;
    let back = customer.okta.tenant.sign_in(&departed.location(), &customer.email(1)).await;
    let arrived = browser.get(&Url::parse(&back.unwrap()).unwrap()).await;
    let redeemed = application.redemption(&arrived.param("code").unwrap()).send().await;
    assert_eq!(redeemed.status, 200, "{}", redeemed.text());
    let answered_by: BTreeSet<_> =
        [&departed, &arrived, &redeemed].iter().map(|answer| answer.header(NODE)).collect();
    assert_eq!(answered_by.len(), NODES, "{answered_by:?}");
}

#[tokio::test]
async fn what_is_changed_on_one_node_holds_on_all() {
    let stage = Stage::set(1).await;
    let (cluster, connection) = (&stage.cluster, &stage.customers[0].connection);
    let authorize = cluster.application.authorize_url(connection);
    let depart = async |n: usize| Request::get(&authorize).via(cluster.node_url(n)).send().await;
    for n in 0..NODES {
        let departed = depart(n).await;
        assert!(departed.location().contains("/v1/authorize"), "{}", departed.location());
    }
    let path = format!("/connections/{connection}");
    let on = |n: usize| Application {
        base_url: cluster.node_url(n).clone(),
        ..cluster.application.clone()
    };
    on(1).api("PATCH", &path, &json!({ "state": "inactive" })).await;
    for n in 0..NODES {
        let refused = depart(n).await;
        assert!(!refused.location().contains("/v1/authorize"), "node {n}: {}", refused.location());
    }
    on(2).api("PATCH", &path, &json!({ "state": "active" })).await;
    for n in 0..NODES {
        assert!(depart(n).await.location().contains("/v1/authorize"), "node {n}");
    }
}

#[tokio::test]
async fn sto_04_a_node_that_is_killed_loses_no_login_that_was_answered() {
    let mut stage = Stage::set(TENANTS).await;
    let mut random = SplitMix(SEED);
    println!("the seed is {SEED:#x}");
    let mut ids = BTreeMap::new();
    for round in 0..rounds() {
        let death = 1 + random.below(LOGINS * STEPS);
        let victim = random.below(NODES);
        println!("round {round}: node {victim} killed at step {death}");
        let steps = Steps::new(death);
        let mut logins = JoinSet::new();
        for n in 0..LOGINS {
            let customer = Arc::clone(&stage.customers[n % TENANTS]);
            let login = Login {
                application: stage.cluster.application.clone(),
                email: customer.email(n / TENANTS),
                customer,
                redeems: [Redeems::Twice, Redeems::WithKey, Redeems::Once][n % 3],
                steps: Arc::clone(&steps),
            };
            logins.spawn(login.make());
        }
        let reached = tokio::time::timeout(PATIENCE, steps.reached.notified()).await;
        stage.cluster.nodes[victim].process.kill();
        let attempts = logins.join_all().await;
        reached.expect("the logins do not get that far");

        // The others know all that it has answered; it is not needed for that.
        stage.cluster.balanced(NODES - 1).await;
        judge(&stage.cluster.application, &attempts, &mut ids).await;
        stage.cluster.nodes[victim].start_again().await;
        stage.cluster.balanced(NODES).await;
        judge(&stage.cluster.application, &[], &mut ids).await;
    }
}

/// People who sign in without a pause, and of whom every single request must succeed.
struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    people: JoinSet<()>,
}

impl Load {
    fn start(stage: &Stage) -> Self {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut people = JoinSet::new();
        for n in 0..4 * TENANTS {
            let customer = Arc::clone(&stage.customers[n % TENANTS]);
            let application = stage.cluster.application.clone();
            let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
            people.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    customer.sign_in(&application, &customer.email(n)).await;
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { stop, made, people }
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// Waits until so many more logins were made.
    async fn more(&mut self, count: usize) {
        let goal = self.made() + count;
        while self.made() < goal {
            if let Some(ended) = self.people.try_join_next() {
                panic!("a login failed: {ended:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets everybody finish; how many logins there were.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.people.join_all().await;
        self.made.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn sto_04_a_node_that_is_killed_under_load_fails_no_login() {
    let mut stage = Stage::set(TENANTS).await;
    let mut load = Load::start(&stage);
    let mut random = SplitMix(SEED);
    for round in 0..rounds() {
        load.more(20 + random.below(20)).await;
        let victim = random.below(NODES);
        let another = (victim + 1) % NODES;
        // Every second time two of the three.
        let victims: &[usize] = if round % 2 == 0 { &[victim] } else { &[victim, another] };
        for victim in victims {
            stage.cluster.nodes[*victim].process.kill();
        }
        load.more(20).await;
        for victim in victims {
            stage.cluster.nodes[*victim].start_again().await;
        }
        stage.cluster.balanced(NODES).await;
        // What they had in hand is finished before the next one dies.
        tokio::time::sleep(TAKEN_OVER).await;
    }
    println!("{} logins", load.end().await);
    let taken_over = stage.taken_over().await;
    println!("{taken_over} of them were taken over");
}

#[tokio::test]
async fn where_no_node_answers_the_balancer_says_when_to_ask_again() {
    let mut stage = Stage::set(0).await;
    for node in &mut stage.cluster.nodes {
        node.process.kill();
    }
    let application = &stage.cluster.application;
    for request in [Request::get(&application.url("/healthz")), application.redemption("code")] {
        let answer = request.send().await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("2"));
    }
}

#[tokio::test]
async fn upg_01_nodes_that_are_started_again_one_by_one_under_load_fail_no_login() {
    let mut stage = Stage::set(TENANTS).await;
    let load = Load::start(&stage);
    for round in 0..2 {
        if round == 1 {
            // As the first node of the next release does, while those of this one serve.
            let node = stage.db.open(Clock::system()).await;
            apply(&node, ADDITIVE, 9001, "more").await;
        }
        for n in 0..NODES {
            let before = load.made();
            let node = &mut stage.cluster.nodes[n];
            assert!(node.process.terminate().await.success());
            node.start_again().await;
            stage.cluster.balanced(NODES).await;
            let during = load.made() - before;
            println!("round {round}: {during} logins while node {n} was started again");
            assert!(during > 0, "there was no load");
        }
    }
    println!("{} logins", load.end().await);
}

/// How often a node is killed.
fn rounds() -> usize {
    if is_full() { 60 } else { 4 }
}
