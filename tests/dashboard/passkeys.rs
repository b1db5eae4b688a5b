//! Passkeys, with an authenticator in software: what is accepted, and everything that is not.

use std::cell::Cell;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use vestibule::app::{App, Parts};
use vestibule::base::Caller;
use vestibule::model::administrator::passkey;
use vestibule::model::administrator::{self, CONFIRMED_MS, NewAdministrator, Role};
use vestibule::server;

use crate::support::http::{Answer, Browser, Request};
use crate::support::pages::csrf;
use crate::support::{World, both_engines};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const WITH_CREDENTIAL: u8 = 64;

/// The service at a host name, since passkeys do not belong to addresses; and an administrator.
struct House {
    world: World,
    url: Url,
    browser: Browser,
    owner: String,
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// What keeps one passkey and signs with it.
struct Authenticator {
    key: Key,
    id: Vec<u8>,
    count: Cell<u32>,
    party: String,
    origin: String,
    flags: u8,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

impl House {
    async fn new(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let url = Url::parse(&url).unwrap();
        let app = world.app();
        let mut config = (*app.config).clone();
        config.base_url = url.clone();
        let app = App::from(Parts { config: config.into(), ..(**app).clone() });
        tokio::spawn(server::serve(listener, server::router(app), std::future::pending()));
        let new = NewAdministrator {
            email: "olga@staff.example".to_owned(),
            name: "Olga".to_owned(),
            role: Role::Admin,
        };
        let nobody = Caller::anonymous();
        let made = world.app().db.write(&nobody, async move |tx| {
            let made = administrator::create(tx, &new).await?;
            let secret = administrator::begin_session(tx, &made.id, (None, None)).await?;
            Ok((made.id.to_string(), secret))
        });
        let (owner, secret) = made.await.unwrap();
        let mut browser = Browser::default();
        browser.keep(&url, "vestibule-administrator", secret.expose());
        Self { world, url, browser, owner }
    }

    fn at(&self, path: &str) -> Url {
        self.url.join(path).unwrap()
    }

    fn authenticator(&self, key: Key) -> Authenticator {
        Authenticator {
            key,
            id: encode(&sha256(b"a credential")).into_bytes(),
            count: Cell::new(0),
            party: "localhost".to_owned(),
            origin: self.url.origin().ascii_serialization(),
            flags: PRESENT | VERIFIED,
        }
    }

    async fn challenge(&self, browser: &mut Browser, purpose: &str) -> String {
        let path = format!("/dashboard/passkey-challenge?for={purpose}");
        browser.get(&self.at(&path)).await.json()["challenge"].as_str().unwrap().to_owned()
    }

    async fn send(
        &self,
        browser: &mut Browser,
        (page, action): (&str, &str),
        fields: &[(&str, String)],
    ) -> Answer {
        let token = csrf(&browser.get(&self.at(page)).await.text()).expect("a form");
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        browser.send(Request::post_form(&self.at(action), &all)).await
    }

    async fn add(&mut self, authenticator: &Authenticator) -> Answer {
        let mut browser = self.browser.clone();
        let challenge = self.challenge(&mut browser, "register").await;
        let fields = authenticator.create(&challenge);
        let at = ("/dashboard/account/passkeys/new", "/dashboard/account/passkeys");
        self.send(&mut browser, at, &fields).await
    }

    async fn sign_in(&self, authenticator: &Authenticator) -> Answer {
        let mut browser = Browser::default();
        browser.get(&self.at("/dashboard/sign-in")).await;
        let challenge = self.challenge(&mut browser, "sign-in").await;
        self.answer(&mut browser, &authenticator.sign(&challenge, &self.owner)).await
    }

    async fn answer(&self, browser: &mut Browser, fields: &[(&str, String)]) -> Answer {
        self.send(browser, ("/dashboard/sign-in", "/dashboard/sign-in/passkey"), fields).await
    }
}

fn es256() -> Key {
    Key::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
}

impl Authenticator {
    fn data(&self, with_credential: bool) -> Vec<u8> {
        let mut data = sha256(self.party.as_bytes());
        data.push(self.flags | if with_credential { WITH_CREDENTIAL } else { 0 });
        data.extend(self.count.get().to_be_bytes());
        if with_credential {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
        }
        data
    }

