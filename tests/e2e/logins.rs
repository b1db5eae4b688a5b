//! Many people who sign in at once while parts of the service die, and what must hold afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::Notify;
use url::Url;

use super::service::{Application, Okta};
use crate::support::http::{Answer, Browser, Request};

/// How many different people there are at each tenant.
pub const PEOPLE: usize = 20;
/// Steps of a login that are counted: departure, arrival, redemption.
pub const STEPS: usize = 3;

/// An organization with a tenant of its own.
pub struct Customer {
    pub domain: String,
    pub okta: Okta,
    pub connection: String,
}

impl Customer {
    /// Registers it, with a connection that is ready.
    pub async fn set_up(application: &Application, n: usize) -> Arc<Self> {
        let domain = format!("customer-{n}.example");
        let people: Vec<String> = (0..PEOPLE).map(|n| format!("p{n}@{domain}")).collect();
        let okta = Okta::start(&people).await;
        let domains = json!([{ "domain": domain, "state": "verified" }]);
        let organization = json!({ "name": domain, "domain_data": domains });
        let organization = application.api("POST", "/organizations", &organization).await;
        let connection = json!({
            "organization_id": organization["id"],
            "connection_type": "OktaOIDC",
            "name": domain,
            "state": "active",
            "oidc": {
                "client_id": okta.credentials.client_id,
                "client_secret": okta.credentials.client_secret.expose(),
                "discovery_endpoint": okta.tenant.base_url(),
            },
        });
        let connection = application.api("POST", "/connections", &connection).await;
        okta.allow(connection["redirect_uri"].as_str().unwrap());
        let connection = connection["id"].as_str().unwrap().to_owned();
        Arc::new(Self { domain, okta, connection })
    }

    /// The address of one of its people.
    pub fn email(&self, n: usize) -> String {
        format!("p{}@{}", n % PEOPLE, self.domain)
    }

    /// Signs in at the tenant, where an answer has to lead; says where that sends the browser. Where a
    /// node dies that has a login in hand, the browser is sent there more than once.
    async fn visit(&self, departed: &Answer, email: &str) -> Url {
        assert_eq!(departed.status, 302, "{departed:?}");
        let back = self.okta.tenant.sign_in(&departed.location(), email).await;
        let back = back.unwrap_or_else(|error| panic!("{error} {departed:?}"));
        Url::parse(&back).unwrap()
    }

    /// A whole login of which every single request must succeed, at the first attempt.
    pub async fn sign_in(&self, application: &Application, email: &str) {
        let mut browser = Browser::default();
        let mut departed = browser.get(&application.authorize_url(&self.connection)).await;
        let code = loop {
            let arrived = browser.get(&self.visit(&departed, email).await).await;
            match arrived.param("code") {
                Some(code) => break code,
                None => departed = arrived,
            }
        };
        let token = application.redemption(&code).in_two_packets().send().await;
        assert_eq!(token.status, 200, "{token:?}");
        let token = token.json();
        assert_eq!(token["profile"]["email"], email);
        let profile = application.profile(token["access_token"].as_str().unwrap()).await;
        assert_eq!(profile.status, 200, "{profile:?}");
    }
}

/// Counts the answers of the service, up to the one after which it is killed.
pub struct Steps {
    left: AtomicUsize,
    pub reached: Notify,
}

impl Steps {
    pub fn new(death: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(death), reached: Notify::new() })
    }

    fn count(&self, steps: usize) {
        let left = self.left.fetch_sub(steps, Ordering::Relaxed);
        if (1..=steps).contains(&left) {
            self.reached.notify_one();
        }
    }
}

/// A login to make.
pub struct Login {
    pub application: Application,
    pub customer: Arc<Customer>,
    pub email: String,
    pub redeems: Redeems,
    pub steps: Arc<Steps>,
}

/// How an application redeems its code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Redeems {
    Once,
    /// Some applications are clumsy.
    Twice,
    /// With an `Idempotency-Key`, so that it may ask again if it hears nothing.
    WithKey,
}

/// What came of a login before the service was gone.
pub struct Attempt {
    /// Who signs in.
    email: String,
    redeems: Redeems,
    browser: Browser,
    /// Where the tenant sent the browser back to, if that was not answered.
    unanswered_arrival: Option<Url>,
    code: Option<String>,
    /// The answers to its redemptions; `None` where there was none.
    redemptions: Vec<Option<Answer>>,
}

