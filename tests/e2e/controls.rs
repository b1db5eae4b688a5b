//! A world for tests in a browser, and what they may do to it that no page can: an address for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use vestibule::base::Caller;
use vestibule::delivery;
use vestibule::model::administrator::Role;
use vestibule::model::administrator::link;

use crate::support::dns::{DnsServer, text};
use crate::support::{TestDb, World, routes};

/// How many people sign in at the same time.
const PEOPLE: usize = 2;
/// What a login of theirs waits for the next one.
const PAUSE: Duration = Duration::from_millis(20);

/// A world with its own DNS, and its controls on a port of their own.
pub struct Controlled {
    /// What the tests in the browser are told: that of the demo, and more.
    pub told: Value,
    _world: Arc<Inner>,
    _server: JoinSet<()>,
}

struct Inner {
    world: World,
    dns: DnsServer,
    traffic: Mutex<Option<Traffic>>,
}

struct Traffic {
    over: Arc<AtomicBool>,
    /// How many logins of each person have ended.
    ended: Vec<Arc<AtomicU64>>,
    people: JoinSet<(u64, Vec<String>)>,
}

type Controls = State<Arc<Inner>>;

/// Starts one at a host with a name, which passkeys need. With `staff`, an administrator of each
/// role is signed in already; without, the link for the first one still works.
pub async fn start(staff: bool) -> Controlled {
    let dns = DnsServer::start().await;
    let world = World::with(TestDb::sqlite(), |options| {
        options.host = Some("localhost");
        options.dns_resolver = vec![dns.address()];
    });
    let world = world.await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut told = world.demo.to_json();
    told["control"] = json!(format!("http://{}", listener.local_addr().unwrap()));
    told["pages"] = json!({
        "dashboard": routes::pages("dashboard", "/dashboard"),
        "portal": routes::pages("portal", "/setup"),
    });
    if staff {
        for role in [Role::Admin, Role::Developer, Role::Support] {
            told["sessions"][role.as_str()] = json!(world.staff_session(role).await.expose());
        }
    }
    let inner = Arc::new(Inner { world, dns, traffic: Mutex::new(None) });
    let router = Router::new()
        .route("/advance/{ms}", post(advance))
        .route("/txt/{name}", put(answer_with))
        .route("/recovery/{email}", post(recover))
        .route("/deliveries", post(deliver))
        .route("/traffic", get(see_traffic).post(begin_traffic).delete(end_traffic))
        .with_state(Arc::clone(&inner));
    let mut server = JoinSet::new();
    server.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    Controlled { told, _world: inner, _server: server }
}

async fn advance(State(inner): Controls, Path(ms): Path<i64>) {
    inner.world.clock.advance_ms(ms);
}

/// From now on the name has this TXT record.
async fn answer_with(State(inner): Controls, Path(name): Path<String>, record: String) {
    inner.dns.set(&name, text(&record));
}

/// A link by which an administrator gets in again, as the command line makes it.
async fn recover(State(inner): Controls, Path(email): Path<String>) -> String {
    let app = inner.world.app();
    let make = async move |tx: &mut _| link::recover(tx, &email).await;
    let (_, token) = app.db.write(&Caller::anonymous(), make).await.expect("an administrator");
    app.link_url(link::Kind::Recovery, &token)
}

/// Sends what webhook endpoints have still to get.
async fn deliver(State(inner): Controls) {
    delivery::drain(inner.world.app()).await.expect("the database answers");
}

/// People sign in by the sample application from now on, one login after the other.
async fn begin_traffic(State(inner): Controls) {
    let over = Arc::new(AtomicBool::new(false));
    let (mut people, mut counters) = (JoinSet::new(), Vec::new());
    for person in inner.world.demo.people.iter().take(PEOPLE) {
        let (inner, over) = (Arc::clone(&inner), Arc::clone(&over));
        let ended = Arc::new(AtomicU64::new(0));
        counters.push(Arc::clone(&ended));
        let email = person.email.clone();
        people.spawn(async move {
            let (mut succeeded, mut failed) = (0, Vec::new());
            while !over.load(Ordering::SeqCst) {
                match inner.world.demo.login(&email).await {
                    Ok(_) => succeeded += 1,
                    Err(error) => failed.push(error.chain()),
                }
                ended.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(PAUSE).await;
            }
            (succeeded, failed)
        });
    }
    *inner.traffic.lock().await = Some(Traffic { over, ended: counters, people });
}

/// How many logins of each person have ended so far.
async fn see_traffic(State(inner): Controls) -> Json<Value> {
    let traffic = inner.traffic.lock().await;
    let counters = traffic.iter().flat_map(|traffic| &traffic.ended);
    let counts: Vec<u64> = counters.map(|ended| ended.load(Ordering::SeqCst)).collect();
    Json(json!(counts))
}

/// How many of their logins succeeded, and what the others ended with.
async fn end_traffic(State(inner): Controls) -> Json<Value> {
    let traffic = inner.traffic.lock().await.take().expect("people who sign in");
    traffic.over.store(true, Ordering::SeqCst);
    let all = traffic.people.join_all().await;
    let succeeded: u64 = all.iter().map(|(succeeded, _)| succeeded).sum();
    let failed: Vec<&String> = all.iter().flat_map(|(_, failed)| failed).collect();
    Json(json!({ "succeeded": succeeded, "failed": failed }))
}
