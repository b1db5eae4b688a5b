//! From claims to a profile: who somebody is, and which e-mail addresses an organization lets in.

use serde_json::{Value, json};
use vestibule::base::failure::FailureCode;
use vestibule::sandbox::okta::{Fault, NewUser};

use super::expect::ADA;
use crate::support::{World, both_engines};

/// The profile of a login by this connection.
async fn profile_by(world: &World, connection: &str, email: &str) -> Value {
    let code = world.code_of(&world.authorize_url(&[("connection", connection)]), email).await;
    let mut profile = world.redeem(&code, &[]).await.json()["profile"].clone();
    // The tenant dates this anew at each sign-in.
    profile["raw_attributes"].as_object_mut().unwrap().remove("updated_at");
    profile
}

async fn profile(world: &World, email: &str) -> Value {
    profile_by(world, world.demo.seeded.connection_id.as_str(), email).await
}

/// Changes the address of a person at the tenant.
fn rename(world: &World, from: &str, to: &str) {
    let person = world.person(from);
    world.demo.tenant.edit_user(&person, |user| user.email = to.to_owned()).unwrap();
}

/// Somebody new, who may use the demo's app integration.
fn hire(world: &World, id: &str, email: &str) {
    let new = NewUser { email, password: "pw", given_name: "New", family_name: "Person" };
    let made = world.demo.tenant.create_user(new);
    world.demo.tenant.edit_user(&made, |user| user.id = id.to_owned()).unwrap();
    world
        .demo
        .tenant
        .edit_app(&world.demo.credentials.client_id, |app| {
            app.users.insert(id.to_owned());
        })
        .unwrap();
}

