//! The command line, as its users type it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::process::{Process, run, typed, vestibule};
use super::service::{Okta, REDIRECT_URI, Service};
use crate::support::Folder;
use crate::support::http::Request;

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no {member}: {value}"))
}

#[tokio::test]
async fn config_shows_every_setting_with_its_origin_and_no_secret() {
    let folder = Folder::new();
    let file = folder.path().join("vestibule.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:81\"\n[retention]\nevents_days = 30\n").unwrap();
    let mut command = vestibule(folder.path());
    command
        .args(["config", "--outbound-allow", "10.0.0.5"])
        .env("VESTIBULE_DATABASE", "postgres://user:canary@host/name")
        .env("VESTIBULE_LISTEN", "127.0.0.1:82");
    let shown = run(command).await;
    assert!(shown.status.success(), "{shown:?}");
    assert!(!shown.stdout.contains("canary"));
    let lines: Vec<String> =
        shown.stdout.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "listen = \"127.0.0.1:82\" # environment VESTIBULE_LISTEN",
        "database = \"********\" # environment VESTIBULE_DATABASE",
        "outbound.allow = \"10.0.0.5\" # flag --outbound-allow",
        "retention.events_days = \"30\" # file vestibule.toml, line 3",
        "log.level = \"info\" # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}: {}", shown.stdout);
    }
}

#[tokio::test]
async fn upg_06_an_unknown_setting_refuses_to_start_and_the_nearest_one_is_named() {
    let folder = Folder::new();
    let mut command = vestibule(folder.path());
    command.arg("serve").env("VESTIBULE_LISTN", "127.0.0.1:0");
    let refused = run(command).await;
    assert_eq!(
        refused.failure(),
        "vestibule: unknown setting `listn` (environment VESTIBULE_LISTN); did you mean `listen`?"
    );
    let flag = typed(folder.path(), &["serve", "--outbound-alow", "x"]).await;
    assert!(!flag.status.success());
    assert!(flag.stderr.contains("'--outbound-allow'"), "{flag:?}");
    std::fs::write(folder.path().join("other.toml"), "[retentoin]\nevents_days = 1\n").unwrap();
    let file = typed(folder.path(), &["serve", "--config", "other.toml"]).await;
    assert!(file.failure().contains("(file other.toml, line 2)"), "{file:?}");
    assert!(file.failure().contains("did you mean `retention.events_days`?"), "{file:?}");
    let insecure = "# ours\nlisten = \"127.0.0.1:0\"\nbase_url = \"http://sso.example.com\"\n";
    std::fs::write(folder.path().join("other.toml"), insecure).unwrap();
    let http = typed(folder.path(), &["serve", "--config", "other.toml"]).await;
    let begins =
        "vestibule: the setting `base_url` (file other.toml, line 3) must begin with https://";
    assert!(http.failure().starts_with(begins), "{http:?}");
    let value = typed(folder.path(), &["serve", "--listen", "everywhere"]).await;
    assert!(
        value.failure().contains("`listen` (flag --listen) must be an IP address"),
        "{value:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it left something behind");
}

