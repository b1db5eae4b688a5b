//! `vestibule backup` and `vestibule restore`, on a service that people sign in by meanwhile.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::process::{Outcome, run, vestibule};
use super::service::Service;
use super::set::{PEOPLE, email, set_up};
use crate::support::Folder;
use crate::support::http::Request;

async fn restore(folder: &Path, data: &Path, file: &Path, more: &[&str]) -> Outcome {
    let mut command = vestibule(folder);
    command.arg("restore").arg(file).arg("--data").arg(data).args(more);
    run(command).await
}

#[tokio::test]
async fn sto_13_a_backup_taken_while_people_sign_in_is_restored_and_logs_in() {
    let folder = Folder::new();
    let mut set = set_up(folder.path(), &[]).await;
    let file = folder.path().join("backup.db");
    let (done, logins) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
    let (service, connection) = (&set.service, set.connection.as_str());
    let early = service.login(&set.okta, connection, &email(0)).await;
    let sign_in = async |n: usize| {
        while !done.load(Ordering::Relaxed) {
            service.login(&set.okta, connection, &email(n)).await;
            logins.fetch_add(1, Ordering::Relaxed);
        }
    };
    let back_up = async {
        while logins.load(Ordering::Relaxed) < PEOPLE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let outcome = run(service.command(&["backup", file.to_str().unwrap()])).await;
        done.store(true, Ordering::Relaxed);
        outcome.json()
    };
    let (made, ..) = tokio::join!(back_up, sign_in(0), sign_in(1), sign_in(2));
    let size = std::fs::metadata(&file).unwrap().len();
    assert_eq!(made["bytes"], size);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(service.command(&["backup", file.to_str().unwrap()])).await;
    assert!(again.failure().contains("exists already; nothing is overwritten"), "{again:?}");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), size);

    // No token of before works after the restore, even though it was good when the backup was made.
    let token = early["access_token"].as_str().unwrap();
    assert_eq!(service.application.profile(token).await.status, 200);
    assert!(set.service.process.terminate().await.success());

    let data = folder.path().join("elsewhere");
    let without_key = restore(folder.path(), &data, &file, &[]).await;
    assert!(without_key.failure().contains("there is no key file"), "{without_key:?}");
    assert!(!data.join("vestibule.db").exists());
    std::fs::write(data.join("vestibule.key"), format!("{}\n", "A".repeat(43))).unwrap();
    let wrong_key = restore(folder.path(), &data, &file, &[]).await;
    assert!(wrong_key.failure().contains("is missing"), "{wrong_key:?}");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "a failed restore left something");
    std::fs::copy(folder.path().join("data/vestibule.key"), data.join("vestibule.key")).unwrap();
    let restored = restore(folder.path(), &data, &file, &[]).await.json();
    let named = wrong_key.failure().split_once("sealing key ").unwrap().1;
    assert!(named.starts_with(restored["key_id"].as_str().unwrap()), "{named} {restored}");
    let mode = std::fs::metadata(data.join("vestibule.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    set.service.use_data(&data).await;
    assert_eq!(set.service.application.profile(token).await.status, 401, "a token came back");
    let again = set.service.login(&set.okta, &set.connection, &email(0)).await;
    assert_eq!(again["profile"]["email"], email(0));
    assert_eq!(again["profile"]["id"], early["profile"]["id"], "somebody else");
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced_and_one_at_rest_is_kept_aside() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let (data, file) = (folder.path().join("data"), folder.path().join("backup.db"));
    run(service.command(&["backup", file.to_str().unwrap()])).await.json();
    let name = json!({ "name": "after the backup" });
    service.application.api("POST", "/organizations", &name).await;

    let there = restore(folder.path(), &data, &file, &[]).await;
    assert!(there.failure().contains("There is a database already"), "{there:?}");
    let in_use = restore(folder.path(), &data, &file, &["--replace"]).await;
    assert!(in_use.failure().contains("is in use: stop the service"), "{in_use:?}");
    let listed = service.application.api("GET", "/organizations", &json!(null)).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "the service goes on");

    assert!(service.process.terminate().await.success());
    let restored = restore(folder.path(), &data, &file, &["--replace"]).await.json();
    let before = Path::new(restored["before"].as_str().unwrap());
    let old = rusqlite::Connection::open(before).unwrap();
    let kept: i64 =
        old.query_row("SELECT count(*) FROM organizations", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "what was there is lost");
    service.start_again().await;
    let listed = service.application.api("GET", "/organizations", &json!(null)).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored() {
    let folder = Folder::new();
    let mut service = Service::first_start(folder.path(), &[]).await;
    let file = folder.path().join("backup.db");
    run(service.command(&["backup", file.to_str().unwrap()])).await.json();
    assert!(service.process.terminate().await.success());
    let good = std::fs::read(&file).unwrap();
    let data = folder.path().join("elsewhere");
    let try_with = async |bytes: &[u8]| {
        let bad = folder.path().join("bad.db");
        std::fs::write(&bad, bytes).unwrap();
        let refused = restore(folder.path(), &data, &bad, &[]).await;
        assert!(refused.failure().contains("cannot be restored"), "{refused:?}");
        let left = std::fs::read_dir(&data).map_or(0, Iterator::count);
        assert_eq!(left, 0, "it left something");
        assert!(!refused.failure().contains("Error code"), "{refused:?}");
    };
    try_with(b"").await;
    let foreign = folder.path().join("foreign.db");
    let sql = "CREATE TABLE schema_migrations (version); CREATE TABLE theirs (x)";
    rusqlite::Connection::open(&foreign).unwrap().execute_batch(sql).unwrap();
    try_with(&std::fs::read(&foreign).unwrap()).await;
    try_with(b"no database at all, but a text that is longer than the head of one would be. ....")
        .await;
    try_with(&good[..good.len() / 2]).await;
    let mut damaged = good.clone();
    let middle = good.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0x5a);
    try_with(&damaged).await;
    let missing = restore(folder.path(), &data, &folder.path().join("missing.db"), &[]).await;
    assert!(missing.failure().contains("cannot be used"), "{missing:?}");
    let postgres = ["--database", "postgres://user@host/name"];
    let refused = restore(folder.path(), &data, &file, &postgres).await;
    assert!(refused.failure().contains("pg_restore"), "{refused:?}");
}

/// The service answers while the copy is made: nobody waits for it.
#[tokio::test]
async fn a_backup_blocks_nobody() {
    let folder = Folder::new();
    let service = Service::first_start(folder.path(), &[]).await;
    let file = folder.path().join("backup.db");
    let backup = run(service.command(&["backup", file.to_str().unwrap()]));
    let write = async {
        for n in 0..20 {
            let began = std::time::Instant::now();
            let body = json!({ "name": format!("Organization {n}") });
            service.application.api("POST", "/organizations", &body).await;
            assert!(began.elapsed() < Duration::from_secs(5), "it waited for the backup");
        }
    };
    let (made, ()) = tokio::join!(backup, write);
    made.json();
    let ready = Request::get(&service.application.url("/readyz")).send().await;
    assert_eq!(ready.status, 200);
}
