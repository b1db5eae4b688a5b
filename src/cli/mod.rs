//! The command line: what the guide does by mouse, for scripts and operators.
//!
//! Every command prints JSON on stdout (the doctor on request, `config` and `export` never); notes and
//! errors go to stderr.

mod administrators;
mod args;
mod commands;
mod doctor;
mod import;
mod keys;
mod manifest;
mod migrate;
mod overrides;
mod upkeep;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use args::Manage;
pub use commands::{Session, run};
pub use doctor::{DoctorArgs, examine};
pub use import::{ImportCommand, import};
pub use manifest::{ApplyArgs, ExportArgs, apply, export};
pub use migrate::{CopyArgs, MigrateArgs, copy, migrate};
pub use overrides::Overrides;
pub use upkeep::{Upkeep, maintain};

/// The enterprise single sign-on service you run yourself.
#[derive(Debug, Parser)]
#[command(name = "vestibule", version, propagate_version = true)]
pub struct Cli {
    /// A configuration file; vestibule.toml in this folder is read if it exists.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The environment to work in, by id, client id or name; not needed where there is only one.
    #[arg(long, short, global = true, value_name = "ID")]
    pub environment: Option<String>,
    /// Settings.
    #[command(flatten)]
    pub settings: Overrides,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the service.
    Serve,
    /// Start the service with a simulated Okta tenant and a sample application, all set up.
    Demo(DemoArgs),
    /// Show the effective settings and where each comes from.
    Config,
    /// Look for what keeps people from signing in by a connection; the exit code is 0 if all
    /// is well, 3 if something needs attention.
    Doctor(DoctorArgs),
    /// Look after an installation.
    #[command(flatten)]
    Upkeep(Upkeep),
    /// Bring the schema of the database up to date, or say what that would do. The service does it by
    /// itself when it starts.
    Migrate(MigrateArgs),
    /// Copy a whole installation from SQLite into an empty database, and verify the copy. What the
    /// service writes meanwhile is not in it: stop it first.
    Copy(CopyArgs),
    /// Bring an installation to what a file says: environments, organizations, connections and more.
    Apply(ApplyArgs),
    /// Print an installation as a file for `apply`. No secret is in it.
    Export(ExportArgs),
    /// Make a file for `apply` from what another service has. Nothing is changed by it.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Manage an installation.
    #[command(flatten)]
    Manage(Manage),
}

/// How the demo is to run. Its state goes to a temporary directory unless `--data` names another;
/// no other setting applies to it.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Print one line of JSON once everything is ready.
    #[arg(long)]
    pub json: bool,
    /// Make one whole login by HTTP, as the first person of the sandbox or this one, print the
    /// profile and exit.
    #[arg(long, value_name = "EMAIL", num_args = 0..=1, default_missing_value = "")]
    pub login: Option<String>,
}
