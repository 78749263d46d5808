//! A 4-ary min-heap of lots by (expiry, number).

/// What the queue knows of a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) expires_ms: i64,
    /// Ascends with the lot's id, so that it orders lots of one expiry.
    pub(super) number: u32,
    /// What is left in the lot, where the queue is the one to keep it.
    pub(super) remaining: u32,
}

/// Children of a lot in the heap: four lots are one cache line, and the heap is half as deep as a binary one.
const ARITY: usize = 4;

/// Lots by (expiry, number), the first at the root; the children of position i are at 4i+1 to 4i+4.
///
/// A lot is one 128-bit integer, expiry above number above remainder, so that two lots compare without a branch,
/// which no predictor could guess, and nothing is looked up. The remainder takes no part in the order since no two
/// lots share a number.
#[derive(Debug, Default)]
pub(super) struct LotQueue {
    heap: Vec<u128>,
}

impl Queued {
    /// Flips the sign bit, so that the order of unsigned integers is that of expiries.
    fn pack(self) -> u128 {
        let expires = (self.expires_ms as u64) ^ (1 << 63);
        u128::from(expires) << 64 | u128::from(self.number) << 32 | u128::from(self.remaining)
    }

    fn unpack(packed: u128) -> Self {
        let expires_ms = ((packed >> 64) as u64 ^ (1 << 63)) as i64;
        Self { expires_ms, number: (packed >> 32) as u32, remaining: packed as u32 }
    }
}

impl LotQueue {
    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }

    pub(super) fn push(&mut self, lot: Queued) {
        let lot = lot.pack();
        self.heap.push(lot);
        self.rise(self.heap.len() - 1, lot);
    }

    pub(super) fn first(&self) -> Option<Queued> {
        self.heap.first().map(|packed| Queued::unpack(*packed))
    }

    /// Removes the first lot. The gap sinks to the bottom along the smallest children and the last lot rises from
    /// there: it came from the bottom and seldom rises far, which saves a comparison at each level.
    pub(super) fn pop(&mut self) {
        let Some(last) = self.heap.pop() else { return };
        if self.heap.is_empty() {
            return;
        }
        let mut gap = 0;
        loop {
            let child = ARITY * gap + 1;
            let smallest = match self.heap.get(child..) {
                Some([a, b, c, d, ..]) => child + first_of_four([*a, *b, *c, *d]),
                Some(rest @ [_, ..]) => {
                    child + (1..rest.len()).fold(0, |least, at| if rest[at] < rest[least] { at } else { least })
                }
                _ => break,
            };
            self.heap[gap] = self.heap[smallest];
            gap = smallest;
        }
        self.rise(gap, last);
    }

    /// Puts a lot at this position or above.
    fn rise(&mut self, mut at: usize, lot: u128) {
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if self.heap[parent] <= lot {
                break;
            }
            self.heap[at] = self.heap[parent];
            at = parent;
        }
        self.heap[at] = lot;
    }

    /// Changes the first lot's remainder, which moves nothing.
    pub(super) fn set_first_remaining(&mut self, remaining: u32) {
        if let Some(first) = self.heap.first_mut() {
            *first = (*first & !u128::from(u32::MAX)) | u128::from(remaining);
        }
    }

    /// All lots, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Queued> {
        self.heap.iter().map(|packed| Queued::unpack(*packed))
    }
}

/// Where the smallest of four lots is, by a tournament without branches.
#[inline]
fn first_of_four([a, b, c, d]: [u128; 4]) -> usize {
    let (left, right) = (b < a, d < c);
    let least_left = if left { b } else { a };
    let least_right = if right { d } else { c };
    if least_right < least_left { 2 + usize::from(right) } else { usize::from(left) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lots_come_out_by_expiry_then_number_whatever_remains() {
        let mut queue = LotQueue::default();
        let lots = [(5, 1, 9), (-5, 7, 1), (i64::MAX, 0, 3), (5, 0, u32::MAX), (i64::MIN, 3, 0)];
        let lots = lots.map(|(expires_ms, number, remaining)| Queued { expires_ms, number, remaining });
        lots.into_iter().for_each(|lot| queue.push(lot));
        queue.set_first_remaining(77);
        let mut order = Vec::new();
        while let Some(first) = queue.first() {
            order.push((first.expires_ms, first.number, first.remaining));
            queue.pop();
        }
        assert_eq!(order, [(i64::MIN, 3, 77), (-5, 7, 1), (5, 0, u32::MAX), (5, 1, 9), (i64::MAX, 0, 3)]);
    }

    proptest! {
        #[test]
        fn any_mixture_of_pushes_and_pops_comes_out_in_order(steps in prop::collection::vec((any::<bool>(), -9..9i64), 0..300)) {
            let mut queue = LotQueue::default();
            let mut sorted = std::collections::BTreeSet::new();
            for (number, (push, expires_ms)) in steps.into_iter().enumerate() {
                let number = number as u32;
                if push {
                    queue.push(Queued { expires_ms, number, remaining: 1 });
                    sorted.insert((expires_ms, number));
                } else {
                    queue.pop();
                    sorted.pop_first();
                }
                prop_assert_eq!(queue.first().map(|lot| (lot.expires_ms, lot.number)), sorted.first().copied());
                prop_assert_eq!(queue.iter().count(), sorted.len());
            }
        }
    }
}
