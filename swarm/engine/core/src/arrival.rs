//! Arrivals of the open loop: when each request is meant to start, on the absolute clock. Pure; random by seed alone.
//!
//! The planned number of arrivals up to a moment, Λ, is the rate summed over time: linear where the rate is constant,
//! quadratic in a ramp. An arrival falls where Λ reaches a target: constant spacing has targets at whole numbers plus an
//! offset, a Poisson process at sums of exponential draws. Both are exact under any change of rate, and no error grows
//! with the number of arrivals, for each time is computed from the begin of its segment.
//!
//! Source: E. Çinlar, "Introduction to Stochastic Processes", 1975, ch. 4.7 (time change of a Poisson process).

use rand::SeedableRng as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand_distr::{Distribution as _, Exp1};

use crate::stage::{Load, Phase, Placed, SECOND_NS};

/// How arrivals are spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Equal steps of Λ.
    Constant,
    /// Independent exponential steps of Λ.
    Poisson,
}

/// Which part of the arrivals one thread sends: every thread has the same share of every rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The thread, from 0.
    pub index: u32,
    /// How many threads there are.
    pub of: u32,
}

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

/// One request to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it is meant to start.
    pub at_ns: u64,
    /// The place of its stage among the stages.
    pub stage: u16,
    /// The phase of its stage.
    pub phase: Phase,
}

/// A span of time in which the rate moves linearly; `u64::MAX` as its end means that it has none.
#[derive(Clone, Copy, Debug)]
struct Segment {
    stage: u16,
    starts_ns: u64,
    ends_ns: u64,
    from_rps: f64,
    to_rps: f64,
    /// Λ at the segment's begin.
    before: f64,
}

impl Segment {
    fn length_s(&self) -> f64 {
        if self.ends_ns == u64::MAX { f64::INFINITY } else { (self.ends_ns - self.starts_ns) as f64 / SECOND_NS as f64 }
    }

    /// Λ gained `since_s` after the segment's begin.
    fn gained(&self, since_s: f64) -> f64 {
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
    fn when_s(&self, count: f64) -> f64 {
        if self.from_rps == self.to_rps {
            return count / self.from_rps;
        }
        let slope = (self.to_rps - self.from_rps) / self.length_s();
        let root = (self.from_rps * self.from_rps + 2.0 * slope * count).max(0.0).sqrt();
        if count == 0.0 { 0.0 } else { 2.0 * count / (self.from_rps + root) }
    }
}

/// The arrivals of a row of stages, one after the other.
#[derive(Clone, Debug)]
pub struct Schedule {
    stages: Vec<Placed>,
    segments: Vec<Segment>,
    at: usize,
    spacing: Spacing,
    share: Share,
    target: f64,
    rng: Xoshiro256PlusPlus,
    next: Option<Arrival>,
}

impl Schedule {
    /// Returns the arrivals of stages that [`crate::stage::place`] laid on the clock; closed-loop stages have none.
    #[must_use]
    pub fn new(stages: &[Placed], spacing: Spacing, share: Share, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (u64::from(share.index) << 32));
        let target = match spacing {
            Spacing::Constant => (f64::from(share.index) + 0.5) / f64::from(share.of),
            Spacing::Poisson => Exp1.sample(&mut rng),
        };
        let segments = segments(stages, share);
        let mut schedule = Self { stages: stages.to_vec(), segments, at: 0, spacing, share, target, rng, next: None };
        schedule.next = schedule.find();
        schedule
    }

