//! A real `vestibule serve`, and a simulated Okta tenant in this process.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use vestibule::app::KEY_FILE;
use vestibule::base::secret::random_bytes;
use vestibule::base::time::Clock;
use vestibule::sandbox::okta::{Credentials, GroupsClaim, NewApp, NewUser, Tenant};

use super::process::{Process, vestibule};
use crate::support::http::{Answer, Browser, Request};

/// Where the application would be.
pub const REDIRECT_URI: &str = "https://app.example.com/callback";

/// A port that nobody listens on, outside the range that the kernel takes ports for clients from:
/// it has to be free again when a server comes back to it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::from_be_bytes(random_bytes::<2>());
    NEXT.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed).ok();
    loop {
        let port = 10_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 20_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// What an application knows of the service.
#[derive(Clone)]
pub struct Application {
    pub base_url: Url,
    pub client_id: String,
    pub api_key: String,
}

/// The service on a folder of the test's own.
pub struct Service {
    pub process: Process,
    pub application: Application,
    /// All that it printed at its first start.
    pub greeting: String,
    settings: Vec<(&'static str, String)>,
    folder: std::path::PathBuf,
}

impl Service {
    /// Starts it for the first time, with these flags and values.
    pub async fn first_start(folder: &Path, settings: &[(&'static str, String)]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let base_url = Url::parse(&format!("http://{listen}")).unwrap();
        let all = all_settings(folder, listen, settings);
        let mut service = Self {
            process: Process::start(serve(folder, &all)),
            application: Application { base_url, client_id: String::new(), api_key: String::new() },
            greeting: String::new(),
            settings: all,
            folder: folder.to_owned(),
        };
        while !service.greeting.contains("/openapi.json") {
            let line = service.process.line().await;
            service.greeting.push_str(&line);
            service.greeting.push('\n');
        }
        let word = |start: &str| {
            let mut words = service.greeting.split_whitespace();
            words.find(|word| word.starts_with(start)).expect(start).to_owned()
        };
        let (client_id, api_key) = (word("client_01"), word("sk_"));
        (service.application.client_id, service.application.api_key) = (client_id, api_key);
        service.ready().await;
        service
    }

    /// Starts it on data that is there, with an API key of it.
    pub async fn existing(
        folder: &Path,
        settings: &[(&'static str, String)],
        api_key: &str,
    ) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let base_url = Url::parse(&format!("http://{listen}")).unwrap();
        let all = all_settings(folder, listen, settings);
        let (client_id, api_key) = (String::new(), api_key.to_owned());
        let service = Self {
            process: Process::start(serve(folder, &all)),
            application: Application { base_url, client_id, api_key },
            greeting: String::new(),
            settings: all,
            folder: folder.to_owned(),
        };
        service.ready().await;
        service
    }

    /// Starts another node of a service, with a copy of its key file and a folder of its own.
    pub async fn join(first: &Self, folder: &Path, settings: &[(&'static str, String)]) -> Self {
        let data = folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        let key = first.folder.join("data").join(KEY_FILE);
        std::fs::copy(key, data.join(KEY_FILE)).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        let base_url = Url::parse(&format!("http://{listen}")).unwrap();
        let all = all_settings(folder, listen, settings);
        let service = Self {
            process: Process::start(serve(folder, &all)),
            application: Application { base_url, ..first.application.clone() },
            greeting: String::new(),
            settings: all,
            folder: folder.to_owned(),
        };
        service.ready().await;
        service
    }

    /// Changes a setting, or adds it, for the next start.
    pub fn set(&mut self, flag: &'static str, value: &str) {
        self.settings.retain(|(known, _)| *known != flag);
        self.settings.push((flag, value.to_owned()));
    }

    /// Starts it again on the same folder.
    pub async fn start_again(&mut self) {
        self.process.kill();
        self.process = Process::start(serve(&self.folder, &self.settings));
        self.ready().await;
    }

    /// Starts it again on another folder.
    pub async fn use_data(&mut self, data: &Path) {
        for (flag, value) in &mut self.settings {
            if *flag == "--data" {
                *value = data.display().to_string();
            }
        }
        self.start_again().await;
    }

    async fn ready(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        while Instant::now() < patience {
            let answer = Request::get(&self.application.url("/readyz")).try_send().await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it does not come up: {}", self.process.stderr());
    }

    /// The command that starts another node of the same service, at this address.
    pub fn another(&self, listen: &str) -> Command {
        let mut settings = self.settings.clone();
        settings.retain(|(flag, _)| *flag != "--listen");
        settings.push(("--listen", listen.to_owned()));
        settings.push(("--base-url", self.application.base_url.to_string()));
        serve(&self.folder, &settings)
    }

    /// A command with the settings of the service.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = vestibule(&self.folder);
        command.args(arguments);
        for (flag, value) in &self.settings {
            command.args([flag, value.as_str()]);
        }
        command
    }

    /// One whole login at the tenant: what the application gets for its code.
    pub async fn login(&self, okta: &Okta, connection: &str, email: &str) -> Value {
        let mut browser = Browser::default();
        let departed = browser.get(&self.application.authorize_url(connection)).await;
        let back = okta.tenant.sign_in(&departed.location(), email).await;
        let back = back.unwrap_or_else(|error| panic!("{error} {}", departed.text()));
        let arrived = browser.get(&Url::parse(&back).unwrap()).await;
        let code = arrived.param("code");
        let code = code.unwrap_or_else(|| panic!("{} {}", arrived.location(), arrived.text()));
        let token = self.application.redemption(&code).send().await;
        assert_eq!(token.status, 200, "{}", token.text());
        token.json()
    }
}

impl Application {
    /// A URL of the service.
    pub fn url(&self, path: &str) -> Url {
        self.base_url.join(path).unwrap()
    }

    /// An API call that must succeed.
    pub async fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::new(method, &self.url(path)).bearer(&self.api_key);
        let answer = request.json(body).send().await;
        assert!(answer.status.is_success(), "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// The authorize URL of a login by this connection.
    pub fn authorize_url(&self, connection: &str) -> Url {
        let mut url = self.url("/sso/authorize");
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("response_type", "code")
            .append_pair("connection", connection);
        url
    }

    /// The request that redeems a code.
    pub fn redemption(&self, code: &str) -> Request {
        let params = [
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.api_key.as_str()),
            ("grant_type", "authorization_code"),
            ("code", code),
        ];
        Request::post_form(&self.url("/sso/token"), &params)
    }

    /// The profile that an access token gives.
    pub async fn profile(&self, token: &str) -> Answer {
        Request::get(&self.url("/sso/profile")).bearer(token).send().await
    }
}

fn all_settings(
    folder: &Path,
    listen: String,
    settings: &[(&'static str, String)],
) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("--data", folder.join("data").display().to_string()),
        ("--listen", listen),
        // The simulated tenant is on loopback.
        ("--outbound-allow", "127.0.0.1".to_owned()),
    ];
    all.extend_from_slice(settings);
    all
}

fn serve(folder: &Path, settings: &[(&'static str, String)]) -> Command {
    let mut command = vestibule(folder);
    command.arg("serve");
    for (flag, value) in settings {
        command.args([flag, value.as_str()]);
    }
    command
}

/// A tenant with an app integration for Vestibule; everybody is in one group.
pub struct Okta {
    pub tenant: Tenant,
    pub credentials: Credentials,
    server: JoinHandle<()>,
}

impl Okta {
    /// A tenant with these people.
    pub async fn start(emails: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let tenant = Tenant::new(&origin, Clock::system(), "end to end");
        let server =
            vestibule::server::serve(listener, tenant.router(), std::future::pending::<()>());
        let server = tokio::spawn(server);
        let group = tenant.create_group("Engineering");
        for email in emails {
            let given_name = email.split('@').next().unwrap();
            let (password, family_name) = ("correct horse", "Example");
            let user = tenant.create_user(NewUser { email, password, given_name, family_name });
            tenant.add_member(&group, &user).unwrap();
        }
        let new = NewApp { name: "Vestibule".to_owned(), groups: vec![group], ..NewApp::default() };
        let credentials = tenant.create_app(new);
        tenant.set_groups_claim(&credentials.client_id, Some(GroupsClaim::all())).unwrap();
        Self { tenant, credentials, server }
    }

    /// Lets the tenant send people back to a connection.
    pub fn allow(&self, callback: &str) {
        self.tenant.add_redirect_uri(&self.credentials.client_id, callback).unwrap();
    }

    /// Lets it no longer.
    pub fn forbid_all(&self) {
        let client_id = &self.credentials.client_id;
        self.tenant.edit_app(client_id, |app| app.redirect_uris.clear()).unwrap();
    }
}

impl Drop for Okta {
    fn drop(&mut self) {
        self.server.abort();
    }
}
