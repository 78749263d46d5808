//! A machine whose clock is a number and whose server answers after a known time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use twinload_engine_core::arrival::Share;
use twinload_engine_core::control::{Command, Control, Vitals};
use twinload_engine_core::hdr::{Sparse, merge};
use twinload_engine_core::io::{Io, Ready, Received};
use twinload_engine_core::plan::Plan;
use twinload_engine_core::stage::{Load, Stage, place};
use twinload_engine_core::tally::{Cause, SecondLine};
use twinload_engine_core::template::{Columns, RequestSpec};
use twinload_engine_core::worker::Worker;

pub(crate) const MS: u64 = 1_000_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What the server does.
#[derive(Clone, Copy)]
pub(crate) struct Server {
    pub(crate) connect_ns: u64,
    pub(crate) service_ns: u64,
    /// Nothing is answered in `stalls_ns..resumes_ns`; what would be is answered at its end.
    pub(crate) stalls_ns: u64,
    pub(crate) resumes_ns: u64,
    /// Nobody can connect before.
    pub(crate) refuses_until_ns: u64,
    pub(crate) silent: bool,
    pub(crate) answer: &'static [u8],
    /// It closes every connection this long after its last answer.
    pub(crate) idle_ns: Option<u64>,
    /// It ends a connection that was idle as long when the next request comes, unanswered.
    pub(crate) forgets_ns: Option<u64>,
    /// It closes every connection as soon as it is open.
    pub(crate) hangs_up: bool,
    /// It keeps the requests' first lines.
    pub(crate) keeps: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            connect_ns: MS,
            service_ns: 2 * MS,
            stalls_ns: 0,
            resumes_ns: 0,
            refuses_until_ns: 0,
            silent: false,
            answer: ANSWER,
            idle_ns: None,
            forgets_ns: None,
            hangs_up: false,
            keeps: false,
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
pub(crate) struct Sim {
    pub(crate) now_ns: u64,
    pub(crate) server: Server,
    wires: Vec<Wire>,
    /// Time, slot, serial and what happens then.
    happenings: BinaryHeap<Reverse<(u64, u32, u32, Happening)>>,
    pub(crate) sent_ns: Vec<u64>,
    kept: Vec<String>,
    pub(crate) opened: u32,
    /// When waiting ends although nothing happened, as it does when the engine is woken; in order.
    pub(crate) wakes_ns: VecDeque<u64>,
}

impl Io for Sim {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn open(&mut self, slot: u32, serial: u32, _: SocketAddr) -> io::Result<()> {
        self.opened += 1;
        if self.now_ns < self.server.refuses_until_ns {
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
        if self.server.keeps {
            self.kept.extend(String::from_utf8_lossy(bytes).lines().next().map(str::to_owned));
        }
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

    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<Received> {
        let wire = &mut self.wires[slot as usize];
        let count = into.len().min(wire.inbox.len());
        wire.inbox.drain(..count).zip(into).for_each(|(byte, place)| *place = byte);
        if count == 0 && !wire.ended {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(Received { count, at_ns: None })
        }
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
        while self.wakes_ns.front().is_some_and(|&at_ns| at_ns <= self.now_ns) {
            self.wakes_ns.pop_front();
        }
        let wake_ns = self.wakes_ns.front().copied().unwrap_or(u64::MAX);
        self.now_ns = self.now_ns.max(next_ns.min(until_ns).min(wake_ns));
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

    /// A quarter of the time.
    fn rest(&mut self, _: u64) -> io::Result<bool> {
        unreachable!("nothing here coalesces")
    }

    fn cpu_ns(&self) -> u64 {
        self.now_ns / 4
    }
}

pub(crate) struct Run {
    pub(crate) lines: Vec<SecondLine>,
    pub(crate) seconds: Vec<(u64, Vitals)>,
    pub(crate) sent_ns: Vec<u64>,
    /// The requests' first lines, of a server that keeps them.
    pub(crate) kept: Vec<String>,
    pub(crate) opened: u32,
}

impl Run {
    pub(crate) fn sum(&self, count: impl Fn(&SecondLine) -> u64) -> u64 {
        self.lines.iter().map(count).sum()
    }

    pub(crate) fn done(&self) -> u64 {
        self.sum(|line| line.status.iter().map(|status| status.done).sum())
    }

    pub(crate) fn failed(&self, wanted: Cause) -> u64 {
        let all = self.lines.iter().flat_map(|line| &line.status).flat_map(|status| &status.failed);
        all.filter(|(cause, _)| *cause == wanted).map(|(_, count)| count).sum()
    }

    pub(crate) fn merged(&self, part: impl Fn(&SecondLine) -> Vec<Sparse>) -> Sparse {
        let mut all = Sparse::new();
        self.lines.iter().flat_map(part).for_each(|one| merge(&mut all, &one));
        all
    }

    pub(crate) fn latency(&self) -> Sparse {
        self.merged(|line| line.status.iter().map(|status| status.latency.clone()).collect())
    }

    pub(crate) fn service(&self) -> Sparse {
        self.merged(|line| line.status.iter().map(|status| status.service.clone()).collect())
    }
}

pub(crate) fn plan(load: Load, length_s: f64) -> Plan {
    let target = SocketAddr::from(([127, 0, 0, 1], 9));
    Plan::simple(vec![target], RequestSpec::get("/"), Columns::default(), vec![Stage::new(7, load, 0.0, length_s)])
}

/// Returns a worker on a machine whose time is 0, with its stages from a moment on, and its mailbox.
pub(crate) fn worker(plan: &Plan, server: Server, starts_ns: u64) -> (Worker<Sim>, Arc<Control>) {
    let control = Arc::new(Control::default());
    let wires = std::iter::repeat_with(Wire::default).take(plan.max_connections as usize).collect();
    let sim = Sim {
        now_ns: 0,
        server,
        wires,
        happenings: BinaryHeap::new(),
        sent_ns: Vec::with_capacity(65_536),
        kept: Vec::new(),
        opened: 0,
        wakes_ns: VecDeque::new(),
    };
    let stages = place(&plan.stages, starts_ns).expect("stages");
    let worker = Worker::new(plan, stages, Share::WHOLE, sim, Arc::clone(&control)).expect("a plan");
    (worker, control)
}

/// Runs a plan; commands come, and wake the engine, at their times.
pub(crate) fn run(plan: &Plan, server: Server, commands: Vec<(u64, Command)>) -> Run {
    let (worker, control) = worker(plan, server, 0);
    run_on(worker, &control, commands)
}

/// Runs a worker.
pub(crate) fn run_on(mut worker: Worker<Sim>, control: &Control, mut commands: Vec<(u64, Command)>) -> Run {
    worker.io().wakes_ns = commands.iter().map(|&(at_ns, _)| at_ns).collect();
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
    let told = control.drain();
    let (sent_ns, opened) = (std::mem::take(&mut worker.io().sent_ns), worker.io().opened);
    let kept = std::mem::take(&mut worker.io().kept);
    Run { lines: told.lines, seconds: told.seconds, sent_ns, kept, opened }
}
