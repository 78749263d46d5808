//! Deadlines of connections: a [`Line`] in which the head is always next.
//!
//! All deadlines of one list are the same span after the moment they are set, and time does not go back; so the order
//! of setting is the order of expiry.

use crate::line::Line;

/// The deadlines of up to a fixed number of slots.
#[derive(Debug)]
pub struct Deadlines {
    line: Line<u64>,
    span_ns: u64,
}

impl Deadlines {
    /// Returns a list for `slots` slots in which every deadline is `span_ns` after it is set.
    #[must_use]
    pub fn new(slots: usize, span_ns: u64) -> Self {
        Self { line: Line::new(slots), span_ns }
    }

    /// Sets a slot's deadline to `now_ns` plus the span; a deadline that it had is forgotten.
    pub fn set(&mut self, slot: u32, now_ns: u64) {
        self.line.leave(slot);
        // A clock read a moment earlier than the last must not break the order.
        let earliest_ns = self.line.last().map_or(0, |(_, at_ns)| at_ns);
        self.line.join(slot, now_ns.saturating_add(self.span_ns).max(earliest_ns));
    }

    /// Forgets a slot's deadline, if it has one.
    pub fn clear(&mut self, slot: u32) {
        self.line.leave(slot);
    }

    /// Returns the earliest deadline.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        self.line.first().map(|(_, at_ns)| at_ns)
    }

    /// Removes and returns a slot whose deadline has come.
    pub fn expired(&mut self, now_ns: u64) -> Option<u32> {
        if self.next_ns()? > now_ns {
            return None;
        }
        self.line.take_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn deadlines_expire_in_order_and_not_before_their_time() {
        let mut list = Deadlines::new(3, 10);
        list.set(2, 100);
        list.set(0, 101);
        list.set(1, 102);
        list.clear(0);
        assert_eq!(list.next_ns(), Some(110));
        assert_eq!(list.expired(109), None);
        assert_eq!(list.expired(112), Some(2));
        assert_eq!(list.expired(112), Some(1));
        assert_eq!((list.expired(1_000), list.next_ns()), (None, None));
    }

    proptest! {
        #[test]
        fn it_does_what_a_plain_map_does(steps in prop::collection::vec((0_u32..6, 0_u8..3), 0..80)) {
            let (mut list, mut plain) = (Deadlines::new(6, 5), std::collections::BTreeMap::new());
            for (now, (slot, step)) in (0_u64..).zip(steps) {
                match step {
                    0 => { list.set(slot, now); plain.insert(slot, now + 5); }
                    1 => { list.clear(slot); plain.remove(&slot); }
                    _ => {
                        let first = plain.iter().min_by_key(|&(_, at)| *at).map(|(&slot, &at)| (slot, at));
                        prop_assert_eq!(list.next_ns(), first.map(|(_, at)| at));
                        let wanted = first.filter(|&(_, at)| at <= now).map(|(slot, _)| slot);
                        prop_assert_eq!(list.expired(now), wanted);
                        wanted.map(|slot| plain.remove(&slot));
                    }
                }
            }
        }
    }
}
