//! The client's loop in virtual time: a machine whose clock is a number and whose server follows a script.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::client::mailbox::Mailbox;
use crate::client::runner::Runner;
use crate::client::{Ask, Channel, ChannelSpec, Client, ClientLimits, Fault, Reply, SubmitError};
use crate::io::{Io, Ready, Received};
use crate::net::Net;
use crate::parse::Limits;

const S: u64 = 1_000_000_000;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What the server does with every connection and request.
#[derive(Clone, Default)]
struct Script {
    /// Pieces of the answer, each so long after the request.
    pieces: Vec<(u64, Vec<u8>)>,
    /// It closes so long after a request.
    closes_ns: Option<u64>,
    /// It ends a connection that was idle as long when the next request comes, unanswered.
    forgets_ns: Option<u64>,
    refuses: bool,
    never_opens: bool,
    /// So many sockets may be open at once; 0 is no limit.
    descriptors: usize,
    /// The answer's bytes never end.
    endless: bool,
}

#[derive(Default)]
struct Wire {
    serial: u32,
    open: bool,
    inbox: VecDeque<u8>,
    ended: bool,
    answered_ns: Option<u64>,
}

const OPENED: usize = usize::MAX;
const ENDED: usize = usize::MAX - 1;
const AGAIN: usize = usize::MAX - 2;

#[derive(Default)]
struct Sim {
    now_ns: u64,
    script: Script,
    wires: Vec<Wire>,
    /// Time, slot, serial and the piece, or what else happens.
    happenings: BinaryHeap<Reverse<(u64, u32, u32, usize)>>,
    sent: Vec<(u64, String)>,
    opened: u32,
}

impl Io for Sim {
    fn now_ns(&self) -> u64 {
        self.now_ns
    }

    fn open(&mut self, slot: u32, serial: u32, _: SocketAddr) -> io::Result<()> {
        let open = self.wires.iter().filter(|wire| wire.open).count();
        if self.script.descriptors > 0 && open >= self.script.descriptors {
            return Err(rustix::io::Errno::MFILE.into());
        }
        if self.script.refuses {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.opened += 1;
        self.wires.resize_with(self.wires.len().max(slot as usize + 1), Wire::default);
        self.wires[slot as usize] = Wire { serial, open: true, ..Wire::default() };
        if !self.script.never_opens {
            self.happenings.push(Reverse((self.now_ns, slot, serial, OPENED)));
        }
        Ok(())
    }

    fn opened(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        let wire = &mut self.wires[slot as usize];
        self.sent.push((self.now_ns, String::from_utf8_lossy(bytes).into_owned()));
        let idle_ns = wire.answered_ns.map_or(0, |at_ns| self.now_ns - at_ns);
        if self.script.forgets_ns.is_some_and(|forgets_ns| idle_ns >= forgets_ns) {
            self.happenings.push(Reverse((self.now_ns, slot, wire.serial, ENDED)));
            return Ok(bytes.len());
        }
        for (at, (after_ns, _)) in self.script.pieces.iter().enumerate() {
            self.happenings.push(Reverse((self.now_ns + after_ns, slot, wire.serial, at)));
        }
        if let Some(closes_ns) = self.script.closes_ns {
            self.happenings.push(Reverse((self.now_ns + closes_ns, slot, wire.serial, ENDED)));
        }
        Ok(bytes.len())
    }

    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<Received> {
        let wire = &mut self.wires[slot as usize];
        if self.script.endless {
            wire.inbox.resize(wire.inbox.len().max(into.len()), b'x');
        }
        let count = into.len().min(wire.inbox.len());
        wire.inbox.drain(..count).zip(into).for_each(|(byte, place)| *place = byte);
        if count == 0 && !wire.ended {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(Received { count, at_ns: None })
        }
    }

    fn again(&mut self, slot: u32, serial: u32) {
        self.happenings.push(Reverse((self.now_ns, slot, serial, AGAIN)));
    }

    fn close(&mut self, slot: u32) {
        if let Some(wire) = self.wires.get_mut(slot as usize) {
            *wire = Wire::default();
        }
    }

    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        let next_ns = self.happenings.peek().map_or(u64::MAX, |Reverse((at_ns, ..))| *at_ns);
        self.now_ns = self.now_ns.max(Some(next_ns.min(until_ns)).filter(|&at_ns| at_ns < u64::MAX).unwrap_or(0));
        while let Some(&Reverse((at_ns, slot, serial, what))) = self.happenings.peek()
            && at_ns <= self.now_ns
        {
            self.happenings.pop();
            let wire = &mut self.wires[slot as usize];
            if wire.serial != serial || !wire.open {
                continue;
            }
            let piece = self.script.pieces.get(what);
            if let Some((_, piece)) = piece {
                wire.inbox.extend(piece);
                wire.answered_ns = Some(self.now_ns);
            }
            wire.ended |= what == ENDED;
            let (readable, writable, closed) = (piece.is_some() || what == AGAIN, what == OPENED, what == ENDED);
            ready.push(Ready { slot, serial, readable, writable, closed });
        }
        Ok(())
    }

