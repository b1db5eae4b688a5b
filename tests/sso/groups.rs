//! From groups to roles: exact names, every state of the claim, priority, one role or several.

use serde_json::{Value, json};
use vestibule::base::failure::FailureCode;
use vestibule::sandbox::okta::{Fault, GroupsClaim, GroupsFilter, TooManyGroups};

use super::expect::ADA;
use crate::support::{World, both_engines};

/// The profile of Ada's next login.
async fn ada(world: &World) -> Value {
    world.redeem(&world.code().await, &[]).await.json()["profile"].clone()
}

/// The role of her next login.
async fn role(world: &World) -> String {
    let profile = ada(world).await;
    profile["role"]["slug"].as_str().expect("a role").to_owned()
}

/// Sets what the tenant does with the groups claim; `None` takes it away.
fn claim(world: &World, claim: Option<GroupsClaim>) {
    world.demo.tenant.set_groups_claim(&world.demo.credentials.client_id, claim).unwrap();
}

/// Sets what an incomplete groups claim means.
async fn incomplete(world: &World, word: &str) {
    world.change_connection(json!({ "policy": { "incomplete_groups": word } })).await;
}

/// Puts Ada into many groups more.
fn join(world: &World, names: impl Iterator<Item = String>) {
    let ada = world.person(ADA);
    for name in names {
        let group = world.demo.tenant.create_group(&name);
        world.demo.tenant.add_member(&group, &ada).unwrap();
    }
}

/// Ada is an administrator, and from now on in a group of which the claim says nothing.
async fn was_admin(world: &World) {
    assert_eq!(role(world).await, "admin");
}

