//! The loop of a client's thread: takes requests, opens connections, sends, reads, leaves replies.
//!
//! One turn: take the words that were left, open what is wanted (a few), expire what is late, leave what ended, wait,
//! handle the events. What ended during a batch of events is left at the next turn's wait, in one go.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use crate::client::ClientLimits;
use crate::client::lane::Lane;
use crate::client::mailbox::{Asked, Ended, Mailbox, Word};
use crate::client::reply::{Fault, Reply, Text};
use crate::client::timers::Timers;
use crate::connection::{Connection, State};
use crate::control::Vitals;
use crate::deadlines::Deadlines;
use crate::io::{Io, Ready};

/// Reads go here, all connections' in turn.
const BUFFER_BYTES: usize = 64 * 1024;
/// How many connections one turn may open: finding a port may take the kernel 100 µs, and answers wait behind it.
const OPENS_PER_TURN: u32 = 16;
/// How many requests are sent before answers are looked for again: a send costs some µs, which a time must not wait for.
const WORDS_PER_TURN: u32 = 64;
/// How old what is told of the thread may be.
const TELL_NS: u64 = 50_000_000;

/// A connection, whose it is and what it carries.
#[derive(Debug)]
pub(super) struct Slot<T> {
    pub(super) connection: Connection,
    pub(super) lane: u32,
    pub(super) asked: Option<Asked<T>>,
    pub(super) text: Text,
    pub(super) first_byte_ns: u64,
    /// It speaks TLS.
    pub(super) secured: bool,
}

/// What a client's thread does.
#[derive(Debug)]
pub(crate) struct Runner<T, I> {
    pub(super) io: I,
    mailbox: Arc<Mailbox<T>>,
    pub(super) limits: ClientLimits,
    pub(super) lanes: Vec<Option<Lane<T>>>,
    pub(super) slots: Vec<Slot<T>>,
    vacant: Vec<u32>,
    /// Channels that want a connection, one entry for each.
    wanting: VecDeque<u32>,
    /// All connections are taken: nobody gets one before one is vacant or idle.
    pub(super) stalled: bool,
    /// Idle connections, the one that is idle longest first.
    pub(super) idle: Deadlines,
    pub(super) timers: Timers,
    pub(super) ended: Vec<Ended<T>>,
    pub(super) vitals: Vitals,
    pub(super) buffer: Box<[u8]>,
    words: VecDeque<Word<T>>,
    ready: Vec<Ready>,
    /// When the vitals were told, and whether something happened since.
    told_ns: u64,
    untold: bool,
}

impl<T, I: Io> Runner<T, I> {
    pub(crate) fn new(io: I, mailbox: Arc<Mailbox<T>>, limits: ClientLimits) -> Self {
        Self {
            io,
            mailbox,
            limits,
            lanes: Vec::new(),
            slots: Vec::new(),
            vacant: Vec::new(),
            wanting: VecDeque::new(),
            stalled: false,
            idle: Deadlines::new(limits.max_connections as usize, 0),
            timers: Timers::default(),
            ended: Vec::new(),
            vitals: Vitals::default(),
            buffer: vec![0; BUFFER_BYTES].into(),
            words: VecDeque::new(),
            told_ns: 0,
            untold: false,
            ready: Vec::with_capacity(1_024),
        }
    }

    /// The edge.
    #[cfg(test)]
    pub(crate) fn io(&mut self) -> &mut I {
        &mut self.io
    }

    /// Runs until the client is closed.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Does one turn; returns whether there is more to do.
    pub(crate) fn turn(&mut self) -> io::Result<bool> {
        if self.mailbox.stops() {
            return Ok(false);
        }
        self.take_words();
        self.open_wanted();
        self.expire();
        self.leave();
        let busy = !self.words.is_empty() || (!self.wanting.is_empty() && !self.stalled);
        let until_ns = if busy || !self.mailbox.may_sleep() { 0 } else { self.tell() };
        let mut ready = std::mem::take(&mut self.ready);
        let waited = self.io.wait(until_ns, &mut ready);
        self.mailbox.woke();
        self.untold |= !ready.is_empty();
        for event in &ready {
            self.react(event);
        }
        self.ready = ready;
        waited.map(|()| true)
    }

