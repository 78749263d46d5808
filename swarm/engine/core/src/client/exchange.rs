//! What a client's thread does with a connection: send, read, hand the reply on, free or close it.

use std::io;

use crate::client::mailbox::{Asked, Ended, KEPT_BYTES};
use crate::client::reply::{Fault, Reply, Text};
use crate::client::runner::{Runner, lane_of, text_of};
use crate::client::watched::Watched;
use crate::connection::{Job, Opening, State, Step};
use crate::io::{Io, Ready};
use crate::parse::Answer;
use crate::tally::Cause;

/// A connection that was idle as long and turns out closed was closed before it saw the request (RFC 9112, 9.3.1).
const STALE_NS: u64 = 1_000_000_000;

impl<T, I: Io> Runner<T, I> {
    pub(super) fn react(&mut self, event: &Ready) {
        let slot = &mut self.slots[event.slot as usize];
        if slot.connection.serial != event.serial {
            return;
        }
        match slot.connection.state {
            State::Closed | State::BackingOff => {}
            State::Connecting => self.shake_hands(event),
            State::Idle => {
                let told = event.readable || event.closed;
                if told && !slot.connection.rest(&mut self.io, event.slot, &mut self.buffer, event.closed) {
                    self.lose(event.slot);
                }
            }
            State::Sending | State::Waiting | State::Reading => self.exchange(event),
        }
    }

    fn shake_hands(&mut self, event: &Ready) {
        let connection = &mut self.slots[event.slot as usize].connection;
        let mut edge = Watched::new(&mut self.io);
        match connection.connect(&mut edge, event.slot, &mut self.buffer, event.closed) {
            Opening::Pending => {}
            Opening::Open => {
                self.opened(event.slot);
                // The same edge may tell that the server closed or spoke first; it will not come again.
                if event.readable || event.closed {
                    self.react(event);
                }
            }
            Opening::Failed(cause) => {
                let detail = edge.error.take().map(|error| text_of(&error));
                let detail = connection.tls_fault().or(detail).unwrap_or_else(|| "no connection".into());
                self.refused(event.slot, Fault::from(cause), &detail);
            }
        }
    }

    fn exchange(&mut self, event: &Ready) {
        let slot = &mut self.slots[event.slot as usize];
        let connection = &mut slot.connection;
        let mut edge = Watched::new(&mut self.io);
        let mut step = Step::Pending;
        if connection.state == State::Sending && event.writable {
            step = connection.push(&mut edge, event.slot);
        }
        if step == Step::Pending && (event.readable || event.closed) {
            step = connection.pull(&mut edge, event.slot, &mut self.buffer, event.closed, &mut slot.text);
        }
        // Without an answer's byte in it, what came was the TLS session's own.
        let own = step == Step::Pending && connection.state == State::Waiting && slot.secured;
        if slot.first_byte_ns == 0 && !own {
            slot.first_byte_ns = edge.first_ns;
        }
        let too_large = slot.text.too_large;
        let (error, done_ns) = (edge.error.take(), if step == Step::Pending { 0 } else { edge.done_ns() });
        match step {
            _ if too_large => self.give_up(event.slot, Fault::Other, "the body is larger than it may be"),
            Step::Pending => {
                let timeout_ns = slot.asked.as_ref().map_or(0, |asked| asked.timeout_ns);
                self.timers.set(event.slot, self.io.now_ns().saturating_add(timeout_ns));
            }
            Step::Done { answer, reusable } => {
                self.done(event.slot, answer, reusable, done_ns);
            }
            Step::Broken { unanswered: true, .. } if self.may_send_again(event.slot) => self.send_again(event.slot),
            Step::Broken { cause, .. } => {
                self.broken(event.slot, cause, error);
            }
        }
    }

    /// Ends the request of a connection that broke.
    fn broken(&mut self, at: u32, cause: Cause, error: Option<io::Error>) {
        let fault = Fault::from(cause);
        let said = self.slots[at as usize].connection.tls_fault().or(error.as_ref().map(text_of));
        let plain = match fault {
            Fault::Reset => "the server closed the connection before the answer was complete",
            _ => "the answer is not HTTP/1 or exceeds a limit",
        };
        self.give_up(at, fault, said.as_deref().unwrap_or(plain));
    }

