//! The way there, and the answer of the authorization endpoint.

use serde_json::json;

use super::idp::{REDIRECT_URI, World};
use crate::base::failure::FailureCode;
use crate::base::secret::{base64url, sha256};
use crate::upstream::oidc::{Answer, Arrival, GroupsScope, Kind};
use crate::upstream::{self, Ask, Wishes};

fn asking(wishes: Wishes) -> Ask {
    Ask { wishes, ..World::ask() }
}

fn parameters(url: &str) -> Vec<(String, String)> {
    url::Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = parameters.iter().filter(|(other, _)| other == name);
    let value = found.next().map(|(_, value)| value.as_str());
    assert!(found.next().is_none(), "{name} twice");
    value
}

#[tokio::test]
async fn a_request_has_each_parameter_once_with_state_nonce_and_pkce() {
    let mut world = World::new().await;
    let departure = world.begin(&World::ask()).await.unwrap();
    let upstream::Memory::Oidc(memory) = departure.memory;
    let sent = parameters(&departure.url);
    assert_eq!(value(&sent, "response_type"), Some("code"));
    assert_eq!(value(&sent, "client_id"), Some("client"));
    assert_eq!(value(&sent, "redirect_uri"), Some(REDIRECT_URI));
    assert_eq!(value(&sent, "state"), Some("st"));
    assert_eq!(value(&sent, "scope"), Some("openid profile email groups"));
    assert_eq!(value(&sent, "nonce"), Some(memory.nonce.as_str()));
    let challenge = base64url(&sha256(memory.code_verifier.as_ref().unwrap().as_bytes()));
    assert_eq!(value(&sent, "code_challenge"), Some(challenge.as_str()));
    assert_eq!(value(&sent, "code_challenge_method"), Some("S256"));
    assert_eq!(value(&sent, "prompt"), None);
    assert!(memory.code_verifier.as_ref().unwrap().len() >= 43);
    let again = world.begin(&World::ask()).await.unwrap();
    assert_ne!(value(&parameters(&again.url), "nonce"), Some(memory.nonce.as_str()));
    let shown = format!("{memory:?}");
    assert!(!shown.contains(&memory.nonce), "the nonce prints");
}

#[tokio::test]
async fn idp_08_groups_are_asked_for_only_where_they_are_offered() {
    for (offered, policy, asked) in [
        (true, GroupsScope::IfSupported, true),
        (false, GroupsScope::IfSupported, false),
        (false, GroupsScope::Always, true),
        (true, GroupsScope::Never, false),
    ] {
        let mut world = World::new().await;
        if !offered {
            world.idp.metadata_with("scopes_supported", json!(["openid"]));
        }
        world.settings.groups_scope = policy;
        let sent = parameters(&world.begin(&World::ask()).await.unwrap().url);
        let scope = value(&sent, "scope").unwrap();
        assert_eq!(scope.split(' ').any(|one| one == "groups"), asked, "{offered} {policy:?}");
    }
}

#[tokio::test]
async fn auz_18_hints_are_sent_once_encoded_or_not_at_all() {
    let mut world = World::new().await;
    for (hint, sent_as) in [
        ("ada@corp.com", Some("ada@corp.com")),
        ("\"><svg>&prompt=none", Some("\"><svg>&prompt=none")),
        ("a\r\nb", None),
        ("a\0", None),
        (&"x".repeat(513), None),
        ("", None),
    ] {
        let hint = Some(hint.to_owned());
        let ask =
            asking(Wishes { login_hint: hint.clone(), domain_hint: hint, ..Wishes::default() });
        let sent = parameters(&world.begin(&ask).await.unwrap().url);
        assert_eq!(value(&sent, "login_hint"), sent_as);
        assert_eq!(value(&sent, "domain_hint"), sent_as);
        assert_eq!(value(&sent, "prompt"), None);
    }
    world.settings.kind = Kind::GoogleOidc;
    let ask = asking(Wishes { domain_hint: Some("corp.com".into()), ..Wishes::default() });
    let sent = parameters(&world.begin(&ask).await.unwrap().url);
    assert_eq!(value(&sent, "hd"), Some("corp.com"));
}

#[tokio::test]
async fn auz_19_the_application_cannot_set_parameters_of_the_protocol() {
    let mut world = World::new().await;
    world.idp.metadata_with(
        "authorization_endpoint",
        json!(format!("{}/authorize?tenant=1&x=%20y", world.idp.issuer)),
    );
    for name in [
        "state",
        "nonce",
        "redirect_uri",
        "client_id",
        "response_mode",
        "response_type",
        "scope",
        "code_challenge",
        "request",
        "request_uri",
        "prompt",
        "max_age",
        "STATE",
        "tenant",
        "",
        "client_secret",
        "a\r\nb",
    ] {
        let provider_query_params = vec![(name.to_owned(), "evil".to_owned())];
        let ask = asking(Wishes { provider_query_params, ..Wishes::default() });
        assert_eq!(world.begin(&ask).await.unwrap_err(), FailureCode::ReservedParam, "{name}");
    }
    for scope in ["a b", "", "a\"b", "ö", "a&state=x\n"] {
        let ask = asking(Wishes { provider_scopes: vec![scope.to_owned()], ..Wishes::default() });
        assert_eq!(world.begin(&ask).await.unwrap_err(), FailureCode::ReservedParam, "{scope}");
    }
    let pair = |name: &str| (name.to_owned(), "1".to_owned());
    let ask =
        asking(Wishes { provider_query_params: vec![pair("a"), pair("a")], ..Wishes::default() });
    assert_eq!(world.begin(&ask).await.unwrap_err(), FailureCode::ReservedParam);
    let ask = asking(Wishes {
        provider_query_params: vec![pair("ui_locales"), pair("idp")],
        provider_scopes: vec!["offline_access".into(), "openid".into()],
        ..Wishes::default()
    });
    let url = world.begin(&ask).await.unwrap().url;
    let sent = parameters(&url);
    assert_eq!(value(&sent, "idp"), Some("1"));
    assert_eq!(value(&sent, "scope"), Some("openid profile email offline_access groups"));
    assert!(url.contains("/authorize?tenant=1&x=%20y&response_type=code&"), "{url}");
}

