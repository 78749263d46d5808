//! Which users belong to the candidate: the same ones as long as the share stands, and only more when it grows.

use xxhash_rust::xxh64::Xxh64;

/// Users fall into so many buckets.
pub const PLACES: u64 = 10_000;

/// The bucket of a user, below [`PLACES`].
#[must_use]
pub fn place(salt: &str, user: &str) -> u64 {
    let mut hash = Xxh64::new(0);
    hash.update(salt.as_bytes());
    hash.update(user.as_bytes());
    hash.digest() % PLACES
}

/// How many buckets, from the first on, belong to the candidate.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is 0 to 1")]
pub fn places(share: f64) -> u64 {
    (share * 10_000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xxhash_rust::xxh64::xxh64;

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_published_vectors() {
        // XXH64 of nothing and of "abc" with seed 0, from the algorithm's own description.
        assert_eq!(xxh64(b"", 0), 0xef46_db37_51d8_e999);
        assert_eq!(xxh64(b"abc", 0), 0x44bc_2cf5_ad77_0999);
        assert_eq!(place("", "abc"), 0x44bc_2cf5_ad77_0999 % 10_000);
        assert_eq!(place("ab", "c"), place("", "abc"));
    }

    #[test]
    fn a_share_is_so_many_buckets_of_ten_thousand() {
        assert_eq!([0.0, 0.01, 0.000_04, 0.000_05, 0.25, 1.0].map(places), [0, 100, 0, 1, 2_500, 10_000]);
    }

    #[test]
    fn users_are_spread_as_the_share_says() {
        let inside = (0..20_000).filter(|number| place("s", &format!("u-{number}")) < places(0.05)).count();
        // Binomial with 1,000 expected and a standard deviation of 31.
        assert!((850..1_150).contains(&inside), "{inside}");
    }

    proptest! {
        #[test]
        fn a_larger_share_only_adds_users(salt in "[a-z]{0,4}", user in ".{0,20}", one in 0.0..=1.0_f64, more in 0.0..=1.0_f64) {
            let (small, large) = (one.min(more), one.max(more));
            let at = place(&salt, &user);
            prop_assert!(at < PLACES);
            prop_assert!(at >= places(small) || at < places(large));
            prop_assert!(at < places(1.0) && at >= places(0.0));
        }
    }
}
