//! The page `docs/performance.md`: what has to hold, what was measured, and the pictures.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sso_bench::report::{Abandoned, Cold, Run};

use crate::svg::{self, Group};

const BEGIN: &str = "<!-- Made by bench/measure: begin -->";
const END: &str = "<!-- Made by bench/measure: end -->";
const LEVELS: [usize; 3] = [1, 16, 64];
/// What the service of Ory Polis did in memory, the least and the most (`figures.md`): its one thread
/// was busy all the time at 16 at once. It cannot be had here to be driven again.
const POLIS_LOGINS_PER_S: (f64, f64) = (85.0, 98.0);

/// The machine and the circumstances, as `measure` writes them.
#[derive(Deserialize)]
struct Machine {
    cpu: String,
    cores: String,
    memory: String,
    system: String,
    load: String,
    date: String,
    command: String,
    vestibule: String,
    postgres: String,
    node: String,
    window: String,
}

#[derive(Deserialize)]
struct Warm {
    connections: u64,
    rss_mib: f64,
}

#[derive(Deserialize)]
struct Scale {
    connections: u64,
    profiles: u64,
    database_mib: u64,
}

#[derive(Deserialize)]
struct Purged {
    sso_sessions: u64,
    seconds: f64,
    rss_mib_peak: f64,
}

/// Everything in the folder of results.
struct Results<'a> {
    folder: &'a Path,
    runs: Vec<Run>,
}

/// Some figures of one kind: what is in the middle, and how far they spread.
struct Spread(Vec<f64>);

