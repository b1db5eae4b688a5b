//! How one gets in: the first administrator, passwords, links, and who is kept out.

use url::Url;

use vestibule::base::Caller;
use vestibule::model::administrator::attempt::{self, Bucket};
use vestibule::model::administrator::link::{self, Kind};
use vestibule::model::administrator::{self, Role};

use crate::support::http::{Answer, Browser, Request};
use crate::support::pages::csrf;
use crate::support::{TestDb, World, both_engines};

const PASSWORD: &str = "a quiet front room";
const SIGN_IN: &str = "/dashboard/sign-in";
const SESSION: &str = "vestibule-administrator";

impl World {
    /// Opens a page and sends its last form to `action`.
    async fn send(&self, browser: &mut Browser, at: &str, fields: &[(&str, &str)]) -> Answer {
        let page = browser.get(&self.url(at)).await;
        let token = csrf(&page.text()).unwrap_or_else(|| panic!("no form: {}", page.text()));
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        let action = at.split('?').next().unwrap();
        browser.send(Request::post_form(&self.url(action), &all)).await
    }

    /// Becomes the first administrator, by the link that the start printed.
    async fn claim(&self, browser: &mut Browser) -> Answer {
        let url = Url::parse(&self.demo.dashboard_url).unwrap();
        let token = url.query().unwrap().strip_prefix("token=").unwrap().to_owned();
        let at = format!("{}?token={token}", url.path());
        self.send(browser, &at, &claim(&token)).await
    }

    async fn sign_in_as(&self, browser: &mut Browser, email: &str, password: &str) -> Answer {
        self.send(browser, SIGN_IN, &[("email", email), ("password", password)]).await
    }
}

fn claim(token: &str) -> [(&str, &str); 5] {
    [
        ("token", token),
        ("name", "Olga Operator"),
        ("email", "Olga@Staff.Example"),
        ("password", PASSWORD),
        ("repeated_password", PASSWORD),
    ]
}

