//! What is compared, what is left alone, what is deleted, and what remains where something fails.

use serde_json::json;

use vestibule::base::secret::Secret;
use vestibule::db::Tx;
use vestibule::manifest::{self, parse};
use vestibule::model::organization::Change;
use vestibule::model::{audit, connection, organization, role};
use vestibule::setup;

use super::filled::fill;
use super::{applied, empty, exported, planned, steps, with_secrets};
use crate::support::{World, both_engines};

both_engines! {
    async fn a_change_by_hand_is_seen_and_taken_back(world: World) {
        fill(&world).await;
        let app = world.app();
        let text = exported(app).await;
        let manifest = with_secrets(app, &text).await;
        let caller = world.caller();
        let acme = world.demo.seeded.organization_id.clone();
        let by_hand = async move |tx: &mut Tx| {
            let change = Change {
                external_id: Some(None),
                metadata: Some(Some([("new".to_owned(), Some("1".to_owned()))].into())),
                ..Change::default()
            };
            organization::update(tx, &acme, &change).await?;
            let order = ["admin", "owner", "engineer", "member"].map(str::to_owned);
            role::reorder(tx, None, &order).await?;
            role::set_permissions(tx, None, "owner", &[]).await?;
            role::make_default(tx, "member").await
        };
        app.db.write(&caller, by_hand).await.unwrap();
        let more = json!({ "leeway_s": 120 }).as_object().unwrap().clone();
        let oidc = setup::Oidc {
            client_secret: Some(Secret::new("set by hand")),
            more,
            ..setup::Oidc::default()
        };
        let change = setup::Change {
            oidc: Some(oidc),
            policy: json!({ "email_domains": "any" }).as_object().unwrap().clone(),
            state: Some(connection::ConnectionState::Inactive),
            ..setup::Change::default()
        };
        let id = world.demo.seeded.connection_id.to_string();
        setup::update(app, &caller, &id, change).await.unwrap();

        let plan = planned(app, &manifest, true).await.unwrap();
        assert_eq!(steps(&plan), [
            "Update role owner permissions",
            "Update order of the roles priority",
            "Update role engineer default",
            "Update organization Acme metadata, external_id",
            "Update connection Acme Okta leeway_s, client_secret, policy.email_domains, state",
        ]);
        let outcome = applied(app, &manifest, true).await;
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        assert_eq!(exported(app).await, text);
        assert!(planned(app, &manifest, true).await.unwrap().is_empty());
        assert_eq!(world.demo.login("ada@acme.example").await.unwrap()["email"], "ada@acme.example");
        let page = async |tx: &mut _| audit::list(tx, &Default::default()).await;
        let trail = app.db.read(&caller, page).await.unwrap().data;
        let entry = trail.iter().find(|entry| entry.action == "connection.updated").unwrap();
        assert_eq!(entry.actor_id, "test");
    }

    async fn what_is_not_in_the_file_is_left_alone_unless_it_is_to_be_deleted(world: World) {
        fill(&world).await;
        let app = world.app();
        world.demo.login("ada@acme.example").await.unwrap();
        let id = world.demo.seeded.environment_id.as_str();
        let only_names = parse(&format!(
            "version: 1\nenvironments:\n- name: Everything\n  id: {id}\n"
        )).unwrap();
        let before = exported(app).await;
        let plan = planned(app, &only_names, true).await.unwrap();
        assert!(plan.is_empty() && plan.left_alone.is_empty(), "{:?}", steps(&plan));

        let little = parse(&format!(
            "version: 1\nenvironments:\n- name: Everything\n  id: {id}\n  redirect_uris: \
             [{{ uri: 'https://app.example.com/callback' }}]\n  webhook_endpoints: []\n  \
             permissions: []\n  organizations: []\n"
        )).unwrap();
        let plan = planned(app, &little, false).await.unwrap();
        assert!(plan.is_empty());
        assert_eq!(plan.left_alone.len(), 2 + 2 + 2 + 2, "{:?}", plan.left_alone);
        assert_eq!(applied(app, &little, false).await.done, 0);
        assert_eq!(exported(app).await, before);

        let plan = planned(app, &little, true).await.unwrap();
        let deletion = |name: &str| {
            let found = plan.steps().find(|step| step.resource.starts_with(name));
            found.unwrap_or_else(|| panic!("{name}: {:?}", steps(&plan))).breaks.join(" ")
        };
        let acme = deletion("organization Acme");
        assert!(acme.contains("its 1 profiles are lost"), "{acme}");
        assert!(acme.contains("/sso/oidc/") && acme.contains("acme.example"), "{acme}");
        assert!(deletion("permission a:read").contains("The role owner loses it."));
        assert!(deletion("webhook endpoint").contains("dropped"));
        let outcome = applied(app, &little, true).await;
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        let after = exported(app).await;
        assert!(after.contains("organizations: []") && after.contains("webhook_endpoints: []"));
        assert!(after.contains("- slug: owner"), "a list that is not in the file stays: {after}");
        assert!(planned(app, &little, true).await.unwrap().is_empty());
    }

    async fn one_organization_that_fails_leaves_nothing_and_does_not_stop_the_others(world: World) {
        let second = empty(&world, "http://127.0.0.1:1").await;
        let text = |taken: &str| format!(
            "version: 1
environments:
- name: Production
  roles:
  - {{ slug: admin, name: Admin }}
  - {{ slug: viewer, name: Viewer, default: true }}
  organizations:
  - {{ name: First, domains: [{{ domain: first.example, state: verified }}] }}
  - name: Second
    external_id: second
    domains:
    - {{ domain: second.example }}
    - {{ domain: {taken}, state: verified }}
  - {{ name: Third }}
");
        let wrong = parse(&text("first.example")).unwrap();
        let outcome = applied(&second.app, &wrong, true).await;
        let [failure] = &outcome.failures[..] else { panic!("{:?}", outcome.failures) };
        assert_eq!(failure.path, "environments[0].organizations[1].domains[1]");
        assert!(failure.error.to_string().contains("already exists"), "{}", failure.error);
        let left = exported(&second.app).await;
        assert!(left.contains("name: First") && left.contains("name: Third"), "{left}");
        assert!(!left.contains("Second") && !left.contains("second.example"), "{left}");
        assert!(!left.contains("slug: member"), "only the roles of the file are there: {left}");

        let right = parse(&text("fourth.example")).unwrap();
        let plan = planned(&second.app, &right, true).await.unwrap();
        assert_eq!(steps(&plan), [
            "Create organization Second", "Create domain second.example",
            "Create domain fourth.example",
        ]);
        assert!(applied(&second.app, &right, true).await.failures.is_empty());
        assert!(planned(&second.app, &right, true).await.unwrap().is_empty());
    }

    async fn a_domain_moves_from_one_organization_to_another(world: World) {
        let app = world.app();
        let id = world.demo.seeded.environment_id.as_str();
        let moved = parse(&format!(
            "version: 1
environments:
- name: Demo
  id: {id}
  organizations:
  - {{ name: New, domains: [{{ domain: acme.example, state: verified }}] }}
  - {{ name: Acme, domains: [] }}
")).unwrap();
        let plan = planned(app, &moved, false).await.unwrap();
        let refused = manifest::apply(app, "test", plan).await.unwrap();
        assert_eq!(refused.failures.len(), 1, "{:?}", refused.failures);
        assert!(applied(app, &moved, true).await.failures.is_empty());
        assert!(planned(app, &moved, true).await.unwrap().is_empty());
    }
}
