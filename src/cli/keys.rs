//! `vestibule keys`: which keys seal what, and sealing everything with a new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::KeysCommand;
use crate::app::App;
use crate::base::{Caller, Error, Result};
use crate::db::Tx;
use crate::model::installation;
use crate::model::sealed_value::{self, Count, Portion, columns};
use crate::seal::Column;

/// How many values are sealed anew in one unit of work: some milliseconds, so that no login waits.
const PORTION: i64 = 100;
/// How often all tables are gone through: once for what was there, and once more for what a node has
/// sealed meanwhile that was about to get the new key.
const ROUNDS: u32 = 2;
/// How many values that do not open are named.
const NAMED: usize = 20;

pub(super) async fn run(app: &App, command: KeysCommand) -> Result<Value> {
    match command {
        KeysCommand::List => {
            let counts = count(app).await?;
            Ok(json!({ "keys": listed(app, &counts) }))
        }
        KeysCommand::Rotate => rotate(app).await,
    }
}

async fn count(app: &App) -> Result<Vec<Count>> {
    app.db.read(&Caller::anonymous(), async |tx| sealed_value::count(tx).await).await
}

/// The keys that were given, the newest first, then those that are missing.
fn listed(app: &App, counts: &[Count]) -> Vec<Value> {
    let given: Vec<String> = app.sealer.key_ids().collect();
    let mut ids = given.clone();
    ids.extend(counts.iter().map(|count| count.key_id.clone()));
    let mut seen = std::collections::BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    let entry = |id: &String| {
        let mine = counts.iter().filter(|count| count.key_id == *id);
        let columns: BTreeMap<_, _> = mine.map(|it| (it.column.as_str(), it.values)).collect();
        json!({
            "id": id,
            "given": given.contains(id),
            "seals": given.first() == Some(id),
            "values": columns.values().sum::<i64>(),
            "columns": columns,
        })
    };
    ids.iter().map(entry).collect()
}

async fn rotate(app: &App) -> Result<Value> {
    let (mut resealed, mut unreadable) = (0, Vec::new());
    for _ in 0..ROUNDS {
        unreadable.clear();
        for column in columns() {
            resealed += reseal_column(app, column, &mut unreadable).await?;
        }
    }
    let counts = count(app).await?;
    let newest = app.sealer.newest();
    let left: Vec<&Count> = counts.iter().filter(|count| count.key_id != newest).collect();
    let done: Vec<String> =
        app.sealer.key_ids().filter(|id| left.iter().all(|count| count.key_id != *id)).collect();
    for key_id in done.into_iter().filter(|id| *id != newest) {
        let sealer = Arc::clone(&app.sealer);
        let retire = async move |tx: &mut Tx| installation::retire_key(tx, &sealer, &key_id).await;
        app.db.write(&Caller::anonymous(), retire).await?;
    }
    if left.is_empty() {
        return Ok(json!({ "resealed": resealed, "keys": listed(app, &counts) }));
    }
    let columns = left.iter().map(|it| format!("{} in {}", it.values, it.column));
    let columns = columns.collect::<Vec<_>>().join(", ");
    let reasons = if unreadable.is_empty() {
        "run it again; if they stay, a node has an older key in front".to_owned()
    } else {
        unreadable.truncate(NAMED);
        unreadable.join("; ")
    };
    Err(Error::internal(format!(
        "{resealed} values were sealed anew, but some are not sealed with {newest} ({columns}): \
         {reasons}"
    )))
}

/// Goes through a column in portions, each committed by itself: whoever comes after an interruption
/// finds fewer left.
async fn reseal_column(
    app: &App,
    column: &'static Column,
    unreadable: &mut Vec<String>,
) -> Result<u64> {
    let (mut after, mut resealed) = (Vec::new(), 0);
    loop {
        let (sealer, from) = (Arc::clone(&app.sealer), after.clone());
        let unit = async move |tx: &mut Tx| {
            sealed_value::reseal(tx, &sealer, column, &from, PORTION).await
        };
        let portion: Portion = app.db.write(&Caller::anonymous(), unit).await?;
        resealed += portion.resealed;
        unreadable.extend(portion.unreadable);
        match portion.last {
            Some(last) => after = last,
            None => return Ok(resealed),
        }
    }
}
