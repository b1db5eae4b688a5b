//! What keeps the program from starting, and what it says then.

use std::os::unix::fs::PermissionsExt;

use super::process::{program, run, typed, vestibule};
use super::service::{Service, free_port};
use crate::support::{Folder, TestDb};

#[tokio::test]
async fn sto_14_a_second_service_on_one_file_is_refused_and_commands_work_beside_the_first() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let refused = run(service.command(&["serve"])).await;
    let file = folder.path().join("data/vestibule.db");
    let expected = format!("vestibule: Another service runs on the database {}.", file.display());
    assert!(refused.failure().starts_with(&expected), "{refused:?}");
    run(service.command(&["environment", "list"])).await.json();
    service.process.kill();
    // Who is dead keeps nobody away.
    service.start_again().await;
}

#[tokio::test]
async fn the_database_is_for_its_owner_alone() {
    let folder = Folder::new();
    let _service = Service::first_start(folder.path(), &[]).await;
    let files = std::fs::read_dir(folder.path().join("data")).unwrap().map(Result::unwrap);
    let modes: Vec<(String, u32)> = files
        .map(|it| {
            let mode = it.metadata().unwrap().permissions().mode() & 0o777;
            (it.file_name().into_string().unwrap(), mode)
        })
        .collect();
    assert!(modes.iter().any(|(name, _)| name == "vestibule.db-wal"), "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

#[tokio::test]
async fn a_command_makes_no_installation_but_for_the_one_that_makes_an_environment() {
    let folder = Folder::new();
    for command in [
        &["session", "list"][..],
        &["organization", "create", "x"],
        &["administrator", "link"],
        &["doctor", "conn_1"],
        &["export"],
    ] {
        let refused = typed(folder.path(), command).await;
        assert!(
            refused.failure().contains("There is no installation in "),
            "{command:?} {refused:?}"
        );
        assert!(refused.failure().contains("--config"), "{refused:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{command:?}");
    }
    let db = TestDb::postgres().await;
    let (server, name) = (db.server().unwrap(), "nothing_is_there");
    let admin = server.connect("postgres").await;
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = server.url(name);
    let mut command = vestibule(folder.path());
    command.args(["session", "list"]).env("VESTIBULE_DATABASE", &url);
    let refused = run(command).await;
    let (_, place) = url.rsplit_once('@').unwrap();
    let expected = format!("There is no installation in postgres://{place}. ");
    assert!(refused.failure().contains(&expected), "{refused:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    server.drop_database(name);

    typed(folder.path(), &["environment", "create", "First"]).await.json();
    let listed = typed(folder.path(), &["environment", "list"]).await.json();
    assert_eq!(listed[0]["name"], "First");
}

#[tokio::test]
async fn a_database_that_cannot_be_had_is_named_without_its_password() {
    let (folder, db) = (Folder::new(), TestDb::postgres().await);
    let url = db.url().unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    let closed = format!("127.0.0.1:{}", free_port());
    for (url, parts) in [
        (
            format!("{server}/nowhere"),
            [format!("postgres://{host}/nowhere: "), "nowhere\" does not exist".to_owned()],
        ),
        (url.replace(host, &closed), [format!("postgres://{closed}/"), "refused".to_owned()]),
        (format!("{url}?sslmode=require"), [format!("postgres://{host}/"), "TLS".to_owned()]),
        (format!("{url}?sslmod=require"), [format!("postgres://{host}/"), "sslmod".to_owned()]),
    ] {
        let mut command = vestibule(folder.path());
        command.arg("serve").env("VESTIBULE_DATABASE", url);
        let refused = run(command).await;
        for part in parts {
            assert!(refused.failure().contains(&part), "{part} {refused:?}");
        }
        for part in ["secret", "temporarily"] {
            assert!(!refused.failure().contains(part), "{part} {refused:?}");
        }
    }
    let nowhere = typed(folder.path(), &["migrate", "--status", "--data", "nowhere"]).await;
    assert!(nowhere.failure().contains("nowhere/vestibule.db: "), "{nowhere:?}");
}

#[tokio::test]
async fn migrations_only_go_forward() {
    let folder = Folder::new();
    let _service = Service::first_start(folder.path(), &[]).await;
    let refused = typed(folder.path(), &["migrate", "--to", "3", "--data", "data"]).await;
    assert!(refused.failure().contains("migrations only go forward"), "{refused:?}");
}

#[tokio::test]
async fn who_reads_only_the_first_lines_of_what_is_printed_causes_no_panic() {
    let folder = Folder::new();
    let mut shell = program("sh", folder.path());
    let script = "{ sleep 0.2; \"$0\" config; echo \"exit code $?\" >&2; } | true";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_vestibule")]);
    assert_eq!(run(shell).await.stderr.trim_end(), "exit code 0");
}

#[tokio::test]
async fn a_key_file_that_others_may_read_is_told_of() {
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let quiet = run(service.command(&["environment", "list"])).await;
    assert_eq!(quiet.stderr, "");
    let key = folder.path().join("data/vestibule.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = run(service.command(&["environment", "list"])).await;
    assert!(told.stderr.contains("others may read the key file"), "{told:?}");
}

#[tokio::test]
async fn memory_comes_from_mimalloc() {
    let folder = Folder::new();
    let mut command = vestibule(folder.path());
    command.arg("--version").env("MIMALLOC_VERBOSE", "1");
    // It is linked for nothing but `malloc`, so it is there only if it is that.
    let told = run(command).await;
    assert!(told.stderr.contains("mimalloc"), "{told:?}");
}
