//! Where the browser may be sent: to registered redirect URIs, byte for byte, and nowhere else.

use serde_json::json;
use vestibule::base::failure::FailureCode;
use vestibule::db::Tx;
use vestibule::model::redirect_uri;

use super::expect::{assert_departed, assert_page};
use crate::support::http::Request;
use crate::support::{World, both_engines};

/// Asks for a login to this redirect URI, percent-encoded byte by byte.
async fn ask(world: &World, redirect_uri: &[u8]) -> crate::support::http::Answer {
    let url = world.authorize_url(&[("redirect_uri", "")]);
    let encoded = vestibule::sso::answer::percent_encode(redirect_uri);
    let target = format!("{}?{}&redirect_uri={encoded}", url.path(), url.query().unwrap());
    Request::get(&url).target(&target).send().await
}

/// How many redirect URIs an environment may have.
const MAX_URIS: usize = 1000;

both_engines! {
    async fn lod_07_no_more_wildcards_are_tried_than_can_be_registered(world: World) {
        // Each has everything in common with what is asked for, but its end.
        let shared = "a".repeat(60);
        let caller = world.caller();
        let existing = world.app().db.read(&caller, async |tx| {
            tx.fetch_one("SELECT count(*) FROM redirect_uris", &[]).await?.next::<i64>()
        });
        let existing = usize::try_from(existing.await.unwrap()).unwrap();
        let register = async |from: usize, to: usize| {
            let path = "b/".repeat(800);
            let shared = shared.clone();
            let unit = async move |tx: &mut Tx| {
                for n in from..to {
                    let uri = format!("https://{shared}*.example.com/{path}{n}");
                    redirect_uri::create(tx, &uri).await?;
                }
                Ok(())
            };
            world.app().db.write(&caller, unit).await
        };
        register(existing, MAX_URIS).await.unwrap();
        assert!(register(MAX_URIS, MAX_URIS + 1).await.is_err(), "there can be more");
        let path = "b/".repeat(800);
        let near = format!("https://{shared}x.example.com/{path}");
        for offered in [near.clone(), format!("{near}{}", "x".repeat(20_000)), "*".repeat(2000)] {
            let answer = ask(&world, offered.as_bytes()).await;
            assert_page(&answer, FailureCode::RedirectUriInvalid);
        }
        let last = format!("{near}{}", MAX_URIS - 1);
        assert_departed(&world, &ask(&world, last.as_bytes()).await);
    }

    async fn auz_04_05_06_07_08_11_only_the_registered_bytes_are_a_redirect_uri(world: World) {
        world.register("https://app.example.com/cb").await;
        let before = world.stored().await;
        let refused: &[&[u8]] = &[
            // Missing, relative, unparseable.
            b"", b"/cb", b"cb", b"//app.example.com/cb", b"https:app.example.com/cb",
            b"https:///app.example.com/cb", b"%",
            // The same to a parser, but not the same.
            b"https://app.example.com/cb/", b"https://app.example.com/CB",
            b"https://app.example.com/cb?x=1", b"https://app.example.com/cb?",
            b"https://app.example.com/cb#f", b"https://app.example.com/cb#",
            b"https://app.example.com/x/../cb", b"https://app.example.com/./cb",
            b"https://app.example.com/%63b", b"https://app.example.com:443/cb",
            b"HTTPS://app.example.com/cb", b"https://APP.example.com/cb",
            b"https://app.example.com./cb",
            // Another path, port, scheme, host.
            b"https://app.example.com/other", b"https://app.example.com", b"https://app.example.com/",
            b"https://app.example.com:8443/cb", b"http://app.example.com/cb",
            b"https://other.example.com/cb", b"https://example.com/cb",
            b"https://app.example.com.evil.example/cb", b"https://evil-app.example.com/cb",
            b"https://appXexample.com/cb",
            // What parsers disagree about.
            b"https://app.example.com@evil.example/cb", b"https://evil.example\\@app.example.com/cb",
            b"https://app.example.com%2eevil.example/cb", b"https://app%2eexample.com/cb",
            b" https://app.example.com/cb", b"https://app.example.com/cb ",
            b"https://app.example.com/c\tb", b"https://app.example.com/cb\r\nset-cookie: x=1",
            b"https://app.example.com/cb\n", b"https://app.example.com/cb\0",
            b"https://app.example.com/cb\xff",
            // Hosts that look alike.
            "https://\u{430}pp.example.com/cb".as_bytes(),
            "https://app.ex\u{ad}ample.com/cb".as_bytes(),
            "https://\u{ff41}pp.example.com/cb".as_bytes(), b"https://xn--pp-6kc.example.com/cb",
            b"*", b"https://*.example.com/cb", b"javascript:alert(1)",
        ];
        for offered in refused {
            let answer = ask(&world, offered).await;
            assert_page(&answer, FailureCode::RedirectUriInvalid);
            assert_eq!(answer.header("set-cookie"), None);
            assert!(!answer.text().contains("evil"), "the page repeats the input");
            assert_eq!(world.last_failure().await, "redirect_uri_invalid");
        }
        assert_eq!(world.stored().await, before);
        assert_departed(&world, &ask(&world, b"https://app.example.com/cb").await);
    }

    async fn auz_09_a_wildcard_stands_for_one_label_of_letters_digits_hyphen_and_underscore(
        world: World
    ) {
        world.register("https://*.ex-ample.com/cb").await;
        for offered in [
            "https://a.b.ex-ample.com/cb", "https://ex-ample.com/cb", "https://.ex-ample.com/cb",
            "https://a%2eb.ex-ample.com/cb", "https://a.ex-ample.com/cb/x",
            "https://evil.example/.ex-ample.com/cb", "https://evil.example?.ex-ample.com/cb",
            "https://evil.example#.ex-ample.com/cb", "https://u@a.ex-ample.com/cb",
            "https://*.ex-ample.com/cb", "https://a.ex-ample.com.evil.example/cb",
        ] {
            let answer = ask(&world, offered.as_bytes()).await;
            assert_page(&answer, FailureCode::RedirectUriInvalid);
        }
        let url = world.authorize_url(&[("redirect_uri", "https://a_b-1.ex-ample.com/cb")]);
        let answer = world.sign_in(&mut world.browser(), &url, "ada@acme.example").await;
        assert!(
            answer.location().starts_with("https://a_b-1.ex-ample.com/cb?code="),
            "the answer goes where it was asked for, not to the pattern: {}",
            answer.location()
        );
    }

    async fn auz_12_a_port_may_vary_on_the_registered_loopback_name_alone(world: World) {
        world.register("http://localhost:*/cb").await;
        for offered in [
            "http://127.0.0.1:1/cb", "http://[::1]:1/cb", "http://localhost.evil:1/cb",
            "http://localhost:99999/cb", "http://localhost:0/cb", "http://localhost:01/cb",
            "http://localhost:/cb", "http://localhost/cb", "http://localhost:1@evil.example/cb",
        ] {
            let answer = ask(&world, offered.as_bytes()).await;
            assert_page(&answer, FailureCode::RedirectUriInvalid);
        }
        assert_departed(&world, &ask(&world, b"http://localhost:1/cb").await);
        assert_departed(&world, &ask(&world, b"http://localhost:65535/cb").await);
    }

    async fn auz_10_what_must_not_be_redirected_to_cannot_be_registered(world: World) {
        for uri in [
            "https://*.*.example.com/cb", "https://a.*.example.com/cb", "https://*.ngrok-free.app/cb",
            "javascript:alert(1)", "data:text/html,x", "https://app.example.com/cb?x=1",
            "https://app.example.com/cb#f", "https://u@app.example.com/cb",
        ] {
            let path = "/user_management/redirect_uris";
            let answer = world.api("POST", path, Some(&json!({ "uri": uri }))).await;
            assert_eq!(answer.status, 422, "{uri}: {}", answer.text());
            assert_page(&ask(&world, uri.as_bytes()).await, FailureCode::RedirectUriInvalid);
        }
    }

    async fn auz_13_the_redirect_uri_of_one_application_is_none_of_another(world: World) {
        let other = world.other_environment("https://other.example.com/cb").await;
        let theirs = ask(&world, b"https://other.example.com/cb").await;
        assert_page(&theirs, FailureCode::RedirectUriInvalid);
        let ours = world.authorize(&[("client_id", &other.client_id)]).await;
        assert_page(&ours, FailureCode::RedirectUriInvalid);
        // And with a redirect URI of its own, the other application cannot use our connection.
        let crossed = [
            ("client_id", other.client_id.as_str()),
            ("redirect_uri", "https://other.example.com/cb"),
        ];
        let answer = world.authorize(&crossed).await;
        assert_eq!(answer.param("error").as_deref(), Some("connection_invalid"));
        assert!(answer.location().starts_with("https://other.example.com/cb?"));
    }

    async fn auz_14_a_redirect_uri_removed_during_the_login_gets_no_answer(world: World) {
        let id = world.register("https://app.example.com/cb").await;
        let url = world.authorize_url(&[("redirect_uri", "https://app.example.com/cb")]);
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &url, "ada@acme.example").await;
        let before = world.stored().await;
        let path = format!("/user_management/redirect_uris/{id}");
        assert_eq!(world.api("DELETE", &path, None).await.status, 204);
        assert_page(&browser.get(&callback).await, FailureCode::RedirectRevoked);
        assert_eq!(world.last_failure().await, "redirect_revoked");
        assert_eq!(world.stored().await, before);
        assert_eq!(world.token_requests(), 0, "the tenant was asked for nothing");
    }
}
