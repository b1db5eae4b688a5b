//! The overview: what was counted is what happened.

use vestibule::model::administrator::Role;
use vestibule::model::overview::{self, HOUR_MS, Range};
use vestibule::sandbox::okta::Fault;
use vestibule::sso::sweep;

use crate::support::{World, both_engines};

/// Succeeded, failed and not finished in the last 24 hours.
async fn numbers(world: &World) -> (i64, i64, i64) {
    let read = async |tx: &mut _| overview::read(tx, Range::Day).await;
    let total = world.app().db.read(&world.caller(), read).await.unwrap().total;
    (total.succeeded, total.failed, total.timed_out + total.in_progress)
}

/// Two logins that work, one that nobody finishes, and three that fail.
async fn some_logins(world: &World) {
    for _ in 0..2 {
        let code = world.code().await;
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
    }
    world.browser().get(&world.authorize_url(&[])).await;
    let client = &world.demo.credentials.client_id;
    world.demo.tenant.set_faults(client, &[Fault::WrongNonce]).unwrap();
    for _ in 0..3 {
        world.sign_in(&mut world.browser(), &world.authorize_url(&[]), "ada@acme.example").await;
    }
    world.demo.tenant.set_faults(client, &[]).unwrap();
}

both_engines! {
    async fn numbers_are_the_same_before_and_after_they_were_counted(world: World) {
        some_logins(&world).await;
        assert_eq!(numbers(&world).await, (2, 3, 1));
        sweep::take_stock(world.app()).await.unwrap();
        assert_eq!(numbers(&world).await, (2, 3, 1), "the hour is not over");
        world.clock.advance_ms(3 * HOUR_MS);
        sweep::time_out(world.app()).await.unwrap();
        for _ in 0..3 {
            sweep::take_stock(world.app()).await.unwrap();
            assert_eq!(numbers(&world).await, (2, 3, 1), "however often they are counted");
        }
        some_logins(&world).await;
        assert_eq!(numbers(&world).await, (4, 6, 2));
        world.clock.advance_ms(22 * HOUR_MS);
        assert_eq!(numbers(&world).await, (2, 3, 1), "the first ones are a day ago");
        world.clock.advance_ms(3 * HOUR_MS);
        sweep::take_stock(world.app()).await.unwrap();
        assert_eq!(numbers(&world).await, (0, 0, 0));
    }

    async fn the_page_says_what_fails_whose_it_is_and_which_connection(world: World) {
        some_logins(&world).await;
        some_logins(&world).await;
        sweep::take_stock(world.app()).await.unwrap();
        let mut desk = world.desk(Role::Support).await;
        let page = desk.get(&desk.path("/overview?range=24h")).await.text();
        assert!(page.contains("nonce") && page.contains("In the last 24 hours 6 sign-ins failed"));
        assert!(page.contains(">Acme Okta</a>") && page.contains("4 succeeded, 6 failed"));
        assert!(!page.contains("First steps"));
        for range in ["7d", "30d", "90d", "x", "%3Cscript%3E"] {
            let answer = desk.get(&desk.path(&format!("/overview?range={range}"))).await;
            assert_eq!(answer.status, 200);
            assert!(!answer.text().contains("<script>"));
        }
    }

    async fn a_new_environment_is_told_what_to_do_first(world: World) {
        let mut desk = world.desk(Role::Developer).await;
        let list = "/dashboard/environments";
        let created = desk.submit(list, list, &[("name", "New"), ("kind", "sandbox")]).await;
        let page = desk.get(&created.location()).await.text();
        assert!(page.contains("First steps") && page.contains("Create an API key"));
        assert!(page.contains("No sign-ins in this time"));
    }
}
