//! Receive coalescing in virtual time: a machine that knows when its kernel received each answer.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use twinload_engine_core::arrival::Share;
use twinload_engine_core::control::{Command, Control, Vitals};
use twinload_engine_core::hdr::{Sparse, bucket_of, merge, quantile_us, total};
use twinload_engine_core::io::{Io, Ready, Received};
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Stage, place};
use twinload_engine_core::tally::{Cause, SecondLine};
use twinload_engine_core::template::{Columns, RequestSpec};
use twinload_engine_core::worker::Worker;

const MS: u64 = 1_000_000;
const CONNECT_NS: u64 = MS;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[derive(Default)]
struct Wire {
    serial: u32,
    /// When the unread answer was received.
    answered_ns: Option<u64>,
}

/// Its time moves only while the engine waits or rests; what happens is one opened connection or one whole answer.
struct Sim {
    now_ns: u64,
    service_ns: u64,
    /// How wrong the kernel's times are.
    stamp_error_ns: i64,
    wires: Vec<Wire>,
    /// Time, slot, serial, and whether it is an answer.
    happenings: BinaryHeap<Reverse<(u64, u32, u32, bool)>>,
    changed: BTreeSet<u32>,
    wakes_ns: Vec<u64>,
    sent_ns: Vec<u64>,
    looks: u32,
}

impl Sim {
    fn new(service_ns: u64, slots: u32, wakes_ns: Vec<u64>) -> Self {
        Self {
            now_ns: 0,
            service_ns,
            stamp_error_ns: 0,
            wires: (0..slots).map(|_| Wire::default()).collect(),
            happenings: BinaryHeap::new(),
            changed: BTreeSet::new(),
            wakes_ns,
            sent_ns: Vec::new(),
            looks: 0,
        }
    }

    /// What the kernel does meanwhile.
    fn happen(&mut self) {
        while let Some(&Reverse((at_ns, slot, serial, answer))) = self.happenings.peek()
            && at_ns <= self.now_ns
        {
            self.happenings.pop();
            let wire = &mut self.wires[slot as usize];
            if wire.serial == serial {
                wire.answered_ns = answer.then_some(at_ns);
                self.changed.insert(slot);
            }
        }
    }

    fn move_to(&mut self, until_ns: u64) -> bool {
        let wake_ns = self.wakes_ns.iter().copied().find(|&at_ns| at_ns > self.now_ns).unwrap_or(u64::MAX);
        self.now_ns = self.now_ns.max(until_ns.min(wake_ns));
        wake_ns <= until_ns
    }
}

impl Io for Sim {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn open(&mut self, slot: u32, serial: u32, _: SocketAddr) -> io::Result<()> {
        self.wires[slot as usize] = Wire { serial, answered_ns: None };
        self.happenings.push(Reverse((self.now_ns + CONNECT_NS, slot, serial, false)));
        Ok(())
    }

    fn opened(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        self.sent_ns.push(self.now_ns);
        let serial = self.wires[slot as usize].serial;
        self.happenings.push(Reverse((self.now_ns + self.service_ns, slot, serial, true)));
        Ok(bytes.len())
    }

    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<Received> {
        self.happen();
        let Some(at_ns) = self.wires[slot as usize].answered_ns.take() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        into[..ANSWER.len()].copy_from_slice(ANSWER);
        Ok(Received { count: ANSWER.len(), at_ns: Some(at_ns.saturating_add_signed(self.stamp_error_ns)) })
    }

    fn close(&mut self, slot: u32) {
        self.wires[slot as usize] = Wire::default();
    }

    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        self.looks += 1;
        self.happen();
        if self.changed.is_empty() {
            let next_ns = self.happenings.peek().map_or(u64::MAX, |Reverse((at_ns, ..))| *at_ns);
            self.move_to(next_ns.min(until_ns));
            self.happen();
        }
        ready.extend(std::mem::take(&mut self.changed).into_iter().map(|slot| {
            let Wire { serial, answered_ns } = self.wires[slot as usize];
            Ready { slot, serial, readable: answered_ns.is_some(), writable: true, closed: false }
        }));
        Ok(())
    }

    fn again(&mut self, _: u32, _: u32) {
        unreachable!("answers are short here")
    }

    fn rest(&mut self, until_ns: u64) -> io::Result<bool> {
        Ok(self.move_to(until_ns))
    }

    fn cpu_ns(&self) -> u64 {
        0
    }
}

struct Run {
    lines: Vec<SecondLine>,
    vitals: Vitals,
    sent_ns: Vec<u64>,
    looks: u32,
}

impl Run {
    fn merged(&self, part: impl Fn(&SecondLine) -> Vec<&Sparse>) -> Sparse {
        let mut all = Sparse::new();
        self.lines.iter().flat_map(part).for_each(|one| merge(&mut all, one));
        all
    }

    fn service(&self) -> Sparse {
        self.merged(|line| line.status.iter().map(|status| &status.service).collect())
    }

    fn latency(&self) -> Sparse {
        self.merged(|line| line.status.iter().map(|status| &status.latency).collect())
    }

    fn failed(&self) -> Vec<(Cause, u64)> {
        self.lines.iter().flat_map(|line| &line.status).flat_map(|status| status.failed.clone()).collect()
    }
}

