//! Webhook endpoints: made, tried, switched off and on, replayed, and kept from others.

use serde_json::json;
use vestibule::base::id::WebhookEndpointId;
use vestibule::base::secret::Secret;
use vestibule::base::time::Timestamp;
use vestibule::db::Tx;
use vestibule::delivery;
use vestibule::model::administrator::Role;
use vestibule::model::webhook_endpoint;

use crate::delivery::receiver::{Mood, Received, Receiver};
use crate::support::pages::Desk;
use crate::support::{World, both_engines};

/// What stands between two texts.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).expect("an end").0
}

/// Adds an endpoint: the path of its page, and its secret.
async fn add(desk: &mut Desk<'_>, url: &str, events: &[&str]) -> (String, String) {
    let (list, new) = (desk.path("/webhooks"), desk.path("/webhooks/new"));
    let mut fields = vec![("endpoint_url", url)];
    fields.extend(events.iter().map(|name| ("events", *name)));
    let created = desk.submit(&new, &list, &fields).await;
    assert_eq!(created.status, 200, "{}", created.text());
    assert!(created.header("cache-control").unwrap().contains("no-store"));
    let page = created.text();
    let id = between(&page, "/webhooks/we_", "/edit");
    (format!("{list}/we_{id}"), secret(&page).to_owned())
}

/// The secret that a page shows.
fn secret(page: &str) -> &str {
    between(page, "id=\"new-secret\">", "<")
}

