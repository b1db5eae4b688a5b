//! Logging out: from the application through the identity provider and back.

use hyper::Method;
use serde_json::{Value, json};
use url::Url;

use vestibule::sandbox::okta::{Fault, TenantFault};
use vestibule::sso::sweep;

use super::expect::{ADA, values};
use crate::api::workos_schema;
use crate::support::http::{Answer, Browser, Request};
use crate::support::{Fixture, TestDb, World, both_engines};

/// The tenant's own logout.
const END_SESSION: &str = "/oauth2/v1/logout";

/// Somebody who is signed in, in a browser that knows the tenant as well.
pub struct SignedIn {
    pub browser: Browser,
    pub token: String,
    pub profile: Value,
}

impl World {
    /// A login in which the browser itself goes to the tenant, so that it has a session there.
    pub async fn sign_in_as_a_browser(&self, browser: &mut Browser, url: &Url) -> Answer {
        let departed = browser.get(url).await;
        let shown = browser.get(&departed.next()).await;
        if shown.status.is_redirection() {
            return browser.get(&shown.next()).await;
        }
        let page = shown.text();
        let (_, rest) = page.split_once("name=\"transaction\" value=\"").expect("a sign-in page");
        let transaction = rest.split_once('"').unwrap().0;
        let person = self.demo.people.iter().find(|person| person.email == ADA).unwrap();
        let form = [
            ("transaction", transaction),
            ("username", ADA),
            ("password", person.password.as_str()),
        ];
        let url = Url::parse(self.demo.tenant.base_url()).unwrap().join("/login/sign-in").unwrap();
        let typed = browser.send(Request::post_form(&url, &form)).await;
        browser.get(&typed.next()).await
    }

    /// Signs Ada in and redeems the code.
    pub async fn signed_in(&self) -> SignedIn {
        let mut browser = self.browser();
        let answer = self.sign_in_as_a_browser(&mut browser, &self.authorize_url(&[])).await;
        let code = answer.param("code").unwrap_or_else(|| panic!("{}", answer.text()));
        let granted = self.redeem(&code, &[]).await.json();
        let token = granted["access_token"].as_str().unwrap().to_owned();
        SignedIn { browser, token, profile: granted["profile"].clone() }
    }

    /// Whether an access token is good.
    pub async fn is_good(&self, token: &str) -> bool {
        self.profile(token).await.status == 200
    }

    /// Asks for a logout, and expects that it is allowed.
    pub async fn authorize_logout(&self, profile: &Value) -> Value {
        let body = json!({ "profile_id": profile["id"] });
        let answer = self.api("POST", "/sso/logout/authorize", Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let path = "/sso/logout/authorize";
        workos_schema::check(&Method::POST, path, 200, &answer.text());
        answer.json()
    }

    /// Where a browser is sent to log out.
    async fn logout_url(&self, profile: &Value) -> Url {
        let answer = self.authorize_logout(profile).await;
        Url::parse(answer["logout_url"].as_str().unwrap()).unwrap()
    }

    /// Forgets what was fetched of the tenant.
    fn forget(&self) {
        self.app().upstream.forget(self.demo.seeded.connection_id.as_str());
    }

    /// How many ID tokens are kept.
    async fn kept(&self) -> i64 {
        let caller = self.caller();
        let read = self.app().db.read(&caller, async |tx| {
            tx.fetch_one("SELECT count(*) FROM id_tokens", &[]).await?.next()
        });
        read.await.unwrap()
    }
}

/// A page of ours that leads nowhere.
#[track_caller]
fn assert_stays(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status.as_u16(), status, "{} {}", answer.location(), answer.text());
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
    assert!(answer.text().contains(words), "{}", answer.text());
}

