//! A small identity provider, and a world with one connection to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::keys;
use crate::base::failure::{Failure, FailureCode};
use crate::base::secret::Secret;
use crate::base::time::Clock;
use crate::base::trace::Trace;
use crate::config;
use crate::outbound::Outbound;
use crate::upstream::oidc::{Arrival, Memory, Settings};
use crate::upstream::{self, Ask, Assertion, Departure, Return, Upstream};

pub(super) const CLIENT: &str = "client";
pub(super) const REDIRECT_URI: &str = "https://sso.example/sso/oidc/key/callback";

/// What the provider answers at a path.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) delay_ms: u64,
}

impl Reply {
    pub(super) fn json(value: &Value) -> Self {
        Self::text("application/json", value.to_string())
    }

    pub(super) fn text(kind: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", kind.to_owned())];
        Self { status: 200, headers, body: body.into(), delay_ms: 0 }
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A request that the provider saw.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Default)]
struct Inside {
    replies: HashMap<String, Vec<Reply>>,
    seen: Vec<Seen>,
}

#[derive(Clone)]
pub(super) struct Idp {
    inside: Arc<Mutex<Inside>>,
    pub(super) issuer: String,
}

async fn answer(
    State(inside): State<Arc<Mutex<Inside>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = {
        let mut inside = inside.lock().unwrap();
        inside.seen.push(Seen { method, target: uri.to_string(), headers, body });
        match inside.replies.get_mut(uri.path()) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) => replies[0].clone(),
            None => Reply::text("text/plain", "no").status(404),
        }
    };
    tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
    let mut response = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

impl Idp {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let inside = Arc::new(Mutex::new(Inside::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&inside));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let idp = Self { inside, issuer };
        idp.on("/.well-known/openid-configuration", Reply::json(&idp.metadata()));
        idp.on("/keys", Reply::json(&json!({"keys": [keys::rsa().jwk(json!({"kid": "k1"}))]})));
        idp
    }

    pub(super) fn metadata(&self) -> Value {
        let issuer = &self.issuer;
        json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "scopes_supported": ["openid", "profile", "email", "groups"],
            "id_token_signing_alg_values_supported": ["RS256"],
        })
    }

    /// From now on the path is answered like this.
    pub(super) fn on(&self, path: &str, reply: Reply) {
        self.in_turn(path, vec![reply]);
    }

    /// From now on the path is answered like this, one after the other; the last one stays.
    pub(super) fn in_turn(&self, path: &str, replies: Vec<Reply>) {
        self.inside.lock().unwrap().replies.insert(path.to_owned(), replies);
    }

    pub(super) fn metadata_with(&self, name: &str, value: Value) {
        let mut metadata = self.metadata();
        metadata[name] = value;
        self.on("/.well-known/openid-configuration", Reply::json(&metadata));
    }

    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        let inside = self.inside.lock().unwrap();
        let at = |seen: &&Seen| seen.target.split('?').next() == Some(path);
        inside.seen.iter().filter(at).cloned().collect()
    }
}

/// One connection to one provider.
pub(super) struct World {
    pub(super) idp: Idp,
    pub(super) clock: Clock,
    pub(super) upstream: Upstream,
    pub(super) settings: Settings,
    pub(super) secrets: Vec<Secret>,
    pub(super) userinfo: Reply,
    pub(super) trace: Trace,
}

pub(super) fn outbound() -> Outbound {
    let allow = vec!["127.0.0.0/8".to_owned()];
    Outbound::new(&config::Outbound { allow, extra_ca_file: None }).unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        let idp = Idp::start().await;
        let clock = Clock::system();
        let upstream = Upstream::new(outbound(), clock.clone());
        let discovery = format!("{}/.well-known/openid-configuration", idp.issuer);
        let settings = Settings::new("conn_1", CLIENT, &discovery, &idp.issuer);
        let userinfo = json!({"sub": "00u1", "email": "ada@corp.com", "given_name": "Ada",
            "family_name": "Lovelace", "groups": ["Admins", "Staff"]});
        Self {
            secrets: vec![Secret::new("s3cret")],
            userinfo: Reply::json(&userinfo),
            trace: Trace::new(clock.clone()),
            idp,
            clock,
            upstream,
            settings,
        }
    }

    pub(super) fn ask() -> Ask {
        Ask { state: "st".into(), redirect_uri: REDIRECT_URI.into(), ..Ask::default() }
    }

    pub(super) async fn begin(&mut self, ask: &Ask) -> Result<Departure, FailureCode> {
        let settings = upstream::Settings::Oidc(self.settings.clone());
        let departure = upstream::begin(&self.upstream, &settings, ask, &mut self.trace).await;
        departure.map_err(|failure| failure.code)
    }

    /// The claims that an honest provider would put into the ID token of this sign-in.
    pub(super) fn claims(&self, memory: &Memory) -> Value {
        let now_s = self.clock.now().as_s();
        json!({"iss": self.idp.issuer, "sub": "00u1", "aud": CLIENT, "exp": now_s + 300,
            "iat": now_s, "nonce": memory.nonce})
    }

    pub(super) async fn finish(
        &mut self,
        memory: &Memory,
        query: &str,
    ) -> Result<Assertion, Failure> {
        let (_, arrival) = Arrival::parse(query)?;
        self.idp.on("/userinfo", self.userinfo.clone());
        let settings = upstream::Settings::Oidc(self.settings.clone());
        let memory = upstream::Memory::Oidc(memory.clone());
        let arrival = upstream::Arrival::Oidc(arrival);
        let back = Return {
            memory: &memory,
            arrival: &arrival,
            redirect_uri: REDIRECT_URI,
            secrets: &self.secrets,
        };
        upstream::finish(&self.upstream, &settings, back, &mut self.trace).await
    }

    pub(super) fn tokens(id_token: &str) -> Reply {
        Reply::json(&json!({"token_type": "Bearer", "access_token": "at", "id_token": id_token}))
    }

    pub(super) async fn memory(&mut self) -> Memory {
        let departure = self.begin(&Self::ask()).await.unwrap();
        let upstream::Memory::Oidc(memory) = departure.memory;
        memory
    }

    /// A whole login with the claims as `edit` leaves them.
    pub(super) async fn login(
        &mut self,
        edit: impl FnOnce(&mut Value),
    ) -> Result<Assertion, FailureCode> {
        let memory = self.memory().await;
        let mut claims = self.claims(&memory);
        edit(&mut claims);
        self.login_with(&memory, &keys::rsa().rs256(&claims)).await
    }

    /// A login that brings this ID token.
    pub(super) async fn login_with(
        &mut self,
        memory: &Memory,
        id_token: &str,
    ) -> Result<Assertion, FailureCode> {
        self.idp.on("/token", Self::tokens(id_token));
        self.finish(memory, "code=c0de&state=st").await.map_err(|failure| failure.code)
    }
}