#[tokio::test]
async fn upg_06_what_cannot_hold_is_refused_without_its_secrets_and_before_anything_is_made() {
    let folder = Folder::new();
    let file = |text: &str| std::fs::write(folder.path().join("bad.toml"), text).unwrap();
    let refused = async |arguments: &[&str]| {
        let ended = typed(folder.path(), arguments).await;
        let told = ended.failure().to_owned();
        assert!(!told.contains("canary"), "{told}");
        told
    };
    for (text, line) in [
        ("# ours\ndatabase = \"postgres://u:canary@h/x\n", "line 2"),
        ("keys = canary\n", "line 1"),
        ("\n\nkeys = \"a\"\nkeys = \"canary\"\n", "line 4"),
    ] {
        file(text);
        let told = refused(&["config", "--config", "bad.toml"]).await;
        assert!(told.contains(line), "{line}: {told}");
    }
    let told = refused(&["serve", "--base-url", "https://u:canary@sso.example.com"]).await;
    assert!(told.contains("no user name or password"), "{told}");
    let told = refused(&["config", "--traces-endpoint", "http://u:canary@h/x"]).await;
    assert!(told.contains("no user name or password"), "{told}");
    for command in ["config", "serve"] {
        let told = refused(&[command, "--outbound-allow", "garbage"]).await;
        assert!(told.contains("garbage"), "{told}");
        let tls = ["--tls-certificate", "nowhere.crt", "--tls-key", "nowhere.key"];
        let told = refused(&[&[command], &tls[..]].concat()).await;
        assert!(told.contains("nowhere.crt"), "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "it left something behind");
}

#[tokio::test]
async fn what_only_looks_makes_nothing_and_a_file_of_something_else_is_left_alone() {
    let folder = Folder::new();
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    std::fs::write(folder.path().join("ok.yaml"), "version: 1\nenvironments: []\n").unwrap();
    for (arguments, told) in [
        (&["apply", "-f", "missing.yaml", "--data", "new"][..], "missing.yaml cannot be read"),
        (&["organization", "list", "--data", "new"], "There is no installation in"),
        (&["backup", "b.db", "--data", "new"], "There is no installation in"),
    ] {
        let refused = typed(folder.path(), arguments).await;
        assert!(refused.failure().contains(told), "{told}: {refused:?}");
        assert_eq!(count(), 1, "{arguments:?} left something behind");
    }
    let plan = typed(folder.path(), &["apply", "-f", "ok.yaml", "--plan", "--data", "new"]).await;
    assert!(plan.stdout.contains("Nothing to do"), "{plan:?}");
    assert_eq!(count(), 1, "a plan left something behind");
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let looked = typed(folder.path(), &["migrate", "--status", "--data", "empty"]).await;
    assert_eq!(looked.json()["schema"], 0);
    let left = std::fs::read_dir(folder.path().join("empty")).unwrap().count();
    assert_eq!(left, 0, "a look left something behind");

    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    for command in [&["serve"][..], &["organization", "list"], &["migrate"], &["migrate", "--plan"]]
    {
        let arguments = [command, &["--database", "sqlite://foreign.db", "--data", "d"]].concat();
        let refused = typed(folder.path(), &arguments).await;
        assert!(refused.failure().contains("a database of something else"), "{refused:?}");
        assert_eq!(std::fs::read(&foreign).unwrap(), before, "{command:?}");
    }
}

#[tokio::test]
async fn lists_by_command_are_whole() {
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    for n in 0..103 {
        let body = serde_json::json!({ "name": format!("Organization {n}") });
        service.application.api("POST", "/organizations", &body).await;
    }
    let all = run(service.command(&["organization", "list"])).await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 103);
    let newest = run(service.command(&["events"])).await.json();
    assert_eq!(newest["data"].as_array().unwrap().len(), 100);
    let after = text(&newest["list_metadata"], "after").to_owned();
    let older = run(service.command(&["events", "--after", &after])).await.json();
    assert!(older["data"].as_array().unwrap().len() >= 3, "{older}");
}

#[tokio::test]
async fn upg_07_the_defaults_are_safe() {
    let folder = Folder::new();
    let shown = typed(folder.path(), &["config"]).await;
    let line = |name: &str| {
        let found = shown.stdout.lines().find(|line| line.split(' ').next() == Some(name));
        found.unwrap_or_else(|| panic!("{name}: {}", shown.stdout)).to_owned()
    };
    assert!(line("listen").contains("127.0.0.1:8080"));
    for empty in ["outbound.allow", "trusted_proxies", "outbound.extra_ca_file"] {
        assert!(line(empty).contains("= \"\""), "{}", line(empty));
    }
    // No page elsewhere reads what the API says, and nothing of the sandbox is served.
    let service = Service::first_start(folder.path(), &[]).await;
    for path in ["/organizations", "/environment", "/dashboard/sign-in", "/admin", "/login"] {
        let request = Request::get(&service.application.url(path));
        let request = request.bearer(&service.application.api_key);
        let answer = request.header("origin", "https://elsewhere.example").send().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        let is_sandbox = matches!(path, "/admin" | "/login");
        assert_eq!(answer.status == 404, is_sandbox, "{path} {}", answer.status);
    }
}

#[tokio::test]
async fn administrators_are_invited_and_recovered_by_command() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let administrator = |words: &[&str]| {
        let mut all = vec!["administrator"];
        all.extend(words);
        run(service.command(&all))
    };
    let link = administrator(&["link"]).await.json();
    assert!(link["url"].as_str().unwrap().contains("/dashboard/first-run?token="), "{link}");
    let invited = administrator(&["invite", "Dev@staff.example", "--role", "support"]).await.json();
    assert_eq!(invited["email"], "dev@staff.example");
    let token = invited["url"].as_str().unwrap().split_once("token=").unwrap().1.to_owned();
    let listed = administrator(&["list"]).await;
    assert_eq!(listed.json()["invitations"][0]["role"], "support");
    assert!(!listed.stdout.contains(&token), "a link is shown once: {listed:?}");
    let nobody = administrator(&["recover", "nobody@staff.example"]).await;
    assert!(nobody.failure().contains("Administrator not found"), "{nobody:?}");
    administrator(&["remove", "dev@staff.example"]).await.json();
    assert_eq!(administrator(&["list"]).await.json()["invitations"], serde_json::json!([]));
    let again = administrator(&["remove", "dev@staff.example"]).await;
    assert!(again.failure().contains("Administrator not found"), "{again:?}");
    assert!(service.process.terminate().await.success());
}

