//! The buckets of latencies: sixteen to a doubling, from 100 µs to 10 s, so that none is wider than 6.3 %.

const FIRST_US: u64 = 100;
const LAST_US: u64 = 10_000_000;
const PER_DOUBLING: u64 = 16;
/// Bounds: the first, sixteen of each of sixteen doublings, and those of the seventeenth up to the last.
const BOUNDS: usize = 266;
/// With the one for what is beyond all bounds.
pub const BUCKETS: usize = BOUNDS + 1;

/// Upper bounds in microseconds, each in its bucket.
pub const UPPER_US: [u64; BOUNDS] = bounds();

const fn bounds() -> [u64; BOUNDS] {
    let mut bounds = [FIRST_US; BOUNDS];
    let (mut number, mut octave_us, mut step) = (1, FIRST_US, 1);
    while number < BOUNDS {
        let bound = octave_us * (PER_DOUBLING + step) / PER_DOUBLING;
        bounds[number] = if bound < LAST_US { bound } else { LAST_US };
        number += 1;
        step += 1;
        if step > PER_DOUBLING {
            step = 1;
            octave_us *= 2;
        }
    }
    bounds
}

/// The bucket of a latency.
#[must_use]
pub fn bucket(latency_us: u64) -> usize {
    UPPER_US.partition_point(|upper| *upper < latency_us)
}

/// The upper bound of the bucket that holds the quantile by nearest rank, in microseconds; none without counts. What is
/// beyond all bounds counts as the last.
#[must_use]
pub fn quantile_us(counts: &[u64], quantile: f64) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = ((total as f64 * quantile).ceil() as u64).max(1);
    let mut below = 0;
    let found = counts.iter().position(|count| {
        below += count;
        below >= rank
    })?;
    Some(UPPER_US[found.min(BOUNDS - 1)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bounds_are_those_computed_by_hand() {
        assert_eq!(UPPER_US[..4], [100, 106, 112, 118]);
        assert_eq!((UPPER_US[16], UPPER_US[17], UPPER_US[32]), (200, 212, 400));
        assert_eq!((UPPER_US[256], UPPER_US[264], UPPER_US[265]), (6_553_600, 9_830_400, LAST_US));
        assert!(UPPER_US.windows(2).all(|pair| pair[0] < pair[1] && (pair[1] - pair[0]) * 1_000 <= pair[0] * 67));
    }

    #[test]
    fn a_latency_on_a_bound_belongs_below_it() {
        assert_eq!([0, 100, 101, 106, 107].map(bucket), [0, 0, 1, 1, 2]);
        assert_eq!([LAST_US, LAST_US + 1].map(bucket), [BOUNDS - 1, BOUNDS]);
    }

    #[test]
    fn a_quantile_is_the_bound_that_so_many_are_below() {
        let mut counts = [0; BUCKETS];
        assert_eq!(quantile_us(&counts, 0.5), None);
        (counts[0], counts[16], counts[BOUNDS]) = (50, 49, 1);
        let of = |quantile| quantile_us(&counts, quantile);
        assert_eq!([of(0.5), of(0.51), of(0.99), of(1.0)], [100, 200, 200, LAST_US].map(Some));
    }

    proptest! {
        #[test]
        fn every_latency_is_within_its_bucket(latency_us in 0..20_000_000_u64) {
            let at = bucket(latency_us);
            prop_assert!(at == BOUNDS || latency_us <= UPPER_US[at]);
            prop_assert!(at == 0 || latency_us > UPPER_US[at - 1]);
        }
    }
}
