//! What one thread counted, second by second.
//!
//! A request belongs to the stage of its intended start and to the second of its end; `offered` is counted in the second
//! of the intended start, `sent` in that of the send, `dropped` in that of the drop, all three in the phase of the
//! intended start. What ends after its stage's end has the phase `drain`. Over all seconds of a drained stage
//! offered = sent + dropped and sent = done. A request whose connection could not be opened counts as sent and failed.
//!
//! Counting takes no memory once every kind of answer was seen: cells are used again after they were told.

use crate::hdr::{Histogram, Sparse};
use crate::stage::{Phase, SECOND_NS};

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// No connection could be opened.
    Connect,
    /// The TLS handshake failed, or a record of the session was not what it should be.
    Tls,
    /// The answer, or the connection, took longer than the time-out.
    Timeout,
    /// The connection ended before the answer did.
    Reset,
    /// The answer was not HTTP.
    Other,
    /// The engine was told to end at once.
    Stopped,
    /// Another status than the expected one.
    Status(u16),
}

impl std::fmt::Display for Cause {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect => out.write_str("connect"),
            Self::Tls => out.write_str("tls"),
            Self::Timeout => out.write_str("timeout"),
            Self::Reset => out.write_str("reset"),
            Self::Other => out.write_str("other"),
            Self::Stopped => out.write_str("stopped"),
            Self::Status(status) => write!(out, "status-{status}"),
        }
    }
}

/// What a count is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The second of the monotonic clock.
    pub second: u64,
    /// The stage's own number.
    pub stage: u32,
    /// The endpoint's place in the plan.
    pub endpoint: u16,
    /// The phase.
    pub phase: Phase,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The status, 0 when no answer came.
    pub status: u16,
    /// Why it failed; None when it did not.
    pub cause: Option<Cause>,
    /// From the send to the end.
    pub service_ns: u64,
    /// From the intended start to the end; None in a closed loop, which has none.
    pub latency_ns: Option<u64>,
    /// Bytes of the body.
    pub bytes: u64,
}

/// Answers of one status class in one second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusLine {
    /// The first digit of the status, 0 where no answer came.
    pub class: u8,
    /// How many ended, failed ones included.
    pub done: u64,
    /// Failures by cause.
    pub failed: Vec<(Cause, u64)>,
    /// Service time in µs.
    pub service: Sparse,
    /// Latency from the intended start in µs; empty in a closed loop.
    pub latency: Sparse,
    /// Bytes of bodies.
    pub bytes: u64,
}

impl StatusLine {
    /// Returns the class as records name it: `2xx`, or `none`.
    #[must_use]
    pub fn name(&self) -> String {
        if self.class == 0 { "none".into() } else { format!("{}xx", self.class) }
    }
}

/// One endpoint in one second of one phase of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondLine {
    /// What it is of.
    pub key: Key,
    /// Intended starts.
    pub offered: u64,
    /// Starts.
    pub sent: u64,
    /// Arrivals that were given up before they were sent.
    pub dropped: u64,
    /// Send minus the later of the intended start and the moment a connection was free, µs; empty in a closed loop.
    pub send_lag: Sparse,
    /// The most arrivals of this endpoint that waited for a connection.
    pub backlog_max: u64,
    /// Answers by status class, ascending.
    pub status: Vec<StatusLine>,
}

#[derive(Debug, Default)]
struct Answers {
    class: u8,
    done: u64,
    failed: Vec<(Cause, u64)>,
    service: Histogram,
    latency: Histogram,
    bytes: u64,
}

impl Answers {
    fn line(&mut self) -> StatusLine {
        let (done, bytes) = (std::mem::take(&mut self.done), std::mem::take(&mut self.bytes));
        let mut failed: Vec<_> = self.failed.drain(..).collect();
        failed.sort_unstable();
        StatusLine {
            class: self.class,
            done,
            failed,
            service: self.service.take(),
            latency: self.latency.take(),
            bytes,
        }
    }
}

#[derive(Debug)]
struct Cell {
    key: Key,
    offered: u64,
    sent: u64,
    dropped: u64,
    lag: Histogram,
    backlog_max: u64,
    answers: Vec<Answers>,
}

impl Cell {
    fn new(key: Key) -> Self {
        Self { key, offered: 0, sent: 0, dropped: 0, lag: Histogram::new(), backlog_max: 0, answers: Vec::new() }
    }

    fn line(&mut self) -> SecondLine {
        let mut status: Vec<_> = self.answers.iter_mut().filter(|one| one.done > 0).map(Answers::line).collect();
        status.sort_unstable_by_key(|line| line.class);
        SecondLine {
            key: self.key,
            offered: std::mem::take(&mut self.offered),
            sent: std::mem::take(&mut self.sent),
            dropped: std::mem::take(&mut self.dropped),
            send_lag: self.lag.take(),
            backlog_max: std::mem::take(&mut self.backlog_max),
            status,
        }
    }
}

/// The counts that are not told yet.
#[derive(Debug, Default)]
pub struct Tally {
    open: Vec<Cell>,
    spare: Vec<Cell>,
}

