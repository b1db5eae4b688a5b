//! Manifests made from what another service has: to be looked at, and applied like any other.

mod polis;
mod workos;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::Manifest;
use super::export;
use crate::base::secret::Secret;
use crate::base::{Error, Result};

pub use polis::from_polis;
pub use workos::{WorkOs, from_workos};

/// What an import made.
#[derive(Debug)]
pub struct Import {
    /// The manifest. Secrets stand beside it.
    pub manifest: Manifest,
    /// Secrets that the other service gave, by their path from the manifest's folder.
    pub secrets: BTreeMap<PathBuf, Secret>,
    /// What was read, and what could not be had.
    pub report: Report,
}

/// What a person has to know about an import.
#[derive(Debug, Default)]
pub struct Report {
    /// Where from.
    pub source: String,
    /// How much was read, each as a few words.
    pub read: Vec<String>,
    /// What concerns everything.
    pub general: Vec<String>,
    /// What concerns one organization, by its name and id.
    pub organizations: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// Adds a sentence about an organization.
    fn about(&mut self, organization: &str, sentence: String) {
        self.organizations.entry(organization.to_owned()).or_default().push(sentence);
    }

    /// The report as Markdown.
    pub fn text(&self) -> String {
        let mut text =
            format!("# Import from {}\n\nRead: {}.\n", self.source, self.read.join(", "));
        text.push_str(
            "\nNothing is changed yet. Look at `vestibule.yaml`, then:\n\n\
             ```\n\
             vestibule apply -f vestibule.yaml --plan\n\
             vestibule apply -f vestibule.yaml --setup-links setup-links.md\n\
             ```\n\n\
             `setup-links.md` will have one setup link for each organization with a connection that \
             lacks its client secret.\n",
        );
        if !self.general.is_empty() {
            text.push_str("\n## For everybody\n\n");
            for sentence in &self.general {
                text.push_str(&format!("- {sentence}\n"));
            }
        }
        if !self.organizations.is_empty() {
            text.push_str("\n## For single organizations\n");
        }
        for (organization, sentences) in &self.organizations {
            text.push_str(&format!("\n### {organization}\n\n"));
            for sentence in sentences {
                text.push_str(&format!("- {sentence}\n"));
            }
        }
        text
    }
}

impl Import {
    /// Writes `vestibule.yaml`, `report.md` and the secrets into a new folder that only its owner
    /// can read.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if the folder is there already or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        let failed = |error: std::io::Error| {
            let message = format!("{} cannot be written: {error}", folder.display());
            Error::invalid("unwritable_folder", "output", message)
        };
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700).create(folder).map_err(failed)?;
        if !self.secrets.is_empty() {
            builder.create(folder.join(SECRETS)).map_err(failed)?;
        }
        let manifest = export::text(&self.manifest)?;
        write(&folder.join("vestibule.yaml"), manifest.as_bytes()).map_err(failed)?;
        write(&folder.join("report.md"), self.report.text().as_bytes()).map_err(failed)?;
        for (path, secret) in &self.secrets {
            write(&folder.join(path), secret.expose().as_bytes()).map_err(failed)?;
        }
        Ok(())
    }
}

/// The folder of secrets beside a manifest.
const SECRETS: &str = "secrets";

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name cut to what fits.
fn short(name: &str, max: usize) -> String {
    let clean: String = name.chars().filter(|c| !c.is_control()).take(max).collect();
    clean.trim().to_owned()
}
