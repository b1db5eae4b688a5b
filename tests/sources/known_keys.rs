//! What anybody can read in the repository opens nothing: no key, no certificate, no password.

use serde_json::{Value, json};

use vestibule::app::KEY_FILE;
use vestibule::base::secret::Secret;
use vestibule::seal::{KeyError, Sealer};

use super::{files, root};
use crate::e2e::process::{run, vestibule};
use crate::e2e::service::Service;
use crate::support::Folder;

/// How long a sealing key is, in characters.
const KEY_CHARS: usize = 43;

/// All texts of the repository, with their paths.
fn texts() -> Vec<(String, String)> {
    let read = |path: std::path::PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        Some((name, String::from_utf8(std::fs::read(path).unwrap()).ok()?))
    };
    let texts: Vec<_> = files(root()).into_iter().filter_map(read).collect();
    assert!(texts.len() > 400, "the files are not where they were");
    texts
}

/// The words that could be taken for a sealing key: as long, of its characters, and no name in a
/// program, which hardly ever has letters of both cases and digits.
fn keys(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_+/=".contains(c);
    let words = text.split(move |c: char| !is_part(c));
    words.filter(|word| {
        let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
        word.len() == KEY_CHARS
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_digit)
            && Sealer::from_text(&Secret::new(*word)).is_ok()
    })
}

#[test]
fn sec_11_no_text_of_the_repository_seals_for_others() {
    let mut seen = 0;
    for (name, text) in texts() {
        for key in keys(&text) {
            seen += 1;
            let sealer = Sealer::from_text(&Secret::new(key)).unwrap();
            assert!(
                matches!(sealer.check_is_secret(), Err(KeyError::Published(_))),
                "{name} has what could be a sealing key: PUBLISHED in src/seal.rs lacks the id {}",
                sealer.newest()
            );
        }
    }
    assert!(seen > 3, "the words are not found");
}

#[test]
fn sec_11_keys_that_anybody_would_guess_are_refused_and_random_ones_are_not() {
    for guess in ["A".repeat(KEY_CHARS), "ABC8".repeat(10) + "ABA", "__8A".repeat(10) + "__8"] {
        let sealer = Sealer::from_text(&Secret::new(guess.as_str())).unwrap();
        assert!(sealer.check_is_secret().is_err(), "{guess}");
    }
    for _ in 0..1000 {
        assert!(Sealer::from_text(&Secret::random("")).unwrap().check_is_secret().is_ok());
    }
}

/// Whether a text has a key or a certificate in PEM. Its mark alone is code that looks for one.
fn has_pem(text: &str) -> bool {
    text.split("-----BEGIN ").skip(1).any(|rest| {
        let body = rest.split("-----").nth(1).unwrap_or_default();
        let is_part = |c: char| c.is_ascii_alphanumeric() || "+/=\\ \r\n".contains(c);
        body.len() > 100 && body.chars().all(is_part)
    })
}

#[test]
fn sec_11_no_private_key_and_no_certificate_lies_in_the_repository() {
    for kind in ["CERTIFICATE", "PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY"] {
        let body = "MIIEvgIBADANBgkqhkiG9w0B\n".repeat(5);
        assert!(has_pem(&format!("-----BEGIN {kind}-----\n{body}-----END {kind}-----")));
    }
    for (name, text) in texts() {
        assert!(!has_pem(&text), "{name}");
    }
    for path in files(root()) {
        let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        let is_store = ["pem", "key", "p12", "pfx", "jks", "der", "crt"].contains(&ending);
        assert!(!is_store, "{}", path.display());
    }
}

#[tokio::test]
async fn sec_11_the_service_does_not_start_with_a_key_that_others_know() {
    let fixture = std::fs::read_to_string(root().join("tests/e2e/fixtures/schema-0007.json"));
    let fixture: Value = serde_json::from_str(&fixture.unwrap()).unwrap();
    let published = fixture["key"].as_str().unwrap().trim().to_owned();
    let guessed = "A".repeat(KEY_CHARS);
    for key in [&published, &guessed] {
        let folder = Folder::new();
        let data = folder.path().join("data");
        let start = |base_url: &str, keys: &str, arguments: &[&str]| {
            let mut command = vestibule(folder.path());
            command.args(arguments).arg("--data").arg(&data);
            command.args(["--base-url", base_url, "--keys", keys, "--listen", "127.0.0.1:0"]);
            command
        };
        let public = "https://sso.example.com";
        let refused = run(start(public, key, &["serve"])).await;
        assert!(refused.failure().contains("is no secret"), "{refused:?}");
        assert!(!format!("{refused:?}").contains(key.as_str()), "it is not told on");
        // Its rows are nobody's yet, and a developer may take it.
        let listed = run(start("http://127.0.0.1:1", key, &["keys", "list"])).await.json();
        assert_eq!(listed["keys"][0]["seals"], true, "{listed}");
        // What it sealed is opened and sealed anew behind another one.
        let both = format!("{},{key}", Secret::random("").expose());
        let rotated = run(start(public, &both, &["keys", "rotate"])).await;
        assert!(rotated.status.success(), "{rotated:?}");
    }
}

#[tokio::test]
async fn sec_11_each_installation_makes_secrets_of_its_own_and_has_no_password() {
    let mut made = Vec::new();
    for _ in 0..2 {
        let folder = Folder::new();
        let mut service = Service::first_start(folder.path(), &[]).await;
        let key = std::fs::read_to_string(folder.path().join("data").join(KEY_FILE)).unwrap();
        let api_key = service.application.api_key.clone();
        service.process.terminate().await;
        let listed = run(service.command(&["administrator", "list"])).await.json();
        assert_eq!(listed["administrators"], json!([]));
        let link = run(service.command(&["administrator", "link"])).await.json();
        let (_, link) = link["url"].as_str().unwrap().split_once("token=").expect("a token");
        for secret in [link.to_owned(), key.trim().to_owned(), api_key] {
            assert!(secret.len() >= KEY_CHARS, "{secret}");
            assert!(!made.contains(&secret), "the same twice: {secret}");
            made.push(secret);
        }
    }
}
