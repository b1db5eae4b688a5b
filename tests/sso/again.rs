//! A callback that comes again, because the node that had it has died.

use url::Url;
use vestibule::base::Caller;
use vestibule::base::failure::FailureCode;
use vestibule::base::id::SsoSessionId;
use vestibule::base::secret::{Secret, base64url};
use vestibule::base::time::Clock;
use vestibule::base::trace::Trace;
use vestibule::db::Tx;
use vestibule::model::sso_session::{self, NewCode, Phase, Take, Taken};

use super::expect::{ADA, assert_page, values};
use super::initiate;
use crate::support::http::{Browser, Request};
use crate::support::{World, both_engines};

/// A login whose answer of the identity provider a node has taken, and then died.
async fn in_hand(world: &World) -> (Browser, Url, Taken) {
    let mut browser = world.browser();
    let url = world.authorize_url(&[("state", "mine"), ("login_hint", ADA), ("prompt", "login")]);
    let callback = world.to_callback(&mut browser, &url, ADA).await;
    let taken = take(world, &callback).await;
    (browser, callback, taken)
}

/// Takes a login in the way of a callback.
async fn take(world: &World, callback: &Url) -> Taken {
    let state = values(callback, "state").remove(0);
    let (ulid, secret) = state.split_at(26);
    let id: SsoSessionId = format!("sess_{ulid}").parse().unwrap();
    let secret = Secret::new(secret).hash();
    let take = async move |tx: &mut Tx| match sso_session::take(tx, &id, &secret, Phase::Departed)
        .await?
    {
        Take::Taken(taken) => Ok(taken),
        other => panic!("{other:?}"),
    };
    *world.app().db.write(&Caller::anonymous(), take).await.unwrap()
}

