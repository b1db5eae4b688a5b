//! What is shipped to run it by: each file is what it claims to be, and names what exists.

use std::collections::BTreeSet;

use clap::Parser;
use serde_json::Value;
use vestibule::cli::{Cli, Command};
use vestibule::config::{Config, SETTINGS, Sources};
use vestibule::telemetry;

use super::{COMMAND, assert_current, cell, path, read};

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const DASHBOARD: &str = "deploy/grafana/vestibule.json";
const KUBERNETES: &str = "deploy/kubernetes/vestibule.yaml";
const DOCKERFILE: &str = "deploy/docker/Dockerfile";
const UNIT: &str = "deploy/systemd/vestibule.service";

/// The documents of a YAML file.
fn yaml(name: &str) -> Vec<Value> {
    let text = read(name);
    let documents = text.split("\n---\n");
    documents
        .map(|text| yaml_serde::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}")))
        .collect()
}

/// Every text in a JSON value that stands under this key.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if name == key => found.push(text),
                    _ => texts(member, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

/// The words of a query that look like names of ours or of the process.
fn metrics_in(query: &str) -> BTreeSet<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("vestibule_") || word.starts_with("process_")).collect()
}

#[track_caller]
fn assert_metrics_exist(queries: &[&str]) {
    let known: BTreeSet<&str> = telemetry::described().iter().map(|(name, _)| *name).collect();
    let endings = ["", "_total", "_bucket", "_count", "_sum"];
    let mut seen = 0;
    for query in queries {
        for name in metrics_in(query) {
            let exists = endings
                .iter()
                .filter_map(|ending| name.strip_suffix(ending))
                .any(|name| known.contains(name));
            assert!(exists, "{name} in: {query}");
            seen += 1;
        }
    }
    assert!(seen >= queries.len() / 2, "the names are not found: {queries:?}");
}

/// Reads a command line as the program does, and its settings.
#[track_caller]
fn assert_serves(words: &[&str]) {
    let cli = Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert!(matches!(cli.command, Command::Serve), "{words:?}");
}

#[track_caller]
fn assert_settings(variables: &[&str]) {
    for name in variables {
        let exists = SETTINGS.iter().any(|setting| setting.variable() == *name);
        assert!(exists, "{name} is no setting");
    }
}

#[test]
fn the_systemd_unit_is_hardened_and_starts_the_program() {
    let text = read(UNIT);
    let mut section = "";
    let mut entries = Vec::new();
    for line in
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no entry: {line}"));
            entries.push((section, key, value));
        }
    }
    let get = |key: &str| {
        let found = entries.iter().find(|(section, name, _)| *section == "Service" && *name == key);
        found.unwrap_or_else(|| panic!("no {key}")).2
    };
    let words: Vec<&str> = get("ExecStart").split_whitespace().collect();
    assert_serves(&words);
    for (key, value) in [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("UMask", "0077"),
        ("StateDirectoryMode", "0700"),
    ] {
        assert_eq!(get(key), value, "{key}");
    }
    let comment = text.lines().find(|line| line.starts_with("# Secrets")).unwrap();
    assert_settings(&["VESTIBULE_DATABASE", "VESTIBULE_KEYS"].map(|name| {
        assert!(comment.contains(name));
        name
    }));
    assert_eq!(read("deploy/systemd/vestibule.sysusers.conf").split(' ').nth(1), Some("vestibule"));
}

/// systemd's own judgement, where it is installed.
#[test]
fn systemd_finds_the_unit_little_exposed() {
    let asked = std::process::Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=20"])
        .arg(path(UNIT))
        .output();
    match asked {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            let verdict = said.lines().last().unwrap_or_default();
            assert!(output.status.success(), "more than 2.0: {verdict}");
        }
        Err(_) => crate::support::skipped("there is no systemd-analyze"),
    }
}

#[test]
fn the_image_has_no_shell_and_its_settings_exist() {
    let text = read(DOCKERFILE);
    let last = text.rsplit_once("\nFROM ").expect("two stages").1;
    assert!(last.starts_with("scratch\n"), "{last}");
    assert!(!last.contains("\nRUN "), "there is nothing to run it with");
    let variables: Vec<&str> = last
        .split_whitespace()
        .filter_map(|word| Some(word.split_once('=')?.0))
        .filter(|word| word.starts_with("VESTIBULE_"))
        .collect();
    assert_eq!(variables.len(), 3);
    assert_settings(&variables);
    let entry: Vec<String> = ["ENTRYPOINT ", "CMD "]
        .iter()
        .flat_map(|instruction| {
            let line = last.lines().find_map(|line| line.strip_prefix(instruction)).unwrap();
            serde_json::from_str::<Vec<String>>(line).unwrap()
        })
        .collect();
    assert_serves(&entry.iter().map(String::as_str).collect::<Vec<_>>());
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    assert!(text.contains("--profile dist") && manifest["profile"].get("dist").is_some());
}

