//! What the documents name exists.

use super::{path, read};

/// The texts between single backticks that look like paths of the repository.
fn named_paths(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).filter(|name| is_path(name)));
        }
    }
    found
}

fn is_path(name: &str) -> bool {
    const ENDINGS: &[&str] = &[".rs", ".md", ".sql", ".toml", ".json", ".html", ".css"];
    const FOLDERS: &[&str] = &["src/", "tests/", "docs/", "migrations/", "e2e/", ".ci/", "deploy/"];
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    name.bytes().all(plain)
        && !name.starts_with('/')
        && name != "vestibule.toml"
        && (FOLDERS.iter().any(|folder| name.starts_with(folder))
            || ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

/// The targets of links to other files of the repository, as they stand there.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
            .then_some(target)
    })
}

#[test]
fn every_path_that_the_architecture_names_exists() {
    let text = read("ARCHITECTURE.md");
    let named = named_paths(&text);
    assert!(named.len() > 30, "the paths are not found: {named:?}");
    for name in named {
        assert!(path(name).exists(), "ARCHITECTURE.md names `{name}`, which is not there");
    }
}

#[test]
fn the_architecture_stays_short() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines < 200, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut documents = vec![path("."), path("docs"), path("docs/guides")];
    documents.extend([path("docs/decisions"), path("docs/reference")]);
    let mut seen = 0;
    for folder in documents {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.extension().is_some_and(|extension| extension == "md") {
                let text = std::fs::read_to_string(&entry).unwrap();
                for target in links(&text) {
                    let there = folder.join(target);
                    assert!(there.exists(), "{} links to {target}", entry.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 10, "the links are not found");
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("a manifest");
    let mut wanted: Vec<String> = ["dependencies", "dev-dependencies"]
        .iter()
        .flat_map(|table| manifest[*table].as_table().unwrap().keys().cloned())
        .collect();
    let list = read("docs/decisions/0006-dependencies.md");
    let mut listed: Vec<String> = list
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect();
    wanted.sort();
    listed.sort();
    assert_eq!(listed, wanted, "docs/decisions/0006-dependencies.md and Cargo.toml differ");
}