/// The steps of the last login.
async fn steps(world: &World) -> Vec<String> {
    let session = world.last_session().await;
    let steps = session["trace"].as_array().unwrap().iter();
    steps.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

both_engines! {
    async fn sto_04_a_login_whose_node_has_died_goes_to_the_identity_provider_again(world: World) {
        let (mut browser, callback, _) = in_hand(&world).await;
        let again = browser.get(&callback).await;
        assert_eq!(again.status, 302, "{}", again.text());
        let departed = Url::parse(&again.location()).unwrap();
        assert!(departed.as_str().starts_with(world.demo.tenant.base_url()), "{departed}");
        // What the application wished is asked for once more, with secrets that are new.
        assert_eq!(values(&departed, "login_hint"), [ADA]);
        assert_eq!(values(&departed, "prompt"), ["login"]);
        assert_ne!(values(&departed, "state"), values(&callback, "state"));
        let back = world.demo.tenant.sign_in(departed.as_str(), ADA).await.unwrap();
        let back = Url::parse(&back).unwrap();
        let arrived = browser.get(&back).await;
        assert_eq!(arrived.param("state").as_deref(), Some("mine"));
        let token = world.redeem(&arrived.param("code").unwrap(), &[]).await;
        assert_eq!(token.json()["profile"]["email"], ADA);
        assert_eq!(browser.flows(&world), 0, "the cookie is gone");
        assert_eq!(world.token_requests(), 1, "the first answer was not used");

        // One login for who looks at it, in which it stands.
        assert_eq!(world.events("authentication.sso_started").await.len(), 1);
        let steps = steps(&world).await;
        assert_eq!(steps.iter().filter(|step| *step == "callback.taken_over").count(), 1);
        // Neither answer of the identity provider is good once more.
        assert_page(&browser.get(&callback).await, FailureCode::StateInvalid);
        assert_page(&browser.get(&back).await, FailureCode::FlowConsumed);
    }

    async fn sto_04_a_login_that_began_at_the_identity_provider_still_asks_after_that(world: World) {
        initiate::allow(&world).await;
        let issuer = world.demo.tenant.base_url().to_owned();
        let link = initiate::link(&world, &[("iss", &issuer)]).await;
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &link, ADA).await;
        take(&world, &callback).await;
        let callback = world.to_callback(&mut browser, &callback, ADA).await;
        let page = browser.get(&callback).await;
        assert_eq!(page.status, 200, "a link alone signs nobody in");
        let code = initiate::agree(&world, &mut browser, &page).await.param("code").expect("a code");
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
    }

    async fn sto_04_a_test_sign_in_whose_node_has_died_is_made_again_as_a_test(world: World) {
        let (mut test, callback) = world.to_test_callback(ADA).await;
        take(&world, &callback).await;
        let callback = world.to_callback(&mut test.browser, &callback, ADA).await;
        let answer = test.browser.get(&callback).await;
        assert!(answer.location().contains(&test.id), "{}", answer.text());
        let session = world.session(&test.id).await;
        assert_eq!(session["status"], "test_successful", "{session:#}");
        assert!(session["trace"].to_string().contains("callback.taken_over"));
    }

    async fn sto_04_one_of_two_requests_that_come_again_at_once_takes_the_login_over(world: World) {
        let (mut browser, callback, _) = in_hand(&world).await;
        let (mut one, mut other) = (browser.clone(), browser.clone());
        let (one, other) = tokio::join!(one.get(&callback), other.get(&callback));
        let (departed, late) = if one.status == 302 { (one, other) } else { (other, one) };
        assert_page(&late, FailureCode::FlowConsumed);
        let back = world.demo.tenant.sign_in(&departed.location(), ADA).await.unwrap();
        let arrived = browser.get(&Url::parse(&back).unwrap()).await;
        let code = arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()));
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        let steps = steps(&world).await;
        assert_eq!(steps.iter().filter(|step| *step == "callback.taken_over").count(), 1);
    }

    async fn csr_02_only_the_browser_that_began_a_login_can_have_it_taken_over(world: World) {
        let (mut browser, callback, _) = in_hand(&world).await;
        assert_page(&world.browser().get(&callback).await, FailureCode::FlowConsumed);
        let mut other = world.browser();
        let id = values(&callback, "state").remove(0)[..26].to_owned();
        other.keep(&world.url("/"), &format!("vestibule-login-{id}"), &"A".repeat(43));
        assert_page(&other.get(&callback).await, FailureCode::FlowConsumed);
        // Mine is as it was.
        let back = world.to_callback(&mut browser, &callback, ADA).await;
        assert!(browser.get(&back).await.param("code").is_some());
    }

    async fn csr_05_who_had_a_login_in_hand_can_do_nothing_with_it_afterwards(world: World) {
        let other = world.code().await;
        world.redeem(&other, &[]).await;
        let profile = world.last_session().await["profile_id"].as_str().unwrap().to_owned();
        let (mut browser, callback, first) = in_hand(&world).await;
        // The first to have it was not dead, but slow: it is late at each of the steps that follow.
        let first = first.hold();
        let late = async || {
            let caller = world.caller();
            let trace = || Trace::new(Clock::system());
            let (hold, profile) = (first.clone(), profile.parse().unwrap());
            let issue = async move |tx: &mut Tx| {
                let code = NewCode { hash: Secret::random("").hash(), is_repeatable: false };
                sso_session::issue_code(tx, &hold, &code, (ADA, &profile), &trace()).await
            };
            let hold = first.clone();
            let ask = async move |tx: &mut Tx| {
                let secret = Secret::random("").hash();
                sso_session::ask_consent(tx, &hold, (&secret, b"x"), &trace()).await
            };
            let hold = first.clone();
            let depart = async move |tx: &mut Tx| {
                let secret = Secret::random("").hash();
                sso_session::depart_again(tx, &hold, (&secret, b"x"), &trace()).await
            };
            let hold = first.clone();
            let fail = async move |tx: &mut Tx| {
                let failure = FailureCode::TokenEndpointUnreachable.into();
                sso_session::fail(tx, &hold, &failure, (None, &trace())).await
            };
            let db = &world.app().db;
            let outcomes = [
                db.write(&caller, issue).await,
                db.write(&caller, ask).await,
                db.write(&caller, depart).await,
            ];
            for outcome in outcomes {
                assert!(sso_session::is_lost(&outcome.unwrap_err()));
            }
            db.write(&caller, fail).await.unwrap();
        };
        let callback = world.to_callback(&mut browser, &callback, ADA).await;
        late().await;
        take(&world, &callback).await;
        late().await;
        let callback = world.to_callback(&mut browser, &callback, ADA).await;
        let arrived = browser.get(&callback).await;
        late().await;
        let code = arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()));
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        late().await;
        assert_eq!(world.last_session().await["status"], "success");
    }

    async fn sto_04_a_code_that_is_committed_while_it_is_waited_for_is_told(world: World) {
        let (browser, callback, taken) = in_hand(&world).await;
        let request = Request::get(&callback).header("idempotency-key", "key");
        let (mut waiting, hold) = (browser.clone(), taken.hold());
        let again = waiting.send(request);
        // The first has the same key, and dies once the database has its code.
        let state = values(&callback, "state").remove(0);
        let parts: [&[u8]; 2] = [state.as_bytes(), b"key"];
        let secret = Secret::new(base64url(&world.app().sealer.authenticate("code", &parts)));
        let other = world.code().await;
        world.redeem(&other, &[]).await;
        let profile = world.last_session().await["profile_id"].as_str().unwrap().parse().unwrap();
        let issue = async move |tx: &mut Tx| {
            let code = NewCode { hash: secret.hash(), is_repeatable: true };
            let trace = Trace::new(Clock::system());
            sso_session::issue_code(tx, &hold, &code, (ADA, &profile), &trace).await
        };
        let caller = world.caller();
        let commit = async {
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            world.app().db.write(&caller, issue).await.unwrap();
        };
        let (answer, ()) = tokio::join!(again, commit);
        assert_eq!(answer.param("state").as_deref(), Some("mine"), "{}", answer.text());
        assert_eq!(world.redeem(&answer.param("code").unwrap(), &[]).await.status, 200);
    }

    async fn a_code_is_not_told_again_where_its_redirect_uri_is_gone(world: World) {
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let with_key = || Request::get(&callback).header("idempotency-key", "key");
        assert!(browser.clone().send(with_key()).await.param("code").is_some());
        let remove = async |tx: &mut Tx| tx.execute("DELETE FROM redirect_uris", &[]).await;
        world.app().db.write(&world.caller(), remove).await.unwrap();
        assert_page(&browser.clone().send(with_key()).await, FailureCode::FlowConsumed);
    }

    async fn a_login_that_nodes_die_of_is_taken_over_three_times(world: World) {
        let (mut browser, mut callback, _) = in_hand(&world).await;
        for _ in 0..3 {
            callback = world.to_callback(&mut browser, &callback, ADA).await;
            take(&world, &callback).await;
        }
        assert_page(&browser.get(&callback).await, FailureCode::FlowConsumed);
        assert_eq!(world.last_failure().await, "flow_consumed");
    }

    async fn sto_04_a_request_with_a_key_gets_its_code_again_until_that_is_redeemed(world: World) {
        let mut browser = world.browser();
        let url = world.authorize_url(&[("state", "mine")]);
        let callback = world.to_callback(&mut browser, &url, ADA).await;
        let with = |key: &str| Request::get(&callback).header("idempotency-key", key);
        // The browser does not hear of the first answer, so it has its cookie still.
        let first = browser.clone().send(with("key")).await;
        let again = browser.clone().send(with("key")).await;
        assert_eq!(again.location(), first.location());
        assert_eq!(again.param("state").as_deref(), Some("mine"));
        assert_eq!(world.token_requests(), 1);
        // Not another request, and not another browser.
        assert_page(&browser.clone().send(with("another")).await, FailureCode::FlowConsumed);
        assert_page(&browser.clone().get(&callback).await, FailureCode::FlowConsumed);
        assert_page(&world.browser().send(with("key")).await, FailureCode::FlowConsumed);
        let code = first.param("code").unwrap();
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        assert_page(&browser.clone().send(with("key")).await, FailureCode::FlowConsumed);
        assert_eq!(world.redeem(&code, &[]).await.status, 400, "a code is good once");
    }

    async fn csr_05_without_a_key_nothing_is_kept_to_answer_again(world: World) {
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        browser.clone().get(&callback).await;
        let request = Request::get(&callback).header("idempotency-key", "key");
        assert_page(&browser.send(request).await, FailureCode::FlowConsumed);
        let kept = async |tx: &mut Tx| {
            let sql = "SELECT count(*) FROM sso_sessions WHERE memory_sealed IS NOT NULL";
            tx.fetch_one(sql, &[]).await?.next::<i64>()
        };
        assert_eq!(world.app().db.read(&Caller::anonymous(), kept).await.unwrap(), 0);
    }

    async fn a_login_that_is_taken_over_too_late_has_expired(world: World) {
        let (mut browser, callback, taken) = in_hand(&world).await;
        world.clock.advance_ms(taken.expires_at.as_ms() - taken.created_at.as_ms());
        assert_page(&browser.get(&callback).await, FailureCode::FlowExpired);
    }
}
