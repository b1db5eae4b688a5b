//! The whole service on a database of the test's own, with a simulated Okta tenant, by real HTTP.

use serde_json::Value;
use url::Url;

use vestibule::app::App;
use vestibule::base::Caller;
use vestibule::base::time::Clock;
use vestibule::config::Database;
use vestibule::db::Location;
use vestibule::demo::{self, Demo};

use super::database::{Fixture, Folder, TestDb};
use super::http::{Answer, Browser, Request};

/// The service, the tenant and the sample application, each on a port of its own.
pub struct World {
    /// The clock of all three.
    pub clock: Clock,
    /// What runs.
    pub demo: Demo,
    /// The database, to open it as another node does.
    pub db: TestDb,
    _data: Folder,
}

impl Fixture for World {
    async fn on(db: TestDb) -> Self {
        Self::with(db, |_| ()).await
    }
}

impl World {
    /// One whose demo runs as `change` says.
    pub async fn with(db: TestDb, change: impl FnOnce(&mut demo::Options)) -> Self {
        Self::start(db, Folder::new(), change).await
    }

    /// The same with its keys in this folder.
    pub async fn start(db: TestDb, data: Folder, change: impl FnOnce(&mut demo::Options)) -> Self {
        let clock = Clock::system();
        let database = match db.location() {
            Location::Sqlite(path) => Database::Sqlite(path.clone()),
            Location::Postgres(url) => {
                Database::Postgres(vestibule::base::secret::Secret::new(url.clone()))
            }
        };
        let mut options = demo::Options {
            data: data.path().to_owned(),
            database: Some(database),
            clock: clock.clone(),
            usual_ports: false,
            host: None,
            dns_resolver: vec![super::dns::nobody()],
        };
        change(&mut options);
        let demo = demo::start(options).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        Self { clock, demo, db, _data: data }
    }

    /// The handles of the service.
    pub fn app(&self) -> &App {
        &self.demo.app
    }

    /// The service itself, in the demo's environment.
    pub fn caller(&self) -> Caller {
        Caller::system(self.demo.seeded.environment_id.clone())
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser {
        Browser::default()
    }

    /// A URL of the service.
    pub fn url(&self, path: &str) -> Url {
        Url::parse(&self.app().url(path)).expect("a URL")
    }

    /// The authorize URL of a plain login, with these parameters instead or besides; an empty value
    /// takes a parameter away.
    pub fn authorize_url(&self, changes: &[(&str, &str)]) -> Url {
        let connection = self.demo.seeded.connection_id.to_string();
        let mut params = vec![
            ("client_id", self.demo.seeded.client_id.as_str()),
            ("redirect_uri", self.demo.redirect_uri.as_str()),
            ("response_type", "code"),
            ("connection", connection.as_str()),
            ("state", "state of the application"),
        ];
        for (name, _) in changes {
            params.retain(|(known, _)| known != name);
        }
        params.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        let mut url = self.url("/sso/authorize");
        url.query_pairs_mut().extend_pairs(params);
        url
    }

    /// Goes from an authorize URL to the tenant and signs in there: returns the callback URL that
    /// the tenant sends the browser to.
    pub async fn to_callback(&self, browser: &mut Browser, url: &Url, email: &str) -> Url {
        let departed = browser.get(url).await;
        let location = departed.location();
        assert!(
            location.starts_with(self.demo.tenant.base_url()),
            "not sent to the tenant but: {} {location} {}",
            departed.status,
            departed.text()
        );
        let back = self.demo.tenant.sign_in(&location, email).await.expect("the tenant signs in");
        Url::parse(&back).expect("a URL")
    }

    /// A whole login up to the application's redirect URI: the answer of the callback.
    pub async fn sign_in(&self, browser: &mut Browser, url: &Url, email: &str) -> Answer {
        let callback = self.to_callback(browser, url, email).await;
        browser.get(&callback).await
    }

    /// A code for the first person, as the application gets it.
    pub async fn code(&self) -> String {
        self.code_of(&self.authorize_url(&[]), "ada@acme.example").await
    }

    /// The code that a login with this URL ends with.
    pub async fn code_of(&self, url: &Url, email: &str) -> String {
        let answer = self.sign_in(&mut self.browser(), url, email).await;
        answer
            .param("code")
            .unwrap_or_else(|| panic!("no code: {} {}", answer.status, answer.text()))
    }

    /// Redeems a code with the right client and these parameters instead or besides.
    pub async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut params = vec![
            ("client_id", self.demo.seeded.client_id.as_str()),
            ("client_secret", self.demo.seeded.api_key.expose()),
            ("grant_type", "authorization_code"),
            ("code", code),
        ];
        for (name, _) in changes {
            params.retain(|(known, _)| known != name);
        }
        params.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        Request::post_form(&self.url("/sso/token"), &params).send().await
    }

    /// The profile that an access token gives.
    pub async fn profile(&self, token: &str) -> Answer {
        Request::get(&self.url("/sso/profile")).bearer(token).send().await
    }

    /// An API call with the demo's key.
    pub async fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::new(method, &self.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        request.bearer(self.demo.seeded.api_key.expose()).send().await
    }

    /// The trace of the newest login attempt and why it failed: its code, or `none`.
    pub async fn last_failure(&self) -> String {
        let session = self.last_session().await;
        session["error"]["code"].as_str().unwrap_or("none").to_owned()
    }

    /// The newest login attempt, with its trace.
    pub async fn last_session(&self) -> Value {
        use vestibule::model::sso_session;
        let caller = self.caller();
        let session = self.app().db.read(&caller, async |tx| {
            let page = sso_session::list(tx, &Default::default(), &Default::default()).await?;
            let id = page.data[0].id.to_string();
            sso_session::get(tx, &id).await
        });
        serde_json::to_value(session.await.expect("a session")).expect("JSON")
    }
}
