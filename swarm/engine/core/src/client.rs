//! A client for native users: somebody else decides what to ask, one thread does sockets, HTTP and time.
//!
//! [`Client::channel`] opens a user's way to one origin, [`Channel::submit`] leaves a request ([`Ask`]) with a token,
//! [`Client::completed`] returns the tokens with their [`Reply`] in batches; a descriptor is readable when there are some.
//! The thread is a loop over [`crate::io::Io`]. No pause follows a refused connect here: the request
//! fails at once, and its user sees that.
//!
//! The thread sends and reads alone, so a moment is right whatever its users compute meanwhile. What that costs is small:
//! with requests under way it wakes once for several of them, and three quarters of its time are the kernel's sending.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{io, mem};

mod ask;
mod exchange;
mod lane;
mod mailbox;
mod reply;
mod runner;
#[cfg(test)]
mod tests;
mod timers;
mod watched;

pub use ask::{Ask, AskError, is_plain_path};
pub use reply::{Fault, Reply};

use crate::control::Vitals;
use crate::net::{Net, Waker, monotonic_ns};
use crate::parse::Limits;
use crate::tls::TlsTarget;
use ask::Lines;
use mailbox::{Asked, Ended, Mailbox, Word};
use runner::Runner;

/// What holds for all channels of a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Connections, all channels together; idle ones give way to new ones.
    pub max_connections: u32,
    /// Bytes of one body.
    pub max_body_bytes: usize,
    /// Limits of the parser.
    pub parser: Limits,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { max_connections: 20_000, max_body_bytes: 1 << 30, parser: Limits::default() }
    }
}

/// Where a channel leads.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// Where the origin listens.
    pub address: SocketAddr,
    /// What the Host header says, visible ASCII.
    pub host: String,
    /// TLS, when it is to be spoken; its name was checked.
    pub tls: Option<TlsTarget>,
    /// How many connections it may have at once; further requests wait.
    pub connections: u32,
    /// How long connecting may take, TLS included.
    pub connect_timeout_ns: u64,
    /// How long the server may be silent, or take nothing, while a request is on its way.
    pub timeout_ns: u64,
}

/// A request that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// It cannot be sent.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The channel or its client was closed.
    #[error("the channel is closed: open another one")]
    Closed,
    /// The Host header cannot be sent.
    #[error("host {0:?} cannot be sent: give visible ASCII, such as example.org:8080")]
    Host(String),
}

/// One thread that exchanges requests. Dropping it ends the thread and forgets what is on its way.
#[derive(Debug)]
pub struct Client<T> {
    mailbox: Arc<Mailbox<T>>,
    waker: Waker,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Memory for a batch, used again.
    ended: Mutex<Vec<Ended<T>>>,
    /// A process that was forked has the client, but not its thread.
    process: u32,
}

/// One user's connections to one origin. Dropping it closes it.
#[derive(Debug)]
pub struct Channel<T> {
    mailbox: Arc<Mailbox<T>>,
    waker: Waker,
    number: u32,
    host: Box<str>,
    timeout_ns: u64,
    /// The header block that was checked last: a user's requests mostly have the same.
    checked: Mutex<(Vec<u8>, Lines)>,
    closed: Mutex<bool>,
    process: u32,
}

