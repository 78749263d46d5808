//! A queue of slots that any member may leave: a linked list in arrays, so that joining, leaving and taking the first
//! cost constant time and no memory per request.

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link<T> {
    carried: T,
    before: u32,
    after: u32,
    inside: bool,
}

/// Slots in the order in which they joined, each with what it carries.
#[derive(Debug)]
pub struct Line<T> {
    links: Box<[Link<T>]>,
    first: u32,
    last: u32,
}

impl<T: Copy + Default> Line<T> {
    /// Returns an empty queue for the slots below `slots`.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let outside = Link { carried: T::default(), before: NONE, after: NONE, inside: false };
        Self { links: vec![outside; slots].into(), first: NONE, last: NONE }
    }

    /// Lets a slot join at the end; one that is inside leaves its place first.
    #[inline]
    pub fn join(&mut self, slot: u32, carried: T) {
        self.leave(slot);
        self.links[slot as usize] = Link { carried, before: self.last, after: NONE, inside: true };
        match self.last {
            NONE => self.first = slot,
            last => self.links[last as usize].after = slot,
        }
        self.last = slot;
    }

    /// Lets a slot leave, if it is inside.
    #[inline]
    pub fn leave(&mut self, slot: u32) {
        let Link { before, after, inside, .. } = self.links[slot as usize];
        if !inside {
            return;
        }
        match before {
            NONE => self.first = after,
            before => self.links[before as usize].after = after,
        }
        match after {
            NONE => self.last = before,
            after => self.links[after as usize].before = before,
        }
        self.links[slot as usize].inside = false;
    }

    /// Returns the first slot and what it carries.
    #[must_use]
    pub fn first(&self) -> Option<(u32, T)> {
        (self.first != NONE).then(|| (self.first, self.links[self.first as usize].carried))
    }

    /// Returns the last slot and what it carries.
    #[must_use]
    pub fn last(&self) -> Option<(u32, T)> {
        (self.last != NONE).then(|| (self.last, self.links[self.last as usize].carried))
    }

    /// Takes the first slot out.
    #[inline]
    pub fn take_first(&mut self) -> Option<u32> {
        let (slot, _) = self.first()?;
        self.leave(slot);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_plain_list_does(steps in prop::collection::vec((0_u32..6, 0_u8..3), 0..80)) {
            let (mut line, mut plain) = (Line::new(6), Vec::new());
            for (number, (slot, step)) in steps.into_iter().enumerate() {
                match step {
                    0 => { line.join(slot, number); plain.retain(|&(one, _)| one != slot); plain.push((slot, number)); }
                    1 => { line.leave(slot); plain.retain(|&(one, _)| one != slot); }
                    _ => {
                        let wanted = (!plain.is_empty()).then(|| plain.remove(0).0);
                        prop_assert_eq!(line.take_first(), wanted);
                    }
                }
                prop_assert_eq!((line.first(), line.last()), (plain.first().copied(), plain.last().copied()));
            }
        }
    }
}
