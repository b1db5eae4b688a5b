//! Key sets, entry by entry.

use serde_json::{Value, json};

use super::keys::{self, Key};
use crate::base::failure::FailureCode::{self, *};
use crate::base::secret::base64url;
use crate::upstream::oidc::algorithm::Algorithm;
use crate::upstream::oidc::jwks::KeySet;

const MESSAGE: &[u8] = b"message";

fn parse(algorithm: Algorithm, jwks: &[Value]) -> KeySet {
    KeySet::parse(&keys::set(jwks), algorithm).unwrap()
}

/// Whether a set verifies what a key signed.
fn verify(
    jwks: &[Value],
    key: &Key,
    algorithm: Algorithm,
    kid: Option<&str>,
) -> Result<(), FailureCode> {
    let signature = key.sign(algorithm, MESSAGE);
    let verdict = parse(algorithm, jwks).verify(kid, MESSAGE, &signature);
    verdict.map_err(|failure| failure.code)
}

fn rs256(jwks: &[Value], kid: Option<&str>) -> Result<(), FailureCode> {
    verify(jwks, keys::rsa(), Algorithm::Rs256, kid)
}

#[test]
fn jwk_03_a_token_without_kid_uses_the_one_key_that_fits() {
    let encryption = keys::other_rsa().jwk(json!({"use": "enc", "kid": "e"}));
    let set = [encryption, keys::p256().jwk(json!({})), keys::rsa().jwk(json!({"use": "sig"}))];
    assert_eq!(rs256(&set, None), Ok(()));
    assert_eq!(rs256(&set[..2], None), Err(IdTokenKid));
}

#[test]
fn jwk_04_without_kid_ten_keys_are_tried() {
    let wrong = |count| vec![keys::other_rsa().jwk(json!({})); count];
    let right = || keys::rsa().jwk(json!({}));
    assert_eq!(rs256(&[wrong(2), vec![right()]].concat(), None), Ok(()));
    assert_eq!(rs256(&[wrong(9), vec![right()]].concat(), None), Ok(()));
    assert_eq!(rs256(&[wrong(49), vec![right()]].concat(), None), Err(IdTokenKidAmbiguous));
    assert_eq!(rs256(&wrong(3), None), Err(IdTokenSig));
}

#[test]
fn jwk_05_a_kid_that_is_there_twice_is_tried_twice() {
    let kid = json!({"kid": "k1"});
    let set = [
        keys::p256().jwk(kid.clone()),
        keys::other_rsa().jwk(kid.clone()),
        keys::rsa().jwk(kid.clone()),
    ];
    assert_eq!(rs256(&set, Some("k1")), Ok(()));
    assert!(parse(Algorithm::Rs256, &set).warnings[0].contains("duplicate_kid"));
    // The same kid for keys of two kinds is no duplicate.
    assert!(parse(Algorithm::Rs256, &set[..2]).warnings.is_empty());
}

