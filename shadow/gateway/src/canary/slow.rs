//! Whether the candidate is many times as slow as the baseline on a route: medians over the same time, twice in a row;
//! or every answer for a while (`streak`), which needs fewer of them.
//!
//! A median of all routes together would jump between fast and slow ones with the mix, so each route is judged alone.

use std::time::Duration;

use super::buckets::{BUCKETS, bucket, quantile_us};
use super::streak::Streak;
use super::windows::LONGEST;
use crate::config::BreakerConfig;

/// Answers that the median of the time before needs.
const BEFORE: u64 = 8;
/// Windows in a row.
const IN_A_ROW: u32 = 2;

/// Whose latency it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The baseline's, to its users.
    Baseline,
    /// The baseline's, to the candidate's users in its place or to copies: taken when it has no users.
    InPlace,
    /// The candidate's, to its users.
    Candidate,
}

/// The medians that made it slow, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Medians {
    /// The baseline's.
    pub baseline_us: u64,
    /// The candidate's.
    pub candidate_us: u64,
}

/// One route's latencies since the last median.
#[derive(Debug)]
pub struct Slow {
    since: Duration,
    counts: Box<[[u64; BUCKETS]; 3]>,
    samples: [u64; 3],
    in_a_row: u32,
    /// The baseline's median of the time before, in microseconds.
    before_us: Option<u64>,
    streak: Streak,
}

impl Slow {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        let counts = Box::new([[0; BUCKETS]; 3]);
        let (since, samples, in_a_row) = (Duration::ZERO, [0; 3], 0);
        Self { since, counts, samples, in_a_row, before_us: None, streak: Streak::new() }
    }

    /// Forgets everything.
    pub fn clear(&mut self, now: Duration) {
        self.begin(now);
        self.in_a_row = 0;
        self.streak.end();
    }

    /// Takes a latency in; the medians when the candidate is slow by them in this window and was in the one before.
    pub fn note(
        &mut self,
        now: Duration,
        origin: Origin,
        latency: Duration,
        config: &BreakerConfig,
    ) -> Option<Medians> {
        if now.saturating_sub(self.since) > LONGEST {
            self.begin(now);
            self.in_a_row = 0;
        }
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.counts[origin as usize][bucket(latency_us)] += 1;
        self.samples[origin as usize] += 1;
        match (origin, self.before_us) {
            (Origin::Candidate, Some(before_us)) => {
                let found = self.streak.note_candidate(now, latency_us, before_us, config);
                if found.is_some() {
                    return found;
                }
            }
            (Origin::Candidate, None) => {}
            (baseline, _) => self.streak.note_baseline(baseline, latency_us),
        }
        let enough = |origin: Origin| self.samples[origin as usize] >= config.slow_samples;
        if now.saturating_sub(self.since) < config.window || !enough(Origin::Candidate) {
            return None;
        }
        let reference = [Origin::Baseline, Origin::InPlace].into_iter().find(|origin| enough(*origin))?;
        let baseline_us = quantile_us(&self.counts[reference as usize], 0.5)?;
        let candidate_us = quantile_us(&self.counts[Origin::Candidate as usize], 0.5)?;
        self.begin(now);
        self.in_a_row = if is_slow(baseline_us, candidate_us, config) { self.in_a_row + 1 } else { 0 };
        (self.in_a_row >= IN_A_ROW).then_some(Medians { baseline_us, candidate_us })
    }

    fn begin(&mut self, now: Duration) {
        let known = [Origin::InPlace, Origin::Baseline].into_iter().find(|one| self.samples[*one as usize] >= BEFORE);
        self.before_us = known.and_then(|one| quantile_us(&self.counts[one as usize], 0.5)).or(self.before_us);
        self.since = now;
        self.samples = [0; 3];
        self.counts.as_mut_slice().fill([0; BUCKETS]);
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self::new()
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most ten seconds in microseconds")]
pub(super) fn is_slow(baseline_us: u64, candidate_us: u64, config: &BreakerConfig) -> bool {
    let floor_us = u64::try_from(config.slow_floor.as_micros()).unwrap_or(u64::MAX);
    candidate_us as f64 > baseline_us as f64 * config.slow_factor && candidate_us > baseline_us.saturating_add(floor_us)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::breaker::tests::CONFIG;

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// Twenty answers of each side within 200 ms from `start`; the last completes the window.
    fn window(slow: &mut Slow, start: u64, reference: Origin, baseline: u64, candidate: u64) -> Option<Medians> {
        for _ in 0..20 {
            assert_eq!(slow.note(ms(start), reference, ms(baseline), &CONFIG), None);
        }
        for _ in 0..19 {
            assert_eq!(slow.note(ms(start + 100), Origin::Candidate, ms(candidate), &CONFIG), None);
        }
        slow.note(ms(start + 200), Origin::Candidate, ms(candidate), &CONFIG)
    }

    #[test]
    fn two_slow_windows_in_a_row_are_needed() {
        for reference in [Origin::Baseline, Origin::InPlace] {
            let mut slow = Slow::new();
            assert_eq!(window(&mut slow, 0, reference, 2, 20), None);
            let medians = window(&mut slow, 200, reference, 2, 20).expect("the second");
            assert_eq!((medians.baseline_us, medians.candidate_us), (2_000, 20_000));
        }
    }

    #[test]
    fn a_good_window_between_begins_anew_and_so_does_a_time_without_answers() {
        let mut slow = Slow::new();
        assert_eq!(window(&mut slow, 0, Origin::Baseline, 2, 20), None);
        assert_eq!(window(&mut slow, 200, Origin::Baseline, 2, 2), None);
        assert_eq!(window(&mut slow, 400, Origin::Baseline, 2, 20), None);
        assert_eq!(window(&mut slow, 5_000, Origin::Baseline, 2, 20), None);
    }

    #[test]
    fn both_the_factor_and_the_floor_must_be_passed() {
        for (baseline, candidate) in [(1, 5), (10, 39)] {
            let mut slow = Slow::new();
            for start in [0, 200, 400] {
                assert_eq!(window(&mut slow, start, Origin::Baseline, baseline, candidate), None, "{candidate}");
            }
        }
    }

    #[test]
    fn a_window_lengthens_until_both_sides_have_samples() {
        let mut slow = Slow::new();
        for at in 0..19 {
            assert_eq!(slow.note(ms(at * 40), Origin::Candidate, ms(50), &CONFIG), None);
        }
        for at in 0..20 {
            assert_eq!(slow.note(ms(800 + at), Origin::Baseline, ms(1), &CONFIG), None);
        }
        assert_eq!(slow.samples, [20, 0, 19]);
        assert_eq!(slow.note(ms(900), Origin::Candidate, ms(50), &CONFIG), None);
        assert_eq!((slow.samples, slow.in_a_row), ([0; 3], 1));
    }
}
