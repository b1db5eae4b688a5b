//! What a fault beneath the service shows above it: one sentence, and the name by which the log has it.

use std::path::Path;

use serde_json::{Value, json};
use url::Url;

use vestibule::base::Caller;
use vestibule::db::Tx;
use vestibule::model::administrator::Role;

use crate::support::http::{Answer, Browser, Request};
use crate::support::pages::csrf;
use crate::support::{World, both_engines, routes};

/// The tables that tell who asks, and whose page it is. All others are taken away.
const KEPT: &[&str] = &[
    "installation",
    "environments",
    "api_keys",
    "administrators",
    "administrator_sessions",
    "organizations",
    "setup_links",
    "setup_sessions",
];
/// What only the inside says, in lower case: words of the databases, statements, files, versions.
const INSIDE: &[&str] = &[
    "no such table",
    "does not exist",
    "relation",
    "42p01",
    "sqlite",
    "postgres",
    "select ",
    "insert ",
    "update ",
    "taken_",
    "src/",
    ".rs:",
    "panicked",
    "backtrace",
    "/tmp",
    env!("CARGO_PKG_VERSION"),
];

/// The tables that the migrations make, but for [`KEPT`].
fn tables() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut tables = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let names = text.lines().filter_map(|line| line.strip_prefix("CREATE TABLE "));
        tables.extend(names.map(|rest| rest.split(' ').next().unwrap().to_owned()));
    }
    assert!(KEPT.iter().all(|kept| tables.iter().any(|table| table == kept)));
    tables.retain(|table| !KEPT.contains(&table.as_str()));
    tables
}

/// A fault of ours as it may be seen: nothing of the inside, and a name to ask for, which a page shows.
#[track_caller]
fn assert_says_nothing(what: &str, answer: &Answer) {
    assert!(answer.status.is_server_error(), "{what}: {} {}", answer.status, answer.text());
    let reference = answer.header("x-request-id").unwrap_or_else(|| panic!("{what}: no name"));
    let text = answer.text();
    let shown = format!("{:?} {text}", answer.headers).to_lowercase();
    for word in INSIDE {
        assert!(!shown.contains(word), "{what} says {word:?}: {shown}");
    }
    if answer.header("content-type").is_some_and(|it| it.starts_with("text/html")) {
        assert!(text.contains(&format!("<code>{reference}</code>")), "{what}: {text}");
    }
}

impl World {
    /// Takes the tables away, or gives them back.
    async fn rename_tables(&self, away: bool) {
        let tables = tables();
        let rename = async move |tx: &mut Tx| {
            for table in &tables {
                let (from, to) = (table.clone(), format!("taken_{table}"));
                let (from, to) = if away { (from, to) } else { (to, from) };
                tx.execute(&format!("ALTER TABLE {from} RENAME TO {to}"), &[]).await?;
            }
            Ok(())
        };
        self.app().db.write(&Caller::anonymous(), rename).await.unwrap();
    }

    /// A path with the ids of the demo in its places.
    fn filled(&self, path: &str) -> String {
        let seeded = &self.demo.seeded;
        let mut path = path
            .replace("{environment_id}", seeded.environment_id.as_str())
            .replace("{organization_id}", seeded.organization_id.as_str())
            .replace("{connection_id}", seeded.connection_id.as_str())
            .replace("/organizations/{id}", &format!("/organizations/{}", seeded.organization_id))
            .replace("/connections/{id}", &format!("/connections/{}", seeded.connection_id));
        while let Some((before, rest)) = path.split_once('{') {
            path = format!("{before}unknown{}", rest.split_once('}').unwrap().1);
        }
        path
    }

    /// A browser in which a link to the setup portal was begun.
    async fn portal_browser(&self) -> Browser {
        let body = json!({ "organization": self.demo.seeded.organization_id, "intent": "sso" });
        let made = self.api("POST", "/portal/generate_link", Some(&body)).await.json();
        let link = Url::parse(made["link"].as_str().unwrap()).unwrap();
        let (_, token) = link.query_pairs().find(|(name, _)| name == "token").unwrap();
        let mut browser = self.browser();
        let form = csrf(&browser.get(&link).await.text()).expect("a form");
        let fields = [("csrf", form.as_str()), ("token", &token)];
        let begin = Request::post_form(&self.url("/setup/begin"), &fields);
        let begun = browser.send(begin.header("sec-fetch-site", "same-origin")).await;
        assert_eq!(begun.status, 303, "{}", begun.text());
        browser
    }

