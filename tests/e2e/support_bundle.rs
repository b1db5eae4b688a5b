//! `vestibule support-bundle`: what helps, and nothing that is somebody's.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use url::Url;
use vestibule::sandbox::okta::Fault;

use super::process::{run, vestibule};
use super::set::{email, set_up};
use crate::support::Folder;
use crate::support::http::Browser;

#[tokio::test]
async fn sec_12_a_support_bundle_holds_numbers_and_no_datum_of_anybody() {
    let folder = Folder::new();
    let set = set_up(folder.path(), &[]).await;
    let application = &set.service.application;
    let marked = |text: &str| format!("canary-{text}");
    let organization = json!({
        "name": marked("organization"),
        "external_id": marked("external"),
        "domain_data": [{ "domain": "canary-domain.example", "state": "verified" }],
        "metadata": { "canary-key": marked("metadata") },
    });
    let organization = application.api("POST", "/organizations", &organization).await;
    let connection = json!({
        "organization_id": organization["id"],
        "connection_type": "OktaOIDC",
        "name": marked("connection"),
        "oidc": { "client_id": marked("client-id"), "client_secret": marked("client-secret"),
            "discovery_endpoint": set.okta.tenant.base_url() },
    });
    application.api("POST", "/connections", &connection).await;
    let uri = json!({ "uri": "https://canary-redirect.example/callback" });
    application.api("POST", "/user_management/redirect_uris", &uri).await;
    let webhook = json!({
        "endpoint_url": "https://canary-webhook.example/",
        "events": ["organization.created"],
    });
    application.api("POST", "/webhook_endpoints", &webhook).await;
    let invited = ["administrator", "invite", "canary-admin@staff.example"];
    run(set.service.command(&invited)).await.json();
    set.service.login(&set.okta, &set.connection, &email(0)).await;
    set.okta.tenant.set_faults(&set.okta.credentials.client_id, &[Fault::WrongNonce]).unwrap();
    let mut browser = Browser::default();
    let mut url = application.authorize_url(&set.connection);
    url.query_pairs_mut().append_pair("state", "canary-state");
    let begun = browser.get(&url).await;
    let back = set.okta.tenant.sign_in(&begun.location(), &email(1)).await.unwrap();
    browser.get(&Url::parse(&back).unwrap()).await;

    let file = folder.path().join("bundle.json");
    let name = file.to_str().unwrap();
    let key = std::fs::read_to_string(folder.path().join("data/vestibule.key")).unwrap();
    let mut command = set.service.command(&["support-bundle", name, "--doctor"]);
    let print = format!("echo {}; : --token canary-token", key.trim());
    command.env("VESTIBULE_KEYS_COMMAND", print);
    let written = run(command).await.json();
    assert_eq!(written["is_complete"], true);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    let okta = Url::parse(set.okta.tenant.base_url()).unwrap();
    let authority = format!("{}:{}", okta.host_str().unwrap(), okta.port().unwrap());
    for private in [
        "canary",
        "acme",
        "p0@",
        "127.0.0.1",
        authority.as_str(),
        key.trim(),
        application.api_key.as_str(),
        set.okta.credentials.client_secret.expose(),
        set.okta.credentials.client_id.as_str(),
        folder.path().to_str().unwrap(),
    ] {
        assert!(!text.contains(private), "{private}: {text}");
    }

    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["version"], env!("CARGO_PKG_VERSION"));
    let installation = &bundle["installation"];
    let count = |list: &str, of: &str| {
        let found = installation[list].as_array().unwrap().iter().find(|entry| entry["of"] == of);
        found.unwrap_or_else(|| panic!("no {of} in {installation:#}"))["count"].clone()
    };
    assert_eq!(count("rows", "organizations"), 2);
    assert_eq!(count("rows", "profiles"), 1);
    assert_eq!(count("logins_of_seven_days", "success"), 1);
    assert_eq!(count("logins_of_seven_days", "failed id_token_nonce"), 1);
    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap();
    assert_eq!(installation["migrations"].as_array().unwrap().len(), migrations.count());
    assert_eq!(installation["connections"].as_array().unwrap().len(), 2);
    let examined = installation["examined"].as_array().unwrap();
    let of = |id: &Value| &examined.iter().find(|entry| entry["connection_id"] == *id).unwrap()["doctor"];
    assert!(!of(&json!(set.connection))["findings"].as_array().unwrap().is_empty());
    let setting = |name: &str| {
        let all = bundle["settings"].as_array().unwrap();
        all.iter().find(|setting| setting["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!((setting("log.level"), setting("listen")), (json!("info"), json!("(set)")));
    assert_eq!(setting("keys_command"), "(set)");

    let again = run(set.service.command(&["support-bundle", name])).await;
    assert!(again.failure().contains("exists"), "{again:?}");
}

#[tokio::test]
async fn a_bundle_of_what_does_not_open_says_so_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let mut command = vestibule(folder.path());
    command.args(["support-bundle", "bundle.json", "--data", "nothing"]);
    let written = run(command).await.json();
    assert_eq!(written["is_complete"], false);
    let text = std::fs::read_to_string(folder.path().join("bundle.json")).unwrap();
    let bundle: Value = serde_json::from_str(&text).unwrap();
    let error = &bundle["installation"]["error"];
    assert_eq!(*error, "there is no installation where the settings say");
    assert!(!folder.path().join("nothing").exists(), "an installation was made");
}
