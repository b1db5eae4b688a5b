//! The guard of the floors: a room (a file or a folder of `src`) uses only rooms on lower floors.

mod source;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use source::{Mention, What};

/// The floors, lowest first; the rooms of one floor do not see each other.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["config", "telemetry"],
    &["dns", "outbound", "seal"],
    &["db", "upstream"],
    &["model"],
    &["app"],
    &["admission", "delivery", "doctor", "domains", "limits", "setup", "sso"],
    &["manifest", "upkeep", "web"],
    &["api", "cli", "dashboard", "login", "portal", "sandbox"],
    &["server"],
    &["demo"],
    &["main"],
];

/// A thing that only some rooms may touch.
struct Seam {
    /// What it is: a path, or the beginning of one.
    path: &'static [&'static str],
    /// Who may.
    rooms: &'static [&'static str],
    /// Why nobody else.
    reason: &'static str,
}

/// The rooms that speak HTTP to browsers and applications.
const HTTP_ROOMS: &[&str] =
    &["web", "api", "cli", "dashboard", "login", "portal", "sandbox", "server"];
/// The rooms with SQL texts.
const SQL_ROOMS: &[&str] = &["db", "model"];

const SEAMS: &[Seam] = &[
    Seam { path: &["axum"], rooms: HTTP_ROOMS, reason: "operations and flows know no HTTP server" },
    Seam {
        path: &["askama"],
        rooms: &["web", "dashboard", "portal", "sandbox", "login"],
        reason: "only the faces with pages render any",
    },
    Seam { path: &["rusqlite"], rooms: &["db"], reason: "SQL drivers are the database room's" },
    Seam {
        path: &["tokio_postgres"],
        rooms: &["db"],
        reason: "SQL drivers are the database room's",
    },
    Seam {
        path: &["hyper", "client"],
        rooms: &["outbound"],
        reason: "there is one HTTP client: it vets addresses and caps sizes",
    },
    Seam {
        path: &["hyper_util", "client"],
        rooms: &["outbound"],
        reason: "there is one HTTP client: it vets addresses and caps sizes",
    },
    Seam {
        path: &["hickory_resolver"],
        rooms: &["dns"],
        reason: "one room asks DNS: it caps what a domain says of itself",
    },
    Seam { path: &["std", "env"], rooms: &["config"], reason: "settings come from config" },
];

/// One use against the rules.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    file: String,
    line: usize,
    problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

/// Checks files, given as paths below `src` and texts.
fn check(files: &[(&str, &str)]) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut read = Vec::new();
    let mut test_only = BTreeSet::new();
    for (file, text) in files {
        let module = module_of(file);
        match source::read(&module, text) {
            Ok((mentions, tests)) => {
                read.push((*file, module, mentions));
                test_only.extend(tests);
            }
            Err(problem) => {
                violations.push(Violation { file: (*file).to_owned(), line: 1, problem });
            }
        }
    }
    for (file, module, mentions) in &read {
        // The library's root declares the rooms, and is none.
        let Some(room) = module.first() else { continue };
        if (1..=module.len()).any(|end| test_only.contains(&module[..end])) {
            continue;
        }
        let mut problem = |line, problem| {
            violations.push(Violation { file: (*file).to_owned(), line, problem });
        };
        match floor_of(room) {
            None => problem(1, format!("the room `{room}` has no floor: give it one in FLOORS")),
            Some(floor) => {
                for Mention { line, what } in mentions {
                    if let Some(text) = judge(room, floor, what) {
                        problem(*line, text);
                    }
                }
            }
        }
    }
    violations.dedup();
    violations
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The module of a file: `model/role/mod.rs` is `["model", "role"]`, `lib.rs` is `[]`.
fn module_of(file: &str) -> Vec<String> {
    let names = file.trim_end_matches(".rs").split('/');
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.last().map(String::as_str) {
        Some("mod") => names[..names.len() - 1].to_vec(),
        Some("lib") if names.len() == 1 => Vec::new(),
        _ => names,
    }
}

