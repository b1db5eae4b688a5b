//! Many clients at once: those who only hold connections open, those who sign in, and those who begin
//! and never come back.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::Url;
use vestibule::telemetry::max_open_files;

use super::process::run;
use super::service::Service;
use super::set::{PEOPLE, Set, email, set_up, set_up_for};
use super::wire::{self, connect};
use crate::support::http::{Browser, Request};
use crate::support::{Folder, is_full};

/// How many connections are held open, and how many the service takes.
const HELD: usize = 2000;
const PLACES: usize = 600;
/// How many of them send half a body, so that their requests are under way for a while.
const HALF_BODIES: usize = 200;
const HALF_HEAD: &str = "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ";
const HALF_BODY: &str = "POST /sso/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nco";
/// A request whose body is waited for: the service says so.
const ASKS_FIRST: &str = "POST /sso/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\
                          Expect: 100-continue\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
/// How many requests of people who sign in are under way at once.
const AT_ONCE: usize = 256;
/// How much more memory may be in use than before, in bytes.
const GROWTH: u64 = 24 * 1024 * 1024;

/// Lets this process, and what it starts, have so many files and sockets open.
async fn allow_files(count: u64) {
    if max_open_files().is_some_and(|files| files < count) {
        let (id, limit) = (std::process::id().to_string(), format!("--nofile={count}:"));
        let mut command = Command::new("prlimit");
        command.args(["--pid", &id, &limit]);
        let outcome = run(command).await;
        assert!(outcome.status.success(), "{outcome:?}");
    }
}

#[tokio::test]
async fn lod_01_two_thousand_idle_connections_keep_nobody_out() {
    allow_files(8192).await;
    let folder = Folder::new();
    let settings = [
        ("--limits-connections", PLACES.to_string()),
        ("--limits-request-timeout-s", "3".to_owned()),
    ];
    let set = set_up(folder.path(), &settings).await;
    let mut held = JoinSet::new();
    for n in 0..HELD {
        let mut stream = connect(&set.service.application.base_url).await;
        let sent = match n {
            ..HALF_BODIES => HALF_BODY,
            _ if n % 2 == 0 => HALF_HEAD,
            _ => "",
        };
        held.spawn(async move {
            let _ = stream.write_all(sent.as_bytes()).await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            answer
        });
        if n % (HELD / PEOPLE) == 0 {
            let person = email(n / (HELD / PEOPLE));
            set.service.login(&set.okta, &set.connection, &person).await;
        }
    }
    for n in 0..PEOPLE {
        set.service.login(&set.okta, &set.connection, &email(n)).await;
    }
    // Each of them ends, without anything more being sent.
    let ended = timeout(Duration::from_secs(60), held.join_all()).await;
    let answers = ended.expect("a connection is held open for good");
    let told = answers.iter().filter(|answer| !answer.is_empty());
    let told: Vec<&String> = told.collect();
    assert!(told.iter().all(|answer| wire::statuses(answer) == [400]), "{told:?}");
    assert!(!told.is_empty() && told.len() <= HALF_BODIES, "{}", told.len());
}

#[tokio::test]
async fn lod_01_where_all_are_being_answered_the_next_is_told_to_come_again() {
    const PLACES: usize = 20;
    let folder = Folder::new();
    let settings = [
        ("--limits-connections", PLACES.to_string()),
        ("--limits-request-timeout-s", "60".to_owned()),
    ];
    let service = Service::first_start(folder.path(), &settings).await;
    let server = &service.application.base_url;
    let mut answered = Vec::new();
    for _ in 0..PLACES {
        let mut stream = connect(server).await;
        stream.write_all(ASKS_FIRST.as_bytes()).await.unwrap();
        let mut said = vec![0; CONTINUE.len()];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(said, CONTINUE.as_bytes());
        answered.push(stream);
    }
    let turned_away = wire::send(server, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire::statuses(&turned_away), [503], "{turned_away}");
    assert!(turned_away.contains("retry-after: 2\r\n"), "{turned_away}");
    // Who has got an answer gives way, and nobody else does.
    let mut first = answered.remove(0);
    first.write_all(b"code=none").await.unwrap();
    let mut said = vec![0; "HTTP/1.1 400".len()];
    first.read_exact(&mut said).await.unwrap();
    assert_eq!(said, b"HTTP/1.1 400");
    let health = Request::get(&service.application.url("/healthz")).send().await;
    assert_eq!(health.status, 200);
    let mut rest = String::new();
    let _ = first.read_to_string(&mut rest).await;
    for mut stream in answered {
        stream.write_all(b"code=none").await.unwrap();
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(said, b"HTTP/1.1 400");
    }
}