#[tokio::test]
async fn the_first_start_makes_everything_and_the_second_one_only_serves() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let greeting = service.greeting.clone();
    for part in ["vestibule redirect-uri create", "vestibule.key", "(shown this once)"] {
        assert!(greeting.contains(part), "{part}: {greeting}");
    }
    let data = folder.path().join("data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("vestibule.key")), 0o600);
    assert!(data.join("vestibule.db").exists());
    let environment = service.application.api("GET", "/environment", &Value::Null).await;
    assert_eq!(environment["client_id"], *service.application.client_id);
    assert_eq!(environment["kind"], "sandbox");

    assert!(service.process.terminate().await.success());
    let key = std::fs::read(data.join("vestibule.key")).unwrap();
    service.start_again().await;
    assert!(service.process.terminate().await.success());
    let again = service.process.rest().await.join("\n");
    assert!(again.contains("/dashboard/first-run?token="), "shown while nobody used it: {again}");
    assert!(!again.contains("(shown this once)"), "{again}");
    assert_eq!(std::fs::read(data.join("vestibule.key")).unwrap(), key);
    let log = service.process.stderr();
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains('\u{1b}'), "colours in a file: {log}");
    assert!(!log.contains(&service.application.api_key), "{log}");
    let environments = run(service.command(&["environment", "list"])).await.json();
    assert_eq!(environments.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn sto_12_a_lost_or_wrong_key_refuses_to_start_and_the_key_is_named() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    service.process.terminate().await;
    let file = folder.path().join("data/vestibule.key");
    let key = std::fs::read(&file).unwrap();

    std::fs::remove_file(&file).unwrap();
    let lost = run(service.command(&["serve"])).await.failure().to_owned();
    assert!(lost.contains("vestibule.key"), "{lost}");
    let id = lost.split("sealed with the key ").nth(1).map(|rest| &rest[..16]);
    let id = id.unwrap_or_else(|| panic!("it does not say which key: {lost}")).to_owned();
    assert!(!file.exists(), "a new key was made");

    std::fs::write(&file, format!("{}\n", "A".repeat(43))).unwrap();
    let wrong = run(service.command(&["organization", "list"])).await.failure().to_owned();
    assert!(wrong.contains(&id), "{wrong}");
    std::fs::write(&file, "no key\n").unwrap();
    let malformed = run(service.command(&["serve"])).await.failure().to_owned();
    assert!(malformed.contains("43 characters of base64url"), "{malformed}");

    std::fs::write(&file, key).unwrap();
    service.start_again().await;
}

#[tokio::test]
async fn a_request_to_stop_waits_for_nobody_who_is_idle() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let address = service.application.base_url.socket_addrs(|| None).unwrap()[0];
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.readable().await.unwrap();
    let asked = Instant::now();
    assert!(service.process.terminate().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
}

