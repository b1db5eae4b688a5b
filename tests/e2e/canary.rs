//! Secrets of every kind go through the program, by logins that succeed and that fail, by the API, the
//! dashboard, the setup portal, webhooks and commands. Afterwards none of them is anywhere but where
//! it belongs.

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use url::Url;

use vestibule::app::KEY_FILE;
use vestibule::db::Location;

use super::logins::Customer;
use super::process;
use super::service::{REDIRECT_URI, Service};
use crate::delivery::receiver::Receiver;
use crate::support::canary::Canaries;
use crate::support::http::{Answer, Browser, Request};
use crate::support::pages::csrf;
use crate::support::postgres::Server;
use crate::support::{Folder, TestDb, both_engines};

const PASSWORD: &str = "canary-password of the first administrator";
const WRONG_PASSWORD: &str = "canary-password that is wrong";
const WRONG_SECRET: &str = "canary-client-secret-that-the-provider-refuses";
const NEXT_SECRET: &str = "canary-client-secret-of-the-second-slot";
const SESSION: &str = "vestibule-administrator";

/// Everything that happens, and all that came back.
struct Run {
    service: Service,
    canaries: Canaries,
    /// Pages and answers in which no secret has any business: their address and their text.
    seen: Vec<(String, String)>,
    cookies: Vec<String>,
}

impl Run {
    fn url(&self, path: &str) -> Url {
        self.service.application.url(path)
    }

    fn see(&mut self, what: impl Into<String>, answer: &Answer) {
        self.keep_cookies(answer);
        let headers = answer.headers.iter().filter(|(name, _)| *name != "set-cookie");
        let headers: String = headers.map(|(name, value)| format!("{name}: {value:?}\n")).collect();
        self.seen.push((what.into(), headers + &answer.text()));
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        let cookies = answer.headers.get_all("set-cookie").iter();
        self.cookies.extend(cookies.map(|cookie| cookie.to_str().unwrap().to_owned()));
    }

    /// Opens a page and sends its last form to `action`.
    async fn submit(
        &mut self,
        browser: &mut Browser,
        (at, action): (&str, &str),
        fields: &[(&str, &str)],
    ) -> Answer {
        let page = browser.get(&self.url(at)).await.text();
        let token = csrf(&page).unwrap_or_else(|| panic!("no form at {at}: {page}"));
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        let request = Request::post_form(&self.url(action), &all);
        browser.send(request.header("sec-fetch-site", "same-origin")).await
    }

    async fn api(&self, method: &str, path: &str, body: Value) -> Value {
        self.service.application.api(method, path, &body).await
    }
}

/// A login with all that can go wrong in it.
async fn log_in(run: &mut Run, customer: &Customer) {
    let mut browser = Browser::default();
    let mut authorize = run.service.application.authorize_url(&customer.connection);
    authorize.query_pairs_mut().append_pair("state", "canary-state-of-the-application");
    run.canaries.add("state of the application", "canary-state-of-the-application");
    let departed = browser.get(&authorize).await;
    run.keep_cookies(&departed);
    let asked = Url::parse(&departed.location()).unwrap();
    let asked = |name: &str| {
        let found = asked.query_pairs().find(|(known, _)| known == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    run.canaries.add("secret in state", &asked("state")[26..]);
    run.canaries.add("nonce", asked("nonce"));
    let cookie = departed.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap();
    run.canaries.add("cookie of the login", cookie);
    let back = customer.okta.tenant.sign_in(&departed.location(), &customer.email(0)).await;
    let callback = Url::parse(&back.unwrap()).unwrap();
    let param =
        |url: &Url| url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    run.canaries.add("code of the provider", param(&callback));
    let garbled = callback.as_str().replace("state=0", "state=Z");
    let refused = browser.get(&Url::parse(&garbled).unwrap()).await;
    run.see("a garbled state", &refused);
    let arrived = browser.get(&callback).await;
    let asked = customer.okta.tenant.requests("/oauth2/v1/userinfo").pop().expect("userinfo");
    let bearer = asked.headers["authorization"].to_str().unwrap();
    run.canaries.add("access token of the provider", bearer.trim_start_matches("Bearer "));
    let code = arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()));
    run.canaries.add("code", &code);
    run.keep_cookies(&arrived);
    for (header, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
        assert!(arrived.header(header).unwrap_or_default().contains(value), "{arrived:?}");
        assert!(departed.header(header).unwrap_or_default().contains(value), "{departed:?}");
    }
    let repeated = browser.get(&callback).await;
    run.see("a repeated callback", &repeated);

    let application = run.service.application.clone();
    let wrong = "sk_canary-api-key-that-is-wrong";
    run.canaries.add("wrong API key", wrong);
    let mut stranger = application.clone();
    stranger.api_key = wrong.to_owned();
    let answer = stranger.redemption(&code).send().await;
    run.see("a wrong API key", &answer);
    let granted = application.redemption(&code).send().await;
    let token = granted.json()["access_token"].as_str().expect("a token").to_owned();
    run.canaries.add("access token", &token);
    let profile = application.profile(&token).await;
    assert_eq!(profile.status, 200, "{}", profile.text());
    run.see("the profile", &profile);
    let replayed = application.redemption(&code).send().await;
    run.see("a replayed code", &replayed);
    let key = &application.api_key;
    for careless in [
        format!("/sso/token?client_secret={key}"),
        format!("/organizations?api_key={key}"),
        format!("/sso/profile?access_token={token}"),
    ] {
        let answer = Request::get(&application.url(&careless)).send().await;
        run.see("a secret in a query", &answer);
    }
}