    /// Returns the next arrival without taking it; None when there are no more.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<Arrival> {
        self.next
    }

    /// Takes the next arrival.
    pub fn take(&mut self) -> Option<Arrival> {
        let taken = self.next?;
        self.target += match self.spacing {
            Spacing::Constant => 1.0,
            Spacing::Poisson => Exp1.sample(&mut self.rng),
        };
        self.next = self.find();
        Some(taken)
    }

    /// Changes the rate of the stage under way from `now_ns` to that stage's end; what is due already stays due.
    ///
    /// The part of a step that has gone by is kept, so that changing often neither loses nor adds arrivals.
    pub fn set_rate(&mut self, now_ns: u64, rate_rps: f64) {
        let Some(under_way) = self.segments.iter().position(|one| one.starts_ns <= now_ns && now_ns < one.ends_ns)
        else {
            return;
        };
        let old = self.segments[under_way];
        let rate = rate_rps.max(0.0) / f64::from(self.share.of);
        let gained = old.gained((now_ns - old.starts_ns) as f64 / SECOND_NS as f64);
        let ends_ns = self.stages[usize::from(old.stage)].ends_ns;
        let rest = self.segments.split_off(under_way);
        self.segments.push(Segment { ends_ns: now_ns, to_rps: rate_at(&old, now_ns), ..old });
        let before = old.before + gained;
        self.segments.push(Segment { starts_ns: now_ns, ends_ns, from_rps: rate, to_rps: rate, before, ..old });
        self.segments.extend(rest.into_iter().filter(|one| one.stage > old.stage));
        sum_up(&mut self.segments, under_way + 1);
        self.refind(now_ns, under_way + 1);
    }

    /// Ends the arrivals at a moment: only what is due by then stays.
    pub fn end(&mut self, now_ns: u64) {
        self.segments.clear();
        self.refind(now_ns, 0);
    }

    fn refind(&mut self, now_ns: u64, at: usize) {
        self.at = at;
        if self.next.is_none_or(|next| next.at_ns > now_ns) {
            self.next = self.find();
        }
    }

    fn find(&mut self) -> Option<Arrival> {
        while let Some(segment) = self.segments.get(self.at) {
            let count = (self.target - segment.before).max(0.0);
            if count < segment.gained(segment.length_s()) {
                let since_ns = (segment.when_s(count) * SECOND_NS as f64) as u64;
                let at_ns = segment.starts_ns.saturating_add(since_ns).min(segment.ends_ns - 1);
                let phase = self.stages[usize::from(segment.stage)].phase(at_ns);
                return Some(Arrival { at_ns, stage: segment.stage, phase });
            }
            self.at += 1;
        }
        None
    }
}

fn rate_at(segment: &Segment, now_ns: u64) -> f64 {
    if segment.from_rps == segment.to_rps {
        return segment.from_rps;
    }
    let done_ratio = (now_ns - segment.starts_ns) as f64 / (segment.ends_ns - segment.starts_ns) as f64;
    segment.from_rps + (segment.to_rps - segment.from_rps) * done_ratio
}

