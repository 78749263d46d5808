//! Arrivals of the open loop: when each request is meant to start, on the absolute clock. Pure; random by seed alone.
//!
//! The planned number of arrivals up to a moment, Λ, is the rate summed over time: linear where the rate is constant,
//! quadratic in a ramp. An arrival falls where Λ reaches a target: constant spacing has targets at whole numbers plus an
//! offset, a Poisson process at sums of exponential draws. Both are exact under any change of rate, and no error grows
//! with the number of arrivals, for each time is computed from the begin of its segment.
//!
//! Source: E. Çinlar, "Introduction to Stochastic Processes", 1975, ch. 4.7 (time change of a Poisson process).

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Exp1};

use crate::segment::{Segment, segments, sum_up};
use crate::stage::{Phase, Placed, SECOND_NS};

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

/// The arrivals of a row of stages, one after the other.
#[derive(Clone, Debug)]
pub struct Schedule {
    stages: Vec<Placed>,
    segments: Vec<Segment>,
    at: usize,
    spacing: Spacing,
    share: Share,
    target: f64,
    /// What is meant for before is left to others.
    from_ns: u64,
    rng: Xoshiro256PlusPlus,
    next: Option<Arrival>,
}

impl Schedule {
    /// Returns the arrivals of stages that [`crate::stage::place`] laid on the clock; closed-loop stages have none.
    #[must_use]
    pub fn new(stages: &[Placed], spacing: Spacing, share: Share, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ (u64::from(share.index) << 32));
        let target = match spacing {
            Spacing::Constant => first_target(share),
            Spacing::Poisson => Exp1.sample(&mut rng),
        };
        let (stages, segments) = (stages.to_vec(), segments(stages, share));
        let mut schedule = Self { stages, segments, at: 0, spacing, share, target, from_ns: 0, rng, next: None };
        schedule.next = schedule.find();
        schedule
    }

    /// Leaves all that is meant for before a moment to others; costs the same however much that is.
    ///
    /// Constant arrivals stay where they were; of a Poisson process the rest is drawn anew, which it does not remember.
    pub fn leave_before(&mut self, from_ns: u64) {
        self.from_ns = from_ns;
        let planned = self.planned(from_ns);
        self.target = match self.spacing {
            Spacing::Constant => {
                // One step early, for a sum of floats may be above what it stands for; what is too early is left below.
                let first = first_target(self.share);
                first + ((planned - first).floor() - 1.0).max(0.0)
            }
            Spacing::Poisson => planned + self.rng.sample::<f64, _>(Exp1),
        };
        self.at = 0;
        self.next = self.find();
        while self.next.is_some_and(|next| next.at_ns < from_ns) {
            self.take();
        }
    }

    /// Returns Λ at a moment.
    fn planned(&self, at_ns: u64) -> f64 {
        let begun = self.segments.iter().rev().find(|one| one.starts_ns <= at_ns);
        begun.map_or(0.0, |one| {
            one.before + one.gained((at_ns.min(one.ends_ns) - one.starts_ns) as f64 / SECOND_NS as f64)
        })
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
        self.segments.push(Segment { ends_ns: now_ns, to_rps: old.rate_at(now_ns), ..old });
        let before = old.before + gained;
        self.segments.push(Segment { starts_ns: now_ns, ends_ns, from_rps: rate, to_rps: rate, before, ..old });
        self.segments.extend(rest.into_iter().filter(|one| one.stage > old.stage));
        sum_up(&mut self.segments, under_way + 1);
        self.refind(now_ns, under_way);
        if now_ns < self.from_ns {
            self.leave_before(self.from_ns);
        }
    }

    /// Ends the arrivals at a moment: only what is due by then stays.
    pub fn end(&mut self, now_ns: u64) {
        self.segments.retain(|one| one.starts_ns < now_ns);
        if let Some(last) = self.segments.last_mut().filter(|last| last.ends_ns > now_ns) {
            *last = Segment { ends_ns: now_ns, to_rps: last.rate_at(now_ns), ..*last };
        }
        self.refind(now_ns, self.segments.len());
    }

    /// Finds the next arrival anew, unless it is due; those that are due after it come from the segments as they were.
    fn refind(&mut self, now_ns: u64, under_way: usize) {
        self.at = self.at.min(under_way);
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

/// Constant arrivals of several threads stand between one another.
fn first_target(share: Share) -> f64 {
    (f64::from(share.index) + 0.5) / f64::from(share.of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{Load, Stage, place};
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
        // What was due before the change and not taken yet keeps its times.
        let mut late = schedule(&[Stage::new(0, Load::Rate(4.0), 0.0, 1.1)], Spacing::Constant);
        late.set_rate(900_000_000, 20.0);
        assert_eq!(times_ms(late), [125.0, 375.0, 625.0, 875.0, 945.0, 995.0, 1_045.0, 1_095.0]);
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
        let mut late = schedule(&[Stage::new(0, Load::Rate(4.0), 0.0, 10.0)], Spacing::Constant);
        late.end(900_000_000);
        assert_eq!(times_ms(late), [125.0, 375.0, 625.0, 875.0]);
        let ramp = Stage { ramp_s: 1.0, ..Stage::new(0, Load::Rate(8.0), 1.0, 1.0) };
        let mut late = schedule(&[ramp], Spacing::Constant);
        late.end(800_000_000); // Λ(t) = 4 t²: 2.56 by then
        let times = times_ms(late);
        assert!(times.len() == 3 && (times[2] - 790.569).abs() < 1e-3, "{times:?}");
    }

    #[test]
    fn what_is_left_to_others_and_what_is_taken_over_are_the_whole() {
        let ramp = Stage { ramp_s: 1.0, ..Stage::new(0, Load::Rate(97.0), 1.5, 1.0) };
        let stages = place(&[ramp, Stage::new(1, Load::Rate(30.0), 0.0, 1.0)], 10).expect("stages");
        let times = |schedule: Schedule| -> Vec<u64> {
            let mut schedule = schedule;
            std::iter::from_fn(|| schedule.take()).map(|arrival| arrival.at_ns).collect()
        };
        let all = |index| Schedule::new(&stages, Spacing::Constant, Share { index, of: 3 }, 1);
        for (index, from_ns) in [(0, 0), (0, 700_000_000), (1, 1_000_000_010), (2, 2_499_999_999), (1, u64::MAX)] {
            let mut late = all(index);
            late.leave_before(from_ns);
            let wanted: Vec<u64> = times(all(index)).into_iter().filter(|&at_ns| at_ns >= from_ns).collect();
            assert_eq!(times(late).len(), wanted.len(), "{index} {from_ns}");
            let mut late = all(index);
            late.leave_before(from_ns);
            assert!(times(late).iter().zip(wanted).all(|(one, two)| one.abs_diff(two) <= 1));
        }
        // Another rate before the moment: 60 a second, a third of them, for a second from 2 s on.
        let mut late = all(0);
        late.leave_before(2_000_000_000);
        late.set_rate(1_500_000_000, 60.0);
        let times = times(late);
        assert!(times[0] >= 2_000_000_000);
        assert_eq!(times.iter().filter(|&&at_ns| at_ns < 2_500_000_010).count(), 10);
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
        let mut late = schedule(&[Stage::new(0, Load::Rate(100.0), 0.0, 1_000.0)], Spacing::Poisson);
        late.leave_before(500 * SECOND_NS);
        assert!(late.peek().is_some_and(|next| next.at_ns >= 500 * SECOND_NS));
        let left = std::iter::from_fn(|| late.take()).count() as f64;
        assert!((left - 50_000.0).abs() < 5.0 * 224.0, "{left}"); // sqrt(50,000) = 224
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
