//! One connection: HTTP/1.1 with keep-alive, one request at a time.
//!
//! | state | what happens | to |
//! |---|---|---|
//! | Closed | open | Connecting, or BackingOff when it fails at once |
//! | BackingOff | its time is over | Closed |
//! | Connecting | it opened, and its handshake ended / it failed | Idle / BackingOff |
//! | Idle | a request / the peer closes or sends unasked | Sending or Waiting / Closed |
//! | Sending | all is sent | Waiting |
//! | Waiting | the first byte of the answer | Reading |
//! | Waiting, Reading | the answer is complete and lets it live / it does not / broken | Idle / Closed / Closed |
//!
//! With TLS the session is in here: whoever opens with a [`TlsTarget`] connects, pushes and pulls as without.

use std::io;
use std::net::SocketAddr;

mod secured;

use crate::io::Io;
use crate::parse::{Answer, Body, Limits, Parser, Progress};
use crate::session::Session;
use crate::stage::Phase;
use crate::tally::Cause;
use crate::tls::TlsTarget;

/// The first pause after a failed connect; it doubles with every further one.
const BACK_OFF_NS: u64 = 10_000_000;
/// The longest pause.
const BACK_OFF_MAX_NS: u64 = 1_000_000_000;

/// How many reads one call does at most, each up to the buffer's size, so that a server that sends without end keeps
/// nobody else waiting and does not outlast its time-out.
const READS_PER_PULL: usize = 16;

/// No seat: the request is of an open loop.
pub const NO_SEAT: u32 = u32::MAX;

/// One request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// When it was meant to start; in a closed loop, when its user wanted it.
    pub intended_ns: u64,
    /// The pool user.
    pub user: u32,
    /// The user of the closed loop that waits for it, or [`NO_SEAT`].
    pub seat: u32,
    /// The endpoint's place in the plan.
    pub endpoint: u16,
    /// The stage's place in the plan.
    pub stage: u16,
    /// The phase of its intended start.
    pub phase: Phase,
    /// Which of its thread's requests it is, from 0.
    pub number: u64,
    /// Whether it was sent before, on a connection that turned out to be closed.
    pub again: bool,
}

impl Default for Job {
    fn default() -> Self {
        Self {
            intended_ns: 0,
            user: 0,
            seat: NO_SEAT,
            endpoint: 0,
            stage: 0,
            phase: Phase::Measure,
            number: 0,
            again: false,
        }
    }
}

/// Where a connection stands; see the module's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no socket.
    Closed,
    /// There is no socket, and none is opened until a pause is over.
    BackingOff,
    /// The socket is being connected.
    Connecting,
    /// Open and free.
    Idle,
    /// A request is partly sent.
    Sending,
    /// A request is sent and nothing of its answer has come.
    Waiting,
    /// A part of the answer has come.
    Reading,
}

/// What an event made of a connection that is being opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It goes on.
    Pending,
    /// It is open; [`Connection::opened`] frees it.
    Open,
    /// It failed.
    Failed(Cause),
}

/// What an event made of a connection with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on.
    Pending,
    /// The answer is complete; `reusable` says whether the connection lives on.
    Done {
        /// The answer.
        answer: Answer,
        /// Whether the connection may take another request.
        reusable: bool,
    },
    /// It broke; `unanswered` when no byte of an answer had come.
    Broken {
        /// Why.
        cause: Cause,
        /// Whether nothing had come.
        unanswered: bool,
    },
}

/// A connection with the memory that it reuses.
#[derive(Debug)]
pub struct Connection {
    /// Where it stands.
    pub state: State,
    /// Counts the sockets that were opened in this slot.
    pub serial: u32,
    /// The instance that it leads to.
    pub instance: u16,
    /// Since when it was free.
    pub free_ns: u64,
    /// When its request was sent.
    pub sent_ns: u64,
    /// How long it had been free before its request.
    pub idle_ns: u64,
    /// When the kernel received what was read last; None when it does not say.
    pub received_ns: Option<u64>,
    /// Its request.
    pub job: Job,
    /// The request as it is sent.
    pub wire: Vec<u8>,
    written: usize,
    failures: u32,
    parser: Parser,
    session: Option<Box<Session>>,
}

impl Connection {
    /// Returns a closed connection to an instance.
    #[must_use]
    pub fn new(instance: u16, limits: Limits) -> Self {
        Self {
            state: State::Closed,
            serial: 0,
            instance,
            free_ns: 0,
            sent_ns: 0,
            idle_ns: 0,
            received_ns: None,
            job: Job::default(),
            wire: Vec::new(),
            written: 0,
            failures: 0,
            parser: Parser::new(limits),
            session: None,
        }
    }

    /// Begins to open it, with TLS where it is given; every event until its end goes to [`Connection::connect`].
    ///
    /// # Errors
    /// When it failed at once.
    pub fn open(
        &mut self,
        io: &mut impl Io,
        slot: u32,
        address: SocketAddr,
        tls: Option<&TlsTarget>,
    ) -> io::Result<()> {
        self.serial = self.serial.wrapping_add(1);
        self.state = State::Connecting;
        self.session = tls.map(|target| Session::new(target).map(Box::new)).transpose()?;
        io.open(slot, self.serial, address)
    }

