//! The setup portal, as the browser of an IT administrator uses it, without scripts.

use serde_json::json;
use url::Url;
use vestibule::sandbox::okta::{Credentials, Fault, GroupsClaim, NewApp, Server};

use crate::support::http::{Answer, Browser, Request};
use crate::support::pages::csrf;
use crate::support::{World, both_engines};

const MINUTE_MS: i64 = 60 * 1000;

/// An IT administrator's browser.
struct Visitor<'a> {
    world: &'a World,
    browser: Browser,
}

impl World {
    fn visitor(&self) -> Visitor<'_> {
        Visitor { world: self, browser: Browser::default() }
    }

    /// A link by the API for the demo's organization, or with these members instead.
    async fn link(&self, changes: serde_json::Value) -> Answer {
        let mut body = json!({ "organization": self.demo.seeded.organization_id });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.api("POST", "/portal/generate_link", Some(&body)).await
    }

    /// The token of a new link for a new organization.
    async fn token(&self) -> (String, String) {
        let body = json!({ "name": "Globex", "domain_data": [
            { "domain": "acme-it.example", "state": "pending" }] });
        let organization = self.api("POST", "/organizations", Some(&body)).await.json();
        let id = organization["id"].as_str().unwrap().to_owned();
        let link = self.link(json!({ "organization": id })).await.json();
        let url = Url::parse(link["link"].as_str().unwrap()).unwrap();
        let token = url.query_pairs().find(|(name, _)| name == "token").unwrap().1.into_owned();
        (token, id)
    }

    /// A link of the dashboard, which several people may begin.
    async fn shared_token(&self, features: &[(&str, &str)]) -> (String, String) {
        let mut desk = self.desk(vestibule::model::administrator::Role::Developer).await;
        let body = json!({ "name": "Initech" });
        let organization = self.api("POST", "/organizations", Some(&body)).await.json();
        let id = organization["id"].as_str().unwrap().to_owned();
        let links = desk.path(&format!("/organizations/{id}/setup-links"));
        let page = desk.submit(&links, &links, features).await.text();
        let (_, rest) = page.split_once("/setup?token=").unwrap();
        (rest.split_once('<').unwrap().0.to_owned(), id)
    }

    /// An app integration in the tenant with this redirect URI.
    fn app_for(&self, redirect_uri: &str) -> Credentials {
        let tenant = &self.demo.tenant;
        let groups = tenant.groups().into_iter().map(|group| group.id).collect();
        let redirect_uris = vec![redirect_uri.to_owned()];
        tenant.create_app(NewApp {
            name: "Portal".into(),
            redirect_uris,
            groups,
            ..NewApp::default()
        })
    }
}

