//! Webhooks: to a real endpoint on loopback, by the real client.

pub mod receiver;
mod wire;

use serde_json::{Value, json};
use vestibule::base::Caller;
use vestibule::base::secret::Secret;
use vestibule::base::time::Timestamp;
use vestibule::db::Tx;
use vestibule::delivery;
use vestibule::model::webhook_endpoint;

use crate::support::{World, both_engines};
use receiver::{Mood, Received, Receiver};

const HOUR_MS: i64 = 60 * 60 * 1000;

impl World {
    /// An endpoint for these events at the receiver.
    async fn endpoint(&self, receiver: &Receiver, events: &[&str]) -> Value {
        let body = json!({ "endpoint_url": receiver.url, "events": events });
        let answer = self.api("POST", "/webhook_endpoints", Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// Something happens.
    async fn happen(&self, name: &str) {
        let body = json!({ "name": name });
        let answer = self.api("POST", "/organizations", Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    async fn deliver(&self) {
        delivery::drain(self.app()).await.expect("the database answers");
    }

    /// Delivers, and then what is due after this time as well.
    async fn deliver_after(&self, ms: i64) {
        self.clock.advance_ms(ms);
        self.deliver().await;
    }

    async fn deliveries(&self, endpoint: &Value) -> Vec<Value> {
        let path = format!("/webhook_endpoints/{}/deliveries?limit=100", id(endpoint));
        self.api("GET", &path, None).await.json()["data"].as_array().unwrap().clone()
    }
}

fn name(delivery: &Value) -> String {
    delivery["data"]["name"].as_str().unwrap_or_default().to_owned()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

/// The moment of a signature, in milliseconds, after it was verified.
fn signed_at(received: &Received, endpoint: &Value) -> i64 {
    let moment = received.signature.split(", ").next().unwrap().trim_start_matches("t=");
    let at = Timestamp::from_ms(moment.parse().unwrap());
    let secret = Secret::new(endpoint["secret"].as_str().unwrap());
    assert_eq!(received.signature, delivery::sign(&secret, at, &received.body));
    at.as_ms()
}

both_engines! {
    async fn whk_02_08_what_happened_arrives_signed_and_without_secrets(world: World) {
        let receiver = Receiver::start().await;
        let names = ["organization.created", "authentication.sso_succeeded"];
        let endpoint = world.endpoint(&receiver, &names).await;
        assert!(endpoint["secret"].as_str().unwrap().starts_with("whsec_"));
        world.happen("Before the login").await;
        let code = world.code().await;
        let token = world.redeem(&code, &[]).await.json();
        world.deliver().await;
        assert_eq!(receiver.names(), names);
        let events = world.api("GET", "/events?events=organization.created&limit=1", None).await;
        assert_eq!(receiver.all()[0].json(), events.json()["data"][0], "as the API lists it");
        for received in receiver.all() {
            signed_at(&received, &endpoint);
            let text = String::from_utf8(received.body.to_vec()).unwrap();
            for secret in [
                code.as_str(),
                token["access_token"].as_str().unwrap(),
                world.demo.seeded.api_key.expose(),
                world.demo.credentials.client_secret.expose(),
                endpoint["secret"].as_str().unwrap(),
            ] {
                assert!(!text.contains(secret));
            }
        }
        let states: Vec<Value> =
            world.deliveries(&endpoint).await.iter().map(|it| it["state"].clone()).collect();
        assert_eq!(states, ["delivered", "delivered"]);
    }

    async fn whk_03_05_six_attempts_are_made_in_three_days_each_signed_afresh(world: World) {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Broken);
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        let began = world.clock.now();
        world.happen("Lost").await;
        world.deliver().await;
        let first = world.deliveries(&endpoint).await.remove(0);
        assert_eq!((&first["state"], &first["response_status"]), (&json!("pending"), &json!(500)));
        while receiver.all().len() < 6 {
            world.deliver_after(HOUR_MS).await;
            assert!(world.clock.now() < began.plus_ms(80 * HOUR_MS), "in three days");
        }
        world.deliver_after(100 * HOUR_MS).await;
        let all = receiver.all();
        assert_eq!(all.len(), 6);
        let moments: Vec<i64> = all.iter().map(|it| signed_at(it, &endpoint)).collect();
        assert!(moments.is_sorted_by(|a, b| a < b));
        assert!(all.iter().all(|it| it.id() == all[0].id() && it.body == all[0].body));
        let last = world.deliveries(&endpoint).await.remove(0);
        assert_eq!((&last["state"], &last["attempts"]), (&json!("failed"), &json!(6)));
    }

    async fn whk_05_redirects_and_endless_answers_are_failures(world: World) {
        let receiver = Receiver::start().await;
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        for (mood, problem) in [
            (Mood::Redirecting, "The endpoint answered 302 instead of 2xx."),
            (Mood::Talkative, "No answer: the answer is too large."),
        ] {
            receiver.is(mood);
            world.happen("It").await;
            world.deliver().await;
            let newest = world.deliveries(&endpoint).await.remove(0);
            assert_eq!(newest["problem"], problem);
        }
        assert_eq!(receiver.all().len(), 2, "no redirect was followed");
    }

    async fn whk_06_an_endpoint_that_is_dead_delays_no_other_and_gets_all_later(world: World) {
        let (dead, fine) = (Receiver::start().await, Receiver::start().await);
        dead.is(Mood::Broken);
        let endpoint = world.endpoint(&dead, &["organization.created"]).await;
        world.endpoint(&fine, &["organization.created"]).await;
        for n in 0..60 {
            world.happen(&format!("Number {n}")).await;
        }
        world.deliver().await;
        assert_eq!(fine.all().len(), 60);
        for _ in 0..10 {
            world.deliver_after(HOUR_MS).await;
        }
        let tried = dead.all().len();
        assert!(tried < 60 * 6, "it is left alone: {tried} attempts");
        dead.is(Mood::Fine);
        for _ in 0..80 {
            world.deliver_after(HOUR_MS).await;
        }
        let deliveries = world.deliveries(&endpoint).await;
        assert_eq!(deliveries.len(), 60);
        assert!(deliveries.iter().all(|it| it["state"] == "delivered"));
    }

    async fn whk_07_what_was_sent_and_not_stored_is_sent_again_with_the_same_id(world: World) {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Silent);
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        world.happen("Twice").await;
        let node = tokio::spawn({
            let app = world.app().clone();
            async move { delivery::drain(&app).await }
        });
        while receiver.all().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // The node dies after it has sent and before it has stored that.
        node.abort();
        receiver.is(Mood::Fine);
        world.deliver().await;
        assert_eq!(receiver.all().len(), 1, "its lease still holds");
        world.deliver_after(2 * 60 * 1000).await;
        let all = receiver.all();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].id(), all[1].id());
        assert_eq!(world.deliveries(&endpoint).await.len(), 1);
    }

    async fn whk_09_a_receiver_without_tls_gets_nothing_over_https(world: World) {
        let receiver = Receiver::start().await;
        let url = receiver.url.replace("http://", "https://");
        let body = json!({ "endpoint_url": url, "events": ["organization.created"] });
        let endpoint = world.api("POST", "/webhook_endpoints", Some(&body)).await.json();
        world.happen("It").await;
        world.deliver().await;
        assert!(receiver.all().is_empty());
        let problem = world.deliveries(&endpoint).await.remove(0)["problem"].to_string();
        assert!(problem.contains("No answer: TLS failed"), "{problem}");
    }

    async fn whk_01_addresses_that_are_nobodys_business_are_refused(world: World) {
        for url in ["http://10.0.0.1/", "https://10.0.0.1/", "https://[::1]/", "ftp://x.example/",
            "https://u:p@x.example/", "https://169.254.169.254/latest", "not a url",
            "https://x.example/\u{7f}", "https://x.example/\r\nx: y"] {
            let body = json!({ "endpoint_url": url, "events": ["organization.created"] });
            let answer = world.api("POST", "/webhook_endpoints", Some(&body)).await;
            assert_eq!(answer.status, 422, "{url}");
            assert_eq!(answer.json()["code"], "invalid_url", "{url}");
        }
        let receiver = Receiver::start().await;
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        let path = format!("/webhook_endpoints/{}", id(&endpoint));
        let change = json!({ "endpoint_url": "https://10.0.0.1/" });
        assert_eq!(world.api("PATCH", &path, Some(&change)).await.status, 422);
    }

    async fn whk_04_a_new_secret_signs_from_the_next_attempt_on(world: World) {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Broken);
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        world.happen("It").await;
        world.deliver().await;
        let path = format!("/webhook_endpoints/{}/rotate_secret", id(&endpoint));
        let rotated = world.api("POST", &path, None).await.json();
        assert_ne!(rotated["secret"], endpoint["secret"]);
        world.deliver_after(HOUR_MS).await;
        signed_at(&receiver.all()[0], &endpoint);
        signed_at(&receiver.all()[1], &rotated);
    }

