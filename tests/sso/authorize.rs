//! The application's request: its parameters, its selectors, and how a refusal is told.
//!
//! WorkOS documents 14 error codes of this redirect. Where each is proven:
//! `connection_invalid`, `connection_unlinked`, `connection_domain_invalid`,
//! `domain_connection_selector_not_allowed`, `connection_strategy_invalid`,
//! `organization_invalid`, `ambiguous_connection_selector` and `invalid_connection_selector` below;
//! `idp_initiated_sso_disabled` in `initiate.rs`; `access_denied` in `callback.rs`; `server_error`
//! in `upstream.rs`; `profile_not_allowed_outside_organization` in `claims.rs`;
//! `signin_consent_denied` in `consent.rs`. The 14th, `oauth_failed`, belongs to connections to
//! OAuth providers without OpenID Connect, of which there are none here: it cannot be reached.

use serde_json::json;
use vestibule::base::failure::FailureCode;

use super::expect::{assert_departed, assert_page, values};
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

/// Sends a query byte for byte, behind the parameters of a plain login without `without`.
async fn ask_raw(world: &World, without: &str, query: &str) -> Answer {
    let url = world.authorize_url(&[(without, "")]);
    let target = format!("{}?{}&{query}", url.path(), url.query().unwrap());
    Request::get(&url).target(&target).send().await
}

/// An application that asks, and no browser.
async fn ask_for_json(world: &World, changes: &[(&str, &str)]) -> Answer {
    let request = Request::get(&world.authorize_url(changes));
    request.header("accept", "application/json").send().await
}

