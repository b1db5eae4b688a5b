//! The verification of domains, with a DNS server of the test's own.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::op::ResponseCode;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use vestibule::domains;
use vestibule::model::organization_domain::PERIOD_MS;

use super::world::World;
use crate::support::both_engines;
use crate::support::dns::{DnsServer, Entry, text};

const MINUTE_MS: i64 = 60_000;

/// Adds the domain to a new organization.
async fn add(world: &World, domain: &str) -> Value {
    let organization = world.post("/organizations", json!({ "name": "Acme" })).await.expect(201);
    add_to(world, &organization["id"], domain).await
}

async fn add_to(world: &World, organization_id: &Value, domain: &str) -> Value {
    let body = json!({ "domain": domain, "organization_id": organization_id });
    world.post("/organization_domains", body).await.expect(201)
}

/// The text of the TXT record that proves it.
fn proof(domain: &Value) -> String {
    let part = |name: &str| domain[name].as_str().unwrap().to_owned();
    format!("{}={}", part("verification_prefix"), part("verification_token"))
}

fn path(domain: &Value) -> String {
    format!("/organization_domains/{}", domain["id"].as_str().unwrap())
}

async fn verify(world: &World, domain: &Value) -> super::world::Answer {
    world.post(&format!("{}/verify", path(domain)), json!({})).await
}

async fn state(world: &World, domain: &Value) -> Value {
    world.get(&path(domain)).await.expect(200)["state"].clone()
}

