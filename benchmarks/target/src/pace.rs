//! When a server of known capacity would answer, and how. Pure: moments in, moments out.
//!
//! Time limits it, not CPU: the n-th answer leaves at dₙ = max(arrivalₙ, when a server is free) + sₙ on an absolute
//! schedule, so that a process that oversleeps delays an answer and never lowers the capacity.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use anyhow::{Context as _, bail, ensure};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Exp1};

const SECOND_NS: f64 = 1e9;
/// A server that falls does so while an arrival has to wait longer than this, which is more than the machine's own stalls
/// let pile up: with 10 ms one of those, at any load above what is left of its speed, tipped it over for good.
const FALLS_BEHIND_NS: u64 = 40_000_000;
/// How far requests may come ahead of the rate that they are limited to.
const AHEAD_NS: u64 = 10_000_000;
/// The quantile 0.9 of exponential work with a mean of 1.
const P90: f64 = std::f64::consts::LN_10;

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Good,
    /// Status 503.
    Failed,
    /// Status 200 with another type of content.
    Wrong,
}

/// What the server is like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Requests a second of all servers together.
    rate_rps: f64,
    servers: usize,
    exponential: bool,
    seed: u64,
    stall_ns: u64,
    stall_every_ns: f64,
    /// The part of its speed that is left while requests wait.
    falls_to: f64,
    /// The part of its speed that it loses in an hour.
    lost_an_hour: f64,
    /// Above this rate requests are answered as `above`.
    limit_rps: f64,
    above: Kind,
    /// The part of the requests that fails, each by chance.
    fails: f64,
    /// How much longer that takes of a service time which lies beyond its p90.
    tail: f64,
}

impl Pace {
    /// Reads `rate=1000,servers=4,…`; see the command line's help.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut pace = Self {
            rate_rps: 0.0,
            servers: 1,
            exponential: false,
            seed: 1,
            stall_ns: 0,
            stall_every_ns: f64::INFINITY,
            falls_to: 1.0,
            lost_an_hour: 0.0,
            limit_rps: f64::INFINITY,
            above: Kind::Failed,
            fails: 0.0,
            tail: 1.0,
        };
        for part in text.split(',') {
            let (key, value) = part.split_once('=').with_context(|| format!("{part}: give KEY=VALUE"))?;
            let number = || value.parse::<f64>().with_context(|| format!("{part}: give a number"));
            match key {
                "rate" => pace.rate_rps = number()?,
                "servers" => pace.servers = value.parse().with_context(|| part.to_owned())?,
                "service" => {
                    pace.exponential = match value {
                        "fixed" => false,
                        "exponential" => true,
                        _ => bail!("{part}: give fixed or exponential"),
                    }
                }
                "seed" => pace.seed = value.parse().with_context(|| part.to_owned())?,
                "stall-ms" => pace.stall_ns = (number()? * 1e6) as u64,
                "stall-every-s" => pace.stall_every_ns = number()? * SECOND_NS,
                "falls-to" => pace.falls_to = number()?,
                "lost-an-hour" => pace.lost_an_hour = number()?,
                "limit" => pace.limit_rps = number()?,
                "fails" => pace.fails = number()?,
                "tail" => pace.tail = number()?,
                "above" => {
                    pace.above = match value {
                        "fail" => Kind::Failed,
                        "wrong" => Kind::Wrong,
                        _ => bail!("{part}: give fail or wrong"),
                    }
                }
                _ => bail!("{part}: no such key"),
            }
        }
        ensure!(pace.rate_rps > 0.0 && pace.rate_rps.is_finite(), "rate: give a number above 0");
        ensure!((1..=1_000).contains(&pace.servers), "servers={}: give 1 to 1000", pace.servers);
        ensure!(pace.falls_to > 0.0 && pace.falls_to <= 1.0, "falls-to: give a part of 1");
        ensure!((0.0..1.0).contains(&pace.lost_an_hour), "lost-an-hour: give a part of 1");
        ensure!((0.0..=1.0).contains(&pace.fails), "fails: give a part of 1");
        ensure!(pace.tail >= 1.0 && pace.tail.is_finite(), "tail: give a number from 1");
        ensure!(pace.tail == 1.0 || pace.exponential, "tail: a fixed service time has none, add service=exponential");
        ensure!(pace.limit_rps > 0.0 && pace.stall_every_ns > 0.0, "limit, stall-every-s: give numbers above 0");
        Ok(pace)
    }
}

