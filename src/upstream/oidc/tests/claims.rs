//! From claims to a person.

use serde_json::{Value, json};

use super::idp::{Reply, World};
use crate::base::failure::FailureCode::{self, *};
use crate::upstream::oidc::Kind;
use crate::upstream::{self, Groups, MAX_STORED_GROUPS};

async fn world() -> World {
    World::new().await
}

async fn person(claims: Value) -> Result<upstream::Assertion, FailureCode> {
    person_at(Kind::GenericOidc, claims).await
}

async fn person_at(kind: Kind, claims: Value) -> Result<upstream::Assertion, FailureCode> {
    let mut world = world().await;
    world.settings.kind = kind;
    let mut userinfo = json!({"sub": "00u1", "email": "ada@corp.com"});
    for (name, value) in claims.as_object().unwrap() {
        userinfo[name] = value.clone();
    }
    world.userinfo = Reply::json(&userinfo);
    world.login(|_| ()).await
}

#[tokio::test]
async fn clm_02_an_address_is_taken_from_the_email_claim_only() {
    let claims = json!({"email": null, "preferred_username": "a@corp.com", "upn": "a@corp.com"});
    assert_eq!(person(claims.clone()).await.unwrap_err(), EmailMissing);
    for email in [json!(""), json!(1), json!(["a@corp.com"]), json!({})] {
        assert_eq!(person(json!({"email": email})).await.unwrap_err(), EmailMissing);
    }
    let mut world = world().await;
    world.settings.attributes.email = "upn".into();
    let claims = json!({"sub": "00u1", "upn": "upn@corp.com", "email_verified": true});
    world.userinfo = Reply::json(&claims);
    let assertion = world.login(|_| ()).await.unwrap();
    assert_eq!(assertion.profile.email.as_str(), "upn@corp.com");
    // That is said of the email claim.
    assert_eq!(assertion.profile.email_verified, None);
}

#[tokio::test]
async fn clm_03_email_verified_is_read_in_every_form_and_never_breaks_the_login() {
    for (value, expected) in [
        (json!(true), Some(true)),
        (json!(false), Some(false)),
        (json!("true"), Some(true)),
        (json!("True"), Some(true)),
        (json!("false"), Some(false)),
        (json!("yes"), Some(false)),
        (json!(1), Some(false)),
        (json!({}), Some(false)),
        (Value::Null, None),
    ] {
        let assertion = person(json!({"email_verified": value})).await.unwrap();
        assert_eq!(assertion.profile.email_verified, expected, "{value}");
        assert_eq!(assertion.claims["email_verified"], value);
    }
    for (value, expected) in
        [(json!(true), true), (json!("1"), true), (json!(1), true), (json!("0"), false)]
    {
        let claims = json!({"xms_edov": value, "email_verified": true});
        let assertion = person_at(Kind::EntraIdOidc, claims).await.unwrap();
        assert_eq!(assertion.profile.email_verified, Some(expected), "{value}");
    }
    // Entra's addresses can be set by anybody who runs a tenant; email_verified says nothing there.
    let assertion = person_at(Kind::EntraIdOidc, json!({"email_verified": true})).await.unwrap();
    assert_eq!(assertion.profile.email_verified, None);
}

#[tokio::test]
async fn clm_04_the_hosted_domain_is_handed_up() {
    let hosted = |hd: Value| async move {
        person_at(Kind::GoogleOidc, json!({"hd": hd})).await.unwrap().hosted_domain
    };
    assert_eq!(hosted(json!("corp.com")).await.as_deref(), Some("corp.com"));
    assert_eq!(hosted(json!(["corp.com"])).await, None);
    assert_eq!(hosted(Value::Null).await, None);
}

#[tokio::test]
async fn clm_06_what_is_no_address_is_refused() {
    for email in [
        "a@evil.com@corp.com",
        "a@corp.com,b@evil",
        "\"x@corp.com\"@evil.com",
        "a@corp.com\n",
        "a@corp.com ",
        "<a@corp.com>",
        "no at",
        "a@corp\u{3002}com",
    ] {
        assert_eq!(person(json!({"email": email})).await.unwrap_err(), EmailInvalid, "{email:?}");
    }
}

