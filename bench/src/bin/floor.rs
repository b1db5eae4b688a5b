//! The reference floor: the least a broker can do for one login, over the same wire as the rest.
//!
//! It is no product. One connection is known from the command line, nothing is configurable,
//! nothing is audited, and no cookie binds the state to the browser; what it does do, it does
//! properly: PKCE, nonce, a sealed state that expires, the ID token's signature and claims,
//! single-use codes. With `--store` its codes, profiles and sessions are rows in PostgreSQL, at two
//! commits and one read per login; without, it keeps every session for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use clap::Parser;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sso_bench::client::{Agent, Body, Fail};
use sso_bench::jose::{Verifier, b64, random_token, unb64};
use sso_bench::server::{Answer, Call, json as answer, oauth_error, redirect, serve};
use tokio::net::TcpListener;
use tokio_postgres::{NoTls, Statement};
use url::Url;

const STATE_LIFE_S: u64 = 600;

const SCHEMA: &str = "
    create table if not exists profiles (
        connection text not null, idp_id text not null, id text not null, attributes text not null,
        primary key (connection, idp_id));
    create table if not exists codes (
        digest bytea primary key, profile text not null, expires timestamptz not null);
    create table if not exists sessions (
        digest bytea primary key, profile text not null, expires timestamptz not null)";
const PUT_CODE: &str = "
    with person as (
        insert into profiles values ($1, $2, $3, $4)
        on conflict (connection, idp_id) do update set attributes = excluded.attributes)
    insert into codes values ($5, $4, now() + interval '10 minutes')";
const TAKE_CODE: &str = "
    with taken as (delete from codes where digest = $1 returning profile, expires)
    insert into sessions select $2, profile, now() + interval '10 minutes' from taken
    where expires > now() returning profile";
const GET_SESSION: &str = "select profile from sessions where digest = $1 and expires > now()";

#[derive(Parser)]
#[command(about = "The least an SSO broker can do per login, as a yardstick")]
struct Args {
    #[arg(long, default_value_t = 9410)]
    port: u16,
    /// The upstream provider's issuer
    #[arg(long, default_value = "http://localhost:9400")]
    issuer: Url,
    #[arg(long, default_value = "idp-client")]
    idp_client_id: String,
    #[arg(long, default_value = "idp-client-secret")]
    idp_client_secret: String,
    #[arg(long, default_value = "bench")]
    client_id: String,
    #[arg(long, default_value = "bench-secret")]
    client_secret: String,
    #[arg(long, default_value = "conn_bench")]
    connection: String,
    #[arg(long, default_value = "http://localhost:9499/callback")]
    redirect_uri: String,
    /// A PostgreSQL connection string; without one everything is kept in memory
    #[arg(long)]
    store: Option<String>,
    /// Connections to PostgreSQL
    #[arg(long, default_value_t = 8)]
    store_connections: usize,
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Where codes and sessions are kept, each under the digest of its secret.
enum Store {
    Memory(Mutex<HashMap<[u8; 32], String>>),
    Postgres { clients: Vec<Client>, next: AtomicUsize },
}

struct Client {
    client: tokio_postgres::Client,
    put_code: Statement,
    take_code: Statement,
    get_session: Statement,
}

fn key(secret: &str) -> [u8; 32] {
    digest(&SHA256, secret.as_bytes()).as_ref().try_into().expect("32 bytes")
}

impl Store {
    async fn open(args: &Args) -> Result<Self, tokio_postgres::Error> {
        let Some(url) = &args.store else {
            return Ok(Self::Memory(Mutex::default()));
        };
        let mut clients = Vec::new();
        for _ in 0..args.store_connections {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
            tokio::spawn(connection);
            if clients.is_empty() {
                client.batch_execute(SCHEMA).await?;
            }
            clients.push(Client {
                put_code: client.prepare(PUT_CODE).await?,
                take_code: client.prepare(TAKE_CODE).await?,
                get_session: client.prepare(GET_SESSION).await?,
                client,
            });
        }
        Ok(Self::Postgres { clients, next: AtomicUsize::new(0) })
    }

