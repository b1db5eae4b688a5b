//! The doctor of a connection, against everything that can be wrong with the simulated tenant.

mod faults;
mod network;
mod vendors;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use vestibule::app::{App, Parts};
use vestibule::base::failure::Owner;
use vestibule::base::rate::Limiter;
use vestibule::base::secret::Secret;
use vestibule::doctor::{self, Check, Limits, Report};
use vestibule::model::connection::{self, Connection};
use vestibule::sandbox::okta::{Fault, TenantFault};
use vestibule::upstream::Settings;
use vestibule::upstream::oidc;

use crate::support::http::Request;
use crate::support::{World, both_engines};

/// The tenant's endpoints.
const AUTHORIZE: &str = "/oauth2/v1/authorize";
const TOKEN: &str = "/oauth2/v1/token";
const KEYS: &str = "/oauth2/v1/keys";

/// What a report complains about, with the owners.
fn complaints(report: &Report) -> Vec<(&'static str, Owner)> {
    report.problems().map(|it| (it.problem.unwrap(), it.owner.unwrap())).collect()
}

impl World {
    /// The service, with a doctor who never tires.
    fn clinic(&self) -> App {
        let doctor_rate = Arc::new(Limiter::new("doctor", 0));
        App::from(Parts { doctor_rate, ..(**self.app()).clone() })
    }

    /// An examination by somebody in a hurry.
    async fn examine_with(&self, app: &App, checks: &[Check]) -> Report {
        let limits = Limits { question: Duration::from_secs(1), total: Duration::from_secs(10) };
        let id = self.demo.seeded.connection_id.to_string();
        let report =
            doctor::run_within(app, &self.caller(), (&id, checks), limits).await.expect("a report");
        assert_eq!(report.healthy, complaints(&report).is_empty());
        report
    }

    async fn examine(&self) -> Report {
        self.examine_with(&self.clinic(), &Check::ALL).await
    }

    async fn patient(&self) -> Connection {
        let (id, caller) = (self.demo.seeded.connection_id.to_string(), self.caller());
        let read = self.app().db.read(&caller, async move |tx| connection::get(tx, &id).await);
        read.await.expect("the connection")
    }

    /// Changes the connection without asking whether it could work.
    async fn spoil(&self, change: connection::Change) {
        let (id, caller) = (self.demo.seeded.connection_id.to_string(), self.caller());
        let sealer = self.app().sealer.clone();
        let write = self.app().db.write(&caller, async move |tx| {
            connection::change(tx, &id, &sealer, change.clone()).await
        });
        write.await.expect("changed");
    }

    async fn spoil_settings(&self, edit: impl FnOnce(&mut oidc::Settings)) {
        let Some(Settings::Oidc(mut settings)) = self.patient().await.settings else {
            panic!("not configured")
        };
        edit(&mut settings);
        let settings = Some(Settings::Oidc(settings));
        self.spoil(connection::Change { settings, ..Default::default() }).await;
    }

    async fn spoil_secrets(&self, present: &str, next: Option<&str>) {
        self.spoil(connection::Change {
            client_secret: Some(Secret::new(present)),
            next_client_secret: Some(next.map(Secret::new)),
            ..Default::default()
        })
        .await;
    }

    fn doctor_path(&self) -> String {
        format!("/connections/{}/doctor", self.demo.seeded.connection_id)
    }
}

