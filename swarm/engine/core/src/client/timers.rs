//! Time-outs of slots, each as long as it likes.
//!
//! Nearly all are moved on before they end. So a slot's moment is a number, and only an entry that is not later than it
//! stands in the ordered set: moving a time-out on costs one store, and a look when the old moment comes.

use std::collections::BTreeSet;

const NEVER: u64 = u64::MAX;

/// The time-outs of slots `0..`.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Per slot: when it ends, and which entry it has in the set.
    slots: Vec<(u64, u64)>,
    set: BTreeSet<(u64, u32)>,
}

impl Timers {
    /// Sets a slot's moment, in place of any before.
    #[inline]
    pub(crate) fn set(&mut self, slot: u32, at_ns: u64) {
        if self.slots.len() <= slot as usize {
            self.slots.resize(slot as usize + 1, (NEVER, NEVER));
        }
        let (due_ns, queued_ns) = &mut self.slots[slot as usize];
        *due_ns = at_ns;
        if at_ns < *queued_ns {
            self.set.remove(&(*queued_ns, slot));
            self.set.insert((at_ns, slot));
            *queued_ns = at_ns;
        }
    }

    /// Forgets a slot's moment.
    #[inline]
    pub(crate) fn clear(&mut self, slot: u32) {
        if let Some((due_ns, _)) = self.slots.get_mut(slot as usize) {
            *due_ns = NEVER;
        }
    }

    /// Returns when to look again; it may be before the earliest moment, never after.
    pub(crate) fn next_ns(&self) -> u64 {
        self.set.first().map_or(NEVER, |&(at_ns, _)| at_ns)
    }

    /// Removes and returns a slot whose moment has come.
    pub(crate) fn expired(&mut self, now_ns: u64) -> Option<u32> {
        while let Some(&(at_ns, slot)) = self.set.first()
            && at_ns <= now_ns
        {
            self.set.pop_first();
            let due_ns = std::mem::replace(&mut self.slots[slot as usize], (NEVER, NEVER)).0;
            if due_ns <= now_ns {
                return Some(slot);
            }
            if due_ns != NEVER {
                self.set(slot, due_ns);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_plain_map_does(steps in prop::collection::vec((0_u32..5, 0_u8..4, 1_u64..9), 0..80)) {
            let (mut timers, mut plain) = (Timers::default(), std::collections::BTreeMap::new());
            for (now, (slot, step, span)) in (0_u64..).zip(steps) {
                match step {
                    0 | 1 => { timers.set(slot, now + span); plain.insert(slot, now + span); }
                    2 => { timers.clear(slot); plain.remove(&slot); }
                    _ => {
                        let next = plain.values().min().copied().unwrap_or(u64::MAX);
                        prop_assert!(timers.next_ns() <= next);
                        let mut got: Vec<u32> = std::iter::from_fn(|| timers.expired(now)).collect();
                        got.sort_unstable();
                        let due: Vec<u32> = plain.iter().filter(|&(_, &at)| at <= now).map(|(&slot, _)| slot).collect();
                        prop_assert_eq!(got, due);
                        plain.retain(|_, at| *at > now);
                        prop_assert!(timers.set.len() <= 5);
                    }
                }
            }
        }
    }
}
