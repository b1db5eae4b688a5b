//! The certified `oidc-provider` package as the identity provider of a `GenericOIDC` connection.

use serde_json::{Value, json};
use url::Url;

use super::npm::node;
use super::process::Process;
use crate::support::http::{Answer, Browser, Request};
use crate::support::{Fixture, TestDb, World};

const CLIENT_ID: &str = "vestibule";
/// All that a form, a header and a URL take amiss, and nothing that RFC 6749 (appendix A.2) rules
/// out: the package refuses other letters than ASCII's.
const AWKWARD_SECRET: &str = "a+b%20c:d&e=f g/\\\"~;?#@!$'()*,<>[]{}|^`%";

/// A world with a connection to a provider that runs.
struct Joined {
    world: World,
    provider: Process,
    issuer: Url,
    connection: String,
    callback: String,
}

impl Joined {
    /// `client`: members of the client at the provider; `oidc`: settings of the connection.
    async fn new(client: Value, algorithms: Option<&[&str]>, oidc: Value) -> Self {
        let mut command = node().await;
        let world = World::on(TestDb::sqlite()).await;
        let draft = json!({
            "organization_id": world.demo.seeded.organization_id,
            "connection_type": "GenericOIDC",
            "name": "The customer's own",
        });
        let draft = world.api("POST", "/connections", Some(&draft)).await.json();
        let text = |member: &str| draft[member].as_str().unwrap().to_owned();
        let (connection, callback) = (text("id"), text("redirect_uri"));
        let mut client = client;
        if client["backchannel_logout_uri"] == true {
            client["backchannel_logout_uri"] = draft["backchannel_logout_uri"].clone();
        }

        let mut registered = json!({
            "client_id": CLIENT_ID,
            "client_secret": AWKWARD_SECRET,
            "redirect_uris": [callback],
            "post_logout_redirect_uris": [draft["post_logout_redirect_uri"]],
        });
        registered.as_object_mut().unwrap().extend(client.as_object().unwrap().clone());
        let setup = json!({ "clients": [registered], "algorithms": algorithms });
        command.env("OIDC_PROVIDER", setup.to_string()).arg("oidc-provider/server.mjs");
        let mut provider = Process::start(command);
        let line: Value = serde_json::from_str(&said(&mut provider, "{").await).expect("JSON");
        let issuer = line["issuer"].as_str().unwrap();

        let mut entered = json!({
            "client_id": CLIENT_ID,
            "client_secret": AWKWARD_SECRET,
            "discovery_endpoint": issuer,
        });
        entered.as_object_mut().unwrap().extend(oidc.as_object().unwrap().clone());
        let change = json!({ "oidc": entered });
        let saved = world.api("PATCH", &format!("/connections/{connection}"), Some(&change)).await;
        assert_eq!(saved.status, 200, "{}", saved.text());
        assert_eq!(saved.json()["oidc"]["issuer"], issuer);
        let issuer = Url::parse(issuer).unwrap();
        Self { world, provider, issuer, connection, callback }
    }

    /// Changes settings of the connection.
    async fn change(&self, oidc: Value) {
        let path = format!("/connections/{}", self.connection);
        let change = json!({ "oidc": oidc });
        let changed = self.world.api("PATCH", &path, Some(&change)).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
    }

    /// A login up to the callback, through the provider's own sign-in and consent pages.
    async fn to_callback(&self, browser: &mut Browser, login: &str) -> Url {
        let authorize_url = self.world.authorize_url(&[("connection", &self.connection)]);
        let mut answer = browser.get(&authorize_url).await;
        let mut url = authorize_url;
        for _ in 0..15 {
            if answer.status.is_redirection() {
                url = url.join(&answer.location()).unwrap();
                if url.as_str().starts_with(&self.callback) {
                    return url;
                }
                answer = browser.get(&url).await;
                continue;
            }
            let page = answer.text();
            let form = match page.split_once("name=\"prompt\" value=\"") {
                Some((_, rest)) if rest.starts_with("login") => {
                    vec![("prompt", "login"), ("login", login), ("password", "x")]
                }
                Some((_, rest)) if rest.starts_with("consent") => vec![("prompt", "consent")],
                _ => panic!("{url} {} {page}\n{}", answer.status, self.provider.stderr()),
            };
            url = url.join(&between(&page, "action=\"")).unwrap();
            answer = browser.send(Request::post_form(&url, &form)).await;
        }
        panic!("the login went on and on at {url}");
    }

