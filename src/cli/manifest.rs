//! `vestibule apply` and `vestibule export`: the installation as a file.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Session;
use crate::base::{Error, Result};
use crate::manifest::{self, Manifest, Options, Outcome, Plan, export, known};
use manifest::plan::{Operation, Step};

/// The exit code of a plan that has something to do. 1 is a failure, and 2 a command that is
/// mistyped.
const DIFFERS: u8 = 3;

/// Which manifest, and what is done with it. `--environment` limits it to one environment of the file.
#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// The manifest, as YAML; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Only show what would be done. The exit code is 0 if nothing would, 3 if something would, and 1 if some
    /// of it would be refused.
    #[arg(long)]
    plan: bool,
    /// Delete what is not in a list of the manifest, and say what that breaks.
    #[arg(long)]
    prune: bool,
    /// Print the plan as JSON.
    #[arg(long)]
    json: bool,
    /// Afterwards, make a setup link for each organization of the manifest with a connection that is
    /// not configured, and write them to this file.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    setup_links: Option<PathBuf>,
}

/// What is exported. `--environment` limits it to one environment.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Leave the ids out, so that the manifest can be applied to another installation as something
    /// new.
    #[arg(long)]
    without_ids: bool,
}

impl ApplyArgs {
    /// Whether nothing is to be changed.
    pub fn only_looks(&self) -> bool {
        self.plan
    }

    /// Reads the manifest: before anything is opened, since opening may make an installation.
    ///
    /// # Errors
    ///
    /// What is wrong with it, each with its path and line.
    pub fn read(&self) -> Result<Manifest> {
        let text = read(&self.file)?;
        manifest::parse(&text).map_err(|error| in_file(&self.file, &error))
    }
}

/// Applies a manifest, or shows what that would do; returns what to print and the exit code.
///
/// # Errors
///
/// What is wrong with the manifest, each with its path. What fails while it is applied is printed.
pub async fn apply(
    session: &Session,
    args: &ApplyArgs,
    manifest: &Manifest,
) -> Result<(String, ExitCode)> {
    let folder = args.file.parent().unwrap_or(Path::new(""));
    let only = session.environment.as_deref();
    let options = Options { folder, prune: args.prune, only };
    let plan = manifest::plan(&session.app, manifest, options).await;
    let plan = plan.map_err(|error| in_file(&args.file, &error))?;
    if args.plan {
        return look(session, args.json, plan).await;
    }
    let shown = if args.json { pretty(&as_json(&plan))? } else { as_text(&plan) };
    // Before anything is done: what is done cannot be told in a file that cannot be written.
    let links = args.setup_links.as_deref().map(LinksFile::create).transpose()?;
    let outcome = manifest::apply(&session.app, "command line", plan).await;
    let outcome = outcome.map_err(|error| in_file(&args.file, &error))?;
    tell(&outcome);
    if !outcome.failures.is_empty() {
        return Ok((shown, ExitCode::FAILURE));
    }
    if let Some(mut file) = links {
        let made = manifest::setup_links(&session.app, "command line", (manifest, only)).await?;
        file.write(&manifest::links_as_text(&made))?;
        eprintln!("{} setup links are in {}", made.len(), file.path.display());
    }
    Ok((shown, ExitCode::SUCCESS))
}

/// Shows what would be done, and what would be refused.
async fn look(session: &Session, in_json: bool, plan: Plan) -> Result<(String, ExitCode)> {
    let code = if plan.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) };
    let (mut json, mut text) = (as_json(&plan), as_text(&plan));
    let refused = manifest::rehearse(&session.app, plan).await?;
    let code = if refused.is_empty() { code } else { ExitCode::FAILURE };
    let listed = refused.iter().map(|(path, why)| json!({ "path": path, "reason": why }));
    json["refused"] = listed.collect();
    for (path, why) in &refused {
        text.push_str(&format!("\nrefused: {path}: {why}"));
    }
    Ok((if in_json { pretty(&json)? } else { text }, code))
}

