//! An identity provider that poses as another: what it is shown opens nothing there, and nothing of the
//! other is shown to it.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use vestibule::sandbox::okta::Server;

use super::expect::{ADA, TOKEN, values};
use crate::support::canary::Canaries;
use crate::support::http::{Answer, Request};
use crate::support::{World, both_engines};

/// What we are called at the hostile provider, and what we prove it with.
const CLIENT: &str = "client-of-the-hostile-one";
const SECRET: &str = "secret-of-the-hostile-one";

/// A request that came to it.
#[derive(Clone)]
struct Seen {
    path: String,
    authorization: String,
    /// Headers and body, as far as they are text.
    all: String,
}

/// What it says of itself, and what came.
type Told = (Arc<Mutex<Value>>, Arc<Mutex<Vec<Seen>>>);

/// A provider that says of itself what the test tells it to. It issues nothing.
struct Hostile {
    told: Told,
    connection_id: String,
}

impl Hostile {
    /// Starts it, with an active connection of an organization of its own.
    async fn start(world: &World) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let metadata = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "jwks_uri": format!("{origin}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let told: Told = (Arc::new(Mutex::new(metadata)), Arc::default());
        let router = Router::new().fallback(answer).with_state(told.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let organization = world.must("POST", "/organizations", json!({ "name": "Hostile" })).await;
        let connection = json!({
            "organization_id": organization["id"],
            "connection_type": "GenericOIDC",
            "name": "Hostile",
            "oidc": {
                "client_id": CLIENT,
                "client_secret": SECRET,
                "discovery_endpoint": format!("{origin}/.well-known/openid-configuration"),
            },
            "state": "active",
        });
        let made = world.must("POST", "/connections", connection).await;
        Self { told, connection_id: made["id"].as_str().unwrap().to_owned() }
    }

    /// From now on it says this of itself.
    fn says(&self, world: &World, change: impl FnOnce(&mut Value)) {
        let metadata: &mut Value = &mut self.told.0.lock().unwrap();
        change(metadata);
        world.app().upstream.forget(&self.connection_id);
    }

    fn seen(&self) -> Vec<Seen> {
        self.told.1.lock().unwrap().clone()
    }

    fn token_requests(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|it| it.path == "/token").collect()
    }

    /// A login by it, which comes back with a code at once; the answer of the callback, or of the
    /// request that began it where that led nowhere.
    async fn sign_in(&self, world: &World) -> Answer {
        let mut browser = world.browser();
        let begin = world.authorize_url(&[("connection", &self.connection_id)]);
        let departed = browser.get(&begin).await;
        let asked = departed.next();
        let (states, callbacks) = (values(&asked, "state"), values(&asked, "redirect_uri"));
        let ([state], [callback]) = (&states[..], &callbacks[..]) else { return departed };
        let mut back = Url::parse(callback).unwrap();
        back.query_pairs_mut().append_pair("code", "c0de").append_pair("state", state);
        browser.get(&back).await
    }
}

async fn answer(State((metadata, seen)): State<Told>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    let authorization = parts.headers.get("authorization").map(|it| it.to_str().unwrap());
    seen.lock().unwrap().push(Seen {
        path: path.clone(),
        authorization: authorization.unwrap_or_default().to_owned(),
        all: format!("{} {:?} {}", parts.uri, parts.headers, String::from_utf8_lossy(&body)),
    });
    match path.as_str() {
        "/.well-known/openid-configuration" => {
            Json(metadata.lock().unwrap().clone()).into_response()
        }
        "/keys" => Json(json!({ "keys": [] })).into_response(),
        _ => (http::StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })))
            .into_response(),
    }
}

both_engines! {
    async fn mix_08_what_a_hostile_provider_is_shown_opens_nothing_at_another(world: World) {
        let hostile = Hostile::start(&world).await;
        let tenant = &world.demo.tenant;
        let honest_endpoint = Url::parse(&format!("{}{TOKEN}", tenant.base_url())).unwrap();
        let pair = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));

        hostile.sign_in(&world).await;
        let captured = hostile.token_requests().remove(0).authorization;
        assert_eq!(captured, pair, "it is shown its own secret");
        // With a code that is good at the honest one, and before that is used up.
        let mut browser = world.browser();
        let callback = world.to_callback(&mut browser, &world.authorize_url(&[]), ADA).await;
        let code = values(&callback, "code").remove(0);
        let mut redirect_uri = callback.clone();
        redirect_uri.set_query(None);
        let stolen = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect_uri.as_str()),
        ];
        let replay = Request::post_form(&honest_endpoint, &stolen);
        let refused = replay.header("authorization", &captured).send().await;
        assert_eq!(refused.json()["error"], "invalid_client", "{}", refused.text());
        assert!(browser.get(&callback).await.param("code").is_some());

        // It names the honest one's token endpoint: that is shown the hostile one's secret.
        hostile.says(&world, |it| it["token_endpoint"] = json!(honest_endpoint.as_str()));
        hostile.sign_in(&world).await;
        assert_eq!(world.last_failure().await, "token_endpoint_invalid_client");
        let sent = tenant.requests(TOKEN).pop().unwrap();
        assert_eq!(sent.headers["authorization"], pair.as_str());

        // It copies all that the honest one says of itself.
        let (discovery, asked) = (tenant.discovery_endpoint(Server::Org), tenant.count(TOKEN));
        let copy = Request::get(&Url::parse(&discovery).unwrap()).send().await.json();
        hostile.says(&world, |it| *it = copy);
        hostile.sign_in(&world).await;
        assert_eq!(world.last_failure().await, "issuer_mismatch");
        assert_eq!(tenant.count(TOKEN), asked, "nobody is shown anything");
        assert_eq!(hostile.token_requests().len(), 1);

        let mut canaries = Canaries::default();
        canaries.add("secret", world.demo.credentials.client_secret.expose());
        canaries.add("code", code);
        for seen in hostile.seen() {
            canaries.are_not_in(&seen.path, seen.all.as_bytes(), &[]);
        }
        assert!(world.sign_ada_in().await.param("code").is_some());
    }

    async fn mix_08_no_assertion_is_made_where_only_assertions_are_taken(world: World) {
        let hostile = Hostile::start(&world).await;
        let path = format!("/connections/{}", hostile.connection_id);
        for method in ["private_key_jwt", "client_secret_jwt", "tls_client_auth", "none"] {
            let chosen = json!({ "oidc": { "client_authentication": method } });
            let answer = world.api("PATCH", &path, Some(&chosen)).await;
            assert_eq!(answer.status, 422, "{method}: {}", answer.text());
            hostile.says(&world, |it| it["token_endpoint_auth_methods_supported"] = json!([method]));
            hostile.sign_in(&world).await;
            assert_eq!(world.last_failure().await, "client_authentication_unsupported", "{method}");
        }
        assert!(hostile.token_requests().is_empty(), "no secret is shown instead");
    }
}