    async fn whk_11_what_waits_for_a_deleted_or_disabled_endpoint_is_dropped(world: World) {
        let receiver = Receiver::start().await;
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        let path = format!("/webhook_endpoints/{}", id(&endpoint));
        let status = |status: &str| json!({ "status": status });
        world.api("PATCH", &path, Some(&status("disabled"))).await;
        world.happen("While it was disabled").await;
        world.deliver().await;
        world.api("PATCH", &path, Some(&status("enabled"))).await;
        world.happen("Afterwards").await;
        world.deliver().await;
        assert_eq!(receiver.all().len(), 1);
        assert_eq!(receiver.all()[0].json()["data"]["name"], "Afterwards");
        world.happen("Never").await;
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        world.deliver().await;
        assert_eq!(receiver.all().len(), 1);
        assert_eq!(world.api("GET", &path, None).await.status, 404);
    }

    async fn an_endpoint_at_which_nothing_arrives_for_days_is_disabled_and_an_event_says_so(
        world: World
    ) {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Broken);
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        for n in 0..80 {
            world.happen(&format!("Number {n}")).await;
            world.deliver_after(HOUR_MS).await;
        }
        let path = format!("/webhook_endpoints/{}", id(&endpoint));
        let now = world.api("GET", &path, None).await.json();
        assert_eq!(now["status"], "disabled");
        assert_eq!(now["disabled_reason"], "Nothing arrived for three days.");
        let events = world.api("GET", "/events?events=webhook_endpoint.disabled", None).await.json();
        assert_eq!(events["data"].as_array().unwrap().len(), 1);
        assert_eq!(events["data"][0]["data"]["id"], endpoint["id"]);
        assert!(events["data"][0]["data"].get("secret").is_none());
        // Somebody mends it: what it missed arrives, also what was never tried.
        world.happen("While it was disabled").await;
        receiver.is(Mood::Fine);
        world.api("PATCH", &path, Some(&json!({ "status": "enabled" }))).await;
        world.deliver().await;
        let names: Vec<String> = receiver.all().iter().map(|it| name(&it.json())).collect();
        for n in 60..80 {
            assert!(names.contains(&format!("Number {n}")), "{n} of {names:?}");
        }
        assert!(names.contains(&"While it was disabled".to_owned()));
    }

    async fn whk_06_of_one_environment_only_so_many_are_due_and_whoever_waited_longest_is_first(
        world: World
    ) {
        let mut ours = Vec::new();
        for n in 0..12 {
            let receiver = Receiver::start().await;
            ours.push(world.endpoint(&receiver, &["organization.created"]).await);
            assert_eq!(ours.len(), n + 1);
        }
        world.happen("It").await;
        let due = async || {
            let find = async |tx: &mut _| webhook_endpoint::find_due(tx, (8, 64)).await;
            world.app().db.read(&Caller::anonymous(), find).await.unwrap()
        };
        let first = due().await;
        assert_eq!(first.len(), 8, "of one environment");
        // Those eight have a turn.
        for one in &first {
            let (id, until) = (one.id.clone(), world.clock.now().plus_ms(HOUR_MS));
            let turn = async move |tx: &mut Tx| {
                webhook_endpoint::lease(tx, &id, (b"a lease", until)).await?;
                webhook_endpoint::release(tx, &id, b"a lease").await
            };
            let caller = Caller::system(one.environment_id.clone());
            world.app().db.write(&caller, turn).await.unwrap();
        }
        let second = due().await;
        assert_eq!(second.len(), 8);
        let had_one = |due: &&webhook_endpoint::Due| first.iter().any(|it| it.id == due.id);
        assert_eq!(second[..4].iter().filter(had_one).count(), 0, "the others are first");
    }

    async fn what_happened_in_a_range_of_time_is_delivered_again(world: World) {
        let receiver = Receiver::start().await;
        world.happen("Long ago").await;
        world.clock.advance_ms(HOUR_MS);
        let from = world.clock.now();
        world.happen("In the range").await;
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        world.happen("After it was created").await;
        world.deliver().await;
        assert_eq!(receiver.all().len(), 1);
        let path = format!("/webhook_endpoints/{}/replay", id(&endpoint));
        let range = json!({ "range_start": from });
        assert_eq!(world.api("POST", &path, Some(&range)).await.status, 202);
        assert_eq!(world.api("POST", &path, Some(&range)).await.status, 409, "one at a time");
        world.deliver().await;
        let names: Vec<Value> =
            receiver.all().iter().map(|it| it.json()["data"]["name"].clone()).collect();
        assert_eq!(names, ["After it was created", "In the range", "After it was created"]);
        assert_eq!(world.api("POST", &path, Some(&range)).await.status, 202, "and then again");
        let backwards = json!({ "range_start": from, "range_end": from });
        let refused = world.api("POST", &path, Some(&backwards)).await;
        assert_eq!((refused.status.as_u16(), refused.json()["code"].clone()), (422, json!("invalid_range")));
    }

    async fn a_test_event_says_what_came_back(world: World) {
        let receiver = Receiver::start().await;
        let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
        let path = format!("/webhook_endpoints/{}/test", id(&endpoint));
        receiver.is(Mood::Broken);
        let tried = world.api("POST", &path, None).await.json();
        assert_eq!(tried["delivered"], false);
        assert_eq!(tried["response_status"], 500);
        assert_eq!(tried["response_body"], "out of coffee");
        receiver.is(Mood::Fine);
        assert_eq!(world.api("POST", &path, None).await.json()["delivered"], true);
        assert_eq!(receiver.names(), ["webhook_endpoint.test", "webhook_endpoint.test"]);
        signed_at(&receiver.all()[0], &endpoint);
        assert!(world.deliveries(&endpoint).await.is_empty());
    }

    async fn of_several_nodes_one_sends_each_event(world: World) {
        let receiver = Receiver::start().await;
        world.endpoint(&receiver, &["organization.created"]).await;
        for n in 0..100 {
            world.happen(&format!("Number {n}")).await;
        }
        let nodes: Vec<_> = (0..4)
            .map(|_| {
                let app = world.app().clone();
                tokio::spawn(async move { delivery::drain(&app).await })
            })
            .collect();
        for node in nodes {
            node.await.unwrap().unwrap();
        }
        let mut ids: Vec<String> = receiver.all().iter().map(Received::id).collect();
        assert_eq!(ids.len(), 100);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    }

    async fn rules_for_endpoints_are_those_of_workos(world: World) {
        let receiver = Receiver::start().await;
        world.endpoint(&receiver, &["organization.created"]).await;
        let post = async |body: Value| world.api("POST", "/webhook_endpoints", Some(&body)).await;
        let again = post(json!({ "endpoint_url": receiver.url, "events": ["role.created"] })).await;
        assert_eq!((again.status.as_u16(), again.json()["code"].clone()), (409, json!("duplicate_endpoint")));
        let none = post(json!({ "endpoint_url": "https://x.example/", "events": [] })).await;
        assert_eq!((none.status.as_u16(), none.json()["errors"][0]["field"].clone()), (422, json!("events")));
        let unknown = post(json!({ "endpoint_url": "https://x.example/", "events": ["moon.rose"] })).await;
        assert_eq!((unknown.status.as_u16(), unknown.json()["code"].clone()), (422, json!("unknown_event_type")));
    }
}

/// The deadline is ten seconds of real time, so this runs once.
#[tokio::test]
async fn whk_05_a_receiver_that_says_nothing_is_given_ten_seconds() {
    use crate::support::{Fixture, TestDb};
    let world = World::on(TestDb::sqlite()).await;
    let receiver = Receiver::start().await;
    receiver.is(Mood::Silent);
    let endpoint = world.endpoint(&receiver, &["organization.created"]).await;
    world.happen("It").await;
    let began = std::time::Instant::now();
    world.deliver().await;
    assert!(began.elapsed() >= std::time::Duration::from_secs(9));
    let problem = world.deliveries(&endpoint).await.remove(0)["problem"].clone();
    assert_eq!(problem, "No answer: timed out.");
}
