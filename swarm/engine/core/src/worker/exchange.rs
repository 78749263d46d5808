//! What a worker does with its connections: open, send, read, count the end, close.

use std::cmp::Reverse;

use crate::connection::{Connection, Job, NO_SEAT, Opening, State, Step};
use crate::control::Vitals;
use crate::io::{Io, Ready};
use crate::plan::Target;
use crate::stage::{Phase, SECOND_NS};
use crate::tally::{Cause, Outcome};
use crate::template::RequestId;

use super::{STALE_NS, Worker};

/// How a request ended, before its times are counted.
struct End {
    status: u16,
    cause: Option<Cause>,
    bytes: u64,
    checked: bool,
    sent_ns: u64,
}

impl End {
    fn failed(cause: Cause, sent_ns: u64) -> Self {
        Self { status: 0, cause: Some(cause), bytes: 0, checked: false, sent_ns }
    }
}

impl<I: Io> Worker<I> {
    pub(super) fn open_wanted(&mut self, target: usize, now_ns: u64) {
        while self.opens_left > 0
            && let Some(slot) = self.pools[target].opens()
        {
            self.opens_left -= 1;
            let connection = &mut self.connections[slot as usize];
            let Target { address, tls, .. } = &self.targets[target];
            match connection.open(&mut self.io, slot, *address, tls.as_ref()) {
                Ok(()) => self.connects_due.set(slot, now_ns),
                Err(_) => self.refused(slot, Cause::Connect, now_ns),
            }
        }
    }

    /// A connection could not be opened: whoever waits longest fails with it, and the slot rests.
    pub(super) fn refused(&mut self, slot: u32, cause: Cause, now_ns: u64) {
        self.hang_up(slot);
        self.connects_due.clear(slot);
        self.vitals.refused += 1;
        let connection = &mut self.connections[slot as usize];
        let pause_ns = connection.refused();
        let target = usize::from(connection.instance);
        self.backing_off.push(Reverse((now_ns + pause_ns, slot)));
        self.pools[target].opened();
        if let Some(job) = self.pools[target].give_up() {
            self.wait_ends(&job);
            if !job.again {
                let key = self.key(&job, now_ns);
                self.tally.sent(key, None);
            }
            self.count_end(&job, &End::failed(cause, now_ns), now_ns);
        }
    }

    pub(super) fn react(&mut self, event: &Ready) {
        let slot = event.slot;
        let connection = &mut self.connections[slot as usize];
        if connection.serial != event.serial {
            return;
        }
        match connection.state {
            State::Closed | State::BackingOff => {}
            State::Connecting => {
                let opening = connection.connect(&mut self.io, slot, &mut self.buffer, event.closed);
                let now_ns = self.io.now_ns();
                match opening {
                    Opening::Pending => {}
                    Opening::Open => {
                        self.opened(slot, now_ns);
                        // The same edge may tell that the server closed or spoke first; it will not come again.
                        if event.readable || event.closed {
                            self.react(event);
                        }
                    }
                    Opening::Failed(cause) => self.refused(slot, cause, now_ns),
                }
            }
            State::Idle => {
                let told = event.readable || event.closed;
                if told && !connection.rest(&mut self.io, slot, &mut self.buffer, event.closed) {
                    let now_ns = self.io.now_ns();
                    self.pools[usize::from(connection.instance)].lost(slot);
                    self.close(slot, now_ns);
                }
            }
            State::Sending | State::Waiting | State::Reading => {
                self.exchange(slot, event);
            }
        }
    }

    /// Looks at a connection whose request is late for an answer that came in time and was not read yet; returns whether
    /// there is none.
    pub(super) fn is_unanswered(&mut self, slot: u32) -> bool {
        let serial = self.connections[slot as usize].serial;
        self.exchange(slot, &Ready { slot, serial, readable: true, writable: false, closed: false })
    }

    /// Sends and reads on; returns whether the request is still on its way.
    fn exchange(&mut self, slot: u32, event: &Ready) -> bool {
        let connection = &mut self.connections[slot as usize];
        let mut step = Step::Pending;
        if connection.state == State::Sending && event.writable {
            step = connection.push(&mut self.io, slot);
        }
        if step == Step::Pending && (event.readable || event.closed) {
            let lines = &self.entries[usize::from(connection.job.endpoint)].expect_headers;
            step = match self.checks.viewer(slot, lines) {
                None => connection.pull(&mut self.io, slot, &mut self.buffer, event.closed, &mut ()),
                Some(mut viewer) => connection.pull(&mut self.io, slot, &mut self.buffer, event.closed, &mut viewer),
            };
        }
        match step {
            Step::Pending => return true,
            Step::Done { answer, reusable } => {
                let now_ns = self.io.now_ns();
                self.answers_due.clear(slot);
                self.busy -= 1;
                let (job, sent_ns) = (connection.job, connection.sent_ns);
                let end_ns = end_ns(connection, now_ns, &mut self.vitals);
                let entry = &self.entries[usize::from(job.endpoint)];
                let (cause, checked) = if entry.expect_status.is_some_and(|status| status != answer.status) {
                    (Some(Cause::Status(answer.status)), false)
                } else {
                    self.checks.judge(slot, &entry.expect_headers, || entry.known_body(job.user))
                };
                let (status, bytes) = (answer.status, answer.body_bytes);
                self.count_end(&job, &End { status, cause, bytes, checked, sent_ns }, end_ns);
                if reusable { self.free(slot, now_ns) } else { self.close(slot, now_ns) }
            }
            Step::Broken { cause, unanswered } => {
                let now_ns = self.io.now_ns();
                if unanswered && self.may_send_again(slot) {
                    self.send_again(slot, now_ns);
                } else {
                    self.fail(slot, cause, now_ns);
                }
            }
        }
        false
    }