#[test]
fn csr_09_known_parameters_come_once_and_code_excludes_error() {
    for twice in [
        "code=a&code=a",
        "state=a&state=b&code=c",
        "code=a&iss=x&iss=x",
        "error=a&error=a",
        "code=a&error=b",
        "code=&code=a",
    ] {
        let failure = Arrival::parse(twice).unwrap_err();
        assert_eq!(failure.code, FailureCode::CallbackDuplicateParam, "{twice}");
    }
    let (state, arrival) =
        Arrival::parse("code=a%2Bb&state=x%20y&session_state=1&session_state=2&error=").unwrap();
    assert_eq!(state.as_deref(), Some("x y"));
    assert!(matches!(arrival.answer, Answer::Code(code) if code.expose() == "a+b"));
    assert!(matches!(Arrival::parse("state=x&code=").unwrap().1.answer, Answer::Nothing));
}

async fn returned(supported: bool, query: &str) -> (Result<(), FailureCode>, usize) {
    let mut world = World::new().await;
    if supported {
        world.idp.metadata_with("authorization_response_iss_parameter_supported", json!(true));
    }
    let memory = world.memory().await;
    let token = super::keys::rsa().rs256(&world.claims(&memory));
    world.idp.on("/token", World::tokens(&token));
    let query = query.replace("ISSUER", &world.idp.issuer);
    let result = world.finish(&memory, &query).await;
    (result.map(drop).map_err(|failure| failure.code), world.idp.seen("/token").len())
}

#[tokio::test]
async fn mix_03_an_answer_of_another_issuer_is_refused_before_its_code_is_used() {
    for iss in ["ISSUER/", "https%3A%2F%2Fevil.example", "HTTP://127.0.0.1"] {
        for supported in [true, false] {
            let (result, token_calls) = returned(supported, &format!("code=c&iss={iss}")).await;
            assert_eq!((result, token_calls), (Err(FailureCode::IssMismatch), 0), "{iss}");
        }
    }
}

#[tokio::test]
async fn mix_04_an_answer_without_the_promised_iss_is_refused() {
    assert_eq!(returned(true, "code=c").await, (Err(FailureCode::IssMissing), 0));
    assert_eq!(returned(true, "code=c&iss=").await, (Err(FailureCode::IssMissing), 0));
    assert_eq!(returned(true, "code=c&iss=ISSUER").await, (Ok(()), 1));
}

#[tokio::test]
async fn mix_05_an_iss_that_was_not_promised_is_compared_all_the_same() {
    assert_eq!(returned(false, "code=c&iss=ISSUER").await, (Ok(()), 1));
    assert_eq!(returned(false, "code=c&iss=ISSUER1").await, (Err(FailureCode::IssMismatch), 0));
}

#[tokio::test]
async fn mix_06_an_error_of_another_issuer_is_not_passed_on() {
    let query = "error=access_denied&iss=https://evil.example";
    assert_eq!(returned(false, query).await, (Err(FailureCode::IssMismatch), 0));
    assert_eq!(returned(true, "error=access_denied").await, (Err(FailureCode::IssMissing), 0));
}

#[tokio::test]
async fn mix_09_a_connection_that_changed_its_issuer_meanwhile_is_refused() {
    let mut world = World::new().await;
    let mut memory = world.memory().await;
    memory.issuer = "https://before.example".to_owned();
    let failure = world.finish(&memory, "code=c").await.unwrap_err();
    assert_eq!(failure.code, FailureCode::ConnectionChanged);
}

#[tokio::test]
async fn csr_10_idp_01_errors_become_ours_and_their_text_is_cut() {
    for (error, expected) in [
        ("access_denied", FailureCode::AccessDenied),
        ("login_required", FailureCode::AccessDenied),
        ("consent_required", FailureCode::AccessDenied),
        ("invalid_scope", FailureCode::IdpInvalidScope),
        ("server_error", FailureCode::IdpError),
        ("%3Cscript%3E", FailureCode::IdpError),
    ] {
        assert_eq!(returned(false, &format!("error={error}")).await.0, Err(expected), "{error}");
    }
    let mut world = World::new().await;
    let memory = world.memory().await;
    let query = format!("error=access_denied&error_description=User%0D%0A{}", "ü".repeat(5000));
    let failure = world.finish(&memory, &query).await.unwrap_err();
    let detail = failure.detail.unwrap();
    assert!(detail.len() <= 2048 && detail.starts_with("User  ü"), "{}", detail.len());
    assert_eq!(returned(false, "state=x").await.0, Err(FailureCode::CallbackWithoutCode));
}