/// The whole guide, while the service runs: what one process writes the other sees.
#[tokio::test]
async fn the_guide_by_command_line_ends_with_a_login() {
    let folder = Folder::new();
    let okta = Okta::start(&["ada@acme.example".to_owned()]).await;
    let mut service = Service::first_start(folder.path(), &[]).await;

    let create = ["environment", "create", "Customers", "--kind", "sandbox"];
    let environment = run(service.command(&create)).await.json();
    let id = text(&environment, "id").to_owned();
    let typed = async |arguments: &[&str]| {
        let within = [arguments, &["--environment", &id]].concat();
        run(service.command(&within)).await
    };
    let ambiguous = run(service.command(&["api-key", "create", "Backend"])).await;
    assert!(ambiguous.failure().contains("--environment"), "{ambiguous:?}");
    let key = typed(&["api-key", "create", "Backend"]).await.json();
    typed(&["redirect-uri", "create", REDIRECT_URI]).await.json();
    let organization = typed(&["organization", "create", "Acme"]).await.json();
    let organization = text(&organization, "id");
    let domain = ["domain", "create", organization, "acme.example", "--verified"];
    assert_eq!(typed(&domain).await.json()["state"], "verified");

    let secret = folder.path().join("secret");
    std::fs::write(&secret, format!("{}\n", okta.credentials.client_secret.expose())).unwrap();
    let secret = secret.to_str().unwrap();
    let draft = typed(&["connection", "create", organization, "Acme Okta"]).await.json();
    assert_eq!(draft["client_secret"], "missing");
    let oidc = ["--client-id", &okta.credentials.client_id, "--client-secret-file", secret];
    let update = ["connection", "update", text(&draft, "id")];
    let endpoint = ["--discovery-endpoint", okta.tenant.base_url()];
    let connection = typed(&[&update[..], &oidc, &endpoint].concat()).await;
    assert!(!connection.stdout.contains(okta.credentials.client_secret.expose()));
    let connection = connection.json();
    assert_eq!(connection["client_secret"], "set");
    let connection_id = text(&connection, "id");
    okta.allow(text(&connection, "redirect_uri"));
    typed(&["role", "create", "engineer", "Engineer"]).await.json();
    let healthy = typed(&["doctor", connection_id]).await;
    assert!(healthy.status.success(), "{healthy:?}");
    assert!(healthy.stdout.contains("All is well"), "{healthy:?}");

    let group = ["group", "create", connection_id, "Engineering", "--role", "engineer"];
    typed(&group).await.json();

    (service.application.client_id, service.application.api_key) =
        (text(&environment, "client_id").to_owned(), text(&key, "value").to_owned());
    let token = service.login(&okta, connection_id, "ada@acme.example").await;
    assert_eq!(token["profile"]["role"]["slug"], "engineer");
    assert_eq!(token["profile"]["organization_id"], organization);

    // The first sign-in has activated it, and a secret that follows counts at once.
    let typed = async |arguments: &[&str]| {
        let within = [arguments, &["--environment", &id]].concat();
        run(service.command(&within)).await
    };
    let shown = typed(&["connection", "show", connection_id]).await.json();
    assert_eq!(shown["state"], "active");
    let client_id = &okta.credentials.client_id;
    let next = okta.tenant.add_secret(client_id).unwrap();
    okta.tenant.deactivate_secret(client_id, okta.credentials.client_secret.expose()).unwrap();
    std::fs::write(secret, next.expose()).unwrap();
    typed(&["connection", "update", connection_id, "--client-secret-file", secret]).await.json();
    service.login(&okta, connection_id, "ada@acme.example").await;

    let sessions = typed(&["session", "list"]).await.json();
    assert_eq!(sessions["data"].as_array().unwrap().len(), 2);
    let session = typed(&["session", "show", text(&sessions["data"][0], "id")]).await.json();
    assert_eq!(session["status"], "success");
    let events = typed(&["events"]).await.json();
    okta.forbid_all();
    let ill = typed(&["doctor", connection_id]).await;
    assert_eq!(ill.status.code(), Some(3), "{ill:?}");
    assert!(ill.stdout.contains("redirect_uri_not_registered"), "{ill:?}");
    assert!(ill.stdout.contains("Sign-in redirect URIs"), "{ill:?}");
    let report = typed(&["doctor", connection_id, "--json"]).await;
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(report["healthy"], false);

    let of_it = |event: &&Value| event["event"] == "connection.activated";
    assert_eq!(events["data"].as_array().unwrap().iter().filter(of_it).count(), 1);
    typed(&["connection", "deactivate", connection_id]).await.json();
    let refused =
        crate::support::http::Request::get(&service.application.authorize_url(connection_id));
    assert_eq!(refused.send().await.param("error").as_deref(), Some("connection_unlinked"));
}

#[tokio::test]
async fn what_does_not_exist_fails_with_one_sentence() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    service.process.terminate().await;
    for (arguments, sentence) in [
        (&["connection", "show", "conn_x"][..], "vestibule: Connection not found: 'conn_x'."),
        (&["organization", "delete", "org_x"], "vestibule: Organization not found: 'org_x'."),
        (
            &["organization", "list", "--environment", "none"],
            "vestibule: Environment not found: 'none'.",
        ),
    ] {
        let failed = run(service.command(arguments)).await;
        assert_eq!(failed.failure(), sentence);
        assert_eq!(failed.stdout, "");
        assert_eq!(failed.stderr.lines().count(), 1, "{failed:?}");
    }
}

