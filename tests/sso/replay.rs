//! A code is good for one answer: whoever comes again, in whichever order and at whichever node.

use serde_json::Value;
use url::Url;

use super::expect::ADA;
use super::token::assert_spent;
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

/// A request for a token, at this node, with an idempotency key or without.
fn request(world: &World, node: &Url, code: &str, idempotency_key: Option<&str>) -> Request {
    let params = [
        ("client_id", world.demo.seeded.client_id.as_str()),
        ("client_secret", world.demo.seeded.api_key.expose()),
        ("grant_type", "authorization_code"),
        ("code", code),
    ];
    let request = Request::post_form(&world.url("/sso/token"), &params).via(node);
    match idempotency_key {
        Some(key) => request.header("idempotency-key", key),
        None => request,
    }
}

/// Sends 64 requests at once, half of them to another node.
async fn all_at_once(world: &World, code: &str, idempotency_key: Option<&str>) -> Vec<Answer> {
    let nodes = [world.url("/"), world.node(|_| {}).await];
    let mut answers = tokio::task::JoinSet::new();
    for n in 0..64 {
        answers.spawn(request(world, &nodes[n % 2], code, idempotency_key).send());
    }
    answers.join_all().await
}

fn token(answer: &Answer) -> String {
    let body: Value = answer.json();
    body["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
}

both_engines! {
    async fn cod_02_19_a_code_that_comes_twice_takes_back_what_it_gave(world: World) {
        let code = world.code().await;
        let token = token(&world.redeem(&code, &[]).await);
        assert_eq!(world.profile(&token).await.status, 200);
        assert_spent(&world.redeem(&code, &[]).await);
        assert_eq!(world.profile(&token).await.status, 401);
        assert_spent(&world.redeem(&code, &[]).await);
        assert_eq!(world.stored().await.tokens, 1);
        assert_eq!(world.stored().await.successes, 1);
    }

    async fn cod_02_a_stranger_cannot_take_back_what_a_code_gave(world: World) {
        let code = world.code().await;
        let token = token(&world.redeem(&code, &[]).await);
        let stranger = world.redeem(&code, &[("client_secret", "sk_wrong")]).await;
        assert_eq!(stranger.json()["error"], "invalid_client");
        assert_eq!(world.profile(&token).await.status, 200);
    }

    async fn cod_03_of_64_redemptions_at_two_nodes_one_succeeds(world: World) {
        let code = world.code().await;
        let answers = all_at_once(&world, &code, None).await;
        let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((good.len(), bad.len()), (1, 63));
        bad.iter().for_each(|answer| assert_spent(answer));
        let stored = world.stored().await;
        assert_eq!((stored.tokens, stored.successes), (1, 1));
        assert_eq!(world.profile(&token(good[0])).await.status, 401, "it was replayed 63 times");
    }

    async fn a_repetition_with_its_idempotency_key_gets_the_same_answer(world: World) {
        let code = world.code().await;
        let node = world.node(|_| {}).await;
        let first = request(&world, &world.url("/"), &code, Some("one")).send().await;
        let again = request(&world, &node, &code, Some("one")).send().await;
        assert_eq!((first.status.as_u16(), &first.body), (200, &again.body), "byte by byte");
        assert_eq!(world.profile(&token(&first)).await.status, 200);
        let stored = world.stored().await;
        assert_eq!((stored.tokens, stored.successes), (1, 1));

        let other = request(&world, &node, &code, Some("two")).send().await;
        assert_spent(&other);
        assert_eq!(world.profile(&token(&first)).await.status, 401);
        assert_spent(&request(&world, &node, &code, Some("one")).send().await);
    }

    async fn a_repetition_is_answered_for_as_long_as_its_token_is_good(world: World) {
        let code = world.code().await;
        let url = world.url("/");
        world.clock.advance_ms(9 * 60_000);
        let first = request(&world, &url, &code, Some("one")).send().await;
        assert_eq!(first.status, 200);
        world.clock.advance_ms(9 * 60_000);
        let again = request(&world, &url, &code, Some("one")).send().await;
        assert_eq!((again.status.as_u16(), &first.body), (200, &again.body), "the code is old");
        world.clock.advance_ms(2 * 60_000);
        assert_spent(&request(&world, &url, &code, Some("one")).send().await);
    }

    async fn a_repetition_without_the_key_or_with_another_secret_is_none(world: World) {
        let code = world.code().await;
        let url = world.url("/");
        let first = request(&world, &url, &code, Some("key")).send().await;
        assert_eq!(first.status, 200);
        let stranger = [
            ("client_id", world.demo.seeded.client_id.as_str()), ("client_secret", "sk_wrong"),
            ("grant_type", "authorization_code"), ("code", &code),
        ];
        let stranger = Request::post_form(&world.url("/sso/token"), &stranger);
        let refused = stranger.header("idempotency-key", "key").send().await;
        assert_eq!(refused.json()["error"], "invalid_client");
        assert_spent(&request(&world, &url, &code, None).send().await);
        assert_eq!(world.profile(&token(&first)).await.status, 401);
    }

    async fn of_64_repetitions_at_two_nodes_all_get_the_same_answer(world: World) {
        let code = world.code().await;
        let answers = all_at_once(&world, &code, Some("once")).await;
        for answer in &answers {
            assert_eq!((answer.status.as_u16(), &answer.body), (200, &answers[0].body));
        }
        let stored = world.stored().await;
        assert_eq!((stored.tokens, stored.successes), (1, 1));
        assert_eq!(world.profile(&token(&answers[0])).await.status, 200);
    }

    async fn a_repetition_of_a_refused_request_is_refused_again(world: World) {
        let code = world.code().await;
        let wrong = [("redirect_uri", "https://app.example.com/other")];
        assert_spent(&world.redeem(&code, &wrong).await);
        let node = world.url("/");
        assert_spent(&request(&world, &node, &code, Some("key")).send().await);
        assert_spent(&request(&world, &node, &code, Some("key")).send().await);
        assert_eq!(world.stored().await.tokens, 0);
    }

    async fn a_login_may_go_from_node_to_node(world: World) {
        let second = world.node(|_| {}).await;
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let answer = browser.send(Request::get(&callback).via(&second)).await;
        let code = answer.param("code").unwrap_or_else(|| panic!("{}", answer.text()));
        let replayed = browser.send(Request::get(&callback)).await;
        assert_eq!(replayed.status, 400);
        let first = request(&world, &world.url("/"), &code, None).send().await;
        let profile = Request::get(&world.url("/sso/profile")).via(&second).bearer(&token(&first));
        assert_eq!(profile.send().await.json()["email"], ADA);
    }

    async fn lod_05_logins_that_cross_each_other_do_not_mix(world: World) {
        let people = [ADA, "grace@acme.example", "alan@acme.example"];
        let mut logins = Vec::new();
        for n in 0..12 {
            let (email, state) = (people[n % 3], format!("state {n}"));
            let mut browser = world.browser();
            let url = world.authorize_url(&[("state", &state)]);
            logins.push((email, state, world.to_callback(&mut browser, &url, email).await, browser));
        }
        logins.rotate_left(5);
        logins.reverse();
        let mut codes = Vec::new();
        for (email, state, callback, mut browser) in logins {
            let answer = browser.get(&callback).await;
            assert_eq!(answer.param("state"), Some(state));
            codes.push((email, answer.param("code").unwrap()));
        }
        codes.rotate_left(7);
        for (email, code) in codes {
            assert_eq!(world.redeem(&code, &[]).await.json()["profile"]["email"], email);
        }
    }
}
