//! The real edge: non-blocking TCP over edge-triggered epoll, through `rustix`, without unsafe code here.
//!
//! Each socket is registered once for reading and writing, so that a request costs one send, one receive and its share of
//! an epoll wait, and no `epoll_ctl` (two of which cost wrk its distance). Time-outs have ns precision by `epoll_pwait2`
//! (needs Linux 5.11) and a timer slack of 1 ns instead of 50 µs.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::time::{ClockId, clock_gettime};

use crate::io::{BATCH, Io, Ready, Received};
use crate::stage::SECOND_NS;
use crate::stamps::Stamps;

/// Where one wait's events go: on the stack, not set before.
type Events = [MaybeUninit<epoll::Event>; BATCH];
const WAKER: u64 = u64::MAX;

/// Wakes an engine's thread from another one.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Forgets that it woke; what was changed before that is to be looked at after this.
    pub(crate) fn settle(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0_u8; 8]);
    }

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
    stamps: Option<Stamps>,
}

/// Room for one control message with a time, aligned as its head must be.
#[repr(align(8))]
struct Control([u8; 64]);

/// Returns the monotonic clock in ns, the same that every part of a run counts on.
#[inline]
#[must_use]
pub fn monotonic_ns() -> u64 {
    to_ns(clock_gettime(ClockId::Monotonic))
}

pub(crate) fn to_ns(time: Timespec) -> u64 {
    time.tv_sec as u64 * SECOND_NS + time.tv_nsec as u64
}

fn data_of(slot: u32, serial: u32) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(serial) << 32 | u64::from(slot))
}

fn wanted() -> epoll::EventFlags {
    epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET
}

fn to_timespec(span_ns: u64) -> Timespec {
    Timespec { tv_sec: (span_ns / SECOND_NS) as i64, tv_nsec: (span_ns % SECOND_NS) as i64 }
}

/// Returns the CPU time of the calling thread in ns.
pub(crate) fn thread_cpu_ns() -> u64 {
    to_ns(clock_gettime(ClockId::ThreadCPUTime))
}

/// Makes the calling thread's timers exact; without that right they are 50 µs late, which the send lag shows.
pub(crate) fn sharpen_timers() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// Returns a socket that connects; `stamped` asks for the kernel's receive times.
pub(crate) fn begin_connect(to: SocketAddr, stamped: bool) -> io::Result<OwnedFd> {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if stamped {
        setsockopt(&socket, ReceiveTimestampns, &true)?;
    }
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno.into()),
    }
}

impl Net {
    /// Returns an edge with room for so many connections.
    ///
    /// # Errors
    /// When the process may have no more descriptors.
    pub fn new(slots: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = Waker::new()?;
        epoll::add(&epoll, &*waker.0, epoll::EventData::new_u64(WAKER), epoll::EventFlags::IN | epoll::EventFlags::ET)?;
        let sockets = std::iter::repeat_with(|| None).take(slots).collect();
        Ok(Self { epoll, waker, sockets, stamps: None })
    }

    /// Makes the kernel say when it received what is read; connections that are open already are not asked.
    #[must_use]
    pub fn with_stamps(self) -> Self {
        Self { stamps: Some(Stamps::new()), ..self }
    }

    /// Returns what wakes this edge's [`Io::wait`].
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    fn socket(&self, slot: u32) -> io::Result<&OwnedFd> {
        self.sockets[slot as usize].as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Waits once and returns the events.
    fn wait_events<'a>(&self, wait_ns: u64, events: &'a mut Events) -> io::Result<&'a mut [epoll::Event]> {
        match epoll::wait(&self.epoll, &mut events[..], Some(&to_timespec(wait_ns))) {
            Ok((events, _)) => Ok(events),
            Err(Errno::INTR) => Ok(&mut []),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Reads with the kernel's receive time. `recvmsg` is nix's, for rustix does not know this control message.
fn receive_stamped(socket: &OwnedFd, into: &mut [u8], stamps: &Stamps) -> io::Result<Received> {
    let mut control = Control([0; 64]);
    let mut parts = [IoSliceMut::new(into)];
    let message = loop {
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control.0), MsgFlags::empty()) {
            Err(nix::errno::Errno::EINTR) => {}
            other => break other?,
        }
    };
    let time = |one| match one {
        ControlMessageOwned::ScmTimestampns(time) => Some(time.tv_sec() as u64 * SECOND_NS + time.tv_nsec() as u64),
        _ => None,
    };
    let real_ns = message.cmsgs().ok().and_then(|mut all| all.find_map(time));
    Ok(Received { count: message.bytes, at_ns: real_ns.and_then(|real_ns| stamps.to_monotonic(real_ns)) })
}

impl Io for Net {
    #[inline]
    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn open(&mut self, slot: u32, serial: u32, to: SocketAddr) -> io::Result<()> {
        let socket = begin_connect(to, self.stamps.is_some())?;
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
    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<Received> {
        let socket = self.socket(slot)?;
        if let Some(stamps) = &self.stamps {
            return receive_stamped(socket, into, stamps);
        }
        loop {
            match rustix::net::recv(socket, &mut *into, RecvFlags::empty()) {
                Ok((count, _)) => return Ok(Received { count, at_ns: None }),
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
                self.waker.settle();
                continue;
            }
            let closed = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            let (readable, writable) = (flags.contains(epoll::EventFlags::IN), flags.contains(epoll::EventFlags::OUT));
            ready.push(Ready { slot: data as u32, serial: (data >> 32) as u32, readable, writable, closed });
        }
        if let Some(stamps) = &mut self.stamps {
            stamps.check();
        }
        Ok(())
    }

    fn rest(&mut self, until_ns: u64) -> io::Result<bool> {
        let rest_ns = until_ns.saturating_sub(self.now_ns());
        if rest_ns == 0 {
            return Ok(false);
        }
        match poll(&mut [PollFd::new(&*self.waker.0, PollFlags::IN)], Some(&to_timespec(rest_ns))) {
            Ok(0) | Err(Errno::INTR) => Ok(false),
            Ok(_) => {
                self.waker.settle();
                Ok(true)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn cpu_ns(&self) -> u64 {
        thread_cpu_ns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_ends_with_its_time_or_when_the_engine_is_woken() {
        let mut net = Net::new(1).expect("descriptors");
        let waker = net.waker();
        assert!(!net.rest(monotonic_ns() + 1_000).expect("it rests"));
        waker.wake();
        assert!(net.rest(monotonic_ns() + 3_600 * SECOND_NS).expect("it rests"));
        let other = std::thread::spawn(move || waker.wake());
        assert!(net.rest(monotonic_ns() + 3_600 * SECOND_NS).expect("it rests"));
        other.join().expect("no panic");
    }
}
