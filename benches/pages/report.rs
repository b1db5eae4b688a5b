//! What was measured, as tables.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use regex_lite::Regex;

use crate::addresses::Address;

/// What a page may take at the median.
const MOST: Duration = Duration::from_millis(50);
/// What a page may weigh with everything that it loads.
const MOST_BYTES: usize = 100_000;

/// One address and what it took.
pub struct Line {
    pub address: Address,
    pub status: u16,
    pub median: Duration,
    pub p90: Duration,
    pub html_bytes: usize,
    /// With style sheet, scripts and pictures, uncompressed.
    pub all_bytes: usize,
}

impl Line {
    fn marks(&self) -> String {
        let mut marks = String::new();
        if self.median >= MOST {
            marks.push_str(" SLOW");
        }
        if self.all_bytes > MOST_BYTES && !self.address.is_api {
            marks.push_str(" LARGE");
        }
        // Passkeys need a host with a name, and the link of the first administrator is over.
        if !matches!(self.status, 200 | 303 | 404) {
            marks.push_str(&format!(" {}", self.status));
        }
        marks
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The paths of what a page loads by itself.
pub fn assets_of(html: &str) -> Vec<String> {
    static LOADED: LazyLock<Regex> = LazyLock::new(|| {
        let tags = r#"<link [^>]*href="([^"]+)"|<(?:script|img) [^>]*src="([^"]+)""#;
        Regex::new(tags).expect("a regular expression")
    });
    let found = LOADED.captures_iter(html);
    let paths = found.filter_map(|it| Some(it.get(1).or(it.get(2))?.as_str().to_owned()));
    paths.filter(|path| path.starts_with('/')).collect()
}

/// Every line.
pub fn print(lines: &[Line]) {
    println!("median ms   p90 ms     HTML      all  page");
    for line in lines {
        println!(
            "{:>9.1} {:>8.1} {:>8} {:>8}  {} {}{}",
            ms(line.median),
            ms(line.p90),
            line.html_bytes,
            line.all_bytes,
            line.address.route,
            line.address.label,
            line.marks(),
        );
    }
}

/// The slowest and the largest of each route, as Markdown, and how many are over.
pub fn summary(reports: &[(&'static str, Vec<Line>)]) {
    let mut routes: BTreeMap<&str, Vec<(f64, &str)>> = BTreeMap::new();
    let mut bytes: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, lines) in reports {
        let mut worst: BTreeMap<&str, &Line> = BTreeMap::new();
        for line in lines {
            let route = line.address.route.as_str();
            let known = worst.entry(route).or_insert(line);
            if line.median > known.median {
                *known = line;
            }
            let most = bytes.entry(route).or_default();
            *most = line.all_bytes.max(*most);
        }
        for (route, line) in worst {
            let label = line.address.label.as_str();
            routes.entry(route).or_default().push((ms(line.median), label));
        }
    }
    let engines: Vec<&str> = reports.iter().map(|(engine, _)| *engine).collect();
    println!("\n| page | {}, ms | kB |", engines.join(", ms | "));
    println!("|---|{}--:|", "--:|".repeat(engines.len()));
    for (route, figures) in routes {
        let cells = figures.iter().map(|(ms, label)| match *label {
            "" => format!("{ms:.1}"),
            label => format!("{ms:.1} ({label})"),
        });
        let cells: Vec<String> = cells.collect();
        println!("| `{route}` | {} | {:.0} |", cells.join(" | "), bytes[route] as f64 / 1000.0);
    }
    for (engine, lines) in reports {
        let over: Vec<&Line> = lines.iter().filter(|line| !line.marks().is_empty()).collect();
        println!("\n{engine}: {} addresses, {} of them over", lines.len(), over.len());
        for line in over {
            let (route, label) = (&line.address.route, &line.address.label);
            println!("  {:.1} ms {route} {label}{}", ms(line.median), line.marks());
        }
    }
}
