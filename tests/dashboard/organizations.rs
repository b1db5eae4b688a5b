//! Organizations: the list, and creating one.

use vestibule::model::administrator::Role;

use crate::support::{World, both_engines};

both_engines! {
    async fn an_organization_is_created_and_found(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let (list, new) = (desk.path("/organizations"), desk.path("/organizations/new"));
        let fields = [("name", "Globex & Söhne"), ("external_id", "globex")];
        let answer = desk.submit(&new, &list, &fields).await;
        assert_eq!(answer.status, 303);
        let found = desk.get(&format!("{list}?search=söhne")).await.text();
        assert!(found.contains("Globex &#38; Söhne") && !found.contains("Acme"), "{found}");
        let empty = desk.get(&format!("{list}?search=nobody")).await.text();
        assert!(empty.contains("Nothing found"));
    }

    async fn a_form_that_is_refused_keeps_what_was_typed(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let (list, new) = (desk.path("/organizations"), desk.path("/organizations/new"));
        let long = "x".repeat(300);
        let answer = desk.submit(&new, &list, &[("name", &long), ("external_id", "kept")]).await;
        assert_eq!(answer.status, 422);
        let page = answer.text();
        assert!(page.contains(&long) && page.contains("value=\"kept\""));
        assert!(page.contains("id=\"error-name\"") && page.contains("aria-invalid=\"true\""));
    }

    async fn dsh_14_support_changes_nothing(world: World) {
        let mut desk = world.desk(Role::Support).await;
        let list = desk.path("/organizations");
        let answer = desk.submit(&list, &list, &[("name", "Not mine to create")]).await;
        assert_eq!(answer.status, 403);
        let page = desk.get(&list).await.text();
        assert!(!page.contains("Not mine") && !page.contains("Create organization"));
    }
}
