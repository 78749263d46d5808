use proptest::prelude::*;

use super::*;

/// The plan's defaults, with three probes.
pub(crate) const CONFIG: BreakerConfig = BreakerConfig {
    window: Duration::from_millis(200),
    failures: 5,
    ratio: 0.3,
    slow_factor: 4.0,
    slow_floor: Duration::from_millis(5),
    slow_samples: 20,
    open: Duration::from_secs(10),
    max_open: Duration::from_secs(300),
    probes: 3,
};

const FAILED: Option<Fault> = Some(Fault::Reset);

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn breaker() -> Breaker {
    Breaker::new(CONFIG, 1, 0, false)
}

/// Five failures at once.
fn fail(breaker: &mut Breaker, now: Duration) -> Change {
    assert!((0..4).all(|_| breaker.note(now, Arm::Candidate, FAILED).is_none()));
    breaker.note(now, Arm::Candidate, FAILED).expect("the fifth opens it")
}

#[test]
fn the_fifth_failure_in_a_row_opens_it_whatever_the_rate_is() {
    let mut breaker = breaker();
    for second in 0..4 {
        assert_eq!(breaker.note(ms(second * 10_000), Arm::Candidate, FAILED), None);
    }
    let change = breaker.note(ms(40_000), Arm::Candidate, FAILED).expect("it opens");
    assert_eq!((change.from, change.to, change.reason), (State::Closed, State::Open, Some(Reason::Failures)));
    assert_eq!(change.figures["failed_in_a_row"], 5);
}

#[test]
fn failures_between_good_answers_open_it_by_their_share_of_a_window() {
    let mut opened = [false; 2];
    for (opens, good) in opened.iter_mut().zip([2, 3]) {
        let mut breaker = breaker();
        for _ in 0..8 {
            (0..good).for_each(|_| assert_eq!(breaker.note(ms(100), Arm::Candidate, None), None));
            *opens |= breaker.note(ms(100), Arm::Candidate, FAILED).is_some();
        }
    }
    assert_eq!(opened, [true, false], "a third failed, and a quarter");
}

#[test]
fn answers_that_are_late_at_once_do_not_open_it_and_those_that_stay_late_do() {
    let late = Some(Fault::Late);
    let mut breaker = breaker();
    for at in 0..150 {
        assert_eq!(breaker.note(ms(1_000 + at), Arm::Candidate, late), None, "a moment in which all stood still");
    }
    (1_150..2_000).for_each(|at| assert_eq!(breaker.note(ms(at), Arm::Candidate, None), None));
    let opened = (2_000..).find(|at| breaker.note(ms(*at), Arm::Candidate, late).is_some());
    assert_eq!(opened, Some(2_200), "one window after the first");
}

#[test]
fn without_users_of_the_baseline_its_answers_in_place_tell_whether_both_are_late() {
    for (late_in_place, opens) in [(true, false), (false, true)] {
        let mut breaker = breaker();
        let opened = (1_000..3_000).any(|at| {
            breaker.note_in_place(ms(at), late_in_place);
            breaker.note(ms(at), Arm::Candidate, Some(Fault::Late)).is_some()
        });
        assert_eq!(opened, opens);
    }
}

#[test]
fn answers_that_are_late_between_good_ones_open_it_when_it_lasts() {
    let mut breaker = breaker();
    let opened = (1_000..1_400).find(|at| {
        assert_eq!(breaker.note(ms(*at), Arm::Candidate, None), None);
        breaker.note(ms(*at), Arm::Candidate, Some(Fault::Late)).is_some()
    });
    assert_eq!(opened, Some(1_200));
}

#[test]
fn what_hits_both_sides_alike_does_not_open_it() {
    let mut breaker = breaker();
    for _ in 0..50 {
        assert_eq!(breaker.note(ms(100), Arm::Baseline, FAILED), None);
        assert_eq!(breaker.note(ms(100), Arm::Candidate, FAILED), None);
    }
    (0..20).for_each(|_| assert_eq!(breaker.note(ms(100), Arm::Baseline, None), None));
    assert!(breaker.note(ms(100), Arm::Candidate, FAILED).is_some(), "50 of 70 against all");
}