/// Coalesces for 5 ms.
fn plan(load: Load, length_s: f64) -> Plan {
    let target = SocketAddr::from(([127, 0, 0, 1], 9));
    let stages = vec![Stage::new(7, load, 0.0, length_s)];
    Plan { coalesce_us: 5_000, ..Plan::simple(vec![target], RequestSpec::get("/"), Columns::default(), stages) }
}

fn run(plan: &Plan, service_ns: u64, stamp_error_ns: i64, command: Option<(u64, Command)>) -> Run {
    let control = Arc::new(Control::default());
    let wakes_ns = command.iter().map(|(at_ns, _)| *at_ns).collect();
    let sim = Sim { stamp_error_ns, ..Sim::new(service_ns, plan.max_connections, wakes_ns) };
    let stages = place(&plan.stages, 0).expect("stages");
    let mut worker = Worker::new(plan, stages, Share::WHOLE, sim, Arc::clone(&control)).expect("a plan");
    let mut command = command;
    while worker.turn().expect("a turn") {
        if let Some((_, command)) = command.take_if(|(at_ns, _)| *at_ns <= worker.io().now_ns) {
            control.ask(command);
        }
    }
    let told = control.drain();
    let (sent_ns, looks) = (std::mem::take(&mut worker.io().sent_ns), worker.io().looks);
    Run { lines: told.lines, vitals: told.vitals, sent_ns, looks }
}

#[test]
fn a_user_waits_for_the_look_and_its_service_time_does_not() {
    let one = run(&plan(Load::Users(1), 0.0995), MS, 0, None);
    // Opened at 1 ms and sent; answered at 2 ms, read at 6 ms and sent again, and so on.
    let wanted: Vec<u64> = (0..20).map(|at| (1 + 5 * at) * MS).collect();
    assert_eq!(one.sent_ns, wanted);
    assert_eq!((one.service(), one.vitals.stamped, one.vitals.clamped), (vec![(1_000, 20)], 20, 0));
    // The last was sent at 96 ms and the stage ended at 99.5; its answer of 97 ms is read at 101 ms and is no drain.
    assert_eq!(one.lines.len(), 1, "{:?}", one.lines);
    let plain = run(&Plan { coalesce_us: 0, ..plan(Load::Users(1), 0.0995) }, MS, 0, None);
    assert_eq!((plain.sent_ns.len(), plain.service()), (99, vec![(1_000, 99)]));
}

#[test]
fn a_schedule_is_kept_while_answers_lie_unread() {
    let rate = plan(Load::Rate(1_000.0), 2.0);
    let one = run(&rate, 2 * MS, 0, None);
    assert_eq!(one.merged(|line| vec![&line.send_lag]), [(1, 2_000)]);
    assert_eq!((one.service(), one.vitals.stamped), (vec![(2_000, 2_000)], 2_000));
    // Whom no connection is free for waits 1 ms for one to open, or less for one to be free; nobody longer.
    assert!(quantile_us(&one.latency(), 1.0).expect("samples") <= 3_001);
    let plain = run(&Plan { coalesce_us: 0, ..rate }, 2 * MS, 0, None);
    assert!(4 * one.looks < plain.looks, "{} looks, else {}", one.looks, plain.looks);
    // An answer of the end of a second that is read in the next does not tell that second twice.
    let keys: BTreeSet<_> = one.lines.iter().map(|line| line.key).collect();
    assert_eq!((keys.len(), total(&one.latency())), (one.lines.len(), 2_000));
}

#[test]
fn an_arrival_that_waits_for_a_connection_does_not_wait_for_the_look() {
    // One connection, answered in 2 ms, at 400 a second: nobody finds it busy, unless unread answers made it so.
    let one = run(&Plan { max_connections: 1, ..plan(Load::Rate(400.0), 1.0) }, 2 * MS, 0, None);
    assert_eq!(one.merged(|line| vec![&line.send_lag]), [(1, 400)]);
    assert_eq!(one.latency().last().map(|(bucket, _)| *bucket), Some(bucket_of(3_000)));
}

#[test]
fn an_answer_before_its_time_out_counts_and_one_after_it_does_not() {
    // Sent at 1 ms, looked at 6 ms; the time-out comes at 5.5 ms.
    let users = Plan { timeout_s: 0.0045, ..plan(Load::Users(1), 0.003) };
    let before = run(&users, 4 * MS, 0, None);
    assert_eq!((before.service(), before.failed()), (vec![(bucket_of(4_000), 1)], vec![]));
    let after = run(&users, 4 * MS + MS * 6 / 10, 0, None);
    assert_eq!((after.service(), after.failed()), (vec![(bucket_of(4_500), 1)], vec![(Cause::Timeout, 1)]));
}

#[test]
fn a_command_ends_the_rest() {
    let one = run(&plan(Load::Users(1), 1.0), 50 * MS, 0, Some((3 * MS, Command::Abort)));
    assert_eq!((one.service(), one.failed()), (vec![(bucket_of(2_000), 1)], vec![(Cause::Stopped, 1)]));
}

#[test]
fn a_kernel_time_before_the_send_or_after_now_is_clamped_and_counted() {
    let early = run(&plan(Load::Users(1), 0.1), MS, -20_000_000, None);
    assert_eq!((early.service(), early.vitals.clamped), (vec![(1, 20)], 20));
    let late = run(&plan(Load::Users(1), 0.1), MS, 20_000_000, None);
    assert_eq!((late.service(), late.vitals.clamped), (vec![(bucket_of(5_000), 20)], 20));
}
