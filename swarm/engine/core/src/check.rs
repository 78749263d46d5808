//! What is checked of an answer beside its status: header lines, and of a share of the requests the body.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use crate::parse::{Body, BodyHash, Head};
use crate::tally::Cause;

/// What was seen of the answer on one connection.
#[derive(Clone, Default)]
struct Seen {
    lines_good: bool,
    /// The body is to be compared.
    drawn: bool,
    hash: BodyHash,
}

/// The checks of all connections; all memory is taken at the begin, and none where no endpoint asks for a check.
pub(crate) struct Checks {
    seen: Vec<Seen>,
    ratio: f64,
    rng: Xoshiro256PlusPlus,
}

impl Checks {
    /// Returns the checks of so many connections, 0 when nothing is checked; `ratio` of the known bodies is compared.
    pub(crate) fn new(slots: usize, ratio: f64, seed: u64) -> Self {
        Self { seen: vec![Seen::default(); slots], ratio, rng: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Draws whether the answer to a request that is about to be sent is compared with its hash, 0 for unknown.
    #[inline]
    pub(crate) fn begin(&mut self, slot: u32, known: impl FnOnce() -> u64) {
        let Some(seen) = self.seen.get_mut(slot as usize) else { return };
        seen.lines_good = false;
        seen.drawn = known() != 0 && self.rng.random::<f64>() < self.ratio;
        if seen.drawn {
            seen.hash.reset();
        }
    }

    /// Returns who looks at the answer, if anybody has to.
    #[inline]
    pub(crate) fn viewer<'a>(&'a mut self, slot: u32, lines: &'a [(String, String)]) -> Option<Viewer<'a>> {
        let seen = self.seen.get_mut(slot as usize)?;
        (seen.drawn || !lines.is_empty()).then_some(Viewer { seen, lines })
    }

    /// Returns what is wrong with an answer of the right status, and whether its body was compared.
    #[inline]
    pub(crate) fn judge(
        &self,
        slot: u32,
        lines: &[(String, String)],
        known: impl FnOnce() -> u64,
    ) -> (Option<Cause>, bool) {
        match self.seen.get(slot as usize) {
            Some(seen) if !lines.is_empty() && !seen.lines_good => (Some(Cause::Header), false),
            Some(seen) if seen.drawn => ((seen.hash.value() != known()).then_some(Cause::Body), true),
            _ => (None, false),
        }
    }
}

/// Looks at one answer as it comes.
pub(crate) struct Viewer<'a> {
    seen: &'a mut Seen,
    lines: &'a [(String, String)],
}

impl Body for Viewer<'_> {
    fn head(&mut self, head: &Head<'_>) {
        let has = |(name, value): &(String, String)| {
            head.headers.iter().any(|line| line.name.eq_ignore_ascii_case(name) && line.value == value.as_bytes())
        };
        self.seen.lines_good = self.lines.iter().all(has);
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.seen.drawn {
            self.seen.hash.take(bytes);
        }
    }
}
