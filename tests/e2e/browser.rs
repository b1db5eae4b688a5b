//! The pages in a real browser: Debian's Chromium, driven from `e2e/browser/`.
//!
//! Each file there is one test here, with a demo of its own. `FAILURE_PICTURES=folder` keeps what
//! the pages looked like when a test failed.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use serde_json::json;
use tokio::net::TcpListener;
use vestibule::base::time::Clock;
use vestibule::model::administrator::Role;

use super::npm::node;
use super::process::{Process, run, vestibule};
use crate::support::{Fixture, Folder, TestDb, World};

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

/// Runs a file with a service inside the test: it holds the clock, and administrators are signed in
/// already.
async fn drive_world(file: &str) {
    let world = World::on(TestDb::sqlite()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut demo = world.demo.to_json();
    demo["control"] = json!(format!("http://{}", listener.local_addr().unwrap()));
    for role in [Role::Admin, Role::Developer, Role::Support] {
        demo["sessions"][role.as_str()] = json!(world.staff_session(role).await.expose());
    }
    let control =
        Router::new().route("/advance/{ms}", post(advance)).with_state(world.clock.clone());
    let control = tokio::spawn(async move { axum::serve(listener, control).await });
    run_file(file, &demo.to_string()).await.unwrap_or_else(|said| panic!("{said}"));
    control.abort();
}

async fn advance(State(clock): State<Clock>, Path(ms): Path<i64>) {
    clock.advance_ms(ms);
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
async fn administrators_get_in_by_links_and_passwords() {
    drive("entrance").await;
}

#[tokio::test]
async fn dsh_08_every_page_of_the_dashboard_is_sound() {
    drive_world("pages").await;
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