    fn client<'a>(clients: &'a [Client], next: &AtomicUsize) -> &'a Client {
        &clients[next.fetch_add(1, Relaxed) % clients.len()]
    }

    async fn put_code(&self, code: &str, connection: &str, profile: &Value) -> Option<()> {
        let text = profile.to_string();
        match self {
            Self::Memory(map) => {
                map.lock().unwrap().insert(key(code), text);
            }
            Self::Postgres { clients, next } => {
                let c = Self::client(clients, next);
                let (idp_id, id) = (profile["idp_id"].as_str()?, profile["id"].as_str()?);
                let digest: &[u8] = &key(code);
                c.client
                    .execute(&c.put_code, &[&connection, &idp_id, &id, &text, &digest])
                    .await
                    .ok()?;
            }
        }
        Some(())
    }

    /// Spends the code and opens a session in its place; gives the profile.
    async fn take_code(&self, code: &str, session: &str) -> Option<String> {
        match self {
            Self::Memory(map) => {
                let mut map = map.lock().unwrap();
                let profile = map.remove(&key(code))?;
                map.insert(key(session), profile.clone());
                Some(profile)
            }
            Self::Postgres { clients, next } => {
                let c = Self::client(clients, next);
                let (code, session): (&[u8], &[u8]) = (&key(code), &key(session));
                let row = c.client.query_opt(&c.take_code, &[&code, &session]).await.ok()??;
                Some(row.get(0))
            }
        }
    }

    async fn get_session(&self, session: &str) -> Option<String> {
        match self {
            Self::Memory(map) => map.lock().unwrap().get(&key(session)).cloned(),
            Self::Postgres { clients, next } => {
                let c = Self::client(clients, next);
                let session: &[u8] = &key(session);
                let row = c.client.query_opt(&c.get_session, &[&session]).await.ok()??;
                Some(row.get(0))
            }
        }
    }
}

struct Upstream {
    issuer: String,
    authorize: Url,
    token: Url,
    keys: HashMap<String, Verifier>,
    basic: String,
    idle: Mutex<Vec<Agent>>,
}

impl Upstream {
    async fn discover(args: &Args) -> Result<Self, Fail> {
        let mut agent = Agent::default();
        let get = async |agent: &mut Agent, url: &Url| {
            agent.send(Method::GET, url, &[], Body::None).await?.json()
        };
        let bad = |what: &str| Fail::new("discovery", what);
        let url = args.issuer.join(".well-known/openid-configuration").expect("a valid URL");
        let document = get(&mut agent, &url).await?;
        let endpoint = |name: &str| {
            document[name].as_str().and_then(|url| Url::parse(url).ok()).ok_or_else(|| bad(name))
        };
        let jwks = get(&mut agent, &endpoint("jwks_uri")?).await?;
        let keys = jwks["keys"].as_array().into_iter().flatten();
        let credentials = format!("{}:{}", args.idp_client_id, args.idp_client_secret);
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(credentials);
        Ok(Self {
            issuer: document["issuer"].as_str().ok_or_else(|| bad("issuer"))?.to_owned(),
            authorize: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?,
            keys: keys
                .filter_map(|jwk| Some((jwk["kid"].as_str()?.to_owned(), Verifier::from_jwk(jwk)?)))
                .collect(),
            basic: format!("Basic {basic}"),
            idle: Mutex::new(vec![agent]),
        })
    }

    /// Exchanges a code; gives the verified claims of the ID token.
    async fn exchange(&self, code: &str, verifier: &str, callback: &str) -> Option<Value> {
        let mut agent = self.idle.lock().unwrap().pop().unwrap_or_default();
        let form = Body::form(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("code_verifier", verifier),
        ]);
        let headers = [("authorization", self.basic.as_str())];
        let reply = agent.send(Method::POST, &self.token, &headers, form).await.ok()?;
        self.idle.lock().unwrap().push(agent);
        let reply = reply.json().ok()?;
        let token = reply["id_token"].as_str()?;
        let header = unb64(token.split('.').next()?)?;
        let header: Value = serde_json::from_slice(&header).ok()?;
        self.keys.get(header["kid"].as_str()?)?.verify(token)
    }
}

struct Floor {
    args: Args,
    callback: String,
    upstream: Upstream,
    seal: LessSafeKey,
    store: Store,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_secs()
}

impl Floor {
    async fn handle(&self, call: Call) -> Answer {
        let get = call.method == Method::GET;
        match call.path.as_str() {
            "/sso/authorize" if get => self.authorize(&call),
            "/sso/callback" if get => self.finish(&call).await,
            "/sso/token" if call.method == Method::POST => self.token(&call).await,
            "/sso/profile" if get => self.profile(&call).await,
            "/health" if get => answer(StatusCode::OK, &json!({ "status": "ok" })),
            _ => oauth_error(StatusCode::NOT_FOUND, "not_found", ""),
        }
    }

