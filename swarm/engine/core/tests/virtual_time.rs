//! The loop in virtual time: a machine whose clock is a number and whose server answers after a known time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use twinload_engine_core::arrival::Share;
use twinload_engine_core::control::{Command, Control};
use twinload_engine_core::hdr::{Sparse, bucket_of, merge, quantile_us, total};
use twinload_engine_core::io::{Io, Ready};
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Phase, Stage, place};
use twinload_engine_core::tally::{Cause, SecondLine};
use twinload_engine_core::template::{Columns, RequestSpec};
use twinload_engine_core::worker::Worker;

const MS: u64 = 1_000_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What the server does.
#[derive(Clone, Copy)]
struct Server {
    connect_ns: u64,
    service_ns: u64,
    /// Nothing is answered in `stalls_ns..resumes_ns`; what would be is answered at its end.
    stalls_ns: u64,
    resumes_ns: u64,
    refuses: bool,
    silent: bool,
    answer: &'static [u8],
    /// It closes every connection this long after its last answer.
    idle_ns: Option<u64>,
    /// It ends a connection that was idle as long when the next request comes, unanswered.
    forgets_ns: Option<u64>,
    /// It closes every connection as soon as it is open.
    hangs_up: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            connect_ns: MS,
            service_ns: 2 * MS,
            stalls_ns: 0,
            resumes_ns: 0,
            refuses: false,
            silent: false,
            answer: ANSWER,
            idle_ns: None,
            forgets_ns: None,
            hangs_up: false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Opened,
    Answered,
    Ended,
    More,
}

#[derive(Default)]
struct Wire {
    serial: u32,
    inbox: VecDeque<u8>,
    ended: bool,
    answered_ns: Option<u64>,
}

/// The machine: its time moves only in [`Io::wait`].
struct Sim {
    now_ns: u64,
    server: Server,
    wires: Vec<Wire>,
    /// Time, slot, serial and what happens then.
    happenings: BinaryHeap<Reverse<(u64, u32, u32, Happening)>>,
    sent_ns: Vec<u64>,
    opened: u32,
}

impl Io for Sim {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn open(&mut self, slot: u32, serial: u32, _: SocketAddr) -> io::Result<()> {
        self.opened += 1;
        if self.server.refuses {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.wires[slot as usize] = Wire { serial, ..Wire::default() };
        self.happenings.push(Reverse((self.now_ns + self.server.connect_ns, slot, serial, Happening::Opened)));
        Ok(())
    }

    fn opened(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        assert!(bytes.ends_with(b"\r\n\r\n"), "whole requests alone are sent");
        let serial = self.wires[slot as usize].serial;
        self.sent_ns.push(self.now_ns);
        let forgets_ns = self.server.forgets_ns.unwrap_or(u64::MAX);
        let wire = &mut self.wires[slot as usize];
        if wire.answered_ns.is_some_and(|at_ns| self.now_ns - at_ns >= forgets_ns) {
            wire.ended = true;
            self.happenings.push(Reverse((self.now_ns, slot, serial, Happening::Ended)));
        }
        if wire.ended {
            return Ok(bytes.len());
        }
        let mut done_ns = self.now_ns + self.server.service_ns;
        if (self.server.stalls_ns..self.server.resumes_ns).contains(&done_ns) {
            done_ns = self.server.resumes_ns;
        }
        if !self.server.silent {
            self.happenings.push(Reverse((done_ns, slot, serial, Happening::Answered)));
        }
        if let Some(idle_ns) = self.server.idle_ns {
            self.happenings.push(Reverse((done_ns + idle_ns, slot, serial, Happening::Ended)));
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<usize> {
        let wire = &mut self.wires[slot as usize];
        let count = into.len().min(wire.inbox.len());
        wire.inbox.drain(..count).zip(into).for_each(|(byte, place)| *place = byte);
        if count == 0 && !wire.ended { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn again(&mut self, slot: u32, serial: u32) {
        self.happenings.push(Reverse((self.now_ns, slot, serial, Happening::More)));
    }

    fn close(&mut self, slot: u32) {
        self.wires[slot as usize] = Wire::default();
    }

    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let next_ns = self.happenings.peek().map_or(u64::MAX, |Reverse((at_ns, ..))| *at_ns);
        self.now_ns = self.now_ns.max(next_ns.min(until_ns));
        while let Some(&Reverse((at_ns, slot, serial, what))) = self.happenings.peek() {
            if at_ns > self.now_ns {
                break;
            }
            self.happenings.pop();
            let wire = &mut self.wires[slot as usize];
            if wire.serial == serial {
                if what == Happening::Answered {
                    wire.answered_ns = Some(at_ns);
                    wire.inbox.extend(self.server.answer);
                }
                wire.ended |= what == Happening::Ended || self.server.hangs_up;
                let (readable, writable) = (what != Happening::Opened, what == Happening::Opened);
                ready.push(Ready { slot, serial, readable, writable, closed: wire.ended });
            }
        }
        Ok(())
    }

    fn cpu_ns(&self) -> u64 {
        0
    }
}

struct Run {
    lines: Vec<SecondLine>,
    sent_ns: Vec<u64>,
    opened: u32,
}

impl Run {
    fn sum(&self, count: impl Fn(&SecondLine) -> u64) -> u64 {
        self.lines.iter().map(count).sum()
    }

    fn done(&self) -> u64 {
        self.sum(|line| line.status.iter().map(|status| status.done).sum())
    }

    fn failed(&self, wanted: Cause) -> u64 {
        let all = self.lines.iter().flat_map(|line| &line.status).flat_map(|status| &status.failed);
        all.filter(|(cause, _)| *cause == wanted).map(|(_, count)| count).sum()
    }

    fn merged(&self, part: impl Fn(&SecondLine) -> Vec<Sparse>) -> Sparse {
        let mut all = Sparse::new();
        self.lines.iter().flat_map(part).for_each(|one| merge(&mut all, &one));
        all
    }

    fn latency(&self) -> Sparse {
        self.merged(|line| line.status.iter().map(|status| status.latency.clone()).collect())
    }

    fn service(&self) -> Sparse {
        self.merged(|line| line.status.iter().map(|status| status.service.clone()).collect())
    }
}

fn plan(load: Load, length_s: f64) -> Plan {
    let target = SocketAddr::from(([127, 0, 0, 1], 9));
    Plan::simple(vec![target], RequestSpec::get("/"), Columns::default(), vec![Stage::new(7, load, 0.0, length_s)])
}

/// Runs a plan; commands come at their times.
fn run(plan: &Plan, server: Server, mut commands: Vec<(u64, Command)>) -> Run {
    let control = Arc::new(Control::default());
    let slots = plan.max_connections as usize;
    let wires = std::iter::repeat_with(Wire::default).take(slots).collect();
    let sim = Sim { now_ns: 0, server, wires, happenings: BinaryHeap::new(), sent_ns: Vec::new(), opened: 0 };
    let stages = place(&plan.stages, 0).expect("stages");
    let mut worker = Worker::new(plan, stages, Share::WHOLE, sim, Arc::clone(&control)).expect("a plan");
    while worker.turn().expect("a turn") {
        let now_ns = worker.io().now_ns;
        commands.retain(|&(at_ns, command)| {
            let due = at_ns <= now_ns;
            if due {
                control.ask(command);
            }
            !due
        });
    }
    let lines = control.drain().lines;
    Run { lines, sent_ns: std::mem::take(&mut worker.io().sent_ns), opened: worker.io().opened }
}

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
    let refusing = Server { refuses: true, ..Server::default() };
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
