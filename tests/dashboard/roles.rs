//! Roles and permissions.

use vestibule::model::administrator::Role;

use crate::support::{World, both_engines};

/// The slugs of the environment's roles, in order.
async fn order(world: &World) -> Vec<String> {
    let roles = world.api("GET", "/authorization/roles", None).await.json();
    let roles = roles["data"].as_array().unwrap().clone();
    roles.iter().map(|role| role["slug"].as_str().unwrap().to_owned()).collect()
}

both_engines! {
    async fn roles_are_created_ordered_and_one_is_the_default(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/roles");
        let fields = [("name", "Viewer <b>"), ("slug", "viewer"), ("description", "Looks")];
        assert_eq!(desk.submit(&list, &list, &fields).await.status, 303);
        assert_eq!(order(&world).await, ["admin", "engineer", "member", "viewer"]);
        let taken = desk.submit(&list, &list, &fields).await;
        assert_eq!(taken.status, 422);
        assert!(taken.text().contains("value=\"Viewer &#60;b&#62;\""));
        let slugs = ["admin", "engineer", "member", "viewer"].map(|slug| ("slug", slug));
        let mut fields = slugs.to_vec();
        fields.push(("move", "up:viewer"));
        let moved = desk.submit(&list, &format!("{list}/order"), &fields).await;
        assert_eq!(moved.status, 303);
        assert_eq!(order(&world).await, ["admin", "engineer", "viewer", "member"]);
        let stale = desk.submit(&list, &format!("{list}/order"), &slugs[1..]).await;
        assert_eq!(stale.status, 422, "somebody else changed the roles meanwhile");
        let made = desk.submit(&list, &format!("{list}/role/viewer/default"), &[]).await;
        assert_eq!(made.status, 303);
        let ask = format!("{list}/role/viewer/delete");
        let refused = desk.submit(&ask, &ask, &[]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text().contains("is a default"));
        let mapped = format!("{list}/role/engineer/delete");
        assert_eq!(desk.submit(&mapped, &mapped, &[]).await.status, 422, "groups give it");
        desk.submit(&list, &format!("{list}/role/member/default"), &[]).await;
        assert_eq!(desk.submit(&ask, &ask, &[]).await.status, 303);
        assert_eq!(order(&world).await, ["admin", "engineer", "member"]);
    }

    async fn permissions_are_given_to_roles_and_taken(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let (list, create) = (desk.path("/roles"), desk.path("/roles/permissions"));
        for slug in ["reports:read", "reports:write"] {
            let fields = [("name", slug), ("slug", slug)];
            assert_eq!(desk.submit(&list, &create, &fields).await.status, 303);
        }
        let bad = desk.submit(&list, &create, &[("name", "x"), ("slug", "No Spaces")]).await;
        assert_eq!(bad.status, 422);
        assert!(bad.text().contains("value=\"No Spaces\""));
        let role = format!("{list}/role/engineer");
        let fields = [("name", "Engineer"), ("permission", "reports:read"), ("permission", "reports:write")];
        assert_eq!(desk.submit(&role, &role, &fields).await.status, 303);
        let given = async || {
            let role = world.api("GET", "/authorization/roles/engineer", None).await.json();
            role["permissions"].as_array().unwrap().len()
        };
        assert_eq!(given().await, 2);
        assert_eq!(desk.submit(&role, &role, &fields[..2]).await.status, 303);
        assert_eq!(given().await, 1);
        let ask = format!("{create}/reports:read/delete");
        assert_eq!(desk.submit(&ask, &ask, &[]).await.status, 303);
        assert_eq!(given().await, 0);
        assert_eq!(desk.get(&format!("{create}/reports:read")).await.status, 404);
    }

    async fn events_are_listed_filtered_and_shown(world: World) {
        world.code().await;
        let mut desk = world.desk(Role::Support).await;
        let list = desk.path("/events");
        let page = desk.get(&list).await.text();
        assert!(page.contains("authentication.sso_started") && page.contains("organization.created"));
        let page = desk.get(&format!("{list}?event=role.created")).await.text();
        let (_, table) = page.split_once("<tbody>").unwrap();
        assert!(table.contains("role.created") && !table.contains("authentication.sso_started"));
        let page = desk.get(&format!("{list}?from=2001-01-01&until=2001-01-02")).await.text();
        assert!(page.contains("Nothing found"));
        let page = desk.get(&format!("{list}?organization=%3Cscript%3E&from=x")).await.text();
        assert!(page.contains("begins with org_") && page.contains("looks like 2026-01-31"));
        assert!(!page.contains("<script>"));
        let events = world.api("GET", "/events?events=authentication.sso_started", None).await.json();
        let id = events["data"][0]["id"].as_str().unwrap().to_owned();
        let page = desk.get(&format!("{list}/{id}")).await.text();
        assert!(page.contains("authentication.sso_started") && page.contains("&#34;session_id&#34;"));
        assert_eq!(desk.get(&format!("{list}/event_01J00000000000000000000000")).await.status, 404);
    }
}