    fn rest(&mut self, _: u64) -> io::Result<bool> {
        unreachable!("a client does not coalesce")
    }

    fn cpu_ns(&self) -> u64 {
        0
    }
}

struct World {
    client: Client<u32>,
    runner: Runner<u32, Sim>,
}

impl World {
    fn new(script: Script, limits: ClientLimits) -> Self {
        let mailbox = Arc::new(Mailbox::new().expect("a descriptor"));
        let waker = Net::new(1).expect("descriptors").waker();
        let runner = Runner::new(Sim { script, ..Sim::default() }, Arc::clone(&mailbox), limits);
        let process = std::process::id();
        Self { client: Client { mailbox, waker, thread: Mutex::default(), ended: Mutex::default(), process }, runner }
    }

    fn of(script: Script) -> Self {
        Self::new(script, ClientLimits { parser: Limits { head_bytes: 512 }, ..ClientLimits::default() })
    }

    fn channel(&self, connections: u32) -> Channel<u32> {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let (connect_timeout_ns, timeout_ns) = (5 * S, 10 * S);
        let spec = ChannelSpec { address, host: "h".into(), tls: None, connections, connect_timeout_ns, timeout_ns };
        self.client.channel(spec).expect("it is open")
    }

    fn turns(&mut self, number: usize) {
        (0..number).for_each(|_| assert!(self.runner.turn().expect("it waits")));
    }

    fn run_until(&mut self, until_ns: u64) {
        while self.runner.io().now_ns < until_ns {
            let before_ns = self.runner.io().now_ns;
            self.turns(2);
            if self.runner.io().now_ns == before_ns {
                self.runner.io().now_ns = until_ns;
            }
        }
    }

    fn completed(&self) -> Vec<(u32, Reply)> {
        let mut all = Vec::new();
        self.client.completed(|token, reply| all.push((token, reply)));
        all
    }

    /// Asks once and returns how it ended.
    fn once(&mut self, method: &str) -> Reply {
        let channel = self.channel(1);
        ask(&channel, method, 1);
        self.turns(200);
        let (_, reply) = self.completed().pop().expect("it ended");
        reply
    }
}

fn ask(channel: &Channel<u32>, method: &str, token: u32) {
    channel.submit(&Ask { method, target: "/", headers: b"", body: None }, token, None).expect("it can be sent");
}

fn answer(bytes: &[u8]) -> Script {
    Script { pieces: vec![(1, bytes.to_vec())], ..Script::default() }
}

fn fault(reply: &Reply) -> Option<(Fault, &str)> {
    reply.fault.as_ref().map(|(fault, detail)| (*fault, &**detail))
}

#[test]
fn an_answer_is_handed_over_whole_wherever_it_was_cut() {
    let bytes = b"HTTP/1.1 201 Made so\r\nX-A:  1 \r\nx-a: \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for at in 0..bytes.len() {
        let pieces = vec![(1, bytes[..at].to_vec()), (3, bytes[at..].to_vec())];
        let reply = World::of(Script { pieces, ..Script::default() }).once("GET");
        assert_eq!((reply.status, reply.reason(), reply.raw_body()), (201, b"Made so".as_slice(), b"abcde".as_slice()));
        let headers: Vec<(&[u8], &[u8])> = reply.headers().collect();
        assert_eq!(headers, [(b"X-A".as_slice(), b"1".as_slice()), (b"x-a", b""), (b"Transfer-Encoding", b"chunked")]);
        assert_eq!((reply.header(b"x-A"), reply.raw_bytes, fault(&reply)), (Some(b"1".as_slice()), 5, None));
        let first_ns = if at == 0 { 3 } else { 1 };
        assert_eq!((reply.sent_ns, reply.first_byte_ns, reply.done_ns), (0, first_ns, 3));
    }
}

