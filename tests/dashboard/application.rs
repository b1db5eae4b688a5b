//! What an application needs of an environment: redirect URIs, API keys, settings, environments.

use vestibule::model::administrator::Role;

use crate::support::{World, both_engines};

/// What stands between two texts.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).expect("an end").0
}

both_engines! {
    async fn redirect_uris_are_added_made_the_default_and_removed(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/redirects");
        let uri = "https://app.example.com/callback?a=<b>";
        let added = desk.submit(&list, &list, &[("uri", uri)]).await;
        assert_eq!(added.status, 422, "a character that no URI may contain");
        assert!(added.text().contains("id=\"error-uri\"") && added.text().contains("a=&#60;b&#62;"));
        let added = desk.submit(&list, &list, &[("uri", "https://app.example.com/callback")]).await;
        assert_eq!(added.status, 303);
        let again = desk.submit(&list, &list, &[("uri", "https://app.example.com/callback")]).await;
        assert!(again.text().contains("already exists"));
        let page = desk.get(&list).await.text();
        let id = between(&page, "https://app.example.com/callback</code>", "/default");
        let id = id.rsplit('/').next().unwrap().to_owned();
        let made = desk.submit(&list, &format!("{list}/{id}/default"), &[]).await;
        assert_eq!(made.status, 303);
        let question = format!("{list}/{id}/delete");
        let refused = desk.submit(&question, &question, &[]).await;
        assert_eq!(refused.status, 422, "the default stays while there are others");
        assert!(refused.text().contains("make another one the default first"));
        let first = world.api("GET", "/user_management/redirect_uris?order=asc", None).await.json();
        let first = first["data"][0]["id"].as_str().unwrap().to_owned();
        desk.submit(&list, &format!("{list}/{first}/default"), &[]).await;
        assert_eq!(desk.submit(&question, &question, &[]).await.status, 303);
        assert!(!desk.get(&list).await.text().contains("app.example.com/callback</code>"));
        assert_eq!(desk.get(&question).await.status, 404);
    }

    async fn api_10_a_key_is_shown_once_works_and_is_revoked(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/api-keys");
        let fields = [("name", "Export <script>"), ("lifetime", "30")];
        let created = desk.submit(&list, &list, &fields).await;
        assert_eq!(created.status, 200);
        assert!(created.header("cache-control").unwrap().contains("no-store"));
        let page = created.text();
        let key = between(&page, "id=\"new-key\">", "<").to_owned();
        assert!(key.starts_with("sk_") && page.contains("Export &#60;script&#62;"));
        let works = async || {
            let url = world.url("/environment");
            crate::support::http::Request::get(&url).bearer(&key).send().await.status
        };
        assert_eq!(works().await, 200);
        let page = desk.get(&list).await.text();
        assert!(!page.contains(&key), "it is shown once");
        let row = between(&page, "Export &#60;script&#62;</td>", "</tr>");
        let question = format!("{list}/{}/revoke", between(row, "/api-keys/", "/revoke"));
        assert_eq!(desk.submit(&question, &question, &[]).await.status, 303);
        assert_eq!(works().await, 401);
        let refused = desk.submit(&list, &list, &[("name", " ")]).await;
        assert_eq!(refused.status, 422);
    }

    async fn api_02_a_key_that_is_made_here_may_only_read_if_that_is_chosen(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let list = desk.path("/api-keys");
        let created = desk.submit(&list, &list, &[("name", "Reports"), ("access", "read")]).await;
        let page = created.text();
        let key = between(&page, "id=\"new-key\">", "<").to_owned();
        assert!(between(&page, "Reports</td>", "</tr>").contains("Only read"), "{page}");
        let ask = async |method: &str| {
            let url = world.url("/organizations");
            let body = serde_json::json!({ "name": "By a reader" });
            let request = crate::support::http::Request::new(method, &url).bearer(&key);
            request.json(&body).send().await.status
        };
        assert_eq!((ask("GET").await.as_u16(), ask("POST").await.as_u16()), (200, 403));
    }

    async fn settings_are_saved_and_count(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let path = desk.path("/settings");
        let fields = [
            ("name", "Staging"),
            ("role_mode", "multiple"),
            ("signin_consent", "always"),
            ("public_client", "on"),
        ];
        assert_eq!(desk.submit(&path, &path, &fields).await.status, 303);
        let environment = world.api("GET", "/environment", None).await.json();
        assert_eq!(environment["name"], "Staging");
        assert_eq!(environment["settings"]["role_mode"], "multiple");
        assert_eq!(environment["settings"]["signin_consent"], "always");
        assert_eq!(environment["settings"]["public_client"], true);
        let page = desk.get(&path).await.text();
        assert!(page.contains("value=\"Staging\"") && page.contains("value=\"always\" selected"));
        let refused = desk.submit(&path, &path, &[("name", "x"), ("role_mode", "all")]).await;
        assert_eq!(refused.status, 422);
        let unchanged = world.api("GET", "/environment", None).await.json();
        assert_eq!(unchanged["name"], "Staging");
    }

    async fn ten_01_environments_are_created_and_see_nothing_of_each_other(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let list = "/dashboard/environments";
        let fields = [("name", "Second"), ("kind", "production")];
        let created = desk.submit(list, list, &fields).await;
        assert_eq!(created.status, 303);
        let location = created.location();
        let second = between(&location, "/dashboard/", "/").to_owned();
        let page = desk.get(&format!("/dashboard/{second}/organizations")).await.text();
        assert!(page.contains("No organizations yet") && page.contains("Production"));
        let page = desk.get(&format!("/dashboard/{second}/redirects")).await.text();
        assert!(page.contains("No redirect URIs yet"));
        let unknown = "/dashboard/environment_01J00000000000000000000000/organizations";
        assert_eq!(desk.get(unknown).await.status, 404);
    }

    async fn dsh_14_support_sees_these_pages_and_changes_nothing(world: World) {
        let mut desk = world.desk(Role::Support).await;
        for (below, fields) in [
            ("/redirects", [("uri", "https://support.example/")]),
            ("/api-keys", [("name", "Support")]),
            ("/settings", [("name", "Support")]),
        ] {
            let path = desk.path(below);
            let page = desk.get(&path).await;
            assert_eq!(page.status, 200, "{below}");
            let answer = desk.submit(&path, &path, &fields).await;
            assert_eq!(answer.status, 403, "{below}");
        }
        let list = "/dashboard/environments";
        let answer = desk.submit(list, list, &[("name", "Support"), ("kind", "sandbox")]).await;
        assert_eq!(answer.status, 403);
    }
}
