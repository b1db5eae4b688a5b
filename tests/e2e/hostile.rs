//! Requests that no client of ours sends: too large, too deep, in another protocol, to addresses that
//! are written in odd ways.

use super::service::Service;
use super::wire::{self, Administrator, administrator, flood, head, post, statuses};
use crate::support::Folder;
use crate::support::http::Request;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// How much more memory may be in use after bodies without end, in bytes.
const GROWTH: u64 = 64 * 1024 * 1024;
/// How long a line of the log may be, in bytes.
const LINE: usize = 4096;

/// What a client of HTTP/2 says first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame of HTTP/2 on the first stream, or on none (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, stream]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn lod_03_whoever_speaks_http_2_is_not_listened_to() {
    const TIMES: usize = 10_000;
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let server = &service.application.base_url;
    // `:method: GET`, `:scheme: http`, `:path: /` (RFC 7541 appendix A).
    let fields: &[u8] = &[0x82, 0x86, 0x84];
    let reset = [frame(1, 4, 1, fields), frame(3, 0, 1, &[0, 0, 0, 8])].concat();
    let continued = [frame(1, 0, 1, fields), frame(9, 0, 1, fields).repeat(TIMES)].concat();
    for (what, frames) in [
        ("nothing", Vec::new()),
        ("resets", reset.repeat(TIMES)),
        ("continuations", continued),
        ("settings", frame(4, 0, 0, &[]).repeat(TIMES)),
        ("pings", frame(6, 0, 0, &[0; 8]).repeat(TIMES)),
        ("empty data", frame(0, 0, 1, &[]).repeat(TIMES)),
    ] {
        let answer = wire::send(server, [PREFACE, &frames[..]].concat()).await;
        // Either nothing at all, or a refusal in the version that is spoken.
        assert!(answer.is_empty() || statuses(&answer) == [400], "{what}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "{what}: {answer}");
    }
    let upgrade = "GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\
                   Connection: Upgrade, HTTP2-Settings, close\r\n\r\n";
    let answer = wire::send(server, upgrade).await;
    assert_eq!(statuses(&answer), [200], "{answer}");
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[tokio::test]
async fn lod_04_oversized_heads_are_refused_and_lines_of_the_log_stay_short() {
    let folder = Folder::new();
    let settings = [("--log-level", "debug".to_owned())];
    let mut service = Service::first_start(folder.path(), &settings).await;
    let application = &service.application;
    let large = |bytes: usize| "x".repeat(bytes);
    let get = |path: &str, fields: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n")
    };
    let many: String = (0..1000).map(|n| format!("X-{n}: x\r\n")).collect();
    for (what, request, allowed) in [
        ("a field of 100 kB", get("/", &format!("X-A: {}\r\n", large(100_000))), &[431][..]),
        ("1000 fields", get("/", &many), &[431][..]),
        ("a path of 64 kB", get(&format!("/{}", large(65_536)), ""), &[414, 431][..]),
        ("a query of 40 kB", get(&format!("/sso/authorize?x={}", large(40_000)), ""), &[414][..]),
        ("a cookie of 16 kB", get("/", &format!("Cookie: a={}\r\n", large(16_384))), &[431][..]),
        ("a method of 100 kB", get("/", "").replacen("GET", &large(100_000), 1), &[400, 431][..]),
        ("a version of 100 kB", get("/", "").replacen("1.1", &large(100_000), 1), &[400, 431][..]),
    ] {
        let answer = wire::send(&application.base_url, request).await;
        let status = statuses(&answer);
        assert!(status.len() == 1 && allowed.contains(&status[0]), "{what}: {answer}");
    }

    // What is within the limits goes on to the log, or does not, but never as it came.
    let long = large(30_000);
    let agent = large(15_000);
    for request in [
        get(&format!("/{long}"), ""),
        get(&format!("/organizations/{long}"), &format!("Authorization: Bearer {agent}\r\n")),
        get(&format!("/dashboard/{long}/overview"), ""),
        get(&format!("/setup?token={long}"), ""),
        get(&format!("/sso/oidc/{long}/callback?state={}", large(1000)), ""),
        get(&format!("/sso/authorize?client_id={long}"), &format!("User-Agent: {agent}\r\n")),
        get(&format!("/sso/authorize?{long}=x"), &format!("X-Request-ID: {agent}\r\n")),
        get("/sso/profile", &format!("Authorization: Bearer {agent}\r\n")),
        post("/sso/token", FORM, "", &format!("client_id={long}&code={long}")),
        post(&format!("/dashboard/{long}/branding"), FORM, "", &format!("csrf={long}")),
        post("/dashboard/sign-in", FORM, "", &format!("email={long}&password={long}")),
        post("/organizations", JSON, "", &format!(r#"{{"name":"{long}"}}"#)),
    ] {
        let answer = wire::send(&application.base_url, &request).await;
        let status = statuses(&answer);
        assert!(status.len() == 1 && status[0] < 500, "{request:.80}: {answer}");
    }
    let key = Request::get(&application.url(&format!("/organizations/{long}")));
    assert_eq!(key.bearer(&application.api_key).send().await.status, 404);
    assert!(service.process.terminate().await.success());
    let log = service.process.stderr();
    assert!(log.contains("answered") && log.contains("/organizations/{"), "{log}");
    let longest = log.lines().max_by_key(|line| line.len()).unwrap_or_default();
    assert!(longest.len() <= LINE, "{} bytes: {longest:.500}", longest.len());
    assert!(!log.contains(&large(600)), "what came stands in the log");
}

/// Where bodies are taken: path, type, more lines of the head.
fn receivers(service: &Service, who: &Administrator) -> Vec<(String, &'static str, String)> {
    let key = format!("Authorization: Bearer {}\r\n", service.application.api_key);
    let own = format!("{}Sec-Fetch-Site: same-origin\r\n", who.cookies);
    let below = |path: &str| format!("{}{path}", who.environment);
    let to = |path: &str, kind, fields: &str| (path.to_owned(), kind, fields.to_owned());
    vec![
        to("/sso/token", FORM, ""),
        to("/sso/token", JSON, ""),
        to("/sso/consent", FORM, ""),
        to("/sso/oidc/none/initiate", FORM, ""),
        to("/sso/oidc/idp-logout/none", FORM, ""),
        to("/sso/logout/authorize", JSON, &key),
        to("/organizations", JSON, &key),
        to("/portal/generate_link", JSON, &key),
        to("/dashboard/sign-in", FORM, ""),
        to(&below("/redirects"), FORM, &own),
        to(&below("/branding"), "multipart/form-data; boundary=b", &own),
        to("/setup/begin", FORM, ""),
    ]
}

#[tokio::test]
async fn lod_06_no_body_is_read_beyond_its_limit() {
    const GIGABYTE: usize = 1 << 30;
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let who = administrator(&service).await;
    let server = &service.application.base_url;
    let before = service.process.resident_bytes();
    for (path, kind, fields) in receivers(&service, &who) {
        let head = head("POST", &path, kind, &fields);
        // It is refused by what it announces, before any of it comes.
        let announced =
            wire::send(server, format!("{head}Content-Length: {GIGABYTE}\r\n\r\n")).await;
        assert_eq!(statuses(&announced), [413], "{path}: {announced}");
        let streamed = flood(server, &format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
        assert_eq!(statuses(&streamed), [413], "{path}: {streamed}");
    }
    // Where nobody is let in, nothing is read at all.
    for path in [format!("{}/branding", who.environment), "/organizations".to_owned()] {
        let head = head("POST", &path, JSON, "");
        let answer = flood(server, &format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
        assert!([303, 401].contains(&statuses(&answer)[0]), "{path}: {answer}");
    }
    let after = service.process.resident_bytes();
    assert!(after < before + GROWTH, "{before} bytes, then {after}");
}

#[tokio::test]
async fn lod_06_bodies_that_are_deep_or_have_many_members_are_refused() {
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let who = administrator(&service).await;
    let server = &service.application.base_url;
    for (path, kind, fields) in receivers(&service, &who) {
        // The first is larger than the limit, the second fits in.
        for (size, allowed) in [(1_000_000, 413..414), (16_000, 400..423)] {
            let body = match kind {
                JSON => "[".repeat(size),
                FORM => "a=&".repeat(size / 3),
                _ => "--b\r\n".repeat(size),
            };
            let answer = wire::send(server, post(&path, kind, &fields, &body)).await;
            let status = statuses(&answer);
            assert_eq!(status.len(), 1, "{path}: {answer}");
            assert!(allowed.contains(&status[0]), "{path}, {size} bytes: {answer}");
        }
    }
    let answer = Request::get(&service.application.url("/healthz")).send().await;
    assert_eq!(answer.status, 200);
}

/// Other ways to write a path, and whether a server may take it for the same.
fn disguises(path: &str) -> Vec<(String, bool)> {
    let inner = &path[1..];
    let (first, rest) = inner.split_at(1);
    let escaped = format!("%{:02x}", first.as_bytes()[0]);
    let others = [
        format!("//{inner}"),
        format!("///{inner}"),
        format!("/./{inner}"),
        format!("/x/../{inner}"),
        format!("/%2e/{inner}"),
        format!("/x/%2e%2e/{inner}"),
        format!("/healthz/..{path}"),
        format!("/assets/..{path}"),
        format!("/assets/..%2f{inner}"),
        format!("/sso/..;{path}"),
        format!("/%2f{inner}"),
        format!("%2f{inner}"),
        format!("/{escaped}{rest}"),
        format!("/{escaped}{rest}/"),
        format!("/{}", inner.to_uppercase()),
        format!("/\\{inner}"),
        format!("\\{inner}"),
        format!("{path};x"),
        format!("{path};x=y"),
        format!("{path};/"),
        format!("{path}/"),
        format!("{path}//"),
        format!("{path}/."),
        format!("{path}/%2e"),
        format!("{path}%2f"),
        format!("{path}%20"),
        format!("{path}%00"),
        format!("{path}\0"),
        format!("{path}%23"),
        format!("{path}%3fx=y"),
        format!("{path}.json"),
        inner.to_owned(),
        "*".to_owned(),
        "x".to_owned(),
        String::new(),
    ];
    // The whole form is HTTP's own (RFC 9112 section 3.2.2); a fragment is cut off.
    let same = [path.to_owned(), format!("http://evil.example{path}"), format!("{path}#/healthz")];
    let others = others.into_iter().map(|target| (target, false));
    others.chain(same.into_iter().map(|target| (target, true))).collect()
}

#[tokio::test]
async fn lod_10_a_path_that_is_written_in_another_way_opens_nothing() {
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let who = administrator(&service).await;
    let server = &service.application.base_url;
    let key = format!("Authorization: Bearer {}\r\n", service.application.api_key);
    let overview = format!("{}/overview", who.environment);
    for (path, credentials, marker) in [
        ("/organizations", &key, "\"object\""),
        ("/environment", &key, "\"object\""),
        ("/dashboard/team", &who.cookies, "olga@staff.example"),
        (overview.as_str(), &who.cookies, "Olga Operator"),
    ] {
        for (target, is_same) in disguises(path) {
            let with = async |credentials: &str| {
                let rest = format!("Host: x\r\nConnection: close\r\n{credentials}\r\n");
                wire::send(server, format!("GET {target} HTTP/1.1\r\n{rest}")).await
            };
            let (nobody, somebody) = (with("").await, with(credentials).await);
            let status = statuses(&nobody);
            let to_sign_in = nobody.contains("location: /dashboard/sign-in?");
            let is_closed = status.len() == 1
                && (matches!(status[0], 400 | 401 | 404 | 405) || status[0] == 303 && to_sign_in);
            assert!(is_closed && !nobody.contains(marker), "{target:?}: {nobody}");
            let status = statuses(&somebody);
            let expected: &[u16] = if is_same { &[200] } else { &[400, 404] };
            assert!(status.len() == 1 && expected.contains(&status[0]), "{target:?}: {somebody}");
            assert_eq!(somebody.contains(marker), is_same, "{target:?}: {somebody}");
        }
    }
}
