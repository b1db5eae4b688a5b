//! The tenant, seen from a relying party.

mod console;
mod console_access;
mod faults;
mod flow;
mod refusals;

use axum::body::{Body, to_bytes};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;
use url::form_urlencoded::{byte_serialize, parse};

use super::{Credentials, GroupsClaim, NewApp, NewUser, Server, Tenant};
use crate::base::secret::{base64url, sha256};
use crate::base::time::Clock;
use crate::web::page::with_query;

const BASE: &str = "http://127.0.0.1:9001";
const CALLBACK: &str = "https://vestibule.example/sso/oidc/key/callback";
const VERIFIER: &str = "0123456789-0123456789-0123456789-0123456789";

/// A tenant with Ada (Engineering, Everyone), Grace (no group) and one app, assigned to Everyone.
struct World {
    tenant: Tenant,
    clock: Clock,
    app: Credentials,
    ada: String,
}

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Where a redirect leads.
    fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    fn cookie(&self) -> &str {
        self.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap()
    }
}

/// A parameter of an address.
fn query(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    parse(query.as_bytes()).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

fn form(pairs: &[(&str, &str)]) -> String {
    with_query("", pairs)[1..].to_owned()
}

impl World {
    fn new() -> Self {
        let clock = Clock::system();
        let tenant = Tenant::new(BASE, clock.clone(), "seed");
        let ada = tenant.create_user(NewUser {
            email: "ada@example.com",
            password: "correct horse",
            given_name: "Ada",
            family_name: "Lovelace",
        });
        tenant.create_user(NewUser {
            email: "grace@example.com",
            password: "battery staple",
            given_name: "Grace",
            family_name: "Hopper",
        });
        let everyone = tenant.create_group("Everyone");
        let engineering = tenant.create_group("Engineering");
        tenant.add_member(&everyone, &ada).unwrap();
        tenant.add_member(&engineering, &ada).unwrap();
        let app = tenant.create_app(NewApp {
            name: "Vestibule".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            groups: vec![everyone],
            ..NewApp::default()
        });
        tenant.set_groups_claim(&app.client_id, Some(GroupsClaim::all())).unwrap();
        Self { tenant, clock, app, ada }
    }

    /// An authorization request in good order, with `changes`: an empty value removes a parameter.
    fn authorize_url(&self, server: Server, changes: &[(&str, &str)]) -> String {
        let challenge = base64url(&sha256(VERIFIER.as_bytes()));
        let mut pairs = vec![
            ("client_id", self.app.client_id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid profile email"),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            pairs.retain(|(found, _)| found != name);
            pairs.push((name, value));
        }
        pairs.retain(|(_, value)| !value.is_empty());
        with_query(&format!("{BASE}{}/v1/authorize", server.path()), &pairs)
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.tenant.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, address: &str, cookie: &str) -> Answer {
        let path = address.strip_prefix(BASE).unwrap_or(address);
        let request = Request::get(path).header(COOKIE, cookie).body(Body::empty()).unwrap();
        self.send(request).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], form: String) -> Answer {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// Types Ada's password on the page that an authorization request led to.
    async fn type_password(&self, page: &Answer, password: &str) -> Answer {
        let (_, rest) = page.body.split_once("name=\"transaction\" value=\"").unwrap();
        let (transaction, _) = rest.split_once('"').unwrap();
        let fields =
            [("transaction", transaction), ("username", "ada@example.com"), ("password", password)];
        self.post("/login/sign-in", &[], form(&fields)).await
    }

    /// The session cookie of Ada's browser.
    async fn session(&self) -> String {
        let page = self.get(&self.authorize_url(Server::Org, &[]), "").await;
        self.type_password(&page, "correct horse").await.cookie().to_owned()
    }

    /// A code for Ada.
    async fn code(&self, server: Server, changes: &[(&str, &str)]) -> String {
        let url = self.authorize_url(server, changes);
        let location = self.tenant.sign_in(&url, "ada@example.com").await.unwrap();
        assert_eq!(query(&location, "state").as_deref(), Some("a state"));
        query(&location, "code").unwrap_or_else(|| panic!("no code in {location}"))
    }

    fn basic(&self, secret: &str) -> String {
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&self.app.client_id), encode(secret));
        format!("Basic {}", STANDARD.encode(pair))
    }

    /// The token request of a careful relying party.
    async fn redeem(&self, server: Server, code: &str) -> Answer {
        self.redeem_with(server, &self.basic(self.app.client_secret.expose()), code, &[]).await
    }

    async fn redeem_with(
        &self,
        server: Server,
        authorization: &str,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in changes {
            pairs.retain(|(found, _)| found != name);
            pairs.push((name, value));
        }
        pairs.retain(|(_, value)| !value.is_empty());
        let headers = [(AUTHORIZATION.as_str(), authorization)];
        let headers = if authorization.is_empty() { &[][..] } else { &headers[..] };
        self.post(&format!("{}/v1/token", server.path()), headers, form(&pairs)).await
    }

    /// The good answer of the token endpoint to Ada's sign-in.
    async fn tokens(&self, server: Server, changes: &[(&str, &str)]) -> Value {
        let code = self.code(server, changes).await;
        let answer = self.redeem(server, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    async fn userinfo(&self, server: Server, tokens: &Value) -> Answer {
        let request = Request::get(format!("{}/v1/userinfo", server.path()))
            .header(AUTHORIZATION, format!("Bearer {}", tokens["access_token"].as_str().unwrap()))
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    async fn keys(&self, server: Server) -> Vec<Value> {
        let answer = self.get(&format!("{}/v1/keys", server.path()), "").await;
        answer.json()["keys"].as_array().unwrap().clone()
    }

    /// Whether a published key has signed the token.
    async fn is_signed(&self, server: Server, tokens: &Value) -> bool {
        use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
        let token = tokens["id_token"].as_str().unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let header = part(token, 0);
        let keys = self.keys(server).await;
        let Some(key) = keys.iter().find(|key| key["kid"] == header["kid"]) else {
            return false;
        };
        let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        RsaPublicKeyComponents { n: number("n"), e: number("e") }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature)
            .is_ok()
    }
}

/// A part of a JWT: 0 is the header, 1 the claims.
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn claims(tokens: &Value) -> Value {
    part(tokens["id_token"].as_str().unwrap(), 1)
}