/// An organization is created.
async fn happen(world: &World, name: &str) {
    let answer = world.api("POST", "/organizations", Some(&json!({ "name": name }))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

async fn deliver(world: &World) {
    delivery::drain(world.app()).await.expect("the database answers");
}

fn is_signed(received: &Received, secret: &str) -> bool {
    let moment = received.signature.split(", ").next().unwrap().trim_start_matches("t=");
    let at = Timestamp::from_ms(moment.parse().unwrap());
    received.signature == delivery::sign(&Secret::new(secret), at, &received.body)
}

/// The endpoint of this page as the API shows it.
async fn stored(world: &World, path: &str) -> serde_json::Value {
    let id = path.rsplit('/').next().unwrap();
    world.api("GET", &format!("/webhook_endpoints/{id}"), None).await.json()
}

both_engines! {
    async fn whk_04_dsh_18_a_secret_is_shown_once_sealed_rotated_and_in_no_audit_trail(world: World) {
        let receiver = Receiver::start().await;
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/webhooks");
        assert!(desk.get(&list).await.text().contains("No webhook endpoints yet"));
        let (path, first) = add(&mut desk, &receiver.url, &["organization.created"]).await;
        assert!(first.starts_with("whsec_") && first.len() > 40);
        let read = async |tx: &mut Tx| {
            tx.fetch_one("SELECT secret_sealed FROM webhook_endpoints", &[])
                .await?
                .next::<Vec<u8>>()
        };
        let sealed = world.app().db.read(&world.caller(), read).await.unwrap();
        assert!(sealed.len() > first.len());
        assert!(!String::from_utf8_lossy(&sealed).contains(&first[6..18]));
        happen(&world, "Signed with the first").await;
        deliver(&world).await;
        let question = format!("{path}/rotate");
        let rotated = desk.submit(&question, &question, &[]).await;
        assert_eq!(rotated.status, 200);
        let page = rotated.text();
        let second = secret(&page);
        assert!(second.starts_with("whsec_") && second != first);
        happen(&world, "Signed with the second").await;
        deliver(&world).await;
        let all = receiver.all();
        assert!(is_signed(&all[0], &first) && !is_signed(&all[0], second));
        assert!(is_signed(&all[1], second) && !is_signed(&all[1], &first));
        let mut admin = world.desk(Role::Admin).await;
        let trail = admin.get("/dashboard/audit").await.text();
        assert!(trail.contains("webhook_endpoint.created"));
        assert!(trail.contains("webhook_endpoint.secret_rotated"));
        for page in [trail, desk.get(&path).await.text(), desk.get(&list).await.text()] {
            assert!(!page.contains(&first) && !page.contains(second));
        }
    }

    async fn whk_01_a_url_that_is_refused_is_kept_with_the_reason_at_its_field(world: World) {
        let receiver = Receiver::start().await;
        let mut desk = world.desk(Role::Developer).await;
        let (list, new) = (desk.path("/webhooks"), desk.path("/webhooks/new"));
        let (path, _) = add(&mut desk, &receiver.url, &["organization.created"]).await;
        let edit = format!("{path}/edit");
        for (url, shown, reason) in [
            ("https://10.0.0.1/", "https://10.0.0.1/", "cannot be used"),
            ("https://169.254.169.254/latest", "https://169.254.169.254/latest", "cannot be used"),
            ("javascript:alert(1)//\"<b>", "javascript:alert(1)//&#34;&#60;b&#62;", "cannot be used"),
            ("nowhere", "nowhere", "is no URL"),
            ("https://app.example/\0", "https://app.example/\0", "is no https URL"),
        ] {
            let fields = [("endpoint_url", url), ("events", "role.created"), ("events", "user.created")];
            for (at, action) in [(&new, &list), (&edit, &edit)] {
                let refused = desk.submit(at, action, &fields).await;
                assert_eq!(refused.status, 422, "{url}");
                let text = refused.text();
                assert!(between(&text, "id=\"error-endpoint_url\"", "</p>").contains(reason), "{url}");
                assert!(text.contains(&format!("value=\"{shown}\"")), "{url}");
                for name in ["role.created", "user.created"] {
                    assert!(text.contains(&format!("value=\"{name}\" checked")), "{url}: {name}");
                }
                assert_eq!(text.matches(" checked").count(), 2, "{url}");
            }
        }
        let url = ("endpoint_url", receiver.url.as_str());
        let twice = desk.submit(&new, &list, &[url, ("events", "role.created")]).await;
        assert_eq!(twice.status, 422);
        let text = twice.text();
        assert!(between(&text, "id=\"error-endpoint_url\"", "</p>").contains("already exists"));
        let wrong: [&[(&str, &str)]; 2] = [&[], &[("events", "moon.rose")]];
        for events in wrong {
            let mut fields = vec![url];
            fields.extend(events);
            let refused = desk.submit(&edit, &edit, &fields).await;
            assert_eq!(refused.status, 422);
            assert!(refused.text().contains("id=\"error-events\""));
        }
        let endpoints = world.api("GET", "/webhook_endpoints", None).await.json();
        assert_eq!(endpoints["data"].as_array().unwrap().len(), 1);
        assert_eq!(endpoints["data"][0]["endpoint_url"], receiver.url);
        assert_eq!(endpoints["data"][0]["events"], json!(["organization.created"]));
    }

    async fn an_endpoint_is_disabled_enabled_changed_and_deleted(world: World) {
        let receiver = Receiver::start().await;
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/webhooks");
        let (path, _) = add(&mut desk, &receiver.url, &["organization.created"]).await;
        let disable = format!("{path}/disable");
        assert_eq!(desk.submit(&disable, &disable, &[]).await.status, 303);
        assert!(desk.get(&list).await.text().contains("Disabled"));
        happen(&world, "Meanwhile").await;
        deliver(&world).await;
        assert!(receiver.all().is_empty());
        assert_eq!(desk.submit(&path, &format!("{path}/enable"), &[]).await.status, 303);
        assert!(desk.get(&list).await.text().contains("Enabled"));
        happen(&world, "Afterwards").await;
        deliver(&world).await;
        assert_eq!(receiver.all().len(), 1);
        assert_eq!(receiver.all()[0].json()["data"]["name"], "Afterwards");

        let edit = format!("{path}/edit");
        assert!(desk.get(&edit).await.text().contains("value=\"organization.created\" checked"));
        let url = format!("{}?changed", receiver.url);
        let fields = [("endpoint_url", url.as_str()), ("events", "role.created")];
        assert_eq!(desk.submit(&edit, &edit, &fields).await.status, 303);
        let now = stored(&world, &path).await;
        assert_eq!((&now["endpoint_url"], &now["events"]), (&json!(url), &json!(["role.created"])));

        let delete = format!("{path}/delete");
        assert!(desk.get(&delete).await.text().contains(&url));
        assert_eq!(desk.submit(&delete, &delete, &[]).await.status, 303);
        assert_eq!(desk.get(&path).await.status, 404);
        assert!(desk.get(&list).await.text().contains("No webhook endpoints yet"));
    }

    async fn an_endpoint_that_the_service_disabled_says_why(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let (path, _) = add(&mut desk, "https://app.example.com/", &["role.created"]).await;
        let id = WebhookEndpointId::parse(path.rsplit('/').next().unwrap()).unwrap();
        let give_up = async move |tx: &mut Tx| {
            webhook_endpoint::disable(tx, &id, "Nothing <b>arrived.").await
        };
        world.app().db.write(&world.caller(), give_up).await.unwrap();
        let page = desk.get(&path).await.text();
        assert!(page.contains("Vestibule disabled it: Nothing &#60;b&#62;arrived."));
        assert!(page.contains(&format!("action=\"{path}/enable\"")));
    }

    async fn deliveries_are_shown_tried_and_made_again(world: World) {
        let receiver = Receiver::start().await;
        let mut desk = world.desk(Role::Developer).await;
        let began = world.clock.now().to_string();
        let (path, secret) = add(&mut desk, &receiver.url, &["organization.created"]).await;
        receiver.is(Mood::Broken);
        happen(&world, "It").await;
        deliver(&world).await;
        let page = desk.get(&path).await.text();
        assert!(page.contains("To be repeated"));
        assert!(page.contains("The endpoint answered 500 instead of 2xx."));
        let event = format!("{}/{}", desk.path("/events"), receiver.all()[0].id());
        assert!(page.contains(&format!("href=\"{event}\"")));
        assert_eq!(desk.get(&event).await.status, 200);
        let list = desk.get(&desk.path("/webhooks")).await.text();
        assert!(list.contains("Failing") && list.contains("To be repeated"));

        let test = format!("{path}/test");
        let tried = desk.submit(&path, &test, &[]).await;
        assert_eq!(tried.status, 200);
        let text = tried.text();
        assert!(text.contains("The test event was not delivered") && text.contains("out of coffee"));
        receiver.is(Mood::Fine);
        let tried = desk.submit(&path, &test, &[]).await.text();
        assert!(tried.contains("The test event was delivered") && !tried.contains("out of coffee"));
        assert_eq!(receiver.names()[1..], ["webhook_endpoint.test", "webhook_endpoint.test"]);
        assert!(receiver.all().iter().all(|received| is_signed(received, &secret)));

        happen(&world, "The next").await;
        assert!(desk.get(&path).await.text().contains("<dd>1 event</dd>"));
        deliver(&world).await;
        assert!(desk.get(&path).await.text().contains("<dd>up to date</dd>"));
        let replay = format!("{path}/replay");
        let start = ("range_start", began.trim_end_matches('Z'));
        let wrong: [(&[(&str, &str)], &str); 3] = [
            (&[("range_start", "soon")], "range_start"),
            (&[start, ("range_end", "late")], "range_end"),
            (&[start, ("range_end", "2001-01-01T00:00")], "range_end"),
        ];
        for (fields, field) in wrong {
            let refused = desk.submit(&path, &replay, fields).await;
            assert_eq!(refused.status, 422, "{field}");
            let text = refused.text();
            assert!(text.contains(&format!("id=\"error-{field}\"")), "{field}");
            assert!(text.contains(&format!("value=\"{}\"", fields[0].1)), "{field}");
        }
        let long_ago = [("range_start", "2001-01-01T00:00"), ("range_end", "2001-01-02T00:00")];
        let nothing = desk.submit(&path, &replay, &long_ago).await;
        assert!(nothing.location().ends_with("notice=replay-nothing"), "{}", nothing.text());
        let begun = desk.submit(&path, &replay, &[start]).await;
        assert!(begun.location().ends_with("notice=replay"), "{}", begun.text());
        let again = desk.submit(&path, &replay, &[start]).await;
        assert_eq!(again.status, 422);
        assert!(again.text().contains("A replay is running already."));
        deliver(&world).await;
        let mut names: Vec<String> = receiver.all()[4..]
            .iter()
            .map(|it| it.json()["data"]["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["It", "The next"]);
    }

    async fn ten_01_endpoints_of_another_environment_are_not_there(world: World) {
        let receiver = Receiver::start().await;
        let mut desk = world.desk(Role::Developer).await;
        let (path, _) = add(&mut desk, &receiver.url, &["organization.created"]).await;
        let before = stored(&world, &path).await;
        let fields = [("name", "Second"), ("kind", "production")];
        let environments = "/dashboard/environments";
        let location = desk.submit(environments, environments, &fields).await.location();
        let other = format!("/dashboard/{}/webhooks", between(&location, "/dashboard/", "/"));
        assert!(desk.get(&other).await.text().contains("No webhook endpoints yet"));
        let theirs = format!("{other}/{}", path.rsplit('/').next().unwrap());
        for below in ["", "/edit", "/disable", "/rotate", "/delete"] {
            assert_eq!(desk.get(&format!("{theirs}{below}")).await.status, 404, "{below}");
        }
        let new = format!("{other}/new");
        let fields = [
            ("endpoint_url", "https://app.example.com/"), ("events", "role.created"),
            ("range_start", "2026-01-01T00:00"),
        ];
        for below in ["edit", "enable", "disable", "rotate", "delete", "test", "replay"] {
            let answer = desk.submit(&new, &format!("{theirs}/{below}"), &fields).await;
            assert_eq!(answer.status, 404, "{below}");
        }
        assert_eq!(stored(&world, &path).await, before);
        assert!(receiver.all().is_empty());
    }

    async fn dsh_14_support_sees_endpoints_and_changes_nothing(world: World) {
        let receiver = Receiver::start().await;
        let mut developer = world.desk(Role::Developer).await;
        let (path, _) = add(&mut developer, &receiver.url, &["organization.created"]).await;
        let before = stored(&world, &path).await;
        let mut desk = world.desk(Role::Support).await;
        let list = desk.path("/webhooks");
        for page in [&list, &path] {
            let page = desk.get(page).await;
            assert_eq!(page.status, 200);
            let text = page.text();
            let (_, main) = text.split_once("<main").unwrap();
            assert!(main.contains(&receiver.url) && !main.contains("<form"));
            for below in ["new", "edit", "disable", "rotate", "delete"] {
                assert!(!main.contains(&format!("/{below}\"")), "{below}");
            }
        }
        let fields = [("endpoint_url", "https://app.example.com/"), ("events", "role.created")];
        assert_eq!(desk.submit(&list, &list, &fields).await.status, 403);
        for below in ["edit", "enable", "disable", "rotate", "delete", "test", "replay"] {
            let answer = desk.submit(&list, &format!("{path}/{below}"), &fields).await;
            assert_eq!(answer.status, 403, "{below}");
        }
        assert_eq!(stored(&world, &path).await, before);
        assert!(receiver.all().is_empty());
    }
}