    /// Goes on with opening it; `closed` as for [`Connection::pull`].
    pub fn connect(&mut self, io: &mut impl Io, slot: u32, buffer: &mut [u8], closed: bool) -> Opening {
        if self.session.is_some() {
            return self.shake(io, slot, buffer, closed);
        }
        io.opened(slot).map_or(Opening::Failed(Cause::Connect), |()| Opening::Open)
    }

    /// Handles something to read, or an end (`closed`), on a free connection; returns whether it stays open. Without TLS
    /// it does not, for nothing was asked.
    pub fn rest(&mut self, io: &mut impl Io, slot: u32, buffer: &mut [u8], closed: bool) -> bool {
        // Also before an end, for an alert may stand before it.
        self.session.is_some() && self.settle(io, slot, buffer) && !closed
    }

    /// Closes the socket, if there is one, after saying so where TLS is spoken. The state is the caller's.
    pub fn close(&mut self, io: &mut impl Io, slot: u32) {
        if let Some(mut session) = self.session.take() {
            session.say_end(io, slot);
        }
        io.close(slot);
    }

    /// Says why TLS failed, until the connection is closed.
    #[must_use]
    pub fn tls_fault(&self) -> Option<String> {
        self.session.as_ref()?.fault.as_ref().map(ToString::to_string)
    }

    /// Whether it carries a request.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Sending | State::Waiting | State::Reading)
    }

    /// Notes that it opened.
    pub fn opened(&mut self, now_ns: u64) {
        self.state = State::Idle;
        self.failures = 0;
        self.free_ns = now_ns;
    }

    /// Notes that it could not be opened, and returns how long to leave it.
    pub fn refused(&mut self) -> u64 {
        self.state = State::BackingOff;
        let pause_ns = BACK_OFF_NS.checked_shl(self.failures.min(16)).unwrap_or(BACK_OFF_MAX_NS);
        self.failures += 1;
        pause_ns.min(BACK_OFF_MAX_NS)
    }

    /// Begins a request that stands in `wire`; [`Connection::push`] sends it.
    pub fn begin(&mut self, job: Job, head_only: bool, now_ns: u64) {
        self.job = job;
        self.idle_ns = now_ns.saturating_sub(self.free_ns);
        self.sent_ns = now_ns;
        self.written = 0;
        self.state = State::Sending;
        self.parser.begin(head_only);
    }

    /// Sends on.
    pub fn push(&mut self, io: &mut impl Io, slot: u32) -> Step {
        if self.session.is_some() {
            return self.push_secured(io, slot);
        }
        while self.written < self.wire.len() {
            match io.send(slot, &self.wire[self.written..]) {
                Ok(0) => return self.broken(Cause::Reset),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Pending,
                Err(_) => return self.broken(Cause::Reset),
            }
        }
        if self.state == State::Sending {
            self.state = State::Waiting;
        }
        Step::Pending
    }

    /// Reads on and shows the answer to `body`; `closed` says that an end is known to come, so that a short read is not
    /// the last.
    pub fn pull(&mut self, io: &mut impl Io, slot: u32, buffer: &mut [u8], closed: bool, body: &mut impl Body) -> Step {
        if self.session.is_some() {
            return self.pull_secured(io, slot, buffer, closed, body);
        }
        for _ in 0..READS_PER_PULL {
            let count = match io.receive(slot, buffer) {
                Ok(received) => {
                    self.received_ns = received.at_ns;
                    received.count
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Step::Pending,
                Err(_) => return self.broken(Cause::Reset),
            };
            if count == 0 {
                return self.ended();
            }
            match self.parser.feed(&buffer[..count], body) {
                Ok(Progress::Done { answer, used }) => {
                    // Bytes that nobody asked for, or an answer to half a request: the next one could not be told apart.
                    let clean = used == count && self.written == self.wire.len();
                    return Step::Done { answer, reusable: answer.keep_alive && clean && !closed };
                }
                Ok(Progress::More) if count < buffer.len() && !closed => return self.reading(),
                Ok(Progress::More) => {}
                Err(_) => return self.broken(Cause::Other),
            }
        }
        io.again(slot, self.serial);
        self.reading()
    }

    fn reading(&mut self) -> Step {
        if self.state == State::Waiting && self.parser.has_started() {
            self.state = State::Reading;
        }
        Step::Pending
    }

    fn ended(&self) -> Step {
        match self.parser.close() {
            Ok(answer) => Step::Done { answer, reusable: false },
            Err(_) => self.broken(Cause::Reset),
        }
    }

    fn broken(&self, cause: Cause) -> Step {
        Step::Broken { cause, unanswered: !self.parser.has_started() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_after_failures_doubles_up_to_a_second() {
        let mut connection = Connection::new(0, Limits::default());
        let pauses: Vec<u64> = (0..9).map(|_| connection.refused() / 1_000_000).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        connection.opened(5);
        assert_eq!((connection.refused(), connection.state), (BACK_OFF_NS, State::BackingOff));
    }
}
