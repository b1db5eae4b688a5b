//! A fresh database, an environment with a key, and a client that speaks to the router.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use vestibule::app::{App, Limits, Parts};
use vestibule::base::Caller;
use vestibule::base::rate::Limiter;
use vestibule::base::secret::Secret;
use vestibule::base::time::Clock;
use vestibule::config::{Config, Sources};
use vestibule::db::Tx;
use vestibule::dns::{self, Dns};
use vestibule::model::api_key::{self, NewApiKey};
use vestibule::model::environment::{self, Kind, NewEnvironment};
use vestibule::outbound::Outbound;
use vestibule::seal::Sealer;
use vestibule::upstream::Upstream;
use vestibule::web::around::around;
use vestibule::web::request_id;

use crate::support::dns::DnsServer;
use crate::support::{Fixture, TestDb};

/// The REST API as the server has it: each request has a name.
pub fn router(app: App) -> Router {
    vestibule::api::router(app.clone()).layer(around(app, request_id::observe))
}

/// A server with one environment and its key.
pub struct World {
    pub app: App,
    pub router: Router,
    pub clock: Clock,
    pub key: String,
    pub database: TestDb,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    #[allow(dead_code, reason = "for the tests of headers")]
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|_| panic!("no JSON: {} {:?}", self.status, self.text))
    }

    /// The body as JSON, where this status is expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

impl Fixture for World {
    async fn on(database: TestDb) -> Self {
        let clock = Clock::system();
        let config = Config::read(&Sources::collect(None, &[]).unwrap()).unwrap();
        let dns = Dns::new(&[crate::support::dns::nobody()], dns::DEADLINE);
        let outbound = Outbound::new(&config.outbound).unwrap();
        let app = App::from(Parts {
            config: Arc::new(config),
            db: database.open(clock.clone()).await,
            clock: clock.clone(),
            sealer: Arc::new(Sealer::from_text(&Secret::random("")).unwrap()),
            dns,
            upstream: Upstream::new(outbound, clock.clone()),
            limits: Arc::new(Limits::new(&vestibule::config::Limits::default())),
            doctor_rate: Arc::new(Limiter::new("doctor", 20)),
            stopping: Arc::default(),
        });
        let router = router(app.clone());
        let key = new_environment(&app, Kind::Sandbox).await;
        Self { app, router, clock, key, database }
    }
}

impl World {
    /// The same server, with the key of a production environment.
    pub async fn in_production(mut self) -> Self {
        self.key = new_environment(&self.app, Kind::Production).await;
        self
    }

    /// The same server, which asks this one for TXT records.
    pub fn asking(mut self, server: &DnsServer) -> Self {
        let dns = Dns::new(&[server.address()], std::time::Duration::from_secs(3));
        self.app = App::from(Parts { dns, ..(*self.app).clone() });
        self.router = router(self.app.clone());
        self
    }

    /// The key of another environment on the same server.
    pub async fn other_key(&self) -> String {
        new_environment(&self.app, Kind::Sandbox).await
    }

    /// Sends a request. Its answer must be one that WorkOS could give, where WorkOS knows the path.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.send_to(self.router.clone(), request).await
    }

    /// The same, to another node.
    pub async fn send_to(&self, router: Router, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = router.oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // The next thing happens a moment later, so that ids sort as they were made.
        self.clock.advance_ms(1);
        // The errors of a login are pages, or RFC 6749's.
        let is_of_login = path.starts_with("/sso/") && parts.status.as_u16() >= 400;
        if method != Method::HEAD && !is_of_login {
            super::workos_schema::check(&method, &path, parts.status.as_u16(), &text);
        }
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Changes the database behind the service's back.
    pub async fn exec(&self, sql: &'static str) {
        let exec = async move |tx: &mut Tx| tx.execute(sql, &[]).await;
        self.app.db.write(&Caller::anonymous(), exec).await.unwrap();
    }

    /// A column of bytes.
    pub async fn column(&self, sql: &'static str) -> Vec<Vec<u8>> {
        let read = async move |tx: &mut Tx| {
            tx.fetch_all(sql, &[]).await?.into_iter().map(|mut row| row.next()).collect()
        };
        self.app.db.read(&Caller::anonymous(), read).await.unwrap()
    }

    pub async fn call(&self, key: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(&self.key, Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.key, Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(&self.key, Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(&self.key, Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(&self.key, Method::DELETE, path, None).await
    }
}

async fn new_environment(app: &App, kind: Kind) -> String {
    app.db
        .write(&Caller::anonymous(), async move |tx| {
            environment::create(tx, &NewEnvironment { name: "Test".to_owned(), kind }).await?;
            let new = NewApiKey::named("Tests");
            let (_, secret) = api_key::create(tx, &new).await?;
            Ok(secret.expose().to_owned())
        })
        .await
        .unwrap()
}