#[test]
fn the_manifests_are_of_one_piece_and_their_settings_hold() {
    let documents = yaml(KUBERNETES);
    let of_kind = |kind: &str| {
        let found = documents.iter().find(|document| document["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))
    };
    let labels = &of_kind("Deployment")["spec"]["template"]["metadata"]["labels"];
    for (kind, selector) in [
        ("Deployment", "/spec/selector/matchLabels"),
        ("Service", "/spec/selector"),
        ("PodDisruptionBudget", "/spec/selector/matchLabels"),
        ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ] {
        assert_eq!(of_kind(kind).pointer(selector), Some(labels), "{kind}");
    }
    let pod = &of_kind("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let ports: BTreeSet<&str> =
        container["ports"].as_array().unwrap().iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(ports, BTreeSet::from(["http", "metrics"]));
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let get = &container[probe]["httpGet"];
        let (path, port) = (get["path"].as_str().unwrap(), get["port"].as_str().unwrap());
        assert!(["/healthz", "/readyz"].contains(&path) && ports.contains(port), "{probe}");
    }
    let mut words = vec!["vestibule"];
    words.extend(container["args"].as_array().unwrap().iter().filter_map(Value::as_str));
    assert_serves(&words);
    let variables: Vec<&str> =
        container["env"].as_array().unwrap().iter().filter_map(|v| v["name"].as_str()).collect();
    assert_settings(&variables);

    let settings = of_kind("ConfigMap")["data"]["vestibule.toml"].as_str().unwrap();
    let folder = crate::support::Folder::new();
    let file = folder.path().join("vestibule.toml");
    std::fs::write(&file, settings).unwrap();
    let config = Config::read(&Sources::collect(Some(&file), &[]).unwrap()).unwrap();
    let metrics = config.metrics_listen.expect("metrics");
    let numbers: Vec<u64> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|port| port["containerPort"].as_u64())
        .collect();
    assert_eq!(numbers, [u64::from(config.listen.port()), u64::from(metrics.port())]);
    assert_eq!(config.data, std::path::Path::new("/data"));
    // The delay, the 20 s of the service itself, and some.
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(config.shutdown_delay_s > 0 && grace > config.shutdown_delay_s + 20);
}

#[test]
fn every_metric_of_the_dashboard_and_the_alerts_exists() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).expect("JSON");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let mut queries = Vec::new();
    texts(&dashboard, "expr", &mut queries);
    texts(&dashboard["templating"], "query", &mut queries);
    assert_metrics_exist(&queries);
    let named: BTreeSet<&str> = queries.iter().flat_map(|query| metrics_in(query)).collect();
    assert!(named.len() > 15, "{named:?}");

    let rules = yaml(ALERTS);
    let mut queries = Vec::new();
    texts(&rules[0], "expr", &mut queries);
    assert_metrics_exist(&queries);
}

#[test]
fn the_manual_says_what_to_do_about_each_alert() {
    let manual = read("docs/operations.md");
    let rules = yaml(ALERTS);
    let mut alerts = Vec::new();
    texts(&rules[0], "alert", &mut alerts);
    assert!(alerts.len() > 5);
    for alert in alerts {
        assert!(manual.contains(&format!("**{alert}**")), "docs/operations.md lacks {alert}");
    }
}

#[test]
fn the_manual_names_settings_that_exist() {
    let manual = read("docs/operations.md");
    let mut seen = 0;
    for word in manual.split('`').skip(1).step_by(2) {
        let setting = word.split([' ', '=']).next().unwrap_or_default();
        let tables = [
            "log.",
            "metrics.",
            "tls.",
            "shutdown.",
            "outbound.",
            "limits.",
            "retention.",
            "traces.",
        ];
        if tables.iter().any(|table| setting.starts_with(table)) && !setting.contains('/') {
            let exists = SETTINGS.iter().any(|known| known.name == setting);
            assert!(exists, "docs/operations.md names {setting}");
            seen += 1;
        }
    }
    assert!(seen > 10, "the settings are not found");
}

#[test]
fn the_reference_of_metrics_is_current() {
    let mut text = format!(
        "<!-- Made from src/telemetry by `{COMMAND}`. -->\n\n\
         # Metrics\n\n\
         What `/metrics` answers on `metrics.listen`, in the text of OpenMetrics 1.0. Counters end in \
         `_total`; what is measured in seconds or units of work has `_bucket`, `_sum` and `_count`. \
         No label holds what a tenant, an identity provider or a stranger chose.\n\n\
         | Metric | What it is |\n|---|---|\n"
    );
    for (name, help) in telemetry::described() {
        text.push_str(&format!("| `{name}` | {} |\n", cell(help)));
    }
    assert_current("docs/reference/metrics.md", &text);
}
