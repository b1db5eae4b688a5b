//! `vestibule apply`, `export` and `import`, as operators type them.

use std::path::Path;

use serde_json::{Value, json};

use super::process::{Outcome, Process, run, vestibule};
use super::service::{Okta, REDIRECT_URI, Service};
use crate::support::Folder;

async fn typed(folder: &Path, arguments: &[&str]) -> Outcome {
    let mut command = vestibule(folder);
    command.args(arguments).args(["--data", "data", "--outbound-allow", "127.0.0.1"]);
    command.env("ACME_SECRET", "canary-of-acme");
    run(command).await
}

const SMALL: &str = "\
version: 1
environments:
- name: Production
  redirect_uris:
  - { uri: 'https://app.example.com/callback', default: true }
  roles:
  - { slug: admin, name: Administrators }
  - { slug: member, name: Member, default: true }
  organizations:
  - name: Acme
    external_id: acme
    domains:
    - { domain: acme.example, state: verified }
    connections:
    - name: Acme Okta
      type: OktaOIDC
      state: active
      oidc:
        client_id: 0oa1
        client_secret: { env: ACME_SECRET }
        discovery_endpoint: TENANT
      groups:
      - { idp_id: Engineering, role: admin }
";

const FIRST_PLAN: &str = "\
+ environment Production                           environments[0]
~ role admin                                       environments[0].roles[0]
    name: \"Admin\" → \"Administrators\"
+ redirect URI https://app.example.com/callback    environments[0].redirect_uris[0]
~ redirect URI https://app.example.com/callback    environments[0].redirect_uris[0]
    default: false → true
+ organization Acme                                environments[0].organizations[0]
+ domain acme.example                              environments[0].organizations[0].domains[0]
+ connection Acme Okta                             environments[0].organizations[0].connections[0]
+ group Engineering                                environments[0].organizations[0].connections[0].groups[0]
6 to create, 2 to change, 0 to delete.
";

#[tokio::test]
async fn a_file_is_planned_applied_and_compared_by_command() {
    let folder = Folder::new();
    let okta = Okta::start(&[]).await;
    let file = folder.path().join("vestibule.yaml");
    let text = SMALL.replace("TENANT", okta.tenant.base_url());
    std::fs::write(&file, &text).unwrap();
    let apply = |more: Vec<&'static str>| {
        let folder = folder.path().to_owned();
        async move {
            let mut all = vec!["apply", "-f", "vestibule.yaml"];
            all.extend(more);
            typed(&folder, &all).await
        }
    };
    let plan = apply(vec!["--plan"]).await;
    assert_eq!((plan.status.code(), plan.stdout.as_str()), (Some(3), FIRST_PLAN), "{plan:?}");
    let done = apply(vec![]).await;
    assert_eq!((done.status.code(), done.stdout.as_str()), (Some(0), FIRST_PLAN), "{done:?}");
    assert!(done.stderr.contains(".connections[0]: /.well-known"), "what was found: {done:?}");
    let nothing = "Nothing to do: everything is as the file says.\n";
    for more in [vec!["--plan"], vec![], vec!["--plan", "--prune"]] {
        let again = apply(more).await;
        assert_eq!((again.status.code(), again.stdout.as_str()), (Some(0), nothing), "{again:?}");
    }

    std::fs::write(&file, text.replace("client_id: 0oa1", "client_id: 0oa2")).unwrap();
    let plan = apply(vec!["--plan", "--json"]).await;
    assert_eq!(plan.status.code(), Some(3), "{plan:?}");
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(
        plan["steps"],
        json!([{
            "path": "environments[0].organizations[0].connections[0]",
            "operation": "update",
            "resource": "connection Acme Okta",
            "differences": [{ "member": "client_id", "before": "0oa1", "after": "0oa2" }],
        }])
    );

    std::fs::write(&file, text.replace("slug: admin", "slugg: admin")).unwrap();
    let wrong = apply(vec!["--plan"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.failure().starts_with("vestibule: vestibule.yaml: environments[0]"), "{wrong:?}");
    assert!(wrong.failure().contains("line 7") && wrong.failure().contains("`slug`?"), "{wrong:?}");

    let exported = typed(folder.path(), &["export"]).await;
    assert!(exported.status.success() && exported.stdout.contains("version: 1"), "{exported:?}");
    std::fs::write(&file, &exported.stdout).unwrap();
    let compared = apply(vec!["--plan", "--prune"]).await;
    assert_eq!(compared.status.code(), Some(0), "{compared:?}");
    assert!(
        compared.stdout.contains("client_secret is not compared: the variable CLIENT_SECRET_01")
    );
    let refused = apply(vec![]).await;
    assert!(refused.failure().contains("is not set"), "{refused:?}");
    let all = [&plan.to_string(), &exported.stdout, &done.stdout, &done.stderr];
    assert!(!all.iter().any(|text| text.contains("canary")), "{all:?}");
}