#[test]
fn what_has_no_body_ends_with_its_head() {
    for (method, bytes, status) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304),
    ] {
        let reply = World::of(answer(bytes.as_bytes())).once(method);
        assert_eq!((reply.status, reply.raw_body(), fault(&reply)), (status, b"".as_slice(), None), "{bytes}");
    }
    let closes = Script { closes_ns: Some(2), ..answer(b"HTTP/1.0 200 OK\r\n\r\nto the end") };
    let reply = World::of(closes).once("GET");
    assert_eq!((reply.raw_body(), reply.version), (b"to the end".as_slice(), 0));
}

#[test]
fn an_answer_is_plain_unless_its_reader_must_look_at_it() {
    for (line, header, plain) in [
        ("200 OK", "X-Set-Cookie: a", true),
        ("208 Already Reported", "Content-Encodings: gzip", true),
        ("226 IM Used", "X: a", true),
        ("209 Odd", "X: a", false),
        ("304 Not Modified", "X: a", false),
        ("404 Not Found", "X: a", false),
        ("200 OK", "sEt-cOOkie: a=b", false),
        ("200 OK", "content-Encoding: gzip", false),
    ] {
        let bytes = format!("HTTP/1.1 {line}\r\n{header}\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(World::of(answer(bytes.as_bytes())).once("GET").is_plain(), plain, "{bytes}");
    }
    assert!(!World::of(Script { refuses: true, ..answer(OK) }).once("GET").is_plain());
    // What one answer had, the next one on its connection has not.
    let mut world = World::of(answer(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"));
    assert!(!world.once("GET").is_plain());
    world.runner.io().script = answer(OK);
    assert!(world.once("GET").is_plain());
}

#[test]
fn broken_answers_fail_and_cost_their_connection_alone() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "x".repeat(600);
    let broken = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell".into(), Fault::Reset),
        (format!("{chunked}4\r\nWi"), Fault::Reset),
        (String::new(), Fault::Reset),
        (format!("{chunked}xyz\r\n"), Fault::Other),
        (format!("{chunked}1;{long}\r\n"), Fault::Other),
        (format!("{chunked}0\r\nT: {long}\r\n\r\n"), Fault::Other),
        (format!("HTTP/1.1 200 OK\r\nX: {long}"), Fault::Other),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx".into(), Fault::Other),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n".into(), Fault::Other),
        ("SSH-2.0-server\r\n\r\n".into(), Fault::Other),
    ];
    for (text, wanted) in broken {
        for at in 0..text.len().min(80) {
            let pieces = vec![(1, text[..at].into()), (2, text[at..].into())];
            let mut world = World::of(Script { pieces, closes_ns: Some(3), ..Script::default() });
            let reply = world.once("GET");
            assert_eq!((reply.status, fault(&reply).map(|(fault, _)| fault)), (0, Some(wanted)), "{text}");
            assert_eq!(world.runner.vitals.closed, 1);
        }
    }
}

#[test]
fn bytes_that_nobody_asked_for_end_the_connection_after_the_answer() {
    let mut world = World::of(answer(&[OK, b"HTTP/1.1 200 OK\r\n"].concat()));
    assert_eq!((world.once("GET").status, world.runner.vitals.closed), (200, 1));
}

#[test]
fn silence_ends_at_its_time_and_slow_bytes_do_not() {
    let pieces = OK.iter().enumerate().map(|(at, &byte)| (9 * S * at as u64, vec![byte])).collect();
    let mut world = World::of(Script { pieces, ..Script::default() });
    let reply = world.once("GET");
    assert_eq!((reply.status, reply.done_ns), (200, 9 * S * (OK.len() as u64 - 1)));

    let mut world = World::of(Script { pieces: vec![(4 * S, OK[..9].to_vec())], ..Script::default() });
    let reply = world.once("GET");
    assert_eq!(fault(&reply), Some((Fault::Timeout, "the server was silent for too long")));
    assert_eq!((reply.first_byte_ns, reply.done_ns), (0, 14 * S));
    let reply = World::of(Script { never_opens: true, ..Script::default() }).once("GET");
    assert_eq!((fault(&reply), reply.done_ns), (Some((Fault::Timeout, "connecting took too long")), 5 * S));
}

#[test]
fn a_refused_connect_fails_at_once_and_the_next_request_tries_again() {
    let mut world = World::of(Script { refuses: true, ..answer(OK) });
    assert_eq!(fault(&world.once("GET")), Some((Fault::Connect, "connection refused")));
    world.runner.io().script.refuses = false;
    assert_eq!(world.once("GET").status, 200);
}

