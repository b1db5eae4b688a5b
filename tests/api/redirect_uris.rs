//! Redirect URIs over the API.

use serde_json::{Value, json};
use vestibule::base::Caller;
use vestibule::base::id::{EnvironmentId, Id};
use vestibule::model::redirect_uri;

use super::world::World;
use crate::support::both_engines;

const PATH: &str = "/user_management/redirect_uris";

async fn register(world: &World, uri: &str) -> Value {
    world.post(PATH, json!({ "uri": uri })).await.expect(201)
}

both_engines! {
    async fn the_first_redirect_uri_without_a_wildcard_becomes_the_default(world: World) {
        let wildcard = register(&world, "https://*.example.com/cb").await;
        assert_eq!(wildcard["default"], false);
        assert_eq!(wildcard["object"], "redirect_uri");
        let first = register(&world, "https://app.example.com/cb").await;
        assert_eq!(first["default"], true);
        let second = register(&world, "http://localhost:3000/cb").await;
        assert_eq!(second["default"], false);
        let list = world.get(PATH).await.expect(200);
        assert_eq!(list["data"].as_array().unwrap().len(), 3);
        assert_eq!(list["data"][0]["id"], second["id"]);
    }

    async fn of_many_first_redirect_uris_at_once_one_becomes_the_default(world: World) {
        let new = |n: usize| world.post(PATH, json!({ "uri": format!("https://a.example/{n}") }));
        let (a, b, c, d) = tokio::join!(new(0), new(1), new(2), new(3));
        let defaults = [a, b, c, d].map(|answer| answer.expect(201)["default"] == true);
        assert_eq!(defaults.iter().filter(|is_default| **is_default).count(), 1);
    }

    async fn another_redirect_uri_can_be_made_the_default(world: World) {
        let first = register(&world, "https://app.example.com/a").await;
        let second = register(&world, "https://app.example.com/b").await;
        let path = format!("{PATH}/{}", second["id"].as_str().unwrap());
        assert_eq!(world.patch(&path, json!({ "default": true })).await.expect(200)["default"], true);
        world.patch(&path, json!({ "default": false })).await.expect(422);
        let list = world.get(PATH).await.expect(200);
        let defaults: Vec<&Value> =
            list["data"].as_array().unwrap().iter().filter(|uri| uri["default"] == true).collect();
        assert_eq!(defaults, [&list["data"][0]]);
        // The default stays while there are others.
        world.delete(&path).await.expect(409);
        world.delete(&format!("{PATH}/{}", first["id"].as_str().unwrap())).await.expect(204);
        world.delete(&path).await.expect(204);
        world.delete(&path).await.expect(404);
    }

    async fn auz_10_a_dangerous_redirect_uri_is_not_saved(world: World) {
        let world = world.in_production().await;
        for uri in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https://*.*.example.com/cb",
            "https://a.*.example.com/cb",
            "https://*.ngrok-free.app/cb",
            "http://*.example.com/cb",
            "http://localhost/cb",
            "https://example.com/cb?x=1",
        ] {
            let answer = world.post(PATH, json!({ "uri": uri })).await.expect(422);
            assert_eq!(answer["errors"][0]["field"], "uri", "{uri}: {answer}");
            assert_eq!(answer.get("error"), None);
        }
        let wildcard = register(&world, "https://*.example.com/cb").await;
        let path = format!("{PATH}/{}", wildcard["id"].as_str().unwrap());
        world.patch(&path, json!({ "default": true })).await.expect(422);
        assert_eq!(world.get(PATH).await.expect(200)["data"].as_array().unwrap().len(), 1);
    }

    async fn the_same_redirect_uri_twice_is_refused_in_workos_words(world: World) {
        register(&world, "https://app.example.com/cb").await;
        let answer = world.post(PATH, json!({ "uri": "https://app.example.com/cb" })).await.expect(422);
        let message = "Redirect URI 'https://app.example.com/cb' already exists.";
        assert_eq!(answer, json!({ "message": message }));
    }

    async fn auz_13_a_redirect_uri_counts_in_its_own_environment_only(world: World) {
        register(&world, "https://app.example.com/cb").await;
        register(&world, "https://*.example.com/wild").await;
        let mine = caller(&world, &world.key).await;
        let other = caller(&world, &world.other_key().await).await;
        for (caller, found) in [(mine, true), (other, false)] {
            for uri in ["https://app.example.com/cb", "https://pr-1.example.com/wild"] {
                let matching = world
                    .app
                    .db
                    .read(&caller, async |tx| redirect_uri::find_match(tx, uri).await)
                    .await
                    .unwrap();
                assert_eq!(matching.is_some(), found, "{uri}");
            }
        }
    }

    async fn auz_09_a_request_that_spells_the_wildcard_out_is_no_match(world: World) {
        register(&world, "https://*.example.com/cb").await;
        let caller = caller(&world, &world.key).await;
        for uri in
            ["https://*.example.com/cb", "https://a.example.com/cb\0", "https://a.b.example.com/cb"]
        {
            let matching = world
                .app
                .db
                .read(&caller, async |tx| redirect_uri::find_match(tx, uri).await)
                .await
                .unwrap();
            assert!(matching.is_none(), "{uri:?}");
        }
    }
}

async fn caller(world: &World, key: &str) -> Caller {
    let hash = vestibule::base::secret::SecretHash::of(key);
    let key = world
        .app
        .db
        .read(&Caller::anonymous(), async move |tx| {
            vestibule::model::api_key::recall_by_hash(tx, &hash).await
        })
        .await
        .unwrap()
        .unwrap();
    Caller::system(EnvironmentId::from_stored(key.environment_id.to_string()))
}