#[tokio::test]
async fn an_export_without_ids_makes_the_same_again_elsewhere() {
    let (folder, other) = (Folder::new(), Folder::new());
    let okta = Okta::start(&[]).await;
    let text = SMALL.replace("TENANT", okta.tenant.base_url());
    std::fs::write(folder.path().join("vestibule.yaml"), text).unwrap();
    let done = typed(folder.path(), &["apply", "-f", "vestibule.yaml"]).await;
    assert!(done.status.success(), "{done:?}");
    let exported = typed(folder.path(), &["export", "--without-ids"]).await.stdout;
    assert!(!exported.contains("org_01") && !exported.contains("external_key"), "{exported}");
    let start = exported.find("CLIENT_SECRET_01").expect("a variable");
    let variable = &exported[start..start + "CLIENT_SECRET_".len() + 26];
    let exported = exported.replace(variable, "ACME_SECRET");
    std::fs::write(other.path().join("vestibule.yaml"), &exported).unwrap();
    let done = typed(other.path(), &["apply", "-f", "vestibule.yaml"]).await;
    assert!(done.status.success(), "{done:?}");
    let again = typed(other.path(), &["export", "--without-ids"]).await.stdout;
    let start = again.find("CLIENT_SECRET_01").expect("a variable");
    let again = again.replace(&again[start..start + variable.len()], "ACME_SECRET");
    assert_eq!(again, exported);
}

