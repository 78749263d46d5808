//! The edge over io_uring: one system call a turn submits all sends and waits for what comes.
//!
//! Receives are armed once per connection (multishot) and fill a ring of buffers that all connections share; a send is
//! copied to its slot's outbox and submitted with the turn's others, at the latest with the 16th. So a send leaves up to
//! 15 sends (about 25 µs on loopback) after the time that is noted as its own, which counts into its service time and
//! not into its lag. The unsafe code is `twinload-engine-sys`'s.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::net::{Shutdown, shutdown, sockopt};
use twinload_engine_sys::{Completion, Kind, Ring};

use crate::io::{Io, Ready, Received};
use crate::net::{Waker, begin_connect, monotonic_ns, thread_cpu_ns};
use crate::stage::SECOND_NS;

/// One receive buffer; longer answers take several.
const BUFFER_BYTES: u32 = 4_096;
/// No buffer.
const NONE: u16 = u16::MAX;
/// So many sends are submitted at once, so that none waits long for its turn's end: its time is taken when it is queued.
const SENDS_AT_ONCE: u32 = 16;

/// How the stream of a connection ended.
#[derive(Clone, Copy)]
enum End {
    Closed,
    Broken(i32),
}

struct Slot {
    socket: Option<OwnedFd>,
    serial: u32,
    /// Filled buffers that are not read: the first, the last, and how much of the first is read.
    first: u16,
    last: u16,
    read: usize,
    end: Option<End>,
    /// A send found the outbox taken.
    wants_room: bool,
    /// What to tell at the end of a wait; None while nothing changed.
    news: Option<Ready>,
}

impl Slot {
    fn new() -> Self {
        Self { socket: None, serial: 0, first: NONE, last: NONE, read: 0, end: None, wants_room: false, news: None }
    }
}

/// Sockets by slot, and the ring that serves them.
pub struct Uring {
    // Dropped before the sockets.
    ring: Ring,
    waker: Waker,
    slots: Box<[Slot]>,
    /// By buffer: the next one of the same connection.
    next: Box<[u16]>,
    changed: Vec<u32>,
    /// Connections, by slot and serial, whose receive must be armed again.
    unarmed: Vec<(u32, u32)>,
    queued_sends: u32,
    started: bool,
}

impl Uring {
    /// Returns an edge with room for so many connections.
    ///
    /// # Errors
    /// When the kernel has no io_uring of Linux 6.1, or forbids it.
    pub fn new(slots: usize) -> io::Result<Self> {
        let number = u32::try_from(slots).ok().filter(|&number| number < 1 << 20).ok_or(io::ErrorKind::InvalidInput)?;
        // One buffer per connection and some more; when they run out, receives are armed again once some were read.
        let buffers = (slots + 64).next_power_of_two().min(1 << 14) as u16;
        Ok(Self {
            ring: Ring::new(number, buffers, BUFFER_BYTES)?,
            waker: Waker::new()?,
            slots: std::iter::repeat_with(Slot::new).take(slots).collect(),
            next: vec![NONE; usize::from(buffers)].into(),
            changed: Vec::with_capacity(slots),
            unarmed: Vec::with_capacity(slots),
            queued_sends: 0,
            started: false,
        })
    }

    /// Returns what wakes this edge's [`Io::wait`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// What must be done on the thread that uses the ring, once.
    fn start(&mut self) -> io::Result<()> {
        if !self.started {
            self.ring.poll_waker(self.waker.as_fd())?;
            self.started = true;
        }
        Ok(())
    }

    fn handle(&mut self, done: Completion) -> io::Result<()> {
        if done.kind == Kind::Woken {
            self.waker.settle();
            return if done.more { Ok(()) } else { self.ring.poll_waker(self.waker.as_fd()) };
        }
        let slot = &mut self.slots[done.slot as usize];
        let current = slot.socket.is_some() && slot.serial == done.serial;
        if let Some(buffer) = done.buffer {
            if current && done.result > 0 {
                self.keep(done.slot, buffer);
            } else {
                self.ring.give_back(buffer);
            }
        }
        if done.kind == Kind::Sent && !current && self.slots[done.slot as usize].wants_room {
            self.tell(done.slot, |news| news.writable = true); // the outbox of the connection before is free
        }
        if current {
            self.note(done);
        }
        Ok(())
    }

    /// Appends a filled buffer to those of its connection.
    fn keep(&mut self, at: u32, buffer: u16) {
        let slot = &mut self.slots[at as usize];
        self.next[usize::from(buffer)] = NONE;
        match slot.last {
            NONE => slot.first = buffer,
            last => self.next[usize::from(last)] = buffer,
        }
        slot.last = buffer;
    }