/// The servers at work.
pub(crate) struct Pacer {
    pace: Pace,
    rng: Xoshiro256PlusPlus,
    /// When each server is free.
    free_ns: BinaryHeap<Reverse<u64>>,
    next_stall_ns: u64,
    began_ns: Option<u64>,
    /// When the next request would come at the limited rate.
    allowed_ns: u64,
}

impl Pacer {
    pub(crate) fn new(pace: Pace) -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(pace.seed);
        let free_ns = std::iter::repeat_n(Reverse(0), pace.servers).collect();
        Self { pace, rng, free_ns, next_stall_ns: u64::MAX, began_ns: None, allowed_ns: 0 }
    }

    /// Takes a request and returns when its answer leaves, and which. Moments must not fall.
    pub(crate) fn admit(&mut self, now_ns: u64) -> (u64, Kind) {
        let began_ns = match self.began_ns {
            Some(began_ns) => began_ns,
            None => {
                self.began_ns = Some(now_ns);
                self.next_stall_ns = now_ns.saturating_add(self.until_stall_ns());
                now_ns
            }
        };
        let Reverse(free_ns) = self.free_ns.pop().unwrap_or(Reverse(0));
        let mut from_ns = now_ns.max(free_ns);
        let mut work_ns = self.work_ns(from_ns - now_ns, now_ns - began_ns);
        while self.next_stall_ns < from_ns + work_ns {
            let stands_until_ns = self.next_stall_ns + self.pace.stall_ns;
            if self.next_stall_ns > from_ns {
                work_ns += self.pace.stall_ns;
            } else {
                from_ns = from_ns.max(stands_until_ns);
            }
            self.next_stall_ns = stands_until_ns.saturating_add(self.until_stall_ns());
        }
        self.free_ns.push(Reverse(from_ns + work_ns));
        (from_ns + work_ns, self.kind(now_ns))
    }

    fn work_ns(&mut self, behind_ns: u64, age_ns: u64) -> u64 {
        let pace = &self.pace;
        let hours = age_ns as f64 / SECOND_NS / 3_600.0;
        let fallen = if behind_ns > FALLS_BEHIND_NS { pace.falls_to } else { 1.0 };
        let each_rps = pace.rate_rps / pace.servers as f64 * (1.0 - pace.lost_an_hour * hours).max(0.05) * fallen;
        let draw: f64 = if pace.exponential { Exp1.sample(&mut self.rng) } else { 1.0 };
        let stretched = if draw > P90 { P90 + (draw - P90) * pace.tail } else { draw };
        (stretched * SECOND_NS / each_rps) as u64
    }

    fn until_stall_ns(&mut self) -> u64 {
        if self.pace.stall_ns == 0 || self.pace.stall_every_ns.is_infinite() {
            return u64::MAX;
        }
        let draw: f64 = Exp1.sample(&mut self.rng);
        (draw * self.pace.stall_every_ns) as u64
    }

    /// Fails by chance; lets through what comes at the limited rate, a little ahead of it at most.
    fn kind(&mut self, now_ns: u64) -> Kind {
        if self.pace.fails > 0.0 && self.rng.random::<f64>() < self.pace.fails {
            return Kind::Failed;
        }
        if self.pace.limit_rps.is_infinite() {
            return Kind::Good;
        }
        let due_ns = self.allowed_ns.max(now_ns);
        if due_ns - now_ns > AHEAD_NS {
            return self.pace.above;
        }
        self.allowed_ns = due_ns + (SECOND_NS / self.pace.limit_rps) as u64;
        Kind::Good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(text: &str, arrivals_ns: impl IntoIterator<Item = u64>) -> Vec<(u64, Kind)> {
        let mut pacer = Pacer::new(Pace::parse(text).expect("a pace"));
        arrivals_ns.into_iter().map(|at_ns| pacer.admit(at_ns)).collect()
    }

    #[test]
    fn a_fixed_server_answers_one_after_the_other() {
        let left: Vec<u64> = leaves("rate=1000", [0, 0, 5_000_000]).into_iter().map(|(at_ns, _)| at_ns).collect();
        assert_eq!(left, [1_000_000, 2_000_000, 6_000_000]);
    }

    #[test]
    fn two_servers_work_side_by_side_at_half_the_speed() {
        let left: Vec<u64> = leaves("rate=1000,servers=2", [0, 0, 0]).into_iter().map(|(at_ns, _)| at_ns).collect();
        assert_eq!(left, [2_000_000, 2_000_000, 4_000_000]);
    }

    #[test]
    fn late_arrivals_of_a_saturated_server_take_nothing_from_its_rate() {
        let mut pacer = Pacer::new(Pace::parse("rate=1000").expect("a pace"));
        let mut last_ns = 0;
        for batch in 0..100_u64 {
            for _ in 0..20 {
                last_ns = pacer.admit(batch * 20_000_000).0; // twenty at once every 20 ms are 1,000 a second
            }
        }
        assert_eq!(last_ns, 2_000_000_000);
    }

    #[test]
    fn exponential_work_has_the_mean_that_was_asked_for() {
        let left = leaves("rate=1000,service=exponential,seed=3", std::iter::repeat_n(0, 40_000));
        let mean_ms = left.last().expect("answers").0 as f64 / 1e6 / 40_000.0;
        assert!((mean_ms - 1.0).abs() < 0.02, "{mean_ms}");
    }

    #[test]
    fn a_stalled_server_stands_still_for_as_long_as_it_stalls() {
        let left = leaves("rate=1000,stall-ms=25,stall-every-s=1,seed=5", (0..60_000).map(|i| i * 2_000_000));
        let slow = left.iter().zip(0..).filter(|((at_ns, _), i)| at_ns - i * 2_000_000 > 20_000_000).count();
        // About 120 stalls in 120 s. Who comes less than 5 ms after a stall's begin waits longer than 20 ms, and so do,
        // at half the server's speed, those of as long again: about 5 requests a stall.
        assert!((300..1_000).contains(&slow), "{slow}");
        let worst_ns = left.iter().zip(0..).map(|((at_ns, _), i)| at_ns - i * 2_000_000).max();
        assert!(worst_ns >= Some(24_000_000), "{worst_ns:?}");
    }

    #[test]
    fn a_server_that_falls_gives_less_while_requests_wait() {
        let left = leaves("rate=1000,falls-to=0.5", std::iter::repeat_n(0, 100));
        assert_eq!(left[40].0, 41_000_000);
        assert_eq!(left[99].0 - left[98].0, 2_000_000);
    }

    #[test]
    fn a_server_that_drifts_is_slower_after_an_hour() {
        let left = leaves("rate=1000,lost-an-hour=0.2", [0, 3_600_000_000_000]);
        assert_eq!(left[1].0 - 3_600_000_000_000, 1_250_000);
    }

    #[test]
    fn of_what_comes_above_the_limit_the_surplus_is_answered_otherwise() {
        for (text, kind) in [("fail", Kind::Failed), ("wrong", Kind::Wrong)] {
            let count = |rate_rps: u64| {
                let text = format!("rate=9000,limit=1000,above={text}");
                let left = leaves(&text, (0..10 * rate_rps).map(|i| i * 1_000_000_000 / rate_rps));
                left.iter().filter(|(_, one)| *one == kind).count()
            };
            assert_eq!(count(1_000), 0);
            assert!((900..1_000).contains(&count(1_100)), "{}", count(1_100));
        }
    }

    #[test]
    fn a_part_of_the_requests_fails_by_chance() {
        let left = leaves("rate=9000,fails=0.01,seed=8", (0..100_000).map(|i| i * 1_000_000));
        let failed = left.iter().filter(|(_, kind)| *kind == Kind::Failed).count();
        assert!((880..1_120).contains(&failed), "{failed}"); // 1,000 and four standard deviations
        assert!(left.iter().all(|(_, kind)| *kind != Kind::Wrong));
    }

    #[test]
    fn a_longer_tail_leaves_what_is_below_p90_as_it_is() {
        // One request a second, so that none waits; a mean of 10 ms, p99 = ln 100 × 10 ms.
        let quantiles = |text: &str| {
            let arrivals = (0..40_000).map(|i| i * 1_000_000_000);
            let left = leaves(text, arrivals.clone());
            let mut took_ms: Vec<f64> =
                left.iter().zip(arrivals).map(|((at_ns, _), came_ns)| (at_ns - came_ns) as f64 / 1e6).collect();
            took_ms.sort_by(f64::total_cmp);
            [took_ms[20_000], took_ms[35_000], took_ms[39_600]]
        };
        let plain = quantiles("rate=100,service=exponential,seed=4");
        let longer = quantiles("rate=100,service=exponential,seed=4,tail=1.6");
        assert_eq!(plain[..2], longer[..2]);
        assert!((longer[2] / plain[2] - 1.3).abs() < 0.02, "{longer:?} {plain:?}");
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        for text in [
            "",
            "rate=0",
            "rate=x",
            "rate=9,servers=0",
            "rate=9,service=some",
            "rate=9,speed=1",
            "rate=9,falls-to=2",
            "rate=9,fails=2",
            "rate=9,service=exponential,tail=0.5",
            "rate=9,tail=2",
        ] {
            assert!(Pace::parse(text).is_err(), "{text}");
        }
    }
}