    fn seal(&self, value: &Value) -> String {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).expect("the system's random source");
        let mut sealed = value.to_string().into_bytes();
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(b"state"),
                &mut sealed,
            )
            .expect("a sealed state");
        b64([&nonce[..], &sealed].concat())
    }

    fn open(&self, text: &str) -> Option<Value> {
        let sealed = unb64(text)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.seal.open_in_place(nonce, Aad::from(b"state"), &mut sealed).ok()?;
        serde_json::from_slice(plain).ok()
    }

    fn authorize(&self, call: &Call) -> Answer {
        let is = |name: &str, wanted: &str| call.query(name).as_deref() == Some(wanted);
        if !is("client_id", &self.args.client_id)
            || !is("connection", &self.args.connection)
            || !is("redirect_uri", &self.args.redirect_uri)
            || !is("response_type", "code")
        {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_request", "");
        }
        let verifier = random_token::<32>();
        let nonce = random_token::<16>();
        let state = self.seal(&json!({
            "v": verifier, "n": nonce, "s": call.query("state"), "x": now() + STATE_LIFE_S,
        }));
        let mut to = self.upstream.authorize.clone();
        to.query_pairs_mut()
            .append_pair("client_id", &self.args.idp_client_id)
            .append_pair("response_type", "code")
            .append_pair("scope", "openid email profile")
            .append_pair("redirect_uri", &self.callback)
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &b64(key(&verifier)))
            .append_pair("code_challenge_method", "S256");
        redirect(to.as_str())
    }

    async fn finish(&self, call: &Call) -> Answer {
        match self.try_finish(call).await {
            Some(answer) => answer,
            None => oauth_error(StatusCode::BAD_REQUEST, "access_denied", ""),
        }
    }

    async fn try_finish(&self, call: &Call) -> Option<Answer> {
        let state = self.open(&call.query("state")?)?;
        if state["x"].as_u64()? < now() {
            return None;
        }
        let verifier = state["v"].as_str()?;
        let claims = self.upstream.exchange(&call.query("code")?, verifier, &self.callback).await?;
        let good = claims["iss"] == self.upstream.issuer.as_str()
            && claims["aud"] == self.args.idp_client_id.as_str()
            && claims["nonce"] == state["n"]
            && claims["exp"].as_u64()? > now();
        if !good {
            return None;
        }
        let sub = claims["sub"].as_str()?;
        let profile = json!({
            "object": "profile",
            "id": format!("prof_{}", &b64(key(&format!("{}:{sub}", self.args.connection)))[..26]),
            "connection_id": self.args.connection,
            "connection_type": "OktaOIDC",
            "organization_id": "org_bench",
            "idp_id": sub,
            "email": claims["email"],
            "first_name": claims["given_name"],
            "last_name": claims["family_name"],
            "groups": claims["groups"],
            "raw_attributes": claims,
        });
        let code = random_token::<32>();
        self.store.put_code(&code, &self.args.connection, &profile).await?;
        let mut to = Url::parse(&self.args.redirect_uri).ok()?;
        to.query_pairs_mut().append_pair("code", &code);
        if let Some(state) = state["s"].as_str() {
            to.query_pairs_mut().append_pair("state", state);
        }
        Some(redirect(to.as_str()))
    }

    async fn token(&self, call: &Call) -> Answer {
        let is = |name: &str, wanted: &str| call.form(name).as_deref() == Some(wanted);
        if !is("client_id", &self.args.client_id)
            || !is("client_secret", &self.args.client_secret)
            || !is("grant_type", "authorization_code")
        {
            return oauth_error(StatusCode::BAD_REQUEST, "invalid_client", "");
        }
        let session = random_token::<32>();
        let code = call.form("code").unwrap_or_default();
        match self.store.take_code(&code, &session).await {
            Some(profile) => {
                let profile: Value = serde_json::from_str(&profile).unwrap_or_default();
                let body = json!({ "access_token": session, "profile": profile });
                answer(StatusCode::OK, &body)
            }
            None => oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", ""),
        }
    }

    async fn profile(&self, call: &Call) -> Answer {
        let session = call.bearer().unwrap_or_default();
        match self.store.get_session(session).await {
            Some(profile) => {
                answer(StatusCode::OK, &serde_json::from_str(&profile).unwrap_or_default())
            }
            None => oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", ""),
        }
    }
}

fn main() {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let upstream = Upstream::discover(&args).await.expect("an upstream provider");
        let store = Store::open(&args).await.expect("a usable --store");
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).expect("the system's random source");
        let seal = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &secret).expect("a 32-byte key"));
        let callback = format!("http://localhost:{}/sso/callback", args.port);
        let listener = TcpListener::bind(("127.0.0.1", args.port)).await.expect("a free port");
        let floor = Arc::new(Floor { args, callback, upstream, seal, store });
        let handler = move |call| {
            let floor = floor.clone();
            async move { floor.handle(call).await }
        };
        serve(listener, None, Arc::new(handler)).await;
    });
}
