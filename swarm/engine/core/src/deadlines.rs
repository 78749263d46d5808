//! Deadlines of connections: a linked list in arrays, so that setting, clearing and finding the next cost constant time
//! and no memory per request.
//!
//! All deadlines of one list are the same span after the moment they are set, and time does not go back; so the order
//! of setting is the order of expiry, and the head is always next.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    at_ns: u64,
    before: u32,
    after: u32,
    set: bool,
}

/// The deadlines of up to a fixed number of slots.
#[derive(Debug)]
pub struct Deadlines {
    links: Box<[Link]>,
    head: u32,
    tail: u32,
    span_ns: u64,
}

impl Deadlines {
    /// Returns a list for `slots` slots in which every deadline is `span_ns` after it is set.
    #[must_use]
    pub fn new(slots: usize, span_ns: u64) -> Self {
        let links = vec![Link { at_ns: 0, before: NONE, after: NONE, set: false }; slots].into();
        Self { links, head: NONE, tail: NONE, span_ns }
    }

    /// Sets a slot's deadline to `now_ns` plus the span; a deadline that it had is forgotten.
    pub fn set(&mut self, slot: u32, now_ns: u64) {
        self.clear(slot);
        // A clock read a moment earlier than the last must not break the order.
        let earliest_ns = if self.tail == NONE { 0 } else { self.links[self.tail as usize].at_ns };
        let at_ns = now_ns.saturating_add(self.span_ns).max(earliest_ns);
        self.links[slot as usize] = Link { at_ns, before: self.tail, after: NONE, set: true };
        match self.tail {
            NONE => self.head = slot,
            tail => self.links[tail as usize].after = slot,
        }
        self.tail = slot;
    }

    /// Forgets a slot's deadline, if it has one.
    pub fn clear(&mut self, slot: u32) {
        let Link { before, after, set, .. } = self.links[slot as usize];
        if !set {
            return;
        }
        match before {
            NONE => self.head = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => self.tail = before,
            after => self.links[after as usize].before = before,
        }
        self.links[slot as usize].set = false;
    }

    /// Returns the earliest deadline.
    #[must_use]
    pub fn next_ns(&self) -> Option<u64> {
        (self.head != NONE).then(|| self.links[self.head as usize].at_ns)
    }

    /// Removes and returns a slot whose deadline has come.
    pub fn expired(&mut self, now_ns: u64) -> Option<u32> {
        let slot = self.head;
        if self.next_ns()? > now_ns {
            return None;
        }
        self.clear(slot);
        Some(slot)
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
