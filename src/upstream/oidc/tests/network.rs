//! Caches and throttles: how often a provider is asked, and what happens when it is down.

use serde_json::json;

use super::idp::{Idp, Reply, World};
use super::keys::{self, Key};
use crate::base::failure::FailureCode::{self, *};
use crate::config;
use crate::outbound::Outbound;
use crate::upstream::Upstream;
use crate::upstream::oidc::Memory;
use crate::upstream::oidc::algorithm::Algorithm;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";
const HOUR_MS: i64 = 60 * 60 * 1000;

fn publish(idp: &Idp, published: &[(&Key, &str)]) {
    let jwks: Vec<_> = published.iter().map(|(key, kid)| key.jwk(json!({"kid": kid}))).collect();
    idp.on("/keys", Reply::text("application/json", keys::set(&jwks)));
}

async fn login_by(world: &mut World, key: &Key, kid: &str) -> Result<(), FailureCode> {
    let memory = world.memory().await;
    login_with(world, &memory, key, kid).await
}

async fn login_with(
    world: &mut World,
    memory: &Memory,
    key: &Key,
    kid: &str,
) -> Result<(), FailureCode> {
    let header = format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#);
    let claims = world.claims(memory).to_string();
    let token = key.token(Algorithm::Rs256, header.as_bytes(), claims.as_bytes());
    world.login_with(memory, &token).await.map(drop)
}

fn fetches(world: &World, path: &str) -> usize {
    world.idp.seen(path).len()
}

