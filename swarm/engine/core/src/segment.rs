//! Spans of time in which a rate moves linearly, and how many arrivals are planned in them. Pure.

use crate::arrival::Share;
use crate::stage::{Load, Placed, SECOND_NS};

/// A span of time in which the rate moves linearly; `u64::MAX` as its end means that it has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) stage: u16,
    pub(crate) starts_ns: u64,
    pub(crate) ends_ns: u64,
    pub(crate) from_rps: f64,
    pub(crate) to_rps: f64,
    /// Λ at the segment's begin.
    pub(crate) before: f64,
}

impl Segment {
    /// How long it is.
    pub(crate) fn length_s(&self) -> f64 {
        if self.ends_ns == u64::MAX { f64::INFINITY } else { (self.ends_ns - self.starts_ns) as f64 / SECOND_NS as f64 }
    }

    /// Λ gained `since_s` after the segment's begin.
    pub(crate) fn gained(&self, since_s: f64) -> f64 {
        if self.from_rps == self.to_rps {
            // An endless rest gains nothing, and 0 × ∞ is not a number.
            return if self.from_rps == 0.0 { 0.0 } else { self.from_rps * since_s };
        }
        let slope = (self.to_rps - self.from_rps) / self.length_s();
        since_s * (self.from_rps + slope * since_s / 2.0)
    }

    /// When Λ has gained `count` since the segment's begin, in seconds since then.
    ///
    /// The root of slope/2 · t² + from · t = count in the form that loses no digits when the slope is small.
    pub(crate) fn when_s(&self, count: f64) -> f64 {
        if self.from_rps == self.to_rps {
            return count / self.from_rps;
        }
        let slope = (self.to_rps - self.from_rps) / self.length_s();
        let root = (self.from_rps * self.from_rps + 2.0 * slope * count).max(0.0).sqrt();
        if count == 0.0 { 0.0 } else { 2.0 * count / (self.from_rps + root) }
    }

    /// The rate at a moment of the segment.
    pub(crate) fn rate_at(&self, now_ns: u64) -> f64 {
        if self.from_rps == self.to_rps {
            return self.from_rps;
        }
        let done_ratio = (now_ns - self.starts_ns) as f64 / (self.ends_ns - self.starts_ns) as f64;
        self.from_rps + (self.to_rps - self.from_rps) * done_ratio
    }
}

/// Returns the segments of stages, one or two each, of one thread's share.
pub(crate) fn segments(stages: &[Placed], share: Share) -> Vec<Segment> {
    let mut segments = Vec::with_capacity(stages.len() * 2);
    let mut from_rps = 0.0;
    for (stage, placed) in (0..).zip(stages) {
        let to_rps = match placed.stage.load {
            Load::Rate(rate_rps) => rate_rps / f64::from(share.of),
            Load::Users(_) => 0.0,
        };
        let ramped_ns = placed.starts_ns + crate::stage::to_ns(placed.stage.ramp_s);
        if ramped_ns > placed.starts_ns && matches!(placed.stage.load, Load::Rate(_)) {
            segments.push(Segment {
                stage,
                starts_ns: placed.starts_ns,
                ends_ns: ramped_ns,
                from_rps,
                to_rps,
                before: 0.0,
            });
        }
        let starts_ns = segments.last().map_or(placed.starts_ns, |one| one.ends_ns.max(placed.starts_ns));
        segments.push(Segment { stage, starts_ns, ends_ns: placed.ends_ns, from_rps: to_rps, to_rps, before: 0.0 });
        from_rps = to_rps;
    }
    sum_up(&mut segments, 0);
    segments
}

/// Computes Λ at the begin of every segment from the one after `from` on.
pub(crate) fn sum_up(segments: &mut [Segment], from: usize) {
    for at in from + 1..segments.len() {
        let last = segments[at - 1];
        segments[at].before = last.before + last.gained(last.length_s());
    }
}
