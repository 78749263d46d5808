//! HDR histograms of microseconds: 1 µs to 1 h, three significant digits; dense while counting, sparse on the way out.
//!
//! A bucket is an index into the counts array of an HdrHistogram with lowest value 1, highest 3.6e9 and three digits:
//! values below 2,048 have a bucket each, above that every doubling is cut into 1,024 buckets. The records package has
//! the same codec; `tests/golden/hdr.json` holds for both.
//!
//! The counts are written by hand and not by the `hdrhistogram` crate (which is the oracle of the tests): counting is
//! on the path of every request, and the list of touched buckets makes reading and clearing cost what was recorded
//! instead of 23,221 buckets.

/// The smallest value that has a bucket, in µs; smaller ones are counted as this.
pub const LOWEST_US: u64 = 1;
/// The largest value that has a bucket, in µs; larger ones are counted as this.
pub const HIGHEST_US: u64 = 3_600_000_000;
/// Values below have a bucket of their own.
const LINEAR: u64 = 2_048;
/// Every doubling above is cut into `1 << HALF_BITS` buckets.
const HALF_BITS: u32 = 10;
/// How many buckets there are.
pub const BUCKETS: usize = bucket_of(HIGHEST_US) as usize + 1;

/// `(bucket, count)`, ascending by bucket, counts above zero: a histogram as it stands on disk.
pub type Sparse = Vec<(u16, u64)>;

/// Returns the bucket of a value in µs; values outside 1 µs to 1 h go to the first or last bucket.
#[must_use]
pub const fn bucket_of(value_us: u64) -> u16 {
    let value = if value_us < LOWEST_US {
        LOWEST_US
    } else if value_us > HIGHEST_US {
        HIGHEST_US
    } else {
        value_us
    };
    if value < LINEAR {
        return value as u16;
    }
    let shift = u64::BITS - value.leading_zeros() - HALF_BITS - 1;
    (((shift as u64) << HALF_BITS) + (value >> shift)) as u16
}

/// Returns the largest value in µs that a bucket stands for: what a quantile reports.
#[must_use]
pub const fn highest_us(bucket: u16) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket >> HALF_BITS).saturating_sub(1);
    ((bucket - (shift << HALF_BITS) + 1) << shift) - 1
}

/// Counts of values in µs.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u32]>,
    /// The buckets above zero, in the order of their first value.
    touched: Vec<u16>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Returns an empty histogram; all memory that recording will need is taken here (about 140 KB).
    #[must_use]
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS].into(), touched: Vec::with_capacity(BUCKETS), total: 0 }
    }

    /// Counts one value. A bucket saturates at 2^32 - 1, far beyond what one second can hold.
    #[inline]
    pub fn record_us(&mut self, value_us: u64) {
        let bucket = bucket_of(value_us);
        let count = &mut self.counts[usize::from(bucket)];
        if *count == 0 {
            self.touched.push(bucket);
        }
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// Counts one value given in ns, rounded down to µs.
    #[inline]
    pub fn record_ns(&mut self, value_ns: u64) {
        self.record_us(value_ns / 1_000);
    }

    /// How many values were recorded.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns the counts as they stand on disk and forgets them; costs what was recorded.
    pub fn take(&mut self) -> Sparse {
        self.touched.sort_unstable();
        let sparse = self.touched.iter().map(|&bucket| (bucket, u64::from(self.counts[usize::from(bucket)]))).collect();
        for bucket in self.touched.drain(..) {
            self.counts[usize::from(bucket)] = 0;
        }
        self.total = 0;
        sparse
    }
}

/// Adds one histogram to another; the same as recording both.
pub fn merge(into: &mut Sparse, other: &[(u16, u64)]) {
    let mut out = Vec::with_capacity(into.len() + other.len());
    let (mut left, mut right) = (into.iter().copied().peekable(), other.iter().copied().peekable());
    while let (Some(&one), Some(&two)) = (left.peek(), right.peek()) {
        let next = match one.0.cmp(&two.0) {
            std::cmp::Ordering::Less => left.next(),
            std::cmp::Ordering::Greater => right.next(),
            std::cmp::Ordering::Equal => {
                left.next();
                right.next();
                Some((one.0, one.1 + two.1))
            }
        };
        out.extend(next);
    }
    out.extend(left);
    out.extend(right);
    *into = out;
}

