//! A long queue of webhooks, and a service that is killed while it delivers them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::service::Service;
use crate::delivery::receiver::Receiver;
use crate::support::{Folder, TestDb, is_full};

/// How long the next deliveries may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much memory the service may need beyond what it needs anyway, whatever waits, in bytes.
const MEMORY: u64 = 64 * 1024 * 1024;

/// How many events wait, and after how many deliveries the service is killed each time.
fn size() -> (i64, usize) {
    if is_full() { (1_000_000, 20_000) } else { (20_000, 300) }
}

/// Waits until so many deliveries have come.
async fn have_come(receiver: &Receiver, count: usize) {
    let come = async {
        while receiver.count() < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, come).await.expect("the deliveries come");
}

#[tokio::test]
async fn whk_07_a_long_queue_survives_restarts_and_leaves_no_event_out() {
    let (waiting, round) = size();
    let folder = Folder::new();
    let db = TestDb::sqlite();
    let settings = [("--database", db.setting())];
    let mut service = Service::first_start(folder.path(), &settings).await;
    let receiver = Receiver::start().await;
    let endpoint = json!({ "endpoint_url": receiver.url, "events": ["organization.created"] });
    service.application.api("POST", "/webhook_endpoints", &endpoint).await;
    service.application.api("POST", "/organizations", &json!({ "name": "First" })).await;
    have_come(&receiver, 1).await;
    let alone = service.process.resident_bytes();
    service.process.terminate().await;

    let vestibule::db::Location::Sqlite(path) = db.location() else { panic!("SQLite") };
    let file = rusqlite::Connection::open(path).unwrap();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO events (environment_id, position, id, name, organization_id, data, context,
             created_at)
         SELECT e.environment_id, v.event_position + i, printf('event_01%024d', i), e.name,
             e.organization_id, e.data, e.context, e.created_at
         FROM n, events e JOIN environments v ON v.id = e.environment_id
         WHERE e.name = 'organization.created'";
    assert_eq!(file.execute(fill, [waiting]).unwrap(), usize::try_from(waiting).unwrap());
    let raise = "UPDATE environments SET event_position = event_position + ?1
         WHERE id IN (SELECT environment_id FROM webhook_endpoints)";
    assert_eq!(file.execute(raise, [waiting]).unwrap(), 1);
    drop(file);

    let mut most = 0;
    for kill in 1..=3 {
        service.start_again().await;
        have_come(&receiver, 1 + kill * round).await;
        most = most.max(service.process.resident_bytes());
        service.process.kill();
    }
    assert!(most < alone + MEMORY, "{most} bytes, {alone} without a queue");
    let ids: Vec<String> = receiver.all().iter().map(|it| it.id()).collect();
    let queued: BTreeSet<&str> =
        ids[1..].iter().map(String::as_str).filter(|id| id.starts_with("event_01000")).collect();
    // What was under way when it died comes twice; nothing is passed over, but for what was still
    // under way at the end.
    let twice = ids.len() - 1 - queued.len();
    assert!(twice <= 3 * 64, "{twice} came twice");
    let last = queued.last().unwrap().trim_start_matches("event_01").parse::<usize>().unwrap();
    assert!(last <= queued.len() + 64, "{} of {last} came", queued.len());

    // The queue is where it was: after another start, the next ones come.
    let before = receiver.count();
    service.start_again().await;
    have_come(&receiver, before + round).await;
    let ids: BTreeSet<String> = receiver.all().iter().map(|it| it.id()).collect();
    let new = ids.len() - 1 - queued.len();
    assert!(new + 64 >= round, "{new} of {round} are new");
}
