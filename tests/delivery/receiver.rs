//! An application's webhook endpoint on loopback that does as it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

/// One delivery as it came.
#[derive(Clone)]
pub struct Received {
    pub signature: String,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn id(&self) -> String {
        self.json()["id"].as_str().expect("an id").to_owned()
    }
}

/// How the endpoint answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    Fine,
    Broken,
    Redirecting,
    Talkative,
    Silent,
}

/// What the endpoint is told, and what came to it.
type Told = Arc<Mutex<(Mood, Vec<Received>)>>;

/// The endpoint. It runs until the test ends.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    state: Told,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new((Mood::Fine, Vec::new())));
        let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub fn is(&self, mood: Mood) {
        self.state.lock().unwrap().0 = mood;
    }

    /// Everything that came, oldest first.
    pub fn all(&self) -> Vec<Received> {
        self.state.lock().unwrap().1.clone()
    }

    /// How many deliveries came.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().1.len()
    }

    /// The names of the events that came.
    pub fn names(&self) -> Vec<String> {
        self.all().iter().map(|it| it.json()["event"].as_str().unwrap().to_owned()).collect()
    }
}

async fn receive(State(state): State<Told>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = {
        let mut state = state.lock().unwrap();
        let signature = headers["workos-signature"].to_str().unwrap().to_owned();
        state.1.push(Received { signature, body });
        state.0
    };
    match mood {
        Mood::Fine => StatusCode::OK.into_response(),
        Mood::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "out of coffee").into_response(),
        Mood::Redirecting => (StatusCode::FOUND, [("location", "/hook")]).into_response(),
        Mood::Talkative => "x".repeat(1_000_000).into_response(),
        Mood::Silent => std::future::pending().await,
    }
}
