//! A closed-loop load driver: virtual browsers that each make complete logins, one after another.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use hyper::Method;
use sso_bench::adapters::{Adapter, Kind, Target};
use sso_bench::browser::Login;
use sso_bench::client::{Agent, Body, Fail};
use sso_bench::proc::{self, Usage, own_cpu_ms};
use sso_bench::report::{Cost, Latency, Run};
use url::Url;

const SAMPLE_EVERY: Duration = Duration::from_millis(200);
/// A login that takes longer than this counts as an error.
const LOGIN_LIMIT: Duration = Duration::from_secs(20);
/// After an error a browser waits before it tries again, so that a dead broker is not hammered.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

#[derive(Parser)]
#[command(about = "Drives complete logins through an SSO broker and measures what they cost")]
struct Args {
    #[arg(long)]
    adapter: Kind,
    #[command(flatten)]
    target: Target,
    /// Base URL of the stub identity provider; left out for a broker that has none upstream
    #[arg(long)]
    idp: Option<Url>,
    /// How many browsers log in at the same time
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    #[arg(long, default_value_t = 5.0)]
    warmup_s: f64,
    #[arg(long, default_value_t = 15.0)]
    seconds: f64,
    /// Stop after this many logins even if time is left
    #[arg(long, default_value_t = 200_000)]
    max_logins: u64,
    /// How many different users log in, in turn
    #[arg(long, default_value_t = 10_000)]
    users: u64,
    /// A file of connections, one a line: each login takes the next one, instead of --connection
    #[arg(long)]
    connections: Option<PathBuf>,
    /// A connection whose identity provider stalls: browsers that log in through it, besides those
    /// that are measured
    #[arg(long, requires_all = ["stalled_idp", "stalled"])]
    stalled_connection: Option<String>,
    /// Base URL of the identity provider that stalls
    #[arg(long)]
    stalled_idp: Option<Url>,
    /// How many browsers log in at the one that stalls
    #[arg(long, default_value_t = 0)]
    stalled: usize,
    /// A process of the broker; its descendants count with it
    #[arg(long)]
    broker_pid: Vec<u32>,
    /// A process of the broker's database; its descendants count with it
    #[arg(long)]
    db_pid: Vec<u32>,
    #[arg(long)]
    idp_pid: Vec<u32>,
    /// What to call this run in the results
    #[arg(long, default_value = "")]
    label: String,
    /// Write the result here as JSON too
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Default)]
struct Tally {
    logins: Vec<u32>,
    steps: BTreeMap<&'static str, Vec<u32>>,
    path: Vec<String>,
    errors: BTreeMap<String, u64>,
    error_samples: BTreeMap<String, String>,
}

