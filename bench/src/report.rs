//! The shape of a result, as `drive` and `cold` write it and `table` reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Latencies in milliseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Latency {
    pub count: usize,
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Latency {
    /// Summed up from samples in microseconds.
    pub fn of(mut samples: Vec<u32>) -> Self {
        if samples.is_empty() {
            return Self::default();
        }
        samples.sort_unstable();
        let at = |q: f64| {
            let rank = (q * samples.len() as f64).ceil() as usize;
            f64::from(samples[rank.clamp(1, samples.len()) - 1]) / 1000.0
        };
        let sum: u64 = samples.iter().map(|&s| u64::from(s)).sum();
        Self {
            count: samples.len(),
            mean: sum as f64 / samples.len() as f64 / 1000.0,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

/// What a process tree cost during the measuring window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    pub cpu_ms_per_login: f64,
    pub user_ms_per_login: f64,
    pub system_ms_per_login: f64,
    pub cores_busy: f64,
    pub rss_mib_before: f64,
    pub rss_mib_peak: f64,
    pub pss_mib_after: f64,
    pub processes: usize,
    pub threads: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    pub label: String,
    pub adapter: String,
    pub concurrency: usize,
    pub seconds: f64,
    pub logins: u64,
    pub logins_per_s: f64,
    pub errors: BTreeMap<String, u64>,
    pub error_samples: BTreeMap<String, String>,
    pub login_ms: Latency,
    pub steps_ms: BTreeMap<String, Latency>,
    /// The steps of one login, in order.
    pub path: Vec<String>,
    pub broker: Cost,
    pub db: Option<Cost>,
    pub idp: Option<Cost>,
    /// Requests that the stub identity provider answered, per login, by endpoint.
    pub idp_requests_per_login: BTreeMap<String, f64>,
    pub driver_cpu_ms_per_login: f64,
    /// 1-minute load average of the machine before the run: how noisy it was.
    pub load_before: f64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cold {
    pub label: String,
    /// Milliseconds from the start of the process to its first good answer, one for each start.
    pub first_answer_ms: Vec<f64>,
    /// CPU milliseconds spent until then.
    pub first_answer_cpu_ms: Vec<f64>,
    pub idle_rss_mib: Vec<f64>,
    pub idle_pss_mib: Vec<f64>,
    pub processes: usize,
}

/// What logins did that were begun and abandoned.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Abandoned {
    pub label: String,
    /// Calls that were answered by sending the browser on.
    pub departed: u64,
    /// All other answers.
    pub refused: u64,
    pub seconds: f64,
    pub cpu_ms_per_call: f64,
    /// The resident set after so many calls, in the order taken.
    pub rss_mib: Vec<(u64, f64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let latency = Latency::of((1..=100).rev().map(|ms| ms * 1000).collect());
        assert_eq!((latency.p50, latency.p95, latency.p99, latency.max), (50.0, 95.0, 99.0, 100.0));
        assert_eq!(Latency::of(vec![7000]).p50, 7.0);
    }
}
