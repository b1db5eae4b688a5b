//! Test sign-ins: a login in everything but what it leaves behind.

use serde_json::{Value, json};
use url::Url;

use vestibule::base::Caller;
use vestibule::base::caller::Source;
use vestibule::base::failure::FailureCode as F;
use vestibule::model::{connection, sso_session};
use vestibule::sandbox::okta::{Fault, GroupsClaim, TenantFault};
use vestibule::sso::test_sign_in::{self, PortalPath, ReturnTo};
use vestibule::sso::{Refused, sweep};

use super::expect::{ADA, Stored, assert_page};
use crate::support::http::{Answer, Browser};
use crate::support::{World, both_engines};

/// A test that has begun: the browser with its cookie, where it goes, and the session.
pub(super) struct Test {
    pub(super) browser: Browser,
    location: Url,
    pub(super) id: String,
}

impl World {
    fn administrator(&self) -> Caller {
        let source = Source::Dashboard;
        Caller { source, actor_id: "admin_1".to_owned(), ..self.caller() }
    }

    async fn begin_test(&self, connection: &str, to: &ReturnTo) -> Result<Test, Refused> {
        let browser = sso_session::Browser::default();
        let begun =
            test_sign_in::begin(self.app(), &self.administrator(), connection, to, browser).await?;
        let id = begun.session_id.to_string();
        let mut browser = self.browser();
        let name = format!("vestibule-login-{}", id.trim_start_matches("sess_"));
        browser.keep(&self.url("/"), &name, begun.browser_secret.expose());
        Ok(Test { browser, location: Url::parse(&begun.location).unwrap(), id })
    }

    /// A test of the demo's connection that has come as far as the tenant's answer.
    pub(super) async fn to_test_callback(&self, email: &str) -> (Test, Url) {
        let connection = self.demo.seeded.connection_id.to_string();
        let began = self.begin_test(&connection, &ReturnTo::DashboardConnection).await;
        let test = began.unwrap_or_else(|refused| panic!("{}", refused.failure));
        let back = self.demo.tenant.sign_in(test.location.as_str(), email).await.unwrap();
        (test, Url::parse(&back).unwrap())
    }

    /// A whole test of the demo's connection; the answer of the callback, and the session.
    async fn test_as(&self, email: &str) -> (Answer, Value) {
        let (mut test, callback) = self.to_test_callback(email).await;
        let answer = test.browser.get(&callback).await;
        (answer, self.session(&test.id).await)
    }

    pub(super) async fn session(&self, id: &str) -> Value {
        self.api("GET", &format!("/sso_sessions/{id}"), None).await.json()
    }

    /// What a test may not add to: what logins store, and events of any kind.
    async fn traces_of_logins(&self) -> (Stored, i64) {
        let caller = self.caller();
        let events = self.app().db.read(&caller, async |tx| {
            tx.fetch_one("SELECT count(*) FROM events", &[]).await?.next()
        });
        (self.stored().await, events.await.unwrap())
    }

    fn page_of(&self, connection: &str, session: &str) -> String {
        let environment = &self.demo.seeded.environment_id;
        self.app().url(&format!("/dashboard/{environment}/connections/{connection}?test={session}"))
    }

    async fn state(&self) -> String {
        let path = format!("/connections/{}", self.demo.seeded.connection_id);
        self.api("GET", &path, None).await.json()["state"].as_str().unwrap().to_owned()
    }
}

