//! What is kept in memory of the configuration, what is written at the end of a transaction, and what is
//! sent without being waited for.

use tokio::task::JoinSet;
use vestibule::base::id::EnvironmentId;
use vestibule::base::page::PageRequest;
use vestibule::base::time::Clock;
use vestibule::base::{Caller, Error, Result};
use vestibule::db::{Db, Tx};
use vestibule::model::environment::{self, Kind, NewEnvironment};
use vestibule::model::event;

use super::units::{names, put};
use crate::support::{TestDb, World, both_engines};

async fn create(db: &Db, name: &str) -> EnvironmentId {
    let new = NewEnvironment { name: name.to_owned(), kind: Kind::Sandbox };
    let create = async move |tx: &mut Tx| environment::create(tx, &new).await;
    db.write(&Caller::anonymous(), create).await.unwrap().id
}

async fn rename(tx: &mut Tx, name: &str) -> Result<()> {
    let id = tx.environment_id();
    let sql = "UPDATE environments SET name = $1 WHERE id = $2";
    tx.execute(sql, &[name.into(), (&id).into()]).await.map(drop)
}

async fn recalled(tx: &mut Tx) -> Result<String> {
    Ok(environment::recall_current(tx).await?.name.clone())
}

async fn read(db: &Db, id: &EnvironmentId) -> String {
    db.read(&Caller::system(id.clone()), async |tx| recalled(tx).await).await.unwrap()
}

async fn positions(db: &Db, id: &EnvironmentId) -> Vec<(i64, i64)> {
    let all = PageRequest { limit: 1000, ..PageRequest::default() };
    let list = async move |tx: &mut Tx| event::list(tx, &event::Filter::default(), &all).await;
    let page = db.read(&Caller::system(id.clone()), list).await.unwrap();
    let mut events = page.data;
    events.sort_by_key(|event| event.position);
    events.iter().map(|event| (event.position, event.created_at.as_ms())).collect()
}

