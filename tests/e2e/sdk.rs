//! The unmodified WorkOS SDK for Node.js against a running `vestibule demo`.

use super::npm::node;
use super::process::{Process, run, vestibule};
use crate::support::Folder;

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
    command.env("WORKOS_SDK", package).env("DEMO", line);
    command.args(["--test", "--test-reporter=spec"]).args(tests);
    let ended = run(command).await;
    assert!(
        ended.status.success(),
        "{package}:\n{}{}\nthe demo:\n{}",
        ended.stdout,
        ended.stderr,
        demo.stderr()
    );
}

#[tokio::test]
async fn the_workos_sdk_of_the_current_major_needs_only_another_base_url() {
    drive("workos-11").await;
}

#[tokio::test]
async fn the_workos_sdk_of_the_major_before_needs_only_another_base_url() {
    drive("workos-10").await;
}
