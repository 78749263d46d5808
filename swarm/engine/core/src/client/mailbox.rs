//! What passes between the users' thread and the client's: requests in, replies out, each in batches.
//!
//! A lock is held for a push or a swap. The client's thread is woken only when it sleeps, and rings the users' bell only
//! when they have taken what it rang for last.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use crate::client::ask::Traits;
use crate::client::{ChannelSpec, Reply};
use crate::control::Vitals;

/// How many buffers of ended requests are kept for the next ones, and how large each may be.
const KEPT_BUFFERS: usize = 1_024;
/// The largest buffer that is worth keeping.
pub(crate) const KEPT_BYTES: usize = 16 * 1024;

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Asked<T> {
    pub(crate) channel: u32,
    pub(crate) traits: Traits,
    /// It was sent before, on a connection that turned out to be closed.
    pub(crate) again: bool,
    pub(crate) timeout_ns: u64,
    pub(crate) submitted_ns: u64,
    pub(crate) wire: Vec<u8>,
    pub(crate) token: T,
}

/// What the client's thread is told.
#[derive(Debug)]
pub(crate) enum Word<T> {
    Open(u32, Box<ChannelSpec>),
    Ask(Asked<T>),
    Close(u32),
}

/// A request that ended: its token, how, and its buffer to be used again.
#[derive(Debug)]
pub(crate) struct Ended<T> {
    pub(crate) token: T,
    pub(crate) reply: Reply,
    pub(crate) wire: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Inbox<T> {
    pub(crate) words: VecDeque<Word<T>>,
    /// Channel numbers that nobody has any more.
    pub(crate) free_channels: Vec<u32>,
    pub(crate) channels: u32,
    /// Nothing is taken any more.
    pub(crate) ended: bool,
}

/// The two boxes.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    inbox: Mutex<Inbox<T>>,
    /// There are words that were not taken.
    asked: AtomicBool,
    sleeps: AtomicBool,
    stop: AtomicBool,
    outbox: Mutex<Vec<Ended<T>>>,
    vitals: Mutex<Vitals>,
    rang: AtomicBool,
    bell: OwnedFd,
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> std::io::Result<Self> {
        let inbox = Inbox { words: VecDeque::new(), free_channels: Vec::new(), channels: 0, ended: false };
        Ok(Self {
            inbox: Mutex::new(inbox),
            asked: AtomicBool::new(false),
            sleeps: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            outbox: Mutex::new(Vec::new()),
            vitals: Mutex::new(Vitals::default()),
            rang: AtomicBool::new(false),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            buffers: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    pub(crate) fn inbox(&self) -> MutexGuard<'_, Inbox<T>> {
        locked(&self.inbox)
    }

    /// Notes that words were left; returns whether the client's thread must be woken for them.
    #[inline]
    pub(crate) fn asked(&self) -> bool {
        // Sequentially consistent with `may_sleep`: either the thread sees the words, or this sees that it sleeps.
        self.asked.store(true, Ordering::SeqCst);
        self.sleeps.load(Ordering::SeqCst) && self.sleeps.swap(false, Ordering::SeqCst)
    }

    /// Notes that words were left that need not be taken before the thread wakes by itself.
    pub(crate) fn left(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Asks the thread to end; wake it.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.asked.store(true, Ordering::SeqCst);
    }

    pub(crate) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Says that the thread is about to wait; returns false when there is something to do first.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeps.store(true, Ordering::SeqCst);
        let may = !self.asked.load(Ordering::SeqCst);
        if !may {
            self.sleeps.store(false, Ordering::SeqCst);
        }
        may
    }

    pub(crate) fn woke(&self) {
        self.sleeps.store(false, Ordering::SeqCst);
    }

    /// Moves the words left since the last time into `into`, which is empty.
    pub(crate) fn take_words(&self, into: &mut VecDeque<Word<T>>) {
        if self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::SeqCst) {
            std::mem::swap(&mut self.inbox().words, into);
        }
    }

    /// Leaves what ended and rings, unless the last ring was not answered yet.
    pub(crate) fn leave(&self, ended: &mut Vec<Ended<T>>) {
        if ended.is_empty() {
            return;
        }
        locked(&self.outbox).append(ended);
        if !self.rang.swap(true, Ordering::SeqCst) {
            // The only failure is a counter that is full, and then the bell rings already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// Silences the bell and takes what ended since the last time.
    pub(crate) fn take_ended(&self, into: &mut Vec<Ended<T>>) {
        let _ = rustix::io::read(&self.bell, &mut [0_u8; 8]);
        self.rang.store(false, Ordering::SeqCst);
        std::mem::swap(&mut *locked(&self.outbox), into);
    }

    pub(crate) fn tell(&self, vitals: Vitals) {
        *locked(&self.vitals) = vitals;
    }

    pub(crate) fn vitals(&self) -> Vitals {
        *locked(&self.vitals)
    }

    pub(crate) fn buffer(&self) -> Vec<u8> {
        locked(&self.buffers).pop().unwrap_or_default()
    }

    pub(crate) fn keep_buffers(&self, buffers: Vec<Vec<u8>>) {
        let mut kept = locked(&self.buffers);
        let room = KEPT_BUFFERS.saturating_sub(kept.len());
        let good = buffers.into_iter().filter(|buffer| buffer.capacity() > 0 && buffer.capacity() <= KEPT_BYTES);
        kept.extend(good.take(room).map(|mut buffer| {
            buffer.clear();
            buffer
        }));
    }
}

/// Everything behind these locks is whole between statements, so a thread that died leaves nothing half-written.
fn locked<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
