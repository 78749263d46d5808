//! Whether the candidate is slow without a break: each of its answers on a route, for as long as a window.
//!
//! A small share of the users gives too few answers for medians in time, and eight in a row tell as much. They have to
//! come over a whole window, because all that waits for one short pause of the candidate is answered at once after it.
//! What is slow is measured by what the baseline took meanwhile, best for copies of the same requests: users whose
//! requests cost more are no fault of the candidate's.

use std::time::Duration;

use super::buckets::{BUCKETS, bucket, quantile_us};
use super::slow::{Medians, Origin, is_slow};
use super::windows::LONGEST;
use crate::config::BreakerConfig;

/// Slow answers in a row.
const ANSWERS: u64 = 8;
/// The baseline's answers to copies of them.
const COPIES: u64 = 4;

/// Slow answers in a row, and what the baseline took meanwhile.
#[derive(Debug)]
pub(super) struct Streak {
    since: Duration,
    last: Duration,
    fastest_us: u64,
    counts: Box<[[u64; BUCKETS]; 3]>,
    samples: [u64; 3],
}

impl Streak {
    /// None yet.
    pub(super) fn new() -> Self {
        let counts = Box::new([[0; BUCKETS]; 3]);
        Self { since: Duration::ZERO, last: Duration::ZERO, fastest_us: u64::MAX, counts, samples: [0; 3] }
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        if self.samples[Origin::Candidate as usize] > 0 {
            self.counts.as_mut_slice().fill([0; BUCKETS]);
            self.samples = [0; 3];
            self.fastest_us = u64::MAX;
        }
    }

    /// Takes a latency of the baseline in.
    pub(super) fn note_baseline(&mut self, origin: Origin, latency_us: u64) {
        if self.samples[Origin::Candidate as usize] > 0 {
            self.take(origin, latency_us);
        }
    }

    /// Takes a latency of the candidate in, slow by the median that the baseline had before; the medians when all were
    /// slow for long enough, by what the baseline took meanwhile too.
    pub(super) fn note_candidate(
        &mut self,
        now: Duration,
        latency_us: u64,
        before_us: u64,
        config: &BreakerConfig,
    ) -> Option<Medians> {
        if now.saturating_sub(self.last) > LONGEST {
            self.end();
        }
        self.last = now;
        if !is_slow(before_us, latency_us, config) {
            self.end();
            return None;
        }
        if self.samples[Origin::Candidate as usize] == 0 {
            self.since = now;
        }
        self.take(Origin::Candidate, latency_us);
        self.fastest_us = self.fastest_us.min(latency_us);
        if self.samples[Origin::Candidate as usize] < ANSWERS || now.saturating_sub(self.since) < config.window {
            return None;
        }
        let baseline_us = self.baseline_us(config)?;
        if !is_slow(baseline_us, self.fastest_us, config) {
            self.end();
            return None;
        }
        let candidate_us = quantile_us(&self.counts[Origin::Candidate as usize], 0.5)?;
        Some(Medians { baseline_us, candidate_us })
    }

    /// What the baseline took meanwhile: for copies, else for its own users when there are as many as medians need.
    fn baseline_us(&self, config: &BreakerConfig) -> Option<u64> {
        let needs = [(Origin::InPlace, COPIES), (Origin::Baseline, config.slow_samples)];
        let (origin, _) = needs.into_iter().find(|(origin, need)| self.samples[*origin as usize] >= *need)?;
        quantile_us(&self.counts[origin as usize], 0.5)
    }

    fn take(&mut self, origin: Origin, latency_us: u64) {
        self.counts[origin as usize][bucket(latency_us)] += 1;
        self.samples[origin as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::breaker::tests::CONFIG;

    /// Answers of the candidate every `gap_ms`, each with its copy to the baseline; the number of the one that tells.
    fn told(answers: &[(u64, u64)], gap_ms: u64) -> Option<usize> {
        let mut streak = Streak::new();
        answers.iter().enumerate().find_map(|(number, &(candidate_us, baseline_us))| {
            let now = Duration::from_millis(gap_ms * number as u64);
            let found = streak.note_candidate(now, candidate_us, 2_000, &CONFIG);
            streak.note_baseline(Origin::InPlace, baseline_us);
            found.map(|_medians| number)
        })
    }

    #[test]
    fn the_eighth_slow_answer_in_a_row_tells_at_any_rate() {
        assert_eq!([100, 1_000].map(|gap_ms| told(&[(20_000, 2_000); 20], gap_ms)), [Some(7); 2]);
    }

    #[test]
    fn many_slow_answers_tell_after_a_window() {
        assert_eq!(told(&[(20_000, 2_000); 300], 1), Some(200));
        assert_eq!(told(&[(20_000, 2_000); 300], 0), None, "one pause, after which all are answered");
    }

    #[test]
    fn a_good_answer_between_begins_anew_and_so_does_a_time_without_answers() {
        let mut answers = [(20_000, 2_000); 16];
        answers[6] = (2_500, 2_000);
        assert_eq!(told(&answers, 100), Some(14));
        assert_eq!(told(&[(20_000, 2_000); 50], 2_001), None);
    }

    #[test]
    fn what_takes_the_baseline_as_long_is_no_fault_of_the_candidate() {
        assert_eq!(told(&[(20_000, 18_000); 100], 100), None);
    }

    #[test]
    fn one_that_is_not_slow_enough_among_them_keeps_it_from_telling() {
        let mut answers = [(20_000, 2_600); 12];
        answers[3].0 = 9_000;
        assert_eq!(told(&answers, 100), None, "9 ms are four times 2 ms, and not 2.6 ms");
    }

    #[test]
    fn without_copies_the_baseline_s_own_users_tell_when_they_are_enough() {
        for (users, tells) in [(19, false), (20, true)] {
            let mut streak = Streak::new();
            let mut found = None;
            for number in 0..8 {
                found = streak.note_candidate(Duration::from_millis(100 * number), 20_000, 2_000, &CONFIG);
                (0..if number == 0 { users } else { 0 }).for_each(|_| streak.note_baseline(Origin::Baseline, 2_000));
            }
            assert_eq!(found.is_some(), tells, "{users}");
        }
    }
}