/// A connection whose secret the provider refuses, and what the doctor says of it.
async fn fail(run: &mut Run, customer: &Customer) {
    let connection =
        run.api("GET", &format!("/connections/{}", customer.connection), json!(null)).await;
    let body = json!({
        "organization_id": connection["organization_id"],
        "connection_type": "OktaOIDC",
        "name": "Refused",
        "state": "active",
        "oidc": {
            "client_id": customer.okta.credentials.client_id,
            "client_secret": WRONG_SECRET,
            "discovery_endpoint": customer.okta.tenant.base_url(),
        },
    });
    let made = run.api("POST", "/connections", body).await;
    run.canaries.add("refused client secret", WRONG_SECRET);
    run.seen.push(("the connection".to_owned(), made.to_string()));
    customer.okta.allow(made["redirect_uri"].as_str().unwrap());
    let id = made["id"].as_str().unwrap();
    let next = json!({ "oidc": { "next_client_secret": NEXT_SECRET } });
    let changed = run.api("PATCH", &format!("/connections/{id}"), next).await;
    run.canaries.add("next client secret", NEXT_SECRET);
    run.seen.push(("the changed connection".to_owned(), changed.to_string()));
    let mut browser = Browser::default();
    let departed = browser.get(&run.service.application.authorize_url(id)).await;
    let back = customer.okta.tenant.sign_in(&departed.location(), &customer.email(1)).await;
    let refused = browser.get(&Url::parse(&back.unwrap()).unwrap()).await;
    run.see("a refused login", &refused);
    let examined = run.api("POST", &format!("/connections/{id}/doctor"), json!({})).await;
    run.seen.push(("the doctor".to_owned(), examined.to_string()));
    let command = run.service.command(&["doctor", id]);
    let said = process::run(command).await;
    run.seen.push(("vestibule doctor".to_owned(), said.stdout + &said.stderr));
}

