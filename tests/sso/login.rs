//! What a login does when nothing is wrong.

use serde_json::json;

use crate::support::{World, both_engines};

both_engines! {
    async fn a_person_signs_in_and_the_application_gets_the_profile_with_its_role(world: World) {
        let url = world.authorize_url(&[("state", "a b+c&d=%\u{e9}")]);
        let answer = world.sign_in(&mut world.browser(), &url, "ada@acme.example").await;
        assert_eq!(answer.status, 302);
        assert!(answer.location().starts_with(&world.demo.redirect_uri), "{}", answer.location());
        assert_eq!(answer.param("state").as_deref(), Some("a b+c&d=%\u{e9}"));

        let token = world.redeem(&answer.param("code").unwrap(), &[]).await;
        assert_eq!(token.status, 200, "{}", token.text());
        assert_eq!(token.header("cache-control"), Some("no-cache, no-store"));
        let token = token.json();
        assert_eq!(token["token_type"], "Bearer");
        assert_eq!(token["expires_in"], 600);
        let profile = &token["profile"];
        assert_eq!(profile["email"], "ada@acme.example");
        assert_eq!(profile["first_name"], "Ada");
        assert_eq!(profile["role"], json!({ "slug": "admin" }));
        assert_eq!(profile["groups"], json!(["Administrators", "Engineering"]));

        let again = world.profile(token["access_token"].as_str().unwrap()).await;
        assert_eq!(again.status, 200);
        assert_eq!(again.json(), *profile);
        let session = world.last_session().await;
        assert_eq!(session["status"], "success");
        assert_eq!(session["email"], "ada@acme.example");
    }

    async fn the_demo_makes_a_login_through_every_hop(world: World) {
        let profile = world.demo.login("grace@acme.example").await.unwrap();
        assert_eq!(profile["role"]["slug"], "engineer");
    }
}
