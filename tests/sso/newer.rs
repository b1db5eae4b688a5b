//! What only a newer program knows counts as absent: a row, what a login remembers, a cookie. Nothing of it
//! is misread, and nothing beside it suffers.

use serde_json::{Value, json};

use vestibule::base::Caller;
use vestibule::base::failure::FailureCode;
use vestibule::db::Tx;
use vestibule::model::administrator::{Role, link};
use vestibule::seal::Place;
use vestibule::sso::sweep;

use super::expect::{ADA, assert_departed, assert_page};
use crate::support::http::{Browser, Request};
use crate::support::{World, both_engines};

/// What a newer program makes of a stored text.
type Newer = fn(&str) -> String;

/// JSON with a member that nobody knows here.
fn with_member(text: &str) -> String {
    let mut json: Value = serde_json::from_str(text).unwrap();
    json["of_the_future"] = json!(1);
    json.to_string()
}

/// Changes a text of a row; returns what it was.
async fn change(
    world: &World,
    (table, column): (&str, &str),
    id: &str,
    newer: impl Fn(&str) -> String + Send + 'static,
) -> String {
    let read = format!("SELECT {column} FROM {table} WHERE id = $1");
    let write = format!("UPDATE {table} SET {column} = $1 WHERE id = $2");
    let id = id.to_owned();
    let change = async move |tx: &mut Tx| {
        let before: String = tx.fetch_one(&read, &[(&id).into()]).await?.next()?;
        tx.execute(&write, &[(&newer(&before)).into(), (&id).into()]).await?;
        Ok(before)
    };
    world.app().db.write(&Caller::anonymous(), change).await.unwrap()
}

/// The one text that a query finds.
async fn text(world: &World, sql: &'static str) -> String {
    let read = async move |tx: &mut Tx| tx.fetch_one(sql, &[]).await?.next();
    world.app().db.read(&Caller::anonymous(), read).await.unwrap()
}

/// What a login under way remembers, sealed.
async fn memory(world: &World, id: &str) -> Vec<u8> {
    let id = id.to_owned();
    let read = async move |tx: &mut Tx| {
        let sql = "SELECT memory_sealed FROM sso_sessions WHERE id = $1";
        tx.fetch_one(sql, &[(&id).into()]).await?.next()
    };
    world.app().db.read(&Caller::anonymous(), read).await.unwrap()
}

async fn remember(world: &World, id: &str, sealed: Vec<u8>) {
    let id = id.to_owned();
    let write = async move |tx: &mut Tx| {
        let sql = "UPDATE sso_sessions SET memory_sealed = $1 WHERE id = $2";
        tx.execute(sql, &[(&sealed).into(), (&id).into()]).await
    };
    assert_eq!(world.app().db.write(&Caller::anonymous(), write).await.unwrap(), 1);
}

/// The ids of a list of the API, read page by page.
async fn ids(world: &World, list: &str) -> Vec<String> {
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let page = world.api("GET", &format!("{list}?limit=1{after}"), None).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let page = page.json();
        ids.extend(page["data"].as_array().unwrap().iter().map(id));
        match page["list_metadata"]["after"].as_str() {
            Some(cursor) => after = format!("&after={cursor}"),
            None => return ids,
        }
    }
}

fn id(object: &Value) -> String {
    object["id"].as_str().expect("an id").to_owned()
}

/// A cookie as a newer program could write it.
fn make_newer(world: &World, browser: &mut Browser, part: &str) {
    let url = world.url("/");
    let names = browser.cookie_names(&url);
    let name = names.iter().find(|name| name.contains(part)).expect("the cookie");
    let value = browser.cookie(&url, name).unwrap();
    browser.keep(&url, name, &format!("v2.{value}"));
}