#[test]
fn jwk_06_a_key_for_another_use_is_passed_over() {
    for more in [
        json!({"use": "enc"}),
        json!({"use": "banana"}),
        json!({"use": null}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": []}),
        json!({"key_ops": "verify"}),
        json!({"use": "enc", "key_ops": ["verify"]}),
    ] {
        let jwk = keys::rsa().jwk(more.clone());
        assert_eq!(rs256(&[jwk], None), Err(IdTokenKid), "{more}");
    }
    let jwk = keys::rsa().jwk(json!({"use": "sig", "key_ops": ["sign", "verify"]}));
    assert_eq!(rs256(&[jwk], None), Ok(()));
}

#[test]
fn jwk_07_an_entry_that_is_not_understood_does_not_spoil_the_others() {
    let odd = [
        json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
        json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
        keys::other_rsa().jwk(json!({"alg": "RS1024"})),
        keys::other_rsa().jwk(json!({"use": "banana"})),
        Value::Null,
        json!("text"),
        json!([]),
        json!({"kty": "RSA", "e": "AQAB"}),
        json!({"kty": "RSA", "n": 5, "e": "AQAB"}),
        json!({"kty": "RSA", "n": "!!", "e": "AQAB"}),
        json!({"kty": 1}),
        json!({}),
    ];
    let set = [&odd[..], &[keys::rsa().jwk(json!({"kid": "k1"}))]].concat();
    assert_eq!(rs256(&set, Some("k1")), Ok(()));
    assert_eq!(rs256(&set, None), Ok(()));
}

#[test]
fn jwk_08_a_shared_secret_in_the_set_is_never_a_key() {
    let oct = json!({"kty": "oct", "kid": "k1", "k": base64url(b"s3cret"), "alg": "HS256"});
    assert_eq!(rs256(&[oct], Some("k1")), Err(IdTokenKid));
    let oct = json!({"kty": "oct", "kid": "k1", "k": base64url(&keys::rsa().modulus())});
    for algorithm in Algorithm::ALL {
        let set = parse(algorithm, std::slice::from_ref(&oct));
        let verdict = set.verify(Some("k1"), MESSAGE, b"x").map_err(|failure| failure.code);
        assert_eq!(verdict, Err(IdTokenKid), "{algorithm}");
    }
}

#[test]
fn jwk_10_13_weak_and_oversized_keys_are_passed_over() {
    let n = |bytes: usize, last: u8| {
        let mut n = vec![0xff; bytes];
        n[bytes - 1] = last;
        base64url(&n)
    };
    let good_n = base64url(&keys::rsa().modulus());
    let rsa = |n: &str, e: &[u8]| json!({"kty": "RSA", "n": n, "e": base64url(e)});
    let usable = |jwk: Value| {
        let set = parse(Algorithm::Rs256, &[jwk]);
        let code = set.verify(None, MESSAGE, &[1; 256]).unwrap_err().code;
        assert!(matches!(code, IdTokenSig | IdTokenKid));
        code == IdTokenSig
    };
    assert!(usable(rsa(&good_n, &[1, 0, 1])));
    assert!(usable(rsa(&good_n, &[3])));
    assert!(usable(rsa(&good_n, &[0, 0, 3])), "leading zeros are only a habit");
    assert!(usable(rsa(&n(1024, 0xff), &[1, 0, 1])), "8192 bits");
    for (jwk, why) in [
        (rsa(&n(255, 0xff), &[1, 0, 1]), "2040 bits"),
        (rsa(&n(128, 0xff), &[1, 0, 1]), "1024 bits"),
        (rsa(&n(2048, 0xff), &[1, 0, 1]), "16384 bits"),
        (rsa(&n(256, 0xfe), &[1, 0, 1]), "even"),
        (rsa(&good_n, &[1]), "e=1"),
        (rsa(&good_n, &[2]), "e=2"),
        (rsa(&good_n, &[1, 0, 0]), "e even"),
        (rsa(&good_n, &[16, 0, 0, 0, 0, 0, 0, 1]), "e=2^60+1"),
        (rsa(&good_n, &[2, 0, 0, 0, 1]), "e=2^33+1"),
        (rsa(&good_n, &[]), "no e"),
        (rsa("", &[1, 0, 1]), "no n"),
    ] {
        assert!(!usable(jwk), "{why}");
    }
}

#[test]
fn jwk_13_points_that_are_no_keys_are_passed_over() {
    let ec = |x: &[u8], y: &[u8]| json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)});
    let good = keys::p256().jwk(json!({}));
    let p256 = |jwk: Value| verify(&[jwk], keys::p256(), Algorithm::Es256, None);
    assert_eq!(p256(good.clone()), Ok(()));
    for (jwk, why) in [
        (ec(&[1; 32], &[1; 32]), "off the curve"),
        (ec(&[0; 32], &[0; 32]), "zero"),
        (ec(&[], &[]), "infinity"),
        (ec(&[1; 31], &[1; 32]), "short"),
        (ec(&[1; 33], &[1; 32]), "long"),
        (keys::p384().jwk(json!({"crv": "P-256"})), "of another curve"),
        (keys::p256().jwk(json!({"crv": "P-384"})), "called another curve"),
        (keys::p256().jwk(json!({"crv": "secp256k1"})), "secp256k1"),
    ] {
        assert_eq!(p256(jwk), Err(IdTokenKid), "{why}");
    }
    let ed = |x: &[u8]| {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(x)});
        verify(&[jwk], keys::ed25519(), Algorithm::EdDsa, None)
    };
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let mut one = [0; 32];
    one[0] = 1;
    let mut signed_one = one;
    signed_one[31] = 0x80;
    for low_order in [[0; 32], one, signed_one, minus_one, [0xff; 32].map(|_| 0)] {
        assert_eq!(ed(&low_order), Err(IdTokenKid));
    }
    assert_eq!(ed(&[1; 31]), Err(IdTokenKid));
}

#[test]
fn jwk_10_12_what_is_no_key_set_is_refused() {
    let many = keys::set(&vec![json!({"kty": "x"}); 101]);
    for body in [
        &b"<html>"[..],
        b"",
        b"{}",
        br#"{"keys":{}}"#,
        br#"{"keys":null}"#,
        br#"[{"kty":"RSA"}]"#,
        br#"{"keys":[],"keys":[]}"#,
        &many,
    ] {
        let failure = KeySet::parse(body, Algorithm::Rs256).unwrap_err();
        assert_eq!(failure.code, JwksInvalid);
    }
    assert_eq!(rs256(&[], Some("k1")), Err(IdTokenKid));
    assert!(KeySet::parse(&keys::set(&vec![Value::Null; 100]), Algorithm::Rs256).is_ok());
}

#[test]
fn jwk_18_a_private_key_in_the_set_is_used_as_a_public_one_and_warned_of() {
    let jwk = keys::rsa().jwk(json!({"d": "c2VjcmV0"}));
    let set = parse(Algorithm::Rs256, std::slice::from_ref(&jwk));
    assert!(set.warnings[0].contains("private"));
    assert!(!format!("{set:?}").contains("c2VjcmV0"));
    assert_eq!(rs256(&[jwk], None), Ok(()));
}