    /// Ends everything as stopped and takes nothing any more.
    pub(crate) fn end(&mut self, detail: &str) {
        let words = {
            let mut inbox = self.mailbox.inbox();
            inbox.ended = true;
            std::mem::take(&mut inbox.words)
        };
        let mut unsent: Vec<Asked<T>> = Vec::new();
        let taken = std::mem::take(&mut self.words);
        unsent.extend(taken.into_iter().chain(words).filter_map(|word| match word {
            Word::Ask(asked) => Some(asked),
            Word::Open(..) | Word::Close(_) => None,
        }));
        for slot in 0..self.slots.len() as u32 {
            unsent.extend(self.slots[slot as usize].asked.take());
            self.slots[slot as usize].connection.close(&mut self.io, slot);
        }
        unsent.extend(self.lanes.drain(..).flatten().flat_map(|lane| lane.waiting));
        let done_ns = self.io.now_ns();
        for asked in unsent {
            self.fail(asked, Fault::Stopped, detail, 0, done_ns);
        }
        (self.vitals.busy, self.vitals.waiting) = (0, 0);
        self.tell_now();
        self.leave();
    }

    fn leave(&mut self) {
        self.mailbox.leave(&mut self.ended);
    }

    fn take_words(&mut self) {
        if self.words.is_empty() {
            self.mailbox.take_words(&mut self.words);
        }
        for _ in 0..WORDS_PER_TURN {
            let Some(word) = self.words.pop_front() else { return };
            match word {
                Word::Ask(asked) => self.ask(asked),
                Word::Open(number, spec) => {
                    let at = number as usize;
                    if self.lanes.len() <= at {
                        self.lanes.resize_with(at + 1, || None);
                    }
                    self.lanes[at] = Some(Lane::new(spec));
                }
                Word::Close(number) => self.close_lane(number),
            }
        }
    }

    fn ask(&mut self, asked: Asked<T>) {
        let number = asked.channel;
        let Some(lane) = self.lanes.get_mut(number as usize).and_then(Option::as_mut) else {
            let now_ns = self.io.now_ns();
            return self.fail(asked, Fault::Stopped, "the channel is closed", 0, now_ns);
        };
        if let Some(slot) = lane.free.pop() {
            self.idle.clear(slot);
            self.send(slot, asked);
        } else {
            lane.waiting.push_back(asked);
            self.vitals.waiting += 1;
            self.want(number);
        }
    }

    /// Queues a channel for as many connections as it lacks.
    pub(super) fn want(&mut self, number: u32) {
        let Some(lane) = self.lanes[number as usize].as_mut() else { return };
        while lane.wants() {
            self.wanting.push_back(number);
        }
    }

    fn open_wanted(&mut self) {
        for _ in 0..OPENS_PER_TURN {
            if self.stalled {
                return;
            }
            let Some(number) = self.wanting.pop_front() else { return };
            let Some(lane) = self.lanes[number as usize].as_mut() else { continue };
            if lane.waiting.len() <= lane.connecting as usize {
                lane.wanted -= 1;
                self.settle(number);
            } else if let Some(slot) = self.slot() {
                lane_of(&mut self.lanes, number).wanted -= 1;
                self.open(slot, number);
            } else {
                self.wanting.push_front(number);
                self.stalled = true;
            }
        }
    }

    /// Returns a slot for a new connection; with all taken, the connection that is idle longest gives way.
    fn slot(&mut self) -> Option<u32> {
        if self.vacant.is_empty() && self.slots.len() < self.limits.max_connections as usize {
            let connection = Connection::new(0, self.limits.parser);
            let text = Text::default();
            self.slots.push(Slot { connection, lane: 0, asked: None, text, first_byte_ns: 0, secured: false });
            return Some(self.slots.len() as u32 - 1);
        }
        if self.vacant.is_empty() && !self.evict() {
            return None;
        }
        self.vacant.pop()
    }

    /// Closes the connection that is idle longest; returns whether there was one.
    fn evict(&mut self) -> bool {
        let oldest = self.idle.expired(u64::MAX);
        oldest.inspect(|&slot| self.lose(slot)).is_some()
    }

    fn open(&mut self, at: u32, number: u32) {
        self.slots[at as usize].lane = number;
        let lane = lane_of(&mut self.lanes, number);
        lane.held += 1;
        lane.connecting += 1;
        let timeout_ns = lane.spec.connect_timeout_ns;
        let mut opened = self.connect(at, number);
        // Descriptors may run out before connections do; an idle one is worth less than a new one.
        while opened.as_ref().is_err_and(is_out_of_descriptors) && self.evict() {
            opened = self.connect(at, number);
        }
        match opened {
            Ok(()) => self.timers.set(at, self.io.now_ns().saturating_add(timeout_ns)),
            Err(error) => self.refused(at, Fault::Connect, &text_of(&error)),
        }
    }

