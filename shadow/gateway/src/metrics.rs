//! What was counted: requests by side and route, pairs by result, drops by reason. Shared by all threads, no locks.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::StatusCode;

/// Whose answer a count is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The baseline's to callers.
    Baseline,
    /// The candidate's to callers.
    Candidate,
    /// The candidate's to copies.
    Mirror,
    /// The second baseline's.
    Second,
}

impl Source {
    /// All, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Baseline, Self::Candidate, Self::Mirror, Self::Second];

    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
            Self::Mirror => "mirror",
            Self::Second => "second",
        }
    }
}

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both answers are the same.
    Match,
    /// They differ.
    Mismatch,
    /// Every repeat raced.
    Raced,
    /// The candidate gave no answer.
    Unresponsive,
    /// They differ, and so do the two baselines.
    Noise,
    /// Not compared.
    Dropped,
}

impl Outcome {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Match, Self::Mismatch, Self::Raced, Self::Unresponsive, Self::Noise, Self::Dropped];

    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::Raced => "raced",
            Self::Unresponsive => "unresponsive",
            Self::Noise => "noise",
            Self::Dropped => "dropped",
        }
    }
}

/// Why a copy was not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many copies wait.
    QueueFull,
    /// Those that wait hold too many bytes.
    QueueBytes,
    /// A body is larger than what is kept of it.
    BodyTooLarge,
    /// The baseline gave no whole answer.
    BaselineFailed,
    /// The caller did not take the whole answer.
    CallerGone,
    /// The plan's share left it out.
    Share,
}

impl Reason {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::QueueFull, Self::QueueBytes, Self::BodyTooLarge, Self::BaselineFailed, Self::CallerGone, Self::Share];

    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::QueueBytes => "queue-bytes",
            Self::BodyTooLarge => "body-too-large",
            Self::BaselineFailed => "baseline-failed",
            Self::CallerGone => "caller-gone",
            Self::Share => "share",
        }
    }
}

/// Labels of the status classes; the last is what is in none of them.
pub const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "other"];

/// Upper bounds of the latency buckets, in microseconds.
pub const BUCKETS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// The class of a status, as an index of [`CLASSES`].
#[must_use]
pub fn class(status: StatusCode) -> usize {
    match status.as_u16() / 100 {
        hundreds @ 2..=5 => usize::from(hundreds) - 2,
        _ => 4,
    }
}

/// Counts of one side on one route.
#[derive(Debug, Default)]
pub struct Cell {
    /// Answers by class.
    pub classes: [AtomicU64; CLASSES.len()],
    /// Requests without a whole answer.
    pub unresponsive: AtomicU64,
    /// Answers by latency; the last is what is beyond all buckets.
    pub buckets: [AtomicU64; BUCKETS_US.len() + 1],
    /// Sum of latencies.
    pub sum_us: AtomicU64,
}

/// Counts of copies on one route.
#[derive(Debug, Default)]
pub struct Copies {
    /// By class of the baseline's answer and outcome.
    pub outcomes: [[AtomicU64; Outcome::ALL.len()]; CLASSES.len()],
    /// Drops by reason.
    pub dropped: [AtomicU64; Reason::ALL.len()],
    /// Repeats of raced pairs.
    pub repeats: AtomicU64,
    /// Pairs for which the second baseline was asked.
    pub second_asked: AtomicU64,
}

/// All counts. Routes are indices; the last stands for what matches none.
#[derive(Debug)]
pub struct Metrics {
    cells: Vec<[Cell; Source::ALL.len()]>,
    copies: Vec<Copies>,
    /// Callers' requests under way.
    pub in_flight: AtomicUsize,
    /// Callers' connections.
    pub connections: AtomicUsize,
    /// Callers' connections refused because there were too many.
    pub refused: AtomicU64,
}

impl Metrics {
    /// Nothing counted yet, for so many routes.
    #[must_use]
    pub fn new(routes: usize) -> Self {
        Self {
            cells: (0..=routes).map(|_| std::array::from_fn(|_| Cell::default())).collect(),
            copies: (0..=routes).map(|_| Copies::default()).collect(),
            in_flight: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// The number of routes, the last one included.
    #[must_use]
    pub fn routes(&self) -> usize {
        self.copies.len()
    }

    /// The counts of a side on a route.
    #[must_use]
    pub fn cell(&self, source: Source, route: usize) -> &Cell {
        &self.cells[route][source as usize]
    }

    /// The counts of copies on a route.
    #[must_use]
    pub fn copies(&self, route: usize) -> &Copies {
        &self.copies[route]
    }

    /// Counts a whole answer.
    pub fn answered(&self, source: Source, route: usize, status: StatusCode, latency: Duration) {
        let cell = self.cell(source, route);
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|bound| latency_us <= *bound).unwrap_or(BUCKETS_US.len());
        add(&cell.classes[class(status)]);
        add(&cell.buckets[bucket]);
        cell.sum_us.fetch_add(latency_us, Ordering::Relaxed);
    }

    /// Counts a request that got no whole answer.
    pub fn unresponsive(&self, source: Source, route: usize) {
        add(&self.cell(source, route).unresponsive);
    }

    /// Counts what became of a compared copy.
    pub fn outcome(&self, route: usize, baseline: StatusCode, outcome: Outcome) {
        add(&self.copies[route].outcomes[class(baseline)][outcome as usize]);
    }

    /// Counts a copy that was not compared; the class is that of the baseline's answer, where there is one.
    pub fn dropped(&self, route: usize, baseline: Option<StatusCode>, reason: Reason) {
        let copies = &self.copies[route];
        add(&copies.outcomes[baseline.map_or(CLASSES.len() - 1, class)][Outcome::Dropped as usize]);
        add(&copies.dropped[reason as usize]);
    }
}

/// One more.
pub fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// How many.
#[must_use]
pub fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fall_into_their_classes() {
        let of = |status| CLASSES[class(StatusCode::from_u16(status).expect("a status"))];
        assert_eq!([of(200), of(304), of(404), of(503), of(600)], ["2xx", "3xx", "4xx", "5xx", "other"]);
    }

    #[test]
    fn a_latency_on_a_bound_belongs_below_it() {
        let metrics = Metrics::new(1);
        for latency_us in [100, 101, 10_000_000, 10_000_001] {
            metrics.answered(Source::Mirror, 0, StatusCode::OK, Duration::from_micros(latency_us));
        }
        let cell = metrics.cell(Source::Mirror, 0);
        assert_eq!([0, 1, 15, 16].map(|bucket| read(&cell.buckets[bucket])), [1, 1, 1, 1]);
        assert_eq!(read(&cell.classes[0]), 4);
        assert_eq!(read(&metrics.cell(Source::Baseline, 0).classes[0]), 0);
    }

    #[test]
    fn a_drop_is_counted_by_reason_and_by_class() {
        let metrics = Metrics::new(0);
        metrics.dropped(0, Some(StatusCode::NOT_FOUND), Reason::Share);
        metrics.dropped(0, None, Reason::BaselineFailed);
        let copies = metrics.copies(0);
        assert_eq!(read(&copies.dropped[Reason::Share as usize]), 1);
        assert_eq!(read(&copies.outcomes[2][Outcome::Dropped as usize]), 1);
        assert_eq!(read(&copies.outcomes[4][Outcome::Dropped as usize]), 1);
    }
}
