//! The shell blocks of the guide for Okta, run as they stand there.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use tokio::sync::mpsc;
use url::Url;

use super::read;
use crate::e2e::process::{Process, program, vestibule};
use crate::support::http::Browser;
use crate::support::{Fixture, Folder, TestDb, World};

/// The addresses that the guide writes: those of the demo's tenant and of a service that listens
/// where it does without settings.
const TENANT: &str = "http://127.0.0.1:4401";
const SERVICE: &str = "http://127.0.0.1:8080";

/// The blocks that are marked as `sh`, one after the other.
fn shell_blocks(guide: &str) -> String {
    let blocks = guide.split("\n```sh\n").skip(1);
    let blocks: Vec<&str> = blocks.map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(blocks.len() > 8, "the blocks are not found");
    blocks.join("\n")
}

#[tokio::test]
async fn the_guide_for_okta_works_as_it_is_written() {
    let world = World::on(TestDb::sqlite()).await;
    let folder = Folder::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut serve = vestibule(folder.path());
    serve
        .arg("serve")
        .env("VESTIBULE_LISTEN", &listen)
        .env("VESTIBULE_OUTBOUND_ALLOW", "127.0.0.1");
    let mut service = Process::start(serve);
    // The last line of what a first start prints.
    while !service.line().await.contains("/openapi.json") {}

    let script = shell_blocks(&read("docs/guides/okta-oidc.md"))
        .replace(TENANT, world.demo.tenant.base_url())
        .replace(SERVICE, &format!("http://{listen}"));
    let ours = env!("CARGO_BIN_EXE_vestibule");
    let script = format!("set -euo pipefail\nvestibule() {{ {ours} \"$@\"; }}\n{script}");
    let mut shell = program("bash", folder.path())
        .args(["-c", &script])
        .env("VESTIBULE_LISTEN", &listen)
        .env("VESTIBULE_OUTBOUND_ALLOW", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash starts");
    let mut stdin = shell.stdin.take().unwrap();
    // It asks the person on stderr: stdout is for what its commands print.
    let stderr = BufReader::new(shell.stderr.take().unwrap());
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        stderr.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    let mut said = String::new();
    while let Some(line) = lines.recv().await {
        said.push_str(&line);
        said.push('\n');
        if let Some(url) = line.strip_prefix("open ") {
            let code = sign_in(&world, &Url::parse(url).expect("a URL")).await;
            writeln!(stdin, "{code}").unwrap();
        }
    }
    let output = shell.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{told}");
    for expected in [
        "\"role\": {\n    \"slug\": \"member\"\n  }",
        "\"role\": {\n    \"slug\": \"admin\"\n  }",
        "\"groups\": [\n    \"Administrators\",\n    \"Engineering\"\n  ]",
        "\"status\": \"success\"",
        "\"state\": \"active\"",
    ] {
        assert!(told.contains(expected), "no {expected} in:\n{told}");
    }
}

/// What the person does in the browser: signs in, and copies the code.
async fn sign_in(world: &World, url: &Url) -> String {
    let mut browser = Browser::default();
    let callback = world.to_callback(&mut browser, url, "ada@acme.example").await;
    let answer = browser.get(&callback).await;
    answer.param("code").unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()))
}
