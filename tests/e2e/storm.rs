//! Requests that are wrong in every way that a generator finds, to every route there is: none meets a
//! fault of ours.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use url::Url;
use vestibule::sso::answer::percent_encode;

use super::logins::SplitMix;
use super::metrics::value;
use super::service::{Application, free_port};
use super::set::set_up;
use super::wire::{self, administrator, statuses};
use crate::support::http::{Browser, Request};
use crate::support::pages::csrf;
use crate::support::{Folder, dns, is_full, routes};

/// Where the generator begins: the same requests come in each run.
const SEED: u64 = 0x5e57_1b01;
/// What does not come from a face, or has no route of its own.
const OTHERS: &[&str] =
    &["/", "/healthz", "/readyz", "/openapi.json", "/assets/{name}", "/nowhere"];
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X-Y!",
];
const KINDS: &[&str] = &[
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/json; charset=utf-16",
    "multipart/form-data",
    "text/plain",
    "",
    "/;=",
];
/// More lines of a head.
const FIELDS: &[&str] = &[
    "Accept: text/html",
    "Accept: application/json",
    "Accept: */*;q=1e999",
    "Accept-Language: \u{202e}",
    "Authorization: Basic Og==",
    "Authorization: Basic %%%",
    "Authorization: Bearer",
    "Authorization: Bearer \u{e9}",
    "Authorization: ",
    "Cookie: ; =; a; =b; vestibule-administrator=",
    "Cookie: vestibule-visitor=\u{e9}; vestibule-setup=\"",
    "Expect: 100-continue",
    "Expect: the-unexpected",
    "Forwarded: for=\"[::1\"",
    "Idempotency-Key: \u{1f600}",
    "Idempotency-Key: once",
    "If-None-Match: *",
    "Origin: null",
    "Origin: https://evil.example",
    "Access-Control-Request-Method: \u{e9}",
    "Purpose: prefetch",
    "Range: bytes=-1",
    "Referer: http://[::",
    "Sec-Fetch-Site: cross-site",
    "Upgrade: websocket",
    "User-Agent: \u{e9}\u{feff}",
    "X-Forwarded-For: 1.2.3.4, ::1, x, 300.1.1.1",
    "X-Request-ID: \u{0}",
    "X-Request-ID: ../../x",
];
/// Texts on which something may stumble.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", " ", "x", "0", "-1", "1e999", "9223372036854775808", "true", "null", "[]", "{}", "'",
    "\"", "\\", "\0", "a\0b", "\r\n", "\u{7f}", "\u{feff}", "\u{202e}x", "e\u{301}",
    "\u{df}\u{130}", "\u{1f468}", "%", "%s%n", "%00", "%ff", "..", "../../etc/passwd", "${x}",
    "{{x}}", "<script>", "' OR 1=1 --", "a@b", "@", "a@b@c", "\u{e9}@ex\u{e4}mple.com", "x@xn--",
    "http://", "https://[::1", "https://x:99999/", "https://*.example.com/cb",
    "https://\u{ff0e}/", "javascript:x", "localhost:*", "xn--a", "a..b", "-.com",
    "9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00Z", "2024-02-30T25:61:61+99:99",
    "-292277022657-01", "org_", "org_01ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "conn_01ARZ3NDEKTSV4RRFFQ69G5FAV", "sso_session_x", "AAAA.BBBB.CCCC",
    "eyJhbGciOiJub25lIn0.e30.", "=", "====", "AA==",
];
const SCALARS: &[&str] = &[
    "null",
    "true",
    "0",
    "-0",
    "1.5",
    "1e308",
    "-1e-400",
    "18446744073709551616",
    "\"\\ud800\"",
    "",
];
/// Segments of paths that are not escaped.
const SEGMENTS: &[&str] =
    &["..", ".", "%", "%zz", "%2f", "%00", "%ff%fe", ";", "*", ":", "~", "{x}", "\u{e9}"];

