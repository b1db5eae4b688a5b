//! Secrets in memory print as nothing: no type that holds one as plain text prints its fields.

use quote::ToTokens;
use serde_json::json;
use syn::visit::{self, Visit};

use vestibule::base::secret::Secret;
use vestibule::cli::Overrides;
use vestibule::config::{Config, Sources};
use vestibule::db::Location;
use vestibule::model::{connection, webhook_endpoint};
use vestibule::seal::Sealer;
use vestibule::sso::token;

use super::{files, root};
use crate::support::canary::Canaries;
use crate::support::{Fixture, TestDb, World};

/// How the names of fields end that hold secrets; `pairs` are the fields of a form.
const WORDS: &[&str] = &[
    "canary",
    "code",
    "cookie",
    "cookies",
    "credential",
    "credentials",
    "key",
    "keys",
    "nonce",
    "pairs",
    "passphrase",
    "password",
    "passwords",
    "private",
    "secret",
    "secrets",
    "state",
    "ticket",
    "token",
    "tokens",
    "verifier",
];
/// Types that are plain text, or may be.
const PLAIN: &[&str] = &["String", "str", "u8", "Bytes", "Value", "RawValue"];
/// What is named so and is no secret: the field, or the type and the field, and why.
const NO_SECRETS: &[(&str, &str)] = &[
    ("external_key", "a part of addresses that are public"),
    ("verification_token", "it is published in DNS"),
    ("idempotency_key", "it opens nothing without the code that it goes with"),
    ("ConnectionState.state", "one of our words"),
    ("KeySet.keys", "the public halves"),
    ("Span::Code.0", "a text of a guide"),
];
/// Where everything is made up: the simulated tenant.
const SIMULATED: &[&str] = &["src/sandbox/", "src/demo.rs"];

/// The fields of a file that print a secret, as `Type.field`.
fn printing(text: &str) -> Vec<String> {
    let mut reader = Reader::default();
    reader.visit_file(&syn::parse_file(text).expect("a Rust file"));
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Vec<String>,
}

