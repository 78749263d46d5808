//! Drawing by weight in constant time: Vose's alias method over integer weights, without rounding.
//!
//! A column of the table is as high as the sum of the weights; the part below `keep` belongs to the column's own index,
//! the rest to `other`. All of it is integer arithmetic, so every index owns exactly `weight * n` of `sum * n` draws.
//!
//! Source: M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991.

use rand::{Rng, RngExt as _};

/// Weights that nothing can be drawn from.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeightsError {
    /// There is no weight above zero.
    #[error("no weight is above zero: give at least one")]
    NoWeight,
    /// There are more than 2^32 - 1 weights, or their sum times their number exceeds 64 bits.
    #[error("{0} weights are too many or too large: their sum times their number must fit 64 bits")]
    TooLarge(usize),
}

#[derive(Clone, Copy, Debug)]
struct Column {
    keep: u64,
    other: u32,
}

/// A table to draw indices from, each as often as its weight says.
#[derive(Clone, Debug)]
pub struct Alias {
    columns: Box<[Column]>,
    height: u64,
}

impl Alias {
    /// Builds the table in time and memory linear in the number of weights.
    ///
    /// # Errors
    /// [`WeightsError`] when no weight is above zero or 64 bits do not hold their sum times their number.
    pub fn new(weights: &[u64]) -> Result<Self, WeightsError> {
        let too_large = WeightsError::TooLarge(weights.len());
        let number = u32::try_from(weights.len()).map_err(|_| WeightsError::TooLarge(weights.len()))?;
        let sum = weights.iter().try_fold(0_u64, |sum, &weight| sum.checked_add(weight));
        let height = sum.filter(|sum| sum.checked_mul(u64::from(number)).is_some()).ok_or(too_large)?;
        if height == 0 {
            return Err(WeightsError::NoWeight);
        }
        let mut left: Vec<u64> = weights.iter().map(|&weight| weight * u64::from(number)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (0..number).partition(|&at| left[at as usize] < height);
        let mut columns: Box<[Column]> = (0..number).map(|at| Column { keep: height, other: at }).collect();
        // The heights left sum to `height` per open column, so a small one always finds a large one to fill it up.
        while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
            columns[low as usize] = Column { keep: left[low as usize], other: high };
            left[high as usize] -= height - left[low as usize];
            if left[high as usize] < height {
                large.pop();
                small.push(high);
            }
        }
        Ok(Self { columns, height })
    }

    /// Draws an index.
    #[inline]
    pub fn draw(&self, rng: &mut impl Rng) -> u32 {
        if self.columns.len() == 1 {
            return 0;
        }
        let at = rng.random_range(0..self.columns.len() as u32);
        let column = self.columns[at as usize];
        // A full column needs no second draw: with equal weights, none does.
        let kept = column.keep == self.height || rng.random_range(0..self.height) < column.keep;
        if kept { at } else { column.other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::Xoshiro256PlusPlus;

    /// How many of all `height * n` equally likely draws fall on each index.
    fn shares(alias: &Alias) -> Vec<u64> {
        let mut shares = vec![0; alias.columns.len()];
        for (at, column) in alias.columns.iter().enumerate() {
            shares[at] += column.keep;
            shares[column.other as usize] += alias.height - column.keep;
        }
        shares
    }

    #[test]
    fn weights_that_cannot_be_drawn_from_are_refused() {
        assert_eq!(Alias::new(&[]).map(|_| ()), Err(WeightsError::NoWeight));
        assert_eq!(Alias::new(&[0, 0]).map(|_| ()), Err(WeightsError::NoWeight));
        assert_eq!(Alias::new(&[u64::MAX, 1]).map(|_| ()), Err(WeightsError::TooLarge(2)));
    }

    #[test]
    fn draws_follow_the_weights() {
        let alias = Alias::new(&[1, 0, 3]).expect("weights");
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut counts = [0_i64; 3];
        (0..40_000).for_each(|_| counts[alias.draw(&mut rng) as usize] += 1);
        assert_eq!(counts[1], 0);
        // 40,000 draws at 1/4: standard deviation 87, so 450 is beyond five of them.
        assert!((counts[0] - 10_000).abs() < 450, "{counts:?}");
    }

    proptest! {
        #[test]
        fn every_index_owns_exactly_its_weight(weights in prop::collection::vec(0_u64..1_000, 1..60)) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let alias = Alias::new(&weights).expect("weights");
            let wanted: Vec<u64> = weights.iter().map(|weight| weight * weights.len() as u64).collect();
            prop_assert_eq!(shares(&alias), wanted);
        }
    }
}