/// A browser in which somebody was let in.
struct Session {
    cookies: String,
    csrf: String,
}

/// What makes the requests.
struct Storm {
    random: SplitMix,
    /// Names of parameters and members that mean something somewhere.
    names: Vec<String>,
    /// Ids of what there is.
    ids: Vec<String>,
    key: String,
    staff: Session,
    guest: Session,
}

impl Storm {
    fn one_in(&mut self, count: usize) -> bool {
        self.random.below(count) == 0
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.random.below(from.len())]
    }

    fn text(&mut self) -> String {
        let text = self.pick(TEXTS);
        match self.random.below(8) {
            0 => text.repeat(1 + self.random.below(300)),
            1 => self.ids[self.random.below(self.ids.len())].clone(),
            2 => self.noise(),
            _ => text.to_owned(),
        }
    }

    fn noise(&mut self) -> String {
        let length = self.random.below(40);
        let mut any = || u32::try_from(self.random.below(0x11_0000)).ok().and_then(char::from_u32);
        (0..length).map(|_| any().unwrap_or('\u{fffd}')).collect()
    }

    fn name(&mut self) -> String {
        match self.random.below(12) {
            0 => self.noise(),
            n => {
                let name = self.names[self.random.below(self.names.len())].clone();
                if n == 1 { name + "[]" } else { name }
            }
        }
    }

    fn pairs(&mut self) -> String {
        let mut pairs = Vec::new();
        for _ in 0..self.random.below(7) {
            let (name, text) = (self.name(), self.text());
            let (name, text) = (percent_encode(name.as_bytes()), percent_encode(text.as_bytes()));
            pairs.push(format!("{name}={text}"));
        }
        pairs.join("&")
    }

    fn value(&mut self, depth: usize) -> String {
        match self.random.below(if depth == 0 { 5 } else { 8 }) {
            0..=2 => json!(self.text()).to_string(),
            3 | 4 => self.pick(SCALARS).to_owned(),
            5 => format!("[{},{}]", self.value(depth - 1), self.value(depth - 1)),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        let mut members = Vec::new();
        for _ in 0..self.random.below(7) {
            let (name, value) = (self.name(), self.value(depth));
            members.push(format!("{}:{value}", json!(name)));
        }
        format!("{{{}}}", members.join(","))
    }

    fn multipart(&mut self, csrf: &str) -> String {
        let mut body =
            format!("--b\r\ncontent-disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n");
        for _ in 0..self.random.below(4) {
            let (name, file, text) = (self.name(), self.text(), self.text());
            let file =
                if self.one_in(2) { format!("; filename=\"{file}\"") } else { String::new() };
            body +=
                &format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
            body += &format!("{text}\r\n");
        }
        body + if self.one_in(4) { "--b" } else { "--b--\r\n" }
    }

    /// A body of this kind, or of none.
    fn body(&mut self, kind: &str, csrf: &str) -> String {
        match kind {
            _ if self.one_in(8) => self.text(),
            "application/json" | "application/json; charset=utf-16" => match self.random.below(6) {
                0 => self.value(3),
                _ => self.object(3),
            },
            "application/x-www-form-urlencoded" => format!("csrf={csrf}&{}", self.pairs()),
            _ => self.multipart(csrf),
        }
    }

    /// A path of this route.
    fn path(&mut self, route: &str) -> String {
        let mut path = String::new();
        let mut rest = route;
        while let Some((before, behind)) = rest.split_once('{') {
            path += before;
            path += &match self.random.below(8) {
                0 => self.pick(SEGMENTS).to_owned(),
                1 | 2 => percent_encode(self.text().as_bytes()),
                _ if behind.starts_with("environment_id") => self.ids[0].clone(),
                _ => self.ids[self.random.below(self.ids.len())].clone(),
            };
            rest = behind.split_once('}').expect("a name in braces").1;
        }
        path + rest
    }

    /// A request to this route, and whether its framing is broken as well.
    fn request(&mut self, method: &'static str, route: &str) -> (Vec<u8>, bool) {
        let method = if self.one_in(10) { self.pick(METHODS) } else { method };
        let mut target = self.path(route);
        if self.one_in(2) {
            target += &format!("?{}", self.pairs());
        }
        let is_page = route.starts_with("/dashboard") || route.starts_with("/setup");
        let session = if route.starts_with("/setup") { &self.guest } else { &self.staff };
        // A session that ends itself would end the storm at the door.
        let token = if route.contains("sign-out") { String::new() } else { session.csrf.clone() };
        let known = match is_page {
            true => session.cookies.clone(),
            false => format!("Authorization: Bearer {}\r\n", self.key),
        };
        let mut fields = if self.one_in(6) { String::new() } else { known };
        for _ in 0..self.random.below(3) {
            fields += &format!("{}\r\n", self.pick(FIELDS));
        }
        let kind = match (self.one_in(6), is_page, route.ends_with("branding")) {
            (true, ..) => self.pick(KINDS),
            (_, true, true) => KINDS[2],
            (_, true, false) => KINDS[1],
            _ => KINDS[self.random.below(2)],
        };
        let body = self.body(kind, &token);
        let head = wire::head(method, &target, kind, &fields);
        let mut request =
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
        let is_broken = self.one_in(12);
        if is_broken {
            for _ in 0..=self.random.below(3) {
                let at = self.random.below(request.len());
                request[at] = u8::try_from(self.random.below(256)).unwrap();
            }
            request.truncate(self.random.below(2 * request.len()).max(1));
        }
        (request, is_broken)
    }
}

