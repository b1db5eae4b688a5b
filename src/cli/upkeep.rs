//! Looking after an installation: what works without the service, and beside it.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::Value;

use crate::base::time::Clock;
use crate::base::{Error, Result};
use crate::config::{Config, Sources};
use crate::upkeep::{backup, support_bundle};

/// What there is to look after.
#[derive(Debug, Subcommand)]
pub enum Upkeep {
    /// Copy the embedded database to a new file, while the service may run. The keys are not in it.
    Backup {
        /// The file, which must not exist.
        file: PathBuf,
    },
    /// Put a backup in the place of the embedded database; the service must not run, and the keys
    /// must be here.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Move a database that is there aside.
        #[arg(long)]
        replace: bool,
    },
    /// Write a file that helps others to find out what is wrong: without secrets, names or addresses.
    SupportBundle {
        /// The file, which must not exist.
        file: PathBuf,
        /// Let the doctor ask the identity providers.
        #[arg(long)]
        doctor: bool,
    },
}

/// Runs a command; returns what to print.
///
/// # Errors
///
/// What the operation returns.
pub async fn maintain((sources, config): (&Sources, Config), command: Upkeep) -> Result<Value> {
    let clock = Clock::system();
    match command {
        Upkeep::Backup { file } => shown(backup::back_up(&config, &file, &clock).await?),
        Upkeep::Restore { file, replace } => {
            shown(backup::restore(&config, &file, replace, clock)?)
        }
        Upkeep::SupportBundle { file, doctor } => {
            let written = support_bundle::write((sources, config), &file, doctor, clock);
            shown(written.await?)
        }
    }
}

fn shown(value: impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::internal)
}
