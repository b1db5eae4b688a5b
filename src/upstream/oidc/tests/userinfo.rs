//! The userinfo endpoint.

use serde_json::{Value, json};

use super::idp::{Reply, World};
use super::keys;
use crate::base::failure::FailureCode::{self, *};
use crate::base::trace::Outcome;
use crate::upstream::oidc::UserinfoPolicy;
use crate::upstream::{self, Groups};

async fn world() -> World {
    World::new().await
}

#[tokio::test]
async fn uin_10_the_access_token_goes_into_one_header_and_nowhere_else() {
    let mut world = world().await;
    world.login(|_| ()).await.unwrap();
    let seen = &world.idp.seen("/userinfo")[0];
    assert_eq!(seen.method, http::Method::GET);
    assert_eq!(seen.target, "/userinfo");
    assert_eq!(seen.headers["authorization"], "Bearer at");
    assert!(seen.body.is_empty());
    assert!(world.idp.seen("/keys")[0].headers.get("authorization").is_none());
}

async fn with_userinfo(userinfo: Reply) -> Result<upstream::Assertion, FailureCode> {
    let mut world = world().await;
    world.userinfo = userinfo;
    world.login(|claims| claims["email"] = json!("id@corp.com")).await
}

#[tokio::test]
async fn uin_01_userinfo_about_somebody_else_is_refused() {
    for sub in
        [json!("00u2"), json!("00U1"), json!("00u1 "), json!(1), Value::Null, json!(["00u1"])]
    {
        let reply = Reply::json(&json!({"sub": sub, "email": "ada@corp.com"}));
        assert_eq!(with_userinfo(reply).await.unwrap_err(), UserinfoSub, "{sub}");
    }
    let reply = Reply::json(&json!({"email": "ada@corp.com"}));
    assert_eq!(with_userinfo(reply).await.unwrap_err(), UserinfoSub);
}

#[tokio::test]
async fn uin_02_a_userinfo_that_fails_is_judged_by_the_policy() {
    for status in [401, 403, 404, 500, 302] {
        for (policy, email, expected) in [
            (UserinfoPolicy::Auto, true, Ok(())),
            (UserinfoPolicy::Auto, false, Err(UserinfoRefused)),
            (UserinfoPolicy::Required, true, Err(UserinfoRefused)),
            (UserinfoPolicy::Optional, true, Ok(())),
            (UserinfoPolicy::Optional, false, Err(EmailMissing)),
        ] {
            let mut world = world().await;
            world.userinfo = Reply::text("", "").status(status).header("location", "/x");
            world.settings.userinfo = policy;
            let result = world
                .login(|claims| {
                    if email {
                        claims["email"] = json!("id@corp.com");
                    }
                })
                .await;
            assert_eq!(result.map(drop), expected, "{status} {policy:?} {email}");
            let warned = world.trace.steps().any(|step| {
                step.outcome == Outcome::Warning && step.name.starts_with("userinfo.status")
            });
            let policy_goes_on = expected != Err(UserinfoRefused);
            assert_eq!(warned, policy_goes_on, "{status} {policy:?} {email}");
        }
    }
}

#[tokio::test]
async fn uin_03_each_side_has_the_last_word_on_its_own() {
    let userinfo = json!({"sub": "00u1", "email": "new@corp.com", "iss": "https://evil.example",
        "aud": "other", "acr": "phr", "auth_time": 1, "given_name": null, "family_name": "B"});
    let mut world = world().await;
    world.userinfo = Reply::json(&userinfo);
    let assertion = world
        .login(|claims| {
            claims["email"] = json!("old@corp.com");
            claims["email_verified"] = json!(true);
            claims["given_name"] = json!("A");
            claims["acr"] = json!("pwd");
        })
        .await
        .unwrap();
    assert_eq!(assertion.issuer, world.idp.issuer);
    assert_eq!(assertion.claims["aud"], "client");
    assert_eq!(assertion.acr.as_deref(), Some("pwd"));
    assert_eq!(assertion.profile.email.as_str(), "new@corp.com");
    // What was verified was the other address.
    assert_eq!(assertion.profile.email_verified, None);
    assert_eq!(assertion.profile.first_name.as_deref(), Some("A"));
    assert_eq!(assertion.profile.last_name.as_deref(), Some("B"));
    let mut steps = world.trace.steps();
    assert!(steps.any(|step| step.name == "userinfo.claims"), "the conflict is logged");
}

#[tokio::test]
async fn uin_04_a_signed_userinfo_is_verified_like_an_id_token() {
    let mut world = world().await;
    let issuer = world.idp.issuer.clone();
    let claims = |name: &str, value: Value| {
        let mut claims =
            json!({"iss": issuer, "aud": "client", "sub": "00u1", "email": "ada@corp.com"});
        claims[name] = value;
        claims
    };
    let good = claims("locale", json!("de"));
    let unsigned = {
        use crate::base::secret::base64url;
        let payload = base64url(good.to_string().as_bytes());
        format!("{}.{payload}.", base64url(br#"{"alg":"none"}"#))
    };
    for (token, expected) in [
        (keys::rsa().rs256(&good), Ok(())),
        (keys::rsa().rs256(&claims("aud", json!(["other", "client"]))), Ok(())),
        (keys::other_rsa().rs256(&good), Err(UserinfoSignature)),
        (unsigned, Err(UserinfoSignature)),
        (keys::rsa().rs256(&claims("aud", json!("other"))), Err(UserinfoSignature)),
        (keys::rsa().rs256(&claims("iss", json!("https://evil"))), Err(UserinfoSignature)),
        (keys::rsa().rs256(&claims("aud", Value::Null)), Err(UserinfoSignature)),
        (keys::rsa().rs256(&claims("sub", json!("00u2"))), Err(UserinfoSub)),
        ("{}".to_owned(), Err(UserinfoSignature)),
    ] {
        world.userinfo = Reply::text("application/jwt; charset=utf-8", token);
        assert_eq!(world.login(|_| ()).await.map(drop), expected);
    }
}

#[tokio::test]
async fn uin_05_what_is_no_object_is_refused() {
    for reply in [
        Reply::json(&json!([])),
        Reply::json(&json!("text")),
        Reply::text("application/json", ""),
        Reply::text("text/html", "<html>"),
        Reply::text("application/json", r#"{"sub":"00u1","sub":"00u1"}"#),
        Reply::text("application/json", vec![0x1f, 0x8b, 8]).header("content-encoding", "gzip"),
        Reply::text("application/json", vec![b' '; 100_000_000]),
    ] {
        assert_eq!(with_userinfo(reply).await.unwrap_err(), UserinfoFormat);
    }
}

#[tokio::test]
async fn uin_09_a_userinfo_with_nothing_but_sub_keeps_the_claims_of_the_id_token() {
    let assertion = with_userinfo(Reply::json(&json!({"sub": "00u1"}))).await.unwrap();
    assert_eq!(assertion.profile.email.as_str(), "id@corp.com");
    assert_eq!(assertion.groups, Groups::Absent);
}

#[tokio::test]
async fn userinfo_is_not_called_where_there_is_none_or_it_is_off() {
    let mut world = world().await;
    world.settings.userinfo = UserinfoPolicy::Off;
    assert!(world.login(|claims| claims["email"] = json!("a@corp.com")).await.is_ok());
    assert!(world.idp.seen("/userinfo").is_empty());
}
