//! `docs/reference/security-coverage.md`: which cases of `security-rows.toml` which tests cover.
//!
//! A test carries the ids of its cases at the beginning of its name: `idt_29_30_…` two of one
//! group, `idt_01_to_31_…` a range, `dsc_26_idp_06_…` two of different groups.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{COMMAND, assert_current, path, read};

#[derive(serde::Deserialize)]
struct Catalogue {
    group: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    id: String,
    title: String,
    rows: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct Row {
    id: String,
    severity: Severity,
    title: String,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Critical,
    High,
    Medium,
    Low,
    None,
}

impl Severity {
    fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::None => "–",
        }
    }
}

/// The ids at the beginning of a test's name, such as `IDT-29`.
fn ids(name: &str) -> Vec<String> {
    let number = |word: &str| match word.as_bytes() {
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => word.parse::<u32>().ok(),
        _ => None,
    };
    let is_group = |word: &str| word.len() == 3 && word.bytes().all(|b| b.is_ascii_lowercase());
    let mut found = Vec::new();
    let mut group = "";
    let mut words = name.split('_').peekable();
    while let Some(word) = words.next() {
        let next = words.peek().copied().and_then(number);
        if let (Some(n), false) = (number(word), group.is_empty()) {
            found.push((group, n));
        } else if let ("to", Some(last), Some((_, first))) = (word, next, found.last().copied()) {
            found.extend((first + 1..last).map(|n| (group, n)));
        } else if is_group(word) && next.is_some() {
            group = word;
        } else {
            break;
        }
    }
    found.iter().map(|(group, n)| format!("{}-{n:02}", group.to_uppercase())).collect()
}

/// The names of the functions in a source text.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        line.split(['(', '<']).next()
    })
}

/// Each covered id, with the tests that cover it, as files and names.
fn covered() -> BTreeMap<String, Vec<(String, String)>> {
    let mut covered = BTreeMap::<_, Vec<_>>::new();
    let mut folders = vec![path("src"), path("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let file = entry.strip_prefix(path("")).unwrap().display().to_string();
                for name in functions(&text) {
                    for id in ids(name) {
                        covered.entry(id).or_default().push((file.clone(), name.to_owned()));
                    }
                }
            }
        }
    }
    covered.values_mut().for_each(|tests| tests.sort());
    covered
}

#[test]
fn the_security_coverage_is_current() {
    let catalogue: Catalogue =
        toml::from_str(&read("docs/reference/security-rows.toml")).expect("the catalogue");
    let mut covered = covered();
    let mut summary = String::new();
    let mut tables = String::new();
    let mut total = (0, 0);
    for group in &catalogue.group {
        let (mut done, mut grave) = (0, 0);
        write!(tables, "\n## {}: {}\n\n", group.id, group.title).unwrap();
        tables.push_str("| Case | Severity | What | Tests |\n|---|---|---|---|\n");
        for row in &group.rows {
            assert!(row.id.starts_with(&group.id), "{} is in the group {}", row.id, group.id);
            let tests = covered.remove(&row.id).unwrap_or_default();
            let shown: Vec<String> =
                tests.iter().map(|(file, name)| format!("`{name}` ({file})")).collect();
            let shown = if shown.is_empty() { "**open**".to_owned() } else { shown.join("<br>") };
            let (id, severity) = (&row.id, row.severity);
            writeln!(tables, "| {id} | {} | {} | {shown} |", severity.word(), row.title).unwrap();
            done += usize::from(!tests.is_empty());
            let is_grave = matches!(severity, Severity::Critical | Severity::High);
            grave += usize::from(tests.is_empty() && is_grave);
        }
        let (id, title, all) = (&group.id, &group.title, group.rows.len());
        writeln!(summary, "| {id} | {title} | {done} of {all} | {grave} |").unwrap();
        total = (total.0 + done, total.1 + all);
    }
    let groups: Vec<&str> = catalogue.group.iter().map(|group| group.id.as_str()).collect();
    covered.retain(|id, _| groups.contains(&&id[..3]));
    assert!(covered.is_empty(), "tests name cases that are not in the catalogue: {covered:?}");
    let text = format!(
        "<!-- Made from the names of the tests and security-rows.toml by `{COMMAND}`. -->\n\n\
         # Security coverage\n\n\
         What Vestibule is tested against, and by which tests. A test carries the ids of its cases \
         in its name. An open case is one that no test names: it may hold, but nothing shows it.\n\n\
         {} of {} cases are covered.\n\n\
         | Group | | Covered | Open, critical or high |\n|---|---|--:|--:|\n{summary}{tables}",
        total.0, total.1
    );
    assert_current("docs/reference/security-coverage.md", &text);
}

#[test]
fn ids_are_read_from_names_in_every_form() {
    assert_eq!(ids("auz_05_nothing_but_the_same_bytes_matches"), ["AUZ-05"]);
    assert_eq!(ids("idt_13_14_no_key"), ["IDT-13", "IDT-14"]);
    assert_eq!(ids("idt_01_to_04_a_token"), ["IDT-01", "IDT-02", "IDT-03", "IDT-04"]);
    assert_eq!(ids("dsc_26_idp_06_x"), ["DSC-26", "IDP-06"]);
    assert_eq!(ids("dsc_02_21_idp_01_to_02_x"), ["DSC-02", "DSC-21", "IDP-01", "IDP-02"]);
    assert_eq!(ids("auz_23_the_1001st_login"), ["AUZ-23"]);
    assert!(ids("all_of_53_types").is_empty());
}
