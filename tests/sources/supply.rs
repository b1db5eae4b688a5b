//! What the program is made of: where it comes from, under which licences, and what runs while it is built.
//!
//! What can only be known by asking others, advisories and yanked crates, `cargo deny` asks (`deny.toml`).

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use vestibule::base::secret::sha256;
use vestibule::seal::hex;

use super::root;

/// The platform that the graph is looked at for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Why a build script is trusted: it compiles C.
const COMPILES: &str = "the C of the cryptography, the embedded database and the allocator";
/// It finds out what the compiler or the platform can do.
const ASKS: &str = "asks the compiler what it can do";
/// It looks for tables that somebody may have put in the place of its own.
const TABLES: &str = "finds its own tables of Unicode";
/// It is for a feature that is not used here.
const IDLE: &str = "does nothing without a feature that is off";

/// The build scripts: the crate, the beginning of the script's SHA-256, and what it does. Who changes a
/// line here has read the script.
const BUILD_SCRIPTS: &[(&str, &str, &str)] = &[
    ("aws-lc-rs", "791f97e6abdb685b", COMPILES),
    ("aws-lc-sys", "c6d21709e49e952c", COMPILES),
    ("crc32fast", "deb6052c4a586e88", ASKS),
    ("crossbeam-epoch", "c8c35fc536a2e648", ASKS),
    ("crossbeam-utils", "79cc5363313f77ab", ASKS),
    ("encoding_rs", "10340f257415e3ad", ASKS),
    ("getrandom", "662faa06d7b2a9c5", ASKS),
    ("httparse", "eba8e341d746a6cf", ASKS),
    ("icu_normalizer_data", "c2d446772e3d766a", TABLES),
    ("icu_properties_data", "c2d446772e3d766a", TABLES),
    ("libc", "e70593206df4d2a3", ASKS),
    ("libmimalloc-sys", "4917ec3e9a59e216", COMPILES),
    ("libsqlite3-sys", "769b31370a41aa72", COMPILES),
    ("multer", "42c12800b13ac5ad", ASKS),
    ("num-traits", "d3969209fc1c9d20", ASKS),
    ("parking_lot_core", "3698c936b75f8332", ASKS),
    ("portable-atomic", "9d0b1e0717155804", ASKS),
    ("proc-macro2", "baeb20b52f6b536b", ASKS),
    ("prometheus-client", "aff8cc46233c57e1", IDLE),
    ("quote", "cd6808c02e476b09", ASKS),
    ("rustls", "380b9a051325baa7", ASKS),
    ("rustversion", "4438b108d5b198ca", ASKS),
    ("serde", "e2ea6a7a82f5404c", ASKS),
    ("serde_core", "7bc6b1eec8913ff4", ASKS),
    ("serde_json", "a681e754be844c7d", ASKS),
    ("thiserror", "ccc38283604f9923", ASKS),
    ("zmij", "ad320bc635887879", ASKS),
];
/// The procedural macros, which run in the compiler.
const MACROS: &[&str] = &[
    "askama_macros",
    "async-trait",
    "clap_derive",
    "displaydoc",
    "futures-macro",
    "multiversion_no_op",
    "pastey",
    "prometheus-client-derive-encode",
    "rustversion",
    "serde_derive",
    "thiserror-impl",
    "tokio-macros",
    "tracing-attributes",
    "utoipa-gen",
    "yoke-derive",
    "zerofrom-derive",
    "zerovec-derive",
];

fn table(name: &str) -> toml::Table {
    std::fs::read_to_string(root().join(name)).unwrap().parse().expect(name)
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(arguments).args(["--locked", "--offline"]).current_dir(root());
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The packages that are compiled into the program, its build or its tests.
fn packages() -> Vec<Value> {
    let mut arguments = vec!["tree", "--edges", "normal,build,dev", "--target", PLATFORM];
    arguments.extend(["--prefix", "none", "--format", "{p}"]);
    let tree = cargo(&arguments);
    let used: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.trim_start_matches('v')))
        })
        .collect();
    assert!(used.len() > 200, "the tree is not read: {}", used.len());
    let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", PLATFORM]);
    let mut metadata: Value = serde_json::from_str(&metadata).unwrap();
    let Value::Array(mut packages) = metadata["packages"].take() else { panic!("no packages") };
    let text = |package: &Value, name: &str| package[name].as_str().unwrap_or_default().to_owned();
    packages.retain(|package| {
        let (name, version) = (text(package, "name"), text(package, "version"));
        used.contains(&(name.as_str(), version.as_str())) && name != "vestibule"
    });
    assert_eq!(packages.len() + 1, used.len(), "some are in the tree and not in the metadata");
    packages
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

/// The target of this kind, if the package has one.
fn target<'a>(package: &'a Value, kind: &str) -> Option<&'a Value> {
    let is_of = |target: &&Value| target["kind"].as_array().unwrap().contains(&kind.into());
    package["targets"].as_array().unwrap().iter().find(is_of)
}

/// Whether a licence, or what an expression of SPDX says of several, is among those that are allowed.
/// `MIT/Apache-2.0` is an older way to write `OR`.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (is_allowed, rest) = alternatives(&words, allowed);
    is_allowed && rest.is_empty()
}

