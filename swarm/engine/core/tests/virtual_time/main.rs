//! The loop in virtual time: what is sent when, what is counted, and how faults end.

mod checks;
mod ids;
mod memory;
mod sim;
mod steering;

use twinload_engine_core::control::Command;
use twinload_engine_core::hdr::{bucket_of, quantile_us, total};
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Phase};
use twinload_engine_core::tally::Cause;

use sim::{MS, Server, plan, run};

#[test]
fn an_open_loop_sends_when_it_should_and_a_second_counts_what_ended_in_it() {
    let one = run(&plan(Load::Rate(10.0), 2.0), Server::default(), vec![]);
    // 50 ms, 150 ms, …; the first waits 1 ms for its connection, the others find it free.
    let wanted: Vec<u64> = (0..20).map(|at| (50 + 100 * at + u64::from(at == 0)) * MS).collect();
    assert_eq!(one.sent_ns, wanted);
    assert_eq!(one.opened, 1);
    assert_eq!(
        one.lines.iter().map(|line| (line.key.second, line.offered, line.sent)).collect::<Vec<_>>(),
        [(0, 10, 10), (1, 10, 10)]
    );
    assert_eq!(one.service(), [(2_000, 20)]);
    assert_eq!(one.latency(), [(2_000, 19), (bucket_of(3_000), 1)]);
    // Waiting for a connection to open is backlog, not lag of the sender.
    assert_eq!(one.merged(|line| vec![line.send_lag.clone()]), [(1, 20)]);
    assert_eq!(one.lines[0].backlog_max, 1);
}

#[test]
fn who_waits_for_a_connection_has_the_wait_in_its_latency_and_not_in_its_service_time() {
    // One connection of 2 ms a request at 1,000 a second: the k-th arrival waits about k ms.
    let one = run(&Plan { max_connections: 1, ..plan(Load::Rate(1_000.0), 0.1) }, Server::default(), vec![]);
    assert_eq!((one.done(), one.opened), (100, 1));
    assert_eq!(one.service(), [(2_000, 100)]);
    // The last arrives at 99.5 ms and ends at 0.5 + 1 + 100 * 2 ms: 102 ms.
    let longest = quantile_us(&one.latency(), 1.0).expect("samples") as f64;
    assert!((longest / 102_000.0 - 1.0).abs() < 0.001, "{longest}");
    assert_eq!(one.merged(|line| vec![line.send_lag.clone()]), [(1, 100)]);
    // What ended after the stage's 100 ms is drain; the sum is whole.
    assert!(one.lines.iter().any(|line| line.key.phase == Phase::Drain));
}

#[test]
fn a_stall_makes_every_arrival_in_it_wait_until_its_end() {
    let server = Server { stalls_ns: 1_000 * MS, resumes_ns: 2_000 * MS, ..Server::default() };
    let one = run(&plan(Load::Rate(1_000.0), 4.0), server, vec![]);
    let latency = one.latency();
    assert_eq!((total(&latency), one.done()), (4_000, 4_000));
    // Arrivals at (k + 0.5) ms; 64 connections are held by the first of the stall, the others queue and drain at 32 a ms.
    for (q, wanted_ms) in [(1.0, 1_001.5), (0.99, 961.5)] {
        let measured = quantile_us(&latency, q).expect("samples") as f64 / 1e3;
        assert!((measured / wanted_ms - 1.0).abs() < 0.005, "q {q}: {measured} of {wanted_ms}");
    }
    // Service time hides it: 64 requests alone saw the stall.
    assert!(quantile_us(&one.service(), 0.98).expect("samples") < 3_000);
}

#[test]
fn arrivals_beyond_the_limits_are_dropped_and_counted() {
    let small = Plan { max_connections: 1, max_pending: 5, ..plan(Load::Rate(1_000.0), 0.1) };
    let one = run(&small, Server { service_ns: 10 * MS, ..Server::default() }, vec![]);
    assert_eq!(one.sum(|line| line.offered), 100);
    assert_eq!(one.sum(|line| line.dropped) + one.sum(|line| line.sent), 100);
    assert_eq!((one.done(), one.lines[0].backlog_max), (one.sum(|line| line.sent), 5));

    let late = Plan { max_connections: 1, queue_limit_s: 0.02, ..small };
    let two = run(&Plan { max_pending: 1_000, ..late }, Server { service_ns: 10 * MS, ..Server::default() }, vec![]);
    assert!(two.sum(|line| line.dropped) > 50);
    // Nobody is sent after it waited 20 ms.
    assert!(quantile_us(&two.latency(), 1.0).expect("samples") <= 30_100);
}

#[test]
fn an_answer_that_does_not_come_fails_at_its_time_out() {
    let silent = Server { silent: true, ..Server::default() };
    let one = run(&Plan { timeout_s: 0.25, ..plan(Load::Rate(10.0), 1.0) }, silent, vec![]);
    assert_eq!((one.done(), one.failed(Cause::Timeout)), (10, 10));
    assert_eq!(one.service(), [(bucket_of(250_000), 10)]);
}