/// The steps of the last login at which somebody should look.
async fn warnings(world: &World) -> Vec<String> {
    let session = world.last_session().await;
    let steps = session["trace"].as_array().unwrap().iter();
    let warnings = steps.filter(|step| step["outcome"] == "warning");
    warnings.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

both_engines! {
    async fn clm_11_only_the_exact_name_of_a_group_gives_its_role(world: World) {
        let person = world.person("alan@acme.example");
        for name in [
            "administrators", "ADMINISTRATORS", "Administrators ", " Administrators",
            "\u{410}dministrators", "Administrators\u{200b}", "Administrator",
        ] {
            let group = world.demo.tenant.create_group(name);
            world.demo.tenant.add_member(&group, &person).unwrap();
        }
        let code = world.code_of(&world.authorize_url(&[]), "alan@acme.example").await;
        let profile = world.redeem(&code, &[]).await.json()["profile"].clone();
        assert_eq!(profile["role"]["slug"], "member");
        assert_eq!(profile["groups"].as_array().unwrap().len(), 8, "as the tenant sent them");
    }

    async fn roles_come_from_the_groups_of_this_login_alone(world: World) {
        was_admin(&world).await;
        let ada = world.person(ADA);
        let groups = world.demo.tenant.groups();
        let id = |name: &str| groups.iter().find(|group| group.name == name).unwrap().id.clone();
        world.demo.tenant.remove_member(&id("Administrators"), &ada).unwrap();
        assert_eq!(role(&world).await, "engineer");
        world.demo.tenant.remove_member(&id("Engineering"), &ada).unwrap();
        world.demo.tenant.add_member(&id("Research"), &ada).unwrap();
        assert_eq!(role(&world).await, "member");
        world.demo.tenant.add_member(&id("Administrators"), &ada).unwrap();
        assert_eq!(role(&world).await, "admin");
    }

    async fn several_roles_are_given_in_their_order_where_the_environment_says_so(world: World) {
        assert_eq!(ada(&world).await["roles"], json!([{ "slug": "admin" }]));
        world.change_environment(json!({ "role_mode": "multiple" })).await;
        let profile = ada(&world).await;
        assert_eq!(profile["roles"], json!([{ "slug": "admin" }, { "slug": "engineer" }]));
        assert_eq!(profile["role"], json!({ "slug": "admin" }));
        let order = json!({ "slugs": ["engineer", "admin", "member"] });
        world.must("PUT", "/authorization/roles/order", order).await;
        let profile = ada(&world).await;
        assert_eq!(profile["roles"], json!([{ "slug": "engineer" }, { "slug": "admin" }]));
        world.change_environment(json!({ "role_mode": "single" })).await;
        assert_eq!(ada(&world).await["roles"], json!([{ "slug": "engineer" }]));
    }

    async fn clm_13_without_a_groups_claim_the_default_role_is_given_and_noted(world: World) {
        was_admin(&world).await;
        claim(&world, None);
        let profile = ada(&world).await;
        assert_eq!(profile["role"]["slug"], "member");
        assert_eq!(profile.get("groups"), None, "no claim is not an empty list");
        assert_eq!(warnings(&world).await, ["roles.groups_unavailable"]);
    }

    async fn clm_13_roles_can_be_kept_or_the_login_refused_instead(world: World) {
        was_admin(&world).await;
        for fault in [None, Some(Fault::GroupsByReference), Some(Fault::GroupsOnlyAnnounced)] {
            claim(&world, fault.map(|_| GroupsClaim::all()));
            world.faults(fault.as_slice());
            incomplete(&world, "keep_roles").await;
            assert_eq!(role(&world).await, "admin", "{fault:?}");
            incomplete(&world, "refuse").await;
            let before = world.stored().await;
            let answer = world.sign_ada_in().await;
            world.assert_refused(&answer, FailureCode::GroupsUnavailable).await;
            let session = world.last_session().await;
            let last = session["trace"].as_array().unwrap().last().unwrap().clone();
            let state = if fault.is_some() { "overflowed" } else { "absent" };
            assert_eq!((&last["received"], &session["email"]), (&json!(state), &json!(ADA)));
            assert_eq!(world.stored().await, before);
        }
        incomplete(&world, "default_role").await;
        assert_eq!(role(&world).await, "member");
        incomplete(&world, "keep_roles").await;
        assert_eq!(role(&world).await, "member", "the last login counts, not the best");
    }

    async fn clm_13_who_never_signed_in_has_no_roles_to_keep(world: World) {
        incomplete(&world, "keep_roles").await;
        claim(&world, None);
        assert_eq!(role(&world).await, "member");
    }

    async fn clm_13_a_hundred_groups_of_okta_may_be_cut(world: World) {
        was_admin(&world).await;
        join(&world, (0..98).map(|n| format!("Aardvarks {n:03}")));
        let profile = ada(&world).await;
        assert_eq!(profile["role"]["slug"], "admin", "what came still counts");
        assert_eq!(profile["groups"].as_array().unwrap().len(), 100);
        let noted = ["profile.groups", "roles.groups_unavailable"];
        assert_eq!(warnings(&world).await, noted);
        incomplete(&world, "refuse").await;
        let answer = world.sign_ada_in().await;
        world.assert_refused(&answer, FailureCode::GroupsUnavailable).await;

        // Two more push both of her groups out of a list that is cut at 100.
        join(&world, (98..101).map(|n| format!("Aardvarks {n:03}")));
        claim(&world, Some(GroupsClaim { too_many: TooManyGroups::Truncate, ..GroupsClaim::all() }));
        incomplete(&world, "keep_roles").await;
        assert_eq!(role(&world).await, "admin");
        incomplete(&world, "default_role").await;
        assert_eq!(role(&world).await, "member");
        // A complete list of more than 100 is complete.
        claim(&world, Some(GroupsClaim::all()));
        incomplete(&world, "refuse").await;
        assert_eq!(role(&world).await, "admin");
    }

    async fn clm_12_the_role_is_decided_before_the_list_is_cut_for_storage(world: World) {
        claim(&world, Some(GroupsClaim::new(GroupsFilter::Regex("[A-F].*|g.*".to_owned()))));
        join(&world, (0..2100).map(|n| format!("A{n:04}")));
        let profile = ada(&world).await;
        assert_eq!(profile["role"]["slug"], "admin");
        let groups = profile["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 2000);
        assert!(!groups.contains(&json!("Administrators")), "it was beyond the cut");
    }

    async fn a_tenant_that_cannot_evaluate_its_groups_says_so(world: World) {
        join(&world, (0..120).map(|n| format!("G{n:03}")));
        claim(&world, Some(GroupsClaim { too_many: TooManyGroups::Error, ..GroupsClaim::all() }));
        let answer = world.sign_ada_in().await;
        world.assert_refused(&answer, FailureCode::IdpError).await;
        assert_eq!(world.token_requests(), 0);
    }

    async fn a_connection_without_mapped_groups_does_not_mind_their_absence(world: World) {
        claim(&world, None);
        let path = format!("/connections/{}/groups", world.demo.seeded.connection_id);
        let groups = world.api("GET", &path, None).await.json();
        for group in groups["data"].as_array().unwrap() {
            let path = format!("{path}/{}", group["id"].as_str().unwrap());
            assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        }
        incomplete(&world, "refuse").await;
        assert_eq!(role(&world).await, "member");
        assert_eq!(warnings(&world).await, [""; 0]);
    }
}