#[tokio::test]
async fn a_domain_is_verified_by_its_record_and_what_is_there_instead_is_told() {
    use crate::support::dns::{DnsServer, text as record};
    let (folder, dns) = (Folder::new(), DnsServer::start().await);
    let resolver = ("--dns-resolver", dns.address().to_string());
    let service = Service::first_start(folder.path(), &[resolver]).await;
    let organization = run(service.command(&["organization", "create", "Acme"])).await.json();
    let create = ["domain", "create", text(&organization, "id"), "acme.com"];
    let domain = run(service.command(&create)).await.json();
    let verify = ["domain", "verify", text(&domain, "id")];
    let pending = run(service.command(&verify)).await.json();
    assert_eq!(pending["state"], "pending");
    assert_eq!(pending["verification_check"]["message"], "DNS knows no name acme.com.");
    let (prefix, token) =
        (text(&domain, "verification_prefix"), text(&domain, "verification_token"));
    dns.set("acme.com", record(&format!("{prefix}={token}")));
    assert_eq!(run(service.command(&verify)).await.json()["state"], "verified");
    let again = run(service.command(&verify)).await.failure().to_owned();
    assert_eq!(again, "vestibule: The domain 'acme.com' is already verified.");
}

async fn demo(folder: &Path) -> (Process, Value) {
    let mut command = vestibule(folder);
    command.args(["demo", "--json", "--data"]).arg(folder.join("data"));
    let mut demo = Process::start(command);
    let line = demo.line().await;
    (demo, serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}")))
}

#[tokio::test]
async fn the_demo_says_where_everything_is_in_one_line() {
    let folder = Folder::new();
    let (mut demo, line) = demo(folder.path()).await;
    for (member, start) in [
        ("base_url", "http://127.0.0.1:"),
        ("client_id", "client_"),
        ("api_key", "sk_"),
        ("environment_id", "environment_"),
        ("organization_id", "org_"),
        ("connection_id", "conn_"),
        ("redirect_uri", "http://127.0.0.1:"),
        ("dashboard_url", "http://127.0.0.1:"),
    ] {
        assert!(text(&line, member).starts_with(start), "{member}: {line}");
    }
    let sandbox = &line["sandbox"];
    let issuer = text(sandbox, "issuer");
    let endpoint = text(sandbox, "discovery_endpoint");
    assert_eq!(endpoint, format!("{issuer}/.well-known/openid-configuration"));
    let users = sandbox["users"].as_array().unwrap();
    assert!(!users.is_empty());
    for user in users {
        assert!(text(user, "email").ends_with("@acme.example"));
        assert!(!text(user, "password").is_empty());
        assert!(!user["groups"].as_array().unwrap().is_empty());
    }
    let admin = &sandbox["admin"];
    assert_eq!(text(admin, "email"), "admin@acme.example");
    assert!(!text(admin, "password").is_empty());
    assert_eq!(text(sandbox, "admin_url"), format!("{issuer}/admin"));
    let discovered = crate::support::http::Request::get(&endpoint.parse().unwrap()).send().await;
    assert_eq!(discovered.json()["issuer"], issuer);
    assert!(demo.terminate().await.success());
    assert_eq!(demo.rest().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_demo_with_a_folder_finds_everything_again() {
    let folder = Folder::new();
    let (mut first, before) = demo(folder.path()).await;
    first.terminate().await;
    let (mut second, after) = demo(folder.path()).await;
    for member in ["client_id", "environment_id", "organization_id", "connection_id"] {
        assert_eq!(before[member], after[member]);
    }
    assert_eq!(before["sandbox"]["users"], after["sandbox"]["users"]);
    second.terminate().await;
    let data = folder.path().join("data");
    let login = typed(folder.path(), &["demo", "--login", "--data", data.to_str().unwrap()]).await;
    assert_eq!(login.json()["email"], "ada@acme.example");
}

#[tokio::test]
async fn the_demo_signs_somebody_in_and_ends() {
    let folder = Folder::new();
    let first = typed(folder.path(), &["demo", "--login"]).await.json();
    assert_eq!(first["email"], "ada@acme.example");
    assert_eq!(first["role"]["slug"], "admin");
    let grace = typed(folder.path(), &["demo", "--login", "grace@acme.example"]).await.json();
    assert_eq!(grace["role"]["slug"], "engineer");
    let nobody = typed(folder.path(), &["demo", "--login", "nobody@acme.example"]).await;
    assert_eq!(
        nobody.failure(),
        "vestibule: nobody is called nobody@acme.example; there are ada@acme.example, \
         grace@acme.example, alan@acme.example"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it left something behind");
}
