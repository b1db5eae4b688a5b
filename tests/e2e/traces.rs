//! One trace for one login, from three nodes, at a collector.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use vestibule::db::Location;
use vestibule::sandbox::okta::Fault;

use super::process::Process;
use super::service::free_port;
use super::set::{Set, email, set_up};
use crate::support::http::{Browser, Request};
use crate::support::{Folder, TestDb};

/// A collector of traces.
struct Collector {
    url: Url,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    async fn start() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        let collect = move |axum::Json(body): axum::Json<Value>| {
            kept.lock().unwrap().push(body);
            std::future::ready(axum::Json(json!({})))
        };
        let router = Router::new().route("/v1/traces", post(collect));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        tokio::spawn(vestibule::server::serve(listener, router, std::future::pending()));
        Self { url: Url::parse(&url).unwrap(), received }
    }

    /// All spans, each with the id of the node that it came from.
    fn spans(&self) -> Vec<(String, Value)> {
        let mut spans = Vec::new();
        for body in self.received.lock().unwrap().iter() {
            for resource in body["resourceSpans"].as_array().unwrap() {
                let attributes = resource["resource"]["attributes"].as_array().unwrap();
                let instance = attributes.iter().find(|a| a["key"] == "service.instance.id");
                let instance = instance.unwrap()["value"]["stringValue"].as_str().unwrap();
                let scoped = resource["scopeSpans"][0]["spans"].as_array().unwrap();
                spans.extend(scoped.iter().map(|span| (instance.to_owned(), span.clone())));
            }
        }
        spans
    }

    /// The spans, once one of this name is there.
    async fn until(&self, name: &str) -> Vec<(String, Value)> {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            let spans = self.spans();
            if spans.iter().any(|(_, span)| span["name"] == name) {
                return spans;
            }
            assert!(Instant::now() < patience, "no {name}: {spans:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn set_up_with(folder: &Folder, db: &TestDb, collector: &Collector) -> Set {
    let database = match db.location() {
        Location::Sqlite(path) => format!("sqlite://{}", path.display()),
        Location::Postgres(url) => url.clone(),
    };
    let settings =
        [("--database", database), ("--traces-endpoint", collector.url.as_str().to_owned())];
    set_up(folder.path(), &settings).await
}

/// Another node of the same service.
async fn node(set: &Set) -> (Process, Url) {
    let listen = format!("127.0.0.1:{}", free_port());
    let process = Process::start(set.service.another(&listen));
    let url = Url::parse(&format!("http://{listen}")).unwrap();
    let patience = Instant::now() + Duration::from_secs(30);
    while Request::get(&url.join("/readyz").unwrap()).try_send().await.is_err() {
        assert!(Instant::now() < patience, "{}", process.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (process, url)
}

#[tokio::test]
async fn a_login_over_three_nodes_is_one_trace() {
    let (folder, db, collector) =
        (Folder::new(), TestDb::postgres().await, Collector::start().await);
    let mut set = set_up_with(&folder, &db, &collector).await;
    let (mut second, b) = node(&set).await;
    let (mut third, c) = node(&set).await;
    let application = &set.service.application;
    let mut browser = Browser::default();
    let begun = browser.get(&application.authorize_url(&set.connection)).await;
    let back = set.okta.tenant.sign_in(&begun.location(), &email(0)).await.unwrap();
    let arrived = browser.send(Request::get(&Url::parse(&back).unwrap()).via(&b)).await;
    let code = arrived.param("code").expect("a code");
    let token = application.redemption(&code).via(&c).send().await;
    assert_eq!(token.status, 200, "{}", token.text());
    // What waits is sent when a node stops.
    assert!(third.terminate().await.success());
    assert!(second.terminate().await.success());
    assert!(set.service.process.terminate().await.success());

    let spans = collector.until("login").await;
    let named = |name: &str| {
        let found: Vec<_> = spans.iter().filter(|(_, span)| span["name"] == name).collect();
        let [one] = found[..] else { panic!("not one {name}: {found:?} of {spans:?}") };
        one
    };
    let (login, trace) = (&named("login").1, &named("login").1["traceId"]);
    assert_eq!(trace.as_str().map(str::len), Some(32));
    assert!(login.get("parentSpanId").is_none() && login["kind"] == 1, "{login}");
    let mut nodes = BTreeSet::new();
    let number = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
    for hop in ["authorize", "callback"] {
        let (instance, span) = named(hop);
        nodes.insert(instance.clone());
        assert_eq!(&span["traceId"], trace, "{hop}");
        assert_eq!(span["parentSpanId"], login["spanId"], "{hop}");
        assert_eq!((&span["kind"], &span["status"]), (&json!(2), &json!({})), "{hop}");
        assert!(number(span, "startTimeUnixNano") <= number(span, "endTimeUnixNano"));
    }
    // The service redeems a code too, so there are two of this name: as a server and as a client.
    let of_server = |(_, span): &&(String, Value)| span["name"] == "token" && span["kind"] == 2;
    let (instance, redeemed) = spans.iter().find(of_server).expect("the hop of the token");
    nodes.insert(instance.clone());
    assert_eq!((&redeemed["traceId"], &redeemed["parentSpanId"]), (trace, &login["spanId"]));
    assert_eq!(nodes.len(), 3, "three nodes");
    let callback = &named("callback").1;
    let asked: Vec<&str> = spans
        .iter()
        .filter(|(_, span)| span["parentSpanId"] == callback["spanId"])
        .map(|(_, span)| span["name"].as_str().unwrap())
        .collect();
    for part in ["token", "userinfo", "database write"] {
        assert!(asked.contains(&part), "{part}: {asked:?}");
    }
    let started = number(login, "startTimeUnixNano");
    assert!(started / 1_000_000_000 > 1_700_000_000 && started <= number(login, "endTimeUnixNano"));
    assert_names_nothing(&collector, &set);
}

/// Nothing that anybody chose, and no secret, is in what was sent.
fn assert_names_nothing(collector: &Collector, set: &Set) {
    let text = Value::from(collector.received.lock().unwrap().clone()).to_string();
    for private in [
        "p0@",
        "acme",
        "127.0.0.1",
        set.service.application.api_key.as_str(),
        set.okta.credentials.client_secret.expose(),
        set.okta.credentials.client_id.as_str(),
    ] {
        assert!(!text.contains(private), "{private}: {text}");
    }
}

#[tokio::test]
async fn sec_01_a_failed_login_ends_its_trace_with_its_code_and_a_dead_collector_costs_nothing() {
    let (folder, db, collector) = (Folder::new(), TestDb::sqlite(), Collector::start().await);
    let set = set_up_with(&folder, &db, &collector).await;
    set.okta.tenant.set_faults(&set.okta.credentials.client_id, &[Fault::WrongNonce]).unwrap();
    let mut browser = Browser::default();
    let begun = browser.get(&set.service.application.authorize_url(&set.connection)).await;
    let back = set.okta.tenant.sign_in(&begun.location(), &email(0)).await.unwrap();
    browser.get(&Url::parse(&back).unwrap()).await;
    let spans = collector.until("login").await;
    let (_, login) = spans.iter().find(|(_, span)| span["name"] == "login").unwrap();
    assert_eq!(login["status"]["code"], 2, "{login}");
    let code =
        json!({ "key": "vestibule.failure_code", "value": { "stringValue": "id_token_nonce" } });
    assert!(login["attributes"].as_array().unwrap().contains(&code), "{login}");
    assert_names_nothing(&collector, &set);

    let (folder, db) = (Folder::new(), TestDb::sqlite());
    let nobody = Url::parse(&format!("http://127.0.0.1:{}/v1/traces", free_port())).unwrap();
    let dead = Collector { url: nobody, received: Arc::default() };
    let mut set = set_up_with(&folder, &db, &dead).await;
    set.service.login(&set.okta, &set.connection, &email(0)).await;
    let patience = Instant::now() + Duration::from_secs(20);
    while !set.service.process.stderr().contains("traces are not collected") {
        assert!(Instant::now() < patience, "{}", set.service.process.stderr());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    set.service.login(&set.okta, &set.connection, &email(1)).await;
    assert!(set.service.process.terminate().await.success());
}
