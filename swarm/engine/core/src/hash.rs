//! Hashes of bodies, for comparing an answer with one that is known to be right.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::parse::Body;

/// The hash of a body as it comes: XXH3, 64 bits, no seed; equal bodies have equal hashes, however they were cut.
///
/// 0 means that no hash is known wherever hashes are kept, so a body whose hash would be 0 has 1.
#[derive(Clone, Default)]
pub struct BodyHash(Xxh3Default);

impl BodyHash {
    /// Forgets what was taken.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Returns the hash of what was taken, never 0.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.digest().max(1)
    }
}

impl Body for BodyHash {
    fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

/// Returns the hash of a whole body, the same as [`BodyHash`]'s; never 0.
#[must_use]
pub fn body_hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_that_xxhash_publishes_and_do_not_depend_on_cuts() {
        assert_eq!(body_hash(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(body_hash(b"a"), 0xe6c6_32b6_1e96_4e1f);
        assert_eq!(body_hash(b"abc"), 0x78af_5f94_892f_3950);
        let body: Vec<u8> = (0..5_000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let mut hash = BodyHash::default();
        for cut in [1, 7, 100, 256, 4_999] {
            hash.reset();
            body.chunks(cut).for_each(|piece| hash.take(piece));
            assert_eq!(hash.value(), body_hash(&body), "{cut}");
        }
    }
}
