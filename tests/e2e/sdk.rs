//! The unmodified WorkOS SDK for Node.js against a running `vestibule demo`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::npm::node;
use super::process::{Process, run, vestibule};
use crate::api::workos_schema;
use crate::support::{self, Folder};

/// Runs `e2e/sdk/*.test.mjs` with the SDK of this name in `e2e/package.json`.
async fn drive(package: &str) {
    let mut command = node().await;
    let data = Folder::new();
    let mut demo = vestibule(data.path());
    demo.args(["demo", "--json", "--data"]).arg(data.path());
    let mut demo = Process::start(demo);
    let line = demo.line().await;

    let folder = command.get_current_dir().unwrap().join("sdk");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut tests: Vec<_> =
        files.filter(|path| path.to_string_lossy().ends_with(".test.mjs")).collect();
    tests.sort();
    assert!(!tests.is_empty());
    let record = data.path().join("answers");
    command.env("WORKOS_SDK", package).env("DEMO", line).env("RECORD", &record);
    command.args(["--test", "--test-reporter=spec"]).args(tests);
    let ended = run(command).await;
    assert!(
        ended.status.success(),
        "{package}:\n{}{}\nthe demo:\n{}",
        ended.stdout,
        ended.stderr,
        demo.stderr()
    );
    check_answers(&std::fs::read_to_string(record).unwrap());
}

/// Holds every answer that the SDK got against WorkOS's own document.
fn check_answers(record: &str) {
    if workos_schema::document().is_none() {
        return support::skipped("WorkOS's own OpenAPI document does not lie beside this folder");
    }
    let mut checked = BTreeSet::new();
    for line in record.lines() {
        let answer: Value = serde_json::from_str(line).expect("JSON");
        let text = |member: &str| answer[member].as_str().unwrap();
        let method = text("method").parse().unwrap();
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let path = text("path").split('?').next().unwrap();
        // The errors of these two are RFC 6749's.
        if status == 200 || !path.starts_with("/sso/") {
            workos_schema::check(&method, path, status, text("body"));
            checked.insert((text("method").to_owned(), path.to_owned()));
        }
    }
    for path in ["/sso/token", "/sso/profile", "/organizations", "/connections", "/events"] {
        assert!(checked.iter().any(|(_, checked)| checked == path), "no answer of {path}");
    }
}

#[tokio::test]
async fn the_workos_sdk_of_the_current_major_needs_only_another_base_url() {
    drive("workos-11").await;
}

#[tokio::test]
async fn the_workos_sdk_of_the_major_before_needs_only_another_base_url() {
    drive("workos-10").await;
}
