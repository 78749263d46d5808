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
//! share more than the baseline's users saw, because what hits both sides is not the candidate's. The time that it is
//! open doubles with each opening; it begins anew when the breaker was closed for the longest such time.

use std::time::Duration;

use serde_json::{Value, json};

use super::counts::Arm;
use super::slow::{Origin, Slow};
use super::windows::Windows;
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
    failed_in_a_row: u64,
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
            failed_in_a_row: 0,
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
    pub fn note(&mut self, now: Duration, arm: Arm, failed: bool) -> Option<Change> {
        if self.state != State::Closed {
            return None;
        }
        self.windows.note(now, arm, failed);
        if arm == Arm::Baseline {
            return None;
        }
        self.failed_in_a_row = if failed { self.failed_in_a_row + 1 } else { 0 };
        if failed { self.judge(now) } else { None }
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
        (self.since, self.failed_in_a_row, self.reason) = (now, 0, None);
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
        let window = self.windows.window(now, self.config.failures);
        let (candidate, baseline) = (window.candidate, window.baseline);
        let in_a_row = self.failed_in_a_row >= self.config.failures;
        let (enough, ratio) = (candidate.failed >= self.config.failures, candidate.ratio());
        let ratio = if in_a_row { 1.0 } else { ratio };
        let by_itself = ratio >= baseline.ratio() + self.config.ratio / 2.0;
        if !(enough || in_a_row) || ratio < self.config.ratio || !by_itself {
            return None;
        }
        let figures = json!({
            "window_ms": window.length.as_secs_f64() * 1_000.0, "failed_in_a_row": self.failed_in_a_row,
            "candidate": {"requests": candidate.requests, "failed": candidate.failed},
            "baseline": {"requests": baseline.requests, "failed": baseline.failed},
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
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plan's defaults, with three probes.
    pub(crate) const CONFIG: BreakerConfig = BreakerConfig {
        window: Duration::from_millis(200),
        failures: 5,
        ratio: 0.3,
        slow_factor: 4.0,
        slow_floor: Duration::from_millis(5),
        slow_samples: 20,
        open: Duration::from_secs(10),
        max_open: Duration::from_secs(300),
        probes: 3,
    };

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn breaker() -> Breaker {
        Breaker::new(CONFIG, 1, 0, false)
    }

    /// Five failures at once.
    fn fail(breaker: &mut Breaker, now: Duration) -> Change {
        assert!((0..4).all(|_| breaker.note(now, Arm::Candidate, true).is_none()));
        breaker.note(now, Arm::Candidate, true).expect("the fifth opens it")
    }

    #[test]
    fn the_fifth_failure_in_a_row_opens_it_whatever_the_rate_is() {
        let mut breaker = breaker();
        for second in 0..4 {
            assert_eq!(breaker.note(ms(second * 10_000), Arm::Candidate, true), None);
        }
        let change = breaker.note(ms(40_000), Arm::Candidate, true).expect("it opens");
        assert_eq!((change.from, change.to, change.reason), (State::Closed, State::Open, Some(Reason::Failures)));
        assert_eq!(change.figures["failed_in_a_row"], 5);
    }

    #[test]
    fn failures_between_good_answers_open_it_by_their_share_of_a_window() {
        let mut opened = [false; 2];
        for (opens, good) in opened.iter_mut().zip([2, 3]) {
            let mut breaker = breaker();
            for _ in 0..8 {
                (0..good).for_each(|_| assert_eq!(breaker.note(ms(100), Arm::Candidate, false), None));
                *opens |= breaker.note(ms(100), Arm::Candidate, true).is_some();
            }
        }
        assert_eq!(opened, [true, false], "a third failed, and a quarter");
    }

    #[test]
    fn what_hits_both_sides_alike_does_not_open_it() {
        let mut breaker = breaker();
        for _ in 0..50 {
            assert_eq!(breaker.note(ms(100), Arm::Baseline, true), None);
            assert_eq!(breaker.note(ms(100), Arm::Candidate, true), None);
        }
        (0..20).for_each(|_| assert_eq!(breaker.note(ms(100), Arm::Baseline, false), None));
        assert!(breaker.note(ms(100), Arm::Candidate, true).is_some(), "50 of 70 against all");
    }

    #[test]
    fn it_half_opens_after_its_time_and_closes_after_its_probes() {
        let mut breaker = breaker();
        fail(&mut breaker, ms(0));
        assert_eq!(breaker.status(ms(4_000)).reopens_in, Some(ms(6_000)));
        assert_eq!(breaker.tick(ms(9_999), true), None);
        assert_eq!(breaker.tick(ms(10_000), false), None);
        assert_eq!(breaker.tick(ms(10_050), true).expect("its time is over").to, State::HalfOpen);
        assert_eq!((breaker.probe(ms(10_100), true), breaker.probe(ms(10_100), true)), (None, None));
        assert_eq!(breaker.status(ms(10_100)).probes_ok, 2);
        assert_eq!(breaker.probe(ms(10_200), true).expect("the third").to, State::Closed);
        assert_eq!(breaker.status(ms(10_200)).reason, None);
        assert_eq!(breaker.note(ms(10_300), Arm::Candidate, true), None, "the failures of before are forgotten");
    }

    #[test]
    fn a_probe_that_fails_opens_it_for_twice_the_time_up_to_the_most() {
        let mut breaker = breaker();
        fail(&mut breaker, ms(0));
        let mut now = ms(0);
        let mut times_s = Vec::new();
        for _ in 0..6 {
            let wait = breaker.status(now).reopens_in.expect("it is open");
            times_s.push(wait.as_secs());
            now += wait;
            assert_eq!(breaker.tick(now, true).expect("its time is over").to, State::HalfOpen);
            assert_eq!(breaker.probe(now, false).expect("it opens").reason, Some(Reason::Probe));
        }
        assert_eq!(times_s, [10, 20, 40, 80, 160, 300]);
        assert_eq!(breaker.opens(), 7);
    }

    #[test]
    fn a_long_good_time_makes_the_next_opening_short_again() {
        let mut breaker = Breaker::new(CONFIG, 1, 4, false);
        fail(&mut breaker, ms(1_000));
        assert_eq!(breaker.status(ms(1_000)).reopens_in, Some(ms(160_000)));
        let mut breaker = Breaker::new(CONFIG, 1, 4, false);
        fail(&mut breaker, ms(300_000));
        assert_eq!(breaker.status(ms(300_000)).reopens_in, Some(ms(10_000)));
    }

    #[test]
    fn held_open_it_stays_open_until_it_is_released() {
        let mut breaker = breaker();
        let change = breaker.hold(ms(0)).expect("it opens");
        assert_eq!((change.reason, breaker.opens()), (Some(Reason::Operator), 0));
        assert_eq!((breaker.hold(ms(1)), breaker.tick(ms(900_000), true)), (None, None));
        assert_eq!(breaker.status(ms(0)).reopens_in, None);
        breaker.release();
        assert_eq!(breaker.tick(ms(900_000), true).expect("long over").to, State::HalfOpen);
        assert_eq!(Breaker::new(CONFIG, 1, 0, true).state(), State::Open);
    }

    #[test]
    fn without_a_healthy_instance_it_opens_at_once() {
        let mut breaker = breaker();
        assert_eq!(breaker.tick(ms(0), true), None);
        assert_eq!(breaker.tick(ms(50), false).expect("it opens").reason, Some(Reason::Unhealthy));
    }

    #[test]
    fn a_slow_candidate_opens_it_with_both_medians() {
        let mut breaker = breaker();
        let mut found = None;
        for at in 0..1_000 {
            found = found.or(breaker.latency(ms(at), 0, Origin::Baseline, ms(2)));
            found = found.or(breaker.latency(ms(at), 0, Origin::Candidate, ms(20)));
        }
        let change = found.expect("it opens");
        assert_eq!(change.reason, Some(Reason::Slow));
        assert_eq!(change.figures, json!({"route": 0, "baseline_median_us": 2_000, "candidate_median_us": 20_000}));
    }

    proptest! {
        #[test]
        fn it_never_opens_when_fewer_fail_than_the_plan_says(failed in prop::collection::vec(prop::bool::weighted(0.2), 1..400), gap in 1..50_u64) {
            let mut breaker = breaker();
            let (mut run, mut sum) = (0_u64, 0_u64);
            for (at, failed) in failed.into_iter().enumerate() {
                (run, sum) = if failed { (run + 1, sum + 1) } else { (0, sum) };
                let change = breaker.note(ms(at as u64 * gap), Arm::Candidate, failed);
                if let Some(change) = change {
                    prop_assert!(sum >= CONFIG.failures && failed);
                    let window = &change.figures["candidate"];
                    let (all, bad) = (window["requests"].as_u64().expect("a count"), window["failed"].as_u64().expect("a count"));
                    prop_assert!(run >= CONFIG.failures || bad * 10 >= all * 3);
                    break;
                }
            }
        }
    }
}
