//! The manifest of the guide, applied as it stands there.

use super::read;
use crate::e2e::process::{run, vestibule};
use crate::support::{Fixture, Folder, TestDb, World};

#[tokio::test]
async fn the_example_of_the_guide_can_be_applied() {
    let world = World::on(TestDb::sqlite()).await;
    let guide = read("docs/guides/configuration-as-code.md");
    let example = guide.split("\n```yaml\n").nth(1).unwrap().split("\n```").next().unwrap();
    assert!(example.contains("https://acme.okta.com"));
    let example = example.replace("https://acme.okta.com", world.demo.tenant.base_url());
    let folder = Folder::new();
    std::fs::write(folder.path().join("vestibule.yaml"), example).unwrap();
    let apply = |plan: bool| {
        let mut command = vestibule(folder.path());
        command.args(["apply", "-f", "vestibule.yaml", "--outbound-allow", "127.0.0.1"]);
        command.env("ACME_CLIENT_SECRET", "x");
        if plan {
            command.arg("--plan");
        }
        run(command)
    };
    assert_eq!(apply(true).await.status.code(), Some(3));
    let done = apply(false).await;
    assert!(done.status.success(), "{done:?}");
    let again = apply(true).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    for line in guide.lines().filter(|line| line.starts_with("$ vestibule ")) {
        let words = line.split_whitespace().skip(2).take_while(|word| !word.starts_with('-'));
        let mut command = vestibule(folder.path());
        command.args(words).arg("--help");
        assert!(run(command).await.status.success(), "{line}");
    }
}