    fn connect(&mut self, at: u32, number: u32) -> io::Result<()> {
        let spec = &lane_of(&mut self.lanes, number).spec;
        self.slots[at as usize].secured = spec.tls.is_some();
        self.slots[at as usize].connection.open(&mut self.io, at, spec.address, spec.tls.as_ref())
    }

    fn expire(&mut self) {
        if self.timers.next_ns() == u64::MAX {
            return;
        }
        let now_ns = self.io.now_ns();
        while let Some(at) = self.timers.expired(now_ns) {
            if self.slots[at as usize].connection.state == State::Connecting {
                self.refused(at, Fault::Timeout, "connecting took too long");
            } else {
                self.give_up(at, Fault::Timeout, "the server was silent for too long");
            }
        }
    }

    /// A connection could not be opened: whoever waits longest fails with it.
    pub(super) fn refused(&mut self, at: u32, fault: Fault, detail: &str) {
        self.slots[at as usize].connection.close(&mut self.io, at);
        self.timers.clear(at);
        self.vitals.refused += 1;
        let number = self.slots[at as usize].lane;
        let lane = lane_of(&mut self.lanes, number);
        lane.connecting -= 1;
        if let Some(asked) = lane.waiting.pop_front() {
            self.vitals.waiting -= 1;
            let now_ns = self.io.now_ns();
            self.fail(asked, fault, detail, 0, now_ns);
        }
        self.vacate(at);
    }

    /// Ends a request without an answer.
    pub(super) fn fail(&mut self, mut asked: Asked<T>, fault: Fault, detail: &str, sent_ns: u64, done_ns: u64) {
        let fault = Some((fault, detail.into()));
        let reply = Reply { fault, submitted_ns: asked.submitted_ns, sent_ns, done_ns, ..Reply::default() };
        let wire = std::mem::take(&mut asked.wire);
        self.ended.push(Ended { token: asked.token, reply, wire });
    }

    fn close_lane(&mut self, number: u32) {
        let Some(lane) = self.lanes[number as usize].as_mut() else { return };
        lane.closing = true;
        for slot in std::mem::take(&mut lane.free) {
            self.idle.clear(slot);
            self.close(slot);
        }
        self.settle(number);
    }

    /// Closes a connection that is free.
    pub(super) fn lose(&mut self, at: u32) {
        self.idle.clear(at);
        let number = self.slots[at as usize].lane;
        lane_of(&mut self.lanes, number).lost(at);
        self.close(at);
    }

    /// Closes a connection that carries nothing.
    pub(super) fn close(&mut self, at: u32) {
        self.slots[at as usize].connection.close(&mut self.io, at);
        self.vitals.closed += 1;
        self.vacate(at);
    }

    fn vacate(&mut self, at: u32) {
        let slot = &mut self.slots[at as usize];
        slot.connection.state = State::Closed;
        let number = slot.lane;
        lane_of(&mut self.lanes, number).held -= 1;
        self.vacant.push(at);
        self.stalled = false;
        self.want(number);
        self.settle(number);
    }

    /// Forgets a channel of which nothing is left.
    fn settle(&mut self, number: u32) {
        if self.lanes[number as usize].as_ref().is_some_and(Lane::is_over) {
            self.lanes[number as usize] = None;
            self.mailbox.inbox().free_channels.push(number);
        }
    }

    /// Tells the vitals before a sleep, unless they were told a moment ago; returns when the sleep must end.
    fn tell(&mut self) -> u64 {
        let next_ns = self.timers.next_ns();
        if !self.untold {
            return next_ns;
        }
        let now_ns = self.io.now_ns();
        if now_ns < self.told_ns + TELL_NS {
            return next_ns.min(self.told_ns + TELL_NS);
        }
        self.tell_now();
        self.told_ns = now_ns;
        next_ns
    }

    fn tell_now(&mut self) {
        self.untold = false;
        self.vitals.cpu_ns = self.io.cpu_ns();
        self.mailbox.tell(self.vitals);
    }
}

/// Returns a channel's state.
///
/// # Panics
/// When it is over, which a channel with a connection or a place in a queue is not.
pub(super) fn lane_of<T>(lanes: &mut [Option<Lane<T>>], number: u32) -> &mut Lane<T> {
    lanes[number as usize].as_mut().expect("a channel with a connection is not over")
}

/// Returns the words for an error, in lower case as the rest of a detail is.
pub(super) fn text_of(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}
