//! Requests whose end two servers may see in different places: against the service itself, and behind
//! HAProxy, nginx and Caddy, where a request that is hidden in another must never be answered to somebody else.

use std::time::Duration;

use tokio::task::JoinSet;
use url::Url;

use super::cluster::Cluster;
use super::process::Process;
use super::proxies::{Proxied, Proxy};
use super::service::Service;
use super::wire::{self, statuses};
use crate::support::{Folder, TestDb};

/// What the service has to do with such a request on its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// 400, and the connection ends.
    Refused,
    /// One answer: what follows is its body, or is not read.
    One,
}

/// A request that has another one within it.
struct Attack {
    name: &'static str,
    expected: Expected,
    bytes: Vec<u8>,
}

/// The name of the request that is hidden in an attack.
fn hidden_id(n: usize) -> String {
    format!("hidden-{n}-x")
}

/// The request that is hidden: it leaves a line in the log.
fn hidden(n: usize) -> String {
    format!("GET /sso/profile HTTP/1.1\r\nHost: x\r\nX-Request-ID: {}\r\n\r\n", hidden_id(n))
}

fn attacks() -> Vec<Attack> {
    use Expected::{One, Refused};
    let mut all = Vec::new();
    let mut add = |name, expected, (method, path, version): (&str, &str, &str), rest: &str| {
        let n = all.len();
        let hidden = hidden(n);
        let (length, hex) = (hidden.len(), format!("{:x}", hidden.len()));
        let rest = rest
            .replace("{length}", &length.to_string())
            .replace("{longer}", &(length + 5).to_string())
            .replace("{hex}", &hex)
            .replace("{hidden}", &hidden);
        let head = format!(
            "{method} {path} HTTP/{version}\r\nHost: x\r\nX-Request-ID: outer-{n}-x\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n"
        );
        all.push(Attack { name, expected, bytes: (head + rest.as_str()).into_bytes() });
    };
    let token = ("POST", "/sso/token", "1.1");
    let chunks = "0\r\n\r\n{hidden}";
    for (name, framing) in [
        ("CL, then TE", "Content-Length: {longer}\r\nTransfer-Encoding: chunked\r\n"),
        ("TE, then CL", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
        ("TE, then an empty CL", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
        ("TE in a list", "Transfer-Encoding: x, chunked\r\n"),
        ("CL, then TE in a list", "Content-Length: {longer}\r\nTransfer-Encoding: x, chunked\r\n"),
        ("CL, then TE in capitals", "Content-Length: {longer}\r\nTransfer-Encoding: CHUNKED\r\n"),
        ("TE after a bare LF", "X: x\nTransfer-Encoding: chunked\r\n"),
        ("CL after a bare LF", "X: x\nContent-Length: {longer}\r\n"),
        ("a bare LF", "X: x\n"),
        ("a head that ends with a bare LF", "Content-Length: 0\r\n\n"),
        ("the same TE twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("the same length twice", "Content-Length: {length}\r\nContent-Length: {length}\r\n"),
        ("a length in a list with itself", "Content-Length: {length}, {length}\r\n"),
        ("xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("xchunked and CL", "Content-Length: {longer}\r\nTransfer-Encoding: xchunked\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("chunked, then identity", "Transfer-Encoding: chunked, identity\r\n"),
        ("two TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n"),
        ("TE in quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n"),
        ("a space before the name", "X: x\r\n Transfer-Encoding: chunked\r\n"),
        ("a folded line", "Transfer-Encoding:\r\n chunked\r\n"),
        ("a folded value", "Transfer-Encoding: x,\r\n\tchunked\r\n"),
        ("a bare CR", "X: x\rTransfer-Encoding: chunked\r\n"),
        ("a NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("a vertical tab", "Transfer-Encoding: \u{b}chunked\r\n"),
        ("two lengths", "Content-Length: 0\r\nContent-Length: {length}\r\n"),
        ("two lengths in one", "Content-Length: 0, {length}\r\n"),
        ("a length with a sign", "Content-Length: +{length}\r\n"),
        ("a negative length", "Content-Length: -1\r\n"),
        ("a length in hexadecimal", "Content-Length: 0x{hex}\r\n"),
        ("a length with a space in it", "Content-Length: 0 {length}\r\n"),
        ("a length that overflows", "Content-Length: 18446744073709551617\r\n"),
        ("an empty length", "Content-Length:\r\n"),
        ("no name", ": chunked\r\n"),
        ("no colon", "Transfer-Encoding chunked\r\n"),
    ] {
        add(name, Refused, token, &format!("{framing}\r\n{chunks}"));
    }
    for (name, body) in [
        ("a chunk that overflows", "fffffffffffffffff\r\n{hidden}"),
        ("a chunk that almost overflows", "ffffffffffffffff\r\n{hidden}"),
        ("a negative chunk", "-1\r\n{hidden}"),
        ("a chunk with a prefix", "0x{hex}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a chunk with a bare LF", "1\na\n0\n\n{hidden}"),
        ("an extension with a bare LF", "1;x\nx\r\na\r\n0\r\n\r\n{hidden}"),
        ("a chunk that is longer than it says", "1\r\nab\r\n0\r\n\r\n{hidden}"),
        ("a chunk without digits", "\r\n{hidden}"),
    ] {
        add(name, Refused, token, &format!("Transfer-Encoding: chunked\r\n\r\n{body}"));
    }
    let old = ("POST", "/sso/token", "1.0");
    add("TE in HTTP/1.0", Refused, old, &format!("Transfer-Encoding: chunked\r\n\r\n{chunks}"));
    let length = "Content-Length: {length}\r\n\r\n{hidden}";
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "X"] {
        add("a body where none is expected", One, (method, "/healthz", "1.1"), length);
    }
    add("a body that nobody reads", One, ("POST", "/nowhere", "1.1"), length);
    add("a body of a refused request", One, ("POST", "/organizations", "1.1"), length);
    add("chunks", One, token, "Transfer-Encoding: chunked\r\n\r\n{hex}\r\n{hidden}\r\n0\r\n\r\n");
    // Nothing is read after chunks.
    add(
        "chunks, then a request",
        One,
        token,
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
    );
    all
}

#[tokio::test]
async fn lod_08_the_end_of_a_request_is_where_the_standard_has_it_or_there_is_no_request() {
    let folder = Folder::new();
    let settings = [("--limits-request-timeout-s", "2".to_owned())];
    let service = Service::first_start(folder.path(), &settings).await;
    let mut answers = JoinSet::new();
    for attack in attacks() {
        let server = service.application.base_url.clone();
        answers.spawn(async move { (wire::send(&server, &attack.bytes).await, attack) });
    }
    for (answer, Attack { name, expected, .. }) in answers.join_all().await {
        let status = statuses(&answer);
        assert_eq!(status.len(), 1, "{name}: {answer}");
        match expected {
            Expected::Refused => assert_eq!(status, [400], "{name}: {answer}"),
            // That the connection ends is what was waited for.
            Expected::One => assert!(status[0] < 500, "{name}: {answer}"),
        }
        assert!(!answer.contains("hidden-"), "{name}: {answer}");
    }
}

/// People who ask on one connection, several times: each gets the answers to their own requests, in
/// their order.
async fn others(server: &Url, n: usize) {
    const TIMES: usize = 4;
    let mut requests = String::new();
    for k in 0..TIMES {
        let end = if k + 1 == TIMES { "Connection: close\r\n" } else { "" };
        requests += &format!(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: other-{n}-{k}-x\r\n{end}\r\n"
        );
    }
    let answer = wire::send(server, requests).await;
    assert_eq!(statuses(&answer), [200; TIMES], "after {n}: {answer}");
    let lines = answer.lines().filter_map(|line| line.split_once(": "));
    let ids = lines.filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"));
    let ids: Vec<&str> = ids.map(|(_, id)| id).collect();
    let expected: Vec<String> = (0..TIMES).map(|k| format!("other-{n}-{k}-x")).collect();
    assert_eq!(ids, expected, "after {n}: {answer}");
}

/// Sends every attack through a server that stands before the service, and looks whom it hurts.
async fn nobody_else_is_hurt(
    server: &Url,
    node: &Process,
    send: impl AsyncFn(&Url, Vec<u8>) -> String,
) {
    let mut told = Vec::new();
    for (n, attack) in attacks().into_iter().enumerate() {
        let answer = send(server, attack.bytes).await;
        others(server, n).await;
        told.push((attack.name, answer));
    }
    // The log is read when the last line of it is there.
    let end = "GET /sso/profile HTTP/1.1\r\nHost: x\r\nX-Request-ID: the-end\r\n\
               Connection: close\r\n\r\n";
    wire::send(server, end).await;
    let mut log = String::new();
    for _ in 0..500 {
        log = node.stderr();
        if log.contains("the-end") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(log.contains("the-end") && log.contains("outer-"), "{log}");
    // Where both servers saw a second request, whoever sent the first got the answer.
    for (n, (name, answer)) in told.iter().enumerate() {
        let reached = log.contains(&hidden_id(n));
        println!("{name}: {:?}, the hidden request was seen: {reached}", statuses(answer));
        assert!(!reached || answer.contains(&hidden_id(n)), "{name}: {answer}");
    }
}

#[tokio::test]
async fn lod_08_behind_haproxy_a_hidden_request_is_answered_to_nobody_else() {
    let (folder, db) = (Folder::new(), TestDb::sqlite());
    let cluster = Cluster::start(folder.path(), &db.setting(), 1).await;
    nobody_else_is_hurt(&cluster.application.base_url, &cluster.nodes[0].process, wire::send_all)
        .await;
}

#[tokio::test]
async fn lod_08_behind_nginx_a_hidden_request_is_answered_to_nobody_else() {
    let folder = Folder::new();
    let proxied = Proxied::start(Proxy::Nginx, folder.path()).await;
    nobody_else_is_hurt(&proxied.base_url, &proxied.service.process, wire::send).await;
}

#[tokio::test]
async fn lod_08_behind_caddy_a_hidden_request_is_answered_to_nobody_else() {
    let folder = Folder::new();
    let proxied = Proxied::start(Proxy::Caddy, folder.path()).await;
    nobody_else_is_hurt(&proxied.base_url, &proxied.service.process, wire::send).await;
}
