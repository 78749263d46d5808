//! The breaker: sends everybody to the baseline, and lets the candidate's users back when copies were answered well.
//!
//! | state | to | when |
//! |---|---|---|
//! | closed | open | failures, slow, unhealthy, or taken back by an operator |
//! | open | half-open | its time is over, an instance is healthy, nobody holds it |
//! | half-open | closed | so many copies were answered well |
//! | half-open | open | a copy was not, none is healthy, or taken back |
//!
//! *Failures* are so many within a window, or in a row, and the share of the candidate's requests; and half of that
//! share more than the baseline's users saw, because what hits both sides is not the candidate's. When it has no users,
//! what it does in the candidate's place counts for them. Failures that were only late count when they have lasted for
//! a window: a moment in which a machine stood still makes many late at once, and their callers were answered by the
//! baseline anyway. The time that it is open doubles with each opening; it begins anew when the breaker was closed for
//! the longest such time.

use std::time::Duration;

use serde_json::{Value, json};

use super::counts::{Arm, Fault};
use super::slow::{Origin, Slow};
use super::windows::{self, Tried, Windows, ratio};
use crate::config::BreakerConfig;

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

/// That it changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// From this state.
    pub from: State,
    /// To this.
    pub to: State,
    /// Why it opened.
    pub reason: Option<Reason>,
    /// What it was decided by.
    pub figures: Value,
}

/// The candidate's failures without a good answer between.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    since: Duration,
    failed: u64,
    late: u64,
}

/// The breaker of one candidate. Times are since one moment of one clock.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    state: State,
    since: Duration,
    held: bool,
    opens: u64,
    opens_in_a_row: u32,
    reason: Option<Reason>,
    probes_ok: u32,
    run: Run,
    windows: Windows,
    slow: Vec<Slow>,
}

