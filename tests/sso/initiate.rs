//! Logins that begin at the identity provider: a link starts a login of ours, and signs nobody in.

use serde_json::json;
use url::Url;
use vestibule::base::failure::FailureCode;

use super::expect::{ADA, assert_departed, assert_page, values};
use crate::support::http::{Answer, Browser, Request};
use crate::support::{World, both_engines};

/// The link of the demo's connection, with these parameters.
pub(super) async fn link(world: &World, params: &[(&str, &str)]) -> Url {
    let path = format!("/connections/{}", world.demo.seeded.connection_id);
    let connection = world.api("GET", &path, None).await.json();
    let key = connection["external_key"].as_str().unwrap();
    let mut url = world.url(&format!("/sso/oidc/{key}/initiate"));
    url.query_pairs_mut().extend_pairs(params);
    url
}

async fn open(world: &World, params: &[(&str, &str)]) -> Answer {
    Request::get(&link(world, params).await).send().await
}

pub(super) async fn allow(world: &World) {
    world.change_connection(json!({ "policy": { "idp_initiated": true } })).await;
}

/// Goes on from the page that asks whether to.
pub(super) async fn agree(world: &World, browser: &mut Browser, page: &Answer) -> Answer {
    let page = page.text();
    let ticket = page.split_once("name=\"ticket\" value=\"").unwrap().1;
    let fields = [("ticket", ticket.split_once('"').unwrap().0), ("answer", "continue")];
    browser.send(Request::post_form(&world.url("/sso/consent"), &fields)).await
}

both_engines! {
    async fn csr_13_where_it_is_off_the_application_learns_whom_to_sign_in(world: World) {
        let issuer = world.demo.tenant.base_url().to_owned();
        let answer = open(&world, &[("iss", &issuer)]).await;
        let seeded = &world.demo.seeded;
        let expected = format!(
            "{}?error_description=Sign-ins%20that%20begin%20at%20the%20identity%20provider%20are\
             %20switched%20off.&error=idp_initiated_sso_disabled&connection_id={}&organization_id={}",
            world.demo.redirect_uri, seeded.connection_id, seeded.organization_id
        );
        assert_eq!((answer.status.as_u16(), answer.location()), (302, expected));
        assert_eq!(world.last_failure().await, "idp_initiated_sso_disabled");
        assert_eq!(answer.header("set-cookie"), None);
    }

    async fn csr_13_a_link_starts_a_fresh_login_that_always_asks(world: World) {
        allow(&world).await;
        world.change_environment(json!({ "signin_consent": "never" })).await;
        let issuer = world.demo.tenant.base_url().to_owned();
        let mut browser = world.browser();
        for round in 0..2 {
            let url = link(&world, &[("iss", &issuer), ("login_hint", ADA)]).await;
            let departed = browser.get(&url).await;
            let asked = assert_departed(&world, &departed);
            assert_eq!(values(&asked, "login_hint"), [ADA]);
            assert_eq!(values(&asked, "state")[0].len(), 69, "a state of our own");
            let back = world.demo.tenant.sign_in(asked.as_str(), ADA).await.unwrap();
            let page = browser.get(&Url::parse(&back).unwrap()).await;
            assert_eq!(page.status, 200, "round {round}: a link alone signs nobody in");
            let answer = agree(&world, &mut browser, &page).await;
            let code = answer.param("code").expect("a code");
            assert_eq!(answer.location(), format!("{}?code={code}", world.demo.redirect_uri));
        }
    }

    async fn csr_13_a_link_of_another_issuer_is_refused(world: World) {
        allow(&world).await;
        let before = world.attempts().await;
        let issuer = world.demo.tenant.base_url().to_owned();
        let (slash, upper) = (format!("{issuer}/"), issuer.to_uppercase());
        for wrong in ["", "https://evil.example", &slash, &upper, "\0"] {
            assert_page(&open(&world, &[("iss", wrong)]).await, FailureCode::InitiateInvalid);
        }
        assert_page(&open(&world, &[]).await, FailureCode::InitiateInvalid);
        let twice = open(&world, &[("iss", &issuer), ("iss", "https://evil.example")]).await;
        assert_page(&twice, FailureCode::InitiateInvalid);
        for key in ["0000000000000000000000000", "x", "%00", "%2e%2e"] {
            let target = format!("/sso/oidc/{key}/initiate?iss={issuer}");
            let answer = Request::get(&world.url("/")).target(&target).send().await;
            assert_page(&answer, FailureCode::InitiateInvalid);
        }
        assert_eq!(world.attempts().await, before);
    }

    async fn csr_13_only_a_registered_target_is_gone_to(world: World) {
        allow(&world).await;
        world.register("https://app.example.com/deep").await;
        let issuer = world.demo.tenant.base_url().to_owned();
        for (target, redirect) in [
            ("https://app.example.com/deep", "https://app.example.com/deep"),
            ("https://app.example.com/deep/er", world.demo.redirect_uri.as_str()),
            ("https://evil.example/", world.demo.redirect_uri.as_str()),
            ("javascript:alert(1)", world.demo.redirect_uri.as_str()),
            ("\0", world.demo.redirect_uri.as_str()),
        ] {
            let answer = open(&world, &[("iss", &issuer), ("target_link_uri", target)]).await;
            assert_departed(&world, &answer);
            assert_eq!(world.last_session().await["redirect_uri"], redirect);
        }
    }

    async fn csr_13_a_form_works_like_a_link_and_hints_are_cleaned(world: World) {
        allow(&world).await;
        let issuer = world.demo.tenant.base_url().to_owned();
        let url = link(&world, &[]).await;
        let fields = [("iss", issuer.as_str()), ("login_hint", "a\r\nb")];
        let answer = Request::post_form(&url, &fields).send().await;
        assert_eq!(answer.status, 303, "a POST is answered with a GET: {}", answer.text());
        let asked = answer.next();
        assert!(asked.as_str().starts_with(&issuer));
        assert_eq!(values(&asked, "login_hint"), [""; 0]);
        let before = world.attempts().await;
        let url = link(&world, &[("iss", &issuer)]).await;
        assert_eq!(Request::new("HEAD", &url).send().await.status, 204);
        assert_eq!(world.attempts().await, before);
    }

    async fn ten_06_a_link_is_checked_like_any_other_login(world: World) {
        allow(&world).await;
        let issuer = world.demo.tenant.base_url().to_owned();
        world.change_connection(json!({ "state": "inactive" })).await;
        let answer = open(&world, &[("iss", &issuer)]).await;
        world.assert_refused_with(&answer, FailureCode::ConnectionUnlinked, None).await;
        world.change_connection(json!({ "state": "active" })).await;
        let app = world.app();
        let connection = world.demo.seeded.connection_id.as_str();
        while app.limits.authorize.admit(connection, app.clock.now()) {}
        assert_page(&open(&world, &[("iss", &issuer)]).await, FailureCode::RateLimited);
    }
}