/// The first administrator comes in, and looks at every page that the navigation has.
async fn administer(run: &mut Run) {
    let link = process::run(run.service.command(&["administrator", "link"])).await.json();
    let link = Url::parse(link["url"].as_str().unwrap()).unwrap();
    let token = link.query().unwrap().strip_prefix("token=").unwrap().to_owned();
    run.canaries.add("link of the first administrator", &token);
    let mut browser = Browser::default();
    let at = format!("/dashboard/first-run?token={token}");
    let fields = [
        ("token", token.as_str()),
        ("name", "Olga Operator"),
        ("email", "olga@staff.example"),
        ("password", PASSWORD),
        ("repeated_password", PASSWORD),
    ];
    let answer = run.submit(&mut browser, (&at, "/dashboard/first-run"), &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    run.keep_cookies(&answer);
    run.canaries.add("password", PASSWORD);
    run.canaries.add("wrong password", WRONG_PASSWORD);
    let url = run.url("/");
    run.canaries.add("session of the dashboard", browser.cookie(&url, SESSION).unwrap());
    let again = Browser::default().get(&run.url(&at)).await;
    run.see("a link that is over", &again);
    let sign_in = "/dashboard/sign-in";
    let fields = [("email", "olga@staff.example"), ("password", WRONG_PASSWORD)];
    let wrong = run.submit(&mut Browser::default(), (sign_in, sign_in), &fields).await;
    run.see("a wrong password", &wrong);

    let (mut queue, mut known) = (vec!["/dashboard".to_owned()], std::collections::BTreeSet::new());
    while let Some(path) = queue.pop() {
        if !known.insert(path.clone()) || known.len() > 150 {
            continue;
        }
        let page = browser.get(&run.url(&path)).await;
        run.see(path, &page);
        queue.push(page.location());
        let text = page.text();
        let links = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        queue.extend(links.map(|link| link.replace("&#38;", "&").replace("&amp;", "&")));
        queue.retain(|link| link.starts_with("/dashboard") && !link.contains("sign-out"));
    }
    println!("{} pages of the dashboard", known.len());
    assert!(known.iter().any(|path| path.contains("/sessions/")), "{known:?}");
    assert!(known.iter().any(|path| path.contains("/connections/")), "{known:?}");
}

/// An IT administrator begins at a link, and enters a secret that is refused.
async fn set_up(run: &mut Run, organization: &str) {
    let body = json!({ "organization": organization, "intent": "sso" });
    let link = run.api("POST", "/portal/generate_link", body).await;
    let link = Url::parse(link["link"].as_str().unwrap()).unwrap();
    let token = link.query().unwrap().strip_prefix("token=").unwrap().to_owned();
    run.canaries.add("setup link", &token);
    let mut browser = Browser::default();
    let at = format!("/setup?token={token}");
    let begun = run.submit(&mut browser, (&at, "/setup/begin"), &[("token", &token)]).await;
    assert_eq!(begun.location(), "/setup/home", "{}", begun.text());
    run.keep_cookies(&begun);
    let cookie = begun.header("set-cookie").unwrap().split(['=', ';']).nth(1).unwrap();
    run.canaries.add("session of the portal", cookie);
    for path in ["/setup/home", "/setup?token=canary-link-that-is-none"] {
        let page = browser.get(&run.url(path)).await;
        run.see(path, &page);
    }
    let again = Browser::default().get(&run.url(&at)).await;
    // The page of a link carries it in its form, for the button that begins.
    assert!(run.canaries.within(again.text().as_bytes()).len() <= 1);
}

both_engines! {
    async fn sec_01_02_03_05_07_08_no_secret_is_where_it_does_not_belong(db: TestDb) {
        let folder = Folder::new();
        let settings = [
            ("--database", db.setting()),
            ("--log-level", "debug".to_owned()),
            ("--log-format", "json".to_owned()),
        ];
        let service = Service::first_start(folder.path(), &settings).await;
        let (canaries, seen, cookies) = (Canaries::default(), Vec::new(), Vec::new());
        let mut run = Run { service, canaries, seen, cookies };
        let key = run.service.application.api_key.clone();
        run.canaries.add("API key", key);
        let data = folder.path().join("data");
        let keys = std::fs::read_to_string(data.join(KEY_FILE)).unwrap();
        run.canaries.add("sealing key", keys.trim());

        let redirect_uri = json!({ "uri": REDIRECT_URI });
        run.api("POST", "/user_management/redirect_uris", redirect_uri).await;
        let receiver = Receiver::start().await;
        let hook = json!({
            "endpoint_url": receiver.url,
            "events": ["authentication.sso_succeeded", "authentication.sso_failed"],
        });
        let hook = run.api("POST", "/webhook_endpoints", hook).await;
        run.canaries.add("webhook secret", hook["secret"].as_str().unwrap());
        let customer = Customer::set_up(&run.service.application, 0).await;
        let secret = customer.okta.credentials.client_secret.expose();
        run.canaries.add("client secret", secret);
        log_in(&mut run, &customer).await;
        fail(&mut run, &customer).await;
        let organizations = run.api("GET", "/organizations", json!(null)).await;
        let organization = organizations["data"][0]["id"].as_str().unwrap().to_owned();
        set_up(&mut run, &organization).await;
        administer(&mut run).await;
        for path in ["/events?limit=100", "/sso_sessions?limit=100", "/connections", "/environment"]
        {
            let answer = run.api("GET", path, json!(null)).await;
            run.seen.push((path.to_owned(), answer.to_string()));
        }
        let sessions = run.api("GET", "/sso_sessions?limit=100", json!(null)).await;
        for session in sessions["data"].as_array().unwrap() {
            let path = format!("/sso_sessions/{}", session["id"].as_str().unwrap());
            let session = run.api("GET", &path, json!(null)).await;
            run.seen.push((path, session.to_string()));
        }
        for words in [&["config"][..], &["keys", "list"], &["session", "list"], &["events"]] {
            let said = process::run(run.service.command(words)).await;
            run.seen.push((format!("vestibule {words:?}"), said.stdout + &said.stderr));
        }
        for _ in 0..500 {
            if receiver.names().len() >= 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let delivered = receiver.all();
        assert!(delivered.len() >= 2, "{:?}", receiver.names());
        for delivery in &delivered {
            run.canaries.are_not_in("a delivery", &delivery.body, &[]);
        }
        for path in ["/metrics", "/healthz", "/readyz", "/openapi.json"] {
            let answer = Request::get(&run.url(path)).send().await;
            run.see(path, &answer);
        }

        check_cookies(&run.cookies);
        for (place, text) in &run.seen {
            run.canaries.are_not_in(place, text.as_bytes(), &[]);
        }
        // What lies on the disk while it runs, then when it has ended.
        search_database(&run.canaries, &db);
        assert!(run.service.process.terminate().await.success());
        search_database(&run.canaries, &db);
        if let Some(server) = db.server() {
            let began = std::fs::metadata(data.join(KEY_FILE)).unwrap().modified().unwrap();
            search_server(&run.canaries, server, began);
        }
        let log = run.service.process.stderr();
        for line in ["code_replay", "state_invalid"] {
            assert!(log.contains(line), "{line} is not in the log, so nothing is proven: {log}");
        }
        run.canaries.are_not_in("the log", log.as_bytes(), &[]);
        let rest = run.service.process.rest().await.join("\n");
        run.canaries.are_not_in("the output", rest.as_bytes(), &[]);
        // Nothing else was left in the folder; the key file holds what it is there for.
        for (path, bytes) in files(folder.path()) {
            let is_key = path.ends_with(KEY_FILE);
            let but: &[&str] = if is_key { &["sealing key"] } else { &[] };
            run.canaries.are_not_in(&path.display().to_string(), &bytes, but);
        }
    }
}

/// Cookies are random, or marks that only we can make: nobody learns anything from them.
fn check_cookies(cookies: &[String]) {
    assert!(cookies.len() >= 4, "{cookies:?}");
    for cookie in cookies {
        let (_, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        let is_opaque = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(value.chars().all(is_opaque), "{cookie}");
        assert!(value.is_empty() || value.len() >= 16, "{cookie}");
        assert!(cookie.contains("HttpOnly"), "{cookie}");
    }
}

/// The database as it lies on the disk, its log, and a backup.
fn search_database(canaries: &Canaries, db: &TestDb) {
    match db.location() {
        Location::Sqlite(path) => {
            let mut total = 0;
            for suffix in ["", "-wal", "-shm"] {
                let file = format!("{}{suffix}", path.display());
                let bytes = std::fs::read(&file).unwrap_or_default();
                total += bytes.len();
                canaries.are_not_in(&file, &bytes, &[]);
            }
            assert!(total > 100_000, "{total} bytes");
            let copy = path.with_extension("backup");
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
            canaries.are_not_in("a backup", &std::fs::read(&copy).unwrap(), &[]);
            std::fs::remove_file(copy).unwrap();
        }
        Location::Postgres(url) => {
            let (server, name) = (db.server().unwrap(), Url::parse(url).unwrap());
            let dump = server.dump(name.path().trim_start_matches('/'));
            assert!(String::from_utf8_lossy(&dump).contains("sso_sessions"));
            canaries.are_not_in("a dump", &dump, &[]);
        }
    }
}

/// The write-ahead log since then, and what the server says of itself.
fn search_server(canaries: &Canaries, server: &Server, since: SystemTime) {
    let mut total = 0;
    for (path, bytes) in files(&server.data().join("pg_wal")) {
        if std::fs::metadata(&path).and_then(|it| it.modified()).is_ok_and(|it| it < since) {
            continue;
        }
        total += bytes.len();
        canaries.are_not_in(&path.display().to_string(), &bytes, &[]);
    }
    assert!(total > 1_000_000, "{total} bytes");
    canaries.are_not_in("the log of PostgreSQL", server.log().as_bytes(), &[]);
}

fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            // A server may tidy up meanwhile.
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.push((path, bytes));
        }
    }
    found
}