/// What is wrong with naming this in this room, if anything is.
fn judge(room: &str, floor: usize, what: &What) -> Option<String> {
    let path = match what {
        What::Sql(text) => {
            return (!SQL_ROOMS.contains(&room))
                .then(|| format!("SQL text belongs in db and model: {text:?}"));
        }
        What::Path(path) => path,
    };
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    if names[0] == "crate" {
        let used = names[1];
        if used == "*" || used == "as" {
            return Some("takes the whole house: name the rooms".to_owned());
        }
        return match floor_of(used) {
            _ if used == room => None,
            Some(its) if its < floor => None,
            Some(its) if its == floor => {
                Some(format!("`{room}` uses `{used}`, on the same floor {floor}"))
            }
            Some(its) => Some(format!("`{room}` (floor {floor}) uses `{used}` (floor {its})")),
            None => Some(format!("`{room}` uses `{used}`, a room with no floor")),
        };
    }
    let seam = SEAMS.iter().find(|seam| touches(seam.path, &names))?;
    (!seam.rooms.contains(&room))
        .then(|| format!("`{room}` uses `{}`: {}", seam.path.join("::"), seam.reason))
}

/// Whether a path is behind a seam, or takes so much at once that nobody can tell.
fn touches(seam: &[&str], path: &[&str]) -> bool {
    path.starts_with(seam)
        || matches!(path.split_last(), Some((&("*" | "as"), wide)) if seam.starts_with(wide))
}