impl Visitor<'_> {
    async fn get(&mut self, path: &str) -> Answer {
        self.browser.get(&self.world.url(path)).await
    }

    /// Sends a form of the page at `at` to `action`.
    async fn submit(&mut self, at: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(at).await;
        let token =
            csrf(&page.text()).unwrap_or_else(|| panic!("no form at {at}: {}", page.text()));
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        let request = Request::post_form(&self.world.url(action), &all);
        self.browser.send(request.header("sec-fetch-site", "same-origin")).await
    }

    async fn begin(&mut self, token: &str) -> Answer {
        let at = format!("/setup?token={token}");
        self.submit(&at, "/setup/begin", &[("token", token)]).await
    }

    /// Chooses Okta; the path of the connection.
    async fn choose_okta(&mut self) -> String {
        let fields = [("connection_type", "OktaOIDC")];
        let chosen = self.submit("/setup/home", "/setup/connections", &fields).await;
        let location = chosen.location();
        assert!(location.ends_with("/steps/create"), "{} {}", chosen.status, chosen.text());
        location.trim_end_matches("/steps/create").to_owned()
    }

    /// The redirect URI that the guide shows.
    async fn redirect_uri(&mut self, connection: &str) -> String {
        let page = self.get(&format!("{connection}/steps/configure")).await.text();
        let (_, rest) = page.split_once("id=\"redirect-uri\">").unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    }

    /// Runs a test sign-in as this person from a step; the page that it comes back to.
    async fn test(&mut self, step: &str, email: &str) -> String {
        let left = self.submit(step, &format!("{step}/test"), &[]).await;
        assert_eq!(left.status, 200, "{}", left.text());
        let page = left.text();
        let (_, rest) = page.split_once("<a href=\"").unwrap();
        let location = rest.split_once('"').unwrap().0.replace("&#38;", "&");
        let back = self.world.demo.tenant.sign_in(&location, email).await.unwrap();
        let back = self.browser.get(&Url::parse(&back).unwrap()).await;
        self.browser.get(&Url::parse(&back.location()).unwrap()).await.text()
    }

    /// Enters the three values.
    async fn enter(&mut self, connection: &str, (id, secret): (&str, &str)) -> Answer {
        let step = format!("{connection}/steps/details");
        let endpoint = self.world.demo.tenant.discovery_endpoint(Server::Org);
        let fields =
            [("client_id", id), ("client_secret", secret), ("discovery_endpoint", &endpoint)];
        self.submit(&step, &step, &fields).await
    }
}