    /// Takes what a completion says of the connection that is in its slot.
    fn note(&mut self, done: Completion) {
        const EXHAUSTED: i32 = -(rustix::io::Errno::NOBUFS.raw_os_error());
        let slot = &mut self.slots[done.slot as usize];
        match done.kind {
            Kind::Writable => {
                let broken = done.result < 0 || done.result & i32::from(rustix::event::PollFlags::HUP.bits()) != 0;
                self.tell(done.slot, |news| (news.writable, news.closed) = (true, broken));
            }
            Kind::Received if done.result == EXHAUSTED => self.unarmed.push((done.slot, done.serial)),
            Kind::Received if done.result > 0 => {
                if !done.more {
                    self.unarmed.push((done.slot, done.serial));
                }
                self.tell(done.slot, |news| news.readable = true);
            }
            Kind::Received => {
                slot.end = Some(if done.result == 0 { End::Closed } else { End::Broken(-done.result) });
                self.tell(done.slot, |news| (news.readable, news.closed) = (true, true));
            }
            Kind::Sent if done.result < 0 => {
                slot.end = slot.end.or(Some(End::Broken(-done.result)));
                self.tell(done.slot, |news| (news.readable, news.closed) = (true, true));
            }
            Kind::Sent if slot.wants_room => self.tell(done.slot, |news| news.writable = true),
            Kind::Sent | Kind::Woken => {}
        }
    }

    fn tell(&mut self, at: u32, change: impl FnOnce(&mut Ready)) {
        let slot = &mut self.slots[at as usize];
        let nothing = Ready { slot: at, serial: slot.serial, readable: false, writable: false, closed: false };
        if slot.news.is_none() {
            self.changed.push(at);
        }
        change(slot.news.get_or_insert(nothing));
    }

    fn arm_again(&mut self) -> io::Result<()> {
        while let Some((at, serial)) = self.unarmed.pop() {
            let slot = &self.slots[at as usize];
            if slot.socket.is_some() && slot.serial == serial {
                self.ring.receive(at, serial)?;
            }
        }
        Ok(())
    }
}

impl Io for Uring {
    #[inline]
    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn open(&mut self, slot: u32, serial: u32, to: SocketAddr) -> io::Result<()> {
        self.start()?;
        let socket = begin_connect(to, false)?;
        self.ring.attach(slot, socket.as_fd())?;
        self.slots[slot as usize] = Slot { socket: Some(socket), serial, ..Slot::new() };
        self.ring.poll_writable(slot, serial)
    }

    fn opened(&mut self, slot: u32) -> io::Result<()> {
        let Slot { socket, serial, .. } = &self.slots[slot as usize];
        sockopt::socket_error(socket.as_ref().ok_or(io::ErrorKind::NotConnected)?)??;
        self.ring.receive(slot, *serial)
    }

    #[inline]
    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        let state = &mut self.slots[slot as usize];
        if let Some(End::Broken(errno)) = state.end {
            return Err(io::Error::from_raw_os_error(errno));
        }
        state.wants_room = !self.ring.send(slot, state.serial, bytes)?;
        if state.wants_room {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.queued_sends += 1;
        if self.queued_sends >= SENDS_AT_ONCE {
            self.queued_sends = 0;
            self.ring.submit()?;
        }
        Ok(bytes.len())
    }

    #[inline]
    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<Received> {
        let state = &mut self.slots[slot as usize];
        let mut count = 0;
        while state.first != NONE && count < into.len() {
            let bytes = &self.ring.bytes(state.first)[state.read..];
            let part = bytes.len().min(into.len() - count);
            into[count..count + part].copy_from_slice(&bytes[..part]);
            count += part;
            if part < bytes.len() {
                state.read += part;
                break;
            }
            let used = state.first;
            (state.first, state.read) = (self.next[usize::from(used)], 0);
            self.ring.give_back(used);
        }
        if state.first == NONE {
            state.last = NONE;
        }
        match state.end {
            _ if count > 0 => Ok(Received { count, at_ns: None }),
            None => Err(io::ErrorKind::WouldBlock.into()),
            Some(End::Closed) => Ok(Received { count: 0, at_ns: None }),
            Some(End::Broken(errno)) => Err(io::Error::from_raw_os_error(errno)),
        }
    }

    fn again(&mut self, slot: u32, serial: u32) {
        let state = &self.slots[slot as usize];
        if state.socket.is_some() && state.serial == serial {
            self.tell(slot, |news| news.readable = true);
        }
    }

    fn close(&mut self, slot: u32) {
        let state = &mut self.slots[slot as usize];
        let Some(socket) = state.socket.take() else { return };
        while state.first != NONE {
            self.ring.give_back(state.first);
            state.first = self.next[usize::from(state.first)];
        }
        // What is under way then completes, and lets go of the socket.
        let _ = self.ring.detach(slot);
        let _ = shutdown(&socket, Shutdown::Both);
    }

    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        self.start()?;
        self.arm_again()?;
        self.queued_sends = 0;
        // News from before the wait (a reader that stopped early) must not wait.
        let until_ns = if self.changed.is_empty() { until_ns } else { 0 };
        self.ring.wait(until_ns.saturating_sub(self.now_ns()).min(3_600 * SECOND_NS))?;
        while let Some(done) = self.ring.completed() {
            self.handle(done)?;
        }
        for at in self.changed.drain(..) {
            ready.extend(self.slots[at as usize].news.take());
        }
        Ok(())
    }

    fn rest(&mut self, until_ns: u64) -> io::Result<bool> {
        // Not reached: a plan that coalesces takes the other edge, for this one has no kernel times.
        std::thread::sleep(std::time::Duration::from_nanos(until_ns.saturating_sub(self.now_ns())));
        Ok(false)
    }

    fn cpu_ns(&self) -> u64 {
        thread_cpu_ns()
    }
}