/// A second installation stands in for WorkOS: the paths and shapes of what is read are the same.
#[tokio::test]
async fn a_workos_account_is_read_applied_and_its_customers_sign_in() {
    let (theirs, ours) = (Folder::new(), Folder::new());
    let okta = Okta::start(&["ada@acme.example".to_owned()]).await;
    let workos = Service::first_start(theirs.path(), &[]).await;
    let account = fill(&workos, &okta).await;
    std::fs::write(ours.path().join("key"), format!("{}\n", workos.application.api_key)).unwrap();

    let base_url = workos.application.base_url.to_string();
    let client_id = workos.application.client_id.as_str();
    let import = [
        "import",
        "workos",
        "--api-key-file",
        "key",
        "--api-url",
        &base_url,
        "--client-id",
        client_id,
        "--name",
        "Production",
        "--output",
        "import",
    ];
    let imported = typed(ours.path(), &import).await;
    let summary = imported.json();
    assert_eq!(summary["read"][0], "2 organizations", "{summary}");
    assert_eq!(summary["read"][1], "2 connections");
    assert_eq!(summary["secrets"], 1, "that of the webhook endpoint");
    let again = typed(ours.path(), &import).await;
    assert!(again.failure().contains("import cannot be written"), "{again:?}");
    let read = |name: &str| std::fs::read_to_string(ours.path().join(name)).unwrap();
    let report = read("import/report.md");
    for part in ["## For everybody", "### Acme (org_01", "the path of its redirect URI stays"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let manifest = read("import/vestibule.yaml");
    assert!(manifest.contains(client_id) && manifest.contains("seats: '5'"), "{manifest}");
    for text in [&manifest, &report, &imported.stdout, &imported.stderr] {
        assert!(!text.contains("whsec_") && !text.contains(&workos.application.api_key), "{text}");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| {
        std::fs::metadata(ours.path().join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("import"), mode("import/vestibule.yaml")), (0o700, 0o600));

    let apply = ["apply", "-f", "import/vestibule.yaml", "--setup-links", "links.md"];
    std::fs::write(ours.path().join("links.md"), "mine").unwrap();
    let refused = typed(ours.path(), &apply).await;
    assert!(refused.failure().contains("links.md cannot be written"), "{refused:?}");
    let nothing = typed(ours.path(), &["organization", "list", "-e", "Production"]).await;
    assert!(!nothing.stdout.contains("Acme"), "it was applied: {nothing:?}");
    std::fs::remove_file(ours.path().join("links.md")).unwrap();
    let done = typed(ours.path(), &apply).await;
    assert!(done.status.success(), "{done:?}");
    assert!(done.stderr.contains("1 setup links"), "one customer lacks something: {done:?}");
    let links = read("links.md");
    assert!(links.contains("## Acme (org_01") && links.contains("/setup?token="), "{links}");
    assert_eq!(links.matches("/setup?token=").count(), 1);
    assert_eq!(mode("links.md"), 0o600);
    let plan = typed(ours.path(), &["apply", "-f", "import/vestibule.yaml", "--plan"]).await;
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");

    // What WorkOS does not give is entered, and people sign in by the old address.
    let shown = typed(ours.path(), &["connection", "list"]).await.json();
    let connection = shown["data"].as_array().unwrap().iter().find(|it| it["name"] == "Acme Okta");
    let connection = connection.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(connection["id"], account["id"]);
    assert_eq!(connection["state"], "draft");
    let path = |uri: &Value| uri.as_str().unwrap().split_once("/sso/").unwrap().1.to_owned();
    assert_eq!(path(&connection["redirect_uri"]), path(&account["redirect_uri"]));
    std::fs::write(ours.path().join("secret"), okta.credentials.client_secret.expose()).unwrap();
    let id = connection["id"].as_str().unwrap();
    let update = [
        "connection",
        "update",
        id,
        "--client-id",
        &okta.credentials.client_id,
        "--client-secret-file",
        "secret",
        "--discovery-endpoint",
        okta.tenant.base_url(),
    ];
    let update = typed(ours.path(), &update).await;
    assert_eq!(update.json()["state"], "validating", "{update:?}");
    let key = typed(ours.path(), &["api-key", "create", "moved"]).await.json();
    let service = Moved::start(ours.path(), client_id, key["value"].as_str().unwrap()).await;
    okta.allow(&format!("{}sso/{}", service.base_url, path(&account["redirect_uri"])));
    let profile = service.login(&okta, id).await;
    assert_eq!(profile["profile"]["email"], "ada@acme.example", "{profile}");
    assert_eq!(profile["profile"]["organization_id"], account["organization_id"]);
}

/// Fills the stand-in by its API; returns a connection of it.
async fn fill(workos: &Service, okta: &Okta) -> Value {
    let app = &workos.application;
    app.api("POST", "/user_management/redirect_uris", &json!({ "uri": REDIRECT_URI })).await;
    let permission = json!({ "slug": "a:read", "name": "Read", "description": "Reads" });
    app.api("POST", "/authorization/permissions", &permission).await;
    app.api("POST", "/authorization/roles", &json!({ "slug": "editor", "name": "Editor" })).await;
    let permissions = json!({ "permissions": ["a:read"] });
    app.api("PUT", "/authorization/roles/editor/permissions", &permissions).await;
    let endpoint = json!({ "endpoint_url": "http://127.0.0.1:9/hook", "events": ["role.created"] });
    app.api("POST", "/webhook_endpoints", &endpoint).await;
    let acme = json!({
        "name": "Acme", "external_id": "acme", "metadata": { "seats": "5" },
        "domain_data": [{ "domain": "acme.example", "state": "verified" }],
    });
    let acme = app.api("POST", "/organizations", &acme).await;
    let empty = json!({ "name": "No connection yet" });
    app.api("POST", "/organizations", &empty).await;
    let roles = format!("/authorization/organizations/{}/roles", acme["id"].as_str().unwrap());
    app.api("POST", &roles, &json!({ "slug": "org-own", "name": "Own" })).await;
    let connection = |name: &str| {
        json!({
            "organization_id": acme["id"], "connection_type": "OktaOIDC", "name": name,
            "oidc": {
                "client_id": okta.credentials.client_id,
                "client_secret": okta.credentials.client_secret.expose(),
                "discovery_endpoint": okta.tenant.base_url(),
            },
        })
    };
    app.api("POST", "/connections", &connection("Second")).await;
    app.api("POST", "/connections", &connection("Acme Okta")).await
}

/// The service on what was imported.
struct Moved {
    _process: Process,
    base_url: url::Url,
    client_id: String,
    api_key: String,
}

impl Moved {
    async fn start(folder: &Path, client_id: &str, api_key: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = vestibule(folder);
        command.args(["serve", "--data", "data", "--listen", &listen]);
        command.args(["--outbound-allow", "127.0.0.1"]);
        let process = Process::start(command);
        let base_url: url::Url = format!("http://{listen}/").parse().unwrap();
        for _ in 0..1000 {
            let ready = base_url.join("/readyz").unwrap();
            if crate::support::http::Request::get(&ready).try_send().await.is_ok() {
                let (client_id, api_key) = (client_id.to_owned(), api_key.to_owned());
                return Self { _process: process, base_url, client_id, api_key };
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it does not come up: {}", process.stderr());
    }

    async fn login(&self, okta: &Okta, connection: &str) -> Value {
        let application = super::service::Application {
            base_url: self.base_url.clone(),
            client_id: self.client_id.clone(),
            api_key: self.api_key.clone(),
        };
        let mut browser = crate::support::http::Browser::default();
        let departed = browser.get(&application.authorize_url(connection)).await;
        let back = okta.tenant.sign_in(&departed.location(), "ada@acme.example").await;
        let back = back.unwrap_or_else(|error| panic!("{error} {}", departed.text()));
        let arrived = browser.get(&back.parse().unwrap()).await;
        let code = arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()));
        application.redemption(&code).send().await.json()
    }
}

#[tokio::test]
async fn connections_of_polis_are_read_with_their_secrets_and_applied() {
    let folder = Folder::new();
    let okta = Okta::start(&[]).await;
    let record = |tenant: &str, product: &str, more: Value| {
        let mut record = json!({
            "tenant": tenant, "product": product, "name": null, "description": "",
            "defaultRedirectUrl": "https://app.example.com/callback",
            "redirectUrl": ["https://app.example.com/*", "https://app.example.com/second"],
            "clientID": "1b2c", "clientSecret": "canary-of-polis-itself", "deactivated": false,
        });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let oidc = |url: &str| {
        json!({ "oidcProvider": {
            "provider": "127.0.0.1", "friendlyProviderName": "Their Okta", "discoveryUrl": url,
            "clientId": "0oa1", "clientSecret": "canary-of-the-customer",
        }})
    };
    let records = json!([
        record("acme.example", "crm", oidc(okta.tenant.base_url())),
        record("acme.example", "crm", oidc(okta.tenant.base_url())),
        record("globex", "crm", json!({ "idpMetadata": { "entityID": "x", "sso": {} } })),
        record("acme.example", "shop", oidc(okta.tenant.base_url())),
    ]);
    std::fs::write(folder.path().join("polis.json"), records.to_string()).unwrap();
    let import = ["import", "polis", "--file", "polis.json", "--output", "import"];
    let imported = typed(folder.path(), &import).await;
    assert_eq!(imported.json()["secrets"], 3);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let (report, manifest) = (read("import/report.md"), read("import/vestibule.yaml"));
    for part in [
        "globex (crm)",
        "is a SAML connection: left out",
        "https://app.example.com/* cannot be taken",
        "“Their Okta”: add the redirect URI http://127.0.0.1:8080/sso/oidc/",
        "email_domains: any",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    for text in [&report, &manifest, &imported.stdout] {
        assert!(!text.contains("canary"), "{text}");
    }
    let done = typed(folder.path(), &["apply", "-f", "import/vestibule.yaml"]).await;
    assert!(done.status.success(), "{done:?}");
    let plan = typed(folder.path(), &["apply", "-f", "import/vestibule.yaml", "--plan"]).await;
    assert_eq!(plan.status.code(), Some(0), "{plan:?}");
    let list = ["connection", "list", "--environment", "crm"];
    let listed = typed(folder.path(), &list).await.json();
    let listed = listed["data"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    for connection in listed {
        assert_eq!(connection["state"], "active", "{connection}");
        let uri = connection["redirect_uri"].as_str().unwrap();
        assert!(report.contains(uri), "{uri}: {report}");
    }
    let wrong = folder.path().join("wrong.json");
    std::fs::write(wrong, r#"[{"tenant": 4815162342}]"#).unwrap();
    let import = ["import", "polis", "--file", "wrong.json", "--output", "other"];
    let wrong = typed(folder.path(), &import).await;
    assert!(wrong.failure().contains("line 1") && !wrong.failure().contains("4815"), "{wrong:?}");
}