    /// A request has its answer.
    fn done(&mut self, at: u32, answer: Answer, reusable: bool, done_ns: u64) {
        self.timers.clear(at);
        self.vitals.busy -= 1;
        let slot = &mut self.slots[at as usize];
        let Some(mut asked) = slot.asked.take() else { return };
        if slot.connection.wire.capacity() > KEPT_BYTES {
            slot.connection.wire = Vec::new(); // one large request must not cost its connection that memory for good
        }
        let text = std::mem::take(&mut slot.text);
        let reply = Reply {
            status: answer.status,
            version: text.version(),
            fault: None,
            raw_bytes: answer.body_bytes,
            submitted_ns: asked.submitted_ns,
            sent_ns: slot.connection.sent_ns,
            first_byte_ns: slot.first_byte_ns,
            done_ns,
            text,
        };
        let wire = std::mem::take(&mut asked.wire);
        let close = asked.traits.close;
        self.ended.push(Ended { token: asked.token, reply, wire });
        if reusable && !close {
            self.free(at, done_ns);
        } else {
            self.close(at);
        }
    }

    /// Ends the request of a connection without an answer, and the connection.
    pub(super) fn give_up(&mut self, at: u32, fault: Fault, detail: &str) {
        self.timers.clear(at);
        let slot = &mut self.slots[at as usize];
        let sent_ns = slot.connection.sent_ns;
        slot.text = Text::default();
        slot.connection.wire = Vec::new();
        if let Some(asked) = slot.asked.take() {
            self.vitals.busy -= 1;
            let now_ns = self.io.now_ns();
            self.fail(asked, fault, detail, sent_ns, now_ns);
        }
        self.close(at);
    }

    fn may_send_again(&self, at: u32) -> bool {
        let slot = &self.slots[at as usize];
        let fits = |asked: &Asked<T>| !asked.again && asked.traits.idempotent;
        slot.connection.idle_ns >= STALE_NS && slot.asked.as_ref().is_some_and(fits)
    }

    fn send_again(&mut self, at: u32) {
        self.timers.clear(at);
        self.vitals.busy -= 1;
        let slot = &mut self.slots[at as usize];
        if let Some(mut asked) = slot.asked.take() {
            asked.again = true;
            std::mem::swap(&mut asked.wire, &mut slot.connection.wire);
            lane_of(&mut self.lanes, slot.lane).waiting.push_front(asked);
            self.vitals.waiting += 1;
        }
        self.close(at);
    }

    fn opened(&mut self, at: u32) {
        self.timers.clear(at);
        self.vitals.opened += 1;
        let now_ns = self.io.now_ns();
        let slot = &mut self.slots[at as usize];
        slot.connection.opened(now_ns);
        lane_of(&mut self.lanes, slot.lane).connecting -= 1;
        self.free(at, now_ns);
    }

    /// A connection is free: whoever waits longest takes it.
    fn free(&mut self, at: u32, now_ns: u64) {
        let slot = &mut self.slots[at as usize];
        slot.connection.state = State::Idle;
        slot.connection.free_ns = now_ns;
        let number = slot.lane;
        let lane = lane_of(&mut self.lanes, number);
        if let Some(asked) = lane.waiting.pop_front() {
            self.vitals.waiting -= 1;
            self.send(at, asked);
        } else if lane.closing {
            self.close(at);
        } else {
            lane.free.push(at);
            self.idle.set(at, now_ns);
            self.stalled = false;
        }
    }

    pub(super) fn send(&mut self, at: u32, mut asked: Asked<T>) {
        let now_ns = self.io.now_ns();
        let slot = &mut self.slots[at as usize];
        std::mem::swap(&mut asked.wire, &mut slot.connection.wire);
        slot.text = Text::new(self.limits.max_body_bytes);
        slot.first_byte_ns = 0;
        slot.connection.begin(Job::default(), asked.traits.head_only, now_ns);
        let timeout_ns = asked.timeout_ns;
        slot.asked = Some(asked);
        let mut edge = Watched::new(&mut self.io);
        let step = slot.connection.push(&mut edge, at);
        let error = edge.error.take();
        self.vitals.busy += 1;
        self.timers.set(at, now_ns.saturating_add(timeout_ns));
        if let Step::Broken { cause, .. } = step {
            if self.may_send_again(at) {
                self.send_again(at);
            } else {
                self.broken(at, cause, error);
            }
        }
    }
}