#[test]
fn a_refusing_target_is_asked_again_after_ever_longer_pauses() {
    let refusing = Server { refuses_until_ns: u64::MAX, ..Server::default() };
    let one = run(&Plan { max_connections: 1, queue_limit_s: 5.0, ..plan(Load::Rate(100.0), 1.0) }, refusing, vec![]);
    // At 5 ms, then 10, 20, … 640 ms later, then every second until nobody waits (at 6 s): 7 within the first 1.3 s.
    assert!((11..=13).contains(&one.opened), "{}", one.opened);
    assert_eq!(one.failed(Cause::Connect), u64::from(one.opened));
    assert_eq!(one.sum(|line| line.dropped) + one.failed(Cause::Connect), 100);
}

#[test]
fn a_connection_closed_while_idle_costs_no_request() {
    let closing = Server { idle_ns: Some(20 * MS), ..Server::default() };
    let one = run(&plan(Load::Rate(10.0), 1.0), closing, vec![]);
    assert_eq!((one.done(), one.opened), (10, 10));
    assert!(one.lines.iter().flat_map(|line| &line.status).all(|status| status.failed.is_empty()));
}

#[test]
fn a_request_that_met_a_connection_closed_in_idleness_is_sent_once_more() {
    let forgetful = Server { forgets_ns: Some(1_000 * MS), ..Server::default() };
    let slow = run(&plan(Load::Rate(0.5), 6.0), forgetful, vec![]);
    assert_eq!((slow.done(), slow.sum(|line| line.sent), slow.failed(Cause::Reset)), (3, 3, 0));
    assert_eq!((slow.sent_ns.len(), slow.opened), (5, 3));
    // A connection that was in use a moment ago has no such excuse.
    let busy = run(&plan(Load::Rate(10.0), 1.0), Server { forgets_ns: Some(50 * MS), ..Server::default() }, vec![]);
    assert_eq!((busy.done(), busy.failed(Cause::Reset)), (10, 5));
}

#[test]
fn a_server_that_hangs_up_at_once_costs_one_connection_a_request() {
    let one = run(&plan(Load::Rate(10.0), 1.0), Server { hangs_up: true, ..Server::default() }, vec![]);
    assert_eq!((one.done(), one.failed(Cause::Reset), one.opened), (10, 10, 10));
}

#[test]
fn broken_and_unexpected_answers_fail_by_their_cause() {
    let broken = run(&plan(Load::Rate(10.0), 1.0), Server { answer: b"SSH-2.0\r\n\r\n", ..Server::default() }, vec![]);
    assert_eq!((broken.failed(Cause::Other), broken.opened), (10, 10));
    let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    let busy = run(&plan(Load::Rate(10.0), 1.0), Server { answer, ..Server::default() }, vec![]);
    assert_eq!((busy.failed(Cause::Status(503)), busy.opened), (10, 1));
    let garbage = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more";
    let more = run(&plan(Load::Rate(10.0), 1.0), Server { answer: garbage, ..Server::default() }, vec![]);
    assert_eq!((more.done(), more.opened), (10, 10));
}

#[test]
fn closed_loop_users_wait_for_their_answer_and_think() {
    let one = run(&Plan { think_s: 0.048, ..plan(Load::Users(4), 2.0) }, Server::default(), vec![]);
    // A round takes 50 ms: 20 a second for each of 4 users, less a part of the first and the last round.
    assert!((152..=160).contains(&one.done()), "{}", one.done());
    assert_eq!((one.latency(), one.sum(|line| line.sent)), (vec![], one.done()));
}

#[test]
fn a_new_rate_and_the_end_are_obeyed_at_once() {
    let endless = plan(Load::Rate(100.0), f64::INFINITY);
    let commands = vec![(1_000 * MS, Command::Rate(1_000.0)), (2_000 * MS, Command::Stop)];
    let one = run(&endless, Server::default(), commands);
    let sent_before = |at_ns| one.sent_ns.iter().filter(|&&sent_ns| sent_ns < at_ns).count();
    assert!((99..=102).contains(&sent_before(1_000 * MS)), "{}", sent_before(1_000 * MS));
    assert!((1_090..=1_103).contains(&one.sent_ns.len()), "{}", one.sent_ns.len());
    assert!(one.sent_ns.iter().all(|&sent_ns| sent_ns <= 2_010 * MS));
    assert_eq!(one.done(), one.sent_ns.len() as u64);
}

#[test]
fn abort_fails_what_is_on_its_way() {
    let silent = Server { silent: true, ..Server::default() };
    let one = run(&plan(Load::Rate(100.0), f64::INFINITY), silent, vec![(100 * MS, Command::Abort)]);
    assert_eq!((one.done(), one.failed(Cause::Stopped)), (one.sum(|line| line.sent), one.sum(|line| line.sent)));
}

#[test]
fn a_body_larger_than_one_turn_reads_is_read_on_without_another_event_of_the_server() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 3_000_000, b'x');
    let one = run(&plan(Load::Rate(10.0), 0.3), Server { answer: answer.leak(), ..Server::default() }, vec![]);
    let bytes = one.sum(|line| line.status.iter().map(|status| status.bytes).sum());
    assert_eq!((one.done(), one.failed(Cause::Timeout), bytes, one.opened), (3, 0, 9_000_000, 1));
}