both_engines! {
    async fn ten_11_a_test_shows_what_a_login_would_make_and_leaves_nothing_behind(world: World) {
        let before = world.traces_of_logins().await;
        let (answer, session) = world.test_as(ADA).await;
        let connection = world.demo.seeded.connection_id.to_string();
        let id = session["id"].as_str().unwrap();
        assert_eq!(answer.status, 302, "{}", answer.text());
        assert_eq!(answer.location(), world.page_of(&connection, id));
        assert!(answer.cookies()[0].contains("Max-Age=0"), "the cookie has done its work");
        assert_eq!(world.traces_of_logins().await, before, "no code, no profile, no event");

        assert_eq!(session["status"], "test_successful");
        assert_eq!(session["origin"], "dashboard_test");
        assert_eq!(session["started_by"], "admin_1");
        assert_eq!(session["profile_id"], Value::Null);
        assert_eq!(session["email"], ADA);
        let result = &session["test_result"];
        assert_eq!(result["profile"]["email"], ADA);
        assert_eq!(result["profile"]["first_name"], "Ada");
        assert_eq!(result["claims"]["email"], ADA);
        for noise in ["aud", "nonce", "exp", "iat", "at_hash"] {
            assert_eq!(result["claims"][noise], Value::Null, "{noise}");
        }
        assert_eq!(result["groups"]["state"], "present");
        assert_eq!(result["groups"]["names"], json!(["Administrators", "Engineering"]));
        let rules = json!([
            { "group": "Administrators", "role": "admin", "matched": true },
            { "group": "Engineering", "role": "engineer", "matched": true },
        ]);
        let mut found = result["roles"]["rules"].as_array().unwrap().clone();
        found.sort_by_key(|rule| rule["group"].to_string());
        assert_eq!(Value::Array(found), rules);
        assert_eq!(result["roles"]["given"], json!(["admin"]));
        assert_eq!(result["roles"]["default_role"], "member");
        let steps = session["trace"].to_string();
        for step in ["test.begun", "id_token.nonce", "profile.groups", "roles.group", "test.passed"] {
            assert!(steps.contains(&format!("\"{step}\"")), "{step}: {steps}");
        }
    }

    async fn ten_11_a_connection_can_be_tested_in_any_state_and_keeps_it(world: World) {
        let (id, caller) = (world.demo.seeded.connection_id.to_string(), world.caller());
        let switched = id.clone();
        let off = world.app().db.write(&caller, async move |tx| {
            connection::deactivate(tx, &switched).await
        });
        off.await.unwrap();
        let (answer, session) = world.test_as(ADA).await;
        assert_eq!(session["status"], "test_successful", "{} {session:#}", answer.location());
        assert_eq!(world.state().await, "inactive");
        let refused = world.authorize(&[]).await;
        assert_eq!(refused.param("error").as_deref(), Some("connection_unlinked"));

        // One that nobody has signed in by waits on for the first login.
        let other = world.other_organization("other.example").await;
        let shown = world.api("GET", &format!("/connections/{}", other.id), None).await.json();
        let state = shown["state"].clone();
        let to = ReturnTo::PortalPage(PortalPath::new("steps/test-sign-in").unwrap());
        let mut test = world.begin_test(&other.id, &to).await.expect("a test");
        let back = world.demo.tenant.sign_in(test.location.as_str(), ADA).await.unwrap();
        let answer = test.browser.get(&Url::parse(&back).unwrap()).await;
        let page = world.app().url(&format!("/setup/steps/test-sign-in?test={}", test.id));
        assert_eq!(answer.location(), page);
        let shown = world.api("GET", &format!("/connections/{}", other.id), None).await.json();
        assert_eq!(shown["state"], state);
        let session = world.session(&test.id).await;
        assert_eq!(session["origin"], "portal_test");
        // Ada's domain is not that organization's: refused, but what came is shown.
        assert_eq!(session["status"], "test_failed");
        assert_eq!(session["error"]["code"], F::ProfileNotAllowedOutsideOrganization.as_str());
        assert_eq!(session["test_result"]["claims"]["email"], ADA);
        assert_eq!(session["test_result"]["roles"], Value::Null);
    }

    async fn a_connection_that_lacks_something_fails_its_test_at_once(world: World) {
        let organization = world.demo.seeded.organization_id.to_string();
        let new = json!({
            "organization_id": organization, "connection_type": "OktaOIDC", "name": "Draft"
        });
        let draft = world.must("POST", "/connections", new).await["id"].clone();
        let draft = draft.as_str().unwrap();
        let before = world.traces_of_logins().await;
        let refused = world.begin_test(draft, &ReturnTo::DashboardConnection).await.err().unwrap();
        assert_eq!(refused.failure.code, F::ConnectionUnlinked);
        let id = refused.session_id.unwrap().to_string();
        assert_eq!(refused.location, Some(world.page_of(draft, &id)));
        let session = world.session(&id).await;
        assert_eq!((&session["status"], &session["origin"]),
            (&json!("test_failed"), &json!("dashboard_test")));

        let id = world.demo.seeded.connection_id.to_string();
        world.app().upstream.forget(&id);
        world.demo.tenant.set_tenant_faults(&[TenantFault::DiscoveryServerError]);
        let refused = world.begin_test(&id, &ReturnTo::DashboardConnection).await.err().unwrap();
        assert_eq!(refused.failure.code, F::DiscoveryUnreachable);
        assert_eq!(world.traces_of_logins().await, before);
        let gone = world.begin_test("conn_gone", &ReturnTo::DashboardConnection).await;
        let gone = gone.err().unwrap();
        assert_eq!((gone.failure.code, gone.location), (F::ConnectionInvalid, None));
    }

    async fn ten_06_a_test_is_checked_like_a_login(world: World) {
        let before = world.traces_of_logins().await;
        for (fault, code) in [
            (Fault::WrongNonce, F::IdTokenNonce),
            (Fault::WrongIssuer, F::IdTokenIss),
            (Fault::WrongAudience, F::IdTokenAud),
            (Fault::Expired, F::IdTokenExp),
            (Fault::BadSignature, F::IdTokenSig),
            (Fault::WrongIssParameter, F::IssMismatch),
            (Fault::UserinfoOtherSub, F::UserinfoSub),
            (Fault::TokenServerError, F::TokenEndpointError),
        ] {
            world.faults(&[fault]);
            let (answer, session) = world.test_as(ADA).await;
            assert_eq!(session["status"], "test_failed", "{fault:?}");
            assert_eq!(session["error"]["code"], code.as_str(), "{fault:?}");
            let id = session["id"].as_str().unwrap();
            let connection = world.demo.seeded.connection_id.to_string();
            assert_eq!(answer.location(), world.page_of(&connection, id), "{fault:?}");
        }
        world.faults(&[]);
        world.change_connection(json!({ "policy": { "require_email_verified": true } })).await;
        let ada = world.person(ADA);
        world.demo.tenant.edit_user(&ada, |user| user.email_verified = false).unwrap();
        let (_, session) = world.test_as(ADA).await;
        assert_eq!(session["error"]["code"], F::EmailUnverified.as_str());
        assert_eq!(world.traces_of_logins().await, before);
    }

    async fn ten_06_a_test_is_bound_to_its_browser_its_time_and_one_answer(world: World) {
        let before = world.traces_of_logins().await;
        let (test, callback) = world.to_test_callback(ADA).await;
        let stolen = world.browser().get(&callback).await;
        assert_page(&stolen, F::BrowserBindingFailed);
        assert_eq!(world.session(&test.id).await["status"], "test_failed");

        let (mut test, callback) = world.to_test_callback(ADA).await;
        assert_eq!(test.browser.get(&callback).await.status, 302);
        let again = world.browser().get(&callback).await;
        assert_page(&again, F::FlowConsumed);

        let (mut test, callback) = world.to_test_callback(ADA).await;
        world.change_connection(json!({ "oidc": { "leeway_s": 30 } })).await;
        test.browser.get(&callback).await;
        let session = world.session(&test.id).await;
        assert_eq!(session["error"]["code"], F::ConnectionChanged.as_str());

        let other = world.other_organization("other.example").await;
        let (mut test, mut callback) = world.to_test_callback(ADA).await;
        callback.set_path(other.callback.path());
        test.browser.get(&callback).await;
        let session = world.session(&test.id).await;
        assert_eq!(session["error"]["code"], F::ConnectionStateMismatch.as_str());

        let (mut test, callback) = world.to_test_callback(ADA).await;
        let (abandoned, _) = world.to_test_callback(ADA).await;
        world.clock.advance_ms(10 * 60 * 1000);
        test.browser.get(&callback).await;
        assert_eq!(world.session(&test.id).await["error"]["code"], F::FlowExpired.as_str());
        world.clock.advance_ms(3 * 60 * 1000);
        sweep::time_out(world.app()).await.unwrap();
        let session = world.session(&abandoned.id).await;
        assert_eq!(session["status"], "test_failed");
        assert_eq!(session["error"]["code"], F::TimedOut.as_str());
        assert_eq!(world.traces_of_logins().await.0, before.0);
        assert_eq!(world.events("authentication.sso_timed_out").await.len(), 0);
    }

    async fn a_test_tells_the_states_of_groups_apart(world: World) {
        let client = &world.demo.credentials.client_id;
        let groups = async |state: &str| {
            let (_, session) = world.test_as(ADA).await;
            let result = &session["test_result"];
            assert_eq!(result["groups"]["state"], state, "{session:#}");
            result["roles"]["given"].clone()
        };
        world.demo.tenant.set_groups_claim(client, None).unwrap();
        assert_eq!(groups("absent").await, json!(["member"]));
        world.demo.tenant.set_groups_claim(client, Some(GroupsClaim::all())).unwrap();
        world.faults(&[Fault::GroupsByReference]);
        assert_eq!(groups("overflowed").await, json!(["member"]));
        world.faults(&[]);
        assert_eq!(groups("present").await, json!(["admin"]));
    }

    async fn clm_what_a_stranger_writes_into_a_claim_is_kept_as_it_is(world: World) {
        let payload = "\"><script>alert('x')</script>\u{202e}{{7*7}}${x}";
        let ada = world.person(ADA);
        world.demo.tenant.edit_user(&ada, |user| user.given_name = payload.to_owned()).unwrap();
        let group = world.demo.tenant.create_group(payload);
        world.demo.tenant.add_member(&group, &ada).unwrap();
        let (_, session) = world.test_as(ADA).await;
        let result = &session["test_result"];
        assert_eq!(result["claims"]["given_name"], payload);
        assert_eq!(result["profile"]["first_name"], payload);
        assert!(result["groups"]["names"].as_array().unwrap().contains(&json!(payload)));
    }

    async fn lists_tell_tests_from_logins(world: World) {
        world.test_as(ADA).await;
        world.code().await;
        let list = async |query: &str| {
            let answer = world.api("GET", &format!("/sso_sessions?{query}"), None).await;
            let found = answer.json()["data"].as_array().unwrap().clone();
            found.into_iter().map(|session| session["origin"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(list("origin=dashboard_test").await, ["dashboard_test"]);
        assert_eq!(list("origin=application").await, ["application"]);
        assert_eq!(list("status=test_successful").await, ["dashboard_test"]);
        assert_eq!(list("origin=portal_test").await.len(), 0);
        assert_eq!(list("").await.len(), 2);
        let answer = world.api("GET", "/sso_sessions?origin=nobody", None).await;
        assert_eq!(answer.status, 422);
    }
}
