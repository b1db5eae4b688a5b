//! `vestibule import`: a manifest made from what another service has. Nothing here is changed by it.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};
use url::Url;

use crate::base::secret::Secret;
use crate::base::{Error, Result};
use crate::config::Config;
use crate::manifest::import::{self, Import, WorkOs};
use crate::outbound::Outbound;

/// Where from.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// A WorkOS account, by its API. Ids of organizations, domains and connections stay.
    Workos {
        /// A file with an API key of the environment.
        #[arg(long, value_name = "FILE")]
        api_key_file: PathBuf,
        /// Where the API is.
        #[arg(long, value_name = "URL", default_value = "https://api.workos.com")]
        api_url: Url,
        /// The client id of the environment, so that applications keep it.
        #[arg(long)]
        client_id: Option<String>,
        /// What the environment is to be called here.
        #[arg(long, default_value = "WorkOS")]
        name: String,
        /// A new folder for the manifest, the report and secrets.
        #[arg(long, short, value_name = "FOLDER")]
        output: PathBuf,
    },
    /// Ory Polis (SAML Jackson): the JSON that GET /api/v1/sso answers. Products become
    /// environments, tenants organizations.
    Polis {
        /// The file with the JSON.
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// A new folder for the manifest, the report and secrets.
        #[arg(long, short, value_name = "FOLDER")]
        output: PathBuf,
    },
}

/// Imports; returns what to print.
///
/// # Errors
///
/// What the other service answers, or what is wrong with the file.
pub async fn import(config: &Config, command: ImportCommand) -> Result<Value> {
    let (made, output) = match command {
        ImportCommand::Workos { api_key_file, api_url, client_id, name, output } => {
            let api_key = Secret::new(read(&api_key_file)?.trim());
            let outbound = Outbound::new(&config.outbound).map_err(Error::internal)?;
            let account = WorkOs { base_url: api_url, api_key, name, client_id };
            (import::from_workos(&outbound, &account).await?, output)
        }
        ImportCommand::Polis { file, output } => {
            (import::from_polis(&read(&file)?, &config.base_url)?, output)
        }
    };
    made.write(&output)?;
    Ok(summary(&made, &output.join("vestibule.yaml"), &output.join("report.md")))
}

fn summary(made: &Import, manifest: &std::path::Path, report: &std::path::Path) -> Value {
    json!({
        "manifest": manifest,
        "report": report,
        "secrets": made.secrets.len(),
        "read": made.report.read,
        "to_look_at": made.report.general.len()
            + made.report.organizations.values().map(Vec::len).sum::<usize>(),
    })
}

fn read(file: &std::path::Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        let message = format!("{} cannot be read: {error}", file.display());
        Error::invalid("unreadable_file", "file", message)
    })
}
