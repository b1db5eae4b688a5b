//! What processes cost, read from `/proc`: each root process with all its descendants.

use std::collections::HashMap;
use std::fs;

use serde::Serialize;

/// A reading of a process tree. CPU times count from the start of each process and include the
/// children it has already waited for, so the difference of two readings is the CPU time spent
/// between them as long as the roots live on.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Usage {
    pub user_ms: f64,
    pub system_ms: f64,
    /// Sum of the resident sets now. Pages shared between processes count once for each.
    pub rss_mib: f64,
    /// Sum of the proportional set sizes: shared pages count once in all.
    pub pss_mib: f64,
    pub processes: usize,
    pub threads: u64,
}

impl Usage {
    pub fn cpu_ms(&self) -> f64 {
        self.user_ms + self.system_ms
    }
}

struct Stat {
    parent: u32,
    user: u64,
    system: u64,
    threads: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in parentheses, may itself contain spaces and parentheses.
    let fields: Vec<&str> = text[text.rfind(')')? + 2..].split(' ').collect();
    let number = |i: usize| fields.get(i)?.parse::<u64>().ok();
    Some(Stat {
        parent: number(1)? as u32,
        user: number(11)? + number(13)?,
        system: number(12)? + number(14)?,
        threads: number(17)?,
    })
}

/// The roots and all their descendants.
pub fn tree(roots: &[u32]) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|e| e.file_name().to_str()?.parse().ok()) {
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let mut found: Vec<u32> = Vec::new();
    let mut left = roots.to_vec();
    while let Some(pid) = left.pop() {
        if !found.contains(&pid) {
            found.push(pid);
            left.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

fn field_kib(pid: u32, file: &str, field: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

/// The resident sets alone: cheap enough to sample during a run.
pub fn rss_mib(pids: &[u32]) -> f64 {
    pids.iter().map(|&pid| field_kib(pid, "status", "VmRSS:")).sum::<u64>() as f64 / 1024.0
}

pub fn usage(roots: &[u32]) -> Usage {
    // SAFETY: sysconf has no preconditions.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let pids = tree(roots);
    let mut usage = Usage { rss_mib: rss_mib(&pids), ..Usage::default() };
    for &pid in &pids {
        let Some(stat) = stat(pid) else { continue };
        usage.user_ms += stat.user as f64 * 1000.0 / ticks;
        usage.system_ms += stat.system as f64 * 1000.0 / ticks;
        usage.threads += stat.threads;
        usage.processes += 1;
        usage.pss_mib += field_kib(pid, "smaps_rollup", "Pss:") as f64 / 1024.0;
    }
    usage
}

/// This process's own CPU time in milliseconds, to the microsecond.
pub fn own_cpu_ms() -> f64 {
    // SAFETY: getrusage fills the struct given; all-zero bytes are a valid rusage.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let ms = |t: libc::timeval| t.tv_sec as f64 * 1e3 + t.tv_usec as f64 / 1e3;
    ms(usage.ru_utime) + ms(usage.ru_stime)
}

/// The CPU time of one of this process's threads in milliseconds, to the nanosecond.
pub fn thread_cpu_ms(thread: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat"));
    let nanos = text.ok().and_then(|t| t.split(' ').next()?.parse::<f64>().ok());
    nanos.unwrap_or(0.0) / 1e6
}

/// The calling thread, as `thread_cpu_ms` wants it.
pub fn this_thread() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_its_root_and_a_child() {
        let me = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        let found = tree(&[me]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&me) && found.contains(&child.id()));
        assert!(usage(&[me]).rss_mib > 0.0);
    }
}