both_engines! {
    async fn the_guide_is_gone_through_by_an_it_administrator(world: World) {
        let (token, organization) = world.token().await;
        let mut it = world.visitor();
        assert_eq!(it.begin(&token).await.location(), "/setup/home");
        let connection = it.choose_okta().await;
        let page = it.get(&format!("{connection}/steps/create")).await.text();
        for text in ["Create App Integration", "OIDC - OpenID Connect", "Web Application", "<svg"] {
            assert!(page.contains(text), "{text}");
        }
        let redirect_uri = it.redirect_uri(&connection).await;
        let app = world.app_for("https://elsewhere.example/callback");
        let (id, secret) = (app.client_id.clone(), app.client_secret.expose().to_owned());
        let configure = format!("{connection}/steps/configure");
        let on = it.submit(&configure, &configure, &[]).await;
        assert!(on.location().ends_with("/steps/details"));

        let wrong = it.enter(&connection, (&id, "canary-secret")).await.text();
        assert!(wrong.contains("Client secret is right</strong>: <span class=\"failed-word\">Failed"));
        assert!(!wrong.contains("All is well") && !wrong.contains("canary-secret"));
        let page = it.get(&format!("{connection}/steps/details")).await.text();
        assert!(page.contains("notice bad"), "the step is not done: {page}");
        let entered = it.enter(&connection, (&id, &secret)).await.text();
        assert!(!entered.contains(&secret));
        let page = it.get(&configure).await.text();
        assert!(page.contains("Sign-in redirect URIs") && page.contains("notice bad"), "{page}");
        world.demo.tenant.add_redirect_uri(&id, &redirect_uri).unwrap();
        assert!(it.submit(&configure, &configure, &[]).await.location().ends_with("/details"));
        assert!(it.get(&configure).await.text().contains("This step is done"));
        let page = it.get(&format!("{connection}/steps/details")).await.text();
        assert!(page.contains("This step is done"), "{page}");

        let body = json!({ "allow_profiles_outside_organization": true });
        world.api("PUT", &format!("/organizations/{organization}"), Some(&body)).await;
        let test = format!("{connection}/steps/test");
        world.demo.tenant.set_faults(&id, &[Fault::WrongNonce]).unwrap();
        assert!(it.test(&test, "ada@acme.example").await.contains("What happened"));
        world.demo.tenant.set_faults(&id, &[]).unwrap();
        let page = it.test(&test, "ada@acme.example").await;
        assert!(page.contains("a test sign-in succeeded") && page.contains("ada@acme.example"));
        let groups = format!("{connection}/steps/groups");
        let page = it.get(&groups).await.text();
        assert!(page.contains("No `groups` claim was received"), "{page}");
        world.demo.tenant.set_groups_claim(&id, Some(GroupsClaim::all())).unwrap();
        let page = it.test(&groups, "ada@acme.example").await;
        assert!(page.contains("groups were received in the last test"), "{page}");
        let roles = format!("{connection}/steps/roles");
        let fields = [("idp_id", "Administrators"), ("role", "admin")];
        let added = it.submit(&roles, &format!("{connection}/groups"), &fields).await;
        assert_eq!(added.status, 303);
        let live = it.submit(&connection, &format!("{connection}/live"), &[]).await;
        assert!(live.location().ends_with("notice=live"), "{}", live.text());
        let events = world.api("GET", "/events?events=connection.activated&limit=1", None).await;
        assert_eq!(events.json()["data"][0]["context"]["actor"]["source"], "admin_portal");

        let own = connection.rsplit('/').next().unwrap();
        let url = world.authorize_url(&[("connection", own)]);
        let code = world.code_of(&url, "ada@acme.example").await;
        let profile = world.redeem(&code, &[]).await.json();
        assert_eq!(profile["profile"]["role"]["slug"], "admin");
        let page = it.get(&connection).await.text();
        assert!(page.contains("Signed in") && page.contains("Test failed"));
    }

    async fn prt_01_looking_at_a_link_burns_nothing_and_a_link_of_the_api_is_begun_once(
        world: World
    ) {
        let (token, _) = world.token().await;
        let path = format!("/setup?token={token}");
        for _ in 0..3 {
            assert_eq!(world.visitor().get(&path).await.status, 200);
            let head = Request::new("HEAD", &world.url(&path)).send().await;
            assert_eq!(head.status, 200);
        }
        let (mut first, mut second) = (world.visitor(), world.visitor());
        second.get(&path).await;
        let at = path.clone();
        let begun = first.begin(&token).await;
        assert_eq!(begun.status, 303);
        assert!(!begun.location().contains("token"), "prt_05: the address is clean");
        let late = second.get(&at).await;
        assert_eq!(late.status, 403);
        assert!(late.text().contains("was used already"));
        assert!(!late.text().contains("Back to the setup"), "that would only lead here again");
        assert_eq!(first.get("/setup/home").await.status, 200, "the one who began it goes on");
        assert_eq!(first.get(&at).await.location(), "/setup/home", "by the link as well");
        let (shared, _) = world.shared_token(&[("sso", "on"), ("lifetime", "30")]).await;
        for _ in 0..2 {
            let mut person = world.visitor();
            assert_eq!(person.begin(&shared).await.status, 303);
            assert_eq!(person.get("/setup/home").await.status, 200);
        }
    }

    async fn prt_02_links_end_by_time(world: World) {
        let (token, _) = world.token().await;
        world.clock.advance_ms(5 * MINUTE_MS - 2000);
        assert_eq!(world.visitor().get(&format!("/setup?token={token}")).await.status, 200);
        world.clock.advance_ms(3000);
        let late = world.visitor().get(&format!("/setup?token={token}")).await;
        assert_eq!(late.status, 403);
        assert!(late.text().contains("has expired"));
        let (shared, _) = world.shared_token(&[("sso", "on"), ("lifetime", "30")]).await;
        let mut person = world.visitor();
        person.begin(&shared).await;
        world.clock.advance_ms(30 * 24 * 60 * MINUTE_MS + 1000);
        assert_eq!(person.get("/setup/home").await.status, 403);
        assert_eq!(world.visitor().get(&format!("/setup?token={shared}")).await.status, 403);
    }

    async fn prt_03_what_is_no_token_says_nothing(world: World) {
        let (token, _) = world.token().await;
        let mut cut = token.clone();
        cut.pop();
        let flipped = token.replace("setup_", "SETUP_");
        let long = "x".repeat(10_000);
        for wrong in ["", "x", &cut, &flipped, &long, "%00", "' OR 1=1 --"] {
            let url = format!("/setup?token={wrong}");
            let answer = Request::get(&world.url("/setup")).target(&url.replace(' ', "%20")).send();
            let answer = answer.await;
            assert_eq!(answer.status, 403, "{wrong}");
            assert!(answer.text().contains("This link is not valid"), "{wrong}");
        }
        assert_eq!(world.visitor().get("/setup/home").await.status, 403);
    }

    async fn prt_05_the_token_leaves_the_address_with_the_first_click(world: World) {
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        let entrance = it.get(&format!("/setup?token={token}")).await;
        assert_eq!(entrance.header("referrer-policy"), Some("no-referrer"));
        assert!(entrance.header("cache-control").unwrap().contains("no-store"));
        let begun = it.begin(&token).await;
        assert_eq!((begun.status.as_u16(), begun.location()), (303, "/setup/home".to_owned()));
        let cookie = begun.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && !cookie.contains(&token), "{cookie}");
        let connection = it.choose_okta().await;
        for path in ["/setup/home", "/setup/domains", &format!("{connection}/steps/create")] {
            let page = it.get(path).await;
            assert!(!page.text().contains(&token), "{path}");
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{path}");
        }
    }

    async fn ten_02_prt_04_nothing_of_another_organization_is_reached(world: World) {
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let own = it.choose_okta().await;
        let foreign = format!("/setup/connections/{}", world.demo.seeded.connection_id);
        for below in ["", "/steps/create", "/steps/details", "/reset"] {
            assert_eq!(it.get(&format!("{foreign}{below}")).await.status, 404, "{below}");
        }
        for below in
            ["/live", "/secret", "/secret/promote", "/reset", "/groups", "/steps/details",
             "/steps/test/test", "/steps/test/hand-over"]
        {
            let fields = [("idp_id", "x"), ("role", "admin"), ("next_client_secret", "x"),
                ("organization_id", world.demo.seeded.organization_id.as_str())];
            let at = format!("{own}/steps/create");
            let answer = it.submit(&at, &format!("{foreign}{below}"), &fields).await;
            assert_eq!(answer.status, 404, "{below}");
        }
        let domains = world.api("GET", &format!("/organizations/{}",
            world.demo.seeded.organization_id), None).await.json();
        let domain = domains["domains"][0]["id"].as_str().unwrap();
        let check = format!("/setup/domains/{domain}/check");
        assert_eq!(it.submit("/setup/domains", &check, &[]).await.status, 404);
        let page = it.get("/setup/home").await.text();
        assert!(!page.contains("Acme") && page.contains("Globex"));
    }

    async fn prt_04_a_link_opens_what_it_is_for_and_nothing_else(world: World) {
        let organization = world.demo.seeded.organization_id.to_string();
        for (intent, path) in [("sso", "/setup/domains"), ("domain_verification", "/setup/connections/x")] {
            let link = world.link(json!({ "organization": organization, "intent": intent })).await;
            let link = link.json()["link"].as_str().unwrap().to_owned();
            let token = link.split_once("token=").unwrap().1.to_owned();
            let mut it = world.visitor();
            it.begin(&token).await;
            assert_eq!(it.get(path).await.status, 403, "{intent}");
        }
        let link = world.link(json!({ "intent": "dsync" })).await;
        assert_eq!(link.status, 422);
    }

    async fn prt_06_a_session_dies_with_its_link_its_organization_or_its_end(world: World) {
        let (token, organization) = world.shared_token(&[("sso", "on"), ("lifetime", "7")]).await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let mut desk = world.desk(vestibule::model::administrator::Role::Developer).await;
        let links = desk.path(&format!("/organizations/{organization}/setup-links"));
        let page = desk.get(&links).await.text();
        let id = page.split_once("/setup-links/setup_link_").unwrap().1;
        let revoke = format!("{links}/setup_link_{}", id.split_once('"').unwrap().0);
        desk.submit(&revoke, &revoke, &[]).await;
        let dead = it.get("/setup/home").await;
        assert_eq!(dead.status, 403);
        assert!(dead.text().contains("was revoked"));
        let (token, organization) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        world.api("DELETE", &format!("/organizations/{organization}"), None).await;
        assert!(matches!(it.get("/setup/home").await.status.as_u16(), 403 | 404));
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let done = it.submit("/setup/home", "/setup/finish", &[]).await;
        assert!(done.text().contains("The setup is finished"));
        assert!(it.get("/setup/home").await.text().contains("The setup is finished"));
    }

    async fn prt_07_no_secret_can_be_read_back(world: World) {
        let (token, organization) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let connection = it.choose_okta().await;
        let app = world.app_for(&it.redirect_uri(&connection).await);
        let secrets = [app.client_secret.expose(), "the-next-secret-of-the-test"];
        let entered = it.enter(&connection, (&app.client_id, secrets[0])).await;
        let fields = [("next_client_secret", secrets[1])];
        let next = it.submit(&connection, &format!("{connection}/secret"), &fields).await;
        assert_eq!((entered.status.as_u16(), next.status.as_u16()), (200, 303));
        let wrong = [("client_id", ""), ("client_secret", secrets[1])];
        let details = format!("{connection}/steps/details");
        let refused = it.submit(&details, &details, &wrong).await;
        let report = it.submit(&connection, &format!("{connection}/check"), &[]).await;
        let mut pages = vec![entered, refused, report];
        for step in ["create", "configure", "details", "test", "groups", "roles"] {
            pages.push(it.get(&format!("{connection}/steps/{step}")).await);
        }
        for path in ["/setup/home", "/setup/domains", &connection] {
            pages.push(it.get(path).await);
        }
        let id = connection.rsplit_once('/').unwrap().1;
        pages.push(world.api("GET", &format!("/connections/{id}"), None).await);
        pages.push(world.api("GET", &format!("/events?organization_id={organization}"), None).await);
        for page in pages {
            let text = page.text();
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{text}");
        }
    }

    async fn prt_08_a_form_that_is_not_of_the_portal_changes_nothing(world: World) {
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let url = world.url("/setup/connections");
        let fields = [("connection_type", "OktaOIDC")];
        let bare = Request::post_form(&url, &fields).header("sec-fetch-site", "same-origin");
        assert_eq!(it.browser.send(bare).await.status, 403);
        let page = it.get("/setup/home").await.text();
        let own = csrf(&page).unwrap();
        let fields = [("connection_type", "OktaOIDC"), ("csrf", own.as_str())];
        let cross = Request::post_form(&url, &fields).header("sec-fetch-site", "cross-site");
        assert_eq!(it.browser.send(cross).await.status, 403);
        assert!(!it.get("/setup/home").await.text().contains("Go on"));
    }

    async fn prt_09_addresses_to_leave_to_are_the_applications(world: World) {
        let origin = url::Url::parse(&world.demo.redirect_uri).unwrap().origin();
        let ours = format!("{}/settings?tab=sso", origin.ascii_serialization());
        for wrong in ["javascript:alert(1)", "//evil.example", "https://evil.example/", "data:x"] {
            for name in ["return_url", "success_url"] {
                assert_eq!(world.link(json!({ name: wrong })).await.status, 422, "{name} {wrong}");
            }
        }
        let link = world.link(json!({ "return_url": ours, "success_url": ours })).await;
        assert_eq!(link.status, 201, "{}", link.text());
        let link = link.json()["link"].as_str().unwrap().to_owned();
        let mut it = world.visitor();
        it.begin(link.split_once("token=").unwrap().1).await;
        let escaped = ours.replace('&', "&#38;");
        assert!(it.get("/setup/home").await.text().contains(&escaped));
        let done = it.submit("/setup/home", "/setup/finish", &[]).await.text();
        assert!(done.contains(&ours), "{done}");
    }

    async fn prt_11_a_link_for_nobody_is_not_made(world: World) {
        for id in ["org_01J00000000000000000000000", "x", ""] {
            assert_eq!(world.link(json!({ "organization": id })).await.status, 404, "{id}");
        }
    }

    async fn prt_12_a_secret_is_never_shown_to_another_identity_provider(world: World) {
        let connection = format!("/connections/{}", world.demo.seeded.connection_id);
        let elsewhere = world.demo.tenant.discovery_endpoint(Server::Default);
        let body = json!({ "oidc": { "discovery_endpoint": elsewhere } });
        let refused = world.api("PATCH", &connection, Some(&body)).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert_eq!(refused.json()["code"], "client_secret_needed");
        let same = world.demo.tenant.discovery_endpoint(Server::Org);
        let body = json!({ "oidc": { "discovery_endpoint": same } });
        assert_eq!(world.api("PATCH", &connection, Some(&body)).await.status, 200);
        let body = json!({ "oidc": { "next_client_secret": "the next one" } });
        assert_eq!(world.api("PATCH", &connection, Some(&body)).await.status, 200);
        let body = json!({ "oidc": { "discovery_endpoint": elsewhere, "client_secret": "new" } });
        let changed = world.api("PATCH", &connection, Some(&body)).await;
        assert_eq!(changed.status, 200);
        assert_eq!(changed.json()["oidc"]["has_next_client_secret"], false);
    }

    async fn a_step_is_handed_over_and_nothing_else_with_it(world: World) {
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let connection = it.choose_okta().await;
        let step = format!("{connection}/steps/configure");
        let page = it.submit(&step, &format!("{step}/hand-over"), &[]).await.text();
        let (_, rest) = page.split_once("/setup?token=").unwrap();
        let token = rest.split_once('<').unwrap().0.to_owned();
        let mut colleague = world.visitor();
        assert_eq!(colleague.begin(&token).await.location(), step);
        assert!(colleague.get(&step).await.text().contains("You were asked to do one step"));
        for other in ["/steps/details", "/steps/create", "", "/reset"] {
            let answer = colleague.get(&format!("{connection}{other}")).await;
            assert_eq!(answer.status, 403, "{other}");
        }
        assert_eq!(colleague.submit(&step, &step, &[]).await.location(), step);
        let again = colleague.submit(&step, &format!("{step}/hand-over"), &[]).await;
        assert_eq!(again.status, 403);
        assert_eq!(colleague.submit(&step, "/setup/finish", &[]).await.status, 403);
    }

    async fn the_secret_is_rotated_and_the_connection_reset(world: World) {
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let connection = it.choose_okta().await;
        let app = world.app_for(&it.redirect_uri(&connection).await);
        it.enter(&connection, (&app.client_id, app.client_secret.expose())).await;
        let next = world.demo.tenant.add_secret(&app.client_id).unwrap();
        let secret = format!("{connection}/secret");
        let empty = it.submit(&connection, &secret, &[("next_client_secret", " ")]).await;
        assert_eq!(empty.status, 422);
        let fields = [("next_client_secret", next.expose())];
        assert_eq!(it.submit(&connection, &secret, &fields).await.status, 303);
        let old = app.client_secret.expose();
        world.demo.tenant.deactivate_secret(&app.client_id, old).unwrap();
        let page = it.get(&connection).await.text();
        assert!(page.contains("The old secret is gone") && !page.contains(next.expose()));
        let promoted = it.submit(&connection, &format!("{secret}/promote"), &[]).await;
        assert!(promoted.location().ends_with("notice=promoted"));
        let reset = format!("{connection}/reset");
        assert_eq!(it.submit(&reset, &reset, &[]).await.location(), "/setup/home?notice=reset");
        assert_eq!(it.get(&connection).await.status, 404);
        assert!(it.get("/setup/home").await.text().contains("Choose your identity provider"));
    }

    async fn prt_09_an_environment_says_where_links_lead_that_do_not_say(world: World) {
        let mut desk = world.desk(vestibule::model::administrator::Role::Developer).await;
        let path = desk.path("/settings");
        let origin = url::Url::parse(&world.demo.redirect_uri).unwrap().origin();
        let ours = |path: &str| format!("{}{path}", origin.ascii_serialization());
        let usual = [("name", "E"), ("role_mode", "single"), ("signin_consent", "never")];
        for wrong in ["javascript:alert(1)", "//evil.example", "https://evil.example/"] {
            let fields = [&usual[..], &[("portal_return_url", wrong)]].concat();
            let refused = desk.submit(&path, &path, &fields).await;
            assert_eq!(refused.status, 422, "{wrong}");
            assert!(refused.text().contains("id=\"error-portal_return_url\""), "{wrong}");
        }
        let (back, done) = (ours("/settings"), ours("/welcome"));
        let addresses = [("portal_return_url", back.as_str()), ("portal_success_url", &done)];
        let fields = [&usual[..], &addresses].concat();
        assert_eq!(desk.submit(&path, &path, &fields).await.status, 303);
        let (token, _) = world.shared_token(&[("sso", "on")]).await;
        let mut it = world.visitor();
        it.begin(&token).await;
        assert!(it.get("/setup/home").await.text().contains(&format!("href=\"{back}\"")));
        let own = world.link(json!({ "return_url": ours("/own") })).await.json();
        let mut other = world.visitor();
        other.begin(own["link"].as_str().unwrap().split_once("token=").unwrap().1).await;
        let home = other.get("/setup/home").await.text();
        assert!(home.contains(&ours("/own")) && !home.contains(&back), "{home}");
        let finished = other.submit("/setup/home", "/setup/finish", &[]).await.text();
        assert!(finished.contains(&done), "{finished}");
        assert_eq!(desk.submit(&path, &path, &usual).await.status, 303);
        let (token, _) = world.shared_token(&[("sso", "on")]).await;
        let mut it = world.visitor();
        it.begin(&token).await;
        assert!(!it.get("/setup/home").await.text().contains(&back));
    }

    async fn a_live_connection_is_checked_and_tells_when_its_secret_ends(world: World) {
        let (token, _) = world.token().await;
        let mut it = world.visitor();
        it.begin(&token).await;
        let fields = [("connection_type", "GenericOIDC")];
        let chosen = it.submit("/setup/home", "/setup/connections", &fields).await.location();
        let connection = chosen.split_once("/steps/").unwrap().0.to_owned();
        let id = connection.rsplit_once('/').unwrap().1;
        let connection_now = world.api("GET", &format!("/connections/{id}"), None).await.json();
        let app = world.app_for(connection_now["redirect_uri"].as_str().unwrap());
        it.enter(&connection, (&app.client_id, app.client_secret.expose())).await;
        let check = format!("{connection}/check");
        let report = it.submit(&connection, &check, &[]).await.text();
        assert!(report.contains("All checks"), "{report}");
        let day = format!("{connection}/last-day");
        let name = "client_secret_expires_at";
        let refused = it.submit(&connection, &day, &[(name, "soon")]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("id=\"error-client_secret_expires_at\""));
        assert_eq!(it.submit(&connection, &day, &[(name, "2020-02-29")]).await.status, 303);
        assert!(it.get(&connection).await.text().contains("29 Feb 2020"));
        // A refusal of the other form takes nothing away.
        let other = it.submit(&connection, &format!("{connection}/secret"), &[]).await;
        assert_eq!(other.status, 422);
        assert!(other.text().contains("value=\"2020-02-29\""), "{}", other.text());
        let report = it.submit(&connection, &check, &[]).await.text();
        assert!(report.contains("2020-02-29T00:00:00"), "{report}");
    }
}
