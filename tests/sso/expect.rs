//! What the tests of logins share: how a refusal looks, what is stored, and who else is there.

#![allow(dead_code, reason = "what one test needs, another does not")]

use serde_json::{Value, json};
use url::Url;

use vestibule::app::App;
use vestibule::base::Caller;
use vestibule::base::failure::{Channel, FailureCode};
use vestibule::base::secret::Secret;
use vestibule::base::time::Clock;
use vestibule::config::Config;
use vestibule::db::Tx;
use vestibule::model::{api_key, environment, redirect_uri};
use vestibule::sandbox::okta::{Credentials, Fault, GroupsClaim, NewApp};
use vestibule::server;
use vestibule::sso::answer::percent_encode;

use crate::support::World;
use crate::support::http::{Answer, Browser, Request};

/// The tenant's endpoints.
pub const AUTHORIZE: &str = "/oauth2/v1/authorize";
pub const TOKEN: &str = "/oauth2/v1/token";
pub const USERINFO: &str = "/oauth2/v1/userinfo";
pub const KEYS: &str = "/oauth2/v1/keys";
/// The person who signs in where nobody else is meant.
pub const ADA: &str = "ada@acme.example";

/// How many rows there are of what only a login that works leaves behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub codes: i64,
    pub tokens: i64,
    pub profiles: i64,
    pub successes: i64,
}

/// Another environment on the same server.
pub struct OtherEnvironment {
    pub client_id: String,
    pub api_key: Secret,
    pub caller: Caller,
}

/// Another connection to the same tenant, by an app integration of its own.
pub struct OtherConnection {
    pub id: String,
    pub organization_id: String,
    pub callback: Url,
    pub credentials: Credentials,
}

