//! What the kernel says of this process (proc(5)), under the names that are usual for it; and its
//! panics.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::metrics::{Book, metrics};
use crate::base::time::Clock;

/// How many ticks a second of processor time has in proc(5): the same on all Linux.
const TICKS: f64 = 100.0;

/// The numbers, as of the last time somebody asked.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    memory: Gauge,
    files: Gauge,
    threads: Gauge,
    processor: Counter<f64, AtomicU64>,
}

impl Gauges {
    pub(super) fn register(to: &mut Book) -> Self {
        let these = Self::default();
        let help = "Memory of the process in bytes";
        to.register("process_resident_memory_bytes", help, these.memory.clone());
        to.register("process_open_fds", "Open files and sockets", these.files.clone());
        to.register("process_threads", "Threads", these.threads.clone());
        let help = "Processor time that was used, in seconds";
        to.register("process_cpu_seconds", help, these.processor.clone());
        let started = Gauge::<f64, AtomicU64>::default();
        started.set(Clock::system().now().as_ms() as f64 / 1000.0);
        let help = "When the process was started, as Unix seconds";
        to.register("process_start_time_seconds", help, started);
        these
    }

    /// Asks the kernel. Where there is no /proc, all stay 0.
    pub(super) fn update(&self) {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<i64>().ok()
        };
        self.memory.set(number("VmRSS:").unwrap_or(0) * 1024);
        self.threads.set(number("Threads:").unwrap_or(0));
        let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.files.set(i64::try_from(files).unwrap_or(0));
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name of the program, in parentheses, may hold anything: what counts comes after it.
        let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
        let ticks: f64 =
            after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok()).sum();
        self.processor.inc_by((ticks / TICKS - self.processor.get()).max(0.0));
    }
}

/// How many files and sockets the process may have open; `None` where there is no /proc, or no limit.
pub fn max_open_files() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Counts every panic of the process from now on; each is told as it would be without.
pub fn count_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        metrics().panicked();
        tell(panic);
    }));
}
