//! `docs/reference/workos-compatibility.md`: which operations of WorkOS's API are served.
//!
//! `workos-operations.toml` lists them. A running service is called with each: what answers with a
//! success, in the shape of WorkOS's own document where that lies beside the crate, is served.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use super::{COMMAND, assert_current, cell, read};
use crate::api::workos_schema;
use crate::support::http::{Answer, Request};
use crate::support::{self, Fixture, TestDb, World};

const FACTS: &str = "docs/reference/workos-operations.toml";

#[derive(serde::Deserialize)]
struct Facts {
    group: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    tag: String,
    title: String,
    operations: Vec<Operation>,
}

#[derive(serde::Deserialize)]
struct Operation {
    method: String,
    path: String,
    id: String,
    differs: Option<String>,
    because: Option<String>,
}

fn facts() -> Facts {
    toml::from_str(&read(FACTS)).expect("the list of operations")
}

#[test]
fn the_list_of_operations_is_workos_own() {
    let Some(document) = workos_schema::document() else {
        return support::skipped("WorkOS's own OpenAPI document does not lie beside this folder");
    };
    for group in facts().group {
        let mut theirs = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let tags = operation["tags"].as_array().into_iter().flatten();
                if tags.into_iter().any(|tag| *tag == group.tag) {
                    let id = operation["operationId"].as_str().unwrap().to_owned();
                    theirs.push((method.to_uppercase(), path.clone(), id));
                }
            }
        }
        let mut ours: Vec<_> =
            group.operations.into_iter().map(|it| (it.method, it.path, it.id)).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{}", group.tag);
    }
}

#[tokio::test]
async fn the_page_of_compatibility_is_current() {
    let mut calls = Calls { world: World::on(TestDb::sqlite()).await, called: BTreeMap::new() };
    calls.call_all().await;
    let mut text = format!(
        "<!-- Made from {FACTS} and calls of a running service by `{COMMAND}`. -->\n\n\
         # Compatibility with WorkOS\n\n\
         Each operation of these groups of WorkOS's API, as a test has called it. *Served*: it \
         answers as WorkOS's description of its API says. *Partly*: it does, but for what stands \
         beside it. *Not served*: there is no such path here, and the answer is a 404 in JSON. What \
         Vestibule has and WorkOS does not is in [openapi.json](openapi.json), which says so.\n\n\
         Errors have WorkOS's shapes and statuses, but a few words of ours besides its own.\n",
    );
    for group in facts().group {
        write!(text, "\n## {}\n\n| Operation | | |\n|---|---|---|\n", group.title).unwrap();
        for operation in &group.operations {
            let (word, note) = calls.judge(operation).await;
            let (method, path, id) = (&operation.method, &operation.path, &operation.id);
            writeln!(text, "| `{method} {path}`<br>{id} | {word} | {} |", cell(note)).unwrap();
        }
    }
    assert_current("docs/reference/workos-compatibility.md", &text);
}

/// A service, and which operations have answered.
struct Calls {
    world: World,
    called: BTreeMap<(String, String), u16>,
}