    /// A whole login: Vestibule asks whether to continue, since the provider could be anybody's.
    async fn login(&self, login: &str) -> Value {
        let mut browser = Browser::default();
        let callback = self.to_callback(&mut browser, login).await;
        // RFC 9207: the provider says who it is.
        let issuer = callback.query_pairs().find(|(name, _)| name == "iss");
        assert_eq!(issuer.unwrap().1, self.issuer.as_str().trim_end_matches('/'));
        let asked = browser.get(&callback).await;
        let page = asked.text();
        assert_eq!(asked.status, 200, "{} {page} {}", asked.location(), self.trouble().await);
        assert!(page.contains(&format!("{login}@acme.example")), "{page}");
        assert!(page.contains("The customer"), "{page}");
        let ticket = between(&page, "name=\"ticket\" value=\"");
        let form = [("ticket", ticket.as_str()), ("answer", "continue")];
        let form = Request::post_form(&self.world.url("/sso/consent"), &form);
        let answer: Answer = browser.send(form).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let code = answer.param("code").unwrap_or_else(|| panic!("{}", answer.location()));
        let token = self.world.redeem(&code, &[]).await;
        assert_eq!(token.status, 200, "{}", token.text());

        // The same browser is not asked twice.
        let callback = self.to_callback(&mut browser, login).await;
        let second = browser.get(&callback).await;
        let code = second.param("code").unwrap_or_else(|| panic!("{}", second.text()));
        let again = self.world.redeem(&code, &[]).await.json();
        assert_eq!(again["profile"]["id"], token.json()["profile"]["id"]);
        token.json()["profile"].clone()
    }

    /// A login of a browser that has agreed to the connection; returns the answer of the token endpoint.
    async fn granted(&self, browser: &mut Browser) -> Value {
        let callback = self.to_callback(browser, "zoe").await;
        let asked = browser.get(&callback).await.text();
        let ticket = between(&asked, "name=\"ticket\" value=\"");
        let form = [("ticket", ticket.as_str()), ("answer", "continue")];
        let form = Request::post_form(&self.world.url("/sso/consent"), &form);
        let answer: Answer = browser.send(form).await;
        self.world.redeem(&answer.param("code").expect("a code"), &[]).await.json()
    }

    /// Confirms at the provider that the person wants to sign out there; returns where it leads.
    async fn confirm(&self, browser: &mut Browser, url: &Url) -> Answer {
        let page = browser.get(url).await.text();
        assert!(page.contains("op.logoutForm"), "{page}");
        let xsrf = between(&page, "name=\"xsrf\" value=\"");
        let confirm = self.issuer.join("/session/end/confirm").unwrap();
        let form = [("xsrf", xsrf.as_str()), ("logout", "yes")];
        browser.send(Request::post_form(&confirm, &form)).await
    }

    /// The code of the failure of a login that does not succeed.
    async fn refused(&self) -> String {
        let mut browser = Browser::default();
        let callback = self.to_callback(&mut browser, "zoe").await;
        let answer = browser.get(&callback).await;
        assert!(answer.param("code").is_none(), "{}", answer.location());
        self.world.last_failure().await
    }

    async fn trouble(&self) -> String {
        format!("{:#}\n{}", self.world.last_session().await, self.provider.stderr())
    }
}

/// The next line of ours that begins so; the package has remarks of its own.
async fn said(provider: &mut Process, start: &str) -> String {
    loop {
        let line = provider.line().await;
        if line.starts_with(start) {
            return line;
        }
    }
}

/// What stands between this and the next quotation mark.
fn between(page: &str, start: &str) -> String {
    let rest = page.split_once(start).unwrap_or_else(|| panic!("no {start}: {page}")).1;
    rest.split_once('"').unwrap().0.replace("&amp;", "&")
}

#[tokio::test]
async fn a_person_signs_in_at_a_certified_provider_as_it_comes() {
    let joined = Joined::new(json!({}), None, json!({})).await;
    let profile = joined.login("zoe").await;
    assert_eq!(profile["connection_type"], "GenericOIDC");
    assert_eq!(profile["idp_id"], "zoe");
    assert_eq!(profile["email"], "zoe@acme.example");
    assert_eq!(profile["first_name"], "Zoë");
    assert_eq!(profile["last_name"], "Example");
    assert_eq!(profile["groups"], json!(["Engineering", "Größe & Maß"]));
}