/// Our own page with the status and the sentence of the failure, and no way on.
#[track_caller]
pub fn assert_page(answer: &Answer, code: FailureCode) {
    let Channel::Page(status) = code.channel() else { panic!("{} is no page", code.as_str()) };
    assert_eq!(answer.status.as_u16(), status, "{} {}", answer.location(), answer.text());
    assert_eq!(answer.header("location"), None);
    let sentence = code.for_person().replace('\'', "&#39;");
    assert!(answer.text().contains(&sentence), "not {}: {}", code.as_str(), answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-cache, no-store"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
}

/// The browser is on its way to the tenant; returns what is asked there.
#[track_caller]
pub fn assert_departed(world: &World, answer: &Answer) -> Url {
    let endpoint = format!("{}{AUTHORIZE}?", world.demo.tenant.base_url());
    let location = answer.location();
    assert!(location.starts_with(&endpoint), "{} {location} {}", answer.status, answer.text());
    assert_eq!(answer.status, 302);
    Url::parse(&location).expect("a URL")
}

/// All values of a query parameter.
pub fn values(url: &Url, name: &str) -> Vec<String> {
    let pairs = url.query_pairs().filter(|(found, _)| found == name);
    pairs.map(|(_, value)| value.into_owned()).collect()
}

impl World {
    /// Sends a browser without cookies to an authorize URL.
    pub async fn authorize(&self, changes: &[(&str, &str)]) -> Answer {
        Request::get(&self.authorize_url(changes)).send().await
    }

    /// Signs Ada in with a plain URL, in a browser of her own.
    pub async fn sign_ada_in(&self) -> Answer {
        self.sign_in(&mut self.browser(), &self.authorize_url(&[]), ADA).await
    }

    /// A redirect to the application with exactly the parameters of the failure and the state of
    /// [`World::authorize_url`]; the attempt is recorded with this code and no other.
    pub async fn assert_refused(&self, answer: &Answer, code: FailureCode) {
        self.assert_refused_with(answer, code, Some("state%20of%20the%20application")).await;
    }

    /// The same with another `state`, as it stands in the location.
    pub async fn assert_refused_with(
        &self,
        answer: &Answer,
        code: FailureCode,
        state: Option<&str>,
    ) {
        let Channel::Redirect(word) = code.channel() else { panic!("{}", code.as_str()) };
        let session = self.last_session().await;
        assert_eq!(session["error"]["code"], code.as_str(), "{session:#}");
        assert_eq!(session["status"], "failed");
        assert_eq!(answer.status, 302, "{} {}", code.as_str(), answer.text());
        let mut expected = format!(
            "{}?error_description={}&error={word}&sso_session_id={}",
            self.demo.redirect_uri,
            percent_encode(code.for_developer().as_bytes()),
            session["id"].as_str().unwrap(),
        );
        if let Some(state) = state {
            expected.push_str(&format!("&state={state}"));
        }
        assert_eq!(answer.location(), expected);
    }

    /// Counts what only a login that works stores.
    pub async fn stored(&self) -> Stored {
        async fn count(tx: &mut Tx, sql: &'static str) -> vestibule::base::Result<i64> {
            tx.fetch_one(sql, &[]).await?.next()
        }
        let caller = self.caller();
        let read = self.app().db.read(&caller, async |tx| {
            Ok(Stored {
                codes: count(tx, "SELECT count(code_hash) FROM sso_sessions").await?,
                tokens: count(tx, "SELECT count(token_expires_at) FROM sso_sessions").await?,
                profiles: count(tx, "SELECT count(*) FROM profiles").await?,
                successes: count(
                    tx,
                    "SELECT count(*) FROM events WHERE name = 'authentication.sso_succeeded'",
                )
                .await?,
            })
        });
        read.await.expect("counts")
    }

    /// Counts login attempts.
    pub async fn attempts(&self) -> i64 {
        let caller = self.caller();
        let count = self.app().db.read(&caller, async |tx| {
            tx.fetch_one("SELECT count(*) FROM sso_sessions", &[]).await?.next()
        });
        count.await.expect("a count")
    }

    /// The log of an event, by its name: the newest ten of them, newest first.
    pub async fn events(&self, name: &str) -> Vec<Value> {
        let answer = self.api("GET", &format!("/events?events={name}"), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["data"].as_array().unwrap().clone()
    }

    /// Calls the API, and expects that it works.
    pub async fn must(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = self.api(method, path, Some(&body)).await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Changes the demo's connection.
    pub async fn change_connection(&self, body: Value) -> Value {
        let path = format!("/connections/{}", self.demo.seeded.connection_id);
        self.must("PATCH", &path, body).await
    }

    /// Changes the settings of the environment.
    pub async fn change_environment(&self, settings: Value) {
        self.must("PATCH", "/environment", json!({ "settings": settings })).await;
    }

    /// Makes the demo's app integration misbehave; nothing stands for good behaviour.
    pub fn faults(&self, faults: &[Fault]) {
        self.demo.tenant.set_faults(&self.demo.credentials.client_id, faults).expect("the app");
    }

    /// The id of a person at the tenant.
    pub fn person(&self, email: &str) -> String {
        let users = self.demo.tenant.users();
        users.into_iter().find(|user| user.email == email).expect("a person").id
    }

    /// How many token requests the tenant has had.
    pub fn token_requests(&self) -> usize {
        self.demo.tenant.count(TOKEN)
    }

    /// Registers a redirect URI; returns its id.
    pub async fn register(&self, uri: &str) -> String {
        let path = "/user_management/redirect_uris";
        let made = self.must("POST", path, json!({ "uri": uri })).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Another organization with this verified domain, and its connection.
    pub async fn other_organization(&self, domain: &str) -> OtherConnection {
        let data = json!([{ "domain": domain, "state": "verified" }]);
        let new = json!({ "name": domain, "domain_data": data });
        let organization = self.must("POST", "/organizations", new).await;
        self.connect(organization["id"].as_str().unwrap(), "OktaOIDC").await
    }

    /// A connection of this type to the same tenant, by an app integration of its own.
    pub async fn connect(&self, organization_id: &str, connection_type: &str) -> OtherConnection {
        let tenant = &self.demo.tenant;
        let credentials = tenant.create_app(NewApp {
            name: "Another app integration".to_owned(),
            groups: tenant.groups().into_iter().map(|group| group.id).collect(),
            ..NewApp::default()
        });
        tenant.set_groups_claim(&credentials.client_id, Some(GroupsClaim::all())).unwrap();
        let new = json!({
            "organization_id": organization_id,
            "connection_type": connection_type,
            "name": "Another connection",
            "oidc": {
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret.expose(),
                "discovery_endpoint": tenant.base_url(),
            },
            "state": "active",
        });
        let made = self.must("POST", "/connections", new).await;
        let callback = made["redirect_uri"].as_str().unwrap();
        tenant.add_redirect_uri(&credentials.client_id, callback).unwrap();
        OtherConnection {
            id: made["id"].as_str().unwrap().to_owned(),
            organization_id: organization_id.to_owned(),
            callback: Url::parse(callback).unwrap(),
            credentials,
        }
    }

    /// Another environment with a key and a redirect URI.
    pub async fn other_environment(&self, redirect: &str) -> OtherEnvironment {
        let redirect = redirect.to_owned();
        let nobody = Caller::anonymous();
        let made = self.app().db.write(&nobody, async move |tx| {
            let kind = environment::Kind::Sandbox;
            let new = environment::NewEnvironment { name: "Other".to_owned(), kind };
            let made = environment::create(tx, &new).await?;
            let new = api_key::NewApiKey::named("Other");
            let (_, key) = api_key::create(tx, &new).await?;
            redirect_uri::create(tx, &redirect).await?;
            Ok((made, key))
        });
        let (made, api_key) = made.await.expect("an environment");
        OtherEnvironment { client_id: made.client_id, api_key, caller: Caller::system(made.id) }
    }

    /// Starts another node on the same database and keys; returns where it listens.
    pub async fn node(&self, change: impl FnOnce(&mut Config)) -> Url {
        self.node_with(self.clock.clone(), change).await
    }

    /// The same with a clock of its own.
    pub async fn node_with(&self, clock: Clock, change: impl FnOnce(&mut Config)) -> Url {
        let mut config = (*self.app().config).clone();
        change(&mut config);
        let app = App::open(config, clock).await.expect("another node");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(server::serve(listener, server::router(app), std::future::pending()));
        url
    }
}

impl Answer {
    /// The `Set-Cookie` headers.
    pub fn cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all("set-cookie").iter();
        all.map(|value| value.to_str().expect("a text")).collect()
    }

    /// Where the browser goes next.
    pub fn next(&self) -> Url {
        Url::parse(&self.location()).unwrap_or_else(|_| panic!("{} {}", self.status, self.text()))
    }
}

impl Browser {
    /// How many logins this browser has under way.
    pub fn flows(&self, world: &World) -> usize {
        let names = self.cookie_names(&world.url("/"));
        names.iter().filter(|name| name.contains("login-")).count()
    }
}