/// Returns how many values a histogram holds.
#[must_use]
pub fn total(sparse: &[(u16, u64)]) -> u64 {
    sparse.iter().map(|&(_, count)| count).sum()
}

/// Returns the nearest-rank quantile in µs (`q` of 1 is the maximum); None for an empty histogram.
///
/// How many samples must stand behind a quantile that is published is the reader's rule, not kept here.
#[must_use]
pub fn quantile_us(sparse: &[(u16, u64)], q: f64) -> Option<u64> {
    let all = total(sparse);
    // Rounded first, as the Python side does, so that 0.999 * 10,000 is the 9,990th and not the 9,991st.
    let rank = ((q * all as f64 * 1e9).round() / 1e9).ceil().clamp(1.0, all.max(1) as f64) as u64;
    let mut below = 0;
    sparse.iter().find_map(|&(bucket, count)| {
        below += count;
        (below >= rank).then(|| highest_us(bucket))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_golden_rows_hold() {
        let text = include_str!("../../../../tests/golden/hdr.json");
        let golden: serde_json::Value = serde_json::from_str(text).expect("the golden file is JSON");
        assert_eq!(golden["buckets"], BUCKETS);
        assert_eq!(golden["highest_us"], HIGHEST_US);
        for row in golden["rows"].as_array().expect("rows") {
            let [value, bucket, highest] = [0, 1, 2].map(|at| row[at].as_u64().expect("an integer"));
            assert_eq!(u64::from(bucket_of(value)), bucket, "bucket of {value}");
            assert_eq!(highest_us(bucket_of(value)), highest, "highest of {value}");
        }
    }

    #[test]
    fn values_outside_the_range_go_to_its_ends() {
        assert_eq!(bucket_of(0), bucket_of(1));
        assert_eq!(usize::from(bucket_of(u64::MAX)), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_one_to_thousand_are_their_ranks() {
        let mut histogram = Histogram::new();
        (1..=1_000).for_each(|value| histogram.record_us(value));
        let sparse = histogram.take();
        assert_eq!([0.0, 0.5, 0.99, 0.999, 1.0].map(|q| quantile_us(&sparse, q)), [1, 500, 990, 999, 1_000].map(Some));
        assert_eq!(quantile_us(&[], 0.5), None);
    }

    #[test]
    fn taking_forgets() {
        let mut histogram = Histogram::new();
        histogram.record_ns(5_999);
        assert_eq!(histogram.take(), [(5, 1)]);
        assert_eq!((histogram.total(), histogram.take()), (0, vec![]));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_within_a_thousandth(value in LOWEST_US..=HIGHEST_US) {
            let highest = highest_us(bucket_of(value));
            prop_assert!(highest >= value && (highest - value) as f64 <= value as f64 / 1_000.0);
            prop_assert_eq!(bucket_of(highest.min(HIGHEST_US)), bucket_of(value));
        }

        #[test]
        fn merging_is_recording_both(one in prop::collection::vec(0_u64..1_000_000, 0..50), two in prop::collection::vec(0_u64..1_000_000, 0..50)) {
            let sparse = |values: &[u64]| {
                let mut histogram = Histogram::new();
                values.iter().for_each(|&value| histogram.record_us(value));
                histogram.take()
            };
            let mut merged = sparse(&one);
            merge(&mut merged, &sparse(&two));
            prop_assert_eq!(merged, sparse(&[one, two].concat()));
        }

        #[test]
        fn quantiles_agree_with_hdrhistogram(values in prop::collection::vec(1_u64..HIGHEST_US, 1..200), q in 0.0_f64..=1.0) {
            let mut oracle = hdrhistogram::Histogram::<u64>::new_with_bounds(LOWEST_US, HIGHEST_US, 3).expect("bounds");
            let mut histogram = Histogram::new();
            for &value in &values {
                oracle.record(value).expect("in range");
                histogram.record_us(value);
            }
            prop_assert_eq!(quantile_us(&histogram.take(), q), Some(highest_us(bucket_of(oracle.value_at_quantile(q)))));
        }
    }
}