impl Tally {
    /// Counts an intended start.
    pub fn offered(&mut self, key: Key) {
        self.cell(key).offered += 1;
    }

    /// Counts a start; `lag_ns` is None in a closed loop.
    pub fn sent(&mut self, key: Key, lag_ns: Option<u64>) {
        let cell = self.cell(key);
        cell.sent += 1;
        if let Some(lag_ns) = lag_ns {
            cell.lag.record_ns(lag_ns);
        }
    }

    /// Counts an arrival that was given up.
    pub fn dropped(&mut self, key: Key) {
        self.cell(key).dropped += 1;
    }

    /// Notes that so many arrivals wait.
    pub fn backlog(&mut self, key: Key, waiting: u64) {
        let cell = self.cell(key);
        cell.backlog_max = cell.backlog_max.max(waiting);
    }

    /// Counts an end.
    pub fn ended(&mut self, key: Key, outcome: &Outcome) {
        let class = (outcome.status / 100) as u8;
        let answers = &mut self.cell(key).answers;
        let at = answers.iter().position(|one| one.class == class).unwrap_or_else(|| {
            answers.push(Answers { class, ..Answers::default() });
            answers.len() - 1
        });
        let one = &mut answers[at];
        one.done += 1;
        one.bytes += outcome.bytes;
        one.service.record_ns(outcome.service_ns);
        if let Some(latency_ns) = outcome.latency_ns {
            one.latency.record_ns(latency_ns);
        }
        if let Some(cause) = outcome.cause {
            match one.failed.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, count)) => *count += 1,
                None => one.failed.push((cause, 1)),
            }
        }
    }

    /// Whether anything of a second below `second` is not told yet.
    #[must_use]
    pub fn has_before(&self, second: u64) -> bool {
        self.open.iter().any(|cell| cell.key.second < second)
    }

    /// Returns and forgets what was counted in seconds below `second`, in order of time.
    pub fn take_before(&mut self, second: u64) -> Vec<SecondLine> {
        let mut lines = Vec::new();
        let mut at = 0;
        while at < self.open.len() {
            if self.open[at].key.second < second {
                let mut cell = self.open.swap_remove(at);
                lines.push(cell.line());
                self.spare.push(cell);
            } else {
                at += 1;
            }
        }
        lines.sort_unstable_by_key(|line| line.key);
        lines
    }

    fn cell(&mut self, key: Key) -> &mut Cell {
        // A handful are open at a time, the wanted one nearly always the same.
        let at = self.open.iter().position(|cell| cell.key == key).unwrap_or_else(|| {
            let cell = self.spare.pop().map_or_else(|| Cell::new(key), |cell| Cell { key, ..cell });
            self.open.push(cell);
            self.open.len() - 1
        });
        &mut self.open[at]
    }
}

/// Returns the second that a moment lies in.
#[must_use]
pub fn second_of(at_ns: u64) -> u64 {
    at_ns / SECOND_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(second: u64) -> Key {
        Key { second, stage: 1, endpoint: 0, phase: Phase::Measure }
    }

    #[test]
    fn a_second_is_told_once_and_in_full() {
        let mut tally = Tally::default();
        tally.offered(key(5));
        tally.sent(key(5), Some(7_000));
        tally.backlog(key(5), 3);
        tally.backlog(key(5), 2);
        let good = Outcome { status: 200, cause: None, service_ns: 1_000_000, latency_ns: Some(2_000_000), bytes: 10 };
        tally.ended(key(5), &good);
        tally.ended(key(5), &Outcome { status: 503, cause: Some(Cause::Status(503)), latency_ns: None, ..good });
        tally.ended(key(6), &Outcome { status: 0, cause: Some(Cause::Timeout), ..good });
        let lines = tally.take_before(6);
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].offered, lines[0].sent, lines[0].backlog_max), (1, 1, 3));
        assert_eq!(lines[0].send_lag, [(7, 1)]);
        let [ok, bad] = &lines[0].status[..] else { panic!("two classes: {lines:?}") };
        assert_eq!(
            (ok.name(), ok.done, &ok.service, &ok.latency),
            ("2xx".into(), 1, &vec![(1_000, 1)], &vec![(2_000, 1)])
        );
        assert_eq!((bad.name(), &bad.failed, bad.latency.len()), ("5xx".into(), &vec![(Cause::Status(503), 1)], 0));
        assert_eq!(tally.take_before(6), []);
        assert_eq!(tally.take_before(7)[0].status[0].failed, [(Cause::Timeout, 1)]);
    }

    #[test]
    fn a_cell_that_was_told_starts_from_nothing() {
        let mut tally = Tally::default();
        tally.ended(key(1), &Outcome { status: 200, cause: None, service_ns: 1, latency_ns: None, bytes: 1 });
        tally.take_before(2);
        tally.sent(key(2), None);
        let line = &tally.take_before(3)[0];
        assert_eq!((line.sent, line.offered, line.status.len(), line.send_lag.len()), (1, 0, 0, 0));
    }
}
