//! ID tokens: hand-made, one thing wrong in each.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::keys::{self, Key};
use crate::base::failure::FailureCode::{self, *};
use crate::base::secret::base64url;
use crate::base::time::{Clock, Timestamp};
use crate::base::trace::{Outcome, Trace};
use crate::upstream::oidc::algorithm::Algorithm;
use crate::upstream::oidc::id_token::{Expectation, FreshLogin, validate};
use crate::upstream::oidc::jwks::KeySet;

const ISSUER: &str = "https://idp.example";
const NOW_S: i64 = 1_800_000_000;

fn expectation() -> Expectation<'static> {
    Expectation {
        issuer: ISSUER,
        client_id: "client",
        trusted_audiences: &[],
        nonce: "n0nce",
        access_token: "at",
        asked_at: Timestamp::from_ms((NOW_S - 10) * 1000),
        leeway_s: 60,
        max_iat_age_s: 600,
        required_acr: &[],
        fresh_login: FreshLogin::NotAsked,
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "00u1", "aud": "client", "exp": NOW_S + 300, "iat": NOW_S,
        "nonce": "n0nce"})
}

/// The claims with one of them replaced, or taken out by `Value::Null` of [`without`].
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn rsa_set() -> KeySet {
    set(Algorithm::Rs256, &[keys::rsa().jwk(json!({"kid": "k1"}))])
}

fn set(algorithm: Algorithm, jwks: &[Value]) -> KeySet {
    KeySet::parse(&keys::set(jwks), algorithm).unwrap()
}

fn judge_as(
    token: &str,
    keys: &KeySet,
    expectation: &Expectation<'_>,
) -> Result<Vec<String>, FailureCode> {
    let mut trace = Trace::new(Clock::system());
    let now = Timestamp::from_ms(NOW_S * 1000);
    validate(token, keys, expectation, now, &mut trace).map_err(|failure| failure.code)?;
    let warned = trace.steps().filter(|step| step.outcome == Outcome::Warning);
    Ok(warned.map(|step| step.name.to_string()).collect())
}

/// The verdict on a token, RS256 and all else as it should be.
fn judge(token: &str) -> Result<(), FailureCode> {
    judge_as(token, &rsa_set(), &expectation()).map(drop)
}

fn judge_claims(claims: &Value) -> Result<(), FailureCode> {
    judge(&keys::rsa().rs256(claims))
}

fn judge_expecting(claims: &Value, expectation: &Expectation<'_>) -> Result<(), FailureCode> {
    judge_as(&keys::rsa().rs256(claims), &rsa_set(), expectation).map(drop)
}

/// A token with this header, signed by the right key with RS256.
fn judge_header(header: &str) -> Result<(), FailureCode> {
    let payload = claims().to_string();
    judge(&keys::rsa().token(Algorithm::Rs256, header.as_bytes(), payload.as_bytes()))
}