/// The names of the steps of a login.
fn steps(session: &Value) -> Vec<&str> {
    session["trace"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

both_engines! {
    async fn a_person_is_logged_out_here_and_at_the_identity_provider_and_returns(world: World) {
        let SignedIn { mut browser, token, profile } = world.signed_in().await;
        let answer = world.authorize_logout(&profile).await;
        let (url, logout_token) = (&answer["logout_url"], &answer["logout_token"]);
        let expected = world.url("/sso/logout").to_string();
        assert_eq!(*url, format!("{expected}?token={}", logout_token.as_str().unwrap()));
        assert!(world.is_good(&token).await, "asking ends nothing");

        let away = browser.get(&Url::parse(url.as_str().unwrap()).unwrap()).await;
        assert_eq!(away.status, 302, "{}", away.text());
        assert!(!world.is_good(&token).await);
        let asked = away.next();
        assert_eq!(asked.path(), END_SESSION);
        assert_eq!(values(&asked, "client_id"), [world.demo.credentials.client_id.as_str()]);
        assert_eq!(values(&asked, "id_token_hint").len(), 1);
        assert_eq!(world.kept().await, 0, "the ID token is not kept any longer");
        let connection = format!("/connections/{}", world.demo.seeded.connection_id);
        let connection = world.api("GET", &connection, None).await.json();
        let landing = connection["post_logout_redirect_uri"].as_str().unwrap();
        assert_eq!(values(&asked, "post_logout_redirect_uri"), [landing]);

        let back = browser.get(&asked).await;
        assert!(back.location().starts_with(&format!("{landing}?state=")), "{}", back.text());
        let home = browser.get(&back.next()).await;
        assert_eq!(home.status, 302, "{}", home.text());
        assert_eq!(home.location(), world.demo.application_url.as_str());
        assert!(browser.cookie_names(&world.url("/")).iter().all(|name| !name.ends_with("logout")));
        // The tenant asks for the password again.
        let departed = browser.get(&world.authorize_url(&[])).await;
        assert_eq!(browser.get(&departed.next()).await.status, 200);

        let events = world.events("profile.logged_out").await;
        assert_eq!(events.len(), 1, "the tenant's own logout token is no news: {events:#?}");
        let data = &events[0]["data"];
        assert_eq!(data["profile_id"], profile["id"]);
        assert_eq!(data["initiated_by"], "application");
        assert_eq!(data["idp_session"], "logout_requested");
        let id = data["sso_session_ids"][0].as_str().unwrap();
        let session = world.api("GET", &format!("/sso_sessions/{id}"), None).await.json();
        assert!(session["logged_out_at"].is_string(), "{session:#}");
        assert_eq!(session["status"], "success");
        let steps = steps(&session);
        let last = &steps[steps.len() - 2..];
        assert_eq!(last, ["logout.application", "logout.identity_provider"]);
    }

    async fn lgo_01_a_bad_logout_token_ends_nothing(world: World) {
        let SignedIn { mut browser, token, profile } = world.signed_in().await;
        let url = world.logout_url(&profile).await;
        let good = url.query().unwrap().strip_prefix("token=").unwrap().to_owned();
        let flipped = if good.ends_with('A') { "B" } else { "A" };
        let tampered = format!("{}{flipped}", &good[..42]);
        for query in [
            String::new(),
            "?token=".to_owned(),
            "?token=x".to_owned(),
            format!("?token={tampered}"),
            format!("?token={good}&token={good}"),
            format!("?token={good}%00"),
            format!("?token={token}"),
            format!("?token={}", "a".repeat(10_000)),
        ] {
            let answer = browser.get(&world.url(&format!("/sso/logout{query}"))).await;
            assert_stays(&answer, 404, "Sign-out not completed");
        }
        // A look and a guess ahead spend nothing.
        assert_eq!(Request::new("HEAD", &url).send().await.status, 204);
        let guess = Request::get(&url).header("sec-purpose", "prefetch;prerender");
        assert_eq!(guess.send().await.status, 204);
        assert_eq!(Request::new("POST", &url).send().await.status, 405);
        assert!(world.is_good(&token).await);
        assert_eq!(world.demo.tenant.count(END_SESSION), 0);

        let late = world.logout_url(&profile).await;
        world.clock.advance_ms(5 * 60 * 1000);
        assert_stays(&browser.get(&late).await, 403, "took too long");
        assert!(world.is_good(&token).await);
        assert_eq!(world.events("profile.logged_out").await.len(), 0);

        let url = world.logout_url(&profile).await;
        assert_eq!(browser.get(&url).await.status, 302);
        let again = world.signed_in().await;
        assert_stays(&browser.get(&url).await, 403, "already used");
        assert!(world.is_good(&again.token).await, "a used token ends no later login");
    }

    async fn lgo_02_nobody_logs_out_people_of_another_environment(world: World) {
        let SignedIn { token, profile, .. } = world.signed_in().await;
        let other = world.other_environment("https://other.example/cb").await;
        let ask = async |key: &str, body: Value| {
            let url = world.url("/sso/logout/authorize");
            Request::new("POST", &url).bearer(key).json(&body).send().await
        };
        let id = profile["id"].as_str().unwrap();
        let answer = ask(other.api_key.expose(), json!({ "profile_id": id })).await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json(), json!({ "message": format!("Profile not found: '{id}'.") }));
        let ours = world.demo.seeded.api_key.expose();
        for strange in ["prof_01HXYZ123456789ABCDEFGHJKM", "prof_'", "conn_1", ""] {
            let answer = ask(ours, json!({ "profile_id": strange })).await;
            assert_eq!(answer.status, 404, "{strange}");
        }
        let unauthorized =
            json!({ "error": "unauthorized_client", "error_description": "Unauthorized" });
        for key in ["sk_wrong", "", &token] {
            let answer = ask(key, json!({ "profile_id": id })).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (400, unauthorized.clone()));
        }
        for wrong in [
            json!({}),
            json!([]),
            json!({ "profile_id": null }),
            json!({ "profile_id": 1 }),
            json!({ "profile_id": "a\0b" }),
            json!({ "profile_id": id, "return_to": "https://evil.example/" }),
        ] {
            let answer = ask(ours, wrong.clone()).await;
            assert_eq!(answer.status, 400, "{wrong}");
            assert_eq!(answer.json()["error"], "invalid_request", "{wrong}");
        }
        assert!(world.is_good(&token).await);
    }

    async fn the_same_logout_asked_for_twice_is_one(world: World) {
        let SignedIn { profile, .. } = world.signed_in().await;
        let ask = async |body: &Value| {
            let url = world.url("/sso/logout/authorize");
            let request = Request::new("POST", &url).bearer(world.demo.seeded.api_key.expose());
            request.header("idempotency-key", "one").json(body).send().await
        };
        let body = json!({ "profile_id": profile["id"] });
        let (first, again) = (ask(&body).await, ask(&body).await);
        assert_eq!((first.status.as_u16(), &first.body), (200, &again.body));
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        let other = json!({ "profile_id": profile["id"], "return_to": "https://app.example/" });
        assert_eq!(ask(&other).await.status, 422);
    }

    async fn lgo_03_a_logout_address_that_cannot_be_used_is_none(world: World) {
        let ends = [
            (TenantFault::DiscoveryWithoutLogout, "logout_not_supported"),
            (TenantFault::DiscoveryScriptLogout, "logout_not_supported"),
            (TenantFault::DiscoveryPrivateLogout, "logout_not_supported"),
            (TenantFault::DiscoveryServerError, "unreachable"),
            (TenantFault::DiscoveryIssuerMismatch, "unreachable"),
        ];
        for (count, (fault, idp_session)) in ends.into_iter().enumerate() {
            let SignedIn { mut browser, token, profile } = world.signed_in().await;
            let url = world.logout_url(&profile).await;
            world.demo.tenant.set_tenant_faults(&[fault]);
            world.forget();
            let answer = browser.get(&url).await;
            assert_eq!(answer.status, 302, "{fault:?} {}", answer.text());
            assert_eq!(answer.location(), world.demo.application_url.as_str(), "{fault:?}");
            assert!(!world.is_good(&token).await, "{fault:?}");
            let events = world.events("profile.logged_out").await;
            assert_eq!(events.len(), count + 1, "{fault:?}");
            assert_eq!(events[0]["data"]["idp_session"], idp_session, "{fault:?}");
            world.demo.tenant.set_tenant_faults(&[]);
            world.forget();
        }
        assert_eq!(world.demo.tenant.count(END_SESSION), 0);

        // Without an end session endpoint, no ID token is kept for one.
        world.demo.tenant.set_tenant_faults(&[TenantFault::DiscoveryWithoutLogout]);
        world.forget();
        world.signed_in().await;
        assert_eq!(world.kept().await, 0);
    }

    async fn a_token_that_is_granted_while_its_person_logs_out_is_not_good_afterwards(world: World) {
        const ROUNDS: usize = 12;
        let node = world.node(|_| {}).await;
        let (mut granted, mut refused) = (0, 0);
        while granted + refused < ROUNDS {
            let SignedIn { mut browser, profile, .. } = world.signed_in().await;
            let url = world.logout_url(&profile).await;
            let code = world.code().await;
            let form = [
                ("client_id", world.demo.seeded.client_id.as_str()),
                ("client_secret", world.demo.seeded.api_key.expose()),
                ("grant_type", "authorization_code"),
                ("code", &code),
            ];
            let redeem = Request::post_form(&world.url("/sso/token"), &form).via(&node).send();
            let (answer, away) = tokio::join!(redeem, browser.get(&url));
            assert_eq!(away.status, 302, "{}", away.text());
            match answer.json()["access_token"].as_str() {
                Some(token) => {
                    granted += 1;
                    assert!(!world.is_good(token).await, "round {}", granted + refused);
                }
                None => {
                    refused += 1;
                    assert_eq!(answer.json()["error"], "invalid_grant", "{}", answer.text());
                }
            }
        }
        println!("{granted} granted, {refused} refused");
    }

    async fn ten_06_lgo_03_a_connection_that_is_switched_off_is_not_spoken_to(world: World) {
        let SignedIn { mut browser, profile, .. } = world.signed_in().await;
        let url = world.logout_url(&profile).await;
        world.change_connection(json!({ "state": "inactive" })).await;
        let body = json!({ "profile_id": profile["id"] });
        let answer = world.api("POST", "/sso/logout/authorize", Some(&body)).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], "connection_invalid");
        // What was authorized before ends here, and only here.
        let home = browser.get(&url).await;
        assert_eq!(home.location(), world.demo.application_url.as_str());
        assert_eq!(world.demo.tenant.count(END_SESSION), 0);
    }

    async fn lgo_04_the_landing_page_leads_nowhere_but_where_the_logout_began(world: World) {
        let SignedIn { mut browser, profile, .. } = world.signed_in().await;
        let url = world.logout_url(&profile).await;
        let away = browser.get(&url).await;
        let back = browser.get(&away.next()).await.next();
        let state = &values(&back, "state")[0];
        let evil = "https%3A%2F%2Fevil.example%2F";
        for query in [
            String::new(),
            "state=".to_owned(),
            "state=x".to_owned(),
            format!("state={}", "%00".repeat(69)),
            format!("state={}x", &state[..68]),
            format!("state={state}&state={state}"),
            format!("state={}{}", "0".repeat(26), &state[26..]),
            format!("return_to={evil}&redirect_uri={evil}&post_logout_redirect_uri={evil}&url={evil}"),
        ] {
            let mut url = back.clone();
            url.set_query(Some(&query));
            assert_stays(&browser.get(&url).await, 200, "You are signed out");
        }
        // Another browser, or another connection's address.
        assert_stays(&world.browser().get(&back).await, 200, "You are signed out");
        let mut elsewhere = browser.clone();
        elsewhere.keep(&world.url("/"), "vestibule-logout", "another");
        assert_stays(&elsewhere.get(&back).await, 200, "You are signed out");
        assert_eq!(Request::new("HEAD", &back).send().await.status, 204);
        let home = browser.clone().get(&back).await;
        assert_eq!(home.location(), world.demo.application_url.as_str());
        assert_stays(&browser.get(&back).await, 200, "You are signed out");

        // An address that is not registered any more is not gone to.
        let home = world.demo.application_url.as_str();
        for registered in [json!(["https://app.example.com/bye"]), json!([])] {
            world.change_environment(json!({ "logout_uris": [home] })).await;
            let SignedIn { mut browser, profile, .. } = world.signed_in().await;
            let away = browser.get(&world.logout_url(&profile).await).await;
            world.change_environment(json!({ "logout_uris": registered })).await;
            let back = browser.get(&away.next()).await;
            assert_stays(&browser.get(&back.next()).await, 200, "You are signed out");
        }
        // Without any, the browser stays here; with several, the application chooses.
        let SignedIn { mut browser, profile, .. } = world.signed_in().await;
        let away = browser.get(&world.logout_url(&profile).await).await;
        let back = browser.get(&away.next()).await;
        assert_stays(&browser.get(&back.next()).await, 200, "You are signed out");
        let uris = ["https://app.example.com/bye?a=b", "https://other.example.com/"];
        world.change_environment(json!({ "logout_uris": uris })).await;
        for (wanted, expected) in [(None, uris[0]), (Some(uris[1]), uris[1])] {
            let SignedIn { mut browser, profile, .. } = world.signed_in().await;
            let body = json!({ "profile_id": profile["id"], "return_to": wanted });
            let answer = world.api("POST", "/sso/logout/authorize", Some(&body)).await.json();
            let url = Url::parse(answer["logout_url"].as_str().unwrap()).unwrap();
            let away = browser.get(&url).await;
            let back = browser.get(&away.next()).await;
            assert_eq!(browser.get(&back.next()).await.location(), expected);
        }
    }

    async fn lgo_04_the_landing_page_of_another_connection_leads_nowhere(world: World) {
        let SignedIn { mut browser, profile, .. } = world.signed_in().await;
        let other = world.other_organization("beta.example").await;
        let away = browser.get(&world.logout_url(&profile).await).await;
        let mut back = browser.get(&away.next()).await.next();
        let foreign = other.callback.path().replace("/callback", "/logout/callback");
        back.set_path(&foreign);
        assert_stays(&browser.get(&back).await, 200, "You are signed out");
    }

    async fn lgo_08_a_login_under_way_does_not_outlive_the_logout_of_its_browser(world: World) {
        let SignedIn { mut browser, token, profile } = world.signed_in().await;
        let url = world.logout_url(&profile).await;
        // One login is at the tenant, and one waits for the application to redeem its code.
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let code = world.code_of(&world.authorize_url(&[]), ADA).await;
        // And one of another browser.
        let mut bystander = world.browser();
        let theirs = world.to_callback(&mut bystander, &world.authorize_url(&[]), ADA).await;

        assert_eq!(browser.get(&url).await.status, 302);
        assert!(!world.is_good(&token).await);
        let late = browser.get(&callback).await;
        assert_eq!(late.status, 400, "{}", late.location());
        assert_eq!(late.param("code"), None);
        let redeemed = world.redeem(&code, &[]).await;
        assert_eq!((redeemed.status.as_u16(), &redeemed.json()["error"]), (400, &json!("invalid_grant")));
        let failed = world.events("authentication.sso_failed").await;
        let codes: Vec<_> = failed.iter().map(|it| &it["data"]["error"]["code"]).collect();
        assert_eq!(codes, ["logged_out", "logged_out"]);
        assert!(bystander.get(&theirs).await.param("code").is_some());
    }

    async fn an_id_token_is_kept_until_the_next_one_or_for_a_week(world: World) {
        for _ in 0..3 {
            world.signed_in().await;
            assert_eq!(world.kept().await, 1);
        }
        sweep::purge(world.app()).await.unwrap();
        assert_eq!(world.kept().await, 1);
        world.clock.advance_ms(7 * 24 * 60 * 60 * 1000 + 1000);
        sweep::purge(world.app()).await.unwrap();
        assert_eq!(world.kept().await, 0);
        // Without it the tenant could ask the person; this one refuses.
        let SignedIn { mut browser, profile, .. } = world.signed_in().await;
        let caller = world.caller();
        let forget = world.app().db.write(&caller, async |tx| {
            tx.execute("DELETE FROM id_tokens", &[]).await
        });
        forget.await.unwrap();
        let away = browser.get(&world.logout_url(&profile).await).await;
        let asked = away.next();
        assert_eq!(values(&asked, "id_token_hint"), [""; 0]);
        assert_eq!(values(&asked, "client_id"), [world.demo.credentials.client_id.as_str()]);
    }

    async fn the_id_token_stands_nowhere_in_clear(world: World) {
        let SignedIn { mut browser, profile, .. } = world.signed_in().await;
        let caller = world.caller();
        let sealed: Vec<u8> = world
            .app()
            .db
            .read(&caller, async |tx| {
                tx.fetch_one("SELECT token_sealed FROM id_tokens", &[]).await?.next()
            })
            .await
            .unwrap();
        let away = browser.get(&world.logout_url(&profile).await).await;
        let hint = values(&away.next(), "id_token_hint").remove(0);
        let payload = hint.split('.').nth(1).unwrap().as_bytes();
        assert!(!sealed.windows(20).any(|window| payload.starts_with(window)));
        let session = world.last_session().await.to_string();
        assert!(!session.contains(&hint[..40]), "{session}");
    }

    async fn what_cannot_be_a_logout_uri_is_not_registered(world: World) {
        for wrong in [
            "javascript:alert(1)",
            "http://app.example.com/",
            "https://user@app.example.com/",
            "//app.example.com/",
            "/home",
            "https://app.example.com/\nx",
            "https://app.example.com\\@evil.example/",
        ] {
            let body = json!({ "settings": { "logout_uris": [wrong] } });
            let answer = world.api("PATCH", "/environment", Some(&body)).await;
            assert_eq!(answer.status, 422, "{wrong}");
            assert_eq!(answer.json()["code"], "invalid_logout_uri", "{wrong}");
        }
        let many: Vec<String> = (0..21).map(|n| format!("https://app.example.com/{n}")).collect();
        let body = json!({ "settings": { "logout_uris": many } });
        assert_eq!(world.api("PATCH", "/environment", Some(&body)).await.status, 422);
        let kept = world.api("GET", "/environment", None).await.json();
        assert_eq!(kept["settings"]["logout_uris"], json!([world.demo.application_url.as_str()]));
    }

    async fn the_sample_application_signs_out_through_every_hop(world: World) {
        let mut browser = world.browser();
        let begin = world.demo.application_url.join("/login").unwrap();
        let authorize = browser.get(&begin).await.next();
        let answer = world.sign_in_as_a_browser(&mut browser, &authorize).await;
        assert_eq!(browser.get(&answer.next()).await.location(), "/");
        assert!(browser.get(&world.demo.application_url).await.text().contains("Ada Lovelace"));
        let out = world.demo.application_url.join("/logout").unwrap();
        let mut hop = browser.send(Request::new("POST", &out)).await;
        for _ in 0..3 {
            hop = browser.get(&hop.next()).await;
        }
        assert_eq!(hop.location(), world.demo.application_url.as_str());
        let home = browser.get(&world.demo.application_url).await;
        assert!(home.text().contains("Sign in with SSO"), "{}", home.text());
        assert!(world.demo.tenant.session_ids(&world.person(ADA)).is_empty());
    }
}

#[tokio::test]
async fn the_form_of_workos_examples_is_read_as_well() {
    let world = World::on(TestDb::sqlite()).await;
    let SignedIn { profile, .. } = world.signed_in().await;
    let ask = async |form: &[(&str, &str)]| {
        let url = world.url("/sso/logout/authorize");
        let key = world.demo.seeded.api_key.expose();
        Request::post_form(&url, form).bearer(key).send().await
    };
    let id = profile["id"].as_str().unwrap();
    assert_eq!(ask(&[("profile_id", id), ("more", "x")]).await.status, 200);
    assert_eq!(ask(&[("profile_id", id), ("profile_id", id)]).await.status, 400);
    assert_eq!(ask(&[]).await.status, 400);
    // A misbehaving tenant changes nothing of it.
    world.faults(&[Fault::TokenServerError]);
    assert_eq!(ask(&[("profile_id", id)]).await.status, 200);
}