#[test]
fn it_half_opens_after_its_time_and_closes_after_its_probes() {
    let mut breaker = breaker();
    fail(&mut breaker, ms(0));
    assert_eq!(breaker.status(ms(4_000)).reopens_in, Some(ms(6_000)));
    assert_eq!(breaker.tick(ms(9_999), true), None);
    assert_eq!(breaker.tick(ms(10_000), false), None);
    assert_eq!(breaker.tick(ms(10_050), true).expect("its time is over").to, State::HalfOpen);
    assert_eq!((breaker.probe(ms(10_100), true), breaker.probe(ms(10_100), true)), (None, None));
    assert_eq!(breaker.status(ms(10_100)).probes_ok, 2);
    assert_eq!(breaker.probe(ms(10_200), true).expect("the third").to, State::Closed);
    assert_eq!(breaker.status(ms(10_200)).reason, None);
    assert_eq!(breaker.note(ms(10_300), Arm::Candidate, FAILED), None, "the failures of before are forgotten");
}

#[test]
fn a_probe_that_fails_opens_it_for_twice_the_time_up_to_the_most() {
    let mut breaker = breaker();
    fail(&mut breaker, ms(0));
    let mut now = ms(0);
    let mut times_s = Vec::new();
    for _ in 0..6 {
        let wait = breaker.status(now).reopens_in.expect("it is open");
        times_s.push(wait.as_secs());
        now += wait;
        assert_eq!(breaker.tick(now, true).expect("its time is over").to, State::HalfOpen);
        assert_eq!(breaker.probe(now, false).expect("it opens").reason, Some(Reason::Probe));
    }
    assert_eq!(times_s, [10, 20, 40, 80, 160, 300]);
    assert_eq!(breaker.opens(), 7);
}

#[test]
fn a_long_good_time_makes_the_next_opening_short_again() {
    let mut breaker = Breaker::new(CONFIG, 1, 4, false);
    fail(&mut breaker, ms(1_000));
    assert_eq!(breaker.status(ms(1_000)).reopens_in, Some(ms(160_000)));
    let mut breaker = Breaker::new(CONFIG, 1, 4, false);
    fail(&mut breaker, ms(300_000));
    assert_eq!(breaker.status(ms(300_000)).reopens_in, Some(ms(10_000)));
}

#[test]
fn held_open_it_stays_open_until_it_is_released() {
    let mut breaker = breaker();
    let change = breaker.hold(ms(0)).expect("it opens");
    assert_eq!((change.reason, breaker.opens()), (Some(Reason::Operator), 0));
    assert_eq!((breaker.hold(ms(1)), breaker.tick(ms(900_000), true)), (None, None));
    assert_eq!(breaker.status(ms(0)).reopens_in, None);
    breaker.release();
    assert_eq!(breaker.tick(ms(900_000), true).expect("long over").to, State::HalfOpen);
    assert_eq!(Breaker::new(CONFIG, 1, 0, true).state(), State::Open);
}

#[test]
fn without_a_healthy_instance_it_opens_at_once() {
    let mut breaker = breaker();
    assert_eq!(breaker.tick(ms(0), true), None);
    assert_eq!(breaker.tick(ms(50), false).expect("it opens").reason, Some(Reason::Unhealthy));
}

#[test]
fn a_slow_candidate_opens_it_with_both_medians() {
    let mut breaker = breaker();
    let mut found = None;
    for at in 0..1_000 {
        found = found.or(breaker.latency(ms(at), 0, Origin::Baseline, ms(2)));
        found = found.or(breaker.latency(ms(at), 0, Origin::Candidate, ms(20)));
    }
    let change = found.expect("it opens");
    assert_eq!(change.reason, Some(Reason::Slow));
    assert_eq!(change.figures, json!({"route": 0, "baseline_median_us": 2_000, "candidate_median_us": 20_000}));
}

proptest! {
    #[test]
    fn it_never_opens_when_fewer_fail_than_the_plan_says(failed in prop::collection::vec(prop::bool::weighted(0.2), 1..400), gap in 1..50_u64) {
        let mut breaker = breaker();
        let (mut run, mut sum) = (0_u64, 0_u64);
        for (at, failed) in failed.into_iter().enumerate() {
            (run, sum) = if failed { (run + 1, sum + 1) } else { (0, sum) };
            let change = breaker.note(ms(at as u64 * gap), Arm::Candidate, failed.then_some(Fault::Reset));
            if let Some(change) = change {
                prop_assert!(sum >= CONFIG.failures && failed);
                let window = &change.figures["candidate"];
                let (all, bad) = (window["requests"].as_u64().expect("a count"), window["failed"].as_u64().expect("a count"));
                prop_assert!(run >= CONFIG.failures || bad * 10 >= all * 3);
                break;
            }
        }
    }
}