    fn may_send_again(&self, slot: u32) -> bool {
        let connection = &self.connections[slot as usize];
        let request = &self.entries[usize::from(connection.job.endpoint)].request;
        connection.idle_ns >= STALE_NS && !connection.job.again && request.is_idempotent()
    }

    fn send_again(&mut self, slot: u32, now_ns: u64) {
        let connection = &self.connections[slot as usize];
        let (job, target) = (Job { again: true, ..connection.job }, usize::from(connection.instance));
        self.answers_due.clear(slot);
        self.busy -= 1;
        self.pools[target].put_first(job);
        self.wait_begins(&job, now_ns);
        self.close(slot, now_ns);
    }

    pub(super) fn fail(&mut self, slot: u32, cause: Cause, now_ns: u64) {
        self.answers_due.clear(slot);
        self.busy -= 1;
        let (job, sent_ns) = (self.connections[slot as usize].job, self.connections[slot as usize].sent_ns);
        self.count_end(&job, &End::failed(cause, sent_ns), now_ns);
        self.close(slot, now_ns);
    }

    fn count_end(&mut self, job: &Job, end: &End, end_ns: u64) {
        // An answer read after its second was told counts in the next one; that moves it by less than the coalescing.
        let mut key = self.key(job, end_ns.max(self.told_second * SECOND_NS));
        if end_ns >= self.stages[usize::from(job.stage)].ends_ns {
            key.phase = Phase::Drain;
        }
        let latency_ns = (job.seat == NO_SEAT).then(|| end_ns.saturating_sub(job.intended_ns));
        let &End { status, cause, bytes, checked, sent_ns } = end;
        let outcome = Outcome { status, cause, service_ns: end_ns.saturating_sub(sent_ns), latency_ns, bytes, checked };
        self.tally.ended(key, &outcome);
        self.seat_ended(job, end_ns, cause.is_some());
    }

    fn opened(&mut self, slot: u32, now_ns: u64) {
        self.connects_due.clear(slot);
        self.vitals.opened += 1;
        let connection = &mut self.connections[slot as usize];
        connection.opened(now_ns);
        let target = usize::from(connection.instance);
        self.pools[target].opened();
        self.free(slot, now_ns);
    }

    /// A connection is free: whoever waits longest takes it.
    fn free(&mut self, slot: u32, now_ns: u64) {
        let connection = &mut self.connections[slot as usize];
        connection.state = State::Idle;
        connection.free_ns = now_ns;
        if let Some(job) = self.pools[usize::from(connection.instance)].freed(slot) {
            self.wait_ends(&job);
            self.send(slot, job);
        }
    }

    /// Closes the socket; why its TLS failed, if it did, is told.
    fn hang_up(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        if let Some(fault) = connection.tls_fault() {
            self.control.tell_fault(fault);
        }
        connection.close(&mut self.io, slot);
    }

    fn close(&mut self, slot: u32, now_ns: u64) {
        self.hang_up(slot);
        self.vitals.closed += 1;
        self.vacate(slot, now_ns);
    }

    pub(super) fn vacate(&mut self, slot: u32, now_ns: u64) {
        let connection = &mut self.connections[slot as usize];
        connection.state = State::Closed;
        let target = usize::from(connection.instance);
        self.pools[target].vacated(slot);
        self.open_wanted(target, now_ns);
    }

    pub(super) fn send(&mut self, slot: u32, job: Job) {
        let entry = &self.entries[usize::from(job.endpoint)];
        let connection = &mut self.connections[slot as usize];
        let host = self.targets[usize::from(connection.instance)].host.as_bytes();
        let id = RequestId { ids: self.ids, thread: self.share.index as u16, number: job.number };
        entry.request.render(job.user, id, host, &mut connection.wire);
        let now_ns = self.io.now_ns();
        connection.begin(job, entry.head_only, now_ns);
        self.checks.begin(slot, || entry.known_body(job.user));
        let lag_ns = (job.seat == NO_SEAT).then(|| now_ns.saturating_sub(job.intended_ns.max(connection.free_ns)));
        let step = connection.push(&mut self.io, slot);
        self.busy += 1;
        self.answers_due.set(slot, now_ns);
        if !job.again {
            let key = self.key(&job, now_ns);
            self.tally.sent(key, lag_ns);
        }
        if let Step::Broken { cause, .. } = step {
            if self.may_send_again(slot) { self.send_again(slot, now_ns) } else { self.fail(slot, cause, now_ns) }
        }
    }
}

/// Returns when an answer ended: at the kernel's receive time of its last bytes where it is known, else now; never before
/// its send nor after now.
fn end_ns(connection: &Connection, now_ns: u64, vitals: &mut Vitals) -> u64 {
    let Some(received_ns) = connection.received_ns else { return now_ns };
    let end_ns = received_ns.min(now_ns).max(connection.sent_ns);
    vitals.stamped += 1;
    vitals.clamped += u64::from(end_ns != received_ns);
    end_ns
}
