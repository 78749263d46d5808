//! Counts of answers, and the process's CPU and memory, as Prometheus text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

use crate::route::Endpoint;
use crate::store::{Live, State};

/// The statuses that this service answers with.
const STATUSES: [u16; 7] = [200, 400, 404, 405, 413, 500, 503];

/// Answers by endpoint and status; shared by all workers.
#[derive(Debug, Default)]
pub struct Metrics {
    answers: [[AtomicU64; STATUSES.len()]; Endpoint::NAMES.len()],
}

impl Metrics {
    /// Counts one answer.
    ///
    /// # Panics
    /// When the service never answers with this status.
    pub fn count(&self, endpoint: Endpoint, status: u16) {
        let column = STATUSES.iter().position(|known| *known == status).expect("every status is in the table");
        self.answers[endpoint as usize][column].fetch_add(1, Ordering::Relaxed);
    }

    /// The text of `/metrics`, with a store also how the instance stands to it. CPU and memory are left out where the system does not tell them.
    #[must_use]
    pub fn text(&self, live: Option<&Live>) -> String {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let mut text = String::from(
            "# HELP process_cpu_seconds_total User and system CPU time of this process.\n\
             # TYPE process_cpu_seconds_total counter\n",
        );
        let mut line = |args: std::fmt::Arguments<'_>| text.write_fmt(args).expect("a String takes everything");
        line(format_args!("process_cpu_seconds_total {}.{:09}\n", cpu.tv_sec, cpu.tv_nsec));
        if let Some(bytes) = resident_bytes() {
            line(format_args!(
                "# HELP process_resident_memory_bytes Memory of this process that is in RAM.\n\
                 # TYPE process_resident_memory_bytes gauge\n\
                 process_resident_memory_bytes {bytes}\n"
            ));
        }
        line(format_args!(
            "# HELP wallet_requests_total Answers by endpoint and status.\n# TYPE wallet_requests_total counter\n"
        ));
        for (endpoint, row) in Endpoint::NAMES.iter().zip(&self.answers) {
            for (status, count) in STATUSES.iter().zip(row) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    line(format_args!("wallet_requests_total{{endpoint=\"{endpoint}\",code=\"{status}\"}} {count}\n"));
                }
            }
        }
        if let Some(live) = live {
            write_store(&mut text, live);
        }
        text
    }
}

/// What an operator watches of the store.
fn write_store(text: &mut String, live: &Live) {
    let state = live.state();
    let gauges = [
        (
            "wallet_store_followed",
            "Whether the store answers and its writes are seen here.",
            u32::from(state == State::Followed),
        ),
        (
            "wallet_store_lost",
            "Whether the store has lost writes that were seen here.",
            u32::from(state == State::Lost),
        ),
        ("wallet_ledger_as_of", "The highest sequence number seen.", live.mark().seq),
    ];
    for (name, help, value) in gauges {
        write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n").expect("a String takes everything");
    }
}

/// The second number of statm: resident pages.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_endpoint_and_status() {
        let metrics = Metrics::default();
        metrics.count(Endpoint::Balance, 200);
        metrics.count(Endpoint::Balance, 200);
        metrics.count(Endpoint::None, 404);
        let text = metrics.text(None);
        assert!(text.contains("\nwallet_requests_total{endpoint=\"balance\",code=\"200\"} 2\n"));
        assert!(text.contains("\nwallet_requests_total{endpoint=\"none\",code=\"404\"} 1\n"));
        assert!(!text.contains("endpoint=\"fib\""));
    }

    #[test]
    fn the_process_tells_its_cpu_and_memory() {
        let text = Metrics::default().text(None);
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).expect("the metric");
            line[name.len() + 1..].parse().expect("a number")
        };
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
    }
}
