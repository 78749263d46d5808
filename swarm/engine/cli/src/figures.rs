//! What a run came to: sums over the measured part, as text or JSON.

use std::collections::BTreeMap;

use serde_json::json;
use twinload_engine_core::control::{Told, Vitals};
use twinload_engine_core::engine::sum_vitals;
use twinload_engine_core::hdr::{Sparse, merge, quantile_us};
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::Phase;
use twinload_engine_core::tally::SecondLine;

const QUANTILES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

/// Sums over the measured part and what ended after it; CPU and connections are of the whole run.
pub(crate) struct Figures {
    measure_s: f64,
    run_s: f64,
    offered: u64,
    sent: u64,
    done: u64,
    done_in_time: u64,
    done_all: u64,
    dropped: u64,
    bytes: u64,
    failed: BTreeMap<String, u64>,
    backlog_max: u64,
    lag: Sparse,
    latency: Sparse,
    service: Sparse,
    vitals: Vitals,
    tls_fault: Option<String>,
}

impl Figures {
    pub(crate) fn new(plan: &Plan) -> Self {
        let measure_s = plan.stages.iter().map(|stage| stage.measure_s).sum();
        Self {
            measure_s,
            run_s: measure_s + plan.stages.iter().map(|stage| stage.warmup_s).sum::<f64>(),
            offered: 0,
            sent: 0,
            done: 0,
            done_in_time: 0,
            done_all: 0,
            dropped: 0,
            bytes: 0,
            failed: BTreeMap::new(),
            backlog_max: 0,
            lag: Sparse::new(),
            latency: Sparse::new(),
            service: Sparse::new(),
            vitals: Vitals::default(),
            tls_fault: None,
        }
    }

    pub(crate) fn add(&mut self, told: Vec<Told>) {
        self.vitals = sum_vitals(&told);
        told.iter().flat_map(|one| &one.lines).for_each(|line| self.add_line(line));
        self.tls_fault = told.into_iter().find_map(|one| one.tls_fault).or(self.tls_fault.take());
    }

    fn add_line(&mut self, line: &SecondLine) {
        self.done_all += line.status.iter().map(|status| status.done).sum::<u64>();
        if line.key.phase == Phase::Warmup {
            return;
        }
        self.offered += line.offered;
        self.sent += line.sent;
        self.dropped += line.dropped;
        self.backlog_max = self.backlog_max.max(line.backlog_max);
        merge(&mut self.lag, &line.send_lag);
        for status in &line.status {
            self.done += status.done;
            self.done_in_time += if line.key.phase == Phase::Measure { status.done } else { 0 };
            self.bytes += status.bytes;
            merge(&mut self.latency, &status.latency);
            merge(&mut self.service, &status.service);
            for (cause, count) in &status.failed {
                *self.failed.entry(cause.to_string()).or_default() += count;
            }
        }
    }

    fn cpu_s(&self) -> f64 {
        self.vitals.cpu_ns as f64 / 1e9
    }

    fn per_cpu_s(&self) -> f64 {
        self.done_all as f64 / self.cpu_s()
    }

    pub(crate) fn json(&self) -> String {
        let quantiles = |sparse: &Sparse| {
            QUANTILES
                .iter()
                .map(|&(name, q)| (name.to_owned(), json!(quantile_us(sparse, q))))
                .collect::<serde_json::Map<_, _>>()
        };
        json!({
            "offered": self.offered, "sent": self.sent, "done": self.done, "dropped": self.dropped,
            "failed": self.failed, "bytes": self.bytes, "rate_rps": self.done_in_time as f64 / self.measure_s,
            "latency_us": quantiles(&self.latency), "service_us": quantiles(&self.service),
            "send_lag_us": quantiles(&self.lag), "backlog_max": self.backlog_max,
            "connections_opened": self.vitals.opened, "connections_refused": self.vitals.refused,
            "done_with_warmup": self.done_all, "cpu_s": self.cpu_s(), "cpu_ratio": self.cpu_s() / self.run_s,
            "requests_per_cpu_s": self.per_cpu_s(), "tls_fault": self.tls_fault,
        })
        .to_string()
    }

    pub(crate) fn text(&self) -> String {
        let row = |name: &str, sparse: &Sparse| {
            let cells = QUANTILES.map(|(q, at)| match quantile_us(sparse, at) {
                Some(value) => format!("{q} {value}"),
                None => format!("{q} -"),
            });
            format!("{name:<14} µs  {}", cells.join("  "))
        };
        let mut failed: Vec<String> = self.failed.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        failed.extend(self.tls_fault.iter().map(|fault| format!("TLS said last: {fault}")));
        [
            format!(
                "requests           {} ({:.0} a second), offered {}, dropped {}",
                self.done,
                self.done_in_time as f64 / self.measure_s,
                self.offered,
                self.dropped
            ),
            format!("failed             {}", if failed.is_empty() { "none".into() } else { failed.join(", ") }),
            row("latency", &self.latency),
            row("service time", &self.service),
            row("send lag", &self.lag),
            format!("backlog            at most {}, connections opened {}", self.backlog_max, self.vitals.opened),
            format!(
                "own CPU            {:.2} s of {:.1} s, {:.0} requests per CPU-second",
                self.cpu_s(),
                self.run_s,
                self.per_cpu_s()
            ),
        ]
        .join("\n")
    }
}
