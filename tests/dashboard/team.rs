//! The account and the team: who may change what, and what ends when they do.

use vestibule::base::Caller;
use vestibule::model::administrator::{self, Administrator, Role};
use vestibule::model::audit;

use crate::support::http::Request;
use crate::support::pages::{Desk, csrf};
use crate::support::{World, both_engines};

const PASSWORD: &str = "a quiet front room";

async fn team(world: &World) -> Vec<Administrator> {
    let nobody = Caller::anonymous();
    world.app().db.read(&nobody, async |tx| administrator::list(tx).await).await.unwrap()
}

async fn of(world: &World, role: Role) -> Administrator {
    team(world).await.into_iter().find(|it| it.role == role).unwrap()
}

impl Desk<'_> {
    async fn set_password(&mut self, current: &str, password: &str) -> (u16, String) {
        let fields = [
            ("current_password", current),
            ("password", password),
            ("repeated_password", password),
        ];
        let at = "/dashboard/account";
        let answer = self.submit(at, "/dashboard/account/password", &fields).await;
        (answer.status.as_u16(), answer.location())
    }
}

both_engines! {
    async fn dsh_10_a_password_changes_only_with_the_current_one(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        assert_eq!(desk.set_password("", PASSWORD).await.0, 303, "the first one, just signed in");
        assert_eq!(desk.set_password("", "another quiet room").await.0, 422);
        assert_eq!(desk.set_password("wrong", "another quiet room").await.0, 422);
        let (status, location) = desk.set_password(PASSWORD, "another quiet room").await;
        assert_eq!((status, location.as_str()), (303, "/dashboard/account?notice=password"));
        assert_eq!(desk.set_password(PASSWORD, "one more quiet room").await.0, 422, "the old one");
    }

    async fn dsh_10_a_first_password_needs_a_fresh_proof(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        world.clock.advance_ms(administrator::CONFIRMED_MS);
        let (_, location) = desk.set_password("", PASSWORD).await;
        assert!(location.starts_with("/dashboard/account/confirm"), "{location}");
    }

    async fn dsh_02_a_new_password_ends_all_other_sessions(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let id = of(&world, Role::Developer).await.id;
        let begin = async move |tx: &mut _| {
            administrator::begin_session(tx, &id, (Some("192.0.2.7"), None)).await
        };
        let secret = world.app().db.write(&Caller::anonymous(), begin).await.unwrap();
        let mut other = world.browser();
        other.keep(&world.url("/"), "vestibule-administrator", secret.expose());
        let account = world.url("/dashboard/account");
        assert_eq!(other.get(&account).await.status, 200);
        assert!(desk.get("/dashboard/account").await.text().contains("192.0.2.7"));
        assert_eq!(desk.set_password("", PASSWORD).await.0, 303);
        assert_eq!(other.get(&account).await.status, 303);
        assert_eq!(desk.get("/dashboard/account").await.status, 200);
    }

    async fn ten_09_a_changed_role_and_a_removal_count_at_once(world: World) {
        let mut admin = world.desk(Role::Admin).await;
        let mut developer = world.desk(Role::Developer).await;
        let member = of(&world, Role::Developer).await.id;
        let at = format!("/dashboard/team/{member}/role");
        assert_eq!(admin.submit(&at, &at, &[("role", "support")]).await.status, 303);
        assert_eq!(developer.get("/dashboard/account").await.status, 303, "signed out");
        let mut support = world.desk(Role::Support).await;
        let ids: Vec<_> = team(&world).await;
        for it in ids.iter().filter(|it| it.role == Role::Support) {
            let at = format!("/dashboard/team/{}/remove", it.id);
            assert_eq!(admin.submit(&at, &at, &[]).await.status, 303);
        }
        assert_eq!(support.get("/dashboard/account").await.status, 303);
        assert_eq!(team(&world).await.len(), 1);
    }

    async fn dsh_15_links_begin_with_the_configured_address_whatever_a_request_says(world: World) {
        let mut admin = world.desk(Role::Admin).await;
        let token = csrf(&admin.get("/dashboard/team").await.text()).unwrap();
        let url = world.url("/dashboard/team/invite");
        let fields = [("csrf", token.as_str()), ("email", "x@staff.example"), ("role", "support")];
        let request = Request::post_form(&url, &fields)
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "ftp")
            .header("forwarded", "host=evil.example")
            .header("x-original-url", "/dashboard/evil.example");
        let page = admin.browser.send(request).await.text();
        assert!(page.contains(&world.app().url("/dashboard/invitation?token=")), "{page}");
        assert!(!page.contains("evil.example"), "{page}");
    }

    async fn the_last_admin_stays(world: World) {
        let mut admin = world.desk(Role::Admin).await;
        let id = of(&world, Role::Admin).await.id;
        let role = format!("/dashboard/team/{id}/role");
        let unsure = admin.submit(&role, &role, &[("role", "support")]).await;
        assert!(unsure.status == 422 && unsure.text().contains("Tick the box"));
        let sure = [("role", "support"), ("sure", "on")];
        let last = admin.submit(&role, &role, &sure).await;
        assert!(last.status == 422 && last.text().contains("last Admin stays"));
        let remove = format!("/dashboard/team/{id}/remove");
        assert_eq!(admin.submit(&remove, &remove, &[]).await.status, 422);
        assert_eq!(team(&world).await.len(), 1);
    }

    async fn dsh_18_the_trail_says_who_did_what_without_secrets(world: World) {
        let mut admin = world.desk(Role::Admin).await;
        admin.set_password("", PASSWORD).await;
        let invited = admin
            .submit("/dashboard/team", "/dashboard/team/invite", &[
                ("email", "new@staff.example"),
                ("role", "developer"),
            ])
            .await
            .text();
        let (_, rest) = invited.split_once("invitation?token=").expect("the link");
        let token = &rest[..43];
        let again = admin.get("/dashboard/team").await.text();
        assert!(!again.contains(token) && again.contains("new@staff.example"));
        let connection = world.demo.seeded.connection_id.to_string();
        let path = format!("/connections/{connection}");
        let change = serde_json::json!({ "oidc": { "client_secret": "a secret of the provider" } });
        let changed = world.api("PATCH", &path, Some(&change)).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let nobody = Caller::anonymous();
        let read = async |tx: &mut _| {
            let all = vestibule::base::page::PageRequest { limit: 100, ..Default::default() };
            audit::list(tx, &all).await
        };
        let trail = world.app().db.read(&nobody, read).await.unwrap().data;
        let actions: Vec<&str> = trail.iter().map(|it| it.action.as_str()).collect();
        for action in [
            "environment.created",
            "api_key.created",
            "administrator.created",
            "administrator.password_changed",
            "administrator.invited",
            "connection_group.created",
            "connection.updated",
        ] {
            assert!(actions.contains(&action), "{action}: {actions:?}");
        }
        let invitation = trail.iter().find(|it| it.action == "administrator.invited").unwrap();
        assert_eq!(invitation.actor_name.as_deref(), Some("Sam Staff"));
        assert_eq!(invitation.details["email"], "new@staff.example");
        let whole = format!("{trail:?}");
        for secret in [PASSWORD, token, "a secret of", world.demo.seeded.api_key.expose(), "argon2"] {
            assert!(!whole.contains(secret), "{whole}");
        }
        let page = admin.get("/dashboard/audit").await.text();
        assert!(page.contains("administrator.invited") && page.contains("Sam Staff"));
        let mut developer = world.desk(Role::Developer).await;
        assert_eq!(developer.get("/dashboard/audit").await.status, 403);
    }
}
