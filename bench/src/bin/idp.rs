//! A stub OpenID provider on loopback, standing for a customer's identity provider.
//!
//! It signs every user in at once: /authorize answers with a redirect that carries a code. Who the
//! user is, the browser says in a cookie; a browser without one gets the next number in turn.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use hyper::{Method, StatusCode};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sso_bench::identity::{SESSION_COOKIE, User};
use sso_bench::jose::{Alg, Signer, b64, random_token};
use sso_bench::proc::own_cpu_ms;
use sso_bench::server::{Answer, Call, json as answer, oauth_error, redirect, serve};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CODE_LIFE: Duration = Duration::from_secs(60);
const MAX_CODES: usize = 100_000;
const TOKEN_LIFE_S: u64 = 3600;

#[derive(Parser)]
#[command(about = "A stub OpenID provider on loopback")]
struct Args {
    #[arg(long, default_value_t = 9400)]
    port: u16,
    /// Also listen here with TLS; the issuer and the endpoints that a broker calls move here,
    /// while /authorize, which only browsers visit, stays on --port
    #[arg(long)]
    tls_port: Option<u16>,
    /// Where to write the certificate that brokers must trust when --tls-port is given
    #[arg(long, default_value = "idp-ca.pem")]
    tls_ca: PathBuf,
    /// The host name in the issuer; it must mean 127.0.0.1
    #[arg(long, default_value = "localhost")]
    host: String,
    #[arg(long, default_value = "RS256")]
    alg: Alg,
    /// How many users there are, for browsers that do not say who they are
    #[arg(long, default_value_t = 10_000)]
    users: u64,
    #[arg(long, default_value = "idp-client")]
    client_id: String,
    #[arg(long, default_value = "idp-client-secret")]
    client_secret: String,
    /// Answer only after this time, as a provider across a network would
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Answer the token endpoint only after this time more: a provider that stalls
    #[arg(long, default_value_t = 0)]
    token_delay_ms: u64,
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// What a code stands for until it is exchanged.
struct Grant {
    user: u64,
    nonce: Option<String>,
    challenge: Option<String>,
    redirect_uri: String,
    expires: Instant,
}

struct Idp {
    args: Args,
    issuer: String,
    signer: Signer,
    discovery: Value,
    jwks: Value,
    codes: Mutex<HashMap<String, Grant>>,
    next_user: AtomicU64,
    served: Mutex<BTreeMap<&'static str, u64>>,
}

impl Idp {
    fn new(args: Args) -> Self {
        let front = format!("http://{}:{}", args.host, args.port);
        let issuer = match args.tls_port {
            Some(port) => format!("https://{}:{port}", args.host),
            None => front.clone(),
        };
        let signer = Signer::generate(args.alg);
        let discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{front}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [args.alg.name()],
            "scopes_supported": ["openid", "email", "profile", "groups"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "claims_supported": [
                "iss", "sub", "aud", "iat", "exp", "nonce", "email", "email_verified",
                "name", "given_name", "family_name", "preferred_username", "groups",
            ],
            "code_challenge_methods_supported": ["S256"],
        });
        let jwks = json!({ "keys": [signer.jwk()] });
        Self {
            args,
            issuer,
            signer,
            discovery,
            jwks,
            codes: Mutex::default(),
            next_user: AtomicU64::new(0),
            served: Mutex::default(),
        }
    }

    async fn handle(&self, call: Call) -> Answer {
        let get = call.method == Method::GET;
        let post = call.method == Method::POST;
        let (name, reply) = match call.path.as_str() {
            "/.well-known/openid-configuration" if get => {
                ("discovery", answer(StatusCode::OK, &self.discovery))
            }
            "/jwks" if get => ("jwks", answer(StatusCode::OK, &self.jwks)),
            "/authorize" if get => ("authorize", self.authorize(&call)),
            "/token" if post => ("token", self.token(&call)),
            "/userinfo" if get || post => ("userinfo", self.userinfo(&call)),
            "/stats" if get => return answer(StatusCode::OK, &self.stats()),
            _ => ("unknown", oauth_error(StatusCode::NOT_FOUND, "not_found", &call.path)),
        };
        *self.served.lock().unwrap().entry(name).or_default() += 1;
        let mut delay = self.args.delay_ms;
        if name == "token" {
            delay += self.args.token_delay_ms;
        }
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        reply
    }

    fn stats(&self) -> Value {
        json!({
            "requests": *self.served.lock().unwrap(),
            "cpu_ms": own_cpu_ms(),
            "codes_open": self.codes.lock().unwrap().len(),
        })
    }

