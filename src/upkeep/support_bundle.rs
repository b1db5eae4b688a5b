//! What helps to find out what is wrong with an installation, and tells no secret and nobody's name.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::base::time::Clock;
use crate::base::{Caller, Error, Result};
use crate::config::{self, Config, Database, Setting, Sources};
use crate::doctor;
use crate::model::census;
use crate::model::installation;

/// How far back logins are counted.
const RECENT_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// How many connections are listed.
const MAX_CONNECTIONS: i64 = 1000;
/// How many connections the doctor looks at.
const MAX_EXAMINED: usize = 50;
/// Settings whose value tells nothing of the operator's own world, by how their names begin. Of all
/// others, whether they are set is enough.
const PUBLIC: &[&str] = &["limits.", "log.", "retention.", "shutdown."];

/// A bundle that was written.
#[derive(Debug, Serialize)]
pub struct Bundle {
    /// Where it is.
    pub file: PathBuf,
    /// Whether the database could be looked at.
    pub is_complete: bool,
}

/// Writes a bundle to a new file, for its owner alone. If the database or the keys cannot be used,
/// the bundle says so and holds the rest. With `examine`, the doctor asks the identity providers.
///
/// # Errors
///
/// [`Error::Unavailable`] if the file exists or cannot be written.
pub async fn write(
    (sources, config): (&Sources, Config),
    to: &Path,
    examine: bool,
    clock: Clock,
) -> Result<Bundle> {
    let unusable = |error: std::io::Error| Error::unavailable(format!("{}: {error}", to.display()));
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(to);
    let mut file = file.map_err(unusable)?;
    let (made_at, platform) = (clock.now(), config::platform());
    let settings: Vec<Value> = sources
        .shown()
        .map(|(setting, value, origin)| {
            let value = shown(setting, value);
            // Where it was set, but not the path of the file.
            let origin = origin.to_string();
            let origin = origin.split(' ').next().unwrap_or_default();
            json!({ "name": setting.name, "value": value, "origin": origin })
        })
        .collect();
    let engine = match &config.database {
        Database::Sqlite(_) => "sqlite",
        Database::Postgres(_) => "postgres",
    };
    let installation = look(config, examine, clock).await;
    let is_complete = installation.is_ok();
    let installation = installation.unwrap_or_else(|error| json!({ "error": kind(&error) }));
    let bundle = json!({
        "object": "support_bundle",
        "made_at": made_at,
        "version": env!("CARGO_PKG_VERSION"),
        "platform": platform,
        "database": engine,
        "settings": settings,
        "installation": installation,
    });
    writeln!(file, "{bundle:#}").and_then(|()| file.sync_all()).map_err(unusable)?;
    Ok(Bundle { file: to.to_owned(), is_complete })
}

fn shown<'a>(setting: &Setting, value: &'a str) -> &'a str {
    let is_public = PUBLIC.iter().any(|prefix| setting.name.starts_with(prefix));
    if is_public || value.is_empty() { value } else { "(set)" }
}

/// What stands in the database.
async fn look(config: Config, examine: bool, clock: Clock) -> Result<Value> {
    let since = clock.now().plus_ms(-RECENT_MS);
    let app = App::open_unchanged(config, clock).await?;
    let nobody = Caller::anonymous();
    let (mut report, connections) = app
        .db
        .read(&nobody, async move |tx| {
            let connections = census::connections(tx, MAX_CONNECTIONS).await?;
            let report = json!({
                "key_id": installation::key_id(tx).await?,
                "migrations": census::migrations(tx).await?,
                "rows": census::tables(tx).await?,
                "logins_of_seven_days": census::logins(tx, since).await?,
                "webhook_deliveries": census::deliveries(tx).await?,
                "connections": connections,
            });
            Ok((report, connections))
        })
        .await?;
    if examine {
        let mut examined = Vec::new();
        for connection in connections.into_iter().take(MAX_EXAMINED) {
            let caller = Caller::system(connection.environment_id);
            let outcome = match doctor::run(&app, &caller, connection.id.as_str()).await {
                Ok(report) => summary(&report),
                Err(error) => json!({ "error": kind(&error) }),
            };
            examined.push(json!({ "connection_id": connection.id, "doctor": outcome }));
        }
        report["examined"] = examined.into();
    }
    Ok(report)
}

/// The words of a report, without what came from others.
fn summary(report: &doctor::Report) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "name": finding.name,
                "outcome": finding.outcome,
                "problem": finding.problem,
            })
        })
        .collect();
    json!({ "healthy": report.healthy, "findings": findings })
}

/// What kind of error it was. Its text may name hosts and paths: the operator's log has it.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Unavailable(_) => "the database does not answer",
        Error::Invalid { code: "no_installation", .. } => {
            "there is no installation where the settings say"
        }
        Error::Invalid { code: "schema_behind", .. } => {
            "the schema is older than this program: `vestibule migrate --status` shows it"
        }
        _ => "the installation cannot be opened: `vestibule serve` says why",
    }
}
