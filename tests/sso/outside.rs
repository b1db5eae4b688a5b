//! What comes from outside and must not get any further: forged hosts and tokens, texts of an
//! identity provider, scripts of other origins.

use serde_json::json;

use crate::support::http::Request;
use crate::support::{World, both_engines};
use vestibule::base::secret::base64url;

both_engines! {
    async fn dsc_19_forwarded_headers_change_no_address_of_ours(world: World) {
        let mut browser = world.browser();
        let forged = Request::get(&world.authorize_url(&[]))
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", "203.0.113.9")
            .header("forwarded", "host=evil.example;proto=https")
            .header("x-original-url", "/evil");
        let departed = browser.send(forged).await;
        let ours = world.app().url("/sso/oidc/");
        let redirect_uri = departed.param("redirect_uri").expect("a redirect URI");
        assert!(redirect_uri.starts_with(&ours), "{redirect_uri}");
        assert!(!format!("{:?}", departed.headers).contains("evil.example"));
        // Nobody said that the peer is a proxy, so its word about the client does not count either.
        assert_eq!(world.last_session().await["ip_address"], "127.0.0.1");

        let asked = Request::get(&world.authorize_url(&[]))
            .header("accept", "application/json")
            .header("x-forwarded-host", "evil.example");
        let url = asked.send().await.json()["url"].as_str().expect("a URL").to_owned();
        assert!(url.starts_with(&world.app().url("/sso/authorize?")), "{url}");
    }

    async fn auz_21_what_the_tenant_says_of_an_error_stays_out_of_the_answer(world: World) {
        let mut browser = world.browser();
        let departed = browser.get(&world.authorize_url(&[])).await;
        let state = departed.param("state").expect("a state");
        let mut callback = url::Url::parse(&departed.param("redirect_uri").unwrap()).unwrap();
        let said = "\"quoted\"\r\nSet-Cookie: a=b#<script>alert(1)</script>";
        callback
            .query_pairs_mut()
            .append_pair("state", &state)
            .append_pair("error", "unheard_of")
            .append_pair("error_description", said);
        let answer = browser.get(&callback).await;
        assert_eq!(answer.param("error").as_deref(), Some("server_error"));
        let description = answer.param("error_description").expect("a description");
        assert_eq!(description, "The identity provider reported an error.");
        let location = answer.location();
        assert!(!location.contains("alert") && !location.contains('#'), "{location}");
        assert_eq!(world.last_failure().await, "idp_error");
        let trace = world.last_session().await["trace"].to_string();
        assert!(trace.contains("unheard_of"), "the operator sees it: {trace}");
    }

    async fn cod_21_scripts_of_other_origins_get_no_permission(world: World) {
        let code = world.code().await;
        let preflight = Request::new("OPTIONS", &world.url("/sso/token"))
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST");
        let refused = preflight.send().await;
        assert_eq!(refused.status, 405);
        let allowed = "access-control-allow-origin";
        assert_eq!(refused.header(allowed), None);
        let token = world.redeem(&code, &[]).await;
        assert_eq!((token.status.as_u16(), token.header(allowed)), (200, None));
    }

    async fn api_08_a_token_of_anybodys_making_opens_nothing(world: World) {
        let claims = json!({
            "sub": "prof_01E2RJ4C05B52KKZ8FSRDAP23J",
            "client_id": world.demo.seeded.client_id,
            "exp": 4_102_444_800_i64,
        });
        for alg in ["none", "HS256", "RS256"] {
            let head = json!({ "alg": alg, "typ": "JWT" }).to_string();
            let [head, body] = [head, claims.to_string()].map(|part| base64url(part.as_bytes()));
            let forged = format!("{head}.{body}.{}", base64url(b"signature"));
            let answer = world.profile(&forged).await;
            assert_eq!(answer.status, 401, "{alg}");
            assert_eq!(answer.json(), json!({ "error": "Unauthorized" }));
        }
    }
}