both_engines! {
    async fn upg_04_a_connection_that_only_a_newer_program_knows_is_absent_alone(world: World) {
        let other = world.other_organization("beta.example").await;
        let ours = world.demo.seeded.connection_id.to_string();
        let mut desk = world.desk(Role::Developer).await;
        let organization = format!("/organizations/{}", world.demo.seeded.organization_id);
        let changes: [(&str, Newer); 4] = [
            ("state", |_| "archived".to_owned()),
            ("connection_type", |_| "FutureOIDC".to_owned()),
            ("settings", with_member),
            ("policy", with_member),
        ];
        for (column, newer) in changes {
            let before = change(&world, ("connections", column), &ours, newer).await;
            assert_eq!(ids(&world, "/connections").await, [other.id.as_str()], "{column}");
            let one = world.api("GET", &format!("/connections/{ours}"), None).await;
            assert_eq!(one.status, 404, "{column}");
            let page = desk.get(&desk.path(&organization)).await;
            assert_eq!(page.status, 200, "{column}: {}", page.text());
            let page = desk.get(&desk.path(&format!("/connections/{ours}"))).await;
            assert_eq!(page.status, 404, "{column}");
            let refused = world.authorize(&[]).await;
            world.assert_refused(&refused, FailureCode::ConnectionInvalid).await;
            assert_departed(&world, &world.authorize(&[("connection", &other.id)]).await);
            change(&world, ("connections", column), &ours, move |_| before.clone()).await;
        }
        assert!(world.sign_ada_in().await.param("code").is_some(), "nothing was written over");
    }

    async fn upg_04_an_attempt_that_only_a_newer_program_knows_is_absent_alone(world: World) {
        let mut known = Vec::new();
        let changes: [(&str, Newer, FailureCode); 2] = [
            ("status", |_| "paused".to_owned(), FailureCode::StateInvalid),
            ("origin", |_| "kiosk".to_owned(), FailureCode::FlowConsumed),
        ];
        let mut browser = world.browser();
        for (column, newer, code) in changes {
            world.sign_ada_in().await;
            known.push(id(&world.last_session().await));
            let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
            let newest = id(&world.last_session().await);
            change(&world, ("sso_sessions", column), &newest, newer).await;
            assert_page(&browser.get(&callback).await, code);
            let one = world.api("GET", &format!("/sso_sessions/{newest}"), None).await;
            assert_eq!(one.status, 404, "{column}");
        }
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        known.push(id(&world.last_session().await));
        known.reverse();
        assert_eq!(ids(&world, "/sso_sessions").await, known);
        // What time ends ends beside them.
        world.clock.advance_ms(60 * 60 * 1000);
        sweep::time_out(world.app()).await.unwrap();
        assert_eq!(world.last_session().await["status"], "timed_out");
        assert_page(&browser.get(&callback).await, FailureCode::FlowExpired);
    }

    async fn upg_04_what_a_newer_program_remembers_of_a_login_is_not_read(world: World) {
        let environment = world.demo.seeded.environment_id.to_string();
        for newer in ["member", "member of the step", "protocol", "version of the seal"] {
            let mut browser = world.browser();
            let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
            let id = id(&world.last_session().await);
            let mut sealed = memory(&world, &id).await;
            let place = Place {
                table: "sso_sessions",
                row: &id,
                column: "memory",
                environment: &environment,
            };
            let opened = world.app().sealer.open(place, &sealed).unwrap();
            let mut remembered: Value = serde_json::from_slice(&opened).unwrap();
            match newer {
                "member" => remembered["of_the_future"] = json!(true),
                "member of the step" => remembered["step"]["of_the_future"] = json!(true),
                "protocol" => remembered["step"]["protocol"] = json!("of_the_future"),
                _ => {}
            }
            if newer == "version of the seal" {
                sealed[0] += 1;
            } else {
                let text = remembered.to_string();
                sealed = world.app().sealer.seal(place, text.as_bytes()).unwrap();
            }
            remember(&world, &id, sealed).await;
            assert_page(&browser.get(&callback).await, FailureCode::StateInvalid);
            assert_eq!(world.last_failure().await, "state_invalid", "{newer}");
        }
        assert_eq!(world.token_requests(), 0);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn upg_04_a_cookie_of_a_newer_program_is_none(world: World) {
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        make_newer(&world, &mut browser, "login-");
        let code = FailureCode::BrowserBindingFailed;
        assert_page(&browser.get(&callback).await, code);

        let mut desk = world.desk(Role::Admin).await;
        let overview = desk.path("/overview");
        assert_eq!(desk.get(&overview).await.status, 200);
        make_newer(&world, &mut desk.browser, "administrator");
        assert_eq!(desk.get(&overview).await.status, 303, "to the sign-in");

        let mut guest = world.browser();
        guest.keep(&world.url("/"), "vestibule-setup", "v2.a.b");
        assert_eq!(guest.get(&world.url("/setup/home")).await.status, 403);

        // Nobody has agreed by it.
        world.change_environment(json!({ "signin_consent": "always" })).await;
        let mut browser = world.browser();
        let agreed = format!("v2.{}.~", "A".repeat(16));
        browser.keep(&world.url("/"), "vestibule-agreed", &agreed);
        let asked = world.sign_in(&mut browser, &world.authorize_url(&[]), ADA).await;
        assert!(asked.text().contains("name=\"ticket\""), "{}", asked.text());
    }

    async fn upg_04_administrators_and_keys_of_a_newer_program_open_nothing(world: World) {
        let mut auditor = world.desk(Role::Support).await;
        let sql = "SELECT id FROM administrators WHERE role = 'support'";
        let auditor_id = text(&world, sql).await;
        let mut admin = world.desk(Role::Admin).await;
        let to_auditor = |_: &str| "auditor".to_owned();
        change(&world, ("administrators", "role"), &auditor_id, to_auditor).await;
        assert_eq!(auditor.get("/dashboard/account").await.status, 303, "to the sign-in");
        let team = admin.get("/dashboard/team").await;
        assert_eq!(team.status, 200, "{}", team.text());
        assert!(team.text().contains("admin-") && !team.text().contains("support-"));
        // Nor is the installation unclaimed where it has such administrators only.
        let sql = "SELECT id FROM administrators WHERE role = 'admin'";
        let admin_id = text(&world, sql).await;
        change(&world, ("administrators", "role"), &admin_id, to_auditor).await;
        let claim = async |tx: &mut Tx| link::create_first_run(tx).await;
        let claimed = world.app().db.write(&Caller::anonymous(), claim).await.unwrap();
        assert!(claimed.is_none());

        let key = world.must("POST", "/environment/api_keys", json!({ "name": "Newer" })).await;
        change(&world, ("api_keys", "access"), &id(&key), |_| "audit".to_owned()).await;
        let ask = Request::get(&world.url("/environment")).bearer(key["value"].as_str().unwrap());
        assert_eq!(ask.send().await.status, 401);
        assert!(!ids(&world, "/environment/api_keys").await.contains(&id(&key)));
    }

    async fn upg_04_an_environment_that_only_a_newer_program_knows_is_absent_alone(world: World) {
        let other = world.other_environment("https://other.example/cb").await;
        let newer = |_: &str| json!({ "access_tokens": "paseto" }).to_string();
        let environment = other.caller.environment_id.to_string();
        change(&world, ("environments", "settings"), &environment, newer).await;
        let theirs = [("client_id", other.client_id.as_str())];
        assert_page(&world.authorize(&theirs).await, FailureCode::ClientIdInvalid);
        let code = world.code().await;
        let refused = world.redeem(&code, &theirs).await;
        assert_eq!(refused.json()["error"], "invalid_client");
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        let mut desk = world.desk(Role::Admin).await;
        let page = desk.get("/dashboard/environments").await;
        assert_eq!(page.status, 200, "{}", page.text());
        assert!(!page.text().contains(&environment));
        assert_eq!(desk.get(&format!("/dashboard/{environment}/overview")).await.status, 404);
    }

    async fn upg_04_links_endpoints_and_domains_of_a_newer_program_are_absent(world: World) {
        let organization = format!("/organizations/{}", world.demo.seeded.organization_id);
        let body = json!({ "organization": world.demo.seeded.organization_id, "intent": "sso" });
        let made = world.must("POST", "/portal/generate_link", body).await;
        let link_id = text(&world, "SELECT id FROM setup_links").await;
        let newer = |_: &str| json!(["sso", "everything"]).to_string();
        change(&world, ("setup_links", "features"), &link_id, newer).await;
        let link = url::Url::parse(made["link"].as_str().unwrap()).unwrap();
        assert_eq!(world.browser().get(&link).await.status, 403);
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path(&format!("{organization}/setup-links"));
        assert_eq!(desk.get(&list).await.status, 200);

        let body = json!({ "endpoint_url": "https://hooks.example/", "events": ["role.created"] });
        let endpoint = world.must("POST", "/webhook_endpoints", body).await;
        let paused = |_: &str| "paused".to_owned();
        change(&world, ("webhook_endpoints", "status"), &id(&endpoint), paused).await;
        assert!(ids(&world, "/webhook_endpoints").await.is_empty());

        let domain_id = text(&world, "SELECT id FROM organization_domains").await;
        let contested = |_: &str| "contested".to_owned();
        change(&world, ("organization_domains", "state"), &domain_id, contested).await;
        let shown = world.api("GET", &organization, None).await;
        assert_eq!(shown.json()["domains"], json!([]), "{}", shown.text());
    }
}
