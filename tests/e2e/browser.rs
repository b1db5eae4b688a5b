//! The pages in a real browser: Debian's Chromium, driven from `e2e/browser/`.
//!
//! Each file there is one test here, with a demo of its own. `FAILURE_PICTURES=folder` keeps what
//! the pages looked like when a test failed.

use super::controls;
use super::npm::node;
use super::process::{Process, run, vestibule};
use crate::support::Folder;

/// Runs a file with the program as it is installed.
async fn drive(file: &str) {
    let data = Folder::new();
    let mut demo = vestibule(data.path());
    demo.args(["demo", "--json", "--data"]).arg(data.path());
    let mut demo = Process::start(demo);
    let line = demo.line().await;
    run_file(file, &line)
        .await
        .unwrap_or_else(|said| panic!("{said}\nit said:\n{}", demo.stderr()));
}

/// Runs a file with a service inside the test, which has controls: it holds the clock, and
/// administrators are signed in already.
async fn drive_world(file: &str) {
    let world = controls::start(true).await;
    run_file(file, &world.told.to_string()).await.unwrap_or_else(|said| panic!("{said}"));
}

/// The same, before there is any administrator.
async fn drive_unclaimed(file: &str) {
    let world = controls::start(false).await;
    run_file(file, &world.told.to_string()).await.unwrap_or_else(|said| panic!("{said}"));
}

/// Runs a file; what it said, if it failed.
async fn run_file(file: &str, demo: &str) -> Result<(), String> {
    let mut command = node().await;
    command.env("DEMO", demo).args(["--test", "--test-reporter=spec"]);
    command.arg(format!("browser/{file}.test.mjs"));
    let ended = run(command).await;
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("{file}:\n{}{}", ended.stdout, ended.stderr))
}

#[tokio::test]
async fn csr_14_dsh_06_whoever_signs_in_sees_sound_pages() {
    drive("login").await;
}

#[tokio::test]
async fn whoever_comes_too_late_is_told_so() {
    drive_world("late").await;
}

#[tokio::test]
async fn dsh_05_what_a_hostile_identity_provider_says_is_text() {
    drive("hostile").await;
}

#[tokio::test]
async fn dsh_08_the_watch_over_the_pages_sees_what_it_should() {
    drive("watch").await;
}

#[tokio::test]
async fn the_guide_is_gone_through_by_an_operator_and_by_an_it_administrator() {
    drive("guide").await;
}

#[tokio::test]
async fn administrators_get_in_by_links_and_passwords() {
    drive("entrance").await;
}

#[tokio::test]
async fn dsh_05_08_prt_08_every_page_is_sound_whatever_stands_on_it() {
    drive_unclaimed("everywhere").await;
}

#[tokio::test]
async fn the_guides_are_gone_through_with_the_keyboard_alone() {
    drive_world("keyboard").await;
}

#[tokio::test]
async fn a_client_secret_is_rotated_while_people_sign_in() {
    drive_world("rotation").await;
}

#[tokio::test]
async fn prt_01_02_04_06_links_that_are_over_say_so_and_nothing_else() {
    drive_world("links").await;
}

#[tokio::test]
async fn a_failed_login_is_traced_by_its_reference_number() {
    drive_world("trace").await;
}

#[tokio::test]
async fn passkeys_are_added_used_and_removed() {
    drive_unclaimed("passkeys").await;
}

#[tokio::test]
async fn every_check_of_the_setup_portal_fails_and_passes() {
    drive_world("proofs").await;
}

#[tokio::test]
async fn dsh_08_12_forms_keep_what_was_typed_and_pages_cannot_be_framed() {
    drive_world("forms").await;
}

#[test]
fn every_file_of_browser_tests_is_run() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("tests/e2e/browser.rs")).unwrap();
    let files = std::fs::read_dir(root.join("e2e/browser")).unwrap();
    let mut seen = 0;
    for file in files.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let Some(name) = file.strip_suffix(".test.mjs") else { continue };
        assert!(source.contains(&format!("(\"{name}\").await")), "nothing runs {file}");
        seen += 1;
    }
    assert!(seen > 0);
}