impl<T: Send + 'static> Client<T> {
    /// Starts a client.
    ///
    /// # Errors
    /// When the machine refuses a thread or a descriptor.
    pub fn start(limits: ClientLimits) -> io::Result<Self> {
        let mailbox = Arc::new(Mailbox::new()?);
        let net = Net::new(limits.max_connections as usize)?;
        let waker = net.waker();
        let mut runner = Runner::new(net, Arc::clone(&mailbox), limits);
        let run = move || {
            crate::net::sharpen_timers();
            let end = catch_unwind(AssertUnwindSafe(|| runner.run()));
            // However it ended, whoever waits is told.
            runner.end(match &end {
                Ok(Ok(())) => "the client was closed",
                Ok(Err(_)) => "the client could not wait for events any more",
                Err(_) => "the client failed, which is a fault of it",
            });
        };
        let thread = std::thread::Builder::new().name("twinload-client".into()).spawn(run)?;
        Ok(Self {
            mailbox,
            waker,
            thread: Mutex::new(Some(thread)),
            ended: Mutex::default(),
            process: std::process::id(),
        })
    }

    /// A descriptor that is readable when [`Client::completed`] has something.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.mailbox.bell()
    }

    /// Hands over all that ended since the last time, oldest first. It may be nothing.
    pub fn completed(&self, mut each: impl FnMut(T, Reply)) {
        // Taken, not held: what is called may come here again.
        let mut ended = mem::take(&mut *locked(&self.ended));
        self.mailbox.take_ended(&mut ended);
        let hand = |one: Ended<T>| {
            each(one.token, one.reply);
            one.wire
        };
        self.mailbox.keep_buffers(ended.drain(..).map(hand).collect::<Vec<_>>());
        *locked(&self.ended) = ended;
    }

    /// What the thread knew of itself when it waited last.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.mailbox.vitals()
    }

    /// Opens a channel; its connections are opened when they are needed.
    ///
    /// # Errors
    /// [`SubmitError`] when the host is no header value or the client is closed.
    pub fn channel(&self, spec: ChannelSpec) -> Result<Channel<T>, SubmitError> {
        if spec.host.is_empty() || !spec.host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SubmitError::Host(spec.host));
        }
        let (host, timeout_ns) = (spec.host.as_str().into(), spec.timeout_ns);
        let mut inbox = self.mailbox.inbox();
        if inbox.ended {
            return Err(SubmitError::Closed);
        }
        let fresh = inbox.channels;
        let number = inbox.free_channels.pop().unwrap_or(fresh);
        inbox.channels += u32::from(number == fresh);
        inbox.words.push_back(Word::Open(number, Box::new(spec)));
        drop(inbox);
        // Nothing happens before its first request, so nobody is woken.
        self.mailbox.left();
        let (mailbox, waker) = (Arc::clone(&self.mailbox), self.waker.clone());
        let checked = Mutex::new((Vec::new(), Lines::default()));
        let (closed, process) = (Mutex::new(false), self.process);
        Ok(Channel { mailbox, waker, number, host, timeout_ns, checked, closed, process })
    }

    /// Ends the thread; what is on its way ends as stopped, and [`Client::completed`] still returns it.
    pub fn close(&self) {
        let thread = locked(&self.thread).take();
        if self.process != std::process::id() {
            // Only the process that started it has the thread; waiting for it here would never end.
            mem::forget(thread);
            return;
        }
        self.mailbox.stop();
        self.waker.wake();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Client<T> {
    fn drop(&mut self) {
        let thread = locked(&self.thread).take();
        if self.process != std::process::id() {
            mem::forget(thread);
        } else {
            // Not waited for: whoever drops it may hold a lock that the tokens' end needs.
            self.mailbox.stop();
            self.waker.wake();
        }
    }
}

impl<T> Channel<T> {
    /// Leaves a request; `timeout_ns` in place of the channel's.
    ///
    /// # Errors
    /// [`SubmitError`] when it cannot be sent or the channel is closed.
    pub fn submit(&self, ask: &Ask<'_>, token: T, timeout_ns: Option<u64>) -> Result<(), SubmitError> {
        let lines = self.lines(ask.headers)?;
        let mut wire = self.mailbox.buffer();
        let traits = ask.render(&self.host, lines, &mut wire)?;
        let (channel, timeout_ns) = (self.number, timeout_ns.unwrap_or(self.timeout_ns));
        let submitted_ns = monotonic_ns();
        let asked = Asked { channel, traits, again: false, timeout_ns, submitted_ns, wire, token };
        // Held until the request is left, so that it stands before the word that closes the channel.
        let closed = locked(&self.closed);
        let mut inbox = self.mailbox.inbox();
        if *closed || inbox.ended {
            return Err(SubmitError::Closed);
        }
        inbox.words.push_back(Word::Ask(asked));
        drop(inbox);
        if self.mailbox.asked() {
            self.waker.wake();
        }
        Ok(())
    }

    /// Closes idle connections now, busy ones when what was submitted has ended.
    pub fn close(&self) {
        if self.process != std::process::id() {
            return; // a lock may have been held when this process was forked
        }
        let mut closed = locked(&self.closed);
        if !mem::replace(&mut *closed, true) {
            let mut inbox = self.mailbox.inbox();
            if !inbox.ended {
                inbox.words.push_back(Word::Close(self.number));
            }
            drop(inbox);
            if self.mailbox.asked() {
                self.waker.wake();
            }
        }
    }

    fn lines(&self, headers: &[u8]) -> Result<Lines, AskError> {
        let mut checked = locked(&self.checked);
        if checked.0 != headers {
            checked.1 = Lines::of(headers)?;
            checked.0.clear();
            checked.0.extend_from_slice(headers);
        }
        Ok(checked.1)
    }
}

impl<T> Drop for Channel<T> {
    fn drop(&mut self) {
        self.close();
    }
}

fn locked<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
