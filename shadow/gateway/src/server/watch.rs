//! What a caller's connection is doing, and when it has done it for too long.
//!
//! | phase | begins with | ends by itself | cut after |
//! |---|---|---|---|
//! | idle | the connection, the end of an answer | a byte | `idle`, after which it is closed; twice that |
//! | head | a byte of a request | its whole head | `timeout` since the first byte |
//! | asking | a whole head | the head of an answer (bounded by the request's own time) | |
//! | answering | the head of an answer | the end of its body | `idle` without a byte either way |
//!
//! A connection that is idle and does not close has an answer for a caller who does not read: one that was whole when it
//! was handed over. That is why it is cut in the end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::config::Limits;

/// How often connections are looked at; times are counted in it.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// The time of one worker in ticks, and whether it drains.
#[derive(Debug, Default)]
pub struct Clock {
    ticks: AtomicU32,
    draining: AtomicBool,
}

impl Clock {
    /// One tick later.
    pub fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on every answer is the last of its connection.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    fn now(&self) -> u32 {
        self.ticks.load(Ordering::Relaxed)
    }
}

/// What a connection is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Close when the answer under way, if any, is over.
    Close,
    /// Close now.
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Head,
    Asking,
    Answering,
}

const PHASES: [Phase; 4] = [Phase::Idle, Phase::Head, Phase::Asking, Phase::Answering];

/// One connection, seen by its socket, its requests and the sweep.
#[derive(Debug)]
pub struct Watch {
    clock: Arc<Clock>,
    phase: AtomicU8,
    since: AtomicU32,
    touched: AtomicU32,
    order: AtomicU8,
    ordered: Notify,
}

impl Watch {
    /// A connection that begins.
    #[must_use]
    pub fn new(clock: Arc<Clock>) -> Self {
        let now = clock.now();
        let (since, touched) = (AtomicU32::new(now), AtomicU32::new(now));
        Self { clock, phase: AtomicU8::new(0), since, touched, order: AtomicU8::new(0), ordered: Notify::new() }
    }

    /// A whole head is there.
    pub fn request_begins(&self) {
        self.enter(Phase::Asking);
    }

    /// The head of its answer is there.
    pub fn answer_begins(&self) {
        self.enter(Phase::Answering);
    }

    /// Its answer is over.
    pub fn request_ends(&self) {
        self.enter(Phase::Idle);
    }

    /// Whether this answer is to be the last.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.clock.draining.load(Ordering::Relaxed)
    }

    /// Gives an order; the connection sees it when it is next polled.
    pub fn give(&self, order: Order) {
        self.order.store(if order == Order::Cut { 2 } else { 1 }, Ordering::Relaxed);
        self.ordered.notify_one();
    }

    /// Waits for an order.
    pub async fn order(&self) -> Order {
        self.ordered.notified().await;
        if self.order.load(Ordering::Relaxed) == 2 { Order::Cut } else { Order::Close }
    }

    /// What the limits say of it now.
    #[must_use]
    pub fn due(&self, limits: &Limits) -> Option<Order> {
        let phase = PHASES[usize::from(self.phase.load(Ordering::Relaxed))];
        let passed = |mark: &AtomicU32| TICK * self.clock.now().wrapping_sub(mark.load(Ordering::Relaxed));
        match phase {
            Phase::Idle if passed(&self.touched) > 2 * limits.idle => Some(Order::Cut),
            Phase::Idle => (passed(&self.touched) > limits.idle).then_some(Order::Close),
            Phase::Head => (passed(&self.since) > limits.timeout).then_some(Order::Cut),
            Phase::Asking => None,
            Phase::Answering => (passed(&self.touched) > limits.idle).then_some(Order::Cut),
        }
    }

    fn enter(&self, phase: Phase) {
        let now = self.clock.now();
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.touched.store(now, Ordering::Relaxed);
    }

    fn bytes_passed(&self) {
        self.touched.store(self.clock.now(), Ordering::Relaxed);
    }

    fn bytes_came(&self) {
        self.bytes_passed();
        if self.phase.load(Ordering::Relaxed) == Phase::Idle as u8 {
            self.enter(Phase::Head);
        }
    }
}

/// A socket that tells its watch of every byte.
#[derive(Debug)]
pub(super) struct WatchedIo {
    inner: TokioIo<TcpStream>,
    watch: Arc<Watch>,
}

impl WatchedIo {
    /// Puts a watch on a socket.
    #[must_use]
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        Self { inner: TokioIo::new(stream), watch }
    }

    fn sent(&self, result: Poll<std::io::Result<usize>>) -> Poll<std::io::Result<usize>> {
        if result.is_ready() {
            self.watch.bytes_passed();
        }
        result
    }
}

impl Read for WatchedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if result.is_ready() {
            self.watch.bytes_came();
        }
        result
    }
}

impl Write for WatchedIo {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(context, pieces);
        self.sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        header_bytes: 1_024,
        body_bytes: 0,
        timeout: Duration::from_secs(1),
        idle: Duration::from_secs(6),
        connections: 1,
    };

    fn after(clock: &Clock, ticks: u32) {
        for _ in 0..ticks {
            clock.tick();
        }
    }

    #[test]
    fn an_idle_connection_is_closed_after_its_time() {
        let clock = Arc::new(Clock::default());
        let watch = Watch::new(clock.clone());
        after(&clock, 60);
        assert_eq!(watch.due(&LIMITS), None);
        after(&clock, 1);
        assert_eq!(watch.due(&LIMITS), Some(Order::Close));
        after(&clock, 59);
        assert_eq!(watch.due(&LIMITS), Some(Order::Close));
        after(&clock, 1);
        assert_eq!(watch.due(&LIMITS), Some(Order::Cut), "its caller does not read what is left");
        watch.request_begins();
        watch.request_ends();
        assert_eq!(watch.due(&LIMITS), None);
    }

    #[test]
    fn a_head_that_drips_is_cut_however_often_bytes_come() {
        let clock = Arc::new(Clock::default());
        let watch = Watch::new(clock.clone());
        for _ in 0..11 {
            watch.bytes_came();
            after(&clock, 1);
        }
        assert_eq!(watch.due(&LIMITS), Some(Order::Cut));
    }

    #[test]
    fn an_answer_that_stands_still_is_cut_and_one_that_moves_is_not() {
        let clock = Arc::new(Clock::default());
        let watch = Watch::new(clock.clone());
        watch.request_begins();
        after(&clock, 100);
        assert_eq!(watch.due(&LIMITS), None);
        watch.answer_begins();
        after(&clock, 60);
        watch.bytes_passed();
        after(&clock, 60);
        assert_eq!(watch.due(&LIMITS), None);
        after(&clock, 1);
        assert_eq!(watch.due(&LIMITS), Some(Order::Cut));
    }
}
