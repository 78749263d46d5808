//! The users of the closed loop: each wants to send again when its answer and its think time are over. Pure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{Rng, RngExt as _};

/// How long a user pauses after a failure at least, so that a target that refuses is not asked in a tight loop.
const FAILED_PAUSE_NS: u64 = 1_000_000;

/// Users and when each is due.
#[derive(Debug, Default)]
pub struct Seats {
    due: BinaryHeap<Reverse<(u64, u32)>>,
    /// Whether a user is there: due, or with a request on its way.
    there: Vec<bool>,
    wanted: u32,
    think_ns: u64,
}

impl Seats {
    /// Returns no users.
    #[must_use]
    pub fn new(think_ns: u64) -> Self {
        Self { think_ns, ..Self::default() }
    }

    /// Sets how many users there are; new ones start at random within the think time or `spread_ns`, the longer one.
    pub fn set(&mut self, wanted: u32, now_ns: u64, spread_ns: u64, rng: &mut impl Rng) {
        self.wanted = wanted;
        if self.there.len() < wanted as usize {
            self.there.resize(wanted as usize, false);
            self.due.reserve(wanted as usize);
        }
        if wanted == 0 {
            self.due.drain().for_each(|Reverse((_, seat))| self.there[seat as usize] = false);
        }
        let spread_ns = spread_ns.max(self.think_ns);
        for seat in 0..wanted {
            if !std::mem::replace(&mut self.there[seat as usize], true) {
                self.due.push(Reverse((now_ns + rng.random_range(0..=spread_ns), seat)));
            }
        }
    }

    /// Returns when the next user is due.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due_ns, _))| *due_ns)
    }

    /// Takes a user that is due, with the moment since when; users that are no longer wanted leave.
    pub fn take(&mut self, now_ns: u64) -> Option<(u64, u32)> {
        while self.next_ns()? <= now_ns {
            let Reverse((due_ns, seat)) = self.due.pop()?;
            if seat < self.wanted {
                return Some((due_ns, seat));
            }
            self.there[seat as usize] = false;
        }
        None
    }

    /// Notes that a user's request ended.
    pub fn ended(&mut self, seat: u32, now_ns: u64, failed: bool) {
        let pause_ns = if failed { self.think_ns.max(FAILED_PAUSE_NS) } else { self.think_ns };
        self.due.push(Reverse((now_ns + pause_ns, seat)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::Xoshiro256PlusPlus;

    #[test]
    fn users_start_spread_think_and_leave() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut seats = Seats::new(100);
        seats.set(50, 1_000, 0, &mut rng);
        let starts: Vec<u64> = std::iter::from_fn(|| seats.take(1_100)).map(|(due, _)| due).collect();
        assert_eq!(starts.len(), 50);
        assert!(starts[0] < 1_020 && starts[49] > 1_080, "{starts:?}");
        seats.ended(7, 2_000, false);
        assert_eq!((seats.take(2_099), seats.take(2_100)), (None, Some((2_100, 7))));
        seats.ended(7, 3_000, true);
        assert_eq!(seats.next_ns(), Some(3_000 + FAILED_PAUSE_NS));
        seats.set(7, 3_000, 0, &mut rng);
        assert_eq!((seats.take(u64::MAX), seats.next_ns()), (None, None));
        seats.set(8, 9_000, 0, &mut rng);
        assert!(seats.next_ns().is_some());
    }
}
