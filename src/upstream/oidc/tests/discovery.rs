//! What administrators paste, and metadata.

use serde_json::{Value, json};

use super::idp::{Idp, Reply, World, outbound};
use crate::base::failure::FailureCode::{self, *};
use crate::base::time::Clock;
use crate::config;
use crate::outbound::Outbound;
use crate::upstream::Upstream;
use crate::upstream::oidc::algorithm::Algorithm;
use crate::upstream::oidc::discovery::Metadata;
use crate::upstream::oidc::{Discovered, SigningAlgorithm, inspect, normalise};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// The candidates for an input, and whether the administrator is told of a change.
fn candidates(input: &str) -> (Vec<String>, bool) {
    let found = normalise(input).unwrap();
    (found.urls.iter().map(ToString::to_string).collect(), !found.notes.is_empty())
}

#[test]
fn dsc_03_04_05_what_is_pasted_becomes_a_discovery_endpoint() {
    for (input, expected) in [
        ("https://acme.okta.com/.well-known/openid-configuration", "https://acme.okta.com"),
        ("acme.okta.com", "https://acme.okta.com"),
        ("  https://acme.okta.com/\n", "https://acme.okta.com"),
        ("https://acme-admin.okta.com/admin/dashboard", "https://acme.okta.com"),
        ("acme-admin.oktapreview.com", "https://acme.oktapreview.com"),
        (
            "https://acme-admin.okta-emea.com/.well-known/openid-configuration",
            "https://acme.okta-emea.com",
        ),
        ("https://acme.okta.com/oauth2/default", "https://acme.okta.com/oauth2/default"),
        ("https://acme.okta.com/oauth2/default/v1/token", "https://acme.okta.com/oauth2/default"),
        ("https://acme.okta.com/oauth2/v1/authorize", "https://acme.okta.com"),
        ("https://acme.okta.com/app/UserHome#x", "https://acme.okta.com"),
        ("https://idp.example/realms/corp/", "https://idp.example/realms/corp"),
        ("idp.example:8443/realms/corp", "https://idp.example:8443/realms/corp"),
        ("https://login.microsoftonline.com/00-11", "https://login.microsoftonline.com/00-11/v2.0"),
        ("https://corp.auth0.com/", "https://corp.auth0.com"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
    ] {
        let (urls, _) = candidates(input);
        assert_eq!(urls[0], format!("{expected}{WELL_KNOWN}"), "{input}");
    }
    // What is whole already is not touched, its query least of all.
    let whole = format!("https://idp.example/x{WELL_KNOWN}?client_id=0oa1&appid=2");
    assert_eq!(candidates(&whole), (vec![whole.clone()], false));
    let (urls, told) = candidates("https://idp.example/x?appid=2");
    assert_eq!(urls[0], format!("https://idp.example/x{WELL_KNOWN}?appid=2"));
    assert!(told);
    // Every candidate is on the host that was pasted.
    assert!(
        candidates("https://idp.example/a/b").0.iter().all(|url| url.contains("//idp.example/"))
    );
    // Only Okta's own hosts are corrected.
    assert!(candidates("https://acme-admin.example.com").0[0].contains("acme-admin.example.com"));
    assert!(candidates("https://x-admin.okta.com.evil.com").0[0].contains("x-admin.okta.com.evil"));
}

#[test]
fn dsc_06_what_is_no_address_is_refused_without_asking_anybody() {
    for input in [
        "",
        "   ",
        "https://",
        "two words",
        "ftp://idp.example/x",
        "file:///etc/passwd",
        "gopher://idp.example",
        "unix:///run/x",
        "javascript://alert(1)",
        "https://a\tb",
        "https://[::1",
        &format!("https://{}", "a".repeat(3000)),
    ] {
        assert_eq!(normalise(input).unwrap_err().code, DiscoveryEndpointInvalid, "{input}");
    }
}

async fn look(idp: &Idp, input: &str) -> Result<Discovered, FailureCode> {
    let upstream = Upstream::new(outbound(), Clock::system());
    let input = input.replace("ISSUER", &idp.issuer);
    inspect(&upstream, &input, None).await.map_err(|failure| failure.code)
}

#[tokio::test]
async fn dsc_01_metadata_of_another_issuer_are_refused_with_both_names() {
    let idp = Idp::start().await;
    for issuer in [
        json!(format!("{}INVALID", idp.issuer)),
        json!(format!("{}//", idp.issuer)),
        json!(idp.issuer.to_uppercase()),
        json!("https://other.example"),
    ] {
        idp.metadata_with("issuer", issuer.clone());
        let upstream = Upstream::new(outbound(), Clock::system());
        let failure = inspect(&upstream, &idp.issuer, None).await.unwrap_err();
        assert_eq!(failure.code, IssuerMismatch, "{issuer}");
        assert_eq!(failure.expected.as_deref(), Some(idp.issuer.as_str()));
        assert_eq!(failure.received.as_deref(), issuer.as_str());
    }
    for issuer in [Value::Null, json!(1), json!([idp.issuer])] {
        idp.metadata_with("issuer", issuer);
        assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), MetadataInvalid);
    }
    idp.metadata_with("issuer", json!(format!("{}?x=1", idp.issuer)));
    assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), IssuerMismatch);
}

