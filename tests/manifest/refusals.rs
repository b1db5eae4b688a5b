//! What is wrong with a file, told so that it can be found.

use std::path::Path;

use vestibule::manifest::{self, Options, parse};

use super::{applied, empty, exported, planned};
use crate::support::{TestDb, World, both_engines};

#[track_caller]
fn refused(text: &str) -> String {
    parse(text).expect_err("it was taken").to_string()
}

#[test]
fn an_unknown_member_is_told_with_its_line_and_the_nearest_one() {
    let told = refused("version: 1\nenvironments:\n- name: A\n  redirect_urls: []\n");
    for part in ["environments[0]", "unknown field `redirect_urls`", "line 4", "`redirect_uris`?"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = refused(
        "version: 1\nenvironments:\n- name: A\n  organizations:\n  - name: B\n    connections:\n    \
         - name: C\n      type: OktaOIDC\n      oidc:\n        client_id: x\n        \
         discovery_endpoint: y\n        leeway: 4\n",
    );
    assert!(told.contains("organizations[0].connections[0].oidc"), "{told}");
    assert!(told.contains("line 12") && told.contains("did you mean `leeway_s`?"), "{told}");
    let told = refused("version: 1\nenvironments:\n- name: A\n  kind: prodution\n");
    assert!(told.contains("did you mean `production`?"), "{told}");
    let told = refused(
        "version: 1\nenvironments:\n- name: A\n  settings:\n    public_client: false\n    \
         role_mod: single\n",
    );
    assert!(told.contains("environments[0].settings") && told.contains("`role_mode`?"), "{told}");
    assert!(refused("version: 2\nenvironments: []\n").contains("it is 1, not 2"));
    let told = refused("version: 1\nenvironments:\n- name: A\n  id: org_1\n");
    assert!(told.contains("environments[0].id: `org_1` is no id of this kind at line 4"), "{told}");
}

#[test]
fn null_is_no_text() {
    let told =
        refused("version: 1\nenvironments:\n- name: A\n  roles:\n  - slug: ~\n    name: B\n");
    for part in ["environments[0].roles[0]: ", "there is null", "line 5"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for (member, text) in [
        ("organizations[0]", "  organizations:\n  - name: null\n"),
        (
            "connections[0].oidc",
            "  organizations:\n  - name: B\n    connections:\n    - name: C\n      type: OktaOIDC\n      \
             oidc: { client_id: ~, discovery_endpoint: x }\n",
        ),
    ] {
        let told = refused(&format!("version: 1\nenvironments:\n- name: A\n{text}"));
        assert!(told.contains(member), "{member}: {told}");
    }
    let read = parse(
        "version: 1\nenvironments:\n- name: A\n  organizations:\n  - name: 007\n    metadata: { plan: \
         null, seats: 5 }\n",
    );
    let organization = read.unwrap().environments.remove(0).organizations.unwrap().remove(0);
    assert_eq!(organization.name, "007");
    let metadata = organization.metadata.unwrap();
    assert_eq!(metadata.into_iter().collect::<Vec<_>>(), [("seats".to_owned(), "5".to_owned())]);
}

#[test]
fn a_secret_in_the_wrong_shape_is_not_repeated() {
    let with = |secret: &str| {
        format!(
            "version: 1\nenvironments:\n- name: A\n  webhook_endpoints:\n  - endpoint_url: \
             https://a.example\n    events: [role.created]\n    secret: {secret}\n"
        )
    };
    for secret in ["48151623421", "4815.162342", "-4815162342", "0x4815162342", "[4815162342]"] {
        let told = refused(&with(secret));
        assert!(!told.contains("48151") && told.contains("line 7"), "{told}");
    }
    assert!(refused(&with("4815162342")).contains("quotation marks"));
    assert!(refused(&with("{ env: A, file: b }")).contains("not both"));
    assert!(refused(&with("{ envs: A }")).contains("did you mean `env`?"));
    let read = parse(&with("'4815162342'")).unwrap();
    assert!(!format!("{read:?}").contains("48151"));
}

#[test]
fn what_is_named_twice_is_told_all_at_once() {
    let told = refused(
        "version: 1
environments:
- name: A
  roles:
  - { slug: a, name: A, default: true }
  - { slug: a, name: A, default: true }
  redirect_uris: [{ uri: 'https://a.example' }, { uri: 'https://a.example' }]
  organizations:
  - { name: B }
  - name: B
    domains: [{ domain: b.example }, { domain: B.example }]
    roles: [{ slug: org-a, name: A, default: true }]
    connections:
    - { name: C, type: OktaOIDC, groups: [{ idp_id: g, role: a }, { idp_id: g, role: a }] }
    - { name: C, type: OktaOIDC }
",
    );
    for part in [
        "environments[0].roles[1]: the role `a` is named in environments[0].roles[0]",
        "environments[0].roles: more than one is the default",
        "redirect_uris[1]: the redirect URI",
        "organizations[1]: the organization `B`",
        "organizations[1].domains[1]: the domain `b.example`",
        "organizations[1].roles: the default of an organization",
        "organizations[1].connections[1]: the connection `C`",
        "organizations[1].connections[0].groups[1]: the group `g`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

both_engines! {
    async fn what_would_be_refused_is_told_by_a_plan_that_changes_nothing(world: World) {
        let app = world.app();
        let before = exported(app).await;
        let acme = &world.demo.seeded.organization_id;
        let manifest = parse(&format!(
            "version: 1
environments:
- name: Demo
  organizations:
  - {{ name: Fine, external_id: fine, domains: [{{ domain: fine.example }}] }}
  - {{ name: Keyed, metadata: {{ '': x }} }}
  - {{ name: Also fine, roles: [{{ slug: org-editor, name: Editor }}], default_role: org-editor }}
  - name: Named
    connections:
    - {{ name: A, type: GenericOIDC, external_key: a/b }}
- name: Another
  redirect_uris: [{{ uri: 'https://app.example.com/callback' }}]
  organizations:
  - {{ name: Taken, id: {acme} }}
- name: Hooked
  webhook_endpoints: [{{ endpoint_url: 'https://a.example', events: [conection.activated] }}]
  organizations: [{{ name: Never reached, metadata: {{ '': x }} }}]
")).unwrap();
        let plan = planned(app, &manifest, false).await.unwrap();
        let refused = manifest::rehearse(app, plan).await.unwrap();
        let paths: Vec<&str> = refused.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, [
            "environments[0].organizations[1]",
            "environments[0].organizations[3].connections[0]",
            "environments[1].organizations[0]",
            "environments[2].webhook_endpoints[0]",
        ], "{refused:?}");
        assert!(refused[2].1.contains("is taken already"), "{refused:?}");
        assert_eq!(exported(app).await, before);
        assert_eq!(world.demo.login("ada@acme.example").await.unwrap()["email"], "ada@acme.example");
    }

    async fn only_the_environment_that_is_meant_is_changed(world: World) {
        let second = empty(&world, "http://127.0.0.1:1").await;
        let text = |name: &str| format!("- name: {name}\n  organizations: [{{ name: In {name} }}]\n");
        let hook = "  webhook_endpoints:\n  - endpoint_url: https://a.example\n    events: [role.created]\n    \
                    secret: { env: NOBODY_SETS_THIS }\n";
        let text = format!("version: 1\nenvironments:\n{}{hook}{}", text("First"), text("Second"));
        let manifest = parse(&text).unwrap();
        let only = |only| Options { folder: Path::new(""), prune: true, only: Some(only) };
        let unknown = manifest::plan(&second.app, &manifest, only("Third")).await.unwrap_err();
        assert!(unknown.to_string().contains("no environment 'Third'"), "{unknown}");
        let plan = manifest::plan(&second.app, &manifest, only("Second")).await.unwrap();
        assert!(plan.steps().all(|step| step.path.starts_with("environments[1]")), "{plan:?}");
        manifest::apply(&second.app, "test", plan).await.unwrap();
        let now = exported(&second.app).await;
        assert!(now.contains("In Second") && !now.contains("First"), "{now}");
    }

    async fn what_cannot_be_is_told_before_anything_is_done(world: World) {
        let app = world.app();
        let before = exported(app).await;
        let id = &world.demo.seeded.connection_id;
        let manifest = parse(&format!(
            "version: 1
environments:
- name: Demo
  kind: production
  roles: [{{ slug: admin, name: Admin, permissions: [nobody:knows] }}]
  organizations:
  - name: New
    default_role: nobody
    domains: [{{ domain: 'not a domain' }}]
    connections:
    - {{ name: Stolen, id: {id}, type: OktaOIDC }}
    - {{ name: Odd, type: OktaOICD }}
  - name: Acme
    connections:
    - {{ name: Acme Okta, type: GenericOIDC, groups: [{{ idp_id: g, role: nobody }}] }}
")).unwrap();
        let told = planned(app, &manifest, false).await.unwrap_err().to_string();
        for part in [
            "environments[0]: the `kind`",
            "roles[0].permissions: there is no permission `nobody:knows`",
            "organizations[0].default_role: there is no such role",
            "organizations[0].domains[0]: ",
            "organizations[0].connections[0]: the connection belongs to another organization",
            "organizations[0].connections[1]: `OktaOICD` is no connection type",
            "organizations[1].connections[0]: the `type`",
            "organizations[1].connections[0].groups[0]: the organization has no role `nobody`",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert_eq!(exported(app).await, before);
    }

    async fn a_secret_that_is_not_there_stops_everything_but_a_plan(world: World) {
        let second = empty(&world, "http://127.0.0.1:1").await;
        let manifest = parse(
            "version: 1
environments:
- name: A
  webhook_endpoints:
  - endpoint_url: http://127.0.0.1:9/hook
    events: [role.created]
    secret: { env: NOBODY_SETS_THIS }
  - endpoint_url: http://127.0.0.1:9/other
    events: [role.created]
    secret: { file: /nowhere/secret }
").unwrap();
        let plan = planned(&second.app, &manifest, false).await.unwrap();
        assert_eq!(plan.unread.len(), 2, "{:?}", plan.unread);
        let told = manifest::apply(&second.app, "test", plan).await.unwrap_err().to_string();
        assert!(told.contains("webhook_endpoints[0].secret: the variable NOBODY_SETS_THIS"), "{told}");
        assert!(told.contains("webhook_endpoints[1].secret: /nowhere/secret"), "{told}");
        assert!(exported(&second.app).await.contains("environments: []"));
    }

    async fn an_identity_provider_that_does_not_answer_is_told_with_its_path(world: World) {
        let second = empty(&world, "http://127.0.0.1:1").await;
        let manifest = parse(&format!(
            "version: 1
environments:
- name: A
  organizations:
  - name: B
    connections:
    - name: C
      type: GenericOIDC
      oidc:
        client_id: x
        client_secret: y
        discovery_endpoint: {tenant}
        issuer: https://another.example
  - name: D
    connections:
    - name: E
      type: GenericOIDC
      oidc: {{ client_id: x, client_secret: y, discovery_endpoint: 'http://127.0.0.1:9' }}
", tenant = world.demo.tenant.base_url())).unwrap();
        let outcome = applied(&second.app, &manifest, false).await;
        let paths: Vec<&str> = outcome.failures.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(paths, [
            "environments[0].organizations[0].connections[0]",
            "environments[0].organizations[1].connections[0]",
        ]);
        let told = outcome.failures[0].error.to_string();
        assert!(told.contains("the file expects https://another.example"), "{told}");
        assert!(exported(&second.app).await.contains("organizations: []"));
    }

    async fn an_id_of_another_environment_is_not_taken(world: World) {
        let app = world.app();
        let acme = &world.demo.seeded.organization_id;
        let manifest = parse(&format!(
            "version: 1
environments:
- name: Another
  organizations:
  - {{ name: Taken, id: {acme} }}
")).unwrap();
        let outcome = applied(app, &manifest, true).await;
        let [failure] = &outcome.failures[..] else { panic!("{:?}", outcome.failures) };
        assert_eq!(failure.path, "environments[0].organizations[0]");
        assert!(failure.error.to_string().contains("is taken already"), "{}", failure.error);
        assert_eq!(world.demo.login("ada@acme.example").await.unwrap()["email"], "ada@acme.example");
    }
}

#[tokio::test]
async fn several_of_one_name_need_an_id() {
    let world = <World as crate::support::Fixture>::on(TestDb::sqlite()).await;
    let app = world.app();
    let caller = world.caller();
    let twice = async |tx: &mut vestibule::db::Tx| {
        use vestibule::model::organization::{NewOrganization, create};
        let new = NewOrganization { name: "Acme".to_owned(), ..NewOrganization::default() };
        create(tx, &new).await
    };
    app.db.write(&caller, twice).await.unwrap();
    let text = "version: 1\nenvironments:\n- name: Demo\n  organizations: [{ name: Acme }]\n";
    let told = planned(app, &parse(text).unwrap(), false).await.unwrap_err().to_string();
    assert!(told.contains("several organizations are called `Acme`"), "{told}");
}