    /// The answers of a face to GET requests that met the fault; all of them say nothing.
    async fn faults_of(&self, browser: &mut Browser, paths: &[String]) -> usize {
        let mut met = 0;
        for path in paths {
            let answer = browser.get(&self.url(&self.filled(path))).await;
            if answer.status.is_server_error() {
                assert_says_nothing(path, &answer);
                met += 1;
            }
        }
        met
    }
}

both_engines! {
    async fn sec_06_a_fault_beneath_a_login_shows_nothing_of_itself(world: World) {
        let seeded = &world.demo.seeded;
        let connection = format!("/connections/{}", seeded.connection_id);
        let connection = world.api("GET", &connection, None).await.json();
        let redirect_uri = Url::parse(connection["redirect_uri"].as_str().unwrap()).unwrap();
        let key = redirect_uri.path().split('/').nth(3).unwrap().to_owned();
        let mut browser = world.browser();
        let begun = world.authorize_url(&[]);
        let callback = world.to_callback(&mut browser, &begun, "ada@acme.example").await;
        let state = callback.query_pairs().find(|(name, _)| name == "state");
        let state = state.unwrap().1.into_owned();
        let code = world.code().await;
        world.rename_tables(true).await;

        let get = |path: &str| Request::get(&world.url(path));
        let post = |path: &str, form: &[(&str, &str)]| Request::post_form(&world.url(path), form);
        let initiate = format!("/sso/oidc/{key}/initiate?iss={}", world.demo.tenant.base_url());
        let idp_logout = format!("/sso/oidc/idp-logout/{key}");
        let token = "t".repeat(43);
        let api_key = seeded.api_key.expose();
        let profile = json!({ "profile_id": format!("prof_{}", "0".repeat(26)) });
        // By a way that no login has taken, and that is not in memory for that reason.
        let organization = seeded.organization_id.as_str();
        let begun = world.authorize_url(&[("connection", ""), ("organization", organization)]);
        for (what, request) in [
            ("authorize", Request::get(&begun)),
            ("authorize in JSON", Request::get(&begun).header("accept", "application/json")),
            ("initiate", get(&initiate)),
            ("callback", Request::get(&callback)),
            ("consent", post("/sso/consent", &[("ticket", &state), ("answer", "continue")])),
            ("token", post("/sso/token", &[
                ("grant_type", "authorization_code"),
                ("client_id", &seeded.client_id),
                ("client_secret", api_key),
                ("code", &code),
            ])),
            // An access token looks like the `state`: what cannot be one is not looked for.
            ("profile", get("/sso/profile").bearer(&state)),
            ("jwks", get(&format!("/sso/jwks/{}", seeded.client_id))),
            ("logout", get(&format!("/sso/logout?token={token}"))),
            ("logout token", post(&idp_logout, &[("logout_token", "a.b.c")])),
            ("logout/authorize", Request::new("POST", &world.url("/sso/logout/authorize"))
                .json(&profile).bearer(api_key)),
        ] {
            assert_says_nothing(what, &browser.clone().send(request).await);
        }
        world.rename_tables(false).await;
        // It was the fault, and not the requests.
        let answer = browser.get(&callback).await;
        assert!(answer.param("code").is_some(), "{}", answer.text());
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
    }

    async fn sec_06_a_fault_beneath_the_other_faces_shows_nothing_of_itself(world: World) {
        let mut staff = world.desk(Role::Admin).await.browser;
        let mut guest = world.portal_browser().await;
        let document = Request::get(&world.url("/openapi.json")).send().await.json();
        let paths = document["paths"].as_object().unwrap();
        let read = |(path, item): (&String, &Value)| item.get("get").map(|_| path.clone());
        let api: Vec<String> = paths.iter().filter_map(read).collect();
        let dashboard = routes::pages("dashboard", "/dashboard");
        let portal = routes::pages("portal", "/setup");
        world.rename_tables(true).await;
        let met = world.faults_of(&mut staff, &dashboard).await;
        assert!(met > 15, "{met} of {} pages", dashboard.len());
        let met = world.faults_of(&mut guest, &portal).await;
        assert!(met > 1, "{met} of {} pages", portal.len());
        let mut met = 0;
        for path in &api {
            let answer = world.api("GET", &world.filled(path), None).await;
            if answer.status.is_server_error() {
                assert_says_nothing(path, &answer);
                met += 1;
            }
        }
        assert!(met > 8, "{met} of {} paths", api.len());
        let new = json!({ "name": "Acme", "domain_data": [] });
        let made = world.api("POST", "/organizations", Some(&new)).await;
        assert_says_nothing("POST /organizations", &made);
        world.rename_tables(false).await;
        assert_eq!(world.faults_of(&mut staff, &dashboard).await, 0);
        assert_eq!(world.faults_of(&mut guest, &portal).await, 0);
    }
}