#[tokio::test]
async fn dsc_02_a_trailing_slash_is_accepted_once_and_pinned() {
    let mut world = World::new().await;
    let slashed = format!("{}/", world.idp.issuer);
    world.idp.metadata_with("issuer", json!(slashed));
    assert_eq!(look(&world.idp, "ISSUER").await.unwrap().issuer, slashed);
    assert_eq!(look(&world.idp, "ISSUER/").await.unwrap().issuer, slashed);
    // The connection was pinned without the slash.
    assert_eq!(world.begin(&World::ask()).await.unwrap_err(), IssuerMismatch);
}

#[tokio::test]
async fn dsc_04_other_candidates_are_tried_and_told() {
    let idp = Idp::start().await;
    let found = look(&idp, "ISSUER/some/page").await.unwrap();
    assert_eq!(found.discovery_endpoint, format!("{}{WELL_KNOWN}", idp.issuer));
    assert!(found.notes.iter().any(|note| note.contains("were found at")), "{:?}", found.notes);
    assert_eq!(found.signing_algorithm, Algorithm::Rs256);
    assert!(found.metadata.lists_scope("groups"));
}

#[tokio::test]
async fn dsc_05_entras_template_for_all_tenants_is_refused() {
    let idp = Idp::start().await;
    idp.metadata_with("issuer", json!("https://login.microsoftonline.com/{tenantid}/v2.0"));
    assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), IssuerTemplate);
}

#[tokio::test]
async fn dsc_11_a_redirect_is_not_followed() {
    let idp = Idp::start().await;
    for status in [301, 302, 307, 308] {
        idp.on(WELL_KNOWN, Reply::text("", "").status(status).header("location", "/elsewhere"));
        assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), DiscoveryUnreachable);
    }
    assert!(idp.seen("/elsewhere").is_empty());
}

#[tokio::test]
async fn dsc_12_every_endpoint_in_the_metadata_is_vetted() {
    let idp = Idp::start().await;
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        for url in [
            "http://169.254.169.254/x",
            "https://10.0.0.1/x",
            "https://[::1]/x",
            "https://idp.example:22@127.0.0.1/",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
        ] {
            idp.metadata_with(name, json!(url));
            assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), SsrfBlocked, "{name} {url}");
        }
        idp.metadata_with(name, json!("not a url"));
        assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), EndpointInvalid, "{name}");
        idp.metadata_with(name, json!(7));
        assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), MetadataInvalid, "{name}");
    }
    idp.metadata_with("end_session_endpoint", json!("javascript:alert(1)"));
    let found = look(&idp, "ISSUER").await.unwrap();
    assert_eq!(found.metadata.end_session_endpoint, None);
    assert!(found.warnings.iter().any(|warning| warning.contains("end_session_endpoint")));
}

#[test]
fn dsc_12_13_without_an_allow_list_endpoints_are_public_https() {
    let strict = Outbound::new(&config::Outbound::default()).unwrap();
    let metadata = |name: &str, value: &str| {
        let mut members = json!({"issuer": "https://idp.example",
            "authorization_endpoint": "https://idp.example/a",
            "token_endpoint": "https://idp.example/t", "jwks_uri": "https://idp.example/k"});
        members[name] = json!(value);
        let parsed = Metadata::parse(members.to_string().as_bytes(), &strict);
        parsed.map(drop).map_err(|failure| failure.code)
    };
    assert_eq!(metadata("x", ""), Ok(()));
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        for url in ["http://idp.example/x", "https://idp.example:8443/x", "https://localhost/x"] {
            assert_eq!(metadata(name, url), Err(SsrfBlocked), "{name} {url}");
        }
    }
}

#[tokio::test]
async fn dsc_15_17_what_is_no_metadata_is_refused_and_never_shown() {
    let idp = Idp::start().await;
    for reply in [
        Reply::text("text/html", "<h1>SECRET</h1>"),
        Reply::text("text/plain", "SECRET"),
        Reply::json(&json!(["SECRET"])),
        Reply::text("application/json", vec![b' '; 300_000]),
        Reply::json(&idp.metadata()).header("content-encoding", "gzip"),
        Reply::json(&json!({})),
    ] {
        idp.on(WELL_KNOWN, reply);
        let upstream = Upstream::new(outbound(), Clock::system());
        let failure = inspect(&upstream, &idp.issuer, None).await.unwrap_err();
        assert_eq!(failure.code, MetadataInvalid);
        assert!(!format!("{failure:?}").contains("SECRET"));
    }
    idp.on(WELL_KNOWN, Reply::text("text/plain", "SECRET").status(500));
    assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), DiscoveryUnreachable);
}

