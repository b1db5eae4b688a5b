//! Starts a broker over and over: how long until it first answers, and what it holds when idle.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use hyper::Method;
use sso_bench::client::{Agent, Body};
use sso_bench::proc;
use sso_bench::report::Cold;
use url::Url;

const START_LIMIT: Duration = Duration::from_secs(60);
const SCRIPT_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(about = "Measures a broker's cold start and its idle memory")]
struct Args {
    /// Asked until it answers with --status
    #[arg(long)]
    url: Url,
    #[arg(long, default_value_t = 200)]
    status: u16,
    #[arg(long, default_value_t = 3)]
    starts: usize,
    /// How long to leave it alone before its idle memory is read
    #[arg(long, default_value_t = 5.0)]
    settle_s: f64,
    #[arg(long, default_value = "")]
    label: String,
    #[arg(long)]
    json: Option<PathBuf>,
    /// The command that becomes the broker; a shell script must end in `exec`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Whether a process is still the shell that is going to become the broker.
fn is_shell(pid: u32) -> bool {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    exe.file_name().is_some_and(|name| ["bash", "dash", "env", "sh"].iter().any(|s| name == *s))
}

async fn one_start(args: &Args, cold: &mut Cold) -> Result<(), String> {
    let mut child = Command::new(&args.command[0])
        .args(&args.command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{}: {e}", args.command[0]))?;
    let pid = child.id();
    // The clock starts when the script has turned into the broker.
    let spawned = Instant::now();
    while is_shell(pid) && spawned.elapsed() < SCRIPT_LIMIT {
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    let began = Instant::now();
    let cpu_before = proc::usage(&[pid]).cpu_ms();
    let mut answered = false;
    while !answered && began.elapsed() < START_LIMIT {
        let reply = Agent::default().send(Method::GET, &args.url, &[], Body::None).await;
        answered = reply.is_ok_and(|r| r.status == args.status);
        if !answered {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    if answered {
        cold.first_answer_ms.push(began.elapsed().as_secs_f64() * 1e3);
        cold.first_answer_cpu_ms.push(proc::usage(&[pid]).cpu_ms() - cpu_before);
        tokio::time::sleep(Duration::from_secs_f64(args.settle_s)).await;
        let idle = proc::usage(&[pid]);
        cold.idle_rss_mib.push(idle.rss_mib);
        cold.idle_pss_mib.push(idle.pss_mib);
        cold.processes = idle.processes;
    }
    // First politely, then not.
    let pids = proc::tree(&[pid]);
    // SAFETY: kill has no memory effects; the child is unreaped, so its id is still its own.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGTERM) };
    let stopping = Instant::now();
    while stopping.elapsed() < STOP_LIMIT && child.try_wait().is_ok_and(|s| s.is_none()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = child.kill();
    let _ = child.wait();
    let left: Vec<u32> = pids.into_iter().filter(|p| *p != pid).collect();
    if proc::rss_mib(&left) > 0.0 {
        eprintln!("processes left behind: {left:?}");
    }
    if answered { Ok(()) } else { Err(format!("no answer within {START_LIMIT:?}")) }
}

fn main() -> Result<(), String> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    let mut cold = Cold { label: args.label.clone(), ..Cold::default() };
    for _ in 0..args.starts {
        runtime.block_on(one_start(&args, &mut cold))?;
    }
    println!("{}", serde_json::to_string(&cold).expect("a result"));
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&cold).expect("a result");
        fs::write(path, text).map_err(|e| e.to_string())?;
    }
    Ok(())
}
