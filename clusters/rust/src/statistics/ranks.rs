//! Nearest-rank quantiles: of all values without a sort, by counting them in classes and searching one class;
//! of each bucket's values, which are few, by selection.

use super::{GiftValues, Quantiles};

/// In percent.
const WANTED: [usize; 3] = [50, 90, 99];

/// Where the ceil(percent * n / 100)-th smallest of n values stands, counted from 0; n is at least 1.
fn index_of(percent: usize, count: usize) -> usize {
    (count * percent).div_ceil(100) - 1
}

/// The quantiles of some values, which are reordered. Each selection leaves the larger values behind it, where the
/// next one lies.
fn quantiles_of(values: &mut [u32]) -> Quantiles {
    let (count, mut start) = (values.len(), 0);
    WANTED.map(|percent| {
        let index = index_of(percent, count);
        let (_, value, _) = values[start..].select_nth_unstable(index - start);
        start = index;
        *value
    })
}

/// A value's class is its length in bits and the bits behind its first one. Classes ascend with their values;
/// small values have a class each, so that only large ones are ever looked at twice.
const CLASS_BITS: u32 = 6;
const CLASSES: usize = ((32 - CLASS_BITS as usize) + 1) << CLASS_BITS;
/// Below this a class is one value.
const EXACT_CLASSES: usize = 2 << CLASS_BITS;

fn class_of(value: u32) -> usize {
    let shift = (u32::BITS - value.leading_zeros()).saturating_sub(CLASS_BITS + 1);
    ((shift as usize) << CLASS_BITS) + (value >> shift) as usize
}

/// Values and how many there are of each class.
#[derive(Debug)]
pub(super) struct Ranks {
    values: Vec<u32>,
    counts: Box<[u32; CLASSES]>,
    /// The values of the class that is searched.
    class: Vec<u32>,
}

impl Default for Ranks {
    fn default() -> Self {
        Self { values: Vec::new(), counts: Box::new([0; CLASSES]), class: Vec::new() }
    }
}

impl Ranks {
    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.counts.fill(0);
    }

    #[inline]
    pub(super) fn add(&mut self, value: u32) {
        self.values.push(value);
        self.counts[class_of(value)] += 1;
    }

    /// Quantiles of all values.
    pub(super) fn quantiles(&mut self) -> GiftValues {
        let count = self.values.len();
        let p50_p90_p99 = (count > 0).then(|| WANTED.map(|percent| self.nearest(percent)));
        GiftValues { count, p50_p90_p99 }
    }

    /// Quantiles of each run of values, whose lengths make up all of them; reorders values within their runs.
    pub(super) fn quantiles_of_runs(
        &mut self,
        lengths: impl Iterator<Item = usize>,
        found: &mut Vec<Option<Quantiles>>,
    ) {
        found.clear();
        let mut rest = self.values.as_mut_slice();
        for length in lengths {
            let (run, after) = rest.split_at_mut(length);
            rest = after;
            found.push((length > 0).then(|| quantiles_of(run)));
        }
    }

    fn nearest(&mut self, percent: usize) -> u32 {
        let mut index = index_of(percent, self.values.len());
        let mut class = 0;
        while index >= self.counts[class] as usize {
            index -= self.counts[class] as usize;
            class += 1;
        }
        if class < EXACT_CLASSES {
            return class as u32;
        }
        self.class.clear();
        self.class.extend(self.values.iter().copied().filter(|value| class_of(*value) == class));
        *self.class.select_nth_unstable(index).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_ascend_without_gaps_and_small_values_have_their_own() {
        assert!((0..EXACT_CLASSES as u32).all(|value| class_of(value) == value as usize));
        let near = |value: u32| [value - 1, value, value + 1];
        let edges: Vec<usize> = (7..32).flat_map(|bit| near(1 << bit)).map(class_of).collect();
        assert!(edges.is_sorted());
        assert_eq!((class_of(127), class_of(128), class_of(129), class_of(130)), (127, 128, 128, 129));
        assert_eq!(class_of(u32::MAX), CLASSES - 1);
    }

    #[test]
    fn quantiles_of_large_values_are_exact() {
        let mut ranks = Ranks::default();
        (0..1000u32).rev().for_each(|value| ranks.add(4_000_000_000 + value));
        assert_eq!(ranks.quantiles().p50_p90_p99, Some([4_000_000_499, 4_000_000_899, 4_000_000_989]));
        ranks.clear();
        assert_eq!(ranks.quantiles(), GiftValues::default());
    }

    #[test]
    fn each_run_has_its_own_quantiles_and_an_empty_one_has_none() {
        let mut ranks = Ranks::default();
        [9, 3, 7, 5].into_iter().for_each(|value| ranks.add(value));
        let mut found = Vec::new();
        ranks.quantiles_of_runs([0, 3, 0, 1].into_iter(), &mut found);
        assert_eq!(found, [None, Some([7, 9, 9]), None, Some([5, 5, 5])]);
    }
}
