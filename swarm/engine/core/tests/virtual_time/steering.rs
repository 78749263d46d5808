//! What an owner sees and steers: vitals second by second, connections opened ahead, a share taken over, orders.

use twinload_engine_core::control::Command;
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Phase, Stage};
use twinload_engine_core::tally::{Cause, SecondLine};

use crate::sim::{MS, Run, Server, plan, run, run_on, worker};

/// Runs a plan whose first stage begins at a moment, its connections opened before.
fn run_ahead(plan: &Plan, server: Server, starts_ns: u64) -> Run {
    let (worker, control) = worker(plan, server, starts_ns);
    run_on(worker, &control, vec![])
}

#[test]
fn vitals_are_told_at_every_second_idle_or_not() {
    // The server closes its connection 1.2 s after the answer.
    let server = Server { idle_ns: Some(1_200 * MS), ..Server::default() };
    let one = run(&plan(Load::Rate(1.0 / 3.0), 4.0), server, vec![]);
    let all: Vec<_> = one
        .seconds
        .iter()
        .map(|(second, vitals)| (*second, vitals.cpu_ns / MS, vitals.opened, vitals.closed))
        .collect();
    // The only arrival is at 1.5 s, half a step of 3 s; its end at 1,503 ms, the close at 2,703 ms; CPU time is a quarter.
    assert_eq!(all, [(1, 250, 0, 0), (2, 500, 1, 0), (3, 750, 1, 1), (4, 1_000, 1, 1), (5, 1_000, 1, 1)]);
}

#[test]
fn connections_opened_ahead_are_there_at_the_begin_and_nobody_waits_for_one() {
    let ahead = Plan { open_ahead: 40, ..plan(Load::Rate(1_000.0), 1.0) };
    let one = run_ahead(&ahead, Server { service_ns: 30 * MS, ..Server::default() }, 1_500 * MS);
    assert_eq!((one.opened, one.done(), one.lines[0].key.second), (40, 1_000, 1));
    assert_eq!(one.seconds[0].1.opened, 40);
    // 1 a ms at 30 ms each: 30 of the 40 are in use, every request is sent when it was meant to be.
    let wanted_ns = |at: u64| 1_500 * MS + MS / 2 + at * MS;
    assert!(one.sent_ns.iter().zip(0..).all(|(sent_ns, at)| sent_ns.abs_diff(wanted_ns(at)) <= 1), "{:?}", one.sent_ns);
    assert_eq!(one.lines.iter().map(|line| line.backlog_max).max(), Some(0));
}

#[test]
fn a_refusal_ahead_is_tried_again_and_fails_no_request() {
    let ahead = Plan { open_ahead: 2, ..plan(Load::Rate(100.0), 1.0) };
    let one = run_ahead(&ahead, Server { refuses_until_ns: 100 * MS, ..Server::default() }, 1_000 * MS);
    // Each of the two is refused at 0, 10, 30 and 70 ms, and opens at 150 ms.
    let last = one.seconds.last().expect("seconds").1;
    assert_eq!((one.opened, last.refused, last.opened), (10, 8, 2));
    assert_eq!((one.sum(|line| line.sent), one.done()), (100, 100));
    assert!(one.lines.iter().flat_map(|line| &line.status).all(|status| status.failed.is_empty()));
}

#[test]
fn who_takes_over_sends_and_counts_from_then_on_alone() {
    let stages = vec![
        Stage::new(1, Load::Users(3), 0.0, 1.0),
        Stage::new(2, Load::Rate(10.0), 1.0, 2.0),
        Stage::new(3, Load::Users(2), 0.0, 1.0),
    ];
    let whole = Plan { stages, open_ahead: 4, ..plan(Load::Users(0), 1.0) };
    let (late, control) = worker(&whole, Server::default(), 0);
    let one = run_on(late.taking_over(2_500 * MS), &control, vec![]);
    let offered = |stage, phase| {
        let of = |line: &&SecondLine| line.key.stage == stage && line.key.phase == phase;
        one.lines.iter().filter(of).map(|line| line.offered).sum::<u64>()
    };
    assert_eq!((one.sent_ns[0], one.lines[0].key.second, one.seconds[0].0), (2_550 * MS, 2, 3));
    assert_eq!((one.seconds[0].1.opened, offered(2, Phase::Warmup), offered(2, Phase::Measure)), (4, 0, 15));
    // Two users for a second of 2 ms a request.
    assert_eq!(offered(3, Phase::Measure), 1_000);
}

