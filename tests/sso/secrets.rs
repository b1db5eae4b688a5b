//! What a login leaves behind where others read: the log at its most talkative, the database.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use url::Url;
use vestibule::db::Location;

use super::expect::{ADA, TOKEN, USERINFO, assert_departed, values};
use crate::support::canary::spellings;
use crate::support::http::Request;
use crate::support::{World, both_engines};

/// The example of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The program itself, logging everything, as another node of the world's.
struct Program {
    child: Child,
    url: Url,
    metrics: Url,
}

impl Program {
    async fn start(world: &World, level: &str) -> Self {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (port, metrics) = (free().port(), free());
        let database = match world.db.location() {
            Location::Sqlite(path) => format!("sqlite://{}", path.display()),
            Location::Postgres(url) => url.clone(),
        };
        let config = &world.app().config;
        let child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{port}"), "--log-level", level])
            .args(["--metrics-listen", &metrics.to_string(), "--log-format", "json"])
            .args(["--base-url", config.base_url.as_str(), "--outbound-allow", "127.0.0.1"])
            .args(["--data", config.data.to_str().unwrap(), "--database", &database])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let url = |text: String| Url::parse(&text).unwrap();
        Self {
            child,
            url: url(format!("http://127.0.0.1:{port}")),
            metrics: url(format!("http://{metrics}/metrics")),
        }
    }

