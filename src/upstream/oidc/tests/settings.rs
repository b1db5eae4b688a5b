//! Settings as they are stored.

use serde_json::json;

use crate::base::Error;
use crate::upstream::oidc::algorithm::Algorithm;
use crate::upstream::oidc::{Settings, SigningAlgorithm};
use crate::upstream::{self, Memory};

fn settings() -> Settings {
    Settings::new("conn_1", "client", "https://idp.example/x", "https://idp.example")
}

#[test]
fn settings_and_memory_survive_being_stored() {
    let settings = upstream::Settings::Oidc(settings());
    let stored = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<upstream::Settings>(&stored).unwrap(), settings);
    let least = json!({"protocol": "oidc", "connection_id": "conn_1", "kind": "GenericOIDC",
        "client_id": "client", "discovery_endpoint": "https://idp.example/x",
        "issuer": "https://idp.example"});
    assert_eq!(serde_json::from_value::<upstream::Settings>(least.clone()).unwrap(), settings);
    let mut odd = least.clone();
    odd["client_secret"] = json!("x");
    assert!(serde_json::from_value::<upstream::Settings>(odd).is_err(), "no secret belongs here");
    for (word, choice) in
        [("auto", SigningAlgorithm::Auto), ("EdDSA", SigningAlgorithm::Pinned(Algorithm::EdDsa))]
    {
        let mut chosen = least.clone();
        chosen["signing_algorithm"] = json!(word);
        let upstream::Settings::Oidc(read) = serde_json::from_value(chosen).unwrap();
        assert_eq!(read.signing_algorithm, choice);
    }
    for word in ["none", "HS256"] {
        let mut chosen = least.clone();
        chosen["signing_algorithm"] = json!(word);
        assert!(serde_json::from_value::<upstream::Settings>(chosen).is_err(), "{word}");
    }
    let memory = json!({"protocol": "oidc", "nonce": "n", "code_verifier": null,
        "issuer": "https://idp.example", "asked_at_ms": 1, "fresh_login": false});
    let read: Memory = serde_json::from_value(memory.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), memory);
}

#[test]
fn settings_that_break_a_rule_are_refused_by_the_member_that_does() {
    let broken = |edit: &dyn Fn(&mut Settings)| {
        let mut settings = settings();
        edit(&mut settings);
        match settings.check() {
            Err(Error::Invalid { field, .. }) => field.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert!(settings().check().is_ok());
    assert_eq!(broken(&|s| s.client_id.clear()), "client_id");
    assert_eq!(broken(&|s| s.client_id.push('\n')), "client_id");
    assert_eq!(broken(&|s| s.scopes.push("a b".into())), "scopes");
    assert_eq!(broken(&|s| s.leeway_s = 301), "leeway_s");
    assert_eq!(broken(&|s| s.max_iat_age_s = 86_401), "max_iat_age_s");
    assert_eq!(broken(&|s| s.attributes.email.clear()), "attributes");
    assert_eq!(broken(&|s| s.groups_claim.clear()), "attributes");
    assert_eq!(broken(&|s| s.groups_delimiter = Some(String::new())), "groups_delimiter");
    assert_eq!(broken(&|s| s.extra_ca = Some("x".into())), "extra_ca");
}
