//! A fresh database, an environment with a key, and a client that speaks to the router.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use vestibule::app::App;
use vestibule::base::Caller;
use vestibule::base::time::Clock;
use vestibule::config::{Config, Sources};
use vestibule::model::api_key::{self, NewApiKey};
use vestibule::model::environment::{self, Kind, NewEnvironment};

/// A server with one environment and its key.
pub struct World {
    pub app: App,
    pub router: Router,
    pub clock: Clock,
    pub key: String,
    folder: PathBuf,
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

impl World {
    pub async fn new() -> Self {
        Self::of_kind(Kind::Sandbox).await
    }

    pub async fn of_kind(kind: Kind) -> Self {
        let folder = std::env::temp_dir()
            .join(format!("vestibule-{}", vestibule::base::secret::random_alphanumeric(16)));
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Clock::system();
        let app = App::open(config(&folder), clock.clone()).await.unwrap();
        let router = vestibule::api::router(app.clone());
        let key = new_environment(&app, kind).await;
        Self { app, router, clock, key, folder }
    }

    /// The key of another environment on the same server.
    pub async fn other_key(&self) -> String {
        new_environment(&self.app, Kind::Sandbox).await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        // The next thing happens a moment later, so that ids sort as they were made.
        self.clock.advance_ms(1);
        Answer { status: parts.status, headers: parts.headers, text }
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

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn config(folder: &Path) -> Config {
    let data = ("data".to_owned(), folder.display().to_string());
    Config::read(&Sources::collect(None, &[data]).unwrap()).unwrap()
}

async fn new_environment(app: &App, kind: Kind) -> String {
    app.db
        .write(&Caller::anonymous(), async move |tx| {
            environment::create(tx, &NewEnvironment { name: "Test".to_owned(), kind }).await?;
            let new = NewApiKey { name: "Tests".to_owned(), expires_at: None };
            let (_, secret) = api_key::create(tx, &new).await?;
            Ok(secret.expose().to_owned())
        })
        .await
        .unwrap()
}
