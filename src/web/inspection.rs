//! `inspection.html` has macros for what came of looking at a connection: the doctor's report, the
//! trace of a login, a test sign-in. They need nothing but the values; here they are only tested.

use askama::Template;
use serde_json::json;

use crate::base::failure::{Failure, FailureCode, Owner};
use crate::base::id::{ConnectionId, Id};
use crate::base::time::{Clock, Timestamp};
use crate::base::trace::{Step, Trace};
use crate::doctor::{Check, Finding, Outcome, Problem, Report};
use crate::model::connection::ConnectionType;
use crate::model::sso_session::TestResult;
use crate::upstream::oidc::Kind;

const PAYLOAD: &str = "\"><script>alert('x')</script>{{7*7}}";

#[derive(Template)]
#[template(
    source = "{% import \"web/inspection.html\" as inspection %}\
              {{ inspection::trace(steps) }}{{ inspection::test_result(result) }}\
              {{ inspection::report(report) }}",
    ext = "html"
)]
struct Page<'a> {
    steps: &'a [Step],
    result: &'a TestResult,
    report: &'a Report,
}

fn report() -> Report {
    let text = || Some(PAYLOAD.to_owned());
    let finding = Finding {
        name: Check::ClientSecret,
        outcome: Outcome::Failed,
        problem: Some(Problem::SecretWrong.as_str()),
        owner: Some(Owner::CustomerIt),
        expected: text(),
        received: text(),
        note: text(),
        remedy: Some(Problem::SecretWrong.remedy(Kind::OktaOidc)),
    };
    let id = ConnectionId::from_ulid(ulid::Ulid::from_parts(1, 2));
    Report {
        object: "doctor_report",
        connection_id: id,
        connection_type: ConnectionType::parse("OktaOIDC").unwrap(),
        checked_at: Timestamp::from_ms(0),
        duration_ms: 1,
        healthy: false,
        findings: vec![finding],
    }
}

#[test]
fn what_strangers_wrote_is_shown_and_does_nothing() {
    let result: TestResult = serde_json::from_value(json!({
        "claims": { "given_name": PAYLOAD, PAYLOAD: [PAYLOAD, 1] },
        "profile": {
            "idp_id": PAYLOAD, "email": "ada@acme.example", "email_verified": true,
            "first_name": PAYLOAD, "last_name": null, "name": null,
            "custom_attributes": { PAYLOAD: PAYLOAD },
        },
        "groups": { "state": "present", "names": [PAYLOAD], "is_cut": true },
        "roles": {
            "rules": [{ "group": PAYLOAD, "role": "admin", "matched": true }],
            "default_role": "member", "given": ["admin"],
        },
    }))
    .unwrap();
    let mut trace = Trace::new(Clock::system());
    trace.passed("id_token.nonce", PAYLOAD, PAYLOAD);
    trace.failed(&Failure::mismatch(FailureCode::IdpError, PAYLOAD, PAYLOAD));
    let steps: Vec<Step> = trace.steps().cloned().collect();
    let html = Page { steps: &steps, result: &result, report: &report() }.render().unwrap();
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(html.matches("alert(&#39;x&#39;)").count(), 19, "{html}");
    for text in
        ["not received", "verified", "All groups came.", "More came", "badge accent", "General tab"]
    {
        assert!(html.contains(text), "{text}: {html}");
    }
}
