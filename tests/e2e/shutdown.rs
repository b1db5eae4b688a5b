//! Being asked to stop: what has begun is finished, and whoever sends requests learns it first.

use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;
use vestibule::sandbox::okta::Fault;

use super::set::{Set, email, set_up};
use crate::support::Folder;
use crate::support::http::{Browser, Request};

/// How long the identity provider takes to answer.
const SLOW: Duration = Duration::from_millis(2500);

/// Asks the service to stop, without waiting until it has.
fn ask_to_stop(set: &Set) {
    let id = set.service.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
}

#[tokio::test]
async fn a_login_in_flight_is_finished_and_its_code_is_good_after_a_new_start() {
    let folder = Folder::new();
    let mut set = set_up(folder.path(), &[]).await;
    let client_id = &set.okta.credentials.client_id;
    let slow = Fault::TokenSlow { ms: SLOW.as_millis().try_into().unwrap() };
    set.okta.tenant.set_faults(client_id, &[slow]).unwrap();
    let mut browser = Browser::default();
    let begun = browser.get(&set.service.application.authorize_url(&set.connection)).await;
    let back = set.okta.tenant.sign_in(&begun.location(), &email(0)).await.unwrap();
    let back = Url::parse(&back).unwrap();
    let began = Instant::now();
    let (answer, ()) = tokio::join!(browser.get(&back), async {
        tokio::time::sleep(SLOW / 5).await;
        ask_to_stop(&set);
        tokio::time::sleep(SLOW / 5).await;
        let address = set.service.application.base_url.socket_addrs(|| None).unwrap()[0];
        assert!(TcpStream::connect(address).await.is_err(), "it takes more connections");
    });
    assert!(began.elapsed() >= SLOW, "the login was not in flight");
    let code =
        answer.param("code").unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()));
    assert!(set.service.process.ended().await.success());
    set.service.start_again().await;
    let token = set.service.application.redemption(&code).send().await;
    assert_eq!(token.status, 200, "{}", token.text());
}

#[tokio::test]
async fn a_load_balancer_is_told_before_connections_are_refused() {
    let folder = Folder::new();
    let mut set = set_up(folder.path(), &[("--shutdown-delay-s", "8".to_owned())]).await;
    let address = set.service.application.base_url.socket_addrs(|| None).unwrap()[0];
    let mut kept = TcpStream::connect(address).await.unwrap();
    let head = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    kept.write_all(head("/healthz").as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = kept.read(&mut buffer).await.unwrap();
    let text = String::from_utf8_lossy(&buffer[..read]).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200") && !text.contains("connection: close"), "{text}");
    ask_to_stop(&set);
    tokio::time::sleep(Duration::from_millis(500)).await;

    // Not ready, but it serves all the same: who did not look is not turned away.
    let ready = Request::get(&set.service.application.url("/readyz")).send().await;
    assert_eq!((ready.status.as_u16(), ready.text().as_str()), (503, "stopping\n"));
    assert_eq!(Request::get(&set.service.application.url("/healthz")).send().await.status, 200);
    set.service.login(&set.okta, &set.connection, &email(0)).await;
    kept.write_all(head("/healthz").as_bytes()).await.unwrap();
    let mut rest = String::new();
    kept.read_to_string(&mut rest).await.unwrap();
    assert!(rest.to_ascii_lowercase().contains("connection: close"), "{rest}");
    assert!(set.service.process.ended().await.success());
    assert!(set.service.process.stderr().contains("stopped"));
}