/// Who signs in with others, and what the application got.
async fn sign_in(set: &Set, n: usize, (turns, all): (&Semaphore, &Barrier)) -> serde_json::Value {
    let application = &set.service.application;
    let state = format!("state-of-{n}");
    let mut browser = Browser::default();
    let mut url = application.authorize_url(&set.connection);
    url.query_pairs_mut().append_pair("state", &state);
    let turn = turns.acquire().await.unwrap();
    let departed = browser.get(&url).await;
    assert_eq!(departed.status, 302, "{}", departed.text());
    drop(turn);
    // Nobody comes back before all have left, and nobody redeems a code before all have one.
    all.wait().await;
    let turn = turns.acquire().await.unwrap();
    let back = set.okta.tenant.sign_in(&departed.location(), &email(n)).await;
    let back = Url::parse(&back.unwrap_or_else(|error| panic!("{error}"))).unwrap();
    let arrived = browser.get(&back).await;
    assert_eq!(arrived.status, 302, "{}", arrived.text());
    assert_eq!(arrived.param("state"), Some(state));
    drop(turn);
    all.wait().await;
    let _turn = turns.acquire().await.unwrap();
    let granted = application.redemption(&arrived.param("code").expect("a code")).send().await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let token = granted.json();
    let profile = application.profile(token["access_token"].as_str().unwrap()).await;
    assert_eq!(profile.status, 200, "{}", profile.text());
    assert_eq!(profile.json()["email"], token["profile"]["email"]);
    token
}

#[tokio::test]
async fn lod_02_of_many_who_sign_in_at_once_everybody_gets_their_own() {
    let people = if is_full() { 10_000 } else { 200 };
    let folder = Folder::new();
    let settings = [("--limits-authorize-per-minute", "0".to_owned())];
    let set = Arc::new(set_up_for(people, folder.path(), &settings).await);
    let (turns, all) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Barrier::new(people)));
    let mut logins = JoinSet::new();
    for n in 0..people {
        let (set, turns, all) = (Arc::clone(&set), Arc::clone(&turns), Arc::clone(&all));
        logins.spawn(async move { (n, sign_in(&set, n, (&*turns, &*all)).await) });
    }
    let granted = logins.join_all().await;
    let mut seen = BTreeSet::new();
    for (n, token) in &granted {
        let profile = &token["profile"];
        assert_eq!(profile["email"], email(*n));
        assert_eq!(profile["first_name"], format!("p{n}"));
        for unique in [&profile["id"], &profile["idp_id"], &token["access_token"]] {
            let unique = unique.as_str().unwrap_or_else(|| panic!("{token}"));
            assert!(seen.insert(unique.to_owned()), "two people have {unique}");
        }
    }
    let memory = set.service.process.resident_bytes();
    println!("{people} people signed in at once, within {} MB", memory >> 20);
    assert!(memory < 512 * 1024 * 1024, "{memory} bytes");
}

#[tokio::test]
async fn lod_11_logins_that_nobody_finishes_leave_no_memory_behind() {
    let folder = Folder::new();
    let settings = [("--limits-authorize-per-minute", "0".to_owned())];
    let set = set_up(folder.path(), &settings).await;
    let url = set.service.application.authorize_url(&set.connection);
    let abandon = async |rounds: usize| {
        for _ in 0..rounds {
            let mut visits = JoinSet::new();
            for _ in 0..50 {
                visits.spawn(Request::get(&url).send());
            }
            for visit in visits.join_all().await {
                assert_eq!(visit.status, 302, "{}", visit.text());
            }
        }
    };
    abandon(30).await;
    let before = set.service.process.resident_bytes();
    abandon(60).await;
    let after = set.service.process.resident_bytes();
    println!(
        "{} MB after 1500 logins that were begun, {} MB after 4500",
        before >> 20,
        after >> 20
    );
    assert!(after < before + GROWTH, "{before} bytes, then {after}");
}
