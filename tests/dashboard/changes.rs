//! What is changed of an organization and a connection, and what is refused.

use vestibule::model::administrator::Role;

use crate::support::{World, both_engines};

const PAYLOAD: &str = "<img src=x onerror=alert(1)>{{7*7}}";

both_engines! {
    async fn dsh_05_details_of_an_organization_are_changed_and_inert(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let id = world.demo.seeded.organization_id.clone();
        let page = desk.path(&format!("/organizations/{id}"));
        let settings = format!("{page}/settings");
        let fields = [
            ("name", PAYLOAD), ("external_id", "crm-7"),
            ("metadata_key", "plan"), ("metadata_value", PAYLOAD),
            ("metadata_key", ""), ("metadata_value", ""),
        ];
        let saved = desk.submit(&settings, &settings, &fields).await;
        assert_eq!(saved.status, 303, "{}", saved.text());
        let stored = world.api("GET", &format!("/organizations/{id}"), None).await.json();
        assert_eq!(stored["metadata"]["plan"], PAYLOAD);
        assert_eq!(stored["external_id"], "crm-7");
        for path in [&page, &settings, &desk.path("/organizations")] {
            let text = desk.get(path).await.text();
            assert!(!text.contains("<img src=x") && text.contains("&#60;img src=x"), "{path}");
        }
        for search in ["crm-7", "ACME.example", id.as_str()] {
            let found = desk.get(&desk.path(&format!("/organizations?search={search}"))).await;
            assert!(found.text().contains(id.as_str()), "{search}");
        }
        let odd = desk.get(&desk.path("/organizations?search=%00&after=%00")).await;
        assert_eq!(odd.status, 200, "a NUL finds nothing and breaks nothing");
        let bad = [("name", "Kept"), ("metadata_key", "k\u{e9}y"), ("metadata_value", "v")];
        let refused = desk.submit(&settings, &settings, &bad).await;
        assert_eq!(refused.status, 422);
        let text = refused.text();
        assert!(text.contains("id=\"error-metadata\"") && text.contains("value=\"Kept\""));
    }

    async fn what_is_deleted_has_its_name_typed_first(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let connection = desk.path(&format!("/connections/{}", world.demo.seeded.connection_id));
        let organization =
            desk.path(&format!("/organizations/{}", world.demo.seeded.organization_id));
        let name = |page: &str| {
            let (_, rest) = page.split_once("<h1>").unwrap();
            rest.split_once("</h1>").unwrap().0.to_owned()
        };
        for path in [connection, organization] {
            let (name, delete) = (name(&desk.get(&path).await.text()), format!("{path}/delete"));
            let wrong = desk.submit(&delete, &delete, &[("confirm", "something")]).await;
            assert_eq!(wrong.status, 422, "{path}");
            assert!(wrong.text().contains("id=\"error-confirm\""));
            assert_eq!(desk.get(&path).await.status, 200);
            let gone = desk.submit(&delete, &delete, &[("confirm", &name)]).await;
            assert_eq!(gone.status, 303, "{}", gone.text());
            assert_eq!(desk.get(&path).await.status, 404);
        }
    }

    async fn sec_02_a_secret_is_rotated_by_its_two_slots_and_never_shown(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let id = world.demo.seeded.connection_id.to_string();
        let page = desk.path(&format!("/connections/{id}"));
        let (tenant, known) = (&world.demo.tenant, &world.demo.credentials);
        let second = tenant.add_secret(&known.client_id).unwrap();
        let stored = world.api("GET", &format!("/connections/{id}"), None).await.json();
        let endpoint = stored["oidc"]["discovery_endpoint"].as_str().unwrap().to_owned();
        let fields = [
            ("client_id", known.client_id.as_str()), ("client_secret", ""),
            ("next_client_secret", second.expose()), ("discovery_endpoint", &endpoint),
        ];
        let saved = desk.submit(&page, &page, &fields).await;
        assert!(saved.status == 303 || saved.status == 200, "{}", saved.text());
        tenant.deactivate_secret(&known.client_id, known.client_secret.expose()).unwrap();
        world.code().await;
        let promoted = desk.submit(&page, &format!("{page}/secrets/promote"), &[]).await;
        assert_eq!(promoted.status, 303, "{}", promoted.text());
        world.code().await;
        let text = desk.get(&page).await.text();
        assert!(!text.contains(second.expose()));
        assert!(!text.contains(known.client_secret.expose()));
        assert!(!text.contains("/secrets/promote"), "the second slot is empty");
        let empty = [("client_id", ""), ("discovery_endpoint", endpoint.as_str())];
        let refused = desk.submit(&page, &page, &empty).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("id=\"error-client_id\""));
    }

    async fn attributes_and_advanced_settings_are_saved_or_refused_at_their_field(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let id = world.demo.seeded.connection_id.to_string();
        let page = desk.path(&format!("/connections/{id}"));
        let attributes = format!("{page}/attributes");
        let mut fields = vec![
            ("email", "mail"), ("first_name", "given_name"), ("last_name", "family_name"),
            ("name", "name"), ("groups_claim", "groups"), ("custom_attributes", "department = dept"),
        ];
        assert_eq!(desk.submit(&attributes, &attributes, &fields).await.status, 303);
        let text = desk.get(&page).await.text();
        assert!(text.contains("<code>mail</code>") && text.contains("<code>dept</code>"));
        fields.retain(|(name, _)| *name != "custom_attributes");
        fields.push(("custom_attributes", "no claim here"));
        let refused = desk.submit(&attributes, &attributes, &fields).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("id=\"error-custom_attributes\""));
        let advanced = format!("{page}/advanced");
        let mut fields = vec![
            ("incomplete_groups", "refuse"), ("email_domains", "any"), ("scopes", "openid email"),
            ("groups_scope", "never"), ("client_authentication", "auto"),
            ("signing_algorithm", "auto"), ("userinfo", "auto"), ("leeway_s", "30"),
        ];
        let saved = desk.submit(&advanced, &advanced, &fields).await;
        assert_eq!(saved.status, 303, "{}", saved.text());
        let stored = world.api("GET", &format!("/connections/{id}"), None).await.json();
        assert_eq!(stored["oidc"]["pkce"], false);
        assert_eq!(stored["policy"]["incomplete_groups"], "refuse");
        for (leeway, ca, field) in [("301", "", "leeway_s"), ("x", "", "leeway_s"),
            ("30", "no certificate", "extra_ca")] {
            fields.retain(|(name, _)| !matches!(*name, "leeway_s" | "extra_ca"));
            fields.extend([("leeway_s", leeway), ("extra_ca", ca)]);
            let refused = desk.submit(&advanced, &advanced, &fields).await;
            assert_eq!(refused.status, 422, "{field}");
            assert!(refused.text().contains(&format!("id=\"error-{field}\"")), "{field}");
        }
    }
}