impl Breaker {
    /// A closed breaker over so many routes that opened `opens` times before; a held one is open.
    #[must_use]
    pub fn new(config: BreakerConfig, routes: usize, opens: u64, held: bool) -> Self {
        Self {
            config,
            state: if held { State::Open } else { State::Closed },
            since: Duration::ZERO,
            held,
            opens,
            opens_in_a_row: u32::try_from(opens).unwrap_or(u32::MAX),
            reason: held.then_some(Reason::Operator),
            probes_ok: 0,
            run: Run::default(),
            windows: Windows::new(config.window),
            slow: (0..routes).map(|_| Slow::new()).collect(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How often it opened by itself.
    #[must_use]
    pub const fn opens(&self) -> u64 {
        self.opens
    }

    /// What is shown of it.
    #[must_use]
    pub fn status(&self, now: Duration) -> BreakerStatus {
        let waits = self.state == State::Open && !self.held;
        let reopens_in = waits.then(|| (self.since + self.open_time()).saturating_sub(now));
        let (state, opens, reason, probes_ok) = (self.state, self.opens, self.reason, self.probes_ok);
        BreakerStatus { state, opens, reason, reopens_in, probes_ok }
    }

    /// Takes a request in that is over at the side of its user, or that is given up there.
    pub fn note(&mut self, now: Duration, arm: Arm, fault: Option<Fault>) -> Option<Change> {
        if self.state != State::Closed {
            return None;
        }
        if arm == Arm::Baseline {
            self.windows.note(now, Origin::Baseline, fault);
            return None;
        }
        self.windows.note(now, Origin::Candidate, fault);
        let Some(fault) = fault else {
            self.run = Run::default();
            return None;
        };
        if self.run.failed == 0 {
            self.run.since = now;
        }
        self.run.failed += 1;
        self.run.late += u64::from(fault == Fault::Late);
        self.judge(now)
    }

    /// Takes in that the baseline answered in the candidate's place, later than the candidate would have had to or not.
    pub fn note_in_place(&mut self, now: Duration, late: bool) {
        if self.state == State::Closed {
            self.windows.note(now, Origin::InPlace, late.then_some(Fault::Late));
        }
    }

    /// Takes a latency in.
    pub fn latency(&mut self, now: Duration, route: usize, origin: Origin, latency: Duration) -> Option<Change> {
        if self.state != State::Closed {
            return None;
        }
        let medians = self.slow.get_mut(route)?.note(now, origin, latency, &self.config)?;
        let figures = json!({
            "route": route, "baseline_median_us": medians.baseline_us, "candidate_median_us": medians.candidate_us,
        });
        Some(self.open(now, Reason::Slow, figures))
    }

    /// Time passed; `healthy` tells whether any instance of the candidate is.
    pub fn tick(&mut self, now: Duration, healthy: bool) -> Option<Change> {
        match self.state {
            State::Closed | State::HalfOpen if !healthy => {
                Some(self.open(now, Reason::Unhealthy, json!({"healthy_instances": 0})))
            }
            State::Open if healthy && !self.held && now >= self.since + self.open_time() => {
                let from = std::mem::replace(&mut self.state, State::HalfOpen);
                (self.since, self.probes_ok) = (now, 0);
                Some(Change { from, to: State::HalfOpen, reason: None, figures: json!({"probes": self.config.probes}) })
            }
            _ => None,
        }
    }

    /// Takes in how the candidate answered a copy while it is half-open.
    pub fn probe(&mut self, now: Duration, well: bool) -> Option<Change> {
        if self.state != State::HalfOpen {
            return None;
        }
        if !well {
            return Some(self.open(now, Reason::Probe, json!({"probes_ok": self.probes_ok})));
        }
        self.probes_ok += 1;
        if self.probes_ok < self.config.probes {
            return None;
        }
        self.windows.clear();
        self.slow.iter_mut().for_each(|route| route.clear(now));
        let from = std::mem::replace(&mut self.state, State::Closed);
        (self.since, self.run, self.reason) = (now, Run::default(), None);
        Some(Change { from, to: State::Closed, reason: None, figures: json!({"probes_ok": self.probes_ok}) })
    }

    /// Opens it and holds it open.
    pub fn hold(&mut self, now: Duration) -> Option<Change> {
        self.held = true;
        if self.state == State::Open {
            return None;
        }
        let from = std::mem::replace(&mut self.state, State::Open);
        (self.since, self.reason) = (now, Some(Reason::Operator));
        Some(Change { from, to: State::Open, reason: self.reason, figures: json!({}) })
    }

    /// Nobody holds it any more: it half-opens when its time is over.
    pub fn release(&mut self) {
        self.held = false;
    }

    fn judge(&mut self, now: Duration) -> Option<Change> {
        let (least, run) = (self.config.failures, self.run);
        let window = self.windows.window(now, least);
        let (candidate, baseline) = (window.candidate, window.baseline);
        let lasts = now.saturating_sub(run.since) >= self.config.window;
        let ratio = if run.failed - run.late >= least || (run.failed >= least && lasts) {
            1.0
        } else {
            let failed = if window.lasts { candidate.failed } else { candidate.failed - candidate.late };
            if failed < least { 0.0 } else { ratio(failed, candidate.requests) }
        };
        // Without users of its own, what the baseline does in the candidate's place tells how it fares.
        let other = if baseline.requests < least { window.in_place } else { baseline };
        let alone = ratio - self.config.ratio / 2.0 >= windows::ratio(other.failed, other.requests);
        if ratio < self.config.ratio || !alone {
            return None;
        }
        let side = |tried: Tried| json!({"requests": tried.requests, "failed": tried.failed, "late": tried.late});
        let figures = json!({
            "window_ms": window.length.as_secs_f64() * 1_000.0, "failed_in_a_row": run.failed,
            "candidate": side(candidate), "baseline": side(baseline), "in_place": side(window.in_place),
        });
        Some(self.open(now, Reason::Failures, figures))
    }

    fn open(&mut self, now: Duration, reason: Reason, figures: Value) -> Change {
        if self.state == State::Closed && now.saturating_sub(self.since) >= self.config.max_open {
            self.opens_in_a_row = 0;
        }
        self.opens += 1;
        self.opens_in_a_row = self.opens_in_a_row.saturating_add(1);
        let from = std::mem::replace(&mut self.state, State::Open);
        (self.since, self.reason) = (now, Some(reason));
        Change { from, to: State::Open, reason: self.reason, figures }
    }

    /// How long it stays open this time.
    fn open_time(&self) -> Duration {
        let doublings = self.opens_in_a_row.saturating_sub(1).min(30);
        self.config.open.saturating_mul(1 << doublings).min(self.config.max_open)
    }
}

#[cfg(test)]
pub(crate) mod tests;
