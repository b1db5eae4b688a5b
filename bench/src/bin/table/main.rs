//! Prints the results in a folder as Markdown tables, or makes a page of them:
//! `table [RESULTS]`, `table performance RESULTS DOCS`.

mod performance;
mod svg;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sso_bench::report::{Cold, Cost, Run};

fn read<T: DeserializeOwned>(folder: &Path, prefix: &str) -> Vec<T> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with(prefix) && name.ends_with(".json")
        })
        .collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.filter_map(|text| serde_json::from_str(&text).ok()).collect()
}

/// The lowest and the highest of some figures.
fn range(values: impl Iterator<Item = f64>, digits: usize) -> String {
    let values: Vec<f64> = values.collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.is_empty() {
        return "-".into();
    }
    let (low, high) = (format!("{low:.digits$}"), format!("{high:.digits$}"));
    if low == high { low } else { format!("{low}–{high}") }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["performance", results, docs] => performance::write(Path::new(results), Path::new(docs)),
        [results] => {
            print(Path::new(results));
            Ok(())
        }
        [] => {
            print(Path::new("results"));
            Ok(())
        }
        _ => Err("usage: table [RESULTS] | table performance RESULTS DOCS".into()),
    }
}

fn print(folder: &Path) {
    let mut runs: BTreeMap<(String, usize), Vec<Run>> = BTreeMap::new();
    for run in read::<Run>(folder, "run-") {
        runs.entry((run.label.clone(), run.concurrency)).or_default().push(run);
    }
    println!(
        "| peer | c | runs | logins/s | CPU ms/login | of it system | DB CPU ms | p50 ms | p99 ms \
         | RSS peak MiB | errors | requests to the IdP per login |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for ((label, concurrency), runs) in &runs {
        let all = |figure: &dyn Fn(&Run) -> f64, digits| range(runs.iter().map(figure), digits);
        let db = |cost: &Option<Cost>| cost.as_ref().map(|c| c.cpu_ms_per_login);
        let errors: u64 = runs.iter().flat_map(|run| run.errors.values()).sum();
        let idp: Vec<String> = runs[0]
            .idp_requests_per_login
            .iter()
            .filter(|(_, count)| **count >= 0.005)
            .map(|(name, count)| format!("{name} {count:.2}"))
            .collect();
        println!(
            "| {label} | {concurrency} | {} | {} | {} | {} | {} | {} | {} | {} | {errors} | {} |",
            runs.len(),
            all(&|r| r.logins_per_s, 0),
            all(&|r| r.broker.cpu_ms_per_login, 3),
            all(&|r| r.broker.system_ms_per_login, 3),
            range(runs.iter().filter_map(|r| db(&r.db)), 3),
            all(&|r| r.login_ms.p50, 1),
            all(&|r| r.login_ms.p99, 1),
            all(&|r| r.broker.rss_mib_peak, 0),
            idp.join(", "),
        );
    }
    println!();
    println!(
        "| peer | cold start ms | CPU ms until then | idle RSS MiB | idle PSS MiB | processes |"
    );
    println!("|---|---|---|---|---|---|");
    for cold in read::<Cold>(folder, "cold-") {
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            cold.label,
            range(cold.first_answer_ms.iter().copied(), 0),
            range(cold.first_answer_cpu_ms.iter().copied(), 0),
            range(cold.idle_rss_mib.iter().copied(), 1),
            range(cold.idle_pss_mib.iter().copied(), 1),
            cold.processes,
        );
    }
}
