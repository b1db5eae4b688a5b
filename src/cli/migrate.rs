//! `vestibule migrate` and `vestibule copy`: the schema of the database, and all of it elsewhere.

use serde_json::{Value, json};

use crate::app::location;
use crate::base::time::Clock;
use crate::base::{Error, Result};
use crate::config::{Config, Database};
use crate::db::migrate::{Step, newest, none_applied, schema, steps, to};
use crate::db::{Db, Presence, transfer};

/// What of migrations is wanted.
#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    /// Change nothing; print the statements that would be run.
    #[arg(long, conflicts_with = "status")]
    plan: bool,
    /// Stop after this migration.
    #[arg(long, value_name = "N")]
    to: Option<i64>,
    /// Change nothing; print which migrations the database has.
    #[arg(long)]
    status: bool,
}

/// From where to where.
#[derive(Debug, clap::Args)]
pub struct CopyArgs {
    /// The database to read: sqlite://PATH.
    from: String,
    /// The empty database to write: postgres://… or sqlite://PATH. Without it, the one of the setting
    /// `database`, so that a password need not stand in the command.
    to: Option<String>,
}

/// Brings the schema up to date, or tells what that would do.
///
/// # Errors
///
/// [`Error::Invalid`] for a migration that there is not; else as the database returns.
pub async fn migrate(config: &Config, args: &MigrateArgs) -> Result<Value> {
    let version = args.to.unwrap_or_else(newest);
    if !(1..=newest()).contains(&version) {
        let message = format!("This program knows the migrations 1 to {}.", newest());
        return Err(Error::invalid("unknown_migration", "to", message));
    }
    let place = location(&config.database);
    if let Database::Sqlite(path) = &config.database
        && path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    {
        let message = format!("{place}: there is no such folder.");
        return Err(Error::invalid("no_installation", "database", message));
    }
    let connect = || Db::connect(&place, Clock::system());
    let before = match Db::presence(&place, Clock::system()).await? {
        // Connecting would make the file, and a look makes nothing.
        Presence::Nothing => none_applied(),
        Presence::Installation | Presence::Foreign => steps(&connect().await?).await?,
    };
    let pending = |step: &Step| step.applied_at.is_none() && step.version <= version;
    if args.status {
        return Ok(status(&before));
    }
    let schema = schema(&before);
    if args.to.is_some_and(|to| to < schema) {
        let message = format!("The schema is at {schema}: migrations only go forward.");
        return Err(Error::invalid("unknown_migration", "to", message));
    }
    let pending: Vec<&Step> = before.iter().filter(|step| pending(step)).collect();
    if args.plan {
        let planned = pending
            .iter()
            .map(|step| json!({ "version": step.version, "name": step.name, "sql": step.sql }));
        return Ok(json!({ "pending": planned.collect::<Vec<_>>() }));
    }
    let db = connect().await?;
    to(&db, version).await?;
    let applied: Vec<i64> = pending.iter().map(|step| step.version).collect();
    let mut now = status(&steps(&db).await?);
    now["applied"] = json!(applied);
    Ok(now)
}

fn status(steps: &[Step]) -> Value {
    let listed = steps.iter().map(|step| {
        let state = match (step.applied_at, step.sql) {
            (None, _) => "pending",
            (Some(_), Some(_)) => "applied",
            (Some(_), None) => "applied by a newer program",
        };
        let (version, name) = (step.version, &step.name);
        json!({ "version": version, "name": name, "state": state, "applied_at": step.applied_at })
    });
    json!({
        "schema": schema(steps),
        "newest": newest(),
        "migrations": listed.collect::<Vec<_>>(),
    })
}

/// Copies a whole installation.
///
/// # Errors
///
/// [`Error::Invalid`] for a place that is none; else as [`transfer::run`].
pub async fn copy(config: &Config, args: &CopyArgs) -> Result<Value> {
    let place = |text: &str, field: &'static str| {
        let message = "A database is postgres://USER:PASSWORD@HOST/NAME or sqlite://PATH.";
        Database::parse(text).ok_or_else(|| Error::invalid("unknown_database", field, message))
    };
    let Database::Sqlite(from) = place(&args.from, "from")? else {
        let message = "Only from SQLite: for a copy of PostgreSQL there is pg_dump.";
        return Err(Error::invalid("unknown_database", "from", message));
    };
    let to = match &args.to {
        Some(to) => place(to, "to")?,
        None => config.database.clone(),
    };
    if !from.exists() {
        let message = format!("There is no file {}.", from.display());
        return Err(Error::invalid("unknown_database", "from", message));
    }
    transfer::check_source(&from)?;
    let to = Db::open(&location(&to), Clock::system()).await?;
    let copied = transfer::run(&from, &to).await?;
    let rows: u64 = copied.iter().map(|table| table.rows).sum();
    let tables = copied
        .iter()
        .map(|it| json!({ "table": it.table, "rows": it.rows, "hash": it.hash, "verified": true }));
    Ok(json!({ "rows": rows, "tables": tables.collect::<Vec<_>>() }))
}