#[test]
fn a_channel_has_no_more_connections_than_it_may_and_serves_in_order() {
    let mut world = World::of(answer(OK));
    let channel = world.channel(2);
    (0..7).for_each(|token| ask(&channel, "GET", token));
    world.turns(20);
    assert_eq!(world.completed().iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!((world.runner.io().opened, world.runner.vitals.busy, world.runner.vitals.waiting), (2, 0, 0));
}

#[test]
fn idle_connections_give_way_when_connections_or_descriptors_run_out() {
    for (most, descriptors) in [(3, 0), (100, 3)] {
        let limits = ClientLimits { max_connections: most, ..ClientLimits::default() };
        let mut world = World::new(Script { descriptors, ..answer(OK) }, limits);
        let channels: Vec<_> = (0..50).map(|_| world.channel(1)).collect();
        for (channel, token) in channels.iter().zip(0..) {
            ask(channel, "GET", token);
            world.turns(4);
        }
        let ended = world.completed();
        assert_eq!((ended.len(), ended.iter().all(|(_, reply)| reply.status == 200)), (50, true));
        assert_eq!(world.runner.vitals.closed, 47);
    }
}

#[test]
fn with_all_connections_busy_a_request_waits_for_one() {
    let limits = ClientLimits { max_connections: 3, ..ClientLimits::default() };
    let mut world = World::new(answer(OK), limits);
    let channels: Vec<_> = (0..50).map(|_| world.channel(1)).collect();
    channels.iter().zip(0..).for_each(|(channel, token)| ask(channel, "GET", token));
    world.turns(200);
    assert_eq!(world.completed().iter().filter(|(_, reply)| reply.status == 200).count(), 50);
}

#[test]
fn a_connection_that_was_forgotten_is_opened_again_for_what_may_be_sent_twice() {
    for (method, status, sent) in [("GET", 200, 3), ("POST", 0, 2)] {
        let mut world = World::of(Script { forgets_ns: Some(S), ..answer(OK) });
        let channel = world.channel(1);
        ask(&channel, "GET", 0);
        world.turns(10);
        world.runner.io().now_ns += 2 * S;
        ask(&channel, method, 1);
        world.turns(10);
        let (token, reply) = world.completed().pop().expect("it ended");
        assert_eq!((token, reply.status, world.runner.io().sent.len()), (1, status, sent));
        assert_eq!((world.runner.vitals.busy, world.runner.vitals.waiting), (0, 0));
    }
}

#[test]
fn an_endless_body_holds_up_nobody_and_stops_at_the_limit() {
    let limits = ClientLimits { max_body_bytes: 8 << 20, ..ClientLimits::default() };
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n";
    let mut world = World::new(Script { endless: true, ..answer(head) }, limits);
    let (first, second) = (world.channel(1), world.channel(1));
    ask(&first, "GET", 0);
    ask(&second, "GET", 1);
    world.turns(3);
    // Both are read from, a piece at a time, and neither took what it announced.
    let held: Vec<usize> = world.runner.slots.iter().map(|slot| slot.text.capacity()).collect();
    assert!(held.iter().all(|&bytes| bytes > 0 && bytes < 4 << 20), "{held:?}");
    world.turns(20);
    let ended = world.completed();
    let large = Some((Fault::Other, "the body is larger than it may be"));
    assert!(ended.len() == 2 && ended.iter().all(|(_, reply)| fault(reply) == large));
}

#[test]
fn closing_ends_what_waits_and_what_is_on_its_way() {
    let mut world = World::of(Script::default());
    let channel = world.channel(1);
    (0..3).for_each(|token| ask(&channel, "GET", token));
    world.turns(2);
    ask(&channel, "GET", 3);
    world.runner.end("over");
    let ended = world.completed();
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(|(_, reply)| fault(reply) == Some((Fault::Stopped, "over"))));
    let again = channel.submit(&Ask { method: "GET", target: "/", headers: b"", body: None }, 9, None);
    assert_eq!(again, Err(SubmitError::Closed));
}

#[test]
fn a_closed_channel_ends_what_it_has_and_leaves_its_number() {
    let mut world = World::of(answer(OK));
    let channel = world.channel(1);
    (0..2).for_each(|token| ask(&channel, "GET", token));
    drop(channel);
    world.run_until(S);
    assert_eq!((world.completed().len(), world.runner.vitals.closed), (2, 1));
    let next = world.channel(1);
    assert_eq!((next.number, world.once("GET").status), (0, 200));
}
