//! What identity providers say of logouts by themselves: only a good logout token ends anything.

use serde_json::{Value, json};
use url::Url;

use aws_lc_rs::hmac;
use vestibule::base::secret::base64url;
use vestibule::sandbox::okta::Server;

use super::expect::{ADA, KEYS};
use super::logout::SignedIn;
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

/// The header of an honest logout token.
fn header() -> Value {
    json!({ "typ": "logout+jwt", "alg": "RS256" })
}

impl World {
    /// Where the demo's connection takes logout tokens.
    async fn backchannel_uri(&self) -> Url {
        let path = format!("/connections/{}", self.demo.seeded.connection_id);
        let connection = self.api("GET", &path, None).await.json();
        Url::parse(connection["backchannel_logout_uri"].as_str().unwrap()).unwrap()
    }

    /// The claims of a good logout token for the demo's connection.
    fn logout_claims(&self, sub: Option<&str>, sid: Option<&str>) -> Value {
        let client_id = self.demo.credentials.client_id.as_str();
        self.demo.tenant.logout_claims((Server::Org, client_id), (sub, sid))
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.demo.tenant.sign(Server::Org, header, claims).expect("a token")
    }
}

async fn send(url: &Url, token: &str) -> Answer {
    let answer = Request::post_form(url, &[("logout_token", token)]).send().await;
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
    answer
}

/// Refused in the words of the standard.
#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_request", "{what}");
}

/// A claim replaced, or taken away by null.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    match value {
        Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
        value => changed[name] = value,
    }
    changed
}