both_engines! {
    async fn dsh_13_the_first_run_link_has_one_winner_and_is_then_gone(world: World) {
        let url = Url::parse(&world.demo.dashboard_url).unwrap();
        let token = url.query().unwrap().strip_prefix("token=").unwrap().to_owned();
        assert_eq!(token.len(), 43, "256 bits");
        let at = format!("/dashboard/first-run?token={token}");
        let mut browsers: Vec<Browser> = (0..5).map(|_| world.browser()).collect();
        let mut requests = Vec::new();
        for browser in &mut browsers {
            let page = browser.get(&world.url(&at)).await;
            let form = csrf(&page.text()).unwrap();
            let mut fields = vec![("csrf", form.as_str())];
            fields.extend(claim(&token));
            let request = Request::post_form(&world.url("/dashboard/first-run"), &fields);
            requests.push((browser, request));
        }
        let mut all = tokio::task::JoinSet::new();
        for (browser, request) in requests {
            let mut browser = browser.clone();
            all.spawn(async move { browser.send(request).await.status });
        }
        let answers: Vec<_> = all.join_all().await;
        assert_eq!(answers.iter().filter(|status| **status == 303).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 404).count(), 4, "{answers:?}");
        assert_eq!(world.browser().get(&world.url(&at)).await.status, 404);
        let nobody = Caller::anonymous();
        let count = world.app().db.read(&nobody, async |tx| administrator::list(tx).await);
        assert_eq!(count.await.unwrap().len(), 1);
    }

    async fn dsh_13_each_start_makes_a_new_link_and_ends_the_old(world: World) {
        let nobody = Caller::anonymous();
        let create = || async {
            let made = world.app().db.write(&nobody, async |tx| link::create_first_run(tx).await);
            made.await.unwrap().unwrap()
        };
        let (first, second) = (create().await, create().await);
        let open = async |token: String| {
            let at = format!("/dashboard/first-run?token={token}");
            world.browser().get(&world.url(&at)).await.status
        };
        let url = Url::parse(&world.demo.dashboard_url).unwrap();
        assert_eq!(world.browser().get(&url).await.status, 404);
        assert_eq!(open(first.expose().to_owned()).await, 404);
        assert_eq!(open(second.expose().to_owned()).await, 200);
        world.clock.advance_ms(Kind::FirstRun.lifetime_ms());
        assert_eq!(open(second.expose().to_owned()).await, 404, "after a day");
    }

    async fn dsh_03_a_sign_in_gives_a_new_session_and_ends_the_old(world: World) {
        let mut first = world.browser();
        assert_eq!(world.claim(&mut first).await.location(), "/dashboard");
        let mut planted = world.browser();
        planted.keep(&world.url("/"), SESSION, "planted-by-somebody");
        let answer = world.sign_in_as(&mut planted, "olga@staff.example", PASSWORD).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookies: Vec<&str> =
            answer.headers.get_all("set-cookie").iter().map(|it| it.to_str().unwrap()).collect();
        let session = cookies.iter().find(|it| it.starts_with(SESSION)).unwrap();
        assert!(!session.contains("planted") && session.contains("SameSite=Strict"), "{session}");
        assert!(session.contains("HttpOnly"), "{session}");
        let old = first.clone();
        let again = world.sign_in_as(&mut first, "OLGA@staff.example ", PASSWORD).await;
        assert_eq!(again.status, 303);
        assert_eq!(old.clone().get(&world.url("/dashboard/account")).await.status, 303);
        assert_eq!(first.get(&world.url("/dashboard/account")).await.status, 200);
    }

    async fn dsh_02_a_copied_cookie_is_dead_after_signing_out(world: World) {
        let mut browser = world.browser();
        world.claim(&mut browser).await;
        let mut copy = browser.clone();
        let page = browser.get(&world.url("/dashboard/account")).await.text();
        let token = csrf(&page).unwrap();
        let request = Request::post_form(&world.url("/dashboard/sign-out"), &[("csrf", &token)]);
        assert_eq!(browser.send(request).await.status, 303);
        assert!(!browser.cookie_names(&world.url("/")).contains(&SESSION.to_owned()));
        assert_eq!(copy.get(&world.url("/dashboard/account")).await.status, 303);
    }

    async fn dsh_04_another_cookie_is_no_session(world: World) {
        let mut browser = world.browser();
        browser.get(&world.url(SIGN_IN)).await;
        browser.get(&world.authorize_url(&[])).await;
        let names = browser.cookie_names(&world.url("/"));
        assert!(names.len() > 1, "a visitor's and a login's: {names:?}");
        for name in names {
            let mut thief = world.browser();
            thief.keep(&world.url("/"), SESSION, &browser.cookie(&world.url("/"), &name).unwrap());
            assert_eq!(thief.get(&world.url("/dashboard/account")).await.status, 303, "{name}");
        }
    }

    async fn dsh_09_an_unknown_address_is_refused_in_the_same_words(world: World) {
        world.claim(&mut world.browser()).await;
        let known = world.sign_in_as(&mut world.browser(), "olga@staff.example", "wrong").await;
        let other = world.sign_in_as(&mut world.browser(), "nobody@staff.example", "wrong").await;
        assert_eq!((known.status, other.status), (422.try_into().unwrap(), 422.try_into().unwrap()));
        let plain = |page: &Answer, email: &str| {
            let text = page.text().replace(email, "");
            let token = csrf(&text).unwrap();
            text.replace(&token, "")
        };
        assert_eq!(plain(&known, "olga@staff.example"), plain(&other, "nobody@staff.example"));
    }

    async fn dsh_09_guesses_cost_time_but_not_in_the_browser_of_the_owner(world: World) {
        let mut own = world.browser();
        world.claim(&mut own).await;
        let mut status = 0;
        let mut tries = 0;
        while status != 429 && tries < 40 {
            let answer =
                world.sign_in_as(&mut world.browser(), "olga@staff.example", "a wrong guess").await;
            status = answer.status.as_u16();
            tries += 1;
        }
        assert_eq!((status, tries), (429, 7), "five are free, the sixth begins the waits");
        // Even the right password has to wait where the owner has never been, but not where they are.
        let foreign = world.sign_in_as(&mut world.browser(), "olga@staff.example", PASSWORD).await;
        assert_eq!(foreign.status, 429);
        let owner = world.sign_in_as(&mut own, "olga@staff.example", PASSWORD).await;
        assert_eq!(owner.status, 303);
        world.clock.advance_ms(attempt::MAX_WAIT_MS);
        let later = world.sign_in_as(&mut world.browser(), "olga@staff.example", PASSWORD).await;
        assert_eq!(later.status, 303);
    }

    async fn dsh_09_15_a_forwarded_address_counts_only_from_a_proxy_of_ours(world: World) {
        world.claim(&mut world.browser()).await;
        let mut refused = 0;
        for i in 0..30 {
            let mut browser = world.browser();
            let page = browser.get(&world.url(SIGN_IN)).await.text();
            let token = csrf(&page).unwrap();
            let email = format!("somebody-{i}@staff.example");
            let fields = [("csrf", token.as_str()), ("email", &email), ("password", "a guess")];
            let request = Request::post_form(&world.url(SIGN_IN), &fields)
                .header("x-forwarded-for", &format!("203.0.113.{i}"));
            if browser.send(request).await.status == 429 {
                refused += 1;
            }
        }
        assert!(refused > 0, "thirty accounts from one address, each from a claimed other one");
    }

    async fn dsh_16_the_way_on_after_a_sign_in_stays_inside(world: World) {
        world.claim(&mut world.browser()).await;
        let good = "/dashboard/team?notice=saved";
        for (next, expected) in [
            (good, good),
            ("//evil.example", "/dashboard"),
            ("/\\evil.example", "/dashboard"),
            ("https://evil.example/dashboard", "/dashboard"),
            ("https:evil.example", "/dashboard"),
            ("%2f%2fevil.example", "/dashboard"),
            ("/dashboard/..//evil.example", "/dashboard"),
            ("/dashboard\r\nset-cookie:a=b", "/dashboard"),
            ("/sso/authorize", "/dashboard"),
            ("javascript:alert(1)", "/dashboard"),
            ("", "/dashboard"),
        ] {
            let fields =
                [("email", "olga@staff.example"), ("password", PASSWORD), ("next", next)];
            let answer = world.send(&mut world.browser(), SIGN_IN, &fields).await;
            assert_eq!(answer.location(), expected, "{next}");
        }
    }

    async fn dsh_17_strange_passwords_are_refused_or_kept_whole(world: World) {
        world.claim(&mut world.browser()).await;
        let huge = "x".repeat(100_000);
        for password in ["", "with\0nul inside", &huge, &"ü".repeat(600)] {
            let email = "olga@staff.example";
            let answer = world.sign_in_as(&mut world.browser(), email, password).await;
            assert!([422, 429].contains(&answer.status.as_u16()), "{}", answer.status);
        }
        let body = "x".repeat(1 << 20);
        let mut browser = world.browser();
        let answer = world.sign_in_as(&mut browser, "olga@staff.example", &body).await;
        assert_eq!(answer.status, 413);
    }

    async fn dsh_11_a_recovery_sets_a_password_once_and_ends_all_sessions(world: World) {
        let mut browser = world.browser();
        world.claim(&mut browser).await;
        let nobody = Caller::anonymous();
        let recover = async |tx: &mut _| link::recover(tx, "olga@staff.example").await;
        let (_, token) = world.app().db.write(&nobody, recover).await.unwrap();
        assert_eq!(browser.get(&world.url("/dashboard/account")).await.status, 303);
        let at = format!("/dashboard/recovery?token={}", token.expose());
        let fields = [
            ("token", token.expose()),
            ("password", "another quiet room"),
            ("repeated_password", "another quiet room"),
        ];
        let mut again = world.browser();
        assert_eq!(world.send(&mut again, &at, &fields).await.status, 303);
        assert_eq!(world.browser().get(&world.url(&at)).await.status, 404);
        let old = world.sign_in_as(&mut world.browser(), "olga@staff.example", PASSWORD).await;
        assert_eq!(old.status, 422);
    }

    async fn an_invitation_is_followed_once_and_gives_the_role_it_was_made_for(world: World) {
        let nobody = Caller::anonymous();
        let invite = async |tx: &mut _| link::invite(tx, "dev@staff.example", Role::Developer).await;
        let (_, token) = world.app().db.write(&nobody, invite).await.unwrap();
        let at = format!("/dashboard/invitation?token={}", token.expose());
        let fields = [
            ("token", token.expose()),
            ("name", "Dev"),
            ("email", "admin@evil.example"),
            ("role", "admin"),
            ("password", PASSWORD),
            ("repeated_password", PASSWORD),
        ];
        let common = world.send(&mut world.browser(), &at, &[
            ("token", token.expose()),
            ("name", "Dev"),
            ("password", "password123"),
            ("repeated_password", "password123"),
        ]).await;
        assert_eq!(common.status, 422);
        assert!(common.text().contains("tried first"), "{}", common.text());
        assert_eq!(world.send(&mut world.browser(), &at, &fields).await.status, 303);
        assert_eq!(world.browser().get(&world.url(&at)).await.status, 404);
        let all = world.app().db.read(&nobody, async |tx| administrator::list(tx).await).await;
        let made = all.unwrap().into_iter().find(|it| it.name == "Dev").unwrap();
        assert_eq!((made.email.as_str(), made.role), ("dev@staff.example", Role::Developer));
    }

    async fn dsh_09_ten_thousand_guesses_from_everywhere_get_few_answers(test: TestDb) {
        let clock = vestibule::base::time::Clock::system();
        let db = test.open(clock.clone()).await;
        let bucket = || vec![Bucket { name: "account:olga".to_owned(), free: 5 }];
        let mut judged = 0;
        for _ in 0..100 {
            let mut all = tokio::task::JoinSet::new();
            for _ in 0..100 {
                let db = db.clone();
                all.spawn(async move {
                    let nobody = Caller::anonymous();
                    db.write(&nobody, async move |tx| attempt::take(tx, &bucket()).await).await
                });
            }
            let waits = all.join_all().await;
            judged += waits.into_iter().filter(|wait| wait.as_ref().unwrap().is_none()).count();
            clock.advance_ms(36_000);
        }
        // An hour of guessing: five at once, then seconds, minutes, quarters of an hour.
        assert!((5..=20).contains(&judged), "{judged}");
    }
}
