//! The edge as one exchange sees it: how many reads, the first byte's moment, the last error.

use std::io;
use std::net::SocketAddr;

use crate::io::{Io, Ready, Received};

/// An edge that notes what an exchange does.
pub(crate) struct Watched<'a, I> {
    io: &'a mut I,
    reads: u32,
    /// When a first byte came; 0 when none did.
    pub(crate) first_ns: u64,
    /// What the system said last.
    pub(crate) error: Option<io::Error>,
}

impl<'a, I: Io> Watched<'a, I> {
    pub(crate) fn new(io: &'a mut I) -> Self {
        Self { io, reads: 0, first_ns: 0, error: None }
    }

    /// When the exchange was over: the moment of its only read, or now.
    pub(crate) fn done_ns(&self) -> u64 {
        if self.reads == 1 && self.first_ns > 0 { self.first_ns } else { self.io.now_ns() }
    }

    fn noted<V>(&mut self, result: io::Result<V>) -> io::Result<V> {
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::WouldBlock
        {
            self.error = Some(error.kind().into());
        }
        result
    }
}

impl<I: Io> Io for Watched<'_, I> {
    fn now_ns(&self) -> u64 {
        self.io.now_ns()
    }

    fn open(&mut self, slot: u32, serial: u32, to: SocketAddr) -> io::Result<()> {
        self.io.open(slot, serial, to)
    }

    fn opened(&mut self, slot: u32) -> io::Result<()> {
        let result = self.io.opened(slot);
        self.noted(result)
    }

    #[inline]
    fn send(&mut self, slot: u32, bytes: &[u8]) -> io::Result<usize> {
        let result = self.io.send(slot, bytes);
        self.noted(result)
    }

    #[inline]
    fn receive(&mut self, slot: u32, into: &mut [u8]) -> io::Result<Received> {
        self.reads += 1;
        let result = self.io.receive(slot, into);
        if self.first_ns == 0 && matches!(result, Ok(Received { count: 1.., .. })) {
            self.first_ns = self.io.now_ns();
        }
        self.noted(result)
    }

    fn again(&mut self, slot: u32, serial: u32) {
        self.io.again(slot, serial);
    }

    fn close(&mut self, slot: u32) {
        self.io.close(slot);
    }

    fn wait(&mut self, until_ns: u64, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.io.wait(until_ns, ready)
    }

    fn rest(&mut self, until_ns: u64) -> io::Result<bool> {
        self.io.rest(until_ns)
    }

    fn cpu_ns(&self) -> u64 {
        self.io.cpu_ns()
    }
}
