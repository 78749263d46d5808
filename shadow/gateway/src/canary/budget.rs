//! The candidate's time for one route: some times the baseline's recent p99.

use std::time::Duration;

use super::buckets::{BUCKETS, bucket, quantile_us};
use crate::config::BudgetConfig;

/// Answers that a p99 needs.
const ENOUGH: u64 = 100;
/// A part of the past is over after this, when it has answers enough …
const PART: Duration = Duration::from_secs(5);
/// … and after this in any case.
const LONGEST: Duration = Duration::from_secs(60);

/// Latencies of two parts of the past, the one under way and the one before it.
#[derive(Debug)]
pub struct Recent {
    parts: Box<[[u64; BUCKETS]; 2]>,
    since: Duration,
}

impl Recent {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self { parts: Box::new([[0; BUCKETS]; 2]), since: Duration::ZERO }
    }

    /// Takes a latency in.
    pub fn note(&mut self, now: Duration, latency: Duration) {
        let age = now.saturating_sub(self.since);
        if age >= LONGEST || (age >= PART && self.parts[0].iter().sum::<u64>() >= ENOUGH) {
            self.parts.swap(0, 1);
            self.parts[0] = [0; BUCKETS];
            self.since = now;
        }
        self.parts[0][bucket(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX))] += 1;
    }

    /// The p99 of both parts, rounded up to its bucket's bound; none with fewer than a hundred answers.
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        let both: Vec<u64> = self.parts[0].iter().zip(&self.parts[1]).map(|(one, other)| one + other).collect();
        if both.iter().sum::<u64>() < ENOUGH { None } else { quantile_us(&both, 0.99).map(Duration::from_micros) }
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::new()
    }
}

/// The budget for a p99.
#[must_use]
pub fn budget(p99: Duration, config: &BudgetConfig) -> Duration {
    p99.mul_f64(config.factor).clamp(config.min, config.max.max(config.min))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONFIG: BudgetConfig =
        BudgetConfig { min: Duration::from_millis(25), max: Duration::from_millis(250), factor: 3.0 };

    #[test]
    fn a_budget_is_three_p99s_within_its_bounds() {
        let of = |ms| budget(Duration::from_millis(ms), &CONFIG).as_millis();
        assert_eq!([of(1), of(10), of(20), of(100)], [25, 30, 60, 250]);
    }

    #[test]
    fn a_p99_needs_a_hundred_answers() {
        let mut recent = Recent::new();
        let at = Duration::from_secs(1);
        (0..98).for_each(|_| recent.note(at, Duration::from_micros(200)));
        recent.note(at, Duration::from_secs(1));
        assert_eq!(recent.p99(), None);
        recent.note(at, Duration::from_micros(200));
        assert_eq!(recent.p99(), Some(Duration::from_micros(200)));
        recent.note(at, Duration::from_secs(1));
        assert_eq!(recent.p99().map(|p99| p99.as_millis()), Some(1_024));
    }

    #[test]
    fn what_is_older_than_two_parts_is_forgotten() {
        let mut recent = Recent::new();
        for (second, latency_ms) in [(0, 80), (5, 1), (10, 1)] {
            (0..100).for_each(|_| recent.note(Duration::from_secs(second), Duration::from_millis(latency_ms)));
        }
        assert_eq!(recent.p99().map(|p99| p99.as_millis()), Some(1));
    }

    proptest! {
        #[test]
        fn a_budget_never_leaves_its_bounds(p99_us in 0..100_000_000_u64) {
            let found = budget(Duration::from_micros(p99_us), &CONFIG);
            prop_assert!(found >= CONFIG.min && found <= CONFIG.max);
        }
    }
}