impl Reader {
    fn fields(&mut self, owner: &str, fields: &syn::Fields) {
        for (index, field) in fields.iter().enumerate() {
            let text = field.ty.to_token_stream().to_string();
            let is_pairs = text.replace(' ', "").contains("(String,String)");
            let (name, is_named_so) = match &field.ident {
                Some(name) => (name.to_string(), is_secret(&name.to_string())),
                // What has no name goes by that of its type; texts with names may be anything.
                None => (index.to_string(), is_secret(&last_word(owner)) || is_pairs),
            };
            if is_named_so && is_plain(&text) {
                self.found.push(format!("{owner}.{name}"));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && words(&attribute.to_token_stream().to_string()).any(|word| word == "test")
        };
        if !item.attrs.iter().any(is_test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if derives_debug(&item.attrs) {
            self.fields(&item.ident.to_string(), &item.fields);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        if derives_debug(&item.attrs) {
            for variant in &item.variants {
                self.fields(&format!("{}::{}", item.ident, variant.ident), &variant.fields);
            }
        }
    }
}

fn derives_debug(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("derive")
            && words(&attribute.to_token_stream().to_string()).any(|word| word == "Debug")
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn is_secret(name: &str) -> bool {
    !name.starts_with("public_")
        && WORDS.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")))
}

/// Whether a type, as its tokens are written, is a text that is not wrapped. What is `'static` stands
/// in the program, and so is no secret.
fn is_plain(text: &str) -> bool {
    let text = text.replace("& 'static str", "").replace("&'static str", "");
    let has = |known: &[&str]| words(&text).any(|word| known.contains(&word));
    has(PLAIN) && !has(&["Secret", "SecretHash"])
}

/// The last word of a name such as `ApiToken`, in lower case.
fn last_word(name: &str) -> String {
    let start = name.rfind(|c: char| c.is_uppercase()).unwrap_or(0);
    name[start..].to_lowercase()
}

/// What prints in the sources, exceptions included.
fn all_printing() -> Vec<String> {
    let mut found = Vec::new();
    for path in files(&root().join("src")) {
        let file = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let is_test = file.contains("/tests/") || file.ends_with("/tests.rs");
        let is_simulated = SIMULATED.iter().any(|place| file.starts_with(place));
        if file.ends_with(".rs") && !is_test && !is_simulated {
            found.extend(printing(&std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

fn is_excepted(found: &str, exception: &str) -> bool {
    found == exception || found.ends_with(&format!(".{exception}"))
}

#[test]
fn sec_10_no_type_prints_a_secret_that_it_holds_as_plain_text() {
    let mut found = all_printing();
    for (exception, reason) in NO_SECRETS {
        let before = found.len();
        found.retain(|field| !is_excepted(field, exception));
        assert!(found.len() < before, "{exception} ({reason}) needs no exception any more");
    }
    assert!(found.is_empty(), "these print: wrap them in Secret, or write Debug: {found:?}");
}

#[test]
fn sec_10_what_prints_is_found_however_it_is_written() {
    for (text, expected) in [
        ("#[derive(Debug)] struct A { client_secret: String }", "A.client_secret"),
        ("#[derive(Clone, Debug)] pub struct A<'a> { pub nonce: &'a str }", "A.nonce"),
        ("#[derive(Debug)] struct A { key: Option<Vec<u8>> }", "A.key"),
        ("#[derive(Debug)] struct A { tokens: Zeroizing<String> }", "A.tokens"),
        ("#[derive(Debug)] struct ApiToken(String);", "ApiToken.0"),
        ("#[derive(Debug)] struct A(Vec<(String, String)>);", "A.0"),
        ("#[derive(std::fmt::Debug)] enum A { B { password: String } }", "A::B.password"),
        ("mod inner { #[derive(Debug)] struct A { state: Value } }", "A.state"),
    ] {
        assert_eq!(printing(text), [expected], "{text}");
    }
    for text in [
        "#[derive(Clone)] struct A { client_secret: String }",
        "#[derive(Debug)] struct A { client_secret: Option<Secret>, token: SecretHash }",
        "#[derive(Debug)] struct A { code: &'static str, public_key: Vec<u8>, state: State }",
        "#[derive(Debug)] struct A { secret_sealed: Vec<u8>, key_hash: Vec<u8> }",
        "#[cfg(test)] mod tests { #[derive(Debug)] struct A { token: String } }",
    ] {
        assert_eq!(printing(text), [""; 0], "{text}");
    }
}

#[tokio::test]
async fn sec_10_what_the_service_holds_prints_without_its_secrets() {
    let world = World::on(TestDb::sqlite()).await;
    let (app, seeded) = (world.app(), &world.demo.seeded);
    let key_file = app.config.data.join(vestibule::app::KEY_FILE);
    let mut canaries = Canaries::default();
    canaries.add("API key", seeded.api_key.expose());
    canaries.add("client secret", world.demo.credentials.client_secret.expose());
    canaries.add("sealing key", std::fs::read_to_string(key_file).unwrap().trim());
    let url = "postgres://vestibule:the-password-of-the-database@db.example/vestibule";
    canaries.add("password of the database", "the-password-of-the-database");
    let another_key = Secret::random("");
    canaries.add("another key", another_key.expose());

    let flags = [("keys", another_key.expose()), ("database", url)];
    let flags: Vec<(String, String)> =
        flags.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let sources = Sources::collect(None, &flags).unwrap();
    let id = seeded.connection_id.to_string();
    let read = async move |tx: &mut _| connection::get(tx, &id).await;
    let connection = app.db.read(&world.caller(), read).await.unwrap();
    let secrets = connection.secrets(&app.sealer).unwrap();
    let body = json!({ "endpoint_url": "https://hooks.example/", "events": ["role.created"] });
    let made = world.api("POST", "/webhook_endpoints", Some(&body)).await.json();
    canaries.add("secret of an endpoint", made["secret"].as_str().unwrap());
    let page = async |tx: &mut _| webhook_endpoint::list(tx, &Default::default()).await;
    let endpoints = app.db.read(&world.caller(), page).await.unwrap();
    let code = Secret::new(world.code().await);
    canaries.add("code", code.expose());
    let request = token::Request {
        client_secret: Some(seeded.api_key.clone()),
        code_verifier: Some(another_key.clone()),
        code: Some(code.clone()),
        ..token::Request::default()
    };
    let sealer = Sealer::from_text(&another_key).unwrap();
    let hash = another_key.hash();
    let shown = [
        ("the handles", format!("{app:?}")),
        ("what the demo made", format!("{seeded:?} {:?}", world.demo.credentials)),
        ("the flags", format!("{:?}", Overrides(flags))),
        ("the sources", format!("{sources:#?}")),
        ("the settings", format!("{:?}", Config::read(&sources).unwrap())),
        ("the database", format!("{:?}", Location::Postgres(url.to_owned()))),
        ("a connection", format!("{connection:?} {secrets:?}")),
        ("endpoints", format!("{endpoints:?}")),
        ("a request for a token", format!("{request:?}")),
        ("a secret", format!("{another_key:?} {hash:?} {sealer:?} {code:#?}")),
    ];
    for (place, text) in shown {
        assert!(!text.is_empty());
        canaries.are_not_in(place, text.as_bytes(), &[]);
    }
}