/// Every route: method and path.
async fn every_route(application: &Application) -> (Vec<(&'static str, String)>, Value) {
    let mut all = Vec::new();
    let document = Request::get(&application.url("/openapi.json")).send().await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if item.get(method.to_lowercase()).is_some() {
                all.push((method, path.clone()));
            }
        }
    }
    for (face, prefix) in [("dashboard", "/dashboard"), ("portal", "/setup")] {
        for handler in routes::of(face) {
            all.push((handler.method, format!("{prefix}{}", handler.path.trim_end_matches('/'))));
        }
    }
    let login = include_str!("../../src/login/mod.rs");
    for path in login.split('"').skip(1).step_by(2).filter(|text| text.starts_with("/sso")) {
        all.extend([("GET", path.to_owned()), ("POST", path.to_owned())]);
    }
    all.extend(OTHERS.iter().map(|path| ("GET", (*path).to_owned())));
    (all, document)
}

/// The names of all members that the document describes.
fn members(document: &Value, names: &mut BTreeSet<String>) {
    match document {
        Value::Object(object) => {
            if let Some(Value::Object(properties)) = object.get("properties") {
                names.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| members(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, names)),
        _ => {}
    }
}

/// The names of parameters and fields that the source reads: `form.text("name")`.
fn parameters(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            parameters(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in [".text(\"", ".raw(\"", ".filled(\"", ".checked(\"", ".all(\"", ".one(\""] {
                let found = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                names.extend(found.map(str::to_owned));
            }
        }
    }
}

/// An IT administrator begins at a setup link.
async fn begin_setup(application: &Application, organization: &str) -> Session {
    let link = json!({ "organization": organization, "intent": "sso" });
    let link = application.api("POST", "/portal/generate_link", &link).await;
    let link = Url::parse(link["link"].as_str().unwrap()).unwrap();
    let token = link.query().unwrap().strip_prefix("token=").unwrap().to_owned();
    let mut browser = Browser::default();
    let page = browser.get(&application.url(&format!("/setup?token={token}"))).await.text();
    let form_token = csrf(&page).expect("a form");
    let fields = [("csrf", form_token.as_str()), ("token", &token)];
    let begun = Request::post_form(&application.url("/setup/begin"), &fields);
    assert_eq!(browser.send(begun).await.location(), "/setup/home");
    let home = browser.get(&application.url("/setup/home")).await.text();
    let csrf = csrf(&home).unwrap_or_default();
    Session { cookies: wire::cookies(&browser, &application.base_url), csrf }
}

