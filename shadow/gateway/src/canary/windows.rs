//! How many requests of either side failed of late: a ring of short slots, of which a window is the newest few.

use std::time::Duration;

use super::counts::Fault;
use super::slow::Origin;

/// Slots of the shortest window, beside the one that is not over.
const PER_WINDOW: u32 = 4;
/// A window lengthens up to this.
pub const LONGEST: Duration = Duration::from_secs(2);

/// Requests and failures of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Requests that are over.
    pub requests: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those of them that were only late.
    pub late: u64,
}

impl Tried {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.late += other.late;
    }
}

/// The share that failed; 0 without requests.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "requests of two seconds")]
pub fn ratio(failed: u64, requests: u64) -> f64 {
    if requests == 0 { 0.0 } else { failed as f64 / requests as f64 }
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How far back it goes at most.
    pub length: Duration,
    /// Whether the candidate failed at its end and a shortest window before.
    pub lasts: bool,
    /// The baseline's users.
    pub baseline: Tried,
    /// The baseline in the candidate's place.
    pub in_place: Tried,
    /// The candidate's users.
    pub candidate: Tried,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u64,
    sides: [Tried; 3],
}

/// The ring.
#[derive(Debug)]
pub struct Windows {
    slot: Duration,
    slots: Vec<Slot>,
}

impl Windows {
    /// An empty ring; `window` is the shortest one.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        let slot = window / PER_WINDOW;
        let count = LONGEST.as_nanos().div_ceil(slot.as_nanos().max(1)).max(u128::from(PER_WINDOW)) + 1;
        Self { slot, slots: vec![Slot::default(); usize::try_from(count).unwrap_or(usize::MAX)] }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.fill(Slot::default());
    }

    /// Notes a request that is over.
    pub fn note(&mut self, now: Duration, origin: Origin, fault: Option<Fault>) {
        let number = self.number(now);
        let at = self.place(number);
        let slot = &mut self.slots[at];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        let (failed, late) = (u64::from(fault.is_some()), u64::from(fault == Some(Fault::Late)));
        slot.sides[origin as usize].add(Tried { requests: 1, failed, late });
    }

    /// The shortest window that holds so many failures of the candidate, else the longest.
    #[must_use]
    pub fn window(&self, now: Duration, failures: u64) -> Window {
        let newest = self.number(now);
        let none = Tried::default();
        let mut window =
            Window { length: Duration::ZERO, lasts: false, baseline: none, in_place: none, candidate: none };
        for back in 0..self.slots.len() as u64 {
            let Some(number) = newest.checked_sub(back).filter(|number| *number > 0) else { break };
            let slot = self.slots[self.place(number)];
            if slot.number == number {
                window.baseline.add(slot.sides[Origin::Baseline as usize]);
                window.in_place.add(slot.sides[Origin::InPlace as usize]);
                let candidate = slot.sides[Origin::Candidate as usize];
                window.candidate.add(candidate);
                window.lasts |= back >= u64::from(PER_WINDOW) && candidate.failed > 0;
            }
            window.length += self.slot;
            if back >= u64::from(PER_WINDOW) && window.candidate.failed >= failures {
                break;
            }
        }
        window
    }

    /// Numbers begin at 1, so that an empty slot is never a slot of a time.
    fn number(&self, now: Duration) -> u64 {
        u64::try_from(now.as_nanos() / self.slot.as_nanos().max(1)).unwrap_or(u64::MAX - 1) + 1
    }

    fn place(&self, number: u64) -> usize {
        usize::try_from(number % self.slots.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_millis(200);

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn a_window_holds_its_time_and_lengthens_until_there_are_failures_enough() {
        let mut windows = Windows::new(WINDOW);
        windows.note(ms(10), Origin::Candidate, Some(Fault::Reset));
        windows.note(ms(1_000), Origin::Candidate, Some(Fault::Reset));
        windows.note(ms(1_020), Origin::Baseline, None);
        windows.note(ms(1_190), Origin::Candidate, None);
        let of = |requests, failed| Tried { requests, failed, late: 0 };
        let short = windows.window(ms(1_199), 1);
        assert_eq!((short.candidate, short.baseline, short.length), (of(2, 1), of(1, 0), ms(250)));
        let long = windows.window(ms(1_199), 2);
        assert_eq!((long.candidate, long.length), (of(3, 2), ms(1_200)));
        assert_eq!(windows.window(ms(3_300), 1).candidate, of(0, 0));
    }

    #[test]
    fn failures_last_when_they_are_a_window_apart() {
        let mut windows = Windows::new(WINDOW);
        windows.note(ms(1_000), Origin::Candidate, Some(Fault::Late));
        windows.note(ms(1_190), Origin::Candidate, Some(Fault::Late));
        assert!(!windows.window(ms(1_190), 2).lasts);
        windows.note(ms(1_200), Origin::Candidate, Some(Fault::Late));
        let window = windows.window(ms(1_200), 2);
        assert_eq!((window.lasts, window.candidate), (true, Tried { requests: 3, failed: 3, late: 3 }));
    }

    #[test]
    fn a_slot_of_long_ago_is_taken_anew() {
        let mut windows = Windows::new(WINDOW);
        (0..9).for_each(|_| windows.note(ms(0), Origin::Candidate, Some(Fault::Reset)));
        windows.note(ms(41 * 50), Origin::Candidate, None);
        assert_eq!(windows.window(ms(41 * 50), 1).candidate, Tried { requests: 1, ..Tried::default() });
    }

    proptest! {
        #[test]
        fn a_window_never_holds_more_than_happened_in_it(gaps in prop::collection::vec((0..400_u64, any::<bool>()), 1..100), failures in 1..20_u64) {
            let mut windows = Windows::new(WINDOW);
            let (mut now, mut seen) = (0, Vec::new());
            for (gap, failed) in gaps {
                now += gap;
                windows.note(ms(now), Origin::Candidate, failed.then_some(Fault::Late));
                seen.push((now, failed));
            }
            let window = windows.window(ms(now), failures);
            let since = (now / 50 + 1).saturating_sub(u64::try_from(window.length.as_millis()).expect("short") / 50) * 50;
            let inside: Vec<_> = seen.iter().filter(|(at, _)| *at >= since).collect();
            prop_assert_eq!(window.candidate.requests, inside.len() as u64);
            prop_assert_eq!(window.candidate.failed, inside.iter().filter(|(_, failed)| *failed).count() as u64);
            prop_assert!(window.length <= LONGEST + 2 * ms(50));
        }
    }
}