#[tokio::test]
async fn idp_10_a_secret_full_of_special_characters_arrives_by_either_method() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let client = json!({ "token_endpoint_auth_method": method });
        let oidc = json!({ "client_authentication": method });
        let mut joined = Joined::new(client, None, oidc).await;
        assert_eq!(joined.login("zoe").await["email"], "zoe@acme.example");
        assert_eq!(said(&mut joined.provider, "client_secret").await, method);
        joined.change(json!({ "client_secret": "another one" })).await;
        assert_eq!(joined.refused().await, "token_endpoint_invalid_client");
    }
}

#[tokio::test]
async fn id_tokens_are_verified_with_the_right_one_of_many_keys() {
    const ALL: &[&str] = &["RS256", "PS256", "ES256", "ES384", "EdDSA"];
    for algorithm in ALL {
        let client = json!({ "id_token_signed_response_alg": algorithm });
        let oidc = json!({ "signing_algorithm": algorithm });
        let joined = Joined::new(client, Some(ALL), oidc).await;
        assert_eq!(joined.login("zoe").await["email"], "zoe@acme.example", "{algorithm}");
        // Another one than agreed is none.
        let other = if *algorithm == "RS256" { "ES256" } else { "RS256" };
        joined.change(json!({ "signing_algorithm": other })).await;
        assert_eq!(joined.refused().await, "id_token_alg");
    }
}

#[tokio::test]
async fn new_keys_are_fetched_when_the_provider_signs_with_one() {
    let joined = Joined::new(json!({}), Some(&["RS256"]), json!({})).await;
    joined.login("zoe").await;
    // Keys that were fetched a moment ago are not fetched again for everybody who asks.
    joined.world.clock.advance_ms(61_000);
    let rotate = joined.issuer.join("/test/rotate").unwrap();
    assert_eq!(Request::new("POST", &rotate).send().await.status, 200);
    assert_eq!(joined.login("max").await["email"], "max@acme.example");
}

#[tokio::test]
async fn lgo_06_a_person_signs_out_at_a_certified_provider_and_at_its_word() {
    let client = json!({
        "backchannel_logout_uri": true,
        "backchannel_logout_session_required": true,
    });
    let joined = Joined::new(client, None, json!({})).await;
    let world = &joined.world;
    let good = async |granted: &Value| {
        world.profile(granted["access_token"].as_str().unwrap()).await.status == 200
    };
    let told = async || {
        let answer =
            world.api("GET", "/events?order=asc&events=profile.logged_out", None).await.json();
        let events = answer["data"].as_array().unwrap().clone();
        let by =
            events.iter().map(|event| event["data"]["initiated_by"].as_str().unwrap().to_owned());
        by.collect::<Vec<_>>()
    };
    let (mut first, mut second) = (Browser::default(), Browser::default());
    let (ours, theirs) = (joined.granted(&mut first).await, joined.granted(&mut second).await);
    assert!(good(&ours).await && good(&theirs).await);

    // The provider ends one of the two sessions by itself, and says so.
    let end = joined.issuer.join("/session/end").unwrap();
    joined.confirm(&mut second, &end).await;
    assert!(good(&ours).await && !good(&theirs).await, "{}", joined.provider.stderr());
    assert_eq!(told().await, ["identity_provider"]);

    // The application ends the other one; what the provider says of it then is no news.
    let body = json!({ "profile_id": ours["profile"]["id"] });
    let answer = world.api("POST", "/sso/logout/authorize", Some(&body)).await.json();
    let url = Url::parse(answer["logout_url"].as_str().unwrap()).unwrap();
    let away = first.get(&url).await;
    assert!(!good(&ours).await);
    let back = joined.confirm(&mut first, &Url::parse(&away.location()).unwrap()).await;
    let home = first.get(&Url::parse(&back.location()).expect("the way back")).await;
    assert_eq!(home.location(), world.demo.application_url.as_str());
    assert_eq!(told().await, ["identity_provider", "application"]);
    let events = world.api("GET", "/events?order=asc&events=profile.logged_out", None).await.json();
    let logins = events["data"][1]["data"]["sso_session_ids"].as_array().unwrap().clone();
    let path = format!("/sso_sessions/{}", logins.last().unwrap().as_str().unwrap());
    let session = world.api("GET", &path, None).await.json();
    let last = session["trace"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["name"], "logout.identity_provider", "{}", joined.provider.stderr());
}