/// The newest event of this name.
async fn event(world: &World, name: &str) -> Value {
    let events = world.get(&format!("/events?events={name}&order=desc")).await.expect(200);
    events["data"][0].clone()
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

both_engines! {
    async fn the_record_verifies_a_domain_at_once(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let domain = add(&world, "acme.com").await;
        let proof = proof(&domain);
        let (begin, end) = proof.split_at(20);
        let others = [strings(&["v=spf1 -all"]), strings(&[begin, end]), vec!["x".repeat(255); 3]];
        for entry in [Entry::Texts(others.to_vec()), Entry::OnlyOverTcp(others.to_vec())] {
            let domain = add(&world, "acme.com").await;
            dns.set("acme.com", Entry::Code(ResponseCode::ServFail));
            verify(&world, &domain).await.expect(201);
            dns.set("acme.com", entry);
            // Another organization's proof is no proof.
            let answer = verify(&world, &domain).await.expect(201);
            assert_eq!(answer["verification_check"]["result"], "other_proof");
        }
        let answer = verify(&world, &domain).await.expect(201);
        assert_eq!(answer["state"], "verified");
        assert_eq!(answer["verification_strategy"], "dns");
        assert_eq!(answer["verification_check"]["result"], "proof");
        assert_eq!(state(&world, &domain).await, "verified");
        let event = event(&world, "organization_domain.verified").await;
        assert_eq!(event["data"]["id"], domain["id"]);
        assert_eq!(event["data"]["state"], "verified");
        let answer = verify(&world, &domain).await.expect(400);
        assert_eq!(answer["code"], "domain_already_verified");
    }

    async fn what_stands_there_instead_of_the_record_is_told(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let domain = add(&world, "acme.com").await;
        let proof = proof(&domain);
        let wrong = format!("{}=wrong\u{7}", domain["verification_prefix"].as_str().unwrap());
        for (entry, result, message) in [
            (Entry::Code(ResponseCode::NXDomain), "no_name", "DNS knows no name acme.com."),
            (Entry::Texts(vec![]), "no_text", "There is no TXT record at acme.com."),
            (text("v=spf1 -all"), "other_texts", "“v=spf1 -all”"),
            (text(&wrong), "other_proof", "with another value"),
            (text(&"y".repeat(250)), "other_texts", "…"),
            (Entry::Alias("evil.com".to_owned(), proof), "alias", "an alias (CNAME) of evil.com"),
            (Entry::Code(ResponseCode::ServFail), "no_answer", "DNS gave no answer"),
            (Entry::Code(ResponseCode::Refused), "no_answer", "DNS gave no answer"),
            (Entry::Silence, "no_answer", "in time"),
        ] {
            dns.set("acme.com", entry);
            let answer = verify(&world, &domain).await.expect(201);
            let check = &answer["verification_check"];
            assert_eq!(check["result"], result, "{check}");
            let told = check["message"].as_str().unwrap();
            assert!(told.contains(message) && told.len() < 300, "{told}");
            assert!(!told.contains('\u{7}'), "{told}");
            assert_eq!(answer["state"], "pending", "{result}");
        }
    }

    async fn nobody_listening_at_the_resolver_leaves_a_domain_pending(world: World) {
        let domain = add(&world, "acme.com").await;
        let answer = verify(&world, &domain).await.expect(201);
        assert_eq!(answer["verification_check"]["result"], "no_answer");
        assert_eq!(answer["state"], "pending");
    }

    async fn ten_07_of_two_that_prove_one_domain_at_once_one_wins(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let both = [add(&world, "acme.com").await, add(&world, "acme.com").await];
        let gate = Arc::new(Semaphore::new(0));
        let texts = both.iter().map(|domain| vec![proof(domain)]).collect();
        dns.set("acme.com", Entry::Slow(Arc::clone(&gate), texts));
        let opened = async {
            while dns.asked() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            gate.add_permits(2);
        };
        let (a, b, ()) = tokio::join!(verify(&world, &both[0]), verify(&world, &both[1]), opened);
        let (won, lost) = if a.status == 201 { (0, 1) } else { (1, 0) };
        let refused = if won == 0 { b } else { a }.expect(409);
        assert_eq!(refused["code"], "domain_already_exists");
        assert_eq!(state(&world, &both[won]).await, "verified");
        assert_eq!(state(&world, &both[lost]).await, "failed");
        let failed = event(&world, "organization_domain.verification_failed").await;
        assert_eq!(failed["data"]["reason"], "domain_verified_by_other_organization");
        assert_eq!(failed["data"]["organization_domain"]["id"], both[lost]["id"]);
        assert_eq!(failed["data"]["organization_domain"]["state"], "failed");
    }

    async fn ten_07_a_domain_that_was_replaced_while_dns_was_asked_is_not_verified(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let first = add(&world, "acme.com").await;
        let gate = Arc::new(Semaphore::new(0));
        dns.set("acme.com", Entry::Slow(Arc::clone(&gate), vec![vec![proof(&first)]]));
        let replace = async {
            while dns.asked() < 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            world.delete(&path(&first)).await.expect(204);
            let second = add_to(&world, &first["organization_id"], "acme.com").await;
            gate.add_permits(100);
            second
        };
        let (answer, second) = tokio::join!(verify(&world, &first), replace);
        answer.expect(404);
        let answer = verify(&world, &second).await.expect(201);
        assert_eq!(answer["verification_check"]["result"], "other_proof");
        assert_eq!(answer["state"], "pending");
    }

    async fn the_record_is_looked_for_in_the_background_with_growing_pauses(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let domain = add(&world, "acme.com").await;
        let mut looked_at = Vec::new();
        for minute in 0..32 {
            if domains::sweep(&world.app).await.unwrap() == 1 {
                looked_at.push(minute);
            }
            world.clock.advance_ms(MINUTE_MS);
        }
        assert_eq!(looked_at, [0, 1, 3, 7, 15, 31]);
        assert_eq!(dns.asked(), 6);
        dns.set("acme.com", text(&proof(&domain)));
        world.clock.advance_ms(240 * MINUTE_MS);
        assert_eq!(domains::sweep(&world.app).await.unwrap(), 1);
        assert_eq!(state(&world, &domain).await, "verified");
        let event = event(&world, "organization_domain.verified").await;
        assert_eq!(event["context"]["actor"]["source"], "system");
        world.clock.advance_ms(240 * MINUTE_MS);
        assert_eq!(domains::sweep(&world.app).await.unwrap(), 0);
    }

    async fn of_several_nodes_one_looks_for_a_record(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        for n in 0..5 {
            add(&world, &format!("acme{n}.com")).await;
        }
        let sweep = || async { domains::sweep(&world.app).await.unwrap() };
        let (a, b, c) = tokio::join!(sweep(), sweep(), sweep());
        assert_eq!((a + b + c, dns.asked()), (5, 5));
    }

    async fn a_domain_without_its_record_fails_after_30_days_and_can_begin_again(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let domain = add(&world, "acme.com").await;
        world.clock.advance_ms(PERIOD_MS - MINUTE_MS);
        domains::sweep(&world.app).await.unwrap();
        assert_eq!(state(&world, &domain).await, "pending");
        world.clock.advance_ms(2 * MINUTE_MS);
        domains::sweep(&world.app).await.unwrap();
        assert_eq!(state(&world, &domain).await, "failed");
        let failed = event(&world, "organization_domain.verification_failed").await;
        assert_eq!(failed["data"]["reason"], "domain_verification_period_expired");
        assert_eq!(failed["data"]["organization_domain"]["domain"], "acme.com");
        // A record that comes now is not looked for by itself, and verifies once it is asked for.
        dns.set("acme.com", text("too late"));
        world.clock.advance_ms(PERIOD_MS);
        assert_eq!(domains::sweep(&world.app).await.unwrap(), 0);
        assert_eq!(verify(&world, &domain).await.expect(201)["state"], "pending");
        world.clock.advance_ms(PERIOD_MS - MINUTE_MS);
        dns.set("acme.com", text(&proof(&domain)));
        domains::sweep(&world.app).await.unwrap();
        assert_eq!(state(&world, &domain).await, "verified");
    }

    async fn a_record_that_comes_on_the_last_day_counts(world: World) {
        let dns = DnsServer::start().await;
        let world = world.asking(&dns);
        let domain = add(&world, "acme.com").await;
        dns.set("acme.com", text(&proof(&domain)));
        world.clock.advance_ms(PERIOD_MS + MINUTE_MS);
        domains::sweep(&world.app).await.unwrap();
        assert_eq!(state(&world, &domain).await, "verified");
    }
}