both_engines! {
    async fn lgo_06_only_a_good_logout_token_ends_anything(world: World) {
        let SignedIn { token, profile, .. } = world.signed_in().await;
        let ada = world.person(ADA);
        let sid = world.demo.tenant.session_ids(&ada).remove(0);
        let url = world.backchannel_uri().await;
        let good = world.logout_claims(Some(&ada), Some(&sid));
        let now_s = world.clock.now().as_s();
        let (event, events) = ("http://schemas.openid.net/event/backchannel-logout", "events");
        let issuer = world.demo.tenant.issuer(Server::Org);
        let client = world.demo.credentials.client_id.as_str();

        let wrong = [
            // Those of the OpenID Foundation's suite.
            ("no event", with(&good, events, Value::Null)),
            ("another event", with(&good, events, json!({ format!("{event}x"): {} }))),
            ("an event that is no object", with(&good, events, json!({ event: true }))),
            ("events that are a list", with(&good, events, json!([event]))),
            ("with nonce", with(&good, "nonce", json!("n"))),
            ("with an empty nonce", with(&good, "nonce", json!(""))),
            ("another audience", with(&good, "aud", json!(format!("{client}1")))),
            ("an audience more", with(&good, "aud", json!([client, "other"]))),
            ("no audience", with(&good, "aud", Value::Null)),
            ("another issuer", with(&good, "iss", json!(format!("{issuer}1")))),
            ("no issuer", with(&good, "iss", Value::Null)),
            // And more.
            ("expired", with(&good, "exp", json!(now_s - 61))),
            ("without exp", with(&good, "exp", Value::Null)),
            ("exp as a text", with(&good, "exp", json!("2100"))),
            ("without iat", with(&good, "iat", Value::Null)),
            ("issued ahead", with(&good, "iat", json!(now_s + 100))),
            ("issued long ago", with(&good, "iat", json!(now_s - 700))),
            ("not yet good", with(&good, "nbf", json!(now_s + 100))),
            ("without jti", with(&good, "jti", Value::Null)),
            ("jti as a number", with(&good, "jti", json!(1))),
            ("nobody", world.logout_claims(None, None)),
            ("sub as a number", with(&good, "sub", json!(1))),
            ("sub with a NUL", with(&good, "sub", json!("a\0"))),
            ("an empty sid", with(&good, "sid", json!(""))),
        ];
        for (what, claims) in &wrong {
            assert_refused(&send(&url, &world.signed(&header(), claims)).await, what);
        }
        for (what, header) in [
            ("typ of an access token", json!({ "typ": "at+jwt", "alg": "RS256" })),
            ("typ of something else", json!({ "typ": "secevent+jwt", "alg": "RS256" })),
            ("critical extension", json!({ "typ": "logout+jwt", "alg": "RS256", "crit": ["x"] })),
            ("another algorithm", json!({ "typ": "logout+jwt", "alg": "PS256" })),
            ("an unknown key", json!({ "typ": "logout+jwt", "alg": "RS256", "kid": "x" })),
            ("no algorithm", json!({ "typ": "logout+jwt" })),
        ] {
            assert_refused(&send(&url, &world.signed(&header, &good)).await, what);
        }
        let honest = world.signed(&header(), &good);
        let parts: Vec<&str> = honest.split('.').collect();
        let unsigned = base64url(json!({ "alg": "none" }).to_string().as_bytes());
        assert_refused(&send(&url, &format!("{unsigned}.{}.", parts[1])).await, "alg none");
        let symmetric = base64url(json!({ "alg": "HS256" }).to_string().as_bytes());
        let message = format!("{symmetric}.{}", parts[1]);
        let secret = world.demo.credentials.client_secret.expose();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mac = base64url(hmac::sign(&key, message.as_bytes()).as_ref());
        assert_refused(&send(&url, &format!("{message}.{mac}")).await, "HS256");
        let other = with(&good, "sub", json!("somebody"));
        let swapped = base64url(other.to_string().as_bytes());
        let swapped = format!("{}.{swapped}.{}", parts[0], parts[2]);
        assert_refused(&send(&url, &swapped).await, "another payload");
        let long = "a".repeat(60_000);
        for token in ["", "x", "a.b.c", "a.b.c.d.e", &long] {
            assert_refused(&send(&url, token).await, "garbage");
        }
        // An ID token is none, even one of this very session.
        let id_token = json!({ "iss": issuer, "aud": client, "sub": ada, "iat": now_s,
            "exp": now_s + 300, "nonce": "n", "sid": sid });
        assert_refused(&send(&url, &world.signed(&json!({ "alg": "RS256" }), &id_token)).await, "ID");

        let twice = [("logout_token", honest.as_str()), ("logout_token", honest.as_str())];
        assert_refused(&Request::post_form(&url, &twice).send().await, "twice");
        let body = json!({ "logout_token": honest });
        assert_refused(&Request::new("POST", &url).json(&body).send().await, "JSON");
        let mut in_query = url.clone();
        in_query.query_pairs_mut().append_pair("logout_token", &honest);
        assert_refused(&Request::post_form(&in_query, &[]).send().await, "in the query");
        assert!(world.is_good(&token).await);
        assert_eq!(world.events("profile.logged_out").await.len(), 0);

        let answer = send(&url, &honest).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!world.is_good(&token).await);
        let events = world.events("profile.logged_out").await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["data"]["profile_id"], profile["id"]);
        assert_eq!(events[0]["data"]["initiated_by"], "identity_provider");
        let id = events[0]["data"]["sso_session_ids"][0].as_str().unwrap();
        let session = world.api("GET", &format!("/sso_sessions/{id}"), None).await.json();
        assert!(session["logged_out_at"].is_string());
        let last = session["trace"].as_array().unwrap().last().unwrap();
        assert_eq!(last["name"], "logout.identity_provider");

        // Once.
        let again = world.signed_in().await;
        assert_refused(&send(&url, &honest).await, "replayed");
        assert!(world.is_good(&again.token).await);
        world.clock.advance_ms(59_000);
        assert_refused(&send(&url, &honest).await, "replayed later");
    }

    async fn a_session_is_ended_alone_and_a_person_everywhere(world: World) {
        let ada = world.person(ADA);
        let url = world.backchannel_uri().await;
        let first = world.signed_in().await;
        let sid = world.demo.tenant.session_ids(&ada).remove(0);
        let second = world.signed_in().await;
        assert_eq!(world.demo.tenant.session_ids(&ada).len(), 2);

        // Somebody else's session, or one that nobody knows, ends nothing.
        for claims in [
            world.logout_claims(None, Some("unknown")),
            world.logout_claims(Some("somebody"), Some(&sid)),
            world.logout_claims(Some("somebody"), None),
        ] {
            assert_eq!(send(&url, &world.signed(&header(), &claims)).await.status, 200);
        }
        assert_eq!(world.events("profile.logged_out").await.len(), 0);
        assert!(world.is_good(&first.token).await && world.is_good(&second.token).await);

        // A token without typ, or with the typ of older providers, is as good.
        let claims = world.logout_claims(None, Some(&sid));
        let old = world.signed(&json!({ "typ": "JWT", "alg": "RS256" }), &claims);
        assert_eq!(send(&url, &old).await.status, 200);
        assert!(!world.is_good(&first.token).await);
        assert!(world.is_good(&second.token).await);

        let third = world.signed_in().await;
        let claims = world.logout_claims(Some(&ada), None);
        let bare = world.signed(&json!({ "alg": "RS256" }), &claims);
        assert_eq!(send(&url, &bare).await.status, 200);
        assert!(!world.is_good(&second.token).await && !world.is_good(&third.token).await);
        assert_eq!(world.events("profile.logged_out").await.len(), 2);

        // A session that we do not remember: nothing to revoke, but the application is told.
        let claims = world.logout_claims(Some(&ada), Some("from before"));
        assert_eq!(send(&url, &world.signed(&header(), &claims)).await.status, 200);
        assert_eq!(world.events("profile.logged_out").await.len(), 3);
    }

    async fn the_tenant_itself_tells_that_sessions_have_ended(world: World) {
        let first = world.signed_in().await;
        let second = world.signed_in().await;
        world.demo.tenant.clear_sessions(&world.person(ADA)).await;
        assert!(!world.is_good(&first.token).await && !world.is_good(&second.token).await);
        assert_eq!(world.events("profile.logged_out").await.len(), 2);
    }

    async fn lgo_07_a_tenant_speaks_for_its_own_connection_only(world: World) {
        let SignedIn { token, .. } = world.signed_in().await;
        let (ada, ours) = (world.person(ADA), world.backchannel_uri().await);
        let other = world.other_organization("beta.example").await;
        let path = format!("/connections/{}", other.id);
        let theirs = world.api("GET", &path, None).await.json();
        let theirs = Url::parse(theirs["backchannel_logout_uri"].as_str().unwrap()).unwrap();
        let client = (Server::Org, other.credentials.client_id.as_str());
        let claims = |sid| world.demo.tenant.logout_claims(client, (Some(&ada), sid));
        let sid = world.demo.tenant.session_ids(&ada).remove(0);
        for sid in [None, Some(sid.as_str())] {
            let foreign = world.signed(&header(), &claims(sid));
            assert_refused(&send(&ours, &foreign).await, "another client's");
            assert_eq!(send(&theirs, &foreign).await.status, 200);
        }
        assert!(world.is_good(&token).await);
        assert_eq!(world.events("profile.logged_out").await.len(), 0);

        // The other authorization server of the same tenant is another issuer, with keys of its own.
        let claims = world.logout_claims(Some(&ada), None);
        let signed = world.demo.tenant.sign(Server::Default, &header(), &claims).unwrap();
        assert_refused(&send(&ours, &signed).await, "another server's keys");
        let nowhere = world.url("/sso/oidc/idp-logout/AAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(send(&nowhere, &signed).await.status, 404);

        // A connection that is switched off obeys nobody.
        world.change_connection(json!({ "state": "inactive" })).await;
        let good = world.signed(&header(), &claims);
        assert_refused(&send(&ours, &good).await, "switched off");
    }

    async fn lgo_07_a_flood_of_logout_tokens_is_limited_for_its_own_connection(world: World) {
        let node = world.node(|config| config.limits.authorize_per_minute = 12).await;
        let ours = world.backchannel_uri().await;
        let post = async |url: &Url, token: &str| {
            Request::post_form(url, &[("logout_token", token)]).via(&node).send().await
        };
        let keys = world.demo.tenant.count(KEYS);
        for _ in 0..12 {
            let claims = world.logout_claims(Some("somebody"), None);
            let unknown = json!({ "typ": "logout+jwt", "alg": "RS256", "kid": "unknown" });
            assert_refused(&post(&ours, &world.signed(&unknown, &claims)).await, "unknown key");
        }
        assert!(world.demo.tenant.count(KEYS) - keys <= 6, "keys are not fetched for each");
        let claims = world.logout_claims(Some("somebody"), None);
        let good = world.signed(&header(), &claims);
        let answer = post(&ours, &good).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("60")));
        let other = world.other_organization("beta.example").await;
        let theirs = world.api("GET", &format!("/connections/{}", other.id), None).await.json();
        let theirs = Url::parse(theirs["backchannel_logout_uri"].as_str().unwrap()).unwrap();
        assert_refused(&post(&theirs, &good).await, "another connection is not limited");
        world.clock.advance_ms(60_000);
        let claims = world.logout_claims(Some("somebody"), None);
        assert_eq!(post(&ours, &world.signed(&header(), &claims)).await.status, 200);
    }

    async fn lgo_05_a_strangers_front_channel_request_ends_nothing(world: World) {
        let SignedIn { mut browser, token, .. } = world.signed_in().await;
        let ada = world.person(ADA);
        let sid = world.demo.tenant.session_ids(&ada).remove(0);
        let issuer = world.demo.tenant.issuer(Server::Org);
        let mut url = world.backchannel_uri().await;
        url.query_pairs_mut().append_pair("iss", &issuer).append_pair("sid", &sid);
        let before = world.demo.tenant.count("/oauth2/v1/logout");
        // By a stranger, by an image on a strange page, and in the person's own browser.
        for request in [
            Request::get(&url),
            Request::get(&url).header("sec-fetch-dest", "image").header("sec-fetch-site", "cross-site"),
        ] {
            assert_eq!(request.send().await.status, 200);
        }
        let answer = browser.get(&url).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("location"), None);
        assert!(world.is_good(&token).await);
        assert_eq!(world.events("profile.logged_out").await.len(), 0);
        assert_eq!(world.demo.tenant.count("/oauth2/v1/logout"), before);
        assert_eq!(world.demo.tenant.session_ids(&ada), [sid]);
        // All that it ends is what is under way in that very browser.
        let mut bystander = world.browser();
        let theirs = world.to_callback(&mut bystander, &world.authorize_url(&[]), ADA).await;
        let ours = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        browser.get(&url).await;
        assert_eq!(browser.get(&ours).await.param("code"), None);
        assert!(bystander.get(&theirs).await.param("code").is_some());
    }
}