fn segments(stages: &[Placed], share: Share) -> Vec<Segment> {
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
fn sum_up(segments: &mut [Segment], from: usize) {
    for at in from + 1..segments.len() {
        let last = segments[at - 1];
        segments[at].before = last.before + last.gained(last.length_s());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Stage, place};
    use proptest::prelude::*;

    fn schedule(stages: &[Stage], spacing: Spacing) -> Schedule {
        Schedule::new(&place(stages, 0).expect("stages"), spacing, Share::WHOLE, 1)
    }

    fn times_ms(mut schedule: Schedule) -> Vec<f64> {
        std::iter::from_fn(|| schedule.take()).map(|arrival| arrival.at_ns as f64 / 1e6).collect()
    }

    #[test]
    fn constant_arrivals_stand_in_the_middle_of_equal_steps() {
        let one = schedule(&[Stage::new(0, Load::Rate(4.0), 0.0, 1.0)], Spacing::Constant);
        assert_eq!(times_ms(one), [125.0, 375.0, 625.0, 875.0]);
    }

    #[test]
    fn a_ramp_follows_the_square_root() {
        // Λ(t) = 4 t² in a ramp from 0 to 8 a second over 1 s: 0.5, 1.5, 2.5 and 3.5 at sqrt(x / 4).
        let ramp = Stage { ramp_s: 1.0, ..Stage::new(0, Load::Rate(8.0), 1.0, 0.25) };
        let mut wanted: Vec<f64> = [0.5_f64, 1.5, 2.5, 3.5].map(|x| (x / 4.0).sqrt() * 1e3).to_vec();
        wanted.extend([1_062.5, 1_187.5]);
        for (time, wanted) in times_ms(schedule(&[ramp], Spacing::Constant)).into_iter().zip(wanted) {
            assert!((time - wanted).abs() < 1e-5, "{time} {wanted}");
        }
    }

    #[test]
    fn phases_follow_the_intended_start() {
        let mut one = schedule(&[Stage::new(0, Load::Rate(2.0), 1.0, 1.0)], Spacing::Constant);
        let phases: Vec<Phase> = std::iter::from_fn(|| one.take()).map(|arrival| arrival.phase).collect();
        assert_eq!(phases, [Phase::Warmup, Phase::Warmup, Phase::Measure, Phase::Measure]);
    }

    #[test]
    fn a_million_seconds_bring_no_drift() {
        let mut one = schedule(&[Stage::new(0, Load::Rate(3.0), 0.0, f64::INFINITY)], Spacing::Constant);
        let last = std::iter::from_fn(|| one.take()).nth(3_000_000 - 1).expect("endless");
        // The last of 3,000,000 arrivals at 3 a second is meant for 1,000,000 s - 1/6 s.
        assert!(last.at_ns.abs_diff(999_999_833_333_333) < 200, "{last:?}");
    }

    #[test]
    fn a_new_rate_keeps_the_part_of_a_step_that_went_by() {
        let mut one = schedule(&[Stage::new(0, Load::Rate(1.0), 0.0, 10.0)], Spacing::Constant);
        one.set_rate(250_000_000, 10.0); // a quarter of 0.5 is left: 0.25 at 10 a second
        assert_eq!(one.take().map(|arrival| arrival.at_ns), Some(275_000_000));
        one.set_rate(275_000_000, 0.0);
        assert_eq!(one.peek(), None);
        one.set_rate(1_000_000_000, 100.0);
        assert_eq!(one.take().map(|arrival| arrival.at_ns), Some(1_010_000_000));
    }

    #[test]
    fn the_stage_after_a_changed_one_keeps_its_plan() {
        let stages = [Stage::new(0, Load::Rate(1.0), 0.0, 1.0), Stage::new(1, Load::Rate(4.0), 0.0, 1.0)];
        let mut two = schedule(&stages, Spacing::Constant);
        two.set_rate(0, 2.0);
        assert_eq!(times_ms(two), [250.0, 750.0, 1_125.0, 1_375.0, 1_625.0, 1_875.0]);
    }

    #[test]
    fn the_end_leaves_what_is_due() {
        let mut one = schedule(&[Stage::new(0, Load::Rate(4.0), 0.0, 10.0)], Spacing::Constant);
        one.end(200_000_000);
        assert_eq!(times_ms(one), [125.0]);
    }

    #[test]
    fn threads_together_send_what_one_would() {
        let stages = place(&[Stage::new(0, Load::Rate(40.0), 0.0, 1.0)], 0).expect("stages");
        let of = |index, of| times_ms(Schedule::new(&stages, Spacing::Constant, Share { index, of }, 1));
        let mut all = [of(0, 3), of(1, 3), of(2, 3)].concat();
        all.sort_by(f64::total_cmp);
        assert_eq!(all.len(), 40);
        for (one, three) in of(0, 1).into_iter().zip(all) {
            assert!((one - three).abs() < 1e-3);
        }
    }

    #[test]
    fn poisson_counts_vary_as_they_should() {
        let mut one = schedule(&[Stage::new(0, Load::Rate(100.0), 0.0, 1_000.0)], Spacing::Poisson);
        let mut counts = [0_f64; 1_000];
        while let Some(arrival) = one.take() {
            counts[(arrival.at_ns / SECOND_NS) as usize] += 1.0;
        }
        let mean = counts.iter().sum::<f64>() / 1e3;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 999.0;
        // Standard errors: mean 10 / sqrt(1000) = 0.32; variance 100 * sqrt(2 / 999) = 4.5. Five of each.
        assert!((mean - 100.0).abs() < 1.6 && (variance - 100.0).abs() < 22.5, "{mean} {variance}");
    }

    proptest! {
        #[test]
        fn times_rise_and_number_what_the_rate_says(rates in prop::collection::vec(0.0_f64..500.0, 1..5), ramp in any::<bool>(), poisson in any::<bool>(), seed in any::<u64>()) {
            let ramp_s = if ramp { 0.5 } else { 0.0 };
            let stages: Vec<Stage> = (0..).zip(&rates).map(|(id, &rate)| Stage { ramp_s, ..Stage::new(id, Load::Rate(rate), 1.0, 1.0) }).collect();
            let placed = place(&stages, 77).expect("stages");
            let spacing = if poisson { Spacing::Poisson } else { Spacing::Constant };
            let mut one = Schedule::new(&placed, spacing, Share::WHOLE, seed);
            let arrivals: Vec<Arrival> = std::iter::from_fn(|| one.take()).collect();
            prop_assert!(arrivals.windows(2).all(|two| two[0].at_ns <= two[1].at_ns));
            let inside = |one: &Arrival| {
                let stage = &placed[usize::from(one.stage)];
                stage.starts_ns <= one.at_ns && one.at_ns < stage.ends_ns
            };
            prop_assert!(arrivals.iter().all(inside));
            let planned: f64 = rates.iter().scan(0.0, |last, &rate| { let lost = (rate - *last) * ramp_s / 2.0; *last = rate; Some(2.0 * rate - lost) }).sum();
            let slack = if poisson { 6.0 * planned.sqrt() + 6.0 } else { 0.5 + 1e-6 };
            prop_assert!((arrivals.len() as f64 - planned).abs() <= slack, "{} of {planned}", arrivals.len());
        }
    }
}
