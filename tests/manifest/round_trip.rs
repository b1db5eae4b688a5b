//! What is exported, applied to an empty installation, gives the same export, and people sign in.

use tokio::net::TcpListener;

use vestibule::base::Caller;
use vestibule::manifest::{export, parse};
use vestibule::model::api_key::{self, NewApiKey};
use vestibule::model::{event, redirect_uri};

use super::filled::{CANARIES, fill};
use super::{Second, applied, empty, exported, planned, steps, with_secrets};
use crate::support::http::{Browser, Request};
use crate::support::{World, both_engines};

async fn newest_event(second: &Second, caller: &Caller) -> i64 {
    second.app.db.read(caller, async |tx| event::newest_position(tx).await).await.unwrap()
}

both_engines! {
    async fn an_export_applied_to_an_empty_installation_gives_the_same_export(world: World) {
        fill(&world).await;
        let text = exported(world.app()).await;
        let manifest = with_secrets(world.app(), &text).await;
        assert!(planned(world.app(), &manifest, true).await.unwrap().is_empty());

        let second = empty(&world, "http://127.0.0.1:1").await;
        let outcome = applied(&second.app, &manifest, false).await;
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        let again = exported(&second.app).await;
        assert_eq!(again, text);
        // Twice changes nothing, and nobody is told of anything.
        let plan = planned(&second.app, &manifest, true).await.unwrap();
        assert_eq!(steps(&plan), Vec::<String>::new());
        let caller = Caller::system(world.demo.seeded.environment_id.clone());
        let before = newest_event(&second, &caller).await;
        assert_eq!(applied(&second.app, &manifest, true).await.done, 0);
        assert_eq!(newest_event(&second, &caller).await, before);
        // The secrets came over, under another key.
        assert_eq!(with_secrets(&second.app, &text).await.environments.len(), 1);
        let third = with_secrets(&second.app, &text).await;
        assert!(planned(world.app(), &third, true).await.unwrap().is_empty());
    }

    async fn people_sign_in_at_the_applied_installation(world: World) {
        let text = exported(world.app()).await;
        let manifest = with_secrets(world.app(), &text).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let second = empty(&world, &base_url).await;
        let outcome = applied(&second.app, &manifest, false).await;
        assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
        let router = vestibule::server::router(second.app.clone());
        let server = vestibule::server::serve(listener, router, std::future::pending::<()>());
        let server = tokio::spawn(server);

        let seeded = &world.demo.seeded;
        let connection = seeded.connection_id.to_string();
        let id = connection.clone();
        let caller = Caller::system(seeded.environment_id.clone());
        let read = async move |tx: &mut _| vestibule::model::connection::get(tx, &id).await;
        let found = second.app.db.read(&caller, read).await.unwrap();
        let tenant = &world.demo.tenant;
        let uri = second.app.callback_uri(&found);
        tenant.add_redirect_uri(&world.demo.credentials.client_id, &uri).unwrap();
        let new = NewApiKey::named("test");
        let create = async move |tx: &mut _| api_key::create(tx, &new).await;
        let (_, api_key) = second.app.db.write(&caller, create).await.unwrap();
        let default = async |tx: &mut _| redirect_uri::find_default(tx).await;
        assert!(second.app.db.read(&caller, default).await.unwrap().is_some());

        let departure = format!(
            "{base_url}/sso/authorize?client_id={}&response_type=code&connection={connection}\
             &redirect_uri={}",
            seeded.client_id, world.demo.redirect_uri
        );
        let mut browser = Browser::default();
        let departed = browser.get(&departure.parse().unwrap()).await;
        let back = tenant.sign_in(&departed.location(), "ada@acme.example").await;
        let back = back.unwrap_or_else(|error| panic!("{error}: {}", departed.text()));
        let arrived = browser.get(&back.parse().unwrap()).await;
        let code = arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()));
        let params = [
            ("client_id", seeded.client_id.as_str()),
            ("client_secret", api_key.expose()),
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
        ];
        let url = format!("{base_url}/sso/token").parse().unwrap();
        let token = Request::post_form(&url, &params).send().await.json();
        assert_eq!(token["profile"]["email"], "ada@acme.example", "{token}");
        assert_eq!(token["profile"]["role"]["slug"], "admin");
        assert_eq!(token["profile"]["connection_id"], connection);
        server.abort();
    }

    async fn sec_12_no_secret_is_in_an_export_or_a_plan(world: World) {
        fill(&world).await;
        let text = exported(world.app()).await;
        let mut manifest = with_secrets(world.app(), &text).await;
        let written = export::text(&manifest).unwrap_err();
        assert!(written.chain().contains("a secret is never written"), "{}", written.chain());
        // Each secret is another one now, so that the plan is about secrets.
        let connections = manifest.environments[0].organizations.iter_mut().flatten();
        let connections = connections.flat_map(|it| it.connections.iter_mut().flatten());
        for oidc in connections.filter_map(|it| it.oidc.as_mut()) {
            let canary = vestibule::base::secret::Secret::new(CANARIES[2]);
            oidc.client_secret = Some(vestibule::manifest::secret::SecretFrom::Literal(canary));
        }
        let plan = planned(world.app(), &manifest, false).await.unwrap();
        let found = steps(&plan);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|step| step.ends_with(" client_secret")), "{found:?}");
        let all: Vec<_> = plan.steps().collect();
        let told = format!("{text}{manifest:?}{plan:?}{}", serde_json::to_string(&all).unwrap());
        let stored = world.demo.credentials.client_secret.expose();
        for canary in CANARIES.into_iter().chain([stored, "whsec_"]) {
            assert!(!told.contains(canary), "{canary}: {told}");
        }
        assert!(told.contains("(secret "), "{told}");
        assert!(text.contains("env: CLIENT_SECRET_01"), "{text}");
        assert!(parse(&text).is_ok());
    }
}