    fn authorize(&self, call: &Call) -> Answer {
        let bad = |what: &str| oauth_error(StatusCode::BAD_REQUEST, "invalid_request", what);
        if call.query("client_id").as_deref() != Some(&self.args.client_id) {
            return bad("client_id");
        }
        if call.query("response_type").as_deref() != Some("code") {
            return bad("response_type");
        }
        if !call.query("scope").is_some_and(|s| s.split(' ').any(|s| s == "openid")) {
            return bad("scope");
        }
        let challenge = call.query("code_challenge");
        if challenge.is_some() && call.query("code_challenge_method").as_deref() != Some("S256") {
            return bad("code_challenge_method");
        }
        let Some(redirect_uri) = call.query("redirect_uri") else {
            return bad("redirect_uri");
        };
        let Ok(mut to) = url::Url::parse(&redirect_uri) else {
            return bad("redirect_uri");
        };

        let said = call.header("cookie").and_then(|cookies| {
            let mut pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == SESSION_COOKIE)?.1.parse().ok()
        });
        let user = said.unwrap_or_else(|| self.next_user.fetch_add(1, Relaxed) % self.args.users);
        let expires = Instant::now() + CODE_LIFE;
        let grant = Grant { user, nonce: call.query("nonce"), challenge, redirect_uri, expires };
        let code = random_token::<24>();
        to.query_pairs_mut().append_pair("code", &code);
        if let Some(state) = call.query("state") {
            to.query_pairs_mut().append_pair("state", &state);
        }
        let mut codes = self.codes.lock().unwrap();
        if codes.len() >= MAX_CODES {
            codes.retain(|_, grant| grant.expires > Instant::now());
        }
        codes.insert(code, grant);
        redirect(to.as_str())
    }

    fn authenticated(&self, call: &Call) -> bool {
        let basic = call.header("authorization").and_then(|h| h.strip_prefix("Basic "));
        let (id, secret) = match basic {
            Some(encoded) => {
                let plain = STANDARD.decode(encoded).ok().and_then(|b| String::from_utf8(b).ok());
                let Some((id, secret)) = plain.as_deref().and_then(|p| p.split_once(':')) else {
                    return false;
                };
                (percent_decoded(id), percent_decoded(secret))
            }
            None => {
                let text = |name| call.form(name).unwrap_or_default();
                (text("client_id"), text("client_secret"))
            }
        };
        id == self.args.client_id && secret == self.args.client_secret
    }

    fn token(&self, call: &Call) -> Answer {
        let refuse = |why: &str| oauth_error(StatusCode::BAD_REQUEST, "invalid_grant", why);
        if !self.authenticated(call) {
            return oauth_error(StatusCode::UNAUTHORIZED, "invalid_client", "bad credentials");
        }
        if call.form("grant_type").as_deref() != Some("authorization_code") {
            return oauth_error(StatusCode::BAD_REQUEST, "unsupported_grant_type", "");
        }
        let code = call.form("code").unwrap_or_default();
        let Some(grant) = self.codes.lock().unwrap().remove(&code) else {
            return refuse("unknown or used code");
        };
        if grant.expires < Instant::now() {
            return refuse("expired code");
        }
        if call.form("redirect_uri").as_ref() != Some(&grant.redirect_uri) {
            return refuse("another redirect_uri");
        }
        if let Some(challenge) = grant.challenge {
            let verifier = call.form("code_verifier").unwrap_or_default();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            if b64(digest) != challenge {
                return refuse("wrong code_verifier");
            }
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let mut claims = profile(grant.user);
        claims["iss"] = self.issuer.as_str().into();
        claims["aud"] = self.args.client_id.as_str().into();
        claims["iat"] = now.as_secs().into();
        claims["auth_time"] = now.as_secs().into();
        claims["exp"] = (now.as_secs() + TOKEN_LIFE_S).into();
        if let Some(nonce) = grant.nonce {
            claims["nonce"] = nonce.into();
        }
        let tokens = json!({
            "access_token": format!("{}.{}", grant.user, random_token::<24>()),
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_S,
            "scope": "openid email profile",
            "id_token": self.signer.sign(&claims),
        });
        answer(StatusCode::OK, &tokens)
    }

    /// An access token begins with its user's number; that is all a stub needs.
    fn userinfo(&self, call: &Call) -> Answer {
        let user = call.bearer().and_then(|token| token.split_once('.')?.0.parse().ok());
        match user {
            Some(user) => answer(StatusCode::OK, &profile(user)),
            None => oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", ""),
        }
    }
}

fn profile(number: u64) -> Value {
    let user = User::numbered(number);
    json!({
        "sub": user.sub,
        "email": user.email,
        "email_verified": true,
        "name": user.name,
        "given_name": user.given_name,
        "family_name": user.family_name,
        "preferred_username": user.email,
        "groups": user.groups,
    })
}

/// Basic credentials are form-encoded before they are joined (RFC 6749, section 2.3.1).
fn percent_decoded(text: &str) -> String {
    let form = format!("x={text}");
    let mut pairs = url::form_urlencoded::parse(form.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A self-signed certificate, written out for brokers to trust.
fn tls(args: &Args) -> TlsAcceptor {
    let signed =
        rcgen::generate_simple_self_signed(vec![args.host.clone()]).expect("a certificate");
    fs::write(&args.tls_ca, signed.cert.pem()).expect("a writable --tls-ca");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("a usable certificate");
    TlsAcceptor::from(Arc::new(config))
}

async fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).await.expect("a free port")
}

fn main() {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let secure = args.tls_port.map(|port| (port, tls(&args)));
        let idp = Arc::new(Idp::new(args));
        let handler = {
            let idp = idp.clone();
            Arc::new(move |call| {
                let idp = idp.clone();
                async move { idp.handle(call).await }
            })
        };
        if let Some((port, acceptor)) = secure {
            tokio::spawn(serve(listen(port).await, Some(acceptor), handler.clone()));
        }
        tokio::spawn(serve(listen(idp.args.port).await, None, handler));
        println!("issuer {}, pid {}", idp.issuer, std::process::id());

        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .expect("a signal handler");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        println!("{}", idp.stats());
    });
}