#[tokio::test]
async fn lod_12_no_request_meets_a_panic_or_another_fault_of_ours() {
    let rounds = if is_full() { 400 } else { 12 };
    let folder = Folder::new();
    let metrics = format!("127.0.0.1:{}", free_port());
    let settings = [
        ("--metrics-listen", metrics.clone()),
        ("--dns-resolver", dns::nobody().to_string()),
        ("--limits-authorize-per-minute", "0".to_owned()),
        ("--limits-api-key-per-minute", "0".to_owned()),
        ("--limits-request-timeout-s", "2".to_owned()),
    ];
    let set = set_up(folder.path(), &settings).await;
    let application = &set.service.application;
    let who = administrator(&set.service).await;
    let (routes, document) = every_route(application).await;
    assert!(routes.len() > 120, "{}", routes.len());
    let mut names = BTreeSet::new();
    members(&document, &mut names);
    for face in ["api", "dashboard", "login", "portal"] {
        parameters(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(face), &mut names);
    }
    let lasting = application.api("POST", "/organizations", &json!({ "name": "Lasting" })).await;
    let environment = who.environment.strip_prefix("/dashboard/").unwrap().to_owned();
    let mut storm = Storm {
        random: SplitMix(SEED),
        names: names.into_iter().collect(),
        ids: vec![environment],
        key: application.api_key.clone(),
        guest: begin_setup(application, lasting["id"].as_str().unwrap()).await,
        staff: Session { cookies: who.cookies, csrf: who.csrf },
    };
    let mut told = std::collections::BTreeMap::<u16, usize>::new();
    for round in 0..rounds {
        // What was deleted is there again, so that requests get further than to what is missing.
        storm.ids.truncate(1);
        let name = json!({ "name": format!("Round {round}") });
        let organization = application.api("POST", "/organizations", &name).await;
        let connection = json!({
            "organization_id": organization["id"],
            "connection_type": "GenericOIDC",
            "name": "Storm",
        });
        let connection = application.api("POST", "/connections", &connection).await;
        for made in [organization, connection] {
            storm.ids.push(made["id"].as_str().unwrap().to_owned());
        }
        for &(method, ref route) in &routes {
            let (request, is_broken) = storm.request(method, route);
            let answer = if is_broken {
                wire::send_all(&application.base_url, &request).await
            } else {
                wire::send(&application.base_url, &request).await
            };
            let status = statuses(&answer);
            let request = String::from_utf8_lossy(&request);
            assert!(
                status.iter().all(|status| *status < 500),
                "round {round}: {request}\n{answer}"
            );
            assert!(is_broken || !status.is_empty(), "round {round}: no answer to {request}");
            *told.entry(status.last().copied().unwrap_or_default()).or_default() += 1;
        }
    }
    println!("{} routes, {rounds} rounds: {told:?}", routes.len());
    // Some came through, and of each kind of refusal there was one: the storm did not end at the door.
    for status in [200, 303, 400, 401, 403, 404, 405, 422] {
        assert!(told.contains_key(&status), "{status}: {told:?}");
    }
    let url = Url::parse(&format!("http://{metrics}/metrics")).unwrap();
    let text = Request::get(&url).send().await.text();
    assert_eq!(value(&text, "vestibule_panics_total", &[]), 0.0);
    let log = set.service.process.stderr();
    assert!(!log.contains("panicked"), "{log}");
    let longest = log.lines().max_by_key(|line| line.len()).unwrap_or_default();
    assert!(longest.len() <= 4096, "{longest}");
}