impl Calls {
    /// What the page says of an operation.
    async fn judge<'a>(&self, operation: &'a Operation) -> (&'static str, &'a str) {
        let key = (operation.method.clone(), operation.path.clone());
        if self.called.contains_key(&key) {
            assert!(operation.because.is_none(), "{key:?} is served");
            return match &operation.differs {
                Some(differs) => ("Partly", differs),
                None => ("Served", ""),
            };
        }
        // No call above: there must be no such path or no such method.
        let path = operation.path.replace(['{', '}'], "");
        let answer = self.world.api(&operation.method, &path, None).await;
        if matches!(answer.status.as_u16(), 404 | 405) && !answer.text().contains("not found: '") {
            return ("Not served", operation.because.as_deref().unwrap_or(""));
        }
        ("Partly", "It answers, but no test shows how")
    }

    /// Calls an operation of the API, which has to succeed.
    #[track_caller]
    fn note(&mut self, method: &str, template: &str, path: &str, answer: &Answer) -> Value {
        let status = answer.status.as_u16();
        assert!(status < 400, "{method} {path}: {status} {}", answer.text());
        workos_schema::check(&method.parse().unwrap(), path, status, &answer.text());
        self.called.insert((method.to_owned(), template.to_owned()), status);
        serde_json::from_str(&answer.text()).unwrap_or_default()
    }

    /// Calls `METHOD template`, with these texts instead of the names in braces, in order.
    async fn call(&mut self, operation: &str, names: &[&str], body: Option<Value>) -> Value {
        let (method, template) = operation.split_once(' ').expect("a method and a path");
        let mut names = names.iter();
        let segments = template.split('/').map(|segment| {
            if segment.starts_with('{') {
                *names.next().expect("a text for each name")
            } else {
                segment
            }
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let answer = self.world.api(method, &path, body.as_ref()).await;
        self.note(method, template, &path, &answer)
    }

    async fn call_all(&mut self) {
        self.sso().await;
        let organization = self.organizations().await;
        self.domains(&organization).await;
        self.permissions_and_roles(&organization).await;
        self.api_keys(&organization).await;
        self.endpoints().await;
        self.connections(&organization).await;
        self.call("DELETE /organizations/{id}", &[&organization], None).await;
    }

    async fn sso(&mut self) {
        let url = self.world.authorize_url(&[]);
        let answer = self.world.browser().get(&url).await;
        self.note("GET", "/sso/authorize", "/sso/authorize", &answer);
        let code = self.world.code().await;
        let answer = self.world.redeem(&code, &[]).await;
        let token = self.note("POST", "/sso/token", "/sso/token", &answer);
        let token = token["access_token"].as_str().expect("a token");
        let url = self.world.url("/sso/profile");
        let answer = Request::get(&url).bearer(token).send().await;
        let profile = self.note("GET", "/sso/profile", "/sso/profile", &answer);
        let wanted = json!({ "profile_id": profile["id"] });
        let logout = self.call("POST /sso/logout/authorize", &[], Some(wanted)).await;
        let url = logout["logout_url"].as_str().expect("a URL").parse().expect("a URL");
        let answer = self.world.browser().get(&url).await;
        assert_eq!(answer.status, 302, "{}", answer.text());
        self.note("GET", "/sso/logout", "/sso/logout", &answer);
    }

    async fn organizations(&mut self) -> String {
        let new = json!({ "name": "Compatible", "external_id": "compatible" });
        let created = self.call("POST /organizations", &[], Some(new)).await;
        let id = created["id"].as_str().expect("an id").to_owned();
        self.call("GET /organizations", &[], None).await;
        self.call("GET /organizations/{id}", &[&id], None).await;
        let path = "GET /organizations/external_id/{external_id}";
        assert_eq!(self.call(path, &["compatible"], None).await["id"], created["id"]);
        let change = json!({ "name": "More compatible" });
        self.call("PUT /organizations/{id}", &[&id], Some(change)).await;
        let wanted = json!({ "organization": id, "intent": "sso" });
        self.call("POST /portal/generate_link", &[], Some(wanted)).await;
        self.call("GET /events", &[], None).await;
        id
    }

    async fn domains(&mut self, organization: &str) {
        let new = json!({ "organization_id": organization, "domain": "compatible.example" });
        let domain = self.call("POST /organization_domains", &[], Some(new)).await;
        let id = domain["id"].as_str().expect("an id");
        self.call("GET /organization_domains/{id}", &[id], None).await;
        self.call("POST /organization_domains/{id}/verify", &[id], None).await;
        self.call("DELETE /organization_domains/{id}", &[id], None).await;
    }

    async fn permissions_and_roles(&mut self, organization: &str) {
        let (all, one) = ("/authorization/permissions", "/authorization/permissions/{slug}");
        for slug in ["posts:read", "posts:write"] {
            let new = json!({ "slug": slug, "name": "Posts" });
            self.call(&format!("POST {all}"), &[], Some(new)).await;
        }
        self.call(&format!("GET {all}"), &[], None).await;
        self.call(&format!("GET {one}"), &["posts:read"], None).await;
        let change = json!({ "description": "All of them" });
        self.call(&format!("PATCH {one}"), &["posts:read"], Some(change)).await;
        let of_organization = "/authorization/organizations/{organizationId}/roles";
        for (all, before, slug) in [
            ("/authorization/roles", &[][..], "compatible"),
            (of_organization, &[organization][..], "org-compatible"),
        ] {
            let new = json!({ "slug": slug, "name": "Compatible" });
            let names = [before, &[slug]].concat();
            self.call(&format!("POST {all}"), before, Some(new)).await;
            self.call(&format!("GET {all}"), before, None).await;
            self.call(&format!("GET {all}/{{slug}}"), &names, None).await;
            let change = json!({ "name": "More compatible" });
            self.call(&format!("PATCH {all}/{{slug}}"), &names, Some(change)).await;
            let set = json!({ "permissions": ["posts:read"] });
            self.call(&format!("PUT {all}/{{slug}}/permissions"), &names, Some(set)).await;
            let add = json!({ "slug": "posts:write" });
            self.call(&format!("POST {all}/{{slug}}/permissions"), &names, Some(add)).await;
        }
        let names = [organization, "org-compatible", "posts:write"];
        let path = format!("DELETE {of_organization}/{{slug}}/permissions/{{permissionSlug}}");
        self.call(&path, &names, None).await;
        self.call(&format!("DELETE {of_organization}/{{slug}}"), &names[..2], None).await;
        self.call(&format!("DELETE {one}"), &["posts:write"], None).await;
    }

    async fn api_keys(&mut self, organization: &str) {
        let path = "/organizations/{organizationId}/api_keys";
        let new = json!({ "name": "Compatible", "permissions": ["posts:read"] });
        let key = self.call(&format!("POST {path}"), &[organization], Some(new)).await;
        self.call(&format!("GET {path}"), &[organization], None).await;
        let asked = json!({ "value": key["value"] });
        let found = self.call("POST /api_keys/validations", &[], Some(asked)).await;
        assert_eq!(found["api_key"]["id"], key["id"]);
        let id = key["id"].as_str().expect("an id");
        self.call("POST /api_keys/{id}/expire", &[id], Some(json!({}))).await;
        self.call("DELETE /api_keys/{id}", &[id], None).await;
    }

    async fn endpoints(&mut self) {
        let path = "/webhook_endpoints";
        let url = "https://hooks.example/";
        let new = json!({ "endpoint_url": url, "events": ["connection.activated"] });
        let endpoint = self.call(&format!("POST {path}"), &[], Some(new)).await;
        let id = endpoint["id"].as_str().expect("an id");
        self.call(&format!("GET {path}"), &[], None).await;
        let change = json!({ "status": "disabled" });
        self.call(&format!("PATCH {path}/{{id}}"), &[id], Some(change)).await;
        self.call(&format!("DELETE {path}/{{id}}"), &[id], None).await;
        let path = "/user_management/cors_origins";
        let new = json!({ "origin": "https://compatible.example" });
        self.call(&format!("POST {path}"), &[], Some(new)).await;
        self.call(&format!("GET {path}"), &[], None).await;
        let path = "/user_management/redirect_uris";
        let new = json!({ "uri": "https://compatible.example/callback" });
        let uri = self.call(&format!("POST {path}"), &[], Some(new)).await;
        self.call(&format!("GET {path}"), &[], None).await;
        let id = uri["id"].as_str().expect("an id");
        self.call(&format!("DELETE {path}/{{id}}"), &[id], None).await;
    }

    async fn connections(&mut self, organization: &str) {
        let new = json!({
            "organization_id": organization, "connection_type": "OktaOIDC", "name": "Okta",
        });
        let answer = self.world.api("POST", "/connections", Some(&new)).await;
        let connection: Value = serde_json::from_str(&answer.text()).expect("JSON");
        let id = connection["id"].as_str().expect("an id");
        self.call("GET /connections", &[], None).await;
        self.call("GET /connections/{id}", &[id], None).await;
        self.call("DELETE /connections/{id}", &[id], None).await;
    }
}
