//! The way back from the identity provider: whose it is, in which browser, when, and only once.

use serde_json::json;
use url::Url;
use vestibule::base::failure::FailureCode;
use vestibule::sandbox::okta::{Fault, TenantFault};
use vestibule::setup;
use vestibule::sso::sweep;

use super::expect::{ADA, AUTHORIZE, assert_page, values};
use crate::support::http::{Browser, Request};
use crate::support::{World, both_engines};

/// Ten minutes, in milliseconds.
const LIFETIME_MS: i64 = 10 * 60 * 1000;

/// The URL with another value of a parameter; none takes it away.
fn with(url: &Url, name: &str, value: Option<&str>) -> Url {
    let mut changed = url.clone();
    let others = url.query_pairs().filter(|(found, _)| found != name);
    changed.query_pairs_mut().clear().extend_pairs(others);
    if let Some(value) = value {
        changed.query_pairs_mut().append_pair(name, value);
    }
    changed
}

/// A login up to the callback URL.
async fn arrived(world: &World) -> (Browser, Url) {
    let mut browser = world.browser();
    let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
    (browser, callback)
}

both_engines! {
    async fn csr_01_an_answer_with_a_state_that_is_not_ours_is_not_looked_at(world: World) {
        let (mut browser, callback) = arrived(&world).await;
        let before = world.stored().await;
        let state = values(&callback, "state").remove(0);
        let other = world.to_callback(&mut world.browser(), &world.authorize_url(&[]), ADA).await;
        let foreign = values(&other, "state").remove(0);
        let mixed = format!("{}{}", &state[..26], &foreign[26..]);
        let (suffix, cut) = (format!("{state}x"), &state[..68]);
        let cased = state.to_ascii_lowercase();
        let wrong = [
            None, Some(""), Some("garbage"), Some(&mixed), Some(&suffix), Some(cut), Some(&cased),
            Some("\0"), Some("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            Some("01ARZ3NDEKTSV4RRFFQ69G5FAVaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ];
        for state in wrong {
            let answer = browser.get(&with(&callback, "state", state)).await;
            assert_page(&answer, FailureCode::StateInvalid);
        }
        assert_eq!((world.token_requests(), world.stored().await), (0, before));
        let right = browser.get(&callback).await;
        assert!(right.param("code").is_some(), "none of it touched the login");
    }

    async fn csr_02_a_login_that_comes_back_in_another_browser_ends_there(world: World) {
        let (mut mine, callback) = arrived(&world).await;
        let before = world.stored().await;
        let mut victim = world.browser();
        victim.get(&world.authorize_url(&[])).await;
        for browser in [&mut victim, &mut mine] {
            let answer = browser.get(&callback).await;
            let failed = world.last_failure().await;
            assert_eq!(answer.param("code"), None);
            assert_ne!(failed, "state_invalid");
        }
        assert_page(&mine.get(&callback).await, FailureCode::FlowConsumed);
        let failures = world.events("authentication.sso_failed").await;
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0]["data"]["error"]["code"], "browser_binding_failed");
        assert_eq!((world.token_requests(), world.stored().await), (0, before));
    }

    async fn csr_02_a_browser_without_the_cookie_or_with_another_is_refused(world: World) {
        let (_, callback) = arrived(&world).await;
        let answer = world.browser().get(&callback).await;
        assert_page(&answer, FailureCode::BrowserBindingFailed);
        assert_eq!(world.last_failure().await, "browser_binding_failed");

        let (_, callback) = arrived(&world).await;
        let id = &values(&callback, "state")[0][..26];
        let cookie = format!("vestibule-login-{id}={}", "A".repeat(43));
        let answer = Request::get(&callback).header("cookie", &cookie).send().await;
        assert_page(&answer, FailureCode::BrowserBindingFailed);
    }

    async fn csr_03_two_tabs_each_finish_their_own_login(world: World) {
        let mut browser = world.browser();
        let mut tabs = Vec::new();
        for (state, email) in [("first tab", ADA), ("second tab", "grace@acme.example")] {
            let url = world.authorize_url(&[("state", state)]);
            tabs.push((state, email, world.to_callback(&mut browser, &url, email).await));
        }
        assert_eq!(browser.flows(&world), 2);
        for (state, email, callback) in tabs {
            let answer = browser.get(&callback).await;
            assert_eq!(answer.param("state").as_deref(), Some(state));
            let token = world.redeem(&answer.param("code").unwrap(), &[]).await;
            assert_eq!(token.json()["profile"]["email"], email);
        }
        assert_eq!(browser.flows(&world), 0, "the cookies are gone");
    }

    async fn csr_03_the_cookie_of_one_tab_does_not_open_the_other(world: World) {
        let (mut browser, first) = arrived(&world).await;
        let second = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        browser.forget(&values(&second, "state")[0][..26]);
        assert_page(&browser.get(&second).await, FailureCode::BrowserBindingFailed);
        assert!(browser.get(&first).await.param("code").is_some());
    }

    async fn csr_05_an_answer_counts_once_however_it_ended(world: World) {
        let (browser, callback) = arrived(&world).await;
        let good = browser.clone().get(&callback).await;
        let stored = world.stored().await;
        assert!(good.param("code").is_some());
        for mut replaying in [browser, world.browser()] {
            assert_page(&replaying.get(&callback).await, FailureCode::FlowConsumed);
        }
        assert_eq!((world.token_requests(), world.stored().await), (1, stored.clone()));
        // The code of the first answer is as good as before.
        assert_eq!(world.redeem(&good.param("code").unwrap(), &[]).await.status, 200);

        world.faults(&[Fault::WrongNonce]);
        let (browser, callback) = arrived(&world).await;
        let bad = browser.clone().get(&callback).await;
        world.assert_refused(&bad, FailureCode::IdTokenNonce).await;
        world.faults(&[]);
        assert_page(&browser.clone().get(&callback).await, FailureCode::FlowConsumed);
    }

    async fn csr_05_of_many_answers_at_once_one_is_taken(world: World) {
        let (browser, callback) = arrived(&world).await;
        let mut answers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (mut browser, callback) = (browser.clone(), callback.clone());
            answers.spawn(async move { browser.get(&callback).await.param("code").is_some() });
        }
        let all = answers.join_all().await;
        assert_eq!(all.iter().filter(|has_code| **has_code).count(), 1);
        assert_eq!((world.token_requests(), world.stored().await.codes), (1, 1));
    }

    async fn csr_06_a_login_is_good_for_ten_minutes(world: World) {
        let (mut browser, callback) = arrived(&world).await;
        world.clock.advance_ms(LIFETIME_MS - 5_000);
        // The tenant's own code has ended by now, ours has not: it gets as far as asking for it.
        let answer = browser.get(&callback).await;
        world.assert_refused(&answer, FailureCode::TokenEndpointInvalidGrant).await;

        let (mut browser, callback) = arrived(&world).await;
        let (before, asked) = (world.stored().await, world.token_requests());
        world.clock.advance_ms(LIFETIME_MS);
        assert_page(&browser.get(&callback).await, FailureCode::FlowExpired);
        assert_eq!(world.last_failure().await, "flow_expired");
        assert_page(&browser.get(&callback).await, FailureCode::FlowConsumed);

        // The same once the sweep has closed it.
        let (mut browser, callback) = arrived(&world).await;
        world.clock.advance_ms(LIFETIME_MS);
        assert_eq!(sweep::time_out(world.app()).await.unwrap(), 1);
        assert_page(&browser.get(&callback).await, FailureCode::FlowExpired);
        assert_eq!(world.last_session().await["status"], "timed_out");
        assert_eq!((world.token_requests(), world.stored().await), (asked, before));
    }

    async fn csr_06_a_slow_identity_provider_is_not_overtaken_by_the_sweep(world: World) {
        let mut browser = world.browser();
        let departed = browser.get(&world.authorize_url(&[])).await;
        world.clock.advance_ms(LIFETIME_MS - 10_000);
        let callback = world.demo.tenant.sign_in(&departed.location(), ADA).await.unwrap();
        let callback = Url::parse(&callback).unwrap();
        world.faults(&[Fault::TokenSlow { ms: 1000 }]);
        let (answer, closed) = tokio::join!(browser.get(&callback), async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            world.clock.advance_ms(20_000);
            sweep::time_out(world.app()).await.unwrap()
        });
        assert_eq!(closed, 0, "the browser came back in time");
        assert_eq!(world.redeem(&answer.param("code").unwrap(), &[]).await.status, 200);
        assert_eq!(world.last_session().await["status"], "success");
        assert_eq!(world.stored().await.successes, 1);
    }

    async fn csr_08_a_browser_has_at_most_eight_logins_under_way(world: World) {
        let mut browser = world.browser();
        let mut callbacks = Vec::new();
        for _ in 0..12 {
            world.clock.advance_ms(1);
            callbacks.push(world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await);
        }
        assert_eq!(browser.flows(&world), 8);
        assert_page(&browser.get(&callbacks[3]).await, FailureCode::BrowserBindingFailed);
        assert!(browser.get(&callbacks[4]).await.param("code").is_some());
        assert!(browser.get(&callbacks[11]).await.param("code").is_some());
        let junk = format!("{}; =; vestibule-login-; a=b=c", "x=y; ".repeat(3000));
        let request = Request::get(&world.authorize_url(&[])).header("cookie", &junk);
        let answer = request.send().await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        assert!(answer.location().contains(AUTHORIZE));
    }

    async fn csr_09_an_answer_that_says_two_things_is_no_answer(world: World) {
        let (mut browser, callback) = arrived(&world).await;
        let before = world.stored().await;
        let state = values(&callback, "state").remove(0);
        for twice in [
            "code=x", "code=", &format!("state={state}"), "iss=a&iss=b", "error=access_denied",
            "error=a&error=b",
        ] {
            let target = format!("{}?{}&{twice}", callback.path(), callback.query().unwrap());
            let answer = browser.send(Request::get(&callback).target(&target)).await;
            assert_page(&answer, FailureCode::CallbackDuplicateParam);
        }
        assert_eq!((world.token_requests(), world.stored().await), (0, before));
    }

    async fn csr_10_idp_01_what_the_identity_provider_says_reaches_only_the_session(world: World) {
        let text = format!("<script>alert(1)</script>\u{1b}[31m{}", "x".repeat(10_000));
        for (error, code) in [
            ("access_denied", FailureCode::AccessDenied),
            ("login_required", FailureCode::AccessDenied),
            ("consent_required", FailureCode::AccessDenied),
            ("invalid_scope", FailureCode::IdpInvalidScope),
            ("server_error", FailureCode::IdpError),
            ("<b>&code=x", FailureCode::IdpError),
        ] {
            let (mut browser, callback) = arrived(&world).await;
            let mut answer = with(&callback, "code", None);
            let pairs = [("error", error), ("error_description", text.as_str())];
            answer.query_pairs_mut().extend_pairs(pairs);
            let refused = browser.get(&answer).await;
            world.assert_refused(&refused, code).await;
            let session = world.last_session().await;
            let last = session["trace"].as_array().unwrap().last().unwrap();
            assert_eq!(last["received"], error);
            let note = last["note"].as_str().unwrap();
            assert!(note.starts_with("<script>") && note.len() < 2100 && !note.contains('\u{1b}'));
        }
        let (mut browser, callback) = arrived(&world).await;
        let neither = browser.get(&with(&callback, "code", None)).await;
        world.assert_refused(&neither, FailureCode::CallbackWithoutCode).await;

        let outsider = world.person("alan@acme.example");
        world.demo.tenant.edit_app(&world.demo.credentials.client_id, |app| {
            app.groups.clear();
            app.users.remove(&outsider);
        }).unwrap();
        let url = world.authorize_url(&[]);
        let refused = world.sign_in(&mut world.browser(), &url, "alan@acme.example").await;
        world.assert_refused(&refused, FailureCode::AccessDenied).await;
        assert_eq!(world.token_requests(), 0);
    }

    async fn csr_11_cookies_are_bound_to_our_host_and_hidden_from_scripts(world: World) {
        let answer = world.authorize(&[]).await;
        let [cookie] = answer.cookies()[..] else { panic!("{:?}", answer.cookies()) };
        let rest = "; Path=/; Max-Age=900; HttpOnly; SameSite=Lax";
        assert!(cookie.starts_with("vestibule-login-") && cookie.ends_with(rest), "{cookie}");

        let node = world.node(|config| {
            config.base_url = Url::parse("https://login.example.com").unwrap();
        }).await;
        let answer = Request::get(&world.authorize_url(&[])).via(&node).send().await;
        let [cookie] = answer.cookies()[..] else { panic!("{:?}", answer.cookies()) };
        assert!(cookie.starts_with("__Host-vestibule-login-"), "{cookie}");
        assert!(cookie.ends_with(&format!("{rest}; Secure")), "{cookie}");
        let value = cookie.split(['=', ';']).nth(1).unwrap();
        assert_eq!(value.len(), 43, "nothing but the browser's secret: {cookie}");
        assert!(!answer.location().contains(value), "the tenant does not learn it");
        assert!(cookie.len() < 4096);
    }

    async fn mix_01_02_an_answer_to_another_connections_callback_is_refused(world: World) {
        let other = world.other_organization("globex.example").await;
        let before = world.stored().await;
        let (mut browser, callback) = arrived(&world).await;
        let mut crossed = other.callback.clone();
        crossed.set_query(callback.query());
        assert_page(&browser.get(&crossed).await, FailureCode::ConnectionStateMismatch);
        assert_eq!(world.last_failure().await, "connection_state_mismatch");
        let mut nowhere = callback.clone();
        nowhere.set_path("/sso/oidc/0000000000000000000000000/callback");
        let (mut browser, callback) = arrived(&world).await;
        nowhere.set_query(callback.query());
        assert_page(&browser.get(&nowhere).await, FailureCode::ConnectionStateMismatch);
        assert_eq!((world.token_requests(), world.stored().await), (0, before));
        assert_page(&browser.get(&callback).await, FailureCode::FlowConsumed);
    }

    async fn mix_03_05_06_an_answer_of_another_issuer_is_refused_before_it_is_read(world: World) {
        let issuer = world.demo.tenant.base_url().to_owned();
        let before = world.stored().await;
        for wrong in ["https://evil.example", &format!("{issuer}/"), &issuer.to_uppercase()] {
            let (mut browser, callback) = arrived(&world).await;
            let answer = browser.get(&with(&callback, "iss", Some(wrong))).await;
            assert_page(&answer, FailureCode::IssMismatch);
            assert_eq!(world.last_failure().await, "iss_mismatch");

            let (mut browser, callback) = arrived(&world).await;
            let mut error = with(&callback, "code", None);
            let mut query = error.query_pairs_mut();
            query.append_pair("error", "access_denied").append_pair("iss", wrong).finish();
            drop(query);
            assert_page(&browser.get(&error).await, FailureCode::IssMismatch);
        }
        assert_eq!((world.token_requests(), world.stored().await), (0, before));
        world.faults(&[Fault::WrongIssParameter]);
        assert_page(&world.sign_ada_in().await, FailureCode::IssMismatch);
        world.faults(&[Fault::IssParameter]);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn mix_04_a_promised_issuer_must_come(world: World) {
        world.demo.tenant.set_tenant_faults(&[TenantFault::AdvertisesIssParameter]);
        world.app().upstream.forget(world.demo.seeded.connection_id.as_str());
        assert_page(&world.sign_ada_in().await, FailureCode::IssMissing);
        assert_eq!((world.last_failure().await.as_str(), world.token_requests()), ("iss_missing", 0));
        world.faults(&[Fault::IssParameter]);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn logins_under_way_survive_the_rotation_of_a_secret(world: World) {
        let (tenant, client_id) = (&world.demo.tenant, &world.demo.credentials.client_id);
        let old = world.demo.credentials.client_secret.expose().to_owned();
        let new = tenant.add_secret(client_id).unwrap();
        let (mut browser, callback) = arrived(&world).await;
        // As the form of the dashboard sends it: all fields, though one alone is new.
        world.change_connection(json!({ "oidc": {
            "client_id": client_id, "next_client_secret": new.expose() } })).await;
        let added = browser.get(&callback).await;
        assert!(added.param("code").is_some(), "{}", added.text());

        let (mut browser, callback) = arrived(&world).await;
        tenant.deactivate_secret(client_id, &old).unwrap();
        let (app, id) = (world.app(), world.demo.seeded.connection_id.as_str());
        setup::promote_next_client_secret(app, &world.caller(), id).await.unwrap();
        let promoted = browser.get(&callback).await;
        assert!(promoted.param("code").is_some(), "{}", promoted.text());
    }

    async fn mix_09_10_a_connection_that_changed_during_the_login_ends_it(world: World) {
        let before = world.stored().await;
        let secret = world.demo.credentials.client_secret.expose().to_owned();
        let changes = [
            (json!({ "oidc": { "client_secret": secret } }), FailureCode::ConnectionChanged),
            (json!({ "oidc": { "scopes": ["openid", "email"] } }), FailureCode::ConnectionChanged),
            (json!({ "state": "inactive" }), FailureCode::ConnectionUnlinked),
        ];
        for (change, code) in changes {
            let (mut browser, callback) = arrived(&world).await;
            world.change_connection(change).await;
            world.assert_refused(&browser.get(&callback).await, code).await;
        }
        world.change_connection(json!({ "state": "active" })).await;
        let (mut browser, callback) = arrived(&world).await;
        world.change_connection(json!({ "state": "inactive" })).await;
        world.change_connection(json!({ "state": "active" })).await;
        let off_and_on = browser.get(&callback).await;
        world.assert_refused(&off_and_on, FailureCode::ConnectionChanged).await;

        let (mut browser, callback) = arrived(&world).await;
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        let deleted = browser.get(&callback).await;
        world.assert_refused(&deleted, FailureCode::ConnectionUnlinked).await;
        assert_eq!((world.token_requests(), world.stored().await), (0, before));
    }
}
