//! What the storage does to a running service: it is full, gone, frozen, read-only, or its disk lies.
//! Nothing is answered that was not stored, and everything works again by itself.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use url::Url;

use super::logins::Customer;
use super::process::{Process, program};
use super::service::{REDIRECT_URI, Service};
use crate::support::http::{Answer, Browser, Request};
use crate::support::postgres::{Durability, Server};
use crate::support::{Folder, TestDb, skipped};

/// How long the service may take to say that it cannot: two seconds for a connection, ten for a
/// statement that was sent before.
const SAYS_NO: Duration = Duration::from_secs(15);
/// How long until it works again after the storage does.
const RECOVERS: Duration = Duration::from_secs(10);

/// A service with a customer, and people on every step of a login.
struct Stage {
    service: Service,
    customer: Arc<Customer>,
    people: usize,
}

/// People who have come this far.
struct Halfway {
    departed: (Browser, Url),
    code: String,
    token: String,
}

impl Stage {
    async fn set(folder: &Path, settings: &[(&'static str, String)]) -> Self {
        let service = Service::first_start(folder, settings).await;
        let path = "/user_management/redirect_uris";
        service.application.api("POST", path, &json!({ "uri": REDIRECT_URI })).await;
        let customer = Customer::set_up(&service.application, 0).await;
        Self { service, customer, people: 0 }
    }

    /// One person at the provider, one with a code, one with a token.
    async fn halfway(&mut self) -> Halfway {
        let departed = self.depart().await;
        let code = self.code().await;
        let spent = self.code().await;
        let token = self.service.application.redemption(&spent).send().await.json();
        let token = token["access_token"].as_str().unwrap().to_owned();
        Halfway { departed, code, token }
    }

    async fn depart(&mut self) -> (Browser, Url) {
        self.people += 1;
        let mut browser = Browser::default();
        let url = self.service.application.authorize_url(&self.customer.connection);
        let departed = browser.get(&url).await;
        let email = self.customer.email(self.people);
        let back = self.customer.okta.tenant.sign_in(&departed.location(), &email).await.unwrap();
        (browser, Url::parse(&back).unwrap())
    }

    async fn code(&mut self) -> String {
        let (mut browser, back) = self.depart().await;
        let arrived = browser.get(&back).await;
        arrived.param("code").unwrap_or_else(|| panic!("{}", arrived.text()))
    }

    /// Every step is refused for now, in its own words, and gives nothing away.
    async fn is_refused(&self, halfway: &mut Halfway, reads: bool) {
        let application = &self.service.application;
        let authorize = application.authorize_url(&self.customer.connection);
        let arrival = Request::get(&halfway.departed.1);
        let (departure, arrival, redemption, profile, written, ready) = tokio::join!(
            within(Request::get(&authorize).send()),
            within(halfway.departed.0.send(arrival)),
            within(application.redemption(&halfway.code).send()),
            within(application.profile(&halfway.token)),
            within(write(&self.service)),
            within(Request::get(&application.url("/readyz")).send()),
        );
        assert_eq!(departure.status, 503, "{departure:?}");
        assert_eq!(arrival.status, 503, "{arrival:?}");
        assert!(arrival.param("code").is_none());
        assert_eq!(redemption.status, 503, "{redemption:?}");
        assert!(redemption.header("retry-after").is_some());
        assert!(!redemption.text().contains("access_token"));
        assert_eq!(written.status, 503, "{written:?}");
        assert!(written.header("retry-after").is_some());
        if reads {
            assert_eq!(profile.status, 200, "{profile:?}");
            assert_eq!(ready.status, 200, "{ready:?}");
        } else {
            assert_eq!(profile.status, 503, "{profile:?}");
            assert!(profile.header("retry-after").is_some());
            assert_eq!(ready.status, 503, "{ready:?}");
        }
    }

    /// Logins work again, by themselves; the code that was not redeemed is good, and once.
    async fn recovers(&mut self, halfway: Halfway) {
        let since = Instant::now();
        while write(&self.service).await.status != 201 {
            assert!(since.elapsed() < RECOVERS, "{}", self.service.process.stderr());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        println!("recovered after {:?}", since.elapsed());
        let application = self.service.application.clone();
        let redeemed = application.redemption(&halfway.code).send().await;
        assert_eq!(redeemed.status, 200, "{redeemed:?}");
        assert_eq!(application.redemption(&halfway.code).send().await.status, 400);
        for _ in 0..3 {
            self.people += 1;
            self.customer.sign_in(&application, &self.customer.email(self.people)).await;
        }
        assert!(self.service.process.is_running());
    }
}

async fn within(answer: impl Future<Output = Answer>) -> Answer {
    tokio::time::timeout(SAYS_NO, answer).await.expect("it does not answer")
}

async fn write(service: &Service) -> Answer {
    let application = &service.application;
    let request = Request::new("POST", &application.url("/organizations"));
    request.bearer(&application.api_key).json(&json!({ "name": "Written" })).send().await
}

async fn organizations(service: &Service) -> usize {
    let path = "/organizations?limit=100";
    let listed = service.application.api("GET", path, &Value::Null).await;
    listed["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn sto_01_every_step_of_a_login_is_refused_while_the_database_is_gone() {
    let server = Server::start(Durability::None).await;
    let (db, folder) = (TestDb::on_server(server).await, Folder::new());
    let mut stage = Stage::set(folder.path(), &[("--database", db.setting())]).await;
    for _ in 0..2 {
        let mut halfway = stage.halfway().await;
        server.stop();
        stage.is_refused(&mut halfway, false).await;
        server.start_again().await;
        stage.recovers(halfway).await;
    }
}

#[tokio::test]
async fn sto_10_a_database_that_does_not_answer_any_more_is_not_waited_for() {
    let server = Server::start(Durability::None).await;
    let (db, folder) = (TestDb::on_server(server).await, Folder::new());
    let mut stage = Stage::set(folder.path(), &[("--database", db.setting())]).await;
    let mut halfway = stage.halfway().await;
    server.signal("STOP");
    let began = Instant::now();
    stage.is_refused(&mut halfway, false).await;
    println!("refused after {:?}", began.elapsed());
    // Others wait no longer than for a connection.
    let began = Instant::now();
    assert_eq!(write(&stage.service).await.status, 503);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    server.signal("CONT");
    // What was under way when it froze may have happened: so this code is not asked about.
    halfway.code = stage.code_after_recovery().await;
    stage.recovers(halfway).await;
}

impl Stage {
    async fn code_after_recovery(&mut self) -> String {
        let since = Instant::now();
        while write(&self.service).await.status != 201 {
            assert!(since.elapsed() < RECOVERS, "{}", self.service.process.stderr());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.code().await
    }
}

#[tokio::test]
async fn sto_08_a_database_that_only_reads_lets_nobody_in_and_spends_no_code() {
    let server = Server::start(Durability::None).await;
    let (db, folder) = (TestDb::on_server(server).await, Folder::new());
    let mut stage = Stage::set(folder.path(), &[("--database", db.setting())]).await;
    let mut halfway = stage.halfway().await;
    let name = Url::parse(db.url().unwrap()).unwrap();
    let name = name.path().trim_start_matches('/').to_owned();
    let set = async |value: &str| {
        let admin = server.connect("postgres").await;
        let sql = format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}");
        admin.batch_execute(&sql).await.unwrap();
        let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1";
        admin.query(sql, &[&name]).await.unwrap();
    };
    set("on").await;
    // As behind a replica that was promoted late: it is not read either, since what it shows as
    // unspent may be spent.
    stage.is_refused(&mut halfway, false).await;
    set("off").await;
    stage.recovers(halfway).await;
}

/// A file system of a few megabytes.
struct SmallDisk(Folder);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = Folder::new();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"]).arg(folder.path());
        command.output().is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    /// Leaves no room at all, or gives it back.
    fn fill(&self) {
        let fill = self.0.path().join("fill");
        let mut command = Command::new("dd");
        command.args(["if=/dev/zero", "bs=4k"]).arg(format!("of={}", fill.display()));
        assert!(!command.output().unwrap().status.success(), "there is room left");
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.path().join("fill")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn sto_02_a_disk_that_is_full_refuses_logins_and_damages_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        return skipped("a full disk needs a small one, and root to mount it");
    };
    let mut stage = Stage::set(disk.0.path(), &[]).await;
    for _ in 0..2 {
        let mut halfway = stage.halfway().await;
        let before = organizations(&stage.service).await;
        disk.fill();
        use_up_the_log(&disk.0.path().join("data/vestibule.db"));
        stage.is_refused(&mut halfway, true).await;
        let written = organizations(&stage.service).await;
        assert!(written >= before, "what was answered is gone");
        disk.empty();
        stage.recovers(halfway).await;
    }
    stage.service.process.kill();
    check_integrity(&disk.0.path().join("data/vestibule.db"));
}

/// Fills what room the log has taken already, page by page.
fn use_up_the_log(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    // Or it would write the log back into the database, and begin it anew.
    connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    for _ in 0..100_000 {
        // Another value each time: what does not change a page is not written.
        let sql = "INSERT INTO installation (name, value) VALUES ('filler', randomblob(64))
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        if let Err(error) = connection.execute(sql, []) {
            let code = error.sqlite_error_code();
            assert_eq!(code, Some(rusqlite::ErrorCode::DiskFull), "{error}");
            return;
        }
    }
    panic!("the disk is not full");
}

#[tokio::test]
async fn sto_06_a_disk_that_fails_to_sync_is_never_answered_for() {
    let has_strace = Command::new("strace").arg("-V").output().is_ok();
    if !has_strace {
        return skipped("a failing disk is made by strace, which is not installed");
    }
    let folder = Folder::new();
    let mut stage = Stage::set(folder.path(), &[]).await;
    let mut halfway = stage.halfway().await;
    let before = organizations(&stage.service).await;
    let mut command = program("strace", folder.path());
    command
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"])
        .args(["-e", "inject=fsync,fdatasync:error=EIO"])
        .args(["-p", &stage.service.process.id().to_string()]);
    let mut strace = Process::start(command);
    let since = Instant::now();
    while write(&stage.service).await.status == 201 {
        assert!(since.elapsed() < SAYS_NO, "strace does not come: {}", strace.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answered = organizations(&stage.service).await;
    stage.is_refused(&mut halfway, true).await;
    assert_eq!(organizations(&stage.service).await, answered, "what was refused is there");
    assert!(answered >= before);
    // What was answered is there. What was refused may be, since it stands in the log.
    strace.kill();
    stage.service.start_again().await;
    assert!(organizations(&stage.service).await >= answered);
    halfway.code = stage.code_after_recovery().await;
    stage.recovers(halfway).await;
    stage.service.process.kill();
    check_integrity(&folder.path().join("data/vestibule.db"));
}

fn check_integrity(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("the database opens");
    let check = "PRAGMA integrity_check";
    let verdict: String = connection.query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}
