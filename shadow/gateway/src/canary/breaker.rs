//! The breaker: sends everybody to the baseline, and lets the candidate's users back when copies were answered well.

use std::time::Duration;

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The share decides.
    Closed,
    /// Everybody is answered by the baseline.
    Open,
    /// The same, while copies show whether the candidate is well again.
    HalfOpen,
}

impl State {
    /// All, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Why it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Too many of the candidate's requests failed.
    Failures,
    /// No instance of the candidate is healthy.
    Unhealthy,
    /// The candidate is many times as slow as the baseline.
    Slow,
    /// A copy was not answered well.
    Probe,
    /// An operator took all users back.
    Operator,
}

impl Reason {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Unhealthy => "unhealthy",
            Self::Slow => "slow",
            Self::Probe => "probe",
            Self::Operator => "operator",
        }
    }
}

/// What is shown of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerStatus {
    /// Where it stands.
    pub state: State,
    /// How often it opened by itself, restarts included.
    pub opens: u64,
    /// Why it opened last; none when it is closed.
    pub reason: Option<Reason>,
    /// When it half-opens; none when it is not open, or held open.
    pub reopens_in: Option<Duration>,
    /// Copies answered well since it half-opened.
    pub probes_ok: u32,
}
