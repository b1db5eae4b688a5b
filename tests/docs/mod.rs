//! The documents: those made from the code are current, and what the others name exists.
//!
//! `UPDATE_DOCS=1 cargo test --test suite docs` writes the made ones anew.

mod compatibility;
mod configuration;
mod coverage;
mod deploy;
mod doctor;
mod failures;
mod guide;
mod manifest;
mod names;
mod openapi;

use std::path::{Path, PathBuf};

/// How to make the documents anew.
const COMMAND: &str = "UPDATE_DOCS=1 cargo test --test suite docs";

/// A path in the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A file of the repository.
fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares a made document with the committed one, or writes it.
#[track_caller]
fn assert_current(name: &str, text: &str) {
    #[expect(clippy::disallowed_methods, reason = "whether to write is no setting of the product")]
    let update = std::env::var_os("UPDATE_DOCS").is_some();
    if update {
        std::fs::write(path(name), text).expect("the document is written");
        return;
    }
    let committed = std::fs::read_to_string(path(name)).unwrap_or_default();
    let differs = committed.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        committed == text,
        "{name} is stale from line {} on; make it anew with\n\n    {COMMAND}\n",
        differs.map_or(committed.lines().count().min(text.lines().count()), |line| line) + 1
    );
}

/// A text in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