impl Login {
    /// Goes as far as the service lives. An answer that is not the right one is a failure at once.
    pub async fn make(self) -> Attempt {
        let mut attempt = Attempt {
            email: self.email.clone(),
            redeems: self.redeems,
            browser: Browser::default(),
            unanswered_arrival: None,
            code: None,
            redemptions: Vec::new(),
        };
        let departure = Request::get(&self.application.authorize_url(&self.customer.connection));
        let Some(mut departed) = answered(attempt.browser.try_send(departure).await) else {
            self.steps.count(STEPS);
            return attempt;
        };
        self.steps.count(1);
        // The tenant is alive: only the death of the service may end a login.
        let code = loop {
            let back = self.customer.visit(&departed, &self.email).await;
            let Some(arrived) = answered(attempt.browser.try_send(Request::get(&back)).await)
            else {
                attempt.unanswered_arrival = Some(back);
                self.steps.count(STEPS - 1);
                return attempt;
            };
            match arrived.param("code") {
                Some(code) => break code,
                None => departed = arrived,
            }
        };
        self.steps.count(1);
        attempt.code = Some(code.clone());
        let redemption = || redemption(&self.application, &code, self.redeems);
        let redeem = async || answered(redemption().try_send().await);
        if self.redeems == Redeems::Twice {
            let (first, second) = tokio::join!(redeem(), redeem());
            attempt.redemptions = vec![first, second];
        } else {
            attempt.redemptions = vec![redeem().await];
        }
        self.steps.count(1);
        attempt
    }
}

impl Attempt {
    /// Whether it came to its end.
    pub fn is_granted(&self) -> bool {
        self.redemptions.iter().flatten().any(|answer| answer.status == 200)
    }
}

/// The request that redeems a code; the code serves as the key by which a repetition is known.
fn redemption(application: &Application, code: &str, redeems: Redeems) -> Request {
    let request = application.redemption(code);
    match redeems {
        Redeems::WithKey => request.header("idempotency-key", code),
        Redeems::Once | Redeems::Twice => request,
    }
}

/// What a service says that is neither dead nor, on a machine that is too slow for so many at once,
/// unavailable for a moment: that is no answer either, since it may or may not have happened. A load
/// balancer says 502 or 504 of a node that died with the request.
fn answered<E>(answer: Result<Answer, E>) -> Option<Answer> {
    answer.ok().filter(|answer| !matches!(answer.status.as_u16(), 502..=504))
}

/// Holds what the service says now against what it has said before.
pub async fn judge(
    application: &Application,
    attempts: &[Attempt],
    ids: &mut BTreeMap<String, Value>,
) {
    let mut told = BTreeMap::from([("granted", 0), ("refused", 0), ("lost", 0), ("unused", 0)]);
    for attempt in attempts {
        if let Some(back) = &attempt.unanswered_arrival {
            // It may have been spent or not; but the service is at no loss.
            let answer = attempt.browser.clone().get(back).await;
            assert!(!answer.status.is_server_error(), "{}", answer.text());
        }
        let Some(code) = &attempt.code else { continue };
        let answered = |status: u16| {
            let answers = attempt.redemptions.iter().flatten();
            answers.filter(|answer| answer.status == status).collect::<Vec<_>>()
        };
        let (granted, refused) = (answered(200), answered(400));
        assert_eq!(granted.len() + refused.len(), attempt.redemptions.iter().flatten().count());
        assert!(granted.len() <= 1, "one code, two tokens");
        if let Some(token) = granted.first().map(|answer| answer.json()) {
            remember(ids, &attempt.email, &token["profile"]);
            if attempt.redemptions.len() == 1 {
                let profile = application.profile(token["access_token"].as_str().unwrap()).await;
                assert_eq!(profile.status, 200, "a token is gone: {}", profile.text());
                // Raw attributes may be those of a later sign-in.
                assert_eq!(profile.json()["id"], token["profile"]["id"]);
            }
        }
        let again = redemption(application, code, attempt.redeems).send().await;
        if attempt.redeems == Redeems::WithKey {
            assert_eq!(again.status, 200, "a repetition is refused: {}", again.text());
            remember(ids, &attempt.email, &again.json()["profile"]);
            if let Some(first) = granted.first() {
                assert_eq!(again.json()["access_token"], first.json()["access_token"]);
            }
            *told.get_mut(if granted.is_empty() { "lost" } else { "granted" }).unwrap() += 1;
            continue;
        }
        let spent = !granted.is_empty() || !refused.is_empty();
        match again.status.as_u16() {
            200 => {
                assert!(!spent, "a spent code came back to life");
                remember(ids, &attempt.email, &again.json()["profile"]);
                let third = application.redemption(code).send().await;
                assert_eq!(third.status, 400, "one code, two tokens");
            }
            400 => {
                assert_eq!(again.json()["error"], "invalid_grant");
                assert!(!attempt.redemptions.is_empty(), "a code that was handed out is gone");
            }
            _ => panic!("{}", again.text()),
        }
        let what = match (granted.is_empty(), refused.is_empty(), attempt.redemptions.len()) {
            (false, ..) => "granted",
            (_, false, _) => "refused",
            (.., 0) => "unused",
            _ => "lost",
        };
        *told.get_mut(what).unwrap() += 1;
    }
    println!("codes before the kill: {told:?}");
}

/// A person is one profile, whenever the service dies.
fn remember(ids: &mut BTreeMap<String, Value>, email: &str, profile: &Value) {
    assert_eq!(profile["email"], email);
    let known = ids.entry(email.to_owned()).or_insert_with(|| profile["id"].clone());
    assert_eq!(*known, profile["id"]);
}

/// Sebastiano Vigna's generator, since the same seed must give the same moments everywhere.
pub struct SplitMix(pub u64);

impl SplitMix {
    /// A number from 0 up to this one.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}