/// The installation as a manifest.
///
/// # Errors
///
/// [`Error::NotFound`] if there is no such environment.
pub async fn export(session: &Session, args: &ExportArgs) -> Result<String> {
    let only = match &session.environment {
        Some(_) => Some(session.caller().await?.environment_id),
        None => None,
    };
    let mut all = Vec::new();
    for environment in known::environments(&session.app).await? {
        if only.as_ref().is_none_or(|id| *id == environment.id) {
            all.push(known::read(&session.app, &environment).await?);
        }
    }
    export::text(&export::manifest(&all, !args.without_ids)?)
}

/// A file, or standard input.
fn read(file: &Path) -> Result<String> {
    let text = match file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    text.map_err(|error| {
        let message = format!("{} cannot be read: {error}", file.display());
        Error::invalid("unreadable_file", "file", message)
    })
}

/// Puts the name of the file in front of each line of a message about it.
fn in_file(file: &Path, error: &Error) -> Error {
    let chain = error.chain();
    let lines: Vec<String> =
        chain.lines().map(|line| format!("{}: {line}", file.display())).collect();
    Error::invalid("invalid_manifest", "manifest", lines.join("\n"))
}

/// Says on standard error what became of a plan, beside what it was.
fn tell(outcome: &Outcome) {
    for (path, note) in &outcome.notes {
        eprintln!("{path}: {note}");
    }
    for failure in &outcome.failures {
        let chain = failure.error.chain();
        let not_done = failure.not_done;
        eprintln!("failed: {}: {chain} (not done: {not_done} of the steps)", failure.path);
    }
    if !outcome.failures.is_empty() {
        eprintln!(
            "Done: {} of the steps. Mend what failed and apply the file again.",
            outcome.done
        );
    }
}

fn pretty(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(Error::internal)
}

fn as_json(plan: &Plan) -> Value {
    let steps: Vec<&Step> = plan.steps().collect();
    let unread = plan.unread.iter().map(|(path, why)| json!({ "path": path, "reason": why }));
    json!({
        "steps": steps,
        "left_alone": plan.left_alone,
        "secrets_not_compared": unread.collect::<Vec<Value>>(),
    })
}

fn as_text(plan: &Plan) -> String {
    let mut text = String::new();
    let mut counts = [0; 3];
    for step in plan.steps() {
        let (sign, i) = match step.operation {
            Operation::Create => ('+', 0),
            Operation::Update => ('~', 1),
            Operation::Delete => ('-', 2),
        };
        counts[i] += 1;
        text.push_str(&format!("{sign} {:<48} {}\n", step.resource, step.path));
        for it in &step.differences {
            let (before, after) = (for_people(&it.before), for_people(&it.after));
            text.push_str(&format!("    {}: {before} → {after}\n", it.member));
        }
        for sentence in &step.breaks {
            text.push_str(&format!("    ! {sentence}\n"));
        }
    }
    for what in &plan.left_alone {
        text.push_str(&format!("  {what}, and stays: --prune deletes it\n"));
    }
    for (path, why) in &plan.unread {
        text.push_str(&format!("  {path} is not compared: {why}\n"));
    }
    let [create, update, delete] = counts;
    text.push_str(&match create + update + delete {
        0 => "Nothing to do: everything is as the file says.".to_owned(),
        _ => format!("{create} to create, {update} to change, {delete} to delete."),
    });
    text
}

fn for_people(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.starts_with("(secret ") => text.clone(),
        value => value.to_string(),
    }
}

/// A new file for setup links that only its owner can read: a link lets in whoever has it. It goes again
/// if nothing was written to it.
struct LinksFile<'a> {
    path: &'a Path,
    file: std::fs::File,
    is_written: bool,
}

impl<'a> LinksFile<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| unwritable(path, &error))?;
        Ok(Self { path, file, is_written: false })
    }

    fn write(&mut self, text: &str) -> Result<()> {
        use std::io::Write;
        self.is_written = true;
        self.file.write_all(text.as_bytes()).map_err(|error| unwritable(self.path, &error))
    }
}

impl Drop for LinksFile<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            let _ = std::fs::remove_file(self.path);
        }
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("{} cannot be written: {error}", path.display());
    Error::invalid("unwritable_file", "setup_links", message)
}
