//! The text of `/metrics`.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use rustix::time::{ClockId, clock_gettime};

use super::{Shown, canary};
use crate::metrics::{BUCKETS_US, CLASSES, Outcome, Reason, Source, read};
use crate::mode::Mode;

/// Lines of the text format, family by family.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    pub(super) fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A String takes everything.
        let _ = writeln!(self.0, "{line}");
    }
}

/// The text of `/metrics`.
#[must_use]
pub fn text(shown: &Shown) -> String {
    let mut page = Page::default();
    requests(&mut page, shown);
    copies(&mut page, shown);
    state(&mut page, shown);
    canary::families(&mut page, shown);
    process(&mut page);
    page.0
}

fn requests(page: &mut Page, shown: &Shown) {
    let metrics = &shown.proxy.metrics;
    let rows =
        || Source::ALL.into_iter().flat_map(|source| shown.names.iter().enumerate().map(move |row| (source, row)));
    page.family("twinload_gateway_requests_total", "counter", "Whole answers by side, route and status class.");
    for (source, (route, name)) in rows() {
        for (class, count) in CLASSES.iter().zip(&metrics.cell(source, route).classes) {
            let (side, count) = (source.name(), read(count));
            page.line(format_args!(
                "twinload_gateway_requests_total{{side=\"{side}\",route=\"{name}\",class=\"{class}\"}} {count}"
            ));
        }
    }
    page.family("twinload_gateway_unresponsive_total", "counter", "Requests without a whole answer.");
    for (source, (route, name)) in rows() {
        let (side, count) = (source.name(), read(&metrics.cell(source, route).unresponsive));
        page.line(format_args!("twinload_gateway_unresponsive_total{{side=\"{side}\",route=\"{name}\"}} {count}"));
    }
    page.family("twinload_gateway_latency_seconds", "histogram", "From a request's head to the end of its answer.");
    for (source, (route, name)) in rows() {
        let cell = metrics.cell(source, route);
        let labels = format!("side=\"{}\",route=\"{name}\"", source.name());
        let mut below = 0;
        for (bound_us, count) in BUCKETS_US.iter().zip(&cell.buckets) {
            below += read(count);
            let bound = seconds(*bound_us);
            page.line(format_args!("twinload_gateway_latency_seconds_bucket{{{labels},le=\"{bound}\"}} {below}"));
        }
        let all = below + read(&cell.buckets[BUCKETS_US.len()]);
        page.line(format_args!("twinload_gateway_latency_seconds_bucket{{{labels},le=\"+Inf\"}} {all}"));
        page.line(format_args!("twinload_gateway_latency_seconds_sum{{{labels}}} {}", seconds(read(&cell.sum_us))));
        page.line(format_args!("twinload_gateway_latency_seconds_count{{{labels}}} {all}"));
    }
}

fn copies(page: &mut Page, shown: &Shown) {
    let metrics = &shown.proxy.metrics;
    page.family("twinload_gateway_pairs_total", "counter", "Pairs of answers by what they showed.");
    for (route, name) in shown.names.iter().enumerate() {
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Dropped) {
            let count: u64 = metrics.copies(route).outcomes.iter().map(|row| read(&row[outcome as usize])).sum();
            let result = outcome.name();
            page.line(format_args!("twinload_gateway_pairs_total{{route=\"{name}\",result=\"{result}\"}} {count}"));
        }
    }
    page.family("twinload_gateway_dropped_total", "counter", "Copies that were not compared.");
    for (route, name) in shown.names.iter().enumerate() {
        for (reason, count) in Reason::ALL.into_iter().zip(&metrics.copies(route).dropped) {
            let (reason, count) = (reason.name(), read(count));
            page.line(format_args!("twinload_gateway_dropped_total{{route=\"{name}\",reason=\"{reason}\"}} {count}"));
        }
    }
}

fn state(page: &mut Page, shown: &Shown) {
    let metrics = &shown.proxy.metrics;
    page.family("twinload_gateway_mode", "gauge", "1 for the mode that is on.");
    for mode in Mode::ALL {
        let on = u8::from(mode == shown.proxy.switch.get());
        page.line(format_args!("twinload_gateway_mode{{mode=\"{}\"}} {on}", mode.name()));
    }
    page.family("twinload_gateway_instance_healthy", "gauge", "1 as long as the checks pass.");
    for side in &shown.sides {
        for instance in &side.instances {
            let (side, name, healthy) = (side.name, &instance.name, u8::from(instance.is_healthy()));
            page.line(format_args!(
                "twinload_gateway_instance_healthy{{side=\"{side}\",instance=\"{name}\"}} {healthy}"
            ));
        }
    }
    page.family("twinload_gateway_in_flight", "gauge", "Callers' requests under way.");
    page.line(format_args!("twinload_gateway_in_flight {}", metrics.in_flight.load(Ordering::Relaxed)));
    page.family("twinload_gateway_connections", "gauge", "Callers' connections.");
    page.line(format_args!("twinload_gateway_connections {}", metrics.connections.load(Ordering::Relaxed)));
    page.family("twinload_gateway_connections_refused_total", "counter", "Connections beyond the limit.");
    page.line(format_args!("twinload_gateway_connections_refused_total {}", read(&metrics.refused)));
    let pending = shown.proxy.mirror.as_ref().map_or(0, crate::mirror::Mirror::pending);
    page.family("twinload_gateway_mirror_pending", "gauge", "Copies that wait or are under way.");
    page.line(format_args!("twinload_gateway_mirror_pending {pending}"));
}

/// CPU and memory are left out where the system does not tell them.
fn process(page: &mut Page) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    page.family("process_cpu_seconds_total", "counter", "User and system CPU time of this process.");
    page.line(format_args!("process_cpu_seconds_total {}.{:09}", cpu.tv_sec, cpu.tv_nsec));
    if let Some(bytes) = resident_bytes() {
        page.family("process_resident_memory_bytes", "gauge", "Memory of this process that is in RAM.");
        page.line(format_args!("process_resident_memory_bytes {bytes}"));
    }
}

/// Microseconds as a decimal number of seconds.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
    fn bounds_are_written_in_seconds_without_spare_zeros() {
        assert_eq!([100, 2_500, 1_000_000, 10_000_000].map(seconds), ["0.0001", "0.0025", "1", "10"]);
    }

    #[test]
    fn the_process_tells_its_cpu_and_memory() {
        let mut page = Page::default();
        process(&mut page);
        assert!(page.0.contains("\nprocess_cpu_seconds_total ") && page.0.contains("\nprocess_resident_memory_bytes "));
    }
}