both_engines! {
    async fn what_another_node_has_changed_is_seen_by_the_next_unit(db: TestDb) {
        let (here, there) = (db.open(Clock::system()).await, db.open(Clock::system()).await);
        let id = create(&here, "First").await;
        let caller = Caller::system(id.clone());
        assert_eq!(read(&there, &id).await, "First");
        assert_eq!(there.glance(&caller, recalled).unwrap(), "First");
        for name in ["Second", "Third"] {
            let change = async move |tx: &mut Tx| rename(tx, name).await;
            here.write(&caller, change).await.unwrap();
            // Its own change is not forgotten by who made it, and no unit acts on the old one.
            assert!(here.glance(&caller, recalled).is_none_or(|known| known == name));
            assert_eq!(read(&there, &id).await, name);
            let unit = async |tx: &mut Tx| recalled(tx).await;
            assert_eq!(there.write(&caller, unit).await.unwrap(), name);
            assert_eq!(there.glance(&caller, recalled).unwrap(), name);
        }
        assert_eq!(names(&here).await, ["configuration_as_of"]);
    }

    async fn what_is_changed_and_undone_is_not_remembered(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let id = create(&db, "Old").await;
        let caller = Caller::system(id.clone());
        let undone: Result<()> = db
            .write(&caller, async |tx| {
                assert_eq!(recalled(tx).await?, "Old");
                rename(tx, "New").await?;
                assert_eq!(recalled(tx).await?, "New");
                Err(Error::conflict("no", "No."))
            })
            .await;
        assert!(matches!(undone, Err(Error::Conflict { .. })));
        assert_eq!(read(&db, &id).await, "Old");
        assert_eq!(db.glance(&caller, recalled).unwrap(), "Old");
    }

    async fn units_that_change_and_read_in_one_commit_see_what_is_so(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let id = create(&db, "0").await;
        let mut tasks = JoinSet::new();
        for i in 1..=100 {
            let (db, caller) = (db.clone(), Caller::system(id.clone()));
            tasks.spawn(async move {
                let unit = async move |tx: &mut Tx| {
                    rename(tx, &i.to_string()).await?;
                    let seen = recalled(tx).await?;
                    if i % 3 == 0 { Err(Error::conflict("no", "No.")) } else { Ok(seen) }
                };
                (i, db.write(&caller, unit).await)
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (i, seen) = done.unwrap();
            assert!(seen.map_or(i % 3 == 0, |seen| seen == i.to_string()), "{i}");
        }
        let sql = "SELECT name FROM environments";
        let stored = async move |tx: &mut Tx| tx.fetch_one(sql, &[]).await?.next::<String>();
        assert_eq!(db.read(&Caller::anonymous(), stored).await.unwrap(), read(&db, &id).await);
    }

    async fn nothing_but_the_configuration_is_kept(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let recall = async |tx: &mut Tx| {
            let load = async |tx: &mut Tx| {
                let rows = tx.fetch_all("SELECT id FROM profiles", &[]).await?;
                Ok(Some(rows.len()))
            };
            tx.recall("profiles", b"", load).await.map(drop)
        };
        let recalled = db.read(&Caller::anonymous(), recall).await;
        assert!(matches!(recalled, Err(Error::Internal(_))), "{recalled:?}");
    }

    async fn events_of_one_commit_have_positions_in_a_row(db: TestDb) {
        let fast = Clock::system();
        fast.advance_ms(30_000);
        let (db, ahead) = (db.open(Clock::system()).await, db.open(fast).await);
        let ids = [create(&db, "A").await, create(&db, "B").await];
        let mut tasks = JoinSet::new();
        for i in 0..120 {
            let db = if i % 2 == 0 { db.clone() } else { ahead.clone() };
            let caller = Caller::system(ids[i % 3 / 2].clone());
            tasks.spawn(async move {
                let unit = async move |tx: &mut Tx| {
                    event::record(tx, "connection.activated", None, &i).await?;
                    event::record(tx, "connection.deactivated", None, &i).await?;
                    if i % 10 == 9 { Err(Error::conflict("no", "No.")) } else { Ok(()) }
                };
                let _ = db.write(&caller, unit).await;
            });
        }
        while tasks.join_next().await.is_some() {}
        let mut count = 0;
        for id in &ids {
            let found = positions(&db, id).await;
            count += found.len();
            assert!(found.iter().zip(1..).all(|((position, _), i)| *position == i), "{found:?}");
            assert!(found.is_sorted_by_key(|(_, at)| *at), "{found:?}");
        }
        assert_eq!(count, 2 * 108);
    }

    async fn a_unit_sees_the_events_that_it_has_recorded(db: TestDb) {
        let db = db.open(Clock::system()).await;
        let id = create(&db, "A").await;
        let seen = db
            .write(&Caller::system(id.clone()), async |tx| {
                event::record(tx, "connection.activated", None, &1).await?;
                let first = event::newest_position(tx).await?;
                event::record(tx, "connection.deactivated", None, &2).await?;
                Ok((first, event::newest_position(tx).await?))
            })
            .await;
        assert_eq!(seen.unwrap(), (1, 2));
        assert_eq!(positions(&db, &id).await.len(), 2);
    }

    async fn what_was_sent_and_fails_fails_its_unit_alone(db: TestDb) {
        let db = db.open(Clock::system()).await;
        db.write(&Caller::anonymous(), async |tx| put(tx, "taken", b"").await).await.unwrap();
        let mut tasks = JoinSet::new();
        for i in 0..100 {
            let db = db.clone();
            tasks.spawn(async move {
                let unit = async move |tx: &mut Tx| {
                    let sql = "INSERT INTO installation (name, value) VALUES ($1, $2)";
                    let name = format!("unit-{i:03}");
                    tx.send(sql, &[(&name).into(), b"".as_slice().into()]).await?;
                    let again = if i % 4 == 1 { "taken".to_owned() } else { format!("{name}-2") };
                    tx.send(sql, &[(&again).into(), b"".as_slice().into()]).await?;
                    // Some wait for something behind it, and some do not.
                    if i % 8 > 3 {
                        tx.fetch_all("SELECT name FROM installation", &[]).await?;
                    }
                    Ok(())
                };
                (i, db.write(&Caller::anonymous(), unit).await)
            });
        }
        while let Some(done) = tasks.join_next().await {
            let (i, result) = done.unwrap();
            match i % 4 {
                1 => assert!(matches!(result, Err(Error::Internal(_))), "{i}: {result:?}"),
                _ => assert!(result.is_ok(), "{i}: {result:?}"),
            }
        }
        assert_eq!(names(&db).await.len(), 1 + 2 * 75);
    }
}

both_engines! {
    async fn a_key_revoked_on_another_node_redeems_nothing(world: World) {
        let code = world.code().await;
        assert_eq!(world.redeem(&code, &[]).await.status, 200);
        // All that the next redemption asks for is in memory now.
        let code = world.code().await;
        let there = world.db.open(world.clock.clone()).await;
        let set = async |sql: &'static str| {
            let unit = async move |tx: &mut Tx| tx.execute(sql, &[]).await;
            there.write(&Caller::anonymous(), unit).await.unwrap()
        };
        set("UPDATE api_keys SET revoked_at = 1").await;
        let refused = world.redeem(&code, &[]).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()["error"], "invalid_client");
        // The code was not touched by it.
        set("UPDATE api_keys SET revoked_at = NULL").await;
        let granted = world.redeem(&code, &[]).await;
        assert_eq!(granted.status, 200, "{}", granted.text());
    }

    async fn a_connection_switched_off_on_another_node_begins_no_login(world: World) {
        world.code().await;
        let there = world.db.open(world.clock.clone()).await;
        let off = async |tx: &mut Tx| {
            tx.execute("UPDATE connections SET state = 'inactive'", &[]).await
        };
        there.write(&Caller::anonymous(), off).await.unwrap();
        let answer = world.browser().get(&world.authorize_url(&[])).await;
        assert!(answer.location().contains("error="), "{}", answer.location());
        assert_eq!(world.last_failure().await, "connection_unlinked");
    }

    async fn a_redirect_uri_removed_on_another_node_begins_no_login(world: World) {
        world.code().await;
        let there = world.db.open(world.clock.clone()).await;
        let remove = async |tx: &mut Tx| tx.execute("DELETE FROM redirect_uris", &[]).await;
        there.write(&Caller::anonymous(), remove).await.unwrap();
        let answer = world.browser().get(&world.authorize_url(&[])).await;
        assert_eq!(answer.header("location"), None);
        assert_eq!(world.last_failure().await, "redirect_uri_invalid");
    }
}