/// Waits until a background refresh has reached the provider.
async fn until_fetched(world: &World, path: &str, times: usize) {
    for _ in 0..200 {
        if fetches(world, path) >= times {
            // Its answer has still to be stored.
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{path} was not fetched {times} times");
}

#[tokio::test]
async fn metadata_and_keys_are_fetched_once_for_many_logins() {
    let mut world = World::new().await;
    for _ in 0..3 {
        login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    }
    assert_eq!((fetches(&world, WELL_KNOWN), fetches(&world, "/keys")), (1, 1));
    world.upstream.forget("conn_2");
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    assert_eq!((fetches(&world, WELL_KNOWN), fetches(&world, "/keys")), (1, 1));
    world.upstream.forget("conn_1");
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    assert_eq!((fetches(&world, WELL_KNOWN), fetches(&world, "/keys")), (2, 2));
}

#[tokio::test]
async fn jwk_01_02_a_rotated_key_costs_one_fetch_and_the_old_one_is_gone() {
    let mut world = World::new().await;
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    publish(&world.idp, &[(keys::other_rsa(), "k2")]);
    login_by(&mut world, keys::other_rsa(), "k2").await.unwrap();
    assert_eq!(fetches(&world, "/keys"), 2);
    assert_eq!(login_by(&mut world, keys::rsa(), "k1").await, Err(IdTokenKid));
}

#[tokio::test]
async fn jwk_02_a_key_replaced_under_the_same_kid_is_found() {
    let mut world = World::new().await;
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    publish(&world.idp, &[(keys::other_rsa(), "k1")]);
    login_by(&mut world, keys::other_rsa(), "k1").await.unwrap();
    assert_eq!(fetches(&world, "/keys"), 2);
    assert_eq!(login_by(&mut world, keys::rsa(), "k1").await, Err(IdTokenSig));
}

#[tokio::test]
async fn jwk_09_random_kids_are_throttled_and_real_logins_go_on() {
    let mut world = World::new().await;
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    let mut codes = Vec::new();
    for i in 0..30 {
        codes.push(login_by(&mut world, keys::rsa(), &format!("random{i}")).await.unwrap_err());
    }
    assert_eq!(codes[..5], [IdTokenKid; 5]);
    assert!(codes[5..].iter().all(|code| *code == JwksThrottled), "{codes:?}");
    assert_eq!(fetches(&world, "/keys"), 6);
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    // Ten seconds bring one fetch more, not two.
    world.clock.advance_ms(10_000);
    assert_eq!(login_by(&mut world, keys::rsa(), "x").await, Err(IdTokenKid));
    assert_eq!(login_by(&mut world, keys::rsa(), "y").await, Err(JwksThrottled));
    assert_eq!(fetches(&world, "/keys"), 7);
    // A clock that was set back brings one refresh, since the keys are now from the future.
    world.clock.advance_ms(-HOUR_MS / 10);
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    until_fetched(&world, "/keys", 8).await;
    assert_eq!(login_by(&mut world, keys::rsa(), "z").await, Err(JwksThrottled));
}

#[tokio::test]
async fn jwk_12_cached_keys_outlive_a_provider_that_is_down_by_a_day() {
    let mut world = World::new().await;
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    for reply in [
        Reply::text("", "").status(500),
        Reply::text("", "").status(429),
        Reply::text("text/html", "<html>"),
        Reply::text("", "").status(302).header("location", "/other-keys"),
        Reply::json(&json!({"keys": {}})),
    ] {
        world.idp.on("/keys", reply);
        world.clock.advance_ms(HOUR_MS);
        login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    }
    assert_eq!(fetches(&world, "/other-keys"), 0);
    world.clock.advance_ms(24 * HOUR_MS);
    assert_eq!(login_by(&mut world, keys::rsa(), "k1").await, Err(JwksInvalid));
    world.idp.on("/keys", Reply::text("", "").status(500));
    world.clock.advance_ms(3_000);
    assert_eq!(login_by(&mut world, keys::rsa(), "k1").await, Err(JwksUnreachable));
}

#[tokio::test]
async fn stale_keys_are_served_while_one_refresh_runs() {
    let mut world = World::new().await;
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    publish(&world.idp, &[(keys::rsa(), "k1"), (keys::other_rsa(), "k2")]);
    world.clock.advance_ms(HOUR_MS + 1);
    for _ in 0..3 {
        login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    }
    until_fetched(&world, "/keys", 2).await;
    login_by(&mut world, keys::other_rsa(), "k2").await.unwrap();
    assert_eq!(fetches(&world, "/keys"), 2);
}

#[tokio::test]
async fn jwk_16_connections_share_nothing_even_at_the_same_url() {
    let mut world = World::new().await;
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    world.settings.connection_id = "conn_2".into();
    publish(&world.idp, &[(keys::other_rsa(), "k1")]);
    // The other connection sees what is there now, not what the first one keeps.
    login_by(&mut world, keys::other_rsa(), "k1").await.unwrap();
    world.settings.connection_id = "conn_1".into();
    login_by(&mut world, keys::rsa(), "k1").await.unwrap();
    assert_eq!(fetches(&world, "/keys"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jwk_17_a_cold_start_of_many_logins_fetches_once() {
    let world = World::new().await;
    let metadata = Reply { delay_ms: 100, ..Reply::json(&world.idp.metadata()) };
    world.idp.on(WELL_KNOWN, metadata);
    let settings = crate::upstream::Settings::Oidc(world.settings.clone());
    let logins: Vec<_> = (0..200)
        .map(|_| {
            let (upstream, settings) = (world.upstream.clone(), settings.clone());
            let mut trace = world.trace.clone();
            tokio::spawn(async move {
                crate::upstream::begin(&upstream, &settings, &World::ask(), &mut trace)
                    .await
                    .map(drop)
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap().unwrap();
    }
    assert_eq!(fetches(&world, WELL_KNOWN), 1);
}

#[tokio::test]
async fn a_failed_cold_start_is_shared_by_those_who_waited_and_soon_forgotten() {
    let mut world = World::new().await;
    world.idp.on(WELL_KNOWN, Reply::text("", "").status(500));
    for _ in 0..5 {
        assert_eq!(world.begin(&World::ask()).await.unwrap_err(), DiscoveryUnreachable);
    }
    assert_eq!(fetches(&world, WELL_KNOWN), 1);
    world.idp.on(WELL_KNOWN, Reply::json(&world.idp.metadata()));
    world.clock.advance_ms(2_000);
    world.begin(&World::ask()).await.unwrap();
}

#[tokio::test]
async fn dsc_25_metadata_of_the_day_before_serve_while_the_provider_is_down() {
    let mut world = World::new().await;
    world.begin(&World::ask()).await.unwrap();
    world.idp.on(WELL_KNOWN, Reply::text("", "").status(500));
    world.clock.advance_ms(2 * HOUR_MS);
    world.begin(&World::ask()).await.unwrap();
    world.clock.advance_ms(72 * HOUR_MS);
    world.begin(&World::ask()).await.unwrap();
}

#[tokio::test]
async fn dsc_02_21_a_changed_issuer_is_refused_and_a_moved_endpoint_accepted() {
    let mut world = World::new().await;
    world.begin(&World::ask()).await.unwrap();
    let moved = format!("{}/token2", world.idp.issuer);
    world.idp.metadata_with("token_endpoint", json!(moved));
    world.clock.advance_ms(HOUR_MS + 1);
    world.begin(&World::ask()).await.unwrap();
    until_fetched(&world, WELL_KNOWN, 2).await;
    let memory = world.memory().await;
    let token = keys::rsa().rs256(&world.claims(&memory));
    world.idp.on("/token2", World::tokens(&token));
    world.finish(&memory, "code=c").await.unwrap();
    // Then the provider calls itself by another name: the last good copy stays.
    world.idp.metadata_with("issuer", json!(format!("{}/", world.idp.issuer)));
    world.clock.advance_ms(HOUR_MS + 1);
    world.begin(&World::ask()).await.unwrap();
    until_fetched(&world, WELL_KNOWN, 3).await;
    let memory = world.memory().await;
    let mut claims = world.claims(&memory);
    claims["iss"] = json!(format!("{}/", world.idp.issuer));
    world.idp.on("/token2", World::tokens(&keys::rsa().rs256(&claims)));
    assert_eq!(world.finish(&memory, "code=c").await.unwrap_err().code, IdTokenIss);
}

#[tokio::test]
async fn dsc_07_jwk_14_uin_06_addresses_are_vetted_again_when_they_are_used() {
    let mut world = World::new().await;
    let strict = Outbound::new(&config::Outbound::default()).unwrap();
    world.upstream = Upstream::new(strict, world.clock.clone());
    assert_eq!(world.begin(&World::ask()).await.unwrap_err(), SsrfBlocked);
    for endpoint in ["http://idp.example", "https://169.254.169.254", "https://localhost"] {
        world.settings.discovery_endpoint = format!("{endpoint}{WELL_KNOWN}");
        assert_eq!(world.begin(&World::ask()).await.unwrap_err(), SsrfBlocked, "{endpoint}");
    }
    assert!(world.idp.seen(WELL_KNOWN).is_empty());
}

#[tokio::test]
async fn jwk_11_idp_02_uin_02_a_provider_that_is_too_slow_is_given_up_at_every_step() {
    let mut world = World::new().await;
    world.upstream = Upstream::new(Outbound::hasty(), world.clock.clone());
    let slow = |reply: Reply| Reply { delay_ms: 1000, ..reply };
    world.userinfo = slow(world.userinfo.clone());
    assert_eq!(login_by(&mut world, keys::rsa(), "k1").await, Err(UserinfoUnreachable));
    world.upstream.forget("conn_1");
    world.idp.on("/keys", slow(Reply::json(&json!({"keys": []}))));
    assert_eq!(login_by(&mut world, keys::rsa(), "k1").await, Err(JwksTimeout));
    let memory = world.memory().await;
    world.idp.on("/token", slow(World::tokens("a.b.c")));
    let failure = world.finish(&memory, "code=c").await.unwrap_err();
    assert_eq!(failure.code, TokenEndpointUnreachable);
    assert_eq!(failure.detail.as_deref(), Some("timeout"));
    assert_eq!(fetches(&world, "/token"), 3, "one attempt each");
    world.upstream.forget("conn_1");
    world.idp.on(WELL_KNOWN, slow(Reply::json(&world.idp.metadata())));
    assert_eq!(world.begin(&World::ask()).await.unwrap_err(), DiscoveryUnreachable);
}

#[test]
fn idp_06_07_failures_of_the_network_are_told_apart() {
    use crate::outbound::{Error, TlsCause};
    let code = |error| super::super::network_failure(error, JwksUnreachable).code;
    assert_eq!(code(Error::Tls(TlsCause::Expired)), TlsFailed);
    assert_eq!(code(Error::Busy), IdpBusy);
    for refusal in [
        Error::AddressBlocked("private"),
        Error::SchemeNotAllowed,
        Error::PortNotAllowed,
        Error::UserinfoNotAllowed,
        Error::HostInvalid,
    ] {
        assert_eq!(code(refusal), SsrfBlocked);
    }
    for other in [Error::Dns, Error::Connect, Error::Timeout, Error::Http] {
        assert_eq!(code(other), JwksUnreachable);
    }
}

#[tokio::test]
async fn idt_17_a_kid_that_is_malformed_or_unknown_to_new_keys_causes_no_fetch() {
    let mut world = World::new().await;
    // The keys were fetched for this very sign-in: there is nothing newer.
    assert_eq!(login_by(&mut world, keys::rsa(), "k9").await, Err(IdTokenKid));
    assert_eq!(fetches(&world, "/keys"), 1);
    let memory = world.memory().await;
    let claims = world.claims(&memory).to_string();
    let header = br#"{"alg":"RS256","kid":["k1"]}"#;
    let token = keys::rsa().token(Algorithm::Rs256, header, claims.as_bytes());
    assert_eq!(world.login_with(&memory, &token).await.unwrap_err(), IdTokenKid);
    assert_eq!(fetches(&world, "/keys"), 1);
}
