//! Begins logins that nobody finishes: what becomes of a broker's memory.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Parser;
use hyper::Method;
use sso_bench::adapters::Target;
use sso_bench::client::{Agent, Body};
use sso_bench::proc;
use sso_bench::report::Abandoned;

const SAMPLE_EVERY: Duration = Duration::from_millis(500);

#[derive(Parser)]
#[command(about = "Begins logins over the WorkOS API that nobody finishes, and watches the memory")]
struct Args {
    #[command(flatten)]
    target: Target,
    /// How many logins are begun
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
    /// A process of the broker; its descendants count with it
    #[arg(long, required = true)]
    broker_pid: Vec<u32>,
    #[arg(long, default_value = "")]
    label: String,
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Default)]
struct Counts {
    begun: AtomicU64,
    departed: AtomicU64,
    refused: AtomicU64,
}

async fn one_client(args: Arc<Args>, counts: Arc<Counts>) {
    let mut agent = Agent::default();
    let target = &args.target;
    while counts.begun.fetch_add(1, Relaxed) < args.calls {
        let mut url = target.url("/sso/authorize");
        url.query_pairs_mut()
            .append_pair("client_id", &target.client_id)
            .append_pair("redirect_uri", &target.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("state", "abandoned")
            .append_pair("connection", &target.connection);
        let headers = [("accept", "text/html")];
        let reply = agent.send(Method::GET, &url, &headers, Body::None).await;
        let departed = reply.is_ok_and(|r| matches!(r.status, 302 | 303));
        let count = if departed { &counts.departed } else { &counts.refused };
        count.fetch_add(1, Relaxed);
    }
}

async fn run(args: Args) -> Abandoned {
    let args = Arc::new(args);
    let counts = Arc::new(Counts::default());
    let before = proc::usage(&args.broker_pid);
    let began = Instant::now();
    let clients: Vec<_> = (0..args.concurrency)
        .map(|_| tokio::spawn(one_client(args.clone(), counts.clone())))
        .collect();
    let mut rss_mib = vec![(0, before.rss_mib)];
    while !clients.iter().all(|client| client.is_finished()) {
        tokio::time::sleep(SAMPLE_EVERY).await;
        let done = counts.departed.load(Relaxed) + counts.refused.load(Relaxed);
        rss_mib.push((done, proc::rss_mib(&proc::tree(&args.broker_pid))));
    }
    let after = proc::usage(&args.broker_pid);
    let (departed, refused) = (counts.departed.load(Relaxed), counts.refused.load(Relaxed));
    Abandoned {
        label: args.label.clone(),
        departed,
        refused,
        seconds: began.elapsed().as_secs_f64(),
        cpu_ms_per_call: (after.cpu_ms() - before.cpu_ms()) / (departed + refused).max(1) as f64,
        rss_mib,
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
    let result = runtime.block_on(run(args));
    println!(
        "{}: {} logins begun and abandoned in {:.1} s, {} refused, {:.3} CPU ms each, RSS {:.1} > \
         {:.1} MiB",
        result.label,
        result.departed,
        result.seconds,
        result.refused,
        result.cpu_ms_per_call,
        result.rss_mib[0].1,
        result.rss_mib.iter().map(|(_, rss)| *rss).fold(0.0, f64::max),
    );
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&result).expect("a result");
        fs::write(path, text).expect("a writable --json");
    }
    if result.departed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