both_engines! {
    async fn clm_01_ten_05_an_identity_provider_vouches_for_its_own_domains_only(world: World) {
        let victim = profile(&world, ADA).await;
        let before = world.stored().await;
        // Globex runs its own identity provider and gives somebody there Ada's address.
        let globex = world.other_organization("globex.example").await;
        let url = world.authorize_url(&[("connection", &globex.id)]);
        let answer = world.sign_in(&mut world.browser(), &url, ADA).await;
        let code = FailureCode::ProfileNotAllowedOutsideOrganization;
        world.assert_refused(&answer, code).await;
        let session = world.last_session().await;
        assert_eq!(session["email"], ADA, "the operator sees which address it was");
        assert_eq!(session["organization_id"], globex.organization_id);
        assert_eq!(world.stored().await, before);
        let failed = world.events("authentication.sso_failed").await;
        assert_eq!(failed[0]["data"]["email"], ADA);
        assert_eq!(failed[0]["data"]["error"]["code"], "profile_not_allowed_outside_organization");

        // Even an organization that lets anybody in gets a profile of its own, not Ada's.
        let path = format!("/organizations/{}", globex.organization_id);
        let anybody = json!({ "allow_profiles_outside_organization": true });
        world.must("PUT", &path, anybody).await;
        let theirs = profile_by(&world, &globex.id, ADA).await;
        assert_ne!(theirs["id"], victim["id"]);
        assert_eq!(theirs["organization_id"], globex.organization_id);
        assert_eq!(profile(&world, ADA).await, victim);
    }

    async fn clm_05_who_gets_another_address_stays_who_they_are(world: World) {
        let before = profile(&world, ADA).await;
        rename(&world, ADA, "ada.lovelace@acme.example");
        let after = profile(&world, "ada.lovelace@acme.example").await;
        assert_eq!(after["id"], before["id"]);
        assert_eq!(after["email"], "ada.lovelace@acme.example");
        let updated = world.events("profile.updated").await;
        assert_eq!(updated.len(), 1);
        assert_eq!(updated[0]["data"]["email"], "ada.lovelace@acme.example");
        // The new domain is held to the policy like any other.
        rename(&world, "ada.lovelace@acme.example", "ada@evil.example");
        let url = world.authorize_url(&[]);
        let answer = world.sign_in(&mut world.browser(), &url, "ada@evil.example").await;
        let code = FailureCode::ProfileNotAllowedOutsideOrganization;
        world.assert_refused(&answer, code).await;
        assert_eq!(world.events("profile.updated").await.len(), 1);
        // And whoever gets the old address is somebody else.
        hire(&world, "00usomebodyelse", ADA);
        assert_ne!(profile(&world, ADA).await["id"], before["id"]);
        assert_eq!(world.stored().await.profiles, 2);
    }

    async fn clm_06_07_an_address_that_could_be_read_in_two_ways_is_none(world: World) {
        let mut now = ADA.to_owned();
        for odd in [
            "a@evil.example@acme.example", "a@acme.example,b@evil.example",
            "\"a@acme.example\"@evil.example", "a@acme.example\n", "a@acme.example ",
            "<a@acme.example>", "acme.example", "a@", "@acme.example", "a@acme\u{3002}example",
            "a@acme.example\u{200b}", "a@acme.example.", &format!("{}@acme.example", "a".repeat(400)),
        ] {
            rename(&world, &now, odd);
            now = odd.to_owned();
            // The person is found by the name before: the tenant trims what is typed.
            world.faults(&[]);
            let url = world.authorize_url(&[]);
            let mut browser = world.browser();
            let departed = browser.get(&url).await;
            let person = world.person(odd);
            world.demo.tenant.edit_user(&person, |user| user.email = "typed".to_owned()).unwrap();
            let back = world.demo.tenant.sign_in(&departed.location(), "typed").await.unwrap();
            world.demo.tenant.edit_user(&person, |user| user.email = odd.to_owned()).unwrap();
            let answer = browser.get(&url::Url::parse(&back).unwrap()).await;
            world.assert_refused(&answer, FailureCode::EmailInvalid).await;
        }
        assert_eq!(world.stored().await.profiles, 0);
        rename(&world, &now, "Ada@ACME.example");
        assert_eq!(profile(&world, "Ada@ACME.example").await["email"], "Ada@ACME.example");
        for lookalike in ["ada@\u{430}cme.example", "ada@sub.acme.example", "ada@acme.example.evil.example"] {
            rename(&world, "Ada@ACME.example", lookalike);
            let url = world.authorize_url(&[]);
            let answer = world.sign_in(&mut world.browser(), &url, lookalike).await;
            let code = FailureCode::ProfileNotAllowedOutsideOrganization;
            world.assert_refused(&answer, code).await;
            rename(&world, lookalike, "Ada@ACME.example");
        }
    }

    async fn clm_08_subjects_are_compared_byte_for_byte(world: World) {
        hire(&world, "Abc", "upper@acme.example");
        hire(&world, "abc", "lower@acme.example");
        hire(&world, "abc.", "dotted@acme.example");
        let mut ids = Vec::new();
        for email in ["upper@acme.example", "lower@acme.example", "dotted@acme.example"] {
            ids.push(profile(&world, email).await["id"].to_string());
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);
        hire(&world, "trailing ", "trailing@acme.example");
        hire(&world, "caf\u{e9}", "accent@acme.example");
        for email in ["trailing@acme.example", "accent@acme.example"] {
            let answer = world.sign_in(&mut world.browser(), &world.authorize_url(&[]), email).await;
            // "trailing " is printable and so somebody else than "trailing".
            let failed = world.last_failure().await;
            assert!(answer.param("code").is_some() || failed == "id_token_sub", "{email}: {failed}");
        }
    }

    async fn clm_09_one_person_at_two_connections_is_two_profiles(world: World) {
        let first = profile(&world, ADA).await;
        let second = world.connect(world.demo.seeded.organization_id.as_str(), "OktaOIDC").await;
        let same_organization = profile_by(&world, &second.id, ADA).await;
        let globex = world.other_organization("globex.example").await;
        rename(&world, ADA, "ada@globex.example");
        let other_organization = profile_by(&world, &globex.id, "ada@globex.example").await;
        for other in [&same_organization, &other_organization] {
            assert_eq!(other["idp_id"], first["idp_id"]);
            assert_ne!(other["id"], first["id"]);
        }
        assert_ne!(same_organization["id"], other_organization["id"]);
        rename(&world, "ada@globex.example", ADA);
        assert_eq!(profile(&world, ADA).await, first, "none of it changed the first");
    }

    async fn the_domain_policy_can_be_relaxed_for_an_organization_or_a_connection(world: World) {
        rename(&world, ADA, "ada@freelance.example");
        let url = world.authorize_url(&[]);
        let sign_in = async || {
            world.sign_in(&mut world.browser(), &url, "ada@freelance.example").await
        };
        let code = FailureCode::ProfileNotAllowedOutsideOrganization;
        world.assert_refused(&sign_in().await, code).await;
        world.change_connection(json!({ "policy": { "email_domains": "any" } })).await;
        assert!(sign_in().await.param("code").is_some());
        world.change_connection(json!({ "policy": { "email_domains": "verified" } })).await;
        world.assert_refused(&sign_in().await, code).await;
        let path = format!("/organizations/{}", world.demo.seeded.organization_id);
        world.must("PUT", &path, json!({ "allow_profiles_outside_organization": true })).await;
        assert!(sign_in().await.param("code").is_some());
        // An organization without verified domains lets nobody in.
        world.must("PUT", &path, json!({
            "allow_profiles_outside_organization": false,
            "domain_data": [{ "domain": "freelance.example", "state": "pending" }],
        })).await;
        world.assert_refused(&sign_in().await, code).await;
    }

    async fn clm_03_an_address_counts_as_verified_only_where_the_tenant_says_so(world: World) {
        let ada = world.person(ADA);
        let verified = |yes: bool| {
            world.demo.tenant.edit_user(&ada, |user| user.email_verified = yes).unwrap();
        };
        verified(false);
        assert_eq!(profile(&world, ADA).await["raw_attributes"]["email_verified"], false);
        world.change_connection(json!({ "policy": { "require_email_verified": true } })).await;
        world.assert_refused(&world.sign_ada_in().await, FailureCode::EmailUnverified).await;
        verified(true);
        assert!(world.sign_ada_in().await.param("code").is_some());
        world.faults(&[Fault::EmailVerifiedAsText]);
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn clm_04_a_google_account_needs_a_hosted_domain_of_the_organization(world: World) {
        let organization = world.demo.seeded.organization_id.as_str();
        let google = world.connect(organization, "GoogleOIDC").await;
        let url = world.authorize_url(&[("connection", &google.id)]);
        // The tenant sends no `hd`, as Google does for private accounts, whatever their address.
        let answer = world.sign_in(&mut world.browser(), &url, ADA).await;
        world.assert_refused(&answer, FailureCode::HostedDomain).await;
        assert_eq!(world.stored().await.profiles, 0);
    }

    async fn clm_17_18_odd_names_are_data_and_nul_is_refused(world: World) {
        let ada = world.person(ADA);
        let named = |name: &str| {
            let name = name.to_owned();
            world.demo.tenant.edit_user(&ada, |user| user.given_name = name).unwrap();
        };
        for odd in ["<script>", "=cmd()", "\u{202e}abc", "Robert'); DROP TABLE profiles;--", "\\"] {
            named(odd);
            assert_eq!(profile(&world, ADA).await["first_name"], odd);
        }
        let stored = world.stored().await;
        named("A\0da");
        world.assert_refused(&world.sign_ada_in().await, FailureCode::ClaimInvalid).await;
        assert_eq!(world.stored().await, stored);
    }

    async fn clm_15_16_custom_attributes_cannot_take_the_place_of_others(world: World) {
        let path = format!("/connections/{}", world.demo.seeded.connection_id);
        for name in ["id", "object", "connection_id", "organization_id", "role", "email", ""] {
            let body = json!({ "oidc": { "custom_attributes": { name: "sub" } } });
            assert_eq!(world.api("PATCH", &path, Some(&body)).await.status, 422, "{name}");
        }
        let odd = json!({ "__proto__": "sub", "department": "email", "gone": "no_such_claim" });
        world.change_connection(json!({ "oidc": { "custom_attributes": odd } })).await;
        let profile = profile(&world, ADA).await;
        assert_eq!(profile["custom_attributes"], json!({
            "__proto__": world.person(ADA), "department": ADA, "gone": null,
        }));
        world.change_connection(json!({ "policy": { "raw_attributes": false } })).await;
        let code = world.code().await;
        let bare = world.redeem(&code, &[]).await.json();
        assert_eq!(bare["profile"]["raw_attributes"], json!({}));
    }
}
