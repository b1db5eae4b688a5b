//! Environments, organizations and connections beside each other: nothing crosses.

use serde_json::json;
use url::Url;
use vestibule::base::failure::FailureCode;
use vestibule::sandbox::okta::Fault;

use super::expect::{ADA, TOKEN, assert_departed};
use super::token::assert_spent;
use crate::support::http::Request;
use crate::support::{World, both_engines};

both_engines! {
    async fn cod_04_a_code_in_the_hands_of_another_application_is_burned(world: World) {
        let other = world.other_environment("https://other.example.com/cb").await;
        let theirs =
            [("client_id", other.client_id.as_str()), ("client_secret", other.api_key.expose())];
        let code = world.code().await;
        assert_spent(&world.redeem(&code, &theirs).await);
        assert_spent(&world.redeem(&code, &[]).await);
        assert_eq!(world.stored().await.tokens, 0);

        let code = world.code().await;
        let granted = world.redeem(&code, &[]).await.json();
        let token = granted["access_token"].as_str().unwrap();
        assert_spent(&world.redeem(&code, &theirs).await);
        assert_eq!(world.profile(token).await.status, 401, "what it gave is taken back");
    }

    async fn ten_01_10_another_environments_key_sees_nothing_of_a_login(world: World) {
        let code = world.code().await;
        let profile = world.redeem(&code, &[]).await.json()["profile"].clone();
        let session = world.last_session().await["id"].as_str().unwrap().to_owned();
        let other = world.other_environment("https://other.example.com/cb").await;
        let ask = async |method: &str, path: &str| {
            let url = world.url(path);
            Request::new(method, &url).bearer(other.api_key.expose()).send().await
        };
        let (connection, organization) =
            (&world.demo.seeded.connection_id, &world.demo.seeded.organization_id);
        for path in [
            format!("/sso_sessions/{session}"), format!("/connections/{connection}"),
            format!("/organizations/{organization}"), format!("/connections/{session}"),
            format!("/connections/{}", profile["id"].as_str().unwrap()),
        ] {
            assert_eq!(ask("GET", &path).await.status, 404, "{path}");
            if !path.starts_with("/sso_sessions") {
                assert_eq!(ask("DELETE", &path).await.status, 404, "{path}");
            }
        }
        for path in [
            "/sso_sessions".to_owned(), "/connections".to_owned(), "/organizations".to_owned(),
            "/events?events=authentication.sso_succeeded".to_owned(),
            format!("/sso_sessions?connection_id={connection}"),
            format!("/connections?organization_id={organization}"),
            "/connections?domain=acme.example".to_owned(),
        ] {
            assert_eq!(ask("GET", &path).await.json()["data"], json!([]), "{path}");
        }
    }

    async fn ten_05_mix_07_each_tenant_gets_its_own_credentials_and_codes_only(world: World) {
        let other = world.other_organization("globex.example").await;
        let code = world.code().await;
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        let sent = world.demo.tenant.requests(TOKEN);
        let [request] = &sent[..] else { panic!("{} requests", sent.len()) };
        let header = request.headers["authorization"].to_str().unwrap().to_owned();
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD
            .decode(header.strip_prefix("Basic ").unwrap());
        let basic = String::from_utf8(basic.unwrap()).unwrap();
        let own = &world.demo.credentials;
        assert!(basic.starts_with(&format!("{}:", own.client_id)), "{basic}");
        assert!(!basic.contains(other.credentials.client_secret.expose()));
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!body.contains("client_secret") && body.contains("code_verifier="), "{body}");
        assert_eq!(request.query, "", "nothing of it stands in a URL");
    }

    async fn mix_11_a_token_for_another_client_of_the_same_issuer_is_refused(world: World) {
        let other = world.other_organization("globex.example").await;
        // Both connections have one issuer and so one set of keys; the audience tells them apart.
        world.demo.tenant.set_faults(&other.credentials.client_id, &[Fault::WrongAudience]).unwrap();
        let before = world.stored().await;
        let url = world.authorize_url(&[("connection", &other.id)]);
        let answer = world.sign_in(&mut world.browser(), &url, ADA).await;
        world.assert_refused(&answer, FailureCode::IdTokenAud).await;
        assert_eq!(world.stored().await, before);
        assert!(world.sign_ada_in().await.param("code").is_some(), "the other is unharmed");
    }

    async fn mix_01_a_code_of_one_connection_is_never_redeemed_by_another(world: World) {
        let other = world.other_organization("globex.example").await;
        let mut browser = world.browser();
        let url = world.authorize_url(&[("connection", &other.id)]);
        let evil = browser.get(&url).await.next();
        let honest = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let pick = |url: &Url, name: &str| {
            url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
        };
        // The honest tenant's code, with the state of the login at the evil one.
        for path in [honest.path(), other.callback.path()] {
            let mut mixed = world.url(path);
            let (code, state) = (pick(&honest, "code"), pick(&evil, "state"));
            mixed.query_pairs_mut().append_pair("code", &code).append_pair("state", &state);
            let answer = browser.get(&mixed).await;
            assert_eq!((answer.status.as_u16(), answer.param("code")), (400, None));
        }
        assert_eq!(world.last_failure().await, "none", "the honest login is still under way");
        assert_eq!(world.token_requests(), 0);
        assert!(browser.get(&honest).await.param("code").is_some());
    }

    async fn ten_09_what_is_switched_off_is_off_at_every_node_at_once(world: World) {
        let second = world.node(|_| {}).await;
        let mut browser = world.browser();
        let warm = browser.send(Request::get(&world.authorize_url(&[])).via(&second)).await;
        assert_departed(&world, &warm);
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let (code, spent) = (world.code().await, world.code().await);
        let granted = world.redeem(&spent, &[]).await.json();
        let token = granted["access_token"].as_str().unwrap();

        world.change_connection(json!({ "state": "inactive" })).await;
        let begun = Request::get(&world.authorize_url(&[])).via(&second).send().await;
        assert_eq!(begun.param("error").as_deref(), Some("connection_unlinked"));
        let finished = browser.send(Request::get(&callback).via(&second)).await;
        assert_eq!(finished.param("error").as_deref(), Some("connection_unlinked"));
        let params = [
            ("client_id", world.demo.seeded.client_id.as_str()),
            ("client_secret", world.demo.seeded.api_key.expose()),
            ("grant_type", "authorization_code"), ("code", &code),
        ];
        let redeemed = Request::post_form(&world.url("/sso/token"), &params).via(&second);
        assert_spent(&redeemed.send().await);
        let profile = Request::get(&world.url("/sso/profile")).via(&second).bearer(token);
        assert_eq!(profile.send().await.status, 401);

        world.change_connection(json!({ "state": "active" })).await;
        let begun = Request::get(&world.authorize_url(&[])).via(&second).send().await;
        assert_departed(&world, &begun);
        let keys = world.api("GET", "/environment/api_keys", None).await.json();
        let path = format!("/environment/api_keys/{}", keys["data"][0]["id"].as_str().unwrap());
        let code = world.code().await;
        assert!(world.api("DELETE", &path, None).await.status.is_success());
        let params = params.map(|(name, value)| (name, if name == "code" { &code } else { value }));
        let redeemed = Request::post_form(&world.url("/sso/token"), &params).via(&second);
        assert_eq!(redeemed.send().await.json()["error"], "invalid_client");
    }

    async fn ten_08_a_connection_that_is_made_again_has_other_names(world: World) {
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        let before = world.api("GET", &path, None).await.json();
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        let again = world.connect(world.demo.seeded.organization_id.as_str(), "OktaOIDC").await;
        assert_ne!(before["id"], again.id.as_str());
        assert_ne!(before["redirect_uri"], again.callback.as_str());
        let url = world.authorize_url(&[("connection", &again.id)]);
        assert!(world.sign_in(&mut world.browser(), &url, ADA).await.param("code").is_some());
    }
}
