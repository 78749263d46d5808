//! The edge to the machine as the engine sees it: a clock and numbered connections. [`crate::net`] is the real one;
//! tests have one whose time is a number.

use std::io;
use std::net::SocketAddr;

/// Something happened to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The connection's slot.
    pub slot: u32,
    /// The serial that [`Io::open`] got; an event of an older connection in the same slot has another.
    pub serial: u32,
    /// There are bytes, or an end, to read.
    pub readable: bool,
    /// It opened, or more can be written.
    pub writable: bool,
    /// The peer closed, or the connection broke.
    pub closed: bool,
}

/// A clock and connections. Events come once per change (edge-triggered): a reader reads until less came than asked
/// for, or until [`io::ErrorKind::WouldBlock`], or asks with [`Io::again`].
pub trait Io {
    /// The monotonic clock in ns.
    fn now_ns(&self) -> u64;

    /// Begins to connect; a writable [`Ready`] says that it is over.
    ///
    /// # Errors
    /// When it failed at once.
    fn open(&mut self, slot: u32, serial: u32, to: SocketAddr) -> io::Result<()>;

    /// Says how connecting ended.
    ///
    /// # Errors
    /// When it failed.
    fn opened(&mut self, slot: u32) -> io::Result<()>;

    /// Sends what can be sent now and returns how much that was.
    ///
    /// # Errors
    /// `WouldBlock` when nothing can; anything else ends the connection.
    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize>;

    /// Reads what is there; 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is; anything else ends the connection.
    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<usize>;

    /// Asks for another [`Ready`] of what can be read now, for a reader that stops before it read all.
    fn again(&mut self, slot: u32, serial: u32);

    /// Closes a connection; does nothing when there is none.
    fn close(&mut self, slot: u32);

    /// Waits until something happens, a moment comes or the engine is woken, and replaces `ready` by what happened.
    ///
    /// # Errors
    /// When waiting itself fails, which nothing can cure.
    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()>;

    /// CPU time of the calling thread in ns.
    fn cpu_ns(&self) -> u64;
}