    fn client_data(&self, kind: &str, challenge: &str) -> String {
        json!({ "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false })
            .to_string()
    }

    fn public_key(&self) -> (Vec<u8>, i64) {
        let der = |key: PublicKeyX509Der<'static>| key.as_ref().to_vec();
        match &self.key {
            Key::Es256(pair) => (der(pair.public_key().as_der().unwrap()), -7),
            Key::EdDsa(pair) => (der(pair.public_key().as_der().unwrap()), -8),
            Key::Rs256(pair) => (der(pair.public_key().as_der().unwrap()), -257),
        }
    }

    fn create(&self, challenge: &str) -> Vec<(&'static str, String)> {
        let (key, algorithm) = self.public_key();
        vec![
            ("name", "Laptop".to_owned()),
            ("client_data", encode(self.client_data("webauthn.create", challenge).as_bytes())),
            ("authenticator_data", encode(&self.data(true))),
            ("public_key", encode(&key)),
            ("algorithm", algorithm.to_string()),
        ]
    }

    fn sign(&self, challenge: &str, owner: &str) -> Vec<(&'static str, String)> {
        let client_data = self.client_data("webauthn.get", challenge);
        let mut message = self.data(false);
        message.extend(sha256(client_data.as_bytes()));
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Es256(pair) => pair.sign(&random, &message).unwrap().as_ref().to_vec(),
            Key::EdDsa(pair) => pair.sign(&message).as_ref().to_vec(),
            Key::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).unwrap();
                signature
            }
        };
        vec![
            ("credential_id", encode(&self.id)),
            ("client_data", encode(client_data.as_bytes())),
            ("authenticator_data", encode(&self.data(false))),
            ("signature", encode(&signature)),
            ("user_handle", encode(owner.as_bytes())),
        ]
    }
}

both_engines! {
    async fn a_passkey_of_each_algorithm_signs_in(world: World) {
        let mut house = House::new(world).await;
        let keys = [
            es256(),
            Key::EdDsa(Ed25519KeyPair::generate().unwrap()),
            Key::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        ];
        for (i, key) in keys.into_iter().enumerate() {
            let mut authenticator = house.authenticator(key);
            authenticator.id = vec![u8::try_from(i).unwrap(); 32];
            let added = house.add(&authenticator).await;
            assert_eq!(added.location(), "/dashboard/account?notice=passkey", "{}", added.text());
            let answer = house.sign_in(&authenticator).await;
            assert_eq!(answer.location(), "/dashboard", "{}", answer.text());
        }
    }

    async fn an_answer_of_a_passkey_works_once_and_in_its_browser_only(world: World) {
        let mut house = House::new(world).await;
        let authenticator = house.authenticator(es256());
        house.add(&authenticator).await;
        let mut browser = Browser::default();
        browser.get(&house.at("/dashboard/sign-in")).await;
        let challenge = house.challenge(&mut browser, "sign-in").await;
        let fields = authenticator.sign(&challenge, &house.owner);
        let mut thief = Browser::default();
        assert_eq!(house.answer(&mut thief, &fields).await.status, 422, "another browser");
        let mut again = browser.clone();
        assert_eq!(house.answer(&mut browser, &fields).await.status, 303);
        assert_eq!(house.answer(&mut again, &fields).await.status, 422, "once more");
        let late = house.challenge(&mut again, "sign-in").await;
        let other = house.challenge(&mut again, "confirm").await;
        house.world.clock.advance_ms(5 * 60 * 1000);
        for challenge in [late, other, encode(&[7; 56]), String::new()] {
            let fields = authenticator.sign(&challenge, &house.owner);
            assert_eq!(house.answer(&mut again, &fields).await.status, 422);
        }
        let other = house.challenge(&mut again, "confirm").await;
        let fields = authenticator.sign(&other, &house.owner);
        assert_eq!(house.answer(&mut again, &fields).await.status, 422, "of another purpose");
    }

    async fn an_answer_with_anything_wrong_signs_nobody_in(world: World) {
        let mut house = House::new(world).await;
        let mut authenticator = house.authenticator(es256());
        house.add(&authenticator).await;
        let origin = authenticator.origin.clone();
        authenticator.origin = "https://evil.example".to_owned();
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "another origin");
        authenticator.origin = format!("{origin}.evil.example");
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "an origin that begins alike");
        authenticator.origin = origin;
        authenticator.party = "evil.example".to_owned();
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "another relying party");
        authenticator.party = "localhost".to_owned();
        authenticator.flags = PRESENT;
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "nobody verified");
        authenticator.flags = VERIFIED;
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "nobody present");
        authenticator.flags = PRESENT | VERIFIED;
        let owner = std::mem::replace(&mut house.owner, "administrator_other".to_owned());
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "another account");
        house.owner = owner;
        let mut stranger = house.authenticator(es256());
        assert_eq!(house.sign_in(&stranger).await.status, 422, "another key");
        stranger.id = b"another credential".to_vec();
        assert_eq!(house.sign_in(&stranger).await.status, 422, "an unknown credential");
        authenticator.count.set(5);
        assert_eq!(house.sign_in(&authenticator).await.status, 303);
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "the counter stands");
        authenticator.count.set(4);
        assert_eq!(house.sign_in(&authenticator).await.status, 422, "the counter goes back");
        authenticator.count.set(6);
        assert_eq!(house.sign_in(&authenticator).await.status, 303, "nothing else was wrong");
    }

    async fn a_new_passkey_with_anything_wrong_is_not_added(world: World) {
        let mut house = House::new(world).await;
        let mut authenticator = house.authenticator(es256());
        let origin = std::mem::replace(&mut authenticator.origin, "https://evil.example".into());
        assert_eq!(house.add(&authenticator).await.status, 422, "another origin");
        authenticator.origin = origin;
        authenticator.party = "evil.example".to_owned();
        assert_eq!(house.add(&authenticator).await.status, 422, "another relying party");
        authenticator.party = "localhost".to_owned();
        authenticator.flags = PRESENT;
        assert_eq!(house.add(&authenticator).await.status, 422, "nobody verified");
        authenticator.flags = PRESENT | VERIFIED;
        assert_eq!(house.add(&authenticator).await.status, 303);
        assert_eq!(house.add(&authenticator).await.status, 422, "it is known already");
        let owner = administrator_id(&house.owner);
        let read = async move |tx: &mut _| passkey::list(tx, &owner).await;
        let all = house.world.app().db.read(&Caller::anonymous(), read).await.unwrap();
        assert_eq!(all.len(), 1);
    }

    async fn dsh_10_passkeys_change_only_after_a_fresh_proof(world: World) {
        let mut house = House::new(world).await;
        let authenticator = house.authenticator(es256());
        house.add(&authenticator).await;
        house.world.clock.advance_ms(CONFIRMED_MS);
        let confirm = "/dashboard/account/confirm?next=%2Fdashboard%2Faccount%2Fpasskeys%2Fnew";
        let mut browser = house.browser.clone();
        let page = browser.get(&house.at("/dashboard/account/passkeys/new")).await;
        assert_eq!(page.location(), confirm);
        let challenge = house.challenge(&mut browser, "register").await;
        let mut other = house.authenticator(es256());
        other.id = vec![9; 16];
        let at = ("/dashboard/account", "/dashboard/account/passkeys");
        let refused = house.send(&mut browser, at, &other.create(&challenge)).await;
        assert_eq!(refused.location(), confirm, "{}", refused.text());
        // Another's passkey does not do, one's own does.
        let challenge = house.challenge(&mut browser, "confirm").await;
        let mut fields = authenticator.sign(&challenge, &house.owner);
        fields.push(("next", "/dashboard/account/passkeys/new".to_owned()));
        let at = (confirm, "/dashboard/account/confirm/passkey");
        let proved = house.send(&mut browser, at, &fields).await;
        assert_eq!(proved.location(), "/dashboard/account/passkeys/new", "{}", proved.text());
        assert_eq!(house.add(&other).await.status, 303);
    }

    async fn passkeys_are_not_offered_where_they_cannot_be(world: World) {
        let mut desk = world.desk(Role::Admin).await;
        let page = desk.get("/dashboard/account").await.text();
        assert!(page.contains("Passkeys need a host name"), "{page}");
        assert_eq!(desk.get("/dashboard/passkey-challenge?for=sign-in").await.status, 404);
    }
}

fn administrator_id(text: &str) -> vestibule::base::id::AdministratorId {
    text.parse().unwrap()
}