fn judge_payload(payload: &[u8]) -> Result<(), FailureCode> {
    judge(&keys::rsa().token(Algorithm::Rs256, br#"{"alg":"RS256","kid":"k1"}"#, payload))
}

#[test]
fn a_good_token_is_accepted() {
    assert_eq!(judge_claims(&claims()), Ok(()));
}

#[test]
fn idt_01_02_03_another_issuer_is_refused() {
    for iss in [
        json!("https://idp.example1"),
        json!("https://idp.example/"),
        json!("https://IDP.example"),
        json!("https://idp.example:443"),
        json!("http://idp.example"),
        json!(""),
        json!([ISSUER]),
        json!(1),
        Value::Null,
    ] {
        assert_eq!(judge_claims(&with("iss", iss.clone())), Err(IdTokenIss), "{iss}");
    }
    assert_eq!(judge_claims(&without("iss")), Err(IdTokenIss));
}

#[test]
fn idt_04_mix_11_a_token_for_somebody_else_is_refused() {
    for aud in [
        json!("client1"),
        json!("Client"),
        json!(""),
        json!([]),
        Value::Null,
        json!(1),
        json!([123]),
        json!(["client", 123]),
        json!([["client"]]),
        json!({"client": 1}),
    ] {
        assert_eq!(judge_claims(&with("aud", aud.clone())), Err(IdTokenAud), "{aud}");
    }
    assert_eq!(judge_claims(&without("aud")), Err(IdTokenAud));
}

#[test]
fn idt_05_an_audience_in_a_list_is_accepted() {
    assert_eq!(judge_claims(&with("aud", json!(["client"]))), Ok(()));
}

#[test]
fn idt_06_07_08_other_audiences_must_be_trusted_and_need_an_azp() {
    let two = json!(["client", "other"]);
    assert_eq!(judge_claims(&with("aud", two.clone())), Err(IdTokenAudExtra));
    let mut with_azp = with("aud", two.clone());
    with_azp["azp"] = json!("client");
    assert_eq!(judge_claims(&with_azp), Err(IdTokenAudExtra));
    let trusted = ["other".to_owned()];
    let trusting = Expectation { trusted_audiences: &trusted, ..expectation() };
    assert_eq!(judge_expecting(&with_azp, &trusting), Ok(()));
    assert_eq!(judge_expecting(&with("aud", two), &trusting), Err(IdTokenAzp));
}

#[test]
fn idt_09_an_azp_of_somebody_else_is_refused() {
    for azp in [json!("other"), json!(["client"]), Value::Null, json!("")] {
        assert_eq!(judge_claims(&with("azp", azp.clone())), Err(IdTokenAzp), "{azp}");
    }
    assert_eq!(judge_claims(&with("azp", json!("client"))), Ok(()));
}

#[test]
fn idt_10_11_a_wrong_signature_is_refused() {
    let good = keys::rsa().rs256(&claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut flipped = signature.to_owned();
    let changed = if signature.starts_with('A') { "B" } else { "A" };
    flipped.replace_range(0..1, changed);
    assert_eq!(judge(&format!("{message}.{flipped}")), Err(IdTokenSig));
    assert_eq!(judge(&format!("{message}.")), Err(IdTokenSig));
    assert_eq!(judge(&keys::other_rsa().rs256(&claims())), Err(IdTokenSig));
    // Signed by another key of the same set, under the wrong kid.
    let both = set(
        Algorithm::Rs256,
        &[keys::rsa().jwk(json!({"kid": "k1"})), keys::other_rsa().jwk(json!({"kid": "k2"}))],
    );
    let crossed = keys::other_rsa().rs256(&claims());
    assert_eq!(judge_as(&crossed, &both, &expectation()).map(drop), Err(IdTokenSig));
    // The same claims, written with a space more than when they were signed.
    let header = base64url(br#"{"alg":"RS256","kid":"k1"}"#);
    let spaced = base64url(claims().to_string().replacen(':', ": ", 1).as_bytes());
    assert_eq!(judge(&format!("{header}.{spaced}.{signature}")), Err(IdTokenSig));
}

#[test]
fn idt_12_signatures_have_one_form() {
    let token = |key: &Key, algorithm: Algorithm| {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"k1"}}"#);
        key.token(algorithm, header.as_bytes(), claims().to_string().as_bytes())
    };
    let p256 = set(Algorithm::Es256, &[keys::p256().jwk(json!({"kid": "k1"}))]);
    let good = token(keys::p256(), Algorithm::Es256);
    assert!(judge_as(&good, &p256, &expectation()).is_ok());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let raw = base64_decode(signature);
    let mut der = vec![0x30, 70, 2, 33, 0];
    der.extend_from_slice(&raw[..32]);
    der.extend_from_slice(&[2, 33, 0]);
    der.extend_from_slice(&raw[32..]);
    for bad in [vec![0; 64], der, raw[..63].to_vec(), [&raw[..], &[0]].concat(), Vec::new()] {
        let token = format!("{message}.{}", base64url(&bad));
        assert_eq!(judge_as(&token, &p256, &expectation()).map(drop), Err(IdTokenSig));
    }
    let good = token(keys::rsa(), Algorithm::Rs256);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let raw = base64_decode(signature);
    for bad in [[&[0], &raw[..]].concat(), [&raw[..], &[0]].concat(), raw[1..].to_vec()] {
        assert_eq!(judge(&format!("{message}.{}", base64url(&bad))), Err(IdTokenSig));
    }
}

fn base64_decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn idt_13_an_unsigned_token_is_refused() {
    let payload = base64url(claims().to_string().as_bytes());
    for alg in [r#""none""#, r#""None""#, r#""NONE""#, r#""nOnE""#, r#""""#, "null", "1"] {
        let header = base64url(format!(r#"{{"alg":{alg},"kid":"k1"}}"#).as_bytes());
        assert_eq!(judge(&format!("{header}.{payload}.")), Err(IdTokenAlg), "{alg}");
        assert_eq!(judge(&format!("{header}.{payload}.AAAA")), Err(IdTokenAlg), "{alg}");
    }
    let header = base64url(br#"{"kid":"k1"}"#);
    assert_eq!(judge(&format!("{header}.{payload}.")), Err(IdTokenAlg));
    assert_eq!(judge_header(r#"{"alg":["RS256"],"kid":"k1"}"#), Err(IdTokenAlg));
    assert_eq!(judge_header(r#"{"alg":"rs256","kid":"k1"}"#), Err(IdTokenAlg));
}

#[test]
fn idt_14_a_shared_secret_is_no_key() {
    let jwk = keys::rsa().jwk(json!({}));
    let n = jwk["n"].as_str().unwrap().to_owned();
    let secrets: [&[u8]; 4] = [&keys::rsa().modulus(), n.as_bytes(), b"s3cret", b""];
    let message = format!(
        "{}.{}",
        base64url(br#"{"alg":"HS256","kid":"k1"}"#),
        base64url(claims().to_string().as_bytes())
    );
    for secret in secrets {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        let token = format!("{message}.{}", base64url(tag.as_ref()));
        assert_eq!(judge(&token), Err(IdTokenAlg));
    }
}

#[test]
fn idt_15_16_another_algorithm_than_the_pinned_one_is_refused() {
    let both = set(
        Algorithm::Rs256,
        &[keys::rsa().jwk(json!({"kid": "k1"})), keys::p256().jwk(json!({"kid": "k2"}))],
    );
    let payload = claims().to_string();
    let es256 =
        keys::p256().token(Algorithm::Es256, br#"{"alg":"ES256","kid":"k2"}"#, payload.as_bytes());
    assert_eq!(judge_as(&es256, &both, &expectation()).map(drop), Err(IdTokenAlg));
    let ps256 =
        keys::rsa().token(Algorithm::Ps256, br#"{"alg":"PS256","kid":"k1"}"#, payload.as_bytes());
    assert_eq!(judge(&ps256), Err(IdTokenAlg));
    // The header says RS256, the signature is PS256.
    let lying =
        keys::rsa().token(Algorithm::Ps256, br#"{"alg":"RS256","kid":"k1"}"#, payload.as_bytes());
    assert_eq!(judge(&lying), Err(IdTokenSig));
    // The key says that it is for another algorithm.
    let other = set(Algorithm::Rs256, &[keys::rsa().jwk(json!({"kid": "k1", "alg": "PS256"}))]);
    let token = keys::rsa().rs256(&claims());
    assert_eq!(judge_as(&token, &other, &expectation()).map(drop), Err(IdTokenAlg));
}

#[test]
fn every_accepted_algorithm_verifies_its_own_tokens() {
    for algorithm in Algorithm::ALL {
        let key = match algorithm {
            Algorithm::Es256 => keys::p256(),
            Algorithm::Es384 => keys::p384(),
            Algorithm::Es512 => keys::p521(),
            Algorithm::EdDsa => keys::ed25519(),
            _ => keys::rsa(),
        };
        let header = format!(r#"{{"alg":"{algorithm}","kid":"k1"}}"#);
        let token = key.token(algorithm, header.as_bytes(), claims().to_string().as_bytes());
        let own = set(algorithm, &[key.jwk(json!({"kid": "k1"}))]);
        assert!(judge_as(&token, &own, &expectation()).is_ok(), "{algorithm}");
        let foreign = rsa_set();
        if algorithm != Algorithm::Rs256 {
            let verdict = judge_as(&token, &foreign, &expectation()).map(drop);
            assert_eq!(verdict, Err(IdTokenAlg), "{algorithm}");
        }
    }
}

#[test]
fn idt_17_keys_in_the_header_are_ignored_and_kid_is_only_looked_up() {
    let attacker = keys::other_rsa().jwk(json!({"kid": "k1"}));
    let header = json!({"alg": "RS256", "kid": "k1", "jwk": attacker,
        "jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/x", "x5c": ["AAAA"]});
    let header = header.to_string();
    assert_eq!(judge_header(&header), Ok(()));
    let forged = keys::other_rsa().token(
        Algorithm::Rs256,
        header.as_bytes(),
        claims().to_string().as_bytes(),
    );
    assert_eq!(judge(&forged), Err(IdTokenSig));
    let long = format!("\"{}\"", "k".repeat(10_000));
    for kid in
        ["\"../../k1\"", "\"k1' OR 1=1--\"", "\"K1\"", "\"\"", &long, "[\"k1\"]", "1", "null"]
    {
        let verdict = judge_header(&format!(r#"{{"alg":"RS256","kid":{kid}}}"#));
        assert_eq!(verdict, Err(IdTokenKid), "{kid:.40}");
    }
}

#[test]
fn idt_17_a_kid_of_10_kb_is_refused_even_if_a_key_has_it() {
    let long = "k".repeat(10_000);
    let keys = set(Algorithm::Rs256, &[keys::rsa().jwk(json!({"kid": long}))]);
    let header = json!({"alg": "RS256", "kid": long}).to_string();
    let payload = claims().to_string();
    let token = super::keys::rsa().token(Algorithm::Rs256, header.as_bytes(), payload.as_bytes());
    assert_eq!(judge_as(&token, &keys, &expectation()).map(drop), Err(IdTokenKid));
}

#[test]
fn idt_18_a_subject_is_1_to_255_printable_ascii_characters() {
    for sub in [
        json!(""),
        json!(7),
        Value::Null,
        json!("x".repeat(256)),
        json!("a\nb"),
        json!("a\u{7f}"),
        json!("."),
        json!("   "),
        json!("sübject"),
        json!(["00u1"]),
    ] {
        assert_eq!(judge_claims(&with("sub", sub.clone())), Err(IdTokenSub), "{sub}");
    }
    assert_eq!(judge_claims(&without("sub")), Err(IdTokenSub));
    for sub in ["x", "auth0|5f7c", "a b", "Abc ", &"x".repeat(255)] {
        assert_eq!(judge_claims(&with("sub", json!(sub))), Ok(()), "{sub}");
    }
}

#[test]
fn idt_19_a_huge_token_is_refused_before_it_is_read() {
    let started = std::time::Instant::now();
    for huge in [
        ".".repeat(5_000_000),
        format!("...{}", ".".repeat(5_000_000)),
        "a".repeat(8_000_000),
        format!("{0}.{0}.{0}", "A".repeat(1_000_000)),
    ] {
        assert_eq!(judge(&huge), Err(IdTokenFormat));
    }
    assert_eq!(judge_claims(&with("x", json!("x".repeat(64 * 1024)))), Err(IdTokenFormat));
    assert!(started.elapsed().as_secs() < 2);
}

#[test]
fn idt_20_only_a_signed_token_in_compact_form_is_one() {
    let good = keys::rsa().rs256(&claims());
    let mut parts = good.split('.');
    let (header, payload) = (parts.next().unwrap(), parts.next().unwrap());
    let jwe = format!("{}.a.b.c.d", base64url(br#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#));
    let json_form = json!({"protected": header, "payload": payload, "signature": "AA"});
    for bad in [
        jwe.as_str(),
        &json_form.to_string(),
        &format!("{header}.{payload}"),
        &format!("{good}.AA"),
        "",
        "..",
        "a",
    ] {
        let verdict = judge(bad);
        assert!(matches!(verdict, Err(IdTokenFormat | IdTokenJson)), "{bad:.60} {verdict:?}");
    }
    assert_eq!(judge(&jwe), Err(IdTokenFormat));
    let nested = keys::rsa().token(
        Algorithm::Rs256,
        br#"{"alg":"RS256","kid":"k1","cty":"JWT"}"#,
        good.as_bytes(),
    );
    assert_eq!(judge(&nested), Err(IdTokenFormat));
}

#[test]
fn idt_21_clk_01_an_expired_token_is_refused_after_the_leeway() {
    for (away_s, verdict) in
        [(-61, Err(IdTokenExp)), (-60, Err(IdTokenExp)), (-59, Ok(())), (1, Ok(()))]
    {
        assert_eq!(judge_claims(&with("exp", json!(NOW_S + away_s))), verdict, "{away_s}");
    }
    assert_eq!(judge_claims(&without("exp")), Err(IdTokenExp));
}

#[test]
fn idt_22_a_date_that_is_no_number_is_refused() {
    for name in ["exp", "nbf", "iat"] {
        for value in [json!("1800000000"), json!(true), json!({}), json!([NOW_S]), Value::Null] {
            assert_eq!(
                judge_claims(&with(name, value.clone())),
                Err(IdTokenType),
                "{name} {value}"
            );
        }
    }
}

#[test]
fn idt_23_fractions_of_seconds_are_cut_off() {
    assert_eq!(judge_claims(&with("exp", json!(NOW_S as f64 + 0.5))), Ok(()));
    assert_eq!(judge_claims(&with("exp", json!(NOW_S as f64 - 60.0 + 0.9))), Err(IdTokenExp));
}

#[test]
fn idt_24_absurd_dates_are_refused_without_overflow() {
    let dated = |name: &str, text: &str| {
        let payload = with(name, json!("HERE")).to_string().replace("\"HERE\"", text);
        judge_payload(payload.as_bytes())
    };
    let digits = "9".repeat(400);
    for name in ["exp", "nbf", "iat"] {
        for text in ["1e300", "-1", "-0.5", "9223372036854775808", "18446744073709551616"] {
            assert_eq!(dated(name, text), Err(IdTokenType), "{name} {text}");
        }
        for text in ["NaN", "Infinity", "1e400", &digits] {
            assert_eq!(dated(name, text), Err(IdTokenJson), "{name} {text:.20}");
        }
    }
    assert_eq!(dated("exp", "9223372036854775807"), Ok(()));
    assert_eq!(dated("iat", "9223372036854775807"), Err(IdTokenIat));
    assert_eq!(dated("nbf", "9223372036854775807"), Err(IdTokenNbf));
    assert_eq!(dated("iat", "0"), Err(IdTokenIatStale));
}

#[test]
fn idt_25_a_very_long_life_is_accepted_with_a_warning() {
    let claims = with("exp", json!(NOW_S + 10 * 365 * 86_400));
    let warned = judge_as(&keys::rsa().rs256(&claims), &rsa_set(), &expectation());
    assert_eq!(warned, Ok(vec!["id_token.exp".to_owned()]));
}

#[test]
fn idt_26_27_28_the_time_of_issue_is_required_and_bounded() {
    assert_eq!(judge_claims(&without("iat")), Err(IdTokenIat));
    for (away_s, verdict) in [
        (61, Err(IdTokenIat)),
        (60, Ok(())),
        (59, Ok(())),
        (10, Ok(())),
        (-300, Ok(())),
        (-610, Ok(())),
        (-611, Err(IdTokenIatStale)),
        (-86_400, Err(IdTokenIatStale)),
    ] {
        assert_eq!(judge_claims(&with("iat", json!(NOW_S + away_s))), verdict, "{away_s}");
    }
}

#[test]
fn idt_29_30_the_nonce_is_that_of_this_sign_in() {
    for nonce in [
        json!("n0nce1"),
        json!("N0NCE"),
        json!("other"),
        json!(["n0nce"]),
        json!(""),
        Value::Null,
        json!(1),
    ] {
        assert_eq!(judge_claims(&with("nonce", nonce.clone())), Err(IdTokenNonce), "{nonce}");
    }
    assert_eq!(judge_claims(&without("nonce")), Err(IdTokenNonce));
}

#[test]
fn idt_32_an_at_hash_is_checked_where_there_is_one() {
    let hash = crate::base::secret::sha256(b"at");
    assert_eq!(judge_claims(&with("at_hash", json!(base64url(&hash[..16])))), Ok(()));
    for wrong in [
        json!(base64url(&hash[16..])),
        json!(base64url(&hash)),
        json!(base64url(&hash[..15])),
        json!(format!("{}=", base64url(&hash[..16]))),
        json!(""),
        json!([base64url(&hash[..16])]),
        Value::Null,
    ] {
        assert_eq!(judge_claims(&with("at_hash", wrong.clone())), Err(IdTokenAtHash), "{wrong}");
    }
}

#[test]
fn idt_33_a_required_context_must_be_reached() {
    let required = ["mfa".to_owned(), "phr".to_owned()];
    let strict = Expectation { required_acr: &required, ..expectation() };
    assert_eq!(judge_expecting(&with("acr", json!("phr")), &strict), Ok(()));
    assert_eq!(judge_expecting(&without("acr"), &strict), Err(IdTokenAcr));
    for acr in [json!("pwd"), json!(["mfa"]), json!("mfa "), json!("")] {
        assert_eq!(judge_expecting(&with("acr", acr.clone()), &strict), Err(IdTokenAcr), "{acr}");
    }
}

#[test]
fn idt_34_a_fresh_login_is_proven_by_auth_time() {
    let asked_s = NOW_S - 10;
    let fresh = Expectation { fresh_login: FreshLogin::Proven, ..expectation() };
    for (auth_time, verdict) in [
        (json!(asked_s), Ok(())),
        (json!(asked_s - 60), Ok(())),
        (json!(asked_s - 61), Err(IdTokenAuthTime)),
        (json!(asked_s - 86_400), Err(IdTokenAuthTime)),
        (json!("1"), Err(IdTokenType)),
    ] {
        let claims = with("auth_time", auth_time.clone());
        assert_eq!(judge_expecting(&claims, &fresh), verdict, "{auth_time}");
    }
    assert_eq!(judge_expecting(&claims(), &fresh), Err(IdTokenAuthTime));
    let lenient = Expectation { fresh_login: FreshLogin::Believed, ..expectation() };
    assert_eq!(judge_expecting(&claims(), &lenient), Ok(()));
    let old = with("auth_time", json!(asked_s - 86_400));
    assert_eq!(judge_expecting(&old, &lenient), Err(IdTokenAuthTime));
    assert_eq!(judge_claims(&old), Ok(()));
}

#[test]
fn idt_35_headers_that_change_the_meaning_are_refused() {
    assert_eq!(judge_claims(&with("nbf", json!(NOW_S + 61))), Err(IdTokenNbf));
    assert_eq!(judge_claims(&with("nbf", json!(NOW_S + 60))), Ok(()));
    for (more, verdict) in [
        (r#","crit":["x"],"x":1"#, Err(IdTokenCrit)),
        (r#","crit":[]"#, Err(IdTokenCrit)),
        (r#","b64":false"#, Err(IdTokenCrit)),
        (r#","b64":true"#, Err(IdTokenCrit)),
        (r#","zip":"DEF""#, Err(IdTokenCrit)),
        (r#","typ":"at+jwt""#, Err(IdTokenTyp)),
        (r#","typ":"application/at+jwt""#, Err(IdTokenTyp)),
        (r#","typ":"logout+jwt""#, Err(IdTokenTyp)),
        (r#","typ":"dpop+jwt""#, Err(IdTokenTyp)),
        (r#","typ":"client-authentication+jwt""#, Err(IdTokenTyp)),
        (r#","typ":["JWT"]"#, Err(IdTokenTyp)),
        (r#","typ":"JWT""#, Ok(())),
        (r#","typ":"jwt""#, Ok(())),
        ("", Ok(())),
    ] {
        let header = format!(r#"{{"alg":"RS256","kid":"k1"{more}}}"#);
        assert_eq!(judge_header(&header), verdict, "{more}");
    }
}

#[test]
fn idt_36_json_that_two_parsers_read_differently_is_refused() {
    let good = claims().to_string();
    let doubled = |more: &str| good.replacen('{', &format!("{{{more},"), 1).into_bytes();
    let deep = format!(r#""x":{}{}"#, "[".repeat(1000), "]".repeat(1000));
    for payload in [
        doubled(r#""sub":"evil""#),
        doubled(r#""email":"a@b.c","email":"d@e.f""#),
        doubled(r#""x":"\ud800""#),
        doubled(&deep),
        [b"\xef\xbb\xbf", good.as_bytes()].concat(),
        [good.as_bytes(), b"\0"].concat(),
        good.replace("00u1", "\u{1}").into_bytes(),
        good.as_bytes().iter().map(|b| if *b == b'u' { 0xff } else { *b }).collect(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        Vec::new(),
    ] {
        assert_eq!(
            judge_payload(&payload),
            Err(IdTokenJson),
            "{}",
            String::from_utf8_lossy(&payload)
        );
    }
    let header = r#"{"alg":"none","alg":"RS256","kid":"k1"}"#;
    assert_eq!(judge_header(header), Err(IdTokenJson));
    assert_eq!(judge_header("{}x"), Err(IdTokenJson));
}

#[test]
fn idt_37_base64url_has_one_form() {
    let good = keys::rsa().rs256(&claims());
    let (header, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    // The header has 26 bytes: one character of padding, and bits left over in the last one.
    assert_eq!(header.len() % 4, 3);
    let (start, last) = header.split_at(header.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    for bad in [
        format!("{header}=.{payload}.{signature}"),
        format!("{start}{next}.{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}.{}+", &signature[1..]),
        format!("{header}.{payload}.{}/", &signature[1..]),
        format!("{header}.{payload}.{}\n{}", &signature[..4], &signature[4..]),
        format!("{header}\n.{payload}.{signature}"),
        format!(" {good}"),
        format!("{good} "),
        format!("{header}.{payload}.é"),
    ] {
        assert_eq!(judge(&bad), Err(IdTokenFormat), "{bad}");
    }
    // The payload is signed as it is written, so its form is looked at after the signature.
    let odd = format!("{header}.{payload}=");
    let signed = keys::rsa().sign(Algorithm::Rs256, odd.as_bytes());
    assert_eq!(judge(&format!("{odd}.{}", base64url(&signed))), Err(IdTokenFormat));
}