impl Spread {
    fn middle(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    fn show(&self, digits: usize, unit: &str) -> Option<String> {
        let middle = self.middle()?;
        let low = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(format!("{middle:.digits$}{unit} ({low:.digits$}–{high:.digits$})"))
    }
}

fn cpu(run: &Run) -> f64 {
    run.broker.cpu_ms_per_login
}

fn db_cpu(run: &Run) -> f64 {
    run.db.as_ref().map_or(f64::NAN, |db| db.cpu_ms_per_login)
}

impl Results<'_> {
    fn one<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let text = fs::read_to_string(self.folder.join(name)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The runs of a label at a level, in the order of their repetition.
    fn of(&self, label: &str, level: usize) -> Vec<&Run> {
        let fits = |run: &&Run| run.label == label && run.concurrency == level;
        self.runs.iter().filter(fits).collect()
    }

    fn figures(&self, label: &str, level: usize, figure: impl Fn(&Run) -> f64) -> Spread {
        Spread(self.of(label, level).into_iter().map(figure).collect())
    }

    /// The ratios of the runs that were made next to each other.
    fn ratios(
        &self,
        (label, to): (&str, &str),
        level: usize,
        figure: impl Fn(&Run) -> f64,
    ) -> Spread {
        let pairs = self.of(label, level).into_iter().zip(self.of(to, level));
        Spread(pairs.map(|(a, b)| figure(a) / figure(b)).collect())
    }

    fn against_floor(&self, engine: &str, level: usize) -> Option<String> {
        let (ours, floor) = match engine {
            "sqlite" => ("vestibule-sqlite", "floor-mem"),
            _ => ("vestibule-pg", "floor-pg"),
        };
        let ratio = self.ratios((ours, floor), level, cpu).show(2, " ×")?;
        let ours = self.figures(ours, level, cpu).middle()?;
        let floor = self.figures(floor, level, cpu).middle()?;
        Some(format!("{ratio}; {ours:.2} ms, floor {floor:.2} ms"))
    }

    fn rows(&self) -> Vec<[String; 4]> {
        let mut rows = Vec::new();
        let mut row = |what: &str, must: &str, hope: &str, measured: Option<String>| {
            let measured = measured.unwrap_or_else(|| "not measured".into());
            rows.push([what.to_owned(), must.to_owned(), hope.to_owned(), measured]);
        };
        for level in LEVELS {
            let what = format!("CPU per login, SQLite, {level} at once");
            let (must, hope) =
                if level == 1 { ("–", "–") } else { ("≤ 2 × `floor`", "≤ 1.4 ×") };
            row(&what, must, hope, self.against_floor("sqlite", level));
        }
        for level in [16, 64] {
            let what = format!("CPU per login of Vestibule, PostgreSQL, {level} at once");
            row(&what, "≤ 2.5 × `floor`", "≤ 1.7 ×", self.against_floor("pg", level));
        }
        for level in [16, 64] {
            let what = format!("CPU of PostgreSQL per login, {level} at once");
            let db = self.figures("vestibule-pg", level, db_cpu).show(2, " ms");
            row(&what, "≤ 1.2 ms", "≤ 0.6 ms", db);
        }
        let beside = "vestibule-sqlite-beside-polis";
        let faster = self.ratios((beside, "jackson-mem"), 64, |run| run.logins_per_s);
        let rates = [beside, "jackson-mem"]
            .map(|label| self.figures(label, 64, |run| run.logins_per_s).middle());
        row(
            "logins/s at 64 on SQLite, against Ory Polis in memory, as recorded (see below)",
            "≥ 10 ×",
            "≥ 20 ×",
            rates[0].map(|ours| {
                let (least, most) = POLIS_LOGINS_PER_S;
                format!(
                    "{:.1}–{:.1} ×; {ours:.0} and {least:.0}–{most:.0} logins/s",
                    ours / most,
                    ours / least,
                )
            }),
        );
        row(
            "the same, against the library under Polis alone, in turn",
            "–",
            "–",
            faster.show(1, " ×").zip(rates[0]).zip(rates[1]).map(|((faster, ours), theirs)| {
                format!("{faster}; {ours:.0} and {theirs:.0} logins/s")
            }),
        );
        let cold: Option<Cold> = self.one("cold-vestibule-sqlite.json");
        let idle = cold.as_ref().and_then(|c| Spread(c.idle_rss_mib.clone()).show(1, " MiB"));
        row("idle memory", "30 MB", "15 MB", idle);
        let warm: Option<Warm> = self.one("warm.json");
        row(
            "memory with 10,000 warm connections",
            "120 MB",
            "60 MB",
            warm.map(|w| format!("{:.1} MiB with {}", w.rss_mib, thousands(w.connections))),
        );
        let start = cold.and_then(|c| Spread(c.first_answer_ms).show(0, " ms"));
        row("start to first answer", "0.2 s", "0.1 s", start);
        let scale: Option<Scale> = self.one("scale.json");
        let larger = self.ratios(("vestibule-sqlite-full", "vestibule-sqlite-small"), 16, cpu);
        row(
            "100,000 connections, 10,000,000 profiles against an empty database: CPU per login",
            "≤ 1.25 ×",
            "≤ 1.1 ×",
            larger.show(2, " ×").zip(scale).map(|(larger, s)| {
                let (connections, profiles) = (thousands(s.connections), thousands(s.profiles));
                let size = thousands(s.database_mib);
                format!("{larger}; {connections} and {profiles}, {size} MiB")
            }),
        );
        let p99 = |run: &Run| run.login_ms.p99;
        let stalled = self.ratios(("vestibule-one-stalls", "vestibule-none-stalls"), 16, p99);
        let times = ["vestibule-one-stalls", "vestibule-none-stalls"]
            .map(|label| self.figures(label, 16, p99).middle());
        row(
            "one identity provider that stalls for 10 s: p99 of the others",
            "≤ 1.2 ×",
            "unchanged",
            stalled.show(2, " ×").zip(times[0]).zip(times[1]).map(|((ratio, with), without)| {
                format!("{ratio}; {with:.1} ms, without it {without:.1} ms")
            }),
        );
        row("1,000,000 abandoned authorize calls", "memory flat, purged", "", self.abandoned());
        rows
    }

    fn abandoned(&self) -> Option<String> {
        let a: Abandoned = self.one("abandoned.json")?;
        let at = |part: f64| {
            let wanted = a.departed as f64 * part;
            a.rss_mib.iter().find(|(done, _)| *done as f64 >= wanted).map_or(0.0, |p| p.1)
        };
        let mut text = format!(
            "{} calls, {:.2} ms each: {:.0} MiB after a tenth, {:.0} after half, {:.0} at the end",
            thousands(a.departed),
            a.cpu_ms_per_call,
            at(0.1),
            at(0.5),
            a.rss_mib.last().map_or(0.0, |p| p.1),
        );
        if let Some(p) = self.one::<Purged>("purged.json") {
            let left = thousands(p.sso_sessions);
            let (seconds, peak) = (p.seconds, p.rss_mib_peak);
            text += &format!(
                "; made 91 days old, {left} of them are left after {seconds:.0} s, at {peak:.0} MiB"
            );
        }
        if a.refused > 0 {
            text += &format!("; {} were refused", thousands(a.refused));
        }
        Some(text)
    }

    fn pictures(&self, folder: &Path) -> std::io::Result<String> {
        fs::create_dir_all(folder)?;
        let mut page = String::new();
        let mut picture = |name: &str, words: &str, svg: String| {
            page += &format!("\n![{words}](performance/{name}.svg)\n");
            fs::write(folder.join(format!("{name}.svg")), svg)
        };
        let group = |name: String, figures: Vec<Option<f64>>| Group { name, values: figures };
        let of = |label: &str, level, figure: fn(&Run) -> f64| {
            self.figures(label, level, figure).middle()
        };
        let title = "CPU per login in ms";
        let series = ["floor", "Vestibule", "PostgreSQL of the floor", "PostgreSQL of Vestibule"];
        let mut groups: Vec<Group> = LEVELS
            .map(|level| {
                let cpus = ["floor-mem", "vestibule-sqlite"].map(|label| of(label, level, cpu));
                group(format!("SQLite, {level} at once"), cpus.to_vec())
            })
            .into();
        groups.extend([16, 64].map(|level| {
            let (floor, ours) = ("floor-pg", "vestibule-pg");
            let mut all = vec![of(floor, level, cpu), of(ours, level, cpu)];
            all.extend([of(floor, level, db_cpu), of(ours, level, db_cpu)]);
            group(format!("PostgreSQL, {level}"), all)
        }));
        picture("cpu", title, svg::bars(title, &series, &groups))?;
        let title = "Logins per second at 64 at once, everything on this machine";
        let rate: fn(&Run) -> f64 = |run| run.logins_per_s;
        let beside = "vestibule-sqlite-beside-polis";
        let bars = [
            ("library under Polis, memory", "jackson-mem"),
            ("Vestibule, SQLite, beside it", beside),
            ("Vestibule, SQLite, beside the floor", "vestibule-sqlite"),
            ("Vestibule, PostgreSQL", "vestibule-pg"),
        ];
        let bars = bars.map(|(name, label)| group(name.into(), vec![of(label, 64, rate)]));
        picture("rate", title, svg::bars(title, &["logins/s"], &bars))?;
        if let Some(a) = self.one::<Abandoned>("abandoned.json") {
            let title = "Memory in MiB while logins are begun and abandoned";
            let points: Vec<_> = a.rss_mib.iter().map(|(n, mib)| (*n as f64, *mib)).collect();
            picture("abandoned", title, svg::line(title, "calls", &points))?;
        }
        Ok(page)
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes the made part of the page, and leaves what people wrote around it.
pub fn write(folder: &Path, docs: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut runs = crate::read::<Run>(folder, "run-");
    runs.retain(|run| run.logins > 0);
    let results = Results { folder, runs };
    let machine: Machine = results.one("machine.json").ok_or("no machine.json")?;
    let mut made = format!(
        "{BEGIN}\n\nMeasured on {} with `{}`: {}, {} cores, {}, {}; {}, PostgreSQL {}, Node.js {}. \
         The load of the machine was {} before it began. Each figure is the median of {}, with the \
         lowest and the highest in parentheses.\n\n\
         | | must | hope | measured |\n|---|---|---|---|\n",
        machine.date,
        machine.command,
        machine.cpu,
        machine.cores,
        machine.memory,
        machine.system,
        machine.vestibule,
        machine.postgres,
        machine.node,
        machine.load,
        machine.window,
    );
    for row in results.rows() {
        made += &format!("| {} |\n", row.join(" | "));
    }
    made += &results.pictures(&docs.join("performance"))?;
    made += &format!("\n{END}");
    let path = docs.join("performance.md");
    let page =
        fs::read_to_string(&path).unwrap_or_else(|_| format!("# Performance\n\n{BEGIN}{END}\n"));
    let (before, rest) = page.split_once(BEGIN).ok_or("the page has lost its marks")?;
    let (_, after) = rest.split_once(END).ok_or("the page has lost its marks")?;
    fs::write(&path, format!("{before}{made}{after}"))?;
    println!("wrote {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_spread() {
        let spread = Spread(vec![3.0, 1.0, 2.0]);
        assert_eq!(spread.show(1, " ms").unwrap(), "2.0 ms (1.0–3.0)");
        assert!(Spread(Vec::new()).show(1, "").is_none());
        assert_eq!(thousands(1_000_000), "1,000,000");
        assert_eq!(thousands(12), "12");
    }
}
