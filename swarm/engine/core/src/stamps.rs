//! Kernel receive times on the engine's clock: the kernel stamps by CLOCK_REALTIME, the engine counts by CLOCK_MONOTONIC.
//!
//! Both run at one rate (NTP slews them alike), so their offset changes only when somebody sets the real clock. A reading
//! that contradicts the offset shows that; times are then not taken from the kernel until the next sampling.

use rustix::time::{ClockId, clock_gettime};

use crate::net::{monotonic_ns, to_ns};
use crate::stage::SECOND_NS;

/// How many readings one sampling takes; the narrowest counts, the others were interrupted.
const READINGS: usize = 5;
/// Rounding of either clock.
const ROUNDING_NS: i64 = 1_000;

/// The real clock, read between two readings of the monotonic one.
#[derive(Clone, Copy, Debug)]
struct Reading {
    before_ns: u64,
    real_ns: u64,
    after_ns: u64,
}

impl Reading {
    fn take() -> Self {
        let before_ns = monotonic_ns();
        let real_ns = to_ns(clock_gettime(ClockId::Realtime));
        Self { before_ns, real_ns, after_ns: monotonic_ns() }
    }

    fn width_ns(&self) -> u64 {
        self.after_ns.saturating_sub(self.before_ns)
    }
}

/// How far the real clock is ahead of the monotonic one: this much, give or take `error_ns`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offset {
    ahead_ns: i64,
    error_ns: i64,
}

impl Offset {
    fn of(reading: &Reading) -> Self {
        let (middle_ns, error_ns) = (reading.before_ns + reading.width_ns() / 2, reading.width_ns().div_ceil(2));
        Self { ahead_ns: reading.real_ns.wrapping_sub(middle_ns) as i64, error_ns: error_ns as i64 }
    }

    /// Whether both cannot be true of the same clocks.
    fn contradicts(&self, other: &Self) -> bool {
        let apart_ns = self.ahead_ns.wrapping_sub(other.ahead_ns).unsigned_abs();
        apart_ns > self.error_ns.saturating_add(other.error_ns).saturating_add(ROUNDING_NS) as u64
    }

    fn to_monotonic(self, real_ns: u64) -> u64 {
        real_ns.wrapping_sub(self.ahead_ns as u64)
    }
}

/// Turns kernel receive times into the engine's.
#[derive(Debug)]
pub(crate) struct Stamps {
    offset: Offset,
    sampled_ns: u64,
    sure: bool,
}

impl Stamps {
    pub(crate) fn new() -> Self {
        let mut stamps = Self { offset: Offset::default(), sampled_ns: 0, sure: true };
        stamps.sample();
        stamps
    }

    /// Looks whether the real clock was set, and samples the offset once a second; call it before a batch of receives.
    pub(crate) fn check(&mut self) {
        let reading = Reading::take();
        self.note(&reading);
        if reading.after_ns >= self.sampled_ns + SECOND_NS {
            self.sample();
        }
    }

    fn sample(&mut self) {
        let readings = std::array::from_fn::<_, READINGS, _>(|_| Reading::take());
        if let Some(best) = readings.iter().min_by_key(|reading| reading.width_ns()) {
            self.adopt(best);
        }
    }

    /// Takes an offset; when it is another one, a step was just now, and the next second's sampling ends the doubt.
    fn adopt(&mut self, best: &Reading) {
        let offset = Offset::of(best);
        let stepped = self.sampled_ns > 0 && self.offset.contradicts(&offset);
        (self.offset, self.sampled_ns, self.sure) = (offset, best.after_ns, !stepped);
    }

    /// After a step, times stamped before it and after it cannot be told apart.
    fn note(&mut self, reading: &Reading) {
        self.sure &= !self.offset.contradicts(&Offset::of(reading));
    }

    /// Returns a kernel time on the monotonic clock, or None while the real clock's step is not digested.
    #[inline]
    pub(crate) fn to_monotonic(&self, real_ns: u64) -> Option<u64> {
        self.sure.then(|| self.offset.to_monotonic(real_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL_NS: u64 = 1_800_000_000_000_000_000;

    fn reading(before_ns: u64, width_ns: u64, ahead_ns: u64) -> Reading {
        Reading { before_ns, real_ns: before_ns + width_ns / 2 + ahead_ns, after_ns: before_ns + width_ns }
    }

    fn stamps(first: &Reading) -> Stamps {
        let mut stamps = Stamps { offset: Offset::default(), sampled_ns: 0, sure: true };
        stamps.adopt(first);
        stamps
    }

    #[test]
    fn a_kernel_time_is_moved_by_the_offset() {
        let stamps = stamps(&reading(5_000, 100, REAL_NS));
        assert_eq!(stamps.offset, Offset { ahead_ns: REAL_NS as i64, error_ns: 50 });
        assert_eq!(stamps.to_monotonic(REAL_NS + 7_000), Some(7_000));
    }

    #[test]
    fn a_wide_reading_is_no_step_and_a_step_makes_kernel_times_unsure_until_it_is_digested() {
        let mut stamps = stamps(&reading(5_000, 100, REAL_NS));
        // 80 µs between both readings: the offset is within them.
        stamps.note(&Reading { before_ns: 10_000, real_ns: REAL_NS + 11_000, after_ns: 90_000 });
        assert!(stamps.sure);
        // 50 µs ahead at once.
        stamps.note(&reading(100_000, 100, REAL_NS + 50_000));
        assert_eq!(stamps.to_monotonic(REAL_NS), None);
        stamps.adopt(&reading(200_000, 100, REAL_NS + 50_000));
        assert_eq!(stamps.to_monotonic(REAL_NS), None, "what was stamped before may still wait to be read");
        stamps.adopt(&reading(300_000, 100, REAL_NS + 50_000));
        assert_eq!(stamps.to_monotonic(REAL_NS + 350_000), Some(300_000));
    }

    #[test]
    fn the_machine_s_clocks_agree_with_themselves() {
        let mut stamps = Stamps::new();
        stamps.check();
        let (before_ns, real_ns) = (monotonic_ns(), to_ns(clock_gettime(ClockId::Realtime)));
        let after_ns = monotonic_ns();
        let moved_ns = stamps.to_monotonic(real_ns).expect("nobody set the clock");
        assert!(before_ns - 50_000 < moved_ns && moved_ns < after_ns + 50_000, "{before_ns} {moved_ns} {after_ns}");
    }
}
