//! Migrations: once, however many nodes start, and never backwards.

use tokio::task::JoinSet;
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error};
use vestibule::db::{Db, Location};

use super::units::{names, write};
use crate::support::postgres::Server;
use crate::support::{TestDb, both_engines};

/// Opens one empty database from several nodes at once.
async fn open_at_once(location: &Location) {
    let mut nodes = JoinSet::new();
    for _ in 0..6 {
        let location = location.clone();
        nodes.spawn(async move { Db::open(&location, Clock::system()).await });
    }
    let nodes = nodes.join_all().await;
    for (i, node) in nodes.iter().enumerate() {
        write(node.as_ref().unwrap(), &format!("node-{i}")).await.unwrap();
    }
    assert_eq!(names(nodes[0].as_ref().unwrap()).await.len(), 6);
}

#[tokio::test]
async fn sto_07_nodes_that_start_at_once_migrate_once_on_sqlite() {
    open_at_once(TestDb::sqlite().location()).await;
}

#[tokio::test]
async fn sto_07_nodes_that_start_at_once_migrate_once_on_postgres() {
    let server = Server::shared().await;
    for round in 0..3 {
        let name = format!("empty_{round}");
        let sql = format!("CREATE DATABASE {name}");
        server.connect("postgres").await.batch_execute(&sql).await.unwrap();
        open_at_once(&Location::Postgres(server.url(&name))).await;
        server.drop_database(&name);
    }
}

both_engines! {
    async fn sto_07_opening_again_migrates_nothing(db: TestDb) {
        write(&db.open(Clock::system()).await, "kept").await.unwrap();
        assert_eq!(names(&db.open(Clock::system()).await).await, ["kept"]);
    }

    async fn upg_02_a_database_that_a_newer_version_broke_with_is_not_opened(db: TestDb) {
        let newer = db.open(Clock::system()).await;
        newer
            .write(&Caller::anonymous(), async |tx| {
                let sql = "INSERT INTO schema_migrations VALUES (9999, 'breaking_later', 0)";
                tx.execute(sql, &[]).await
            })
            .await
            .unwrap();
        let opened = Db::open(db.location(), Clock::system()).await;
        assert!(matches!(opened, Err(Error::Internal(_))));
    }
}
