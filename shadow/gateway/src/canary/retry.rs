//! The retry budget: how many requests may be asked a second time, so that a sick side is not answered by a storm.
//!
//! A bucket of tokens, as in Finagle's `RetryBudget`: each request of the candidate's users pays a part of a token in,
//! each second asking takes a whole one. It starts full and holds at most its burst.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::RetryConfig;

/// Parts of a token.
const PARTS: u64 = 1_000_000;

/// The bucket; shared by all threads, no locks.
#[derive(Debug)]
pub struct RetryBudget {
    parts: AtomicU64,
    deposit: u64,
    most: u64,
}

impl RetryBudget {
    /// A full bucket.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to 1")]
    pub fn new(config: RetryConfig) -> Self {
        let most = config.burst * PARTS;
        Self { parts: AtomicU64::new(most), deposit: (config.ratio * PARTS as f64).round() as u64, most }
    }

    /// A request pays in.
    pub fn deposit(&self) {
        let paid = |parts: u64| (parts < self.most).then(|| (parts + self.deposit).min(self.most));
        let _full = self.parts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
    }

    /// Takes a token; false when there is none.
    #[must_use]
    pub fn take(&self) -> bool {
        self.parts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |parts| parts.checked_sub(PARTS)).is_ok()
    }

    /// The tokens that are left.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is shown, not counted with")]
    pub fn tokens(&self) -> f64 {
        self.parts.load(Ordering::Relaxed) as f64 / PARTS as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_bucket_gives_its_burst_and_five_requests_pay_for_one_more() {
        let budget = RetryBudget::new(RetryConfig { ratio: 0.2, burst: 3 });
        assert_eq!([(); 4].map(|()| budget.take()), [true, true, true, false]);
        (0..4).for_each(|_| budget.deposit());
        assert!(!budget.take(), "four fifths of a token");
        budget.deposit();
        assert!(budget.take() && !budget.take());
    }

    proptest! {
        #[test]
        fn never_more_is_taken_than_was_there_and_paid(ratio in 0.0..=1.0_f64, burst in 0..20_u64, pays in prop::collection::vec(any::<bool>(), 0..200)) {
            let budget = RetryBudget::new(RetryConfig { ratio, burst });
            let (mut paid, mut taken) = (0.0, 0.0);
            for pay in pays {
                if pay {
                    budget.deposit();
                    paid += ratio;
                } else if budget.take() {
                    taken += 1.0;
                }
                #[expect(clippy::cast_precision_loss, reason = "at most 20")]
                let most = burst as f64;
                prop_assert!(budget.tokens() <= most && taken <= most + paid + 1e-3);
            }
        }
    }
}