#[tokio::test]
async fn dsc_18_metadata_that_two_parsers_read_differently_are_refused() {
    let idp = Idp::start().await;
    let good = idp.metadata().to_string();
    let doubled = good.replacen('{', r#"{"token_endpoint":"https://evil.example","#, 1);
    let deep =
        good.replacen('{', &format!(r#"{{"x":{}{},"#, "[".repeat(10_000), "]".repeat(10_000)), 1);
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for body in [
        doubled.into_bytes(),
        deep.into_bytes(),
        [b"\xef\xbb\xbf", good.as_bytes()].concat(),
        utf16,
        format!("{good}x").into_bytes(),
        good.replacen('{', r#"{"x":NaN,"#, 1).into_bytes(),
        format!("[{good}]").into_bytes(),
    ] {
        idp.on(WELL_KNOWN, Reply::text("application/json", body));
        assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), MetadataInvalid);
    }
}

#[tokio::test]
async fn dsc_22_an_authorization_endpoint_may_not_set_our_parameters() {
    let idp = Idp::start().await;
    for tail in ["?state=x", "?redirect_uri=https://evil", "?a=b&client_id=x", "?%73tate=x", "#f"] {
        let url = format!("{}/authorize{tail}", idp.issuer);
        idp.metadata_with("authorization_endpoint", json!(url));
        assert_eq!(look(&idp, "ISSUER").await.unwrap_err(), EndpointInvalid, "{tail}");
    }
    idp.metadata_with("authorization_endpoint", json!(format!("{}/a?tenant=1", idp.issuer)));
    assert!(look(&idp, "ISSUER").await.is_ok());
}

#[tokio::test]
async fn dsc_24_an_acceptable_algorithm_must_be_offered() {
    let idp = Idp::start().await;
    let name = "id_token_signing_alg_values_supported";
    for (offered, expected) in [
        (json!(["none"]), Err(AlgorithmUnsupported)),
        (json!(["HS256"]), Err(AlgorithmUnsupported)),
        (json!(["none", "HS256", "RS1"]), Err(AlgorithmUnsupported)),
        (json!([]), Err(AlgorithmUnsupported)),
        (json!("RS256"), Err(MetadataInvalid)),
        (json!({"RS256": 1}), Err(MetadataInvalid)),
        (Value::Null, Ok(Algorithm::Rs256)),
        (json!(["none", "ES256", "RS256"]), Ok(Algorithm::Rs256)),
        (json!(["HS256", "ES384", "PS256"]), Ok(Algorithm::Ps256)),
        (json!(["EdDSA"]), Ok(Algorithm::EdDsa)),
    ] {
        idp.metadata_with(name, offered.clone());
        let found = look(&idp, "ISSUER").await.map(|found| found.signing_algorithm);
        assert_eq!(found, expected, "{offered}");
    }
}

#[tokio::test]
async fn mix_07_endpoints_at_another_domain_are_warned_of() {
    let strict = Outbound::new(&config::Outbound::default()).unwrap();
    let warnings = |issuer: &str, token: &str| {
        let members = json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/a"),
            "token_endpoint": token, "jwks_uri": format!("{issuer}/k")});
        Metadata::parse(members.to_string().as_bytes(), &strict).unwrap().warnings
    };
    assert!(warnings("https://acme.okta.com", "https://login.okta.com/t").is_empty());
    assert!(
        warnings("https://accounts.google.com", "https://oauth2.googleapis.com/token").is_empty()
    );
    let warned = warnings("https://evil.example", "https://acme.okta.com/t");
    assert!(warned[0].contains("token_endpoint") && warned[0].contains("acme.okta.com"));
}

#[test]
fn a_connection_left_to_the_metadata_takes_rs256_where_it_is_offered() {
    let strict = Outbound::new(&config::Outbound::default()).unwrap();
    let members = json!({"issuer": "https://i.example", "token_endpoint": "https://i.example/t",
        "authorization_endpoint": "https://i.example/a", "jwks_uri": "https://i.example/k",
        "id_token_signing_alg_values_supported": ["ES256"]});
    let metadata = Metadata::parse(members.to_string().as_bytes(), &strict).unwrap();
    let chosen = |choice| metadata.algorithm(choice).unwrap();
    assert_eq!(chosen(SigningAlgorithm::Auto), Algorithm::Es256);
    assert_eq!(chosen(SigningAlgorithm::Pinned(Algorithm::Rs256)), Algorithm::Rs256);
}
