//! What holds for every page: who is let in, whose forms are taken, which headers are sent.

use vestibule::model::administrator::{IDLE_MS, Role, SESSION_MS};

use crate::support::http::Request;
use crate::support::{World, both_engines};

both_engines! {
    async fn nobody_is_let_in_without_a_session(world: World) {
        let mut browser = world.browser();
        let path = format!("/dashboard/{}/organizations?search=x", world.demo.seeded.environment_id);
        let answer = browser.get(&world.url(&path)).await;
        assert_eq!(answer.status, 303);
        let next = url::form_urlencoded::byte_serialize(path.as_bytes()).collect::<String>();
        assert_eq!(answer.location(), format!("/dashboard/sign-in?next={next}"));
    }

    async fn dsh_02_a_session_ends_when_it_is_idle_and_in_any_case(world: World) {
        let mut desk = world.desk(Role::Support).await;
        let path = desk.path("/organizations");
        for _ in 0..SESSION_MS / (IDLE_MS - 60_000) {
            world.clock.advance_ms(IDLE_MS - 60_000);
            assert_eq!(desk.get(&path).await.status, 200);
        }
        world.clock.advance_ms(IDLE_MS - 60_000);
        assert_eq!(desk.get(&path).await.status, 303, "after twelve hours");
        let mut other = world.desk(Role::Support).await;
        world.clock.advance_ms(IDLE_MS);
        assert_eq!(other.get(&path).await.status, 303, "after half an hour of nothing");
    }

    async fn dsh_01_a_form_that_is_not_ours_changes_nothing(world: World) {
        let mut desk = world.desk(Role::Admin).await;
        let mut other = world.desk(Role::Admin).await;
        let (action, new) = (desk.path("/organizations"), desk.path("/organizations/new"));
        let foreign = crate::support::pages::csrf(&other.get(&new).await.text()).unwrap();
        let own = crate::support::pages::csrf(&desk.get(&new).await.text()).unwrap();
        let name = ("name", "Forged");
        assert_eq!(desk.post(&action, &[name]).await.status, 403);
        assert_eq!(desk.post(&action, &[name, ("csrf", &foreign)]).await.status, 403);
        let url = world.url(&action);
        let form = || Request::post_form(&url, &[name, ("csrf", own.as_str())]);
        let cross = form().header("sec-fetch-site", "cross-site");
        assert_eq!(desk.browser.send(cross).await.status, 403);
        let elsewhere = form().header("origin", "https://evil.example");
        assert_eq!(desk.browser.send(elsewhere).await.status, 403);
        let text = Request::new("POST", &url).body("text/plain", format!("name=Forged&csrf={own}"));
        assert_eq!(desk.browser.send(text).await.status, 403);
        assert!(!desk.get(&action).await.text().contains("Forged"));
        assert_eq!(desk.browser.send(form()).await.status, 303, "the same with nothing wrong");
    }

    async fn dsh_08_every_answer_has_the_headers(world: World) {
        let mut desk = world.desk(Role::Admin).await;
        let missing = desk.path("/organizations/org_nothing/at/all");
        for path in [desk.path("/organizations"), "/dashboard".to_owned(), missing] {
            let answer = desk.get(&path).await;
            let policy = answer.header("content-security-policy").unwrap_or_default();
            for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"] {
                assert!(policy.contains(part), "{path}: {policy}");
            }
            assert!(!policy.contains("unsafe"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
            assert!(answer.header("cache-control").unwrap().contains("no-store"));
        }
    }
}
