//! The guide by an operator, from the organization to the role, and what goes wrong on the way.

use vestibule::model::administrator::Role;
use vestibule::sandbox::okta::{Fault, GroupsClaim, NewApp, Server};

use crate::support::pages::Desk;
use crate::support::{World, both_engines};

/// The part of a text behind the last slash and before a question mark.
fn last(path: &str) -> String {
    path.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// A new organization with a domain, and a new Okta connection: their paths.
async fn begin(desk: &mut Desk<'_>) -> (String, String) {
    let list = desk.path("/organizations");
    let created = desk.submit(&format!("{list}/new"), &list, &[("name", "Globex <b>")]).await;
    let organization = format!("{list}/{}", last(&created.location()));
    let new = format!("{organization}/connections/new");
    let page = desk.get(&new).await.text();
    assert!(page.contains("Okta OIDC") && page.contains("not yet"), "{page}");
    let action = page.split_once("method=\"post\" action=\"").unwrap();
    let action = page.rsplit_once("method=\"post\" action=\"").map_or(action.1, |it| it.1);
    let action = action.split_once('"').unwrap().0.to_owned();
    let fields = [("connection_type", "OktaOIDC"), ("name", "Globex Okta")];
    let created = desk.submit(&new, &action, &fields).await;
    assert_eq!(created.status, 303, "{}", created.text());
    (organization, desk.path(&format!("/connections/{}", last(&created.location()))))
}

both_engines! {
    async fn the_guide_is_gone_through_by_an_operator(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let (organization, connection) = begin(&mut desk).await;
        let page = desk.get(&connection).await.text();
        for text in ["Service Provider Details", "Identity Provider Configuration", "Draft",
            "Groups and role assignments", "Create group", "Save Configuration",
            "Group members without an explicit role will receive the default role."] {
            assert!(page.contains(text), "{text}");
        }
        let (_, rest) = page.split_once("id=\"redirect-uri\">").unwrap();
        let redirect_uri = rest.split_once('<').unwrap().0.to_owned();
        let tenant = &world.demo.tenant;
        let groups = tenant.groups().into_iter().map(|group| group.id).collect();
        let app = tenant.create_app(NewApp {
            name: "Vestibule of Globex".to_owned(),
            redirect_uris: vec![redirect_uri],
            groups,
            ..NewApp::default()
        });
        tenant.set_groups_claim(&app.client_id, Some(GroupsClaim::all())).unwrap();
        let endpoint = tenant.discovery_endpoint(Server::Org);
        let wrong = [
            ("client_id", app.client_id.as_str()),
            ("client_secret", "canary-of-a-secret"),
            ("discovery_endpoint", "http://127.0.0.1:1/"),
        ];
        let refused = desk.submit(&connection, &connection, &wrong).await;
        assert_eq!(refused.status, 422);
        let page = refused.text();
        assert!(page.contains("id=\"error-discovery_endpoint\"") && page.contains(&app.client_id));
        assert!(!page.contains("canary-of-a-secret"), "a secret never comes back");
        let right = [
            ("client_id", app.client_id.as_str()),
            ("client_secret", app.client_secret.expose()),
            ("discovery_endpoint", endpoint.as_str()),
        ];
        let saved = desk.submit(&connection, &connection, &right).await;
        assert!(saved.status == 303 || saved.status == 200, "{}", saved.text());
        let page = desk.get(&connection).await.text();
        assert!(page.contains("Validating") && !page.contains(app.client_secret.expose()));
        let new = format!("{connection}/groups/new");
        let page = desk.get(&new).await.text();
        let action = page.rsplit_once("method=\"post\" action=\"").unwrap().1;
        let action = action.split_once('"').unwrap().0.to_owned();
        let fields = [("idp_id", "Administrators"), ("name", "Admins"), ("role", "admin")];
        let created = desk.submit(&new, &action, &fields).await;
        assert_eq!(created.status, 303, "{}", created.text());
        let domains = format!("{organization}/domains");
        let taken = desk.submit(&organization, &domains, &[("domain", "not a domain")]).await;
        assert_eq!(taken.status, 422);
        let change = serde_json::json!({ "allow_profiles_outside_organization": true });
        let path = format!("/organizations/{}", last(&organization));
        assert_eq!(world.api("PUT", &path, Some(&change)).await.status, 200);
        let id = last(&connection);
        let url = world.authorize_url(&[("connection", id.as_str())]);
        let code = world.code_of(&url, "ada@acme.example").await;
        let profile = world.redeem(&code, &[]).await.json();
        assert_eq!(profile["profile"]["role"]["slug"], "admin");
        let page = desk.get(&connection).await.text();
        assert!(page.contains(">Active<"));
    }

    async fn the_last_day_of_a_secret_is_kept_for_that_secret_alone(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let organization = desk.path(&format!("/organizations/{}", world.demo.seeded.organization_id));
        let new = format!("{organization}/connections/new");
        let action = format!("{organization}/connections");
        let fields = [("connection_type", "GenericOIDC"), ("name", "Generic")];
        let created = desk.submit(&new, &action, &fields).await;
        assert_eq!(created.status, 303, "{}", created.text());
        let connection = desk.path(&format!("/connections/{}", last(&created.location())));
        let endpoint = world.demo.tenant.discovery_endpoint(Server::Org);
        let save = async |desk: &mut Desk<'_>, secret: &str, day: &str| {
            let fields = [
                ("client_id", "0oa1"),
                ("client_secret", secret),
                ("client_secret_expires_at", day),
                ("discovery_endpoint", endpoint.as_str()),
            ];
            desk.submit(&connection, &connection, &fields).await
        };
        let refused = save(&mut desk, "one", "2031-02-30").await;
        assert_eq!(refused.status, 422);
        let page = refused.text();
        assert!(page.contains("id=\"error-client_secret_expires_at\""), "{page}");
        assert!(page.contains("value=\"2031-02-30\""), "what was typed is kept");
        let shown = |page: &str| page.contains("value=\"2031-02-28\"");
        save(&mut desk, "one", "2031-02-28").await;
        assert!(shown(&desk.get(&connection).await.text()));
        save(&mut desk, "", "2031-02-28").await;
        assert!(shown(&desk.get(&connection).await.text()));
        // The day that the form still had is the old secret's.
        save(&mut desk, "two", "2031-02-28").await;
        assert!(!shown(&desk.get(&connection).await.text()));
        save(&mut desk, "", "2031-02-28").await;
        save(&mut desk, "", "").await;
        assert!(!shown(&desk.get(&connection).await.text()));
        // Okta's secrets do not end, so its form does not ask.
        let okta = desk.path(&format!("/connections/{}", world.demo.seeded.connection_id));
        assert!(!desk.get(&okta).await.text().contains("client_secret_expires_at"));
    }

    async fn a_test_sign_in_shows_claims_profile_and_rules_or_what_failed(world: World) {
        let mut desk = world.desk(Role::Support).await;
        let connection = desk.path(&format!("/connections/{}", world.demo.seeded.connection_id));
        let test = format!("{connection}/test");
        let client = world.demo.credentials.client_id.clone();
        for (faults, text) in [
            (Vec::new(), "The test succeeded."),
            (vec![Fault::WrongNonce], "The test failed."),
        ] {
            world.demo.tenant.set_faults(&client, &faults).unwrap();
            let left = desk.submit(&test, &test, &[]).await;
            assert_eq!(left.status, 200);
            let page = left.text();
            let (_, rest) = page.split_once("<a href=\"").unwrap();
            let location = rest.split_once('"').unwrap().0.replace("&#38;", "&");
            let back = world.demo.tenant.sign_in(&location, "ada@acme.example").await.unwrap();
            let back = desk.browser.get(&url::Url::parse(&back).unwrap()).await;
            let landed = desk.browser.get(&url::Url::parse(&back.location()).unwrap()).await;
            let result = crate::support::pages::follow(&world, &landed.location());
            let page = desk.browser.get(&result).await.text();
            assert!(page.contains(text), "{page}");
            assert!(page.contains("Every step"));
            if faults.is_empty() {
                assert!(page.contains("Administrators") && page.contains("ada@acme.example"));
            }
        }
        let profiles = world.api("GET", "/events?events=authentication.sso_succeeded", None).await;
        assert!(profiles.json()["data"].as_array().unwrap().is_empty());
    }

    async fn the_doctor_says_what_is_wrong_and_who_mends_it(world: World) {
        let mut desk = world.desk(Role::Support).await;
        let connection = desk.path(&format!("/connections/{}", world.demo.seeded.connection_id));
        let doctor = format!("{connection}/doctor");
        let page = desk.submit(&doctor, &doctor, &[]).await.text();
        assert!(page.contains("All is well"), "{page}");
        let credentials = &world.demo.credentials;
        world.demo.tenant.add_secret(&credentials.client_id).unwrap();
        let old = credentials.client_secret.expose();
        world.demo.tenant.deactivate_secret(&credentials.client_id, old).unwrap();
        let page = desk.submit(&doctor, &doctor, &[]).await.text();
        assert!(page.contains("Client secret is right</strong>: <span class=\"failed-word\">Failed"));
        assert!(page.contains("class=\"remedy\"") && !page.contains("All is well"), "{page}");
        assert!(!page.contains(old));
    }

    async fn sessions_are_filtered_and_found_by_their_reference_number(world: World) {
        let code = world.code().await;
        world.redeem(&code, &[]).await;
        let client = world.demo.credentials.client_id.clone();
        world.demo.tenant.set_faults(&client, &[Fault::WrongNonce]).unwrap();
        world.sign_in(&mut world.browser(), &world.authorize_url(&[]), "grace@acme.example").await;
        let failed = world.last_session().await["id"].as_str().unwrap().to_owned();
        let mut desk = world.desk(Role::Support).await;
        let list = desk.path("/sessions");
        let of = desk.path(&format!("/connections/{}/sessions", world.demo.seeded.connection_id));
        for path in [&list, &of] {
            let page = desk.get(path).await.text();
            assert_eq!(page.matches("class=\"title\"").count(), 2, "{page}");
            let page = desk.get(&format!("{path}?status=success&email=ada%40acme.example")).await;
            assert_eq!(page.text().matches("class=\"title\"").count(), 1);
            let page = desk.get(&format!("{path}?origin=portal_test")).await.text();
            assert!(page.contains("Nothing found"));
            let page = desk.get(&format!("{path}?from=2001-01-01&until=2001-01-02")).await.text();
            assert!(page.contains("Nothing found"));
            let found = desk.get(&format!("{path}?session={failed}")).await;
            assert_eq!(found.location(), format!("{list}/{failed}"));
        }
        let page = desk.get(&format!("{list}/{failed}")).await.text();
        assert!(page.contains("nonce") && page.contains("To be mended by"));
        let other = format!("{list}/sess_01J00000000000000000000000");
        assert_eq!(desk.get(&other).await.status, 404);
    }

    async fn an_administrator_is_invited_and_the_link_is_revoked(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let organization = world.demo.seeded.organization_id.clone();
        let links = desk.path(&format!("/organizations/{organization}/setup-links"));
        let none = desk.submit(&links, &links, &[("lifetime", "30")]).await;
        assert_eq!(none.status, 422, "no feature was chosen");
        let fields = [("sso", "on"), ("email", "it@globex.example"), ("lifetime", "7")];
        let page = desk.submit(&links, &links, &fields).await.text();
        let (_, rest) = page.split_once("id=\"new-link\">").unwrap();
        let link = rest.split_once('<').unwrap().0.to_owned();
        assert!(link.starts_with(&world.app().url("/setup?token=setup_")), "{link}");
        assert!(page.contains("mailto:it@globex.example?subject="));
        let page = desk.get(&links).await.text();
        assert!(page.contains("it@globex.example") && !page.contains(&link));
        let revoke = page.split_once("/setup-links/setup_link_").unwrap().1;
        let revoke = format!("{links}/setup_link_{}", revoke.split_once('"').unwrap().0);
        assert_eq!(desk.submit(&revoke, &revoke, &[]).await.status, 303);
        assert!(desk.get(&links).await.text().contains("Revoked"));
    }

    async fn ten_01_what_is_of_another_environment_is_not_found(world: World) {
        let mut desk = world.desk(Role::Admin).await;
        let fields = [("name", "Other"), ("kind", "sandbox")];
        let list = "/dashboard/environments";
        let other = desk.submit(list, list, &fields).await.location();
        let other = other.split('/').nth(2).unwrap().to_owned();
        let seeded = &world.demo.seeded;
        world.code().await;
        let session = world.last_session().await["id"].as_str().unwrap().to_owned();
        for below in [
            format!("organizations/{}", seeded.organization_id),
            format!("organizations/{}/setup-links", seeded.organization_id),
            format!("organizations/{}/settings", seeded.organization_id),
            format!("connections/{}", seeded.connection_id),
            format!("connections/{}/sessions", seeded.connection_id),
            format!("connections/{}/doctor", seeded.connection_id),
            format!("connections/{}/test", seeded.connection_id),
            format!("sessions/{session}"),
        ] {
            let answer = desk.get(&format!("/dashboard/{other}/{below}")).await;
            assert_eq!(answer.status, 404, "{below}");
            let answer = desk.get(&desk.path(&format!("/{below}"))).await;
            assert_eq!(answer.status, 200, "{below}");
        }
    }
}