impl Tally {
    fn add(&mut self, done: Result<(), Fail>, took: Duration, steps: Vec<(&'static str, u32)>) {
        match done {
            Ok(()) => {
                self.logins.push(took.as_micros() as u32);
                if self.path.is_empty() {
                    self.path = steps.iter().map(|(step, _)| (*step).to_owned()).collect();
                }
                for (step, micros) in steps {
                    self.steps.entry(step).or_default().push(micros);
                }
            }
            Err(fail) => {
                *self.errors.entry(fail.kind.clone()).or_default() += 1;
                self.error_samples.entry(fail.kind).or_insert(fail.detail);
            }
        }
    }
}

struct Shared {
    args: Args,
    adapter: Adapter,
    connections: Vec<String>,
    started: AtomicU64,
    finished: AtomicU64,
    tally: Mutex<Tally>,
}

impl Shared {
    /// Who logs in next, and through which connection: everybody through each of them, in turn.
    fn next(&self) -> (&str, u64) {
        let turn = self.started.fetch_add(1, Relaxed);
        let count = self.connections.len() as u64;
        let connection = &self.connections[(turn % count) as usize];
        (connection, turn / count % self.args.users)
    }
}

/// Logs in through the connection that stalls, again and again; what comes of it is not counted.
async fn one_stalled(shared: Arc<Shared>, connection: String, until: Instant) {
    let args = &shared.args;
    let idp_port = args.stalled_idp.as_ref().and_then(Url::port_or_known_default);
    let (mut browser, mut app) = (Agent::default(), Agent::default());
    while Instant::now() < until {
        let uri = &args.target.redirect_uri;
        let mut login = Login::new(&mut browser, &mut app, idp_port, uri, (&connection, 0));
        let done = tokio::time::timeout(LOGIN_LIMIT, shared.adapter.login(&mut login)).await;
        if !matches!(done, Ok(Ok(()))) {
            tokio::time::sleep(PAUSE_AFTER_ERROR).await;
        }
    }
}

async fn one_browser(shared: Arc<Shared>, from: Instant, until: Instant) {
    let args = &shared.args;
    let idp_port = args.idp.as_ref().and_then(Url::port_or_known_default);
    let (mut browser, mut app) = (Agent::default(), Agent::default());
    while Instant::now() < until && shared.finished.load(Relaxed) < args.max_logins {
        let (connection, user) = shared.next();
        let uri = &args.target.redirect_uri;
        let mut login = Login::new(&mut browser, &mut app, idp_port, uri, (connection, user));
        let began = Instant::now();
        let done = tokio::time::timeout(LOGIN_LIMIT, shared.adapter.login(&mut login)).await;
        let done = done.unwrap_or_else(|_| Err(Fail::new("timeout", "")));
        let steps = login.steps;
        let ended = Instant::now();
        // A login counts if it ends within the window.
        if ended < from || ended >= until {
            continue;
        }
        let failed = done.is_err();
        if !failed {
            shared.finished.fetch_add(1, Relaxed);
        }
        shared.tally.lock().unwrap().add(done, ended - began, steps);
        if failed {
            tokio::time::sleep(PAUSE_AFTER_ERROR).await;
        }
    }
}

/// How many requests the stub identity provider has answered, by endpoint.
async fn idp_requests(idp: Option<&Url>) -> BTreeMap<String, u64> {
    let Some(idp) = idp else {
        return BTreeMap::new();
    };
    let url = idp.join("/stats").expect("a valid URL");
    let reply = Agent::default().send(Method::GET, &url, &[], Body::None).await;
    let Some(stats) = reply.ok().and_then(|r| r.json().ok()) else {
        return BTreeMap::new();
    };
    let counts = stats["requests"].as_object().into_iter().flatten();
    counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect()
}

/// Samples the resident set of a process tree until aborted; keeps the largest sum seen.
async fn peak_rss(roots: Vec<u32>, peak: Arc<Mutex<f64>>) {
    loop {
        let now = proc::rss_mib(&proc::tree(&roots));
        {
            let mut peak = peak.lock().unwrap();
            *peak = peak.max(now);
        }
        tokio::time::sleep(SAMPLE_EVERY).await;
    }
}

fn cost(before: &Usage, after: &Usage, peak: f64, logins: u64, seconds: f64) -> Cost {
    let per = |ms: f64| ms / logins.max(1) as f64;
    Cost {
        cpu_ms_per_login: per(after.cpu_ms() - before.cpu_ms()),
        user_ms_per_login: per(after.user_ms - before.user_ms),
        system_ms_per_login: per(after.system_ms - before.system_ms),
        cores_busy: (after.cpu_ms() - before.cpu_ms()) / 1000.0 / seconds,
        rss_mib_before: before.rss_mib,
        rss_mib_peak: peak.max(after.rss_mib),
        pss_mib_after: after.pss_mib,
        processes: after.processes,
        threads: after.threads,
    }
}

async fn measure(args: Args) -> Result<Run, Fail> {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load_before = load.split(' ').next().and_then(|l| l.parse().ok()).unwrap_or(0.0);
    let adapter = Adapter::prepare(args.adapter, &args.target).await?;
    let connections = match &args.connections {
        None => vec![args.target.connection.clone()],
        Some(path) => {
            let text = fs::read_to_string(path);
            let text = text.map_err(|e| Fail::new("--connections", e.to_string()))?;
            text.lines().map(str::to_owned).collect()
        }
    };
    let shared = Arc::new(Shared {
        args,
        adapter,
        connections,
        started: AtomicU64::new(0),
        finished: AtomicU64::new(0),
        tally: Mutex::default(),
    });
    let args = &shared.args;
    let from = Instant::now() + Duration::from_secs_f64(args.warmup_s);
    let until = from + Duration::from_secs_f64(args.seconds);
    let browsers: Vec<_> = (0..args.concurrency)
        .map(|_| tokio::spawn(one_browser(shared.clone(), from, until)))
        .collect();
    for _ in 0..args.stalled {
        let connection = args.stalled_connection.clone().unwrap_or_default();
        tokio::spawn(one_stalled(shared.clone(), connection, until));
    }

    tokio::time::sleep_until(from.into()).await;
    let read = || {
        let read = |pids: &[u32]| proc::usage(pids);
        (read(&args.broker_pid), read(&args.db_pid), read(&args.idp_pid), own_cpu_ms())
    };
    let requests_before = idp_requests(args.idp.as_ref()).await;
    let before = read();
    let peaks = [&args.broker_pid, &args.db_pid].map(|pids| {
        let peak = Arc::new(Mutex::new(0.0));
        (tokio::spawn(peak_rss(pids.clone(), peak.clone())), peak)
    });
    while Instant::now() < until && shared.finished.load(Relaxed) < args.max_logins {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let after = read();
    let requests_after = idp_requests(args.idp.as_ref()).await;
    let seconds = from.elapsed().as_secs_f64();
    for (sampler, _) in &peaks {
        sampler.abort();
    }
    for browser in browsers {
        let _ = browser.await;
    }

    let tally = std::mem::take(&mut *shared.tally.lock().unwrap());
    let logins = tally.logins.len() as u64;
    let per_login = |count: u64| count as f64 / logins.max(1) as f64;
    let some = |pids: &[u32], cost: Cost| (!pids.is_empty()).then_some(cost);
    let peak = |i: usize| *peaks[i].1.lock().unwrap();
    Ok(Run {
        label: args.label.clone(),
        adapter: format!("{:?}", args.adapter).to_lowercase(),
        concurrency: args.concurrency,
        seconds,
        logins,
        logins_per_s: logins as f64 / seconds,
        errors: tally.errors,
        error_samples: tally.error_samples,
        login_ms: Latency::of(tally.logins),
        steps_ms: tally
            .steps
            .into_iter()
            .map(|(step, samples)| (step.to_owned(), Latency::of(samples)))
            .collect(),
        path: tally.path,
        broker: cost(&before.0, &after.0, peak(0), logins, seconds),
        db: some(&args.db_pid, cost(&before.1, &after.1, peak(1), logins, seconds)),
        idp: some(&args.idp_pid, cost(&before.2, &after.2, after.2.rss_mib, logins, seconds)),
        idp_requests_per_login: requests_after
            .into_iter()
            .map(|(name, count)| {
                let before = requests_before.get(&name).copied().unwrap_or(0);
                (name, per_login(count - before))
            })
            .collect(),
        driver_cpu_ms_per_login: (after.3 - before.3) / logins.max(1) as f64,
        load_before,
    })
}

fn print(run: &Run) {
    let line = |name: &str, l: &Latency| {
        println!(
            "  {name:<10} p50 {:8.2}  p95 {:8.2}  p99 {:8.2}  max {:8.2} ms  ({})",
            l.p50, l.p95, l.p99, l.max, l.count
        );
    };
    println!(
        "{} [{}] c={}: {} logins in {:.1} s = {:.1}/s, load before {:.2}",
        run.label,
        run.adapter,
        run.concurrency,
        run.logins,
        run.seconds,
        run.logins_per_s,
        run.load_before
    );
    line("login", &run.login_ms);
    for (step, latency) in &run.steps_ms {
        line(step, latency);
    }
    println!("  path {}", run.path.join(" > "));
    let costs = [("broker", Some(&run.broker)), ("db", run.db.as_ref()), ("idp", run.idp.as_ref())];
    for (name, cost) in costs {
        let Some(c) = cost else { continue };
        println!(
            "  {name:<10} {:.3} CPU ms/login ({:.3} user + {:.3} system), {:.2} cores, RSS {:.1} > \
             {:.1} MiB, PSS {:.1} MiB, {} processes, {} threads",
            c.cpu_ms_per_login,
            c.user_ms_per_login,
            c.system_ms_per_login,
            c.cores_busy,
            c.rss_mib_before,
            c.rss_mib_peak,
            c.pss_mib_after,
            c.processes,
            c.threads
        );
    }
    println!("  driver     {:.3} CPU ms/login", run.driver_cpu_ms_per_login);
    for (endpoint, count) in &run.idp_requests_per_login {
        println!("  idp {endpoint}: {count:.2} requests/login");
    }
    for (kind, count) in &run.errors {
        println!("  ERROR {count} x {kind}: {}", run.error_samples[kind]);
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let json = args.json.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    match runtime.block_on(measure(args)) {
        Ok(run) => {
            print(&run);
            if let Some(path) = json {
                let text = serde_json::to_string_pretty(&run).expect("a result");
                fs::write(path, text).expect("a writable --json");
            }
            if run.logins > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(fail) => {
            eprintln!("{fail}");
            ExitCode::FAILURE
        }
    }
}
