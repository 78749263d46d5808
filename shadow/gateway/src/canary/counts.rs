//! What the judge of a gray release is given: counts by route and side that only grow. Shared by all threads, no locks.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::buckets::{BUCKETS, UPPER_US, bucket};
use crate::metrics::{add, read};
use crate::upstream::Failure;

/// The side that a request belongs to by its user, whoever answered it in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// Users of the baseline.
    Baseline,
    /// Users of the candidate.
    Candidate,
}

impl Arm {
    /// Both, in the order of the table.
    pub const ALL: [Self; 2] = [Self::Baseline, Self::Candidate];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
        }
    }
}

/// How a side failed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No instance took a connection.
    Refused,
    /// The answer broke off, or there was none.
    Reset,
    /// The whole answer was not there within the budget.
    Late,
    /// A status of the 500s.
    Status,
    /// What came is not HTTP/1.1.
    Invalid,
    /// A JSON media type and no JSON.
    Garbage,
    /// No instance is healthy; it was not asked.
    Unhealthy,
}

impl Fault {
    /// All, in the order of the table.
    pub const ALL: [Self; 7] =
        [Self::Refused, Self::Reset, Self::Late, Self::Status, Self::Invalid, Self::Garbage, Self::Unhealthy];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Late => "late",
            Self::Status => "status",
            Self::Invalid => "invalid",
            Self::Garbage => "garbage",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout => Self::Late,
            Failure::Reset => Self::Reset,
            Failure::Refused => Self::Refused,
            Failure::Invalid => Self::Invalid,
        }
    }
}

/// What became of one request of a side's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How the side failed it.
    pub fault: Option<Fault>,
    /// Whether the baseline answered in the candidate's place.
    pub fell_back: bool,
    /// Whether the caller got a status of the 500s, or no whole answer.
    pub caller_failed: bool,
    /// To the side's own whole answer, or until it was given up; none when it was not asked.
    pub latency: Option<Duration>,
}

/// Counts of one side on one route.
#[derive(Debug)]
pub struct SideCounts {
    requests: AtomicU64,
    failed: [AtomicU64; Fault::ALL.len()],
    fell_back: AtomicU64,
    caller_failed: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl SideCounts {
    fn new() -> Self {
        Self {
            requests: AtomicU64::new(0),
            failed: std::array::from_fn(|_| AtomicU64::new(0)),
            fell_back: AtomicU64::new(0),
            caller_failed: AtomicU64::new(0),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Counts a request that is over.
    pub fn note(&self, outcome: Outcome) {
        add(&self.requests);
        if let Some(fault) = outcome.fault {
            add(&self.failed[fault as usize]);
        }
        if outcome.fell_back {
            add(&self.fell_back);
        }
        if outcome.caller_failed {
            add(&self.caller_failed);
        }
        if let Some(latency) = outcome.latency {
            add(&self.latency[bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))]);
        }
    }

    /// Requests of this side's users that are over.
    #[must_use]
    pub fn requests(&self) -> u64 {
        read(&self.requests)
    }

    /// Those that the side failed in this way.
    #[must_use]
    pub fn failed(&self, fault: Fault) -> u64 {
        read(&self.failed[fault as usize])
    }

    /// Those that the baseline answered in the candidate's place.
    #[must_use]
    pub fn fell_back(&self) -> u64 {
        read(&self.fell_back)
    }

    /// Those whose caller got a status of the 500s or no whole answer.
    #[must_use]
    pub fn caller_failed(&self) -> u64 {
        read(&self.caller_failed)
    }

    /// Latencies: upper bound in microseconds and count, where there are any; the last bound is none.
    #[must_use]
    pub fn latency(&self) -> Vec<(Option<u64>, u64)> {
        let counts = self.latency.iter().map(read).enumerate().filter(|(_, count)| *count > 0);
        counts.map(|(at, count)| (UPPER_US.get(at).copied(), count)).collect()
    }
}

/// All counts. Routes are indices; the last stands for what matches none.
#[derive(Debug)]
pub struct Counts {
    sides: Vec<[SideCounts; Arm::ALL.len()]>,
    /// Requests of routes that the candidate serves and that did not tell their user.
    pub unknown_user: AtomicU64,
    /// Answers of the candidate that were too large to be taken whole before their head went to the caller.
    pub unchecked: AtomicU64,
}

impl Counts {
    /// Nothing counted yet, for so many rows: one of each route, and the last.
    #[must_use]
    pub fn new(rows: usize) -> Self {
        let sides = (0..rows).map(|_| std::array::from_fn(|_| SideCounts::new())).collect();
        Self { sides, unknown_user: AtomicU64::new(0), unchecked: AtomicU64::new(0) }
    }

    /// The counts of a side on a route.
    #[must_use]
    pub fn side(&self, arm: Arm, route: usize) -> &SideCounts {
        &self.sides[route][arm as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_in_every_column_that_it_belongs_to() {
        let counts = Counts::new(1);
        let side = counts.side(Arm::Candidate, 0);
        let late = Outcome {
            fault: Some(Fault::Late),
            fell_back: true,
            caller_failed: false,
            latency: Some(Duration::from_micros(101)),
        };
        side.note(late);
        side.note(Outcome { fault: None, fell_back: false, latency: Some(Duration::from_secs(11)), ..late });
        side.note(Outcome { fault: Some(Fault::Unhealthy), caller_failed: true, latency: None, ..late });
        assert_eq!((side.requests(), side.fell_back(), side.caller_failed()), (3, 2, 1));
        assert_eq!(Fault::ALL.map(|fault| side.failed(fault)), [0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(side.latency(), [(Some(106), 1), (None, 1)]);
        assert_eq!(counts.side(Arm::Baseline, 0).requests(), 0);
    }
}