/// Every Rust file below a folder, as its path from there and its text.
fn files_in(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let name = entry.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The first problem in a file of this room, or an empty text.
fn problem(file: &str, text: &str) -> String {
    let violations = check(&[(file, text)]);
    violations.into_iter().next().map(|violation| violation.problem).unwrap_or_default()
}

#[test]
fn every_room_uses_only_rooms_on_lower_floors() {
    let files = files_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(files.len() > 100, "the sources are not where they were");
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let violations: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn the_floors_are_the_rooms_of_the_library_in_its_own_order() {
    let library = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs"));
    let declared: Vec<String> = library
        .unwrap()
        .lines()
        .filter_map(|line| Some(line.strip_prefix("pub mod ")?.trim_end_matches(';').to_owned()))
        .collect();
    let listed: Vec<&str> = FLOORS.iter().copied().flatten().copied().collect();
    assert_eq!(declared, listed[..listed.len() - 1], "src/lib.rs and FLOORS differ");
}

#[test]
fn an_import_from_above_is_found_however_it_is_written() {
    let above = [
        "use crate::api::Router;",
        "use crate::{base::Error, api};",
        "use crate::{base::{Error, time}, api::{self as face, list}};",
        "use crate::api as face;",
        "use super::super::api;",
        "use self::super::super::api::list;",
        "mod inner { use super::super::super::api::list; }",
        "fn f() { crate::api::list(); }",
        "fn f(x: Vec<crate::api::List>) {}",
        "fn f() { use crate::api::list; }",
        "fn f() { println!(\"{}\", crate::api::list()); }",
        "macro_rules! m { () => { $crate::api::list() } }",
        "#[derive(crate::api::Face)] struct S;",
        "impl crate::api::Face for S {}",
    ];
    for text in above {
        let found = problem("model/role.rs", text);
        assert_eq!(found, "`model` (floor 4) uses `api` (floor 8)", "{text}");
    }
}

#[test]
fn rooms_of_one_floor_do_not_see_each_other() {
    let found = problem("login/mod.rs", "use crate::api::body;");
    assert_eq!(found, "`login` uses `api`, on the same floor 8");
    let found = problem("seal.rs", "use super::outbound;");
    assert_eq!(found, "`seal` uses `outbound`, on the same floor 2");
}

#[test]
fn a_room_uses_itself_and_what_is_below() {
    let text = "use super::field; use crate::model::role; use crate::{base, db::Tx};
                pub(in crate::model) fn f() { self::g(); std::mem::drop(1) }
                fn g() -> crate::base::Result<()> { format!(\"{}\", crate::db::x()) }";
    assert_eq!(problem("model/role/mod.rs", text), "");
    assert_eq!(problem("main.rs", "use vestibule::{demo, server}; fn main() {}"), "");
}

#[test]
fn the_program_is_no_way_around() {
    assert_eq!(
        problem("server.rs", "use vestibule::demo;"),
        "`server` (floor 9) uses `demo` (floor 10)"
    );
}

#[test]
fn the_whole_house_cannot_be_taken_at_once() {
    for text in ["use crate::*;", "use super::*;", "use crate as house;", "use super as house;"] {
        assert_eq!(problem("seal.rs", text), "takes the whole house: name the rooms", "{text}");
    }
}

#[test]
fn a_room_needs_a_floor() {
    let found = problem("attic.rs", "");
    assert_eq!(found, "the room `attic` has no floor: give it one in FLOORS");
    let found = problem("web/mod.rs", "use crate::attic;");
    assert_eq!(found, "`web` uses `attic`, a room with no floor");
}

#[test]
fn comments_texts_and_tests_do_not_count() {
    let text = "//! [`x`](crate::api)
                /* use crate::api; */ // crate::api::x
                #[doc = \"crate::api::x\"] const A: &str = \"crate::api::x\";
                #[cfg(test)] mod tests { use crate::api::x; }
                #[cfg(all(test, unix))] use crate::api::y;
                impl A { #[cfg(test)] fn f() { crate::api::x() } }
                #[cfg(test)] mod checks;";
    assert_eq!(problem("model/mod.rs", text), "");
    let files = [("model/mod.rs", text), ("model/checks/deep.rs", "use crate::api::x;")];
    assert_eq!(check(&files), []);
    let not = "#[cfg(not(test))] mod real { use crate::api::x; }";
    assert_eq!(problem("model/mod.rs", not), "`model` (floor 4) uses `api` (floor 8)");
}

#[test]
fn the_seams_hold() {
    let cases = [
        ("sso/mod.rs", "use axum::Json;", "axum"),
        ("sso/mod.rs", "fn f(x: ::axum::Json<()>) {}", "axum"),
        ("api/mod.rs", "#[derive(askama::Template)] struct Page;", "askama"),
        ("api/mod.rs", "use askama::Template;", "askama"),
        ("model/mod.rs", "fn f() { rusqlite::Connection::open(\"x\"); }", "rusqlite"),
        ("model/mod.rs", "use tokio_postgres as pg;", "tokio_postgres"),
        ("server.rs", "use hyper::{server, client};", "hyper::client"),
        ("server.rs", "use hyper::*;", "hyper::client"),
        ("server.rs", "use hyper as h;", "hyper::client"),
        ("upstream/mod.rs", "use hyper_util::client::legacy::Client;", "hyper_util::client"),
        ("app.rs", "fn f() { std::env::var(\"X\"); }", "std::env"),
        ("app.rs", "use std::{env, fs};", "std::env"),
        ("main.rs", "fn f() { std::env::var(\"X\"); }", "std::env"),
    ];
    for (file, text, seam) in cases {
        let found = problem(file, text);
        assert!(found.contains(&format!("uses `{seam}`: ")), "{text}: {found:?}");
    }
    let open = [
        ("login/mod.rs", "use axum::Json; use askama::Template;"),
        ("db/mod.rs", "use rusqlite::Connection;"),
        ("outbound/mod.rs", "use hyper::client::conn::http1;"),
        ("config.rs", "fn f() { std::env::vars(); }"),
        ("server.rs", "use hyper::server::conn; use std::fmt;"),
    ];
    for (file, text) in open {
        assert_eq!(problem(file, text), "", "{text}");
    }
}

#[test]
fn sql_stays_in_its_rooms() {
    let texts = [
        r#"const Q: &str = "SELECT id FROM roles";"#,
        r#"fn f() { format!("insert into roles values ($1)"); }"#,
        r##"const Q: &str = r#"DELETE FROM roles"#;"##,
        r#"const Q: &str = "UPDATE roles SET slug = $1";"#,
        r#"const Q: &str = "AND x WHERE id = $1";"#,
        r#"const Q: &str = "PRAGMA journal_mode";"#,
    ];
    for text in texts {
        assert!(problem("sso/mod.rs", text).starts_with("SQL text belongs in db"), "{text}");
        assert_eq!(problem("model/mod.rs", text), "", "{text}");
    }
    let prose = r#"const T: &str = "Select an organization, then update it.";"#;
    assert_eq!(problem("sso/mod.rs", prose), "");
}

#[test]
fn lod_07_no_pattern_is_matched_by_an_engine_that_backtracks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let is_engine = |name: &&String| ["regex", "pcre", "onig"].iter().any(|it| name.contains(it));
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let engines: Vec<&String> = dependencies.keys().filter(is_engine).collect();
    assert_eq!(engines, ["regex-lite"]);
    for (file, text) in files_in(&root.join("src")) {
        let may = file.starts_with("sandbox/");
        assert!(may || !text.contains("regex_lite"), "{file}: the service matches no patterns");
    }
    // An engine that backtracks would not come to an end with this.
    let pattern = regex_lite::Regex::new("^(?:a+)+$").unwrap();
    assert!(pattern.is_match(&"a".repeat(2000)));
    assert!(!pattern.is_match(&("a".repeat(2000) + "!")));
}
