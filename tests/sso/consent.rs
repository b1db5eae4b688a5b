//! The page that asks whether to continue: who sees it, and what its answers do.

use serde_json::json;
use vestibule::base::failure::FailureCode;

use super::expect::{ADA, assert_page};
use crate::support::http::{Answer, Browser, Request};
use crate::support::{World, both_engines};

/// What stands between two texts of a page.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).and_then(|(_, rest)| rest.split_once(end)).expect("in the page").0
}

/// A login up to the question, and its ticket.
async fn asked(world: &World, browser: &mut Browser) -> String {
    let answer = world.sign_in(browser, &world.authorize_url(&[]), ADA).await;
    ticket(&answer)
}

fn ticket(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    between(&answer.text(), "name=\"ticket\" value=\"", "\"").to_owned()
}

/// The form as the browser sends it.
fn form(world: &World, ticket: &str, answer: &str) -> Request {
    let fields = [("ticket", ticket), ("answer", answer)];
    Request::post_form(&world.url("/sso/consent"), &fields).header("sec-fetch-site", "same-origin")
}

async fn always(world: &World) {
    world.change_environment(json!({ "signin_consent": "always" })).await;
}

both_engines! {
    async fn csr_14_a_person_sees_who_vouches_and_continues_once_per_browser(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        let page = world.sign_in(&mut browser, &world.authorize_url(&[]), ADA).await;
        assert_eq!(page.status, 200);
        for shown in [ADA, world.demo.tenant.base_url(), "Acme Okta"] {
            assert!(page.text().contains(shown), "{shown} is not on the page");
        }
        assert_eq!(world.stored().await.codes, 0);
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("form-action"), "it would stop the redirect to the application");

        let answer = browser.send(form(&world, &ticket(&page), "continue")).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let state = "&state=state%20of%20the%20application";
        assert!(answer.location().ends_with(state), "{}", answer.location());
        let token = world.redeem(&answer.param("code").unwrap(), &[]).await.json();
        assert_eq!(token["profile"]["email"], ADA);
        assert_eq!(browser.flows(&world), 0);

        let second = world.sign_in(&mut browser, &world.authorize_url(&[]), ADA).await;
        assert!(second.param("code").is_some(), "this browser has agreed");
        let elsewhere = world.sign_in(&mut world.browser(), &world.authorize_url(&[]), ADA).await;
        assert_eq!(elsewhere.status, 200, "another has not");
    }

    async fn csr_14_an_agreement_holds_for_its_connection_alone_and_cannot_be_invented(world: World) {
        always(&world).await;
        let other = world.connect(world.demo.seeded.organization_id.as_str(), "OktaOIDC").await;
        let mut browser = world.browser();
        let ticket = asked(&world, &mut browser).await;
        browser.send(form(&world, &ticket, "continue")).await;
        let url = world.authorize_url(&[("connection", &other.id)]);
        assert_eq!(world.sign_in(&mut browser, &url, ADA).await.status, 200);

        let mut forger = world.browser();
        let callback = world.to_callback(&mut forger, &world.authorize_url(&[]), ADA).await;
        let forged = format!("vestibule-agreed={}", "A".repeat(16));
        let answer = forger.send(Request::get(&callback).header("cookie", &forged)).await;
        assert_eq!(answer.param("code"), None);
    }

    async fn csr_14_who_cancels_is_not_signed_in(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        for answer in ["cancel", "", "Continue"] {
            let ticket = asked(&world, &mut browser).await;
            let refused = browser.send(form(&world, &ticket, answer)).await;
            assert_eq!(refused.status, 303, "{}", refused.text());
            assert_eq!(refused.param("error").as_deref(), Some("signin_consent_denied"));
            let description = refused.param("error_description");
            assert_eq!(description.as_deref(), Some("The user cancelled the request."));
            assert!(refused.location().ends_with("&state=state%20of%20the%20application"));
            let session = world.last_session().await;
            assert_eq!(session["error"]["code"], "signin_consent_denied");
            assert_eq!(session["email"], ADA, "the operator sees who it was");
        }
        let stored = world.stored().await;
        assert_eq!((stored.codes, stored.profiles), (0, 0));
        assert_eq!(browser.flows(&world), 0, "the cookies are gone");
        assert_eq!(world.sign_in(&mut browser, &world.authorize_url(&[]), ADA).await.status, 200);
    }

    async fn csr_14_a_form_that_is_not_of_our_page_in_this_browser_is_refused(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        let ticket = asked(&world, &mut browser).await;
        let before = world.stored().await;
        let changed = format!("{}A", &ticket[..68]);
        for wrong in ["", "garbage", "\0", &changed, &ticket[..68], &format!("{ticket}x")] {
            let wrong = if wrong == ticket { "x" } else { wrong };
            let answer = browser.send(form(&world, wrong, "continue")).await;
            assert_page(&answer, FailureCode::ConsentInvalid);
        }
        for site in ["cross-site", "same-site", "?"] {
            let fields = [("ticket", ticket.as_str()), ("answer", "continue")];
            let request = Request::post_form(&world.url("/sso/consent"), &fields);
            let answer = browser.send(request.header("sec-fetch-site", site)).await;
            assert_page(&answer, FailureCode::ConsentInvalid);
        }
        assert_eq!(Request::get(&world.url("/sso/consent")).send().await.status, 405);
        assert_eq!(world.stored().await, before);
        let answer = browser.send(form(&world, &ticket, "continue")).await;
        assert!(answer.param("code").is_some(), "none of it touched the login");
    }

    async fn csr_14_a_form_from_another_browser_ends_the_login(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        let ticket = asked(&world, &mut browser).await;
        let stranger = form(&world, &ticket, "continue").send().await;
        assert_page(&stranger, FailureCode::ConsentInvalid);
        assert_eq!(world.last_failure().await, "consent_invalid");
        let late = browser.send(form(&world, &ticket, "continue")).await;
        assert_page(&late, FailureCode::ConsentInvalid);
        assert_eq!(world.stored().await.codes, 0);
    }

    async fn csr_14_a_form_counts_once(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        let ticket = asked(&world, &mut browser).await;
        let copy = browser.clone();
        assert!(browser.send(form(&world, &ticket, "continue")).await.param("code").is_some());
        for mut again in [browser, copy] {
            let answer = again.send(form(&world, &ticket, "continue")).await;
            assert_page(&answer, FailureCode::ConsentInvalid);
        }
        assert_eq!(world.stored().await.codes, 1);
    }

    async fn csr_14_a_question_is_open_for_ten_minutes(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        let ticket = asked(&world, &mut browser).await;
        world.clock.advance_ms(10 * 60 * 1000);
        let answer = browser.send(form(&world, &ticket, "continue")).await;
        assert_page(&answer, FailureCode::ConsentInvalid);
        assert_eq!(world.last_failure().await, "consent_invalid");
        assert_eq!(world.stored().await.codes, 0);
    }

    async fn csr_14_the_cookie_lasts_as_long_as_the_question(world: World) {
        always(&world).await;
        let mut browser = world.browser();
        let page = world.sign_in(&mut browser, &world.authorize_url(&[]), ADA).await;
        let [cookie] = page.cookies()[..] else { panic!("{:?}", page.cookies()) };
        assert!(cookie.starts_with("vestibule-login-") && cookie.contains("Max-Age=900"), "{cookie}");
        let answer = browser.send(form(&world, &ticket(&page), "continue")).await;
        assert!(answer.param("code").is_some());
    }

    async fn mix_09_10_what_changed_while_the_question_was_open_ends_the_login(world: World) {
        always(&world).await;
        let uri = world.register("https://app.example.com/cb").await;
        let mut browser = world.browser();
        let first = asked(&world, &mut browser).await;
        world.change_connection(json!({ "oidc": { "scopes": ["openid", "email"] } })).await;
        let answer = browser.send(form(&world, &first, "continue")).await;
        assert_eq!(answer.param("error").as_deref(), Some("connection_invalid"));
        assert_eq!(world.last_failure().await, "connection_changed");

        let url = world.authorize_url(&[("redirect_uri", "https://app.example.com/cb")]);
        let second = ticket(&world.sign_in(&mut browser, &url, ADA).await);
        let path = format!("/user_management/redirect_uris/{uri}");
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        let answer = browser.send(form(&world, &second, "continue")).await;
        assert_page(&answer, FailureCode::RedirectRevoked);
        assert_eq!(world.stored().await.codes, 0);
    }

    async fn csr_04_by_default_a_generic_connection_asks_and_okta_does_not(world: World) {
        let generic = world.connect(world.demo.seeded.organization_id.as_str(), "GenericOIDC").await;
        let url = world.authorize_url(&[("connection", &generic.id)]);
        let asked = world.sign_in(&mut world.browser(), &url, ADA).await;
        assert_eq!(asked.status, 200);
        assert!(world.sign_ada_in().await.param("code").is_some());
        world.change_environment(json!({ "signin_consent": "never" })).await;
        assert!(world.sign_in(&mut world.browser(), &url, ADA).await.param("code").is_some());
    }

    async fn csr_14_what_the_tenant_says_is_text_on_the_page(world: World) {
        always(&world).await;
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        world.must("PATCH", &path, json!({ "name": "<b>\"Acme\"</b>" })).await;
        let ada = world.person(ADA);
        let odd = "ada&lt'x@acme.example";
        world.demo.tenant.edit_user(&ada, |user| user.email = odd.to_owned()).unwrap();
        let page = world.sign_in(&mut world.browser(), &world.authorize_url(&[]), odd).await.text();
        assert!(page.contains("ada&#38;lt&#39;x@acme.example"), "{page}");
        assert!(page.contains("&#60;b&#62;&#34;Acme&#34;&#60;/b&#62;"), "{page}");
    }
}