fn alternatives<'a>(words: &'a [&'a str], allowed: &[&str]) -> (bool, &'a [&'a str]) {
    let (mut any, mut rest) = together(words, allowed);
    while let ["OR", more @ ..] = rest {
        let (next, after) = together(more, allowed);
        (any, rest) = (any || next, after);
    }
    (any, rest)
}

fn together<'a>(words: &'a [&'a str], allowed: &[&str]) -> (bool, &'a [&'a str]) {
    let (mut all, mut rest) = single(words, allowed);
    while let ["AND", more @ ..] = rest {
        let (next, after) = single(more, allowed);
        (all, rest) = (all && next, after);
    }
    (all, rest)
}

fn single<'a>(words: &'a [&'a str], allowed: &[&str]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (is_allowed, rest) = alternatives(inner, allowed);
            (is_allowed, rest.get(1..).unwrap_or_default())
        }
        [licence, rest @ ..] => (allowed.contains(licence), rest),
        [] => (false, words),
    }
}

#[test]
fn upg_08_every_crate_comes_from_the_one_registry_with_its_checksum() {
    let rules = table("deny.toml");
    let registries = rules["sources"]["allow-registry"].as_array().unwrap();
    let [registry] = &registries[..] else { panic!("{registries:?}") };
    let official = format!("registry+{}", registry.as_str().unwrap());
    for (lock, own) in [("Cargo.lock", "vestibule"), ("bench/Cargo.lock", "sso-bench")] {
        let lock = table(lock);
        let packages = lock["package"].as_array().unwrap();
        assert!(packages.len() > 100);
        for package in packages {
            let text = |name: &str| package.get(name).and_then(toml::Value::as_str);
            let name = text("name").unwrap();
            if name == own {
                continue;
            }
            assert_eq!(text("source"), Some(official.as_str()), "{name}");
            let checksum = text("checksum").unwrap_or_default();
            let is_hex = checksum.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(checksum.len() == 64 && is_hex, "{name} has no checksum: {checksum}");
        }
        assert!(lock.get("patch").is_none(), "something is patched");
    }
    let manifest = table("Cargo.toml");
    assert!(manifest.get("patch").is_none() && manifest.get("replace").is_none());
    let settings = table(".cargo/config.toml");
    assert!(settings.keys().eq(["env"]), "sources could be replaced there");
    let npm = std::fs::read_to_string(root().join("e2e/package-lock.json")).unwrap();
    let npm: Value = serde_json::from_str(&npm).unwrap();
    for (path, package) in npm["packages"].as_object().unwrap() {
        let checksum = package["integrity"].as_str().unwrap_or_default();
        assert!(path.is_empty() || checksum.starts_with("sha512-"), "{path} has no checksum");
    }
}

#[test]
fn upg_08_the_gate_is_red_for_what_is_yanked_unknown_or_has_a_weakness() {
    let rules = table("deny.toml");
    assert_eq!(rules["advisories"]["yanked"].as_str(), Some("deny"));
    assert_eq!(rules["advisories"]["ignore"].as_array().map(Vec::len), Some(0), "say why");
    for name in ["unknown-registry", "unknown-git"] {
        assert_eq!(rules["sources"][name].as_str(), Some("deny"), "{name}");
    }
    assert!(rules["sources"].get("allow-git").is_none());
    assert_eq!(rules["bans"]["wildcards"].as_str(), Some("deny"));
    assert!(rules["licenses"].get("exceptions").is_none());
    let gate = std::fs::read_to_string(root().join("test")).unwrap();
    assert!(gate.contains("cargo deny --locked check || status=1"), "./test asks cargo deny");
}

#[test]
fn upg_08_what_runs_while_the_program_is_built_was_read() {
    let packages = packages();
    let mut scripts = BTreeSet::new();
    for package in &packages {
        if let Some(target) = target(package, "custom-build") {
            let script = std::fs::read(target["src_path"].as_str().unwrap()).unwrap();
            scripts.insert((name(package).to_owned(), hex(&sha256(&script)[..8])));
        }
    }
    let known: BTreeSet<(String, String)> = BUILD_SCRIPTS
        .iter()
        .map(|(name, hash, _)| ((*name).to_owned(), (*hash).to_owned()))
        .collect();
    let news: Vec<_> = scripts.difference(&known).collect();
    let gone: Vec<_> = known.difference(&scripts).collect();
    assert!(news.is_empty(), "read these build scripts, then list them: {news:?}");
    assert!(gone.is_empty(), "these are no build scripts here any more: {gone:?}");
    let macros: Vec<&str> = packages
        .iter()
        .filter(|package| target(package, "proc-macro").is_some())
        .map(name)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert_eq!(macros, MACROS, "read what runs in the compiler, then list it");
    assert!(!root().join("build.rs").exists(), "a build script of ours");
}

#[test]
fn upg_08_every_licence_is_one_that_is_allowed() {
    let rules = table("deny.toml");
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let allowed: Vec<&str> = allowed.iter().map(|it| it.as_str().unwrap()).collect();
    for package in &packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence, &allowed), "{} is under {licence:?}", name(package));
    }
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("GPL-2.0-only OR MIT", true),
        ("MIT AND GPL-2.0-only", false),
        ("(MIT OR Unlicense) AND ISC", true),
        ("MIT AND (GPL-2.0-only OR Unlicense)", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}
