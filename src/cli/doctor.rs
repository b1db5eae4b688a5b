//! `vestibule doctor CONNECTION`: what keeps people from signing in, for a person to read.

use super::Session;
use crate::base::failure::Owner;
use crate::base::{Error, Result};
use crate::doctor::{self, Finding, Report};

/// Which connection, and how the report is printed.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The connection's id.
    connection: String,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Examines the connection; returns what to print, and whether all is well.
///
/// # Errors
///
/// As [`doctor::run`].
pub async fn examine(session: &Session, args: &DoctorArgs) -> Result<(String, bool)> {
    let caller = session.caller().await?;
    let report = doctor::run(&session.app, &caller, &args.connection).await?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).map_err(Error::internal)?,
        false => text(&report),
    };
    Ok((text, report.healthy))
}

fn text(report: &Report) -> String {
    let kind = report.connection_type.as_str();
    let mut text = format!("{} ({kind}), {}\n\n", report.connection_id, report.checked_at);
    for finding in &report.findings {
        text.push_str(&line(finding));
    }
    let count = report.problems().count();
    text.push_str(&match count {
        0 => "\nAll is well, as far as can be told without a person signing in.".to_owned(),
        1 => "\n1 thing needs attention.".to_owned(),
        _ => format!("\n{count} things need attention."),
    });
    text
}

fn line(finding: &Finding) -> String {
    let (outcome, label) = (finding.outcome.as_str(), finding.name.label());
    let mut text = match (&finding.problem, &finding.note) {
        (Some(problem), _) => format!("{outcome:<12} {label}: {problem}\n"),
        (None, Some(note)) => format!("{outcome:<12} {label}: {note}\n"),
        (None, _) => format!("{outcome:<12} {label}\n"),
    };
    if finding.problem.is_none() {
        return text;
    }
    let owner = finding.owner.map(|owner| match owner {
        Owner::CustomerIt => "the customer's IT",
        Owner::Developer => "the developer",
        Owner::Operator => "who runs this service",
        Owner::Person => "the person",
    });
    let details = [
        ("expected", finding.expected.as_deref()),
        ("received", finding.received.as_deref()),
        ("note", finding.note.as_deref()),
        ("for", owner),
        ("do", finding.remedy),
    ];
    for (name, value) in details {
        if let Some(value) = value {
            text.push_str(&format!("{:<12}   {name:<9} {value}\n", ""));
        }
    }
    text
}