both_engines! {
    async fn auz_01_an_unknown_client_sees_one_page_whatever_it_sends(world: World) {
        let (before, attempts) = (world.stored().await, world.attempts().await);
        let long = "c".repeat(10_000);
        let mut pages = Vec::new();
        for client_id in ["client_unknown", "", &long, "client_\0", "client_' OR 1=1 --", "%"] {
            let answer = world.authorize(&[("client_id", client_id)]).await;
            assert_page(&answer, FailureCode::ClientIdInvalid);
            pages.push(answer.text());
        }
        pages.dedup();
        assert_eq!(pages.len(), 1, "all see the same");
        assert_eq!((world.stored().await, world.attempts().await), (before, attempts));
    }

    async fn auz_02_16_unknown_parameters_are_ignored_and_never_fetched(world: World) {
        let canary = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/request.jwt", canary.local_addr().unwrap());
        let extra = [
            ("extra", "1"), ("request_uri", uri.as_str()), ("request", "eyJhbGciOiJub25lIn0.e30."),
            ("claims", r#"{"userinfo":{"email":null}}"#), ("registration", r#"{"x":1}"#),
            ("response_mode", "fragment"), ("nonce", "mine"), ("max_age", "1"), ("acr_values", "x"),
        ];
        let asked = assert_departed(&world, &world.authorize(&extra).await);
        for name in ["extra", "request_uri", "request", "claims", "registration", "response_mode",
            "max_age", "acr_values"] {
            assert_eq!(values(&asked, name), [""; 0], "{name} went on");
        }
        assert_ne!(values(&asked, "nonce"), ["mine"]);
        let fetched = tokio::time::timeout(std::time::Duration::from_millis(100), canary.accept());
        assert!(fetched.await.is_err(), "the request object was fetched");
        let empty = "login_hint=&prompt=&code_challenge=&organization=&provider=&domain=&state=";
        assert_departed(&world, &ask_raw(&world, "state", empty).await);
    }

    async fn auz_03_a_parameter_given_twice_is_refused_whatever_it_says(world: World) {
        let (before, attempts) = (world.stored().await, world.attempts().await);
        let redirect = vestibule::sso::answer::percent_encode(world.demo.redirect_uri.as_bytes());
        let client = &world.demo.seeded.client_id;
        let connection = &world.demo.seeded.connection_id;
        for twice in [
            format!("redirect_uri={redirect}"),
            "redirect_uri=https%3A%2F%2Fevil.example".to_owned(),
            format!("redirect_uri%5B%5D={redirect}"),
            format!("redirect_uri[0]={redirect}"),
            format!("redirect%5Furi={redirect}"),
            "redirect_uri=".to_owned(),
            format!("client_id={client}"), "client_id=other".to_owned(),
            "state=state+of+the+application".to_owned(), "state=x".to_owned(),
            format!("connection={connection}"), format!("connection_id={connection}"),
            "connection=conn_x".to_owned(), "response_type=code".to_owned(),
            "code_challenge=a&code_challenge=b".to_owned(),
            "organization=org_a&organization_id=org_b".to_owned(),
        ] {
            let answer = ask_raw(&world, "none", &twice).await;
            assert_page(&answer, FailureCode::DuplicateParam);
        }
        assert_eq!((world.stored().await, world.attempts().await), (before, attempts));
    }

    async fn auz_15_only_the_response_type_code_is_supported(world: World) {
        for other in ["token", "code id_token", "id_token", "CODE", "code "] {
            let answer = world.authorize(&[("response_type", other)]).await;
            world.assert_refused(&answer, FailureCode::UnsupportedResponseType).await;
        }
        let absent = world.authorize(&[("response_type", "")]).await;
        world.assert_refused(&absent, FailureCode::InvalidRequest).await;
    }

    async fn auz_17_ten_03_the_selectors_name_exactly_one_usable_connection(world: World) {
        use FailureCode as F;
        let seeded = world.demo.seeded.clone();
        let (connection, organization) =
            (seeded.connection_id.to_string(), seeded.organization_id.to_string());
        let empty = world.must("POST", "/organizations", json!({ "name": "Empty" })).await;
        let empty = empty["id"].as_str().unwrap();
        let unknown = organization.replace("org_", "org_0").split_at(30).0.to_owned();
        let none = ("connection", "");
        let cases: &[(&[(&str, &str)], F)] = &[
            (&[none], F::InvalidConnectionSelector),
            (&[("organization", &organization)], F::InvalidConnectionSelector),
            (&[("provider", "GoogleOAuth")], F::InvalidConnectionSelector),
            (&[("organization", empty)], F::OrganizationInvalid),
            (&[none, ("organization", empty)], F::OrganizationInvalid),
            (&[none, ("organization", &unknown)], F::OrganizationInvalid),
            (&[none, ("organization", &connection)], F::OrganizationInvalid),
            (&[none, ("organization", "org_\0")], F::OrganizationInvalid),
            (&[("connection", "conn_unknown")], F::ConnectionInvalid),
            (&[("connection", &organization)], F::ConnectionInvalid),
            (&[("connection", "conn_\0")], F::ConnectionInvalid),
            (&[none, ("provider", "GoogleOAuth")], F::ConnectionStrategyInvalid),
            (&[none, ("provider", "authkit")], F::InvalidConnectionSelector),
            (&[none, ("domain", "acme.example")], F::DomainSelectorNotAllowed),
            (&[none, ("domain", "unknown.example")], F::ConnectionDomainInvalid),
            (&[none, ("domain", "acme\0.example")], F::ConnectionDomainInvalid),
        ];
        for (changes, code) in cases {
            world.assert_refused(&world.authorize(changes).await, *code).await;
        }
        for alias in ["connection", "connection_id"] {
            let changes = [none, (alias, connection.as_str())];
            assert_departed(&world, &world.authorize(&changes).await);
        }
        for alias in ["organization", "organization_id"] {
            let changes = [none, (alias, organization.as_str())];
            assert_departed(&world, &world.authorize(&changes).await);
        }
    }

    async fn auz_17_only_usable_connections_count_for_an_organization(world: World) {
        let organization = world.demo.seeded.organization_id.to_string();
        let by_organization = [("connection", ""), ("organization", organization.as_str())];
        let second = world.connect(&organization, "OktaOIDC").await;
        let answer = world.authorize(&by_organization).await;
        world.assert_refused(&answer, FailureCode::AmbiguousConnectionSelector).await;

        let path = format!("/connections/{}", second.id);
        world.must("PATCH", &path, json!({ "state": "inactive" })).await;
        assert_departed(&world, &world.authorize(&by_organization).await);
        let answer = world.authorize(&[("connection", &second.id)]).await;
        world.assert_refused(&answer, FailureCode::ConnectionUnlinked).await;

        world.change_connection(json!({ "state": "inactive" })).await;
        let answer = world.authorize(&by_organization).await;
        world.assert_refused(&answer, FailureCode::ConnectionUnlinked).await;

        let draft = json!({
            "organization_id": organization, "connection_type": "OktaOIDC", "name": "Draft",
        });
        let draft = world.must("POST", "/connections", draft).await;
        let answer = world.authorize(&[("connection", draft["id"].as_str().unwrap())]).await;
        world.assert_refused(&answer, FailureCode::ConnectionUnlinked).await;
    }

    async fn auz_18_a_hint_is_one_encoded_value_or_none(world: World) {
        let odd = "\"><svg>&prompt=none#x";
        let changes = [("login_hint", odd), ("domain_hint", odd)];
        let asked = assert_departed(&world, &world.authorize(&changes).await);
        assert_eq!(values(&asked, "login_hint"), [odd]);
        assert_eq!(values(&asked, "domain_hint"), [odd]);
        assert_eq!(values(&asked, "prompt"), [""; 0]);
        for dropped in ["ada\r\nset-cookie: x=1", "ada\0", &"a".repeat(5000)] {
            let asked = assert_departed(&world, &world.authorize(&[("login_hint", dropped)]).await);
            assert_eq!(values(&asked, "login_hint"), [""; 0], "{dropped:?}");
        }
        let asked = assert_departed(&world, &world.authorize(&[("prompt", "login")]).await);
        assert_eq!(values(&asked, "prompt"), ["login"]);
        assert_eq!(values(&asked, "max_age"), ["0"]);
    }

    async fn auz_19_the_application_cannot_set_parameters_of_the_protocol(world: World) {
        for name in [
            "state", "nonce", "redirect_uri", "client_id", "response_mode", "code_challenge",
            "code_challenge_method", "scope", "response_type", "prompt", "max_age", "request",
            "request_uri", "login_hint", "STATE", "Redirect_Uri", "acr_values", "",
        ] {
            let bracket = format!("provider_query_params[{name}]");
            let answer = world.authorize(&[(&bracket, "evil")]).await;
            world.assert_refused(&answer, FailureCode::ReservedParam).await;
            let object = json!({ name: "evil" }).to_string();
            let answer = world.authorize(&[("provider_query_params", &object)]).await;
            world.assert_refused(&answer, FailureCode::ReservedParam).await;
        }
        for scopes in ["\"", "a\\b", "email\u{e9}", "email\0"] {
            let answer = world.authorize(&[("provider_scopes", scopes)]).await;
            world.assert_refused(&answer, FailureCode::ReservedParam).await;
        }
        let twice = "provider_query_params[kc_idp_hint]=a&provider_query_params[kc_idp_hint]=b";
        let answer = ask_raw(&world, "none", twice).await;
        world.assert_refused(&answer, FailureCode::ReservedParam).await;
        let good = world.authorize(&[("provider_query_params[kc_idp_hint]", "a&b=c")]).await;
        let asked = assert_departed(&world, &good);
        assert_eq!(values(&asked, "kc_idp_hint"), ["a&b=c"]);
        for name in ["state", "nonce", "redirect_uri", "client_id", "scope", "code_challenge"] {
            assert_eq!(values(&asked, name).len(), 1, "{name}");
        }
    }

    async fn lists_and_objects_are_read_as_the_sdks_write_them(world: World) {
        for query in [
            "provider_scopes=phone&provider_scopes=address", "provider_scopes=phone,address",
            "provider_scopes=phone+address", "provider_scopes[]=phone&provider_scopes[]=address",
            "provider_scopes%5B0%5D=phone&provider_scopes%5B1%5D=address",
            "provider_scopes=%5B%27phone%27%2C+%27address%27%5D",
        ] {
            let asked = assert_departed(&world, &ask_raw(&world, "none", query).await);
            let scope = "openid profile email phone address groups";
            assert_eq!(values(&asked, "scope"), [scope], "{query}");
        }
        for query in [
            "provider_query_params[hl]=de", "provider_query_params%5Bhl%5D=de",
            "provider_query_params=%7B%22hl%22%3A%22de%22%7D",
        ] {
            let asked = assert_departed(&world, &ask_raw(&world, "none", query).await);
            assert_eq!(values(&asked, "hl"), ["de"], "{query}");
        }
    }

    async fn auz_20_the_state_comes_back_byte_for_byte(world: World) {
        let long = "x".repeat(4096);
        for (sent, back) in [
            ("state=a+b%2Bc%20d", "&state=a%20b%2Bc%20d"),
            ("state=%00%ff%e2%82%ac", "&state=%00%FF%E2%82%AC"),
            ("state=%zz%", "&state=%25zz%25"),
            ("state=%7B%22a%22%3A%5B1%5D%7D%26c%3Dx", "&state=%7B%22a%22%3A%5B1%5D%7D%26c%3Dx"),
            (&format!("state={long}"), &format!("&state={long}")),
            ("", ""),
        ] {
            let target = |query: &str| {
                let url = world.authorize_url(&[("state", "")]);
                (url.clone(), format!("{}?{}&{query}", url.path(), url.query().unwrap()))
            };
            let (url, raw) = target(sent);
            let mut browser = world.browser();
            let departed = browser.send(Request::get(&url).target(&raw)).await;
            let asked = assert_departed(&world, &departed);
            let arrived = world.demo.tenant.sign_in(asked.as_str(), "ada@acme.example").await;
            let answer = browser.get(&url::Url::parse(&arrived.unwrap()).unwrap()).await;
            let code = answer.param("code").expect("a code");
            assert_eq!(answer.location(), format!("{}?code={code}{back}", world.demo.redirect_uri));

            let (url, raw) = target(&format!("{sent}&provider=x"));
            let refused = Request::get(&url).target(&raw).send().await;
            let state = back.strip_prefix("&state=");
            let code = FailureCode::InvalidConnectionSelector;
            world.assert_refused_with(&refused, code, state).await;
        }
        let edge = world.authorize(&[("state", &"x".repeat(8192))]).await;
        assert_departed(&world, &edge);
        let answer = world.authorize(&[("state", &"x".repeat(8193))]).await;
        assert_page(&answer, FailureCode::StateTooLong);
    }

    async fn auz_22_only_a_visit_by_get_begins_a_login(world: World) {
        let (url, before) = (world.authorize_url(&[]), world.attempts().await);
        for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
            assert_eq!(Request::new(method, &url).send().await.status, 405, "{method}");
        }
        assert_eq!(Request::new("HEAD", &url).send().await.status, 204);
        for (name, value) in [("sec-purpose", "prefetch;prerender"), ("purpose", "Prefetch")] {
            let answer = Request::get(&url).header(name, value).send().await;
            assert_eq!((answer.status.as_u16(), answer.location()), (204, String::new()));
            assert_eq!(answer.header("set-cookie"), None);
        }
        assert_eq!(world.attempts().await, before);
    }

    async fn auz_23_the_login_over_the_limit_waits_and_other_connections_do_not(world: World) {
        let other = world.other_organization("globex.example").await;
        let app = world.app();
        let connection = world.demo.seeded.connection_id.as_str();
        while app.limits.authorize.admit(connection, app.clock.now()) {}
        let before = world.attempts().await;
        let answer = world.authorize(&[]).await;
        assert_page(&answer, FailureCode::RateLimited);
        let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=120).contains(&seconds), "{seconds}");
        let url = world.authorize_url(&[]);
        let json = Request::get(&url).header("accept", "application/json").send().await;
        assert_eq!((json.status.as_u16(), &json.json()["code"]), (429, &json!("rate_limited")));
        assert_eq!(json.header("retry-after"), answer.header("retry-after"));
        assert_eq!(world.attempts().await, before, "nothing is stored for a flood");
        assert_departed(&world, &world.authorize(&[("connection", &other.id)]).await);
        // Whoever waits as long as they are told gets in.
        world.clock.advance_ms(i64::from(seconds) * 1000);
        assert_departed(&world, &world.authorize(&[]).await);
    }

    async fn a_look_before_the_visit_takes_no_room_from_logins(world: World) {
        let app = world.app();
        let connection = world.demo.seeded.connection_id.as_str();
        let room = || {
            let mut room = 0;
            while app.limits.authorize.admit(connection, app.clock.now()) {
                room += 1;
            }
            world.clock.advance_ms(120_000);
            room
        };
        let all = room();
        let url = world.authorize_url(&[]);
        for _ in 0..3 {
            let looked = Request::get(&url).header("accept", "application/json").send().await;
            assert_eq!(looked.status, 200);
        }
        assert_eq!(room(), all);
    }

    async fn refusals_are_recorded_as_long_as_nobody_makes_them_on_purpose(world: World) {
        let app = world.app();
        let environment = world.demo.seeded.environment_id.as_str();
        while app.limits.authorize.admit(environment, app.clock.now()) {}
        let (attempts, events) =
            (world.attempts().await, world.events("authentication.sso_failed").await);
        let page = world.authorize(&[("redirect_uri", "https://evil.example")]).await;
        assert_page(&page, FailureCode::RedirectUriInvalid);
        let told = world.authorize(&[("connection", "conn_x")]).await;
        assert_eq!(told.param("error").as_deref(), Some("connection_invalid"));
        assert_eq!(told.param("sso_session_id"), None, "there is none to look up");
        assert_eq!(world.attempts().await, attempts);
        assert_eq!(world.events("authentication.sso_failed").await, events);
        assert!(world.sign_ada_in().await.param("code").is_some(), "logins go on");
    }

    async fn cod_10_the_applications_challenge_is_s256_or_none(world: World) {
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let (short, long, padded) = (&good[1..], format!("{good}x"), good.replace('M', "="));
        for (challenge, method) in [
            (good, "plain"), (good, ""), (good, "s256"), (good, "S512"), ("", "S256"),
            (short, "S256"), (&long, "S256"), (&padded, "S256"),
        ] {
            let changes = [("code_challenge", challenge), ("code_challenge_method", method)];
            let answer = world.authorize(&changes).await;
            world.assert_refused(&answer, FailureCode::PkceMethodInvalid).await;
        }
        let changes = [("code_challenge", good), ("code_challenge_method", "S256")];
        let asked = assert_departed(&world, &world.authorize(&changes).await);
        assert_ne!(values(&asked, "code_challenge"), [good], "the tenant sees ours");
    }

    async fn an_application_that_asks_gets_a_url_of_ours_as_json(world: World) {
        let before = world.attempts().await;
        for header in [("accept", "application/json"), ("authorization", "Bearer sk_x")] {
            let request = Request::get(&world.authorize_url(&[]));
            let answer = request.header(header.0, header.1).send().await;
            assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (200, None));
            assert_eq!(answer.json(), json!({ "url": world.authorize_url(&[]).as_str() }));
        }
        assert_eq!(world.attempts().await, before, "a login begins in a browser");
        let html = Request::get(&world.authorize_url(&[]));
        let html = html.header("accept", "text/html,application/json;q=0.9").send().await;
        assert_departed(&world, &html);
        for (change, status, code) in [
            (("client_id", "x"), 400, FailureCode::ClientIdInvalid),
            (("redirect_uri", "https://evil.example"), 400, FailureCode::RedirectUriInvalid),
            (("connection", "conn_x"), 400, FailureCode::ConnectionInvalid),
            (("response_type", "token"), 400, FailureCode::UnsupportedResponseType),
        ] {
            let answer = ask_for_json(&world, &[change]).await;
            let body = json!({ "code": code.as_str(), "message": code.for_developer() });
            assert_eq!((answer.status.as_u16(), answer.json()), (status, body));
            assert_eq!(answer.header("location"), None);
        }
    }
}
