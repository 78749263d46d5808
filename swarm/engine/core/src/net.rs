//! The real edge: non-blocking TCP over edge-triggered epoll, through `rustix`, without unsafe code here.
//!
//! Each socket is registered once for reading and writing, so that a request costs one send, one receive and its share of
//! an epoll wait, and no `epoll_ctl` (two of which cost wrk its distance). Time-outs have ns precision by `epoll_pwait2`
//! (needs Linux 5.11) and a timer slack of 1 ns instead of 50 µs.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::{ClockId, clock_gettime};

use crate::io::{Io, Ready};
use crate::stage::SECOND_NS;

/// How many events one wait may return.
const BATCH: usize = 256;
/// Where one wait's events go: on the stack, not set before.
type Events = [MaybeUninit<epoll::Event>; BATCH];
const WAKER: u64 = u64::MAX;

/// Wakes an engine's thread from another one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Wakes the thread; it sees what was changed before the call.
    pub fn wake(&self) {
        // The only failure is a counter that is full, and then the thread is being woken already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// Sockets by slot, and the epoll that watches them.
pub struct Net {
    epoll: OwnedFd,
    waker: Waker,
    sockets: Box<[Option<OwnedFd>]>,
}

/// Returns the monotonic clock in ns, the same that every part of a run counts on.
#[inline]
#[must_use]
pub fn monotonic_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

fn to_ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

fn data_of(slot: u32, serial: u32) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(serial) << 32 | u64::from(slot))
}

fn wanted() -> epoll::EventFlags {
    epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET
}

impl Net {
    /// Returns an edge with room for so many connections.
    ///
    /// # Errors
    /// When the process may have no more descriptors.
    pub fn new(slots: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = Waker(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        epoll::add(&epoll, &*waker.0, epoll::EventData::new_u64(WAKER), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        let sockets = std::iter::repeat_with(|| None).take(slots).collect();
        Ok(Self { epoll, waker, sockets })
    }

    /// Returns what wakes this edge's [`Io::wait`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Makes the calling thread's timers exact; without that right they are 50 µs late, which the send lag shows.
    pub fn sharpen_timers(&self) {
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    }

    fn socket(&self, slot: u32) -> io::Result<&OwnedFd> {
        self.sockets[slot as usize].as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Waits once and returns the events.
    fn wait_events<'a>(&self, wait_ns: u64, events: &'a mut Events) -> io::Result<&'a mut [epoll::Event]> {
        let wait = Timespec { tv_sec: (wait_ns / SECOND_NS) as i64, tv_nsec: (wait_ns % SECOND_NS) as i64 };
        match epoll::wait(&self.epoll, &mut events[..], Some(&wait)) {
            Ok((events, _)) => Ok(events),
            Err(Errno::INTR) => Ok(&mut []),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Io for Net {
    #[inline]
    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn open(&mut self, slot: u32, serial: u32, to: SocketAddr) -> io::Result<()> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        epoll::add(&self.epoll, &socket, data_of(slot, serial), wanted())?;
        self.sockets[slot as usize] = Some(socket);
        Ok(())
    }

    fn opened(&mut self, slot: u32) -> io::Result<()> {
        Ok(sockopt::socket_error(self.socket(slot)?)??)
    }

    #[inline]
    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::retry_on_intr(|| {
            rustix::net::send(self.socket(slot).map_err(|_| Errno::NOTCONN)?, bytes, SendFlags::NOSIGNAL)
        })?)
    }

    #[inline]
    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<usize> {
        let socket = self.socket(slot)?;
        loop {
            match rustix::net::recv(socket, &mut *into, RecvFlags::empty()) {
                Ok((count, _)) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn again(&mut self, slot: u32, serial: u32) {
        if let Ok(socket) = self.socket(slot) {
            // Setting the same events once more tells them once more. It cannot fail for a socket that is watched.
            let _ = epoll::modify(&self.epoll, socket, data_of(slot, serial), wanted());
        }
    }

    fn close(&mut self, slot: u32) {
        self.sockets[slot as usize] = None;
    }

    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        ready.clear();
        // An endless wait is cut into hours; the engine then looks at the clock and waits again.
        let wait_ns = until_ns.saturating_sub(self.now_ns()).min(3_600 * SECOND_NS);
        let mut events = [const { MaybeUninit::uninit() }; BATCH];
        for event in self.wait_events(wait_ns, &mut events)? {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == WAKER {
                let _ = rustix::io::read(&*self.waker.0, &mut [0_u8; 8]);
                continue;
            }
            let closed = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            let (readable, writable) = (flags.contains(epoll::EventFlags::IN), flags.contains(epoll::EventFlags::OUT));
            ready.push(Ready { slot: data as u32, serial: (data >> 32) as u32, readable, writable, closed });
        }
        Ok(())
    }

    fn cpu_ns(&self) -> u64 {
        to_ns(clock_gettime(ClockId::ThreadCPUTime))
    }
}