both_engines! {
    async fn a_healthy_connection_is_clean_and_nothing_is_left_behind(world: World) {
        let (stored, attempts) = (world.stored().await, world.attempts().await);
        let answer = world.api("POST", &world.doctor_path(), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let report = answer.json();
        assert_eq!(report["object"], "doctor_report");
        assert_eq!(report["healthy"], true, "{report:#}");
        let findings = report["findings"].as_array().unwrap();
        assert_eq!(findings.len(), Check::ALL.len());
        for (finding, check) in findings.iter().zip(Check::ALL) {
            assert_eq!(finding["name"], check.as_str());
            let plain = ["tls", "certificate_expiry", "next_client_secret"];
            let expected = if plain.contains(&check.as_str()) { "skipped" } else { "ok" };
            assert_eq!(finding["outcome"], expected, "{finding:#}");
        }
        assert_eq!(world.stored().await, stored);
        assert_eq!(world.attempts().await, attempts);
        assert_eq!(world.demo.tenant.count(TOKEN), 1, "Okta needs one token request");
    }

    async fn the_checks_of_a_step_ask_no_more_than_they_need(world: World) {
        let app = world.clinic();
        let count = |path| world.demo.tenant.count(path);
        let found = world.examine_with(&app, &[Check::Discovery, Check::Issuer]).await;
        assert_eq!(found.findings.len(), 2, "{found:#?}");
        assert_eq!((count(TOKEN), count(AUTHORIZE), count(KEYS)), (0, 0, 0));
        let found = world.examine_with(&app, &[Check::ClientSecret]).await;
        assert_eq!((count(TOKEN), count(AUTHORIZE), count(KEYS)), (1, 0, 0));
        assert_eq!(found.of(Check::ClientSecret).unwrap().outcome, doctor::Outcome::Ok);
        let found = world.examine_with(&app, &[Check::RedirectUri]).await;
        assert_eq!((count(TOKEN), count(AUTHORIZE), count(KEYS)), (1, 1, 0));
        assert_eq!(found.of(Check::RedirectUri).unwrap().outcome, doctor::Outcome::Ok);
        // What stands in the way of a step is told with it.
        world.demo.tenant.set_tenant_faults(&[TenantFault::DiscoveryNotFound]);
        let found = world.examine_with(&app, &[Check::ClientSecret]).await;
        assert_eq!(complaints(&found), [("discovery_not_found", Owner::CustomerIt)]);
        let skipped = found.of(Check::ClientSecret).unwrap();
        assert_eq!(skipped.outcome, doctor::Outcome::Skipped);
        assert_eq!(skipped.note.as_deref(), Some("depends on discovery"));
    }

    async fn a_draft_is_told_what_it_lacks(world: World) {
        let organization = world.demo.seeded.organization_id.to_string();
        let new = json!({
            "organization_id": organization, "connection_type": "OktaOIDC", "name": "Draft"
        });
        let draft = world.must("POST", "/connections", new).await["id"].clone();
        let path = format!("/connections/{}/doctor", draft.as_str().unwrap());
        let report = world.must("POST", &path, Value::Null).await;
        assert_eq!(report["findings"][0]["problem"], "not_configured");
        assert_eq!(report["findings"][1]["outcome"], "skipped");
    }

    async fn a_connection_without_a_secret_is_told_so_by_that_check_alone(world: World) {
        let organization = world.demo.seeded.organization_id.to_string();
        let new = json!({
            "organization_id": organization, "connection_type": "OktaOIDC", "name": "Half",
            "oidc": {
                "client_id": world.demo.credentials.client_id,
                "discovery_endpoint": world.demo.tenant.base_url(),
            },
        });
        let half = world.must("POST", "/connections", new).await;
        let key = half["redirect_uri"].as_str().unwrap();
        world.demo.tenant.add_redirect_uri(&world.demo.credentials.client_id, key).unwrap();
        let path = format!("/connections/{}/doctor", half["id"].as_str().unwrap());
        let report = world.must("POST", &path, Value::Null).await;
        let findings = report["findings"].as_array().unwrap().iter();
        let problems: Vec<&Value> =
            findings.map(|finding| &finding["problem"]).filter(|it| !it.is_null()).collect();
        assert_eq!(problems, ["client_secret_missing"], "{report:#}");
    }

    async fn the_date_on_which_a_secret_ends_is_entered_and_goes_with_the_secret(world: World) {
        let soon = world.clock.now().plus_ms(10 * 86_400_000).to_string();
        world.change_connection(json!({ "oidc": { "client_secret_expires_at": soon } })).await;
        let report = world.examine().await;
        assert_eq!(complaints(&report), [("client_secret_expires_soon", Owner::CustomerIt)]);
        let secret = world.demo.credentials.client_secret.expose();
        world.change_connection(json!({ "oidc": { "client_secret": secret } })).await;
        assert!(world.examine().await.healthy);
        world.change_connection(json!({ "oidc": { "client_secret_expires_at": soon } })).await;
        world.change_connection(json!({ "oidc": { "next_client_secret": secret } })).await;
        let (id, caller) = (world.demo.seeded.connection_id.to_string(), world.caller());
        let sealer = world.app().sealer.clone();
        let promoted = world.app().db.write(&caller, async move |tx| {
            connection::promote_next_client_secret(tx, &id, &sealer).await
        });
        promoted.await.unwrap();
        assert!(world.examine().await.healthy);
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        let bad = json!({ "oidc": { "client_secret_expires_at": "next week" } });
        assert_eq!(world.api("PATCH", &path, Some(&bad)).await.status, 422);
    }

    async fn idp_02_an_examination_ends_in_time_whatever_the_provider_does(world: World) {
        let slow = 5_000;
        world.demo.tenant.set_tenant_faults(&[TenantFault::KeysSlow { ms: slow }]);
        world.faults(&[Fault::TokenSlow { ms: slow }]);
        let limits =
            Limits { question: Duration::from_secs(60), total: Duration::from_millis(500) };
        let id = world.demo.seeded.connection_id.to_string();
        let began = std::time::Instant::now();
        let asked = (id.as_str(), Check::ALL.as_slice());
        let report =
            doctor::run_within(&world.clinic(), &world.caller(), asked, limits).await.unwrap();
        assert!(began.elapsed() < Duration::from_millis(2_000), "{:?}", began.elapsed());
        assert_eq!(complaints(&report), [
            ("keys_timeout", Owner::CustomerIt),
            ("token_endpoint_timeout", Owner::CustomerIt),
        ]);
    }

    async fn dsc_nobody_can_hammer_an_identity_provider_by_the_doctor(world: World) {
        for _ in 0..20 {
            let answer = world.api("POST", &world.doctor_path(), None).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let asked = world.demo.tenant.count(TOKEN);
        let refused = world.api("POST", &world.doctor_path(), None).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), Some("60"));
        assert_eq!(refused.json()["code"], "rate_limit_exceeded");
        assert_eq!(world.demo.tenant.count(TOKEN), asked);
        world.clock.advance_ms(60_000);
        assert_eq!(world.api("POST", &world.doctor_path(), None).await.status, 200);
    }

    async fn ten_a_connection_of_another_environment_is_not_there(world: World) {
        let other = world.other_environment("https://other.example/callback").await;
        let request = Request::new("POST", &world.url(&world.doctor_path()));
        let answer = request.bearer(other.api_key.expose()).send().await;
        assert_eq!(answer.status, 404);
        assert_eq!(world.demo.tenant.count(TOKEN), 0);
    }

    async fn sec_no_secret_is_in_a_report_even_if_the_provider_sends_it_back(world: World) {
        world.faults(&[Fault::TokenEchoesSecret]);
        let report = world.examine().await;
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.contains("[secret] [secret]"), "{text}");
        let secret = world.demo.credentials.client_secret.expose();
        assert!(!text.contains(secret), "{text}");
        assert_eq!(report.of(Check::ClientSecret).unwrap().outcome, doctor::Outcome::CannotTell);
    }

    async fn sec_a_provider_with_another_issuer_never_gets_the_secret(world: World) {
        world.demo.tenant.set_tenant_faults(&[TenantFault::DiscoveryIssuerMismatch]);
        let report = world.examine().await;
        assert_eq!(complaints(&report), [("issuer_mismatch", Owner::CustomerIt)]);
        assert_eq!(report.of(Check::ClientSecret).unwrap().note.as_deref(), Some("depends on issuer"));
        assert_eq!((world.demo.tenant.count(TOKEN), world.demo.tenant.count(AUTHORIZE)), (0, 0));
    }

    async fn the_secret_of_a_provider_that_looks_at_the_code_first_cannot_be_proved(world: World) {
        world.spoil_settings(|settings| settings.kind = oidc::Kind::GenericOidc).await;
        let outcome = async || {
            let report = world.examine().await;
            report.of(Check::ClientSecret).unwrap().outcome
        };
        assert_eq!(outcome().await, doctor::Outcome::Ok);
        assert_eq!(world.demo.tenant.count(TOKEN), 2, "a wrong secret is tried as well");
        world.faults(&[Fault::TokenCodeFirst]);
        assert_eq!(outcome().await, doctor::Outcome::CannotTell);
        world.faults(&[]);
        world.spoil_secrets("wrong", None).await;
        assert_eq!(outcome().await, doctor::Outcome::Failed);
    }
}
