//! Clocks that jump, that disagree between nodes, and moments that are odd.

use super::expect::ADA;
use super::token::assert_spent;
use crate::support::http::Request;
use crate::support::{World, both_engines};
use vestibule::base::time::Clock;
use vestibule::model::administrator::Role;

const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 60 * 60 * SECOND_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// One whole login, now.
async fn log_in(world: &World) {
    let code = world.code().await;
    let token = world.redeem(&code, &[]).await;
    assert_eq!(token.status, 200, "{}", token.text());
    let token = token.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.profile(&token).await.json()["email"], ADA);
}

both_engines! {
    async fn clk_02_after_a_jump_back_what_was_used_or_ended_stays_so(world: World) {
        let (used, unused) = (world.code().await, world.code().await);
        assert_eq!(world.redeem(&used, &[]).await.status, 200);
        let mut browser = world.browser();
        let url = world.authorize_url(&[]);
        let arrived = world.to_callback(&mut browser, &url, ADA).await;
        assert!(browser.get(&arrived).await.param("code").is_some());
        let mut travelling = world.browser();
        let under_way = world.to_callback(&mut travelling, &url, ADA).await;
        let mut desk = world.desk(Role::Admin).await;
        let left = desk.submit("/dashboard/account", "/dashboard/sign-out", &[]).await;
        assert_eq!(left.status, 303);

        world.clock.advance_ms(-HOUR_MS);
        assert_spent(&world.redeem(&used, &[]).await);
        assert_eq!(browser.get(&arrived).await.status, 400, "a callback works twice");
        assert_eq!(desk.get("/dashboard/account").await.status, 303, "a session came back");
        // What was under way goes on, or at least does not end in a fault of ours.
        assert!(!travelling.get(&under_way).await.status.is_server_error());
        assert!(!world.redeem(&unused, &[]).await.status.is_server_error());
        assert_spent(&world.redeem(&unused, &[]).await);
        log_in(&world).await;
    }

    async fn clk_03_a_jump_forward_and_back_locks_nobody_out(world: World) {
        log_in(&world).await;
        world.clock.advance_ms(DAY_MS);
        let code = world.code().await;
        vestibule::sso::sweep::time_out(world.app()).await.unwrap();
        vestibule::sso::sweep::take_stock(world.app()).await.unwrap();
        vestibule::sso::sweep::purge(world.app()).await.unwrap();
        world.clock.advance_ms(-DAY_MS);
        assert!(!world.redeem(&code, &[]).await.status.is_server_error());
        for _ in 0..3 {
            log_in(&world).await;
        }
        vestibule::sso::sweep::take_stock(world.app()).await.unwrap();
        let mut desk = world.desk(Role::Admin).await;
        assert_eq!(desk.get(&desk.path("/overview")).await.status, 200);
        assert_eq!(desk.get(&desk.path("/sessions")).await.status, 200);
    }

    async fn clk_04_nodes_ten_seconds_apart_answer_each_others_logins(world: World) {
        for apart in [10 * SECOND_MS, -10 * SECOND_MS] {
            let clock = Clock::system();
            clock.advance_ms(apart);
            let second = world.node_with(clock, |_| {}).await;
            let mut browser = world.browser();
            let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
            let answer = browser.send(Request::get(&callback).via(&second)).await;
            let code = answer.param("code").unwrap_or_else(|| panic!("{}", answer.text()));
            let redeemed = world.redeem(&code, &[]).await;
            assert_eq!(redeemed.status, 200, "{}", redeemed.text());
            let token = redeemed.json()["access_token"].as_str().unwrap().to_owned();
            let profile = Request::get(&world.url("/sso/profile")).via(&second).bearer(&token);
            assert_eq!(profile.send().await.json()["email"], ADA);
        }
    }

    async fn clk_05_odd_moments_are_moments(world: World) {
        // The second before a day that has a leap second, and after 32 bits of seconds have ended.
        for moment in [1_483_228_799_500, 2_147_483_647_999, 4_102_444_800_000] {
            world.clock.advance_ms(moment - world.clock.now().as_ms());
            log_in(&world).await;
        }
    }

    async fn clk_06_after_eight_hours_of_sleep_a_login_begins_anew(world: World) {
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let code = world.code().await;
        world.clock.advance_ms(8 * HOUR_MS);
        let expired = browser.get(&callback).await;
        assert!(expired.param("code").is_none());
        assert!(!expired.status.is_server_error(), "{}", expired.text());
        assert_eq!(world.last_failure().await, "flow_expired");
        assert_spent(&world.redeem(&code, &[]).await);
        log_in(&world).await;
    }
}