    /// Ends it; returns its log.
    fn stop(mut self) -> String {
        self.child.kill().expect("it ran until now");
        let mut log = Vec::new();
        self.child.stderr.take().unwrap().read_to_end(&mut log).unwrap();
        self.child.wait().unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// One login with everything that goes with it, at this node; returns every secret in it.
async fn log_in(world: &World, node: &Url) -> Vec<(&'static str, String)> {
    let mut browser = world.browser();
    let changes = [
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "the-state-of-the-application-is-its-own"),
    ];
    let begun = browser.send(Request::get(&world.authorize_url(&changes)).via(node)).await;
    let asked = assert_departed(world, &begun);
    let cookie = begun.cookies()[0].split(['=', ';']).nth(1).unwrap().to_owned();
    let back = world.demo.tenant.sign_in(asked.as_str(), ADA).await.unwrap();
    let callback = Url::parse(&back).unwrap();
    let garbled = callback.as_str().replace("state=0", "state=Z");
    browser.send(Request::get(&Url::parse(&garbled).unwrap()).via(node)).await;
    let answer = browser.send(Request::get(&callback).via(node)).await;
    browser.send(Request::get(&callback).via(node)).await;
    let code = answer.param("code").unwrap_or_else(|| panic!("{}", answer.text()));

    let seeded = &world.demo.seeded;
    let form = |secret: &str| {
        let params = [
            ("client_id", seeded.client_id.as_str()),
            ("client_secret", secret),
            ("code", &code),
            ("grant_type", "authorization_code"),
            ("code_verifier", VERIFIER),
        ];
        Request::post_form(&world.url("/sso/token"), &params).via(node)
    };
    form("sk_a-wrong-secret-but-still-somebodys").send().await;
    let granted = form(seeded.api_key.expose()).send().await;
    let token = granted.json()["access_token"].as_str().expect("a token").to_owned();
    let profile = Request::get(&world.url("/sso/profile")).via(node);
    assert_eq!(profile.bearer(&token).send().await.status, 200);
    form(seeded.api_key.expose()).send().await;
    let careless = format!("/sso/token?client_secret={}", seeded.api_key.expose());
    Request::new("POST", &world.url(&careless)).via(node).send().await;
    let careless = format!("/sso/profile?access_token={token}");
    Request::get(&world.url(&careless)).via(node).send().await;

    let exchange = world.demo.tenant.requests(TOKEN).pop().unwrap();
    let userinfo = world.demo.tenant.requests(USERINFO).pop().unwrap();
    let bearer = userinfo.headers["authorization"].to_str().unwrap();
    let mut secrets = vec![
        ("state of the application", "the-state-of-the-application-is-its-own".to_owned()),
        ("secret in state", values(&asked, "state")[0][26..].to_owned()),
        ("nonce", values(&asked, "nonce").remove(0)),
        ("cookie", cookie),
        ("code of the tenant", values(&callback, "code").remove(0)),
        ("verifier of ours", exchange.form("code_verifier").unwrap()),
        ("client secret", world.demo.credentials.client_secret.expose().to_owned()),
        ("access token of the tenant", bearer.strip_prefix("Bearer ").unwrap().to_owned()),
        ("code", code.clone()),
        ("verifier", VERIFIER.to_owned()),
        ("API key", seeded.api_key.expose().to_owned()),
        ("wrong API key", "sk_a-wrong-secret-but-still-somebodys".to_owned()),
        ("access token", token),
    ];
    if let Location::Postgres(url) = world.db.location() {
        let url = Url::parse(url).unwrap();
        secrets.extend(url.password().map(|text| ("password", format!(":{text}@"))));
    }
    secrets
}

both_engines! {
    async fn sec_01_04_09_the_log_at_trace_and_the_metrics_have_no_secret_of_a_login(world: World) {
        let program = Program::start(&world, "trace").await;
        let secrets = log_in(&world, &program.url).await;
        let metrics = Request::get(&program.metrics).send().await.text();
        assert!(metrics.contains("code=\"state_invalid\""), "nothing is proven: {metrics}");
        let log = program.stop();
        for line in ["code_replay", "secret_in_query", "state_invalid", "/sso/oidc/"] {
            assert!(log.contains(line), "{line} is not in the log, so nothing is proven: {log}");
        }
        for (name, secret) in &secrets {
            for spelling in spellings(secret) {
                let found = log.lines().find(|line| line.contains(&spelling));
                assert_eq!(found, None, "the {name} is in the log");
                assert!(!metrics.contains(&spelling), "the {name} is in the metrics");
            }
        }
    }

    async fn sec_01_09_the_log_names_requests_and_logins_and_nobody(world: World) {
        let program = Program::start(&world, "info").await;
        let mut browser = world.browser();
        let url = world.authorize_url(&[]);
        let request = Request::get(&url).via(&program.url);
        let begun = browser.send(request.header("x-request-id", "a-name-from-the-proxy")).await;
        assert_eq!(begun.headers["x-request-id"], "a-name-from-the-proxy");
        let back = world.demo.tenant.sign_in(&begun.location(), ADA).await.unwrap();
        let callback = Url::parse(&back).unwrap();
        let forged = Request::get(&callback).via(&program.url);
        let answer = browser.send(forged.header("x-request-id", "x\" level=ERROR")).await;
        let named = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(named.bytes().all(|b| b.is_ascii_alphanumeric()), "{named}");
        let code = answer.param("code").expect("a code");
        let seeded = &world.demo.seeded;
        let params = [
            ("client_id", seeded.client_id.as_str()),
            ("client_secret", seeded.api_key.expose()),
            ("code", &code),
            ("grant_type", "authorization_code"),
        ];
        let token = Request::post_form(&world.url("/sso/token"), &params).via(&program.url);
        assert_eq!(token.send().await.status, 200);
        let again = Request::post_form(&world.url("/sso/token"), &params).via(&program.url);
        assert_eq!(again.send().await.status, 400);

        let session = world.last_session().await;
        let id = session["id"].as_str().unwrap();
        let log = program.stop();
        let lines: Vec<serde_json::Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect();
        let of_route = |route: &str| {
            let of_it = lines.iter().filter(|line| line["span"]["route"] == route);
            of_it.filter(|line| line["message"] == "answered").collect::<Vec<_>>()
        };
        let [begun] = of_route("/sso/authorize")[..] else { panic!("not one line: {log}") };
        assert_eq!(begun["span"]["request_id"], "a-name-from-the-proxy");
        assert_eq!(begun["status"], 302);
        assert_eq!(begun["span"]["method"], "GET");
        let [back] = of_route("/sso/oidc/{external_key}/callback")[..] else { panic!("{log}") };
        assert_eq!(back["span"]["request_id"], named);
        let redeemed = of_route("/sso/token");
        assert_eq!(redeemed.len(), 2, "{log}");
        for line in [begun, back, redeemed[0], redeemed[1]] {
            assert_eq!(line["span"]["sso_session"], id, "{line}");
        }
        let refused = lines.iter().find(|line| line["reason"] == "code_replay").expect("a line");
        assert_eq!(refused["span"]["sso_session"], id);
        for personal in [ADA, "acme.example", "Lovelace", "\"127.0.0.1\"", "Acme"] {
            let found = log.lines().find(|line| line.contains(personal));
            assert_eq!(found, None, "{personal} is in the log");
        }
    }

    async fn sec_03_the_database_has_no_secret_of_a_login(world: World) {
        let secrets = log_in(&world, &world.url("/")).await;
        let Location::Sqlite(path) = world.db.location() else {
            // The same rows are written on PostgreSQL; the file can be read as a whole.
            return;
        };
        let mut bytes = Vec::new();
        for suffix in ["", "-wal"] {
            bytes.extend(std::fs::read(format!("{}{suffix}", path.display())).unwrap_or_default());
        }
        let dump = String::from_utf8_lossy(&bytes);
        assert!(dump.contains("authentication.sso_succeeded"));
        for (name, secret) in &secrets {
            for spelling in spellings(secret) {
                assert!(!dump.contains(&spelling), "the {name} is in the database");
            }
        }
    }
}