#[tokio::test]
async fn clm_07_the_address_is_kept_as_it_came_and_its_domain_is_comparable() {
    let assertion = person(json!({"email": "Ada.L@MÜNCHEN.de"})).await.unwrap();
    assert_eq!(assertion.profile.email.as_str(), "Ada.L@MÜNCHEN.de");
    assert_eq!(assertion.profile.email.domain(), "xn--mnchen-3ya.de");
}

#[tokio::test]
async fn clm_10_groups_are_read_in_every_shape() {
    let present =
        |names: &[&str]| Groups::Present(names.iter().map(|name| (*name).to_owned()).collect());
    for (groups, expected) in [
        (json!(["A", "B"]), present(&["A", "B"])),
        (json!(["A", "A", "", "B"]), present(&["A", "B"])),
        (json!(["Admins", "admins", "Admins "]), present(&["Admins", "admins", "Admins "])),
        (json!(["A", 1, null, ["B"], {"id": "C"}, true]), present(&["A"])),
        (json!([{"id": "1", "name": "A"}, {"name": "B"}]), present(&["A", "B"])),
        (json!("A;B"), present(&["A;B"])),
        (json!("A"), present(&["A"])),
        (json!(""), Groups::Empty),
        (json!([]), Groups::Empty),
        (json!([1, 2]), Groups::Absent),
        (json!([""]), Groups::Absent),
        (json!(1), Groups::Absent),
        (json!({"A": 1}), Groups::Absent),
        (json!(true), Groups::Absent),
        (Value::Null, Groups::Absent),
    ] {
        let assertion = person(json!({"groups": groups})).await.unwrap();
        assert_eq!(assertion.groups, expected, "{groups}");
    }
    let mut world = world().await;
    world.settings.groups_delimiter = Some(";".into());
    world.userinfo = Reply::json(&json!({"sub": "00u1", "email": "a@b.c", "groups": "A;B;;A"}));
    assert_eq!(world.login(|_| ()).await.unwrap().groups, present(&["A", "B"]));
    world.settings.groups_claim = "realm_access.roles".into();
    world.userinfo =
        Reply::json(&json!({"sub": "00u1", "email": "a@b.c", "realm_access": {"roles": ["/a/b"]}}));
    assert_eq!(world.login(|_| ()).await.unwrap().groups, present(&["/a/b"]));
    world.settings.groups_claim = "https://corp.com/app.groups".into();
    world.userinfo = Reply::json(
        &json!({"sub": "00u1", "email": "a@b.c", "https://corp.com/app.groups": ["x"]}),
    );
    assert_eq!(world.login(|_| ()).await.unwrap().groups, present(&["x"]));
}

#[tokio::test]
async fn clm_12_all_groups_come_back_but_not_all_are_stored() {
    let many: Vec<String> = (0..10_000).map(|i| format!("group {i}")).collect();
    let assertion = person(json!({"groups": many})).await.unwrap();
    assert_eq!(assertion.groups.names().len(), 10_000);
    let (stored, cut) = assertion.groups.to_store();
    assert_eq!((stored.len(), cut), (MAX_STORED_GROUPS, true));
    let long = "g".repeat(300_000);
    let assertion = person(json!({"groups": [long, "A"]})).await.unwrap();
    assert_eq!(assertion.groups.to_store(), (vec!["A"], true));
    assert!(!assertion.claims.contains_key("groups"), "too large to keep");
    let claims = json!({"other": "x".repeat(300_000)});
    assert_eq!(person(claims).await.unwrap_err(), ClaimInvalid);
    let claims = json!({"groups": ["g".repeat(1_100_000)]});
    assert_eq!(person(claims).await.unwrap_err(), UserinfoFormat);
}

#[tokio::test]
async fn clm_13_absent_overflowed_and_cut_groups_are_told_apart() {
    let overage = json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {}});
    let entra =
        |claims: Value| async move { person_at(Kind::EntraIdOidc, claims).await.unwrap().groups };
    assert_eq!(entra(overage).await, Groups::Overflowed);
    assert_eq!(entra(json!({"hasgroups": true})).await, Groups::Overflowed);
    assert_eq!(entra(json!({"hasgroups": "true"})).await, Groups::Overflowed);
    assert_eq!(entra(json!({"hasgroups": false})).await, Groups::Absent);
    assert_eq!(entra(json!({})).await, Groups::Absent);
    assert_eq!(entra(json!({"_claim_names": {"address": "src1"}})).await, Groups::Absent);
    let hundred: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    let claims = json!({"groups": hundred});
    let okta = person_at(Kind::OktaOidc, claims.clone()).await.unwrap().groups;
    assert_eq!(okta, Groups::Truncated(hundred.clone()));
    assert!(!okta.is_complete());
    let generic = person(claims).await.unwrap().groups;
    assert_eq!(generic, Groups::Present(hundred));
}

