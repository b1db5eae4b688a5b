//! Requests as they are on the wire, byte by byte, and what comes back until the connection ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Url;

use super::process::run;
use super::service::Service;
use crate::support::http::{Browser, Request};
use crate::support::pages::csrf;

/// How long a server may take to close a connection.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many bytes of a body without end are sent at the most.
const ENOUGH: usize = 256 * 1024 * 1024;

/// A connection to a server.
pub async fn connect(server: &Url) -> TcpStream {
    let address = server.socket_addrs(|| None).unwrap()[0];
    TcpStream::connect(address).await.unwrap()
}

/// Sends these bytes on a connection of their own; all that came back until the server closed it.
pub async fn send(server: &Url, bytes: impl AsRef<[u8]>) -> String {
    exchange(server, bytes.as_ref(), false).await
}

/// The same, saying that nothing more will come.
pub async fn send_all(server: &Url, bytes: impl AsRef<[u8]>) -> String {
    exchange(server, bytes.as_ref(), true).await
}

async fn exchange(server: &Url, bytes: &[u8], is_all: bool) -> String {
    let mut stream = connect(server).await;
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let write = async {
        // A server may close before it has read everything.
        let written = writing.write_all(bytes).await;
        if is_all && written.is_ok() {
            let _ = writing.shutdown().await;
        }
    };
    let both = async { tokio::join!(reading.read_to_end(&mut answer), write) };
    assert!(timeout(PATIENCE, both).await.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends this head and then a chunked body without end; what came back.
pub async fn flood(server: &Url, head: &str) -> String {
    const CHUNK: usize = 0x10000;
    let (mut reading, mut writing) = connect(server).await.into_split();
    let mut answer = tokio::spawn(async move {
        let mut answer = Vec::new();
        let _ = reading.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    });
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "a".repeat(CHUNK));
    let _ = writing.write_all(head.as_bytes()).await;
    for _ in 0..ENOUGH / CHUNK {
        let written = tokio::select! {
            biased;
            answer = &mut answer => return answer.unwrap(),
            written = writing.write_all(chunk.as_bytes()) => written,
        };
        if written.is_err() {
            return timeout(PATIENCE, answer).await.expect("an end").unwrap();
        }
        tokio::task::yield_now().await;
    }
    panic!("it takes whatever is sent");
}

/// The statuses of the answers that came back on one connection.
pub fn statuses(answer: &str) -> Vec<u16> {
    let heads = answer.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head.get(..3).and_then(|it| it.parse().ok()).expect("a status")).collect()
}

/// A request with a body, after which the connection ends. `fields` are more lines of the head.
pub fn post(path: &str, content_type: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("{}Content-Length: {length}\r\n\r\n{body}", head("POST", path, content_type, fields))
}

/// The lines of such a request up to the one that says how long its body is.
pub fn head(method: &str, path: &str, content_type: &str, fields: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: {content_type}\r\n{fields}"
    )
}

/// An administrator of a service.
pub struct Administrator {
    /// The cookies, as a line of a head.
    pub cookies: String,
    /// The token for forms.
    pub csrf: String,
    /// The path of the first environment, such as `/dashboard/environment_…`.
    pub environment: String,
}

/// Lets the first administrator in, by the link of the command line.
pub async fn administrator(service: &Service) -> Administrator {
    const PASSWORD: &str = "a long password of the first";
    let link = run(service.command(&["administrator", "link"])).await.json();
    let link = Url::parse(link["url"].as_str().unwrap()).unwrap();
    let token = link.query().unwrap().strip_prefix("token=").unwrap().to_owned();
    let url = |path: &str| service.application.url(path);
    let mut browser = Browser::default();
    let page = browser.get(&url(&format!("/dashboard/first-run?token={token}"))).await.text();
    let form_token = csrf(&page).expect("a form");
    let fields = [
        ("csrf", form_token.as_str()),
        ("token", &token),
        ("name", "Olga Operator"),
        ("email", "olga@staff.example"),
        ("password", PASSWORD),
        ("repeated_password", PASSWORD),
    ];
    let begun = browser.send(Request::post_form(&url("/dashboard/first-run"), &fields)).await;
    assert_eq!(begun.status, 303, "{}", begun.text());
    let home = browser.get(&url("/dashboard")).await.location();
    let environment = home.strip_suffix("/overview").expect("an environment").to_owned();
    let page = browser.get(&url("/dashboard/account")).await.text();
    let csrf = csrf(&page).expect("a form");
    Administrator { cookies: cookies(&browser, &url("/")), csrf, environment }
}

/// The cookies of a browser, as a line of a head.
pub fn cookies(browser: &Browser, server: &Url) -> String {
    let names = browser.cookie_names(server);
    let pairs =
        names.iter().map(|name| format!("{name}={}", browser.cookie(server, name).unwrap()));
    format!("Cookie: {}\r\n", pairs.collect::<Vec<_>>().join("; "))
}