#[test]
fn users_of_a_stage_under_way_begin_when_it_is_taken_over() {
    let (late, control) = worker(&plan(Load::Users(5), 4.0), Server::default(), 0);
    let one = run_on(late.taking_over(1_500 * MS), &control, vec![(200 * MS, Command::Users(4))]);
    assert!(one.sent_ns.iter().all(|&sent_ns| sent_ns >= 1_500 * MS));
    // 1 ms to connect, then a request every 2 ms, the last sent at 3,999 ms: 1,250 for each of five users.
    assert_eq!((one.done(), one.opened), (5 * 1_250, 5));
}

#[test]
fn a_new_rate_and_a_stop_are_obeyed_the_nanosecond_they_come() {
    let endless = Plan { open_ahead: 64, ..plan(Load::Rate(100.0), f64::INFINITY) };
    let (ordered_ns, stopped_ns) = (1_000_000_003, 1_002_000_001);
    let (late, control) = worker(&endless, Server::default(), 10 * MS);
    let one = run_on(late, &control, vec![(ordered_ns, Command::Rate(10_000.0)), (stopped_ns, Command::Stop)]);
    // 99 until then; of the hundredth step 0.5 - 3e-7 are left, 49,999.97 ns at 10,000 a second; then one every 100 µs.
    let after: Vec<u64> = one.sent_ns.iter().copied().filter(|&sent_ns| sent_ns > ordered_ns).collect();
    assert_eq!((one.sent_ns.len() - after.len(), after.len()), (99, 20));
    assert!((0..).zip(&after).all(|(at, sent_ns)| sent_ns.abs_diff(1_000_050_002 + 100_000 * at) <= 1), "{after:?}");
    assert_eq!((one.sum(|line| line.offered), one.sum(|line| line.sent), one.done()), (119, 119, 119));
}

#[test]
fn new_users_begin_the_nanosecond_they_come() {
    let endless = Plan { open_ahead: 2, ..plan(Load::Users(0), f64::INFINITY) };
    let (late, control) = worker(&endless, Server::default(), 10 * MS);
    let from_ns = 1_000_000_007;
    let orders = vec![
        (from_ns, Command::Users(2)),
        (from_ns + 5 * MS, Command::Users(1)),
        (from_ns + 9 * MS + 1, Command::Users(0)),
        (from_ns + 20 * MS, Command::Stop),
    ];
    let one = run_on(late, &control, orders);
    // Requests of 2 ms: two at a time until 4 ms, then one until 8 ms.
    let wanted_ms = [0, 0, 2, 2, 4, 4, 6, 8];
    assert_eq!(one.sent_ns, wanted_ms.map(|at_ms| from_ns + at_ms * MS));
    assert_eq!(one.done(), 8);
}

#[test]
fn an_abort_ends_the_engine_the_nanosecond_it_comes() {
    let silent = Server { silent: true, ..Server::default() };
    let one = run(&plan(Load::Rate(100.0), f64::INFINITY), silent, vec![(100_000_004, Command::Abort)]);
    assert_eq!((one.failed(Cause::Stopped), one.done()), (10, 10));
    // CPU time is a quarter of the time.
    assert_eq!(one.seconds.last().map(|(_, vitals)| vitals.cpu_ns * 4), Some(100_000_004));
}

#[test]
fn users_who_think_send_at_the_rate_that_their_round_makes() {
    let thinking = Plan { think_s: 0.048, open_ahead: 4, ..plan(Load::Users(4), 2.0) };
    let one = run_ahead(&thinking, Server::default(), 100 * MS);
    // A round is 48 + 2 ms, and the first begins within the first 48 ms: 40 rounds for each of 4 users, 80 a second.
    assert_eq!((one.done(), one.sum(|line| line.sent)), (160, 160));
    assert!(one.sent_ns[0] >= 100 * MS && one.sent_ns[3] <= 148 * MS);
    assert!(one.sent_ns.windows(5).all(|five| five[4] - five[0] == 50 * MS));
}