#[tokio::test]
async fn clm_14_claims_elsewhere_are_never_fetched() {
    let mut world = world().await;
    let canary = format!("{}/canary", world.idp.issuer);
    world.userinfo = Reply::json(&json!({"sub": "00u1", "email": "a@b.c",
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": canary, "access_token": "x"}}}));
    assert_eq!(world.login(|_| ()).await.unwrap().groups, Groups::Overflowed);
    assert!(world.idp.seen("/canary").is_empty());
}

#[tokio::test]
async fn clm_15_odd_claim_names_are_only_data() {
    let claims = json!({"__proto__": {"email": "evil@x.y"}, "constructor": 1, "$ref": "#/x",
        "a.b": "c", "id": "x", "object": "x", "role": "admin", "https://x/y": 1});
    let assertion = person(claims).await.unwrap();
    assert_eq!(assertion.profile.email.as_str(), "ada@corp.com");
    assert_eq!(assertion.claims["role"], "admin");
    assert_eq!(assertion.custom_attributes, serde_json::Map::new());
}

#[tokio::test]
async fn clm_16_custom_attributes_are_mapped_and_may_not_be_called_like_members_of_a_profile() {
    let mut world = world().await;
    let mapping = [("department", "dept"), ("city", "address.locality"), ("missing", "nope")];
    world.settings.custom_attributes =
        mapping.map(|(name, claim)| (name.to_owned(), claim.to_owned())).into();
    world.settings.check().unwrap();
    world.userinfo = Reply::json(&json!({"sub": "00u1", "email": "a@b.c", "dept": 7,
        "address": {"locality": "Bonn"}}));
    let custom = world.login(|_| ()).await.unwrap().custom_attributes;
    assert_eq!(Value::Object(custom), json!({"department": 7, "city": "Bonn", "missing": null}));
    for name in ["", "id", "role", "raw_attributes", "a\nb"] {
        let mut settings = world.settings.clone();
        settings.custom_attributes.insert(name.to_owned(), "x".to_owned());
        let error = settings.check().unwrap_err();
        assert!(matches!(error, crate::base::Error::Invalid { .. }), "{name}");
    }
}

#[tokio::test]
async fn clm_18_a_nul_is_refused_and_large_numbers_are_kept() {
    for claims in [
        json!({"name": "a\0b"}),
        json!({"a\0b": 1}),
        json!({"x": [{"y": "\0"}]}),
        json!({"groups": ["a\0"]}),
    ] {
        assert_eq!(person(claims).await.unwrap_err(), ClaimInvalid);
    }
    let assertion = person(json!({"n": 9_007_199_254_740_993_u64})).await.unwrap();
    assert_eq!(assertion.claims["n"], 9_007_199_254_740_993_u64);
    let mut world = world().await;
    let huge = r#"{"sub":"00u1","email":"a@b.c","n":1e400}"#;
    world.userinfo = Reply::text("application/json", huge);
    assert_eq!(world.login(|_| ()).await.unwrap_err(), UserinfoFormat);
}

#[tokio::test]
async fn clm_20_a_field_of_the_wrong_type_is_no_field() {
    let claims = json!({"given_name": {"x": 1}, "family_name": 7, "name": ["Ada"], "locale": {},
        "address": "a street", "updated_at": "today", "picture": "javascript:alert(1)"});
    let assertion = person(claims).await.unwrap();
    let profile = assertion.profile;
    assert_eq!((profile.first_name, profile.last_name, profile.name), (None, None, None));
    assert_eq!(assertion.claims["picture"], "javascript:alert(1)");
}

#[tokio::test]
async fn clm_17_markup_and_marks_in_names_are_kept_as_they_are() {
    let name = "<script>\u{202e}\u{1b}[31m=cmd()";
    let assertion = person(json!({"name": name})).await.unwrap();
    assert_eq!(assertion.profile.name.as_deref(), Some(name));
}
